"""Data sets of a hub, served by a small one of our own that answers as the real one does."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

STATE = "0123456789abcdef0123456789abcdef01234567"
ROW = {"task_id": 11, "text": "Add two numbers.", "code": "def add(a, b):\n    return a + b\n", "test_setup_code": "",
       "test_list": ["assert add(1, 2) == 3", "assert add(2, 2) == 4"], "challenge_test_list": []}  # fmt: skip
FILES = {
    "README.md": b"# A data set\n",
    "loader.py": b"raise SystemExit('code of a data set was run')\n",
    "data/mbpp.jsonl": json.dumps(ROW).encode() + b"\n",
    "data/other.jsonl": json.dumps({**ROW, "task_id": 12}).encode() + b"\n",
}


class Hub(BaseHTTPRequestHandler):
    """What the library asks of a hub to take a snapshot."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.partition("?")[0]
        name = path.partition(f"/resolve/{STATE}/")[2]
        if path.startswith("/api/datasets/someone/mbpp/tree/"):
            listed = [{"type": "file", "path": name, "size": len(data), "oid": ""} for name, data in FILES.items()]
            self.answer(json.dumps(listed).encode())
        elif path.startswith("/api/datasets/someone/mbpp"):
            self.answer(json.dumps({"id": "someone/mbpp", "sha": STATE, "siblings": [
                {"rfilename": name} for name in FILES
            ]}).encode())  # fmt: skip
        elif path.startswith("/datasets/someone/mbpp/resolve/") and name in FILES:
            self.server.given += [name] * (self.command == "GET")
            self.answer(FILES[name])
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def answer(self, data):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", STATE)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *words):
        pass


@pytest.fixture
def hub(tmp_path):
    """A call of `rlef tasks show` with this hub as the only one there is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.given = []
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def show(spec, address=f"http://127.0.0.1:{server.server_port}"):
        environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0"}
        return subprocess.run(
            [sys.executable, "-m", "rlef", "tasks", "show", spec], env=environment, capture_output=True, text=True
        )

    show.given = server.given
    yield show
    server.shutdown()


def test_a_data_set_is_fetched_once_and_read_as_its_files_are(hub):
    for spec in ("mbpp:hf:someone/mbpp", "hf:someone/mbpp"):
        shown = hub(spec)
        assert shown.returncode == 0, shown.stderr
        assert "2 tasks" in shown.stdout
    assert sorted(hub.given) == ["data/mbpp.jsonl", "data/other.jsonl"]


def test_one_file_of_it(hub):
    shown = hub("mbpp:hf:someone/mbpp/data/mbpp.jsonl")
    assert shown.returncode == 0, shown.stderr
    assert hub.given == ["data/mbpp.jsonl"]


def test_a_folder_and_one_file_after_all_of_them(hub):
    sizes = [hub(f"mbpp:hf:someone/mbpp{which}").stdout for which in ("", "/data", "/data/other.jsonl")]
    assert ["2 tasks" in shown for shown in sizes] == [True, True, False]
    assert "1 tasks" in sizes[2]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("mbpp:hf:someone/nothing", "check its name"),
        ("mbpp:hf:someone/mbpp/absent.jsonl", "no such file"),
        ("mbpp:hf:nobody", "write hf:OWNER/NAME"),
        ("mbpp:hf:some one/mbpp", "check its name"),
    ],
)
def test_what_is_not_there_is_explained(hub, spec, words):
    shown = hub(spec)
    assert shown.returncode == 2
    assert words in shown.stderr.strip().splitlines()[-1]
    assert "Traceback" not in shown.stderr


def test_without_a_hub(hub):
    shown = hub("mbpp:hf:someone/mbpp", address="http://127.0.0.1:9")
    assert shown.returncode == 2
    assert "does not give this data set" in shown.stderr
    assert "Traceback" not in shown.stderr
