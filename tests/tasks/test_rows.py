"""Rows of hostile files: every complaint names file, row and field, nothing crashes, nothing runs."""

import contextlib
import gzip
import importlib
import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import TaskError
from tasks.formats import FORMATS
from tasks.formats.rows import parse_json
from tasks.spool import Spool

ROW = {"key": "a", "statement": "s", "public": [], "private": []}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HEADS = [b"", b"\x1f\x8b\x08", b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff", b"[", b"{"]
VALID = {
    "apps": {"problem_id": 1, "question": "q", "input_output": '{"inputs": ["1"], "outputs": ["1"]}', "solutions": ""},
    "code_contests": {"name": "n", "description": "d", "public_tests": {"input": ["1"], "output": ["2"]},
                      "private_tests": {"input": ["2"], "output": ["3"]}, "time_limit": {"seconds": 1, "nanos": 0}},
    "codeio": {"task_description": "t", "input_output_spec": "s", "code_sample": "def main_solution(): pass",
               "input_generator": "def generate_inputs(rng): return {}"},
    "evalplus": {"task_id": "HumanEval/0", "prompt": "def f(x):\n", "entry_point": "f",
                 "canonical_solution": "    return x\n", "test": "inputs = [[1], [2]]\nresults = [1, 2]\n"},
    "humaneval": {"task_id": "HumanEval/0", "prompt": "def f(x):\n", "entry_point": "f",
                  "canonical_solution": "    return x\n", "test": "def check(f):\n    assert f(1) == 1\n"},
    "jsonl": {**ROW, "private": [{"input": "1", "output": "1"}], "limits": {"wall_s": 1}, "checker": "floats 1e-3"},
    "leetcode": {"task_id": "t", "prompt": "", "completion": "class Solution:\n    def f(self, a):\n        return a\n",
                 "entry_point": "Solution().f", "test": "def check(candidate):\n    assert candidate(a = 1) == 1\n",
                 "query": "q", "meta": {}},
    "livecodebench": {"question_id": "q", "question_content": "c", "starter_code": "", "metadata": "{}",
                      "public_test_cases": '[{"input": "1", "output": "1", "testtype": "stdin"}]',
                      "private_test_cases": "[]"},
    "mbpp": {"task_id": 11, "text": "t", "code": "def f(a): return a", "test_list": ["assert f(1) == 1"],
             "test_setup_code": "", "challenge_test_list": []},
    "p3": {"name": "A:0", "sat": "def sat(x: int):\n    return x == 1", "ans_type": "int", "sol_header": "def sol():",
           "sol_docstring": "", "sol_bodies": ["    return 1"], "module": "m.py"},
}  # fmt: skip


def reader(name):
    return importlib.import_module(f"tasks.formats.{name}").read


def write(path, *given):
    path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in given))
    return path


def test_every_format_of_rows_has_a_valid_row(tmp_path):
    assert set(VALID) == set(FORMATS) - {"kattis", "quixbugs"}
    for name, row in VALID.items():
        if name != "codeio":  # needs a sandbox
            assert len(list(reader(name)(write(tmp_path / f"{name}.jsonl", row)))) == 1


@pytest.mark.parametrize("name", VALID)
@settings(max_examples=40)
@given(data=st.data())
def test_strange_fields_are_reported(name, data, tmp_path_factory):
    """One field replaced by anything: a task or one problem that names file, row and, for a row, a field or key."""
    field = data.draw(st.sampled_from(sorted(VALID[name])))
    row = {**VALID[name], field: data.draw(JSON)}
    path = write(tmp_path_factory.mktemp("rows") / "rows.jsonl", row)
    problems = []
    tasks = list(reader(name)(path, problems.append))
    assert len(tasks) + len(problems) == 1
    for problem in problems:
        assert problem.startswith(f"{path}: row 1: ")
        assert "\n" not in problem


@pytest.mark.parametrize("name", sorted(set(VALID) - {"codeio"}))
def test_missing_columns_are_named(name, tmp_path):
    for field in VALID[name]:
        row = {key: value for key, value in VALID[name].items() if key != field}
        problems = []
        tasks = list(reader(name)(write(tmp_path / "rows.jsonl", row), problems.append))
        assert len(tasks) + len(problems) == 1
        assert all("field " in problem or "JSON" in problem for problem in problems), problems


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25)
@given(st.binary(max_size=200), st.sampled_from(HEADS))
def test_noise_never_crashes(name, tmp_path_factory, noise, head):
    path = tmp_path_factory.mktemp("noise") / ("noise.zip" if name == "kattis" else "noise.json")
    path.write_bytes(head + noise)
    with contextlib.suppress(TaskError):
        assert list(reader(name)(path, lambda problem: None)) == []


