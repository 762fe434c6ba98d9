"""`rlef tasks ...` as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import TaskError, load_suite
from tasks.command import run

ROW = {
    "key": "double", "statement": "Print twice the number.", "split": "train",
    "references": ["print(2 * int(input()))"],
    "public": [{"input": "2\n", "output": "4\n"}], "private": [{"input": "-3\n", "output": "-6\n"}],
}  # fmt: skip


@pytest.fixture
def suite(tmp_path, box):
    """A file with a sound task, a broken one, one that cannot be scored, and a row that cannot be read."""
    path = tmp_path / "mine.jsonl"
    wrong = {**ROW, "key": "wrong", "references": ["print(1)"]}
    open_ended = {**ROW, "key": "open", "metadata": {"unscored": "several answers"}, "statement": "Print something."}
    path.write_text("".join(json.dumps(row) + "\n" for row in (ROW, wrong, open_ended)) + "{\n")
    return path


def test_check_prints_json(suite, capsys):
    assert run(["check", str(suite), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["read"], len(said["not_read"]), said["tasks"], said["usable"]) == (3, 1, 3, 2)
    assert said["unscored"] == {"several answers": 1}
    assert (said["references"], said["references_passed"]) == (2, 1)
    assert said["findings"] == [{"key": "wrong", "problem": "reference 1: wrong_answer"}]
    assert said["twins"] == [{"first": "double", "second": "wrong", "share": 1.0}]
    assert said["sound"] is False


def test_check_prints_a_table(suite, capsys):
    assert run(["check", f"jsonl:{suite}", "train", "--limit", "1", "--against", str(suite)]) == 1
    said = capsys.readouterr().out
    assert "1 of 1" in said
    assert "row 4: not JSON" in said
    assert "double = double" in said


def test_a_sound_suite_ends_with_0(tmp_path, capsys, box):
    (tmp_path / "x.jsonl").write_text(json.dumps(ROW))
    assert run(["check", str(tmp_path / "x.jsonl")]) == 0


def test_convert_and_show(suite, tmp_path, capsys):
    target = tmp_path / "out.jsonl"
    assert run(["convert", str(suite), str(target)]) == 0
    assert "2 tasks in train, 1 tasks in unscored" in capsys.readouterr().out
    assert load_suite(target)["train"] == load_suite(suite)["train"]
    with pytest.raises(TaskError, match="exists already"):
        run(["convert", str(suite), str(target)])
    run(["show", str(target)])
    assert "train: 2 tasks, double ..." in capsys.readouterr().out


def test_a_new_suite_runs_at_once_and_plugs_in(tmp_path, capsys, box):
    assert run(["new", str(tmp_path / "my-suite")]) == 0
    tasks = tmp_path / "my-suite/my_suite/tasks.jsonl"
    assert str(tasks) in capsys.readouterr().out
    assert run(["check", str(tasks)]) == 0
    assert {name: len(some) for name, some in load_suite(tasks).splits.items()} == {"train": 1, "test": 1}
    # What `pip install` does, without the network: put the package and its entry point where Python looks.
    info = tmp_path / "my-suite/my_suite-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-suite\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[rlef.suites]\nmy-suite = my_suite:load\n")
    code = "from tasks import *; print(list_suites(), load_suite('my-suite')['test'][0].key)"
    path = os.pathsep.join([str(tmp_path / "my-suite"), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert "'my-suite'" in done.stdout
    assert "longest" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "usage"),
        (["chekc", "x"], "usage"),
        (["list", "--json"], "belong to rlef tasks check"),
        (["check", "starter", "--limit", "many"], "no number of tasks"),
        (["check", "starter", "--limit"], "needs a value"),
        (["check", "/no/such/file.jsonl"], "no such file"),
        (["new", "Bad Name"], "small letters"),
        (["convert", "starter", "x.jsonl", "exam"], "it has: train"),
    ],
)
def test_mistakes_are_one_line(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaskError, match=said) as caught:
        run(words)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