def test_truncated_files_name_the_remedy(tmp_path):
    whole = gzip.compress(json.dumps(ROW).encode() * 50)
    for cut in (len(whole) - 1, len(whole) - 9, 12):
        path = tmp_path / "cut.gz"
        path.write_bytes(whole[:cut])
        with pytest.raises(TaskError, match=r"cut\.gz: (cannot be read to its end .*fetch it again|row 1)"):
            list(reader("jsonl")(path))


def test_parquet_and_arrow_are_read_and_cut_ones_explained(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_pylist([VALID["code_contests"], {**VALID["code_contests"], "name": "m"}])
    parquet.write_table(table, tmp_path / "train-00000.parquet")
    with pyarrow.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    with pyarrow.OSFile(str(tmp_path / "y.arrow"), "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
    for name in ("train-00000.parquet", "x.arrow", "y.arrow"):
        path = tmp_path / name
        tasks = list(reader("code_contests")(path))
        assert [task.key for task in tasks] == ["n", "m"]
        assert tasks[0].metadata.get("split") == ("train" if "train" in name else None)
        content = path.read_bytes()
        for cut in (8, len(content) // 2):
            path.write_bytes(content[:cut])
            with pytest.raises(TaskError, match=name):
                list(reader("code_contests")(path))


def test_a_line_that_is_too_long_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.formats.rows.MAX_LINE", 1 << 20)
    path = write(tmp_path / "x.jsonl", ROW, b'{"key": "' + b"x" * (3 << 20) + b'"}\n', {**ROW, "key": "b"})
    problems = []
    assert [task.key for task in reader("jsonl")(path, problems.append)] == ["a", "b"]
    [problem] = problems
    assert "row 2: a line of more than 1 MiB" in problem


def test_keys_that_occur_twice_are_refused(tmp_path):
    path = write(tmp_path / "x.jsonl", b'{"key": "a", "statement": "s", "key": "b"}\n')
    with pytest.raises(TaskError, match=r"row 1: .*field key: occurs twice in one object; remove one"):
        list(reader("jsonl")(path))
    assert dict(json.loads('{"key": 1, "key": 2}')) == {"key": 2}, "the control: Python's reader takes the last"


def test_lines_end_at_newlines_only(tmp_path):
    row = json.dumps({**ROW, "statement": "a\u2028b\x85c\x0cd"}, ensure_ascii=False).encode() + b"\r\n"
    assert len(row.decode().splitlines()) > 1, "the control"
    [task] = reader("jsonl")(write(tmp_path / "x", row))
    assert task.statement == "a\u2028b\x85c\x0cd"


@pytest.mark.parametrize("digits", [1, 4300, 4301, 20_000])
def test_integers_of_any_length_are_read(digits):
    text = "7" * digits
    assert parse_json(f"[-{text}]") == [-(7 * (10**digits - 1) // 9)]


def test_integers_without_end_are_refused():
    with pytest.raises(ValueError, match="million digits"):
        parse_json("1" * 1_000_001)


def test_a_spool_is_a_sequence_of_tasks(tmp_path):
    tasks = list(reader("jsonl")(write(tmp_path / "x", *({**ROW, "key": f"t{i}"} for i in range(5)))))
    spool = Spool(tasks)
    assert list(spool) == tasks
    assert spool[1:3] == tasks[1:3]
    assert spool[-1] == tasks[-1]
    assert pickle.loads(pickle.dumps(spool)) == spool
    with pytest.raises(IndexError):
        spool[5]


STREAM = """
import json, re, sys
from pathlib import Path
from tasks.formats import code_contests
count = sum(1 for task in code_contests.read(Path(sys.argv[1])))
print(json.dumps([count, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10]))
"""


@pytest.mark.parametrize("problems", [300])
def test_a_large_file_streams(tmp_path, problems):
    """Memory does not grow with the file. benchmarks/large_suite.py does the same with 13,000 problems."""
    pair = {"input": ["1 2 3\n" * 1000] * 20, "output": ["6\n" * 1000] * 20}
    path = tmp_path / "large.jsonl"
    with open(path, "w") as file:
        for number in range(problems):
            file.write(json.dumps({**VALID["code_contests"], "name": f"p{number}", "generated_tests": pair}) + "\n")
    assert path.stat().st_size > 40 << 20
    run = subprocess.run([sys.executable, "-c", STREAM, path], capture_output=True, text=True, check=True)
    count, megabytes = json.loads(run.stdout)
    assert count == problems
    assert megabytes < 120
