"""The HumanEval reader: a fixture with oddities, damaged and hostile files, and the real file where there is one."""

import contextlib
import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import AssertTest, CallTest, TaskError, Verdict, judge_many, load_suite
from tasks.formats.humaneval import read

REAL = Path(os.environ.get("RLEF_DATA", Path(__file__).parents[3] / "shared" / "data")) / "humaneval/HumanEval.jsonl.gz"
needs_data = pytest.mark.skipif(not REAL.exists(), reason=f"no {REAL}; set RLEF_DATA")

ROW = {
    "task_id": "HumanEval/0",
    "prompt": 'from typing import List\n\n\ndef twice(x: int, n: int = 2):\n    """Multiply.\n'
    "    >>> twice(3)\n    6\n    >>> twice(-2, 3)\n    -6\n    >>> twice(y)\n    0\n    >>> twice(1)\n    Traceback\n"
    "    twice('a') == 'aa'; twice([1], 2) -> [1, 1], as lists are\n    \"\"\"\n",
    "entry_point": "twice",
    "canonical_solution": "    return x * n\n",
    "test": "def check(candidate):\n    assert candidate(5) == 10\n",
}


def write(path, *rows, pack=gzip.compress):
    lines = (row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    path.write_bytes(pack(b"\n".join(lines) + b"\n"))
    return path


@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["gz", "plain"])
def test_a_row_becomes_a_task(tmp_path, pack):
    [task] = read(write(tmp_path / "HumanEval.jsonl.gz", ROW, pack=pack))
    assert task.key == "HumanEval/0"
    assert task.entry_point == "twice"
    assert task.statement.startswith("from typing")
    assert task.references[0].source == ROW["prompt"] + ROW["canonical_solution"]
    assert task.public_tests == (
        CallTest((3,), 6),
        CallTest((-2, 3), -6),
        CallTest(("a",), "aa"),
        CallTest(([1], 2), [1, 1]),
    )
    [private] = task.private_tests
    assert isinstance(private, AssertTest)
    assert private.source.startswith("from typing import List\n")
    assert private.source.endswith("check(twice)")


def test_a_path_and_a_name_give_the_same_suite(tmp_path):
    path = write(tmp_path / "HumanEval.jsonl.gz", ROW)
    assert load_suite(path)["test"] == load_suite(f"humaneval:{path}")["test"] == load_suite(str(path))["test"]


def without(field):
    return {key: value for key, value in ROW.items() if key != field}


BAD_ROWS = [
    (without("test"), "field test: missing"),
    ({**ROW, "prompt": 3}, "field prompt: of type int"),
    ({**ROW, "task_id": ""}, "field task_id: empty"),
    ({**ROW, "entry_point": "twice(); evil"}, "field entry_point"),
    ({**ROW, "entry_point": "thrice"}, "thrice is not defined by the prompt"),
    ({**ROW, "canonical_solution": "  return ("}, "canonical_solution: not Python"),
    ({**ROW, "prompt": "\0"}, "not Python"),
    ({**ROW, "test": "\ud800"}, "field test: not valid Unicode"),
    ([1], "a JSON list"),
    (b"{", "not JSON"),
    (b"\xff\xfe", "not JSON"),
    (b"[" * 100_000, "row 2"),
    (b'{"task_id": ' + b"9" * 5000 + b"}", "row 2"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_ROWS)
def test_bad_rows_are_reported_and_the_others_read(tmp_path, bad, message):
    path = write(tmp_path / "HumanEval.jsonl", ROW, bad, {**ROW, "task_id": "HumanEval/1"}, pack=bytes)
    problems = []
    assert [task.key for task in read(path, problems.append)] == ["HumanEval/0", "HumanEval/1"]
    [problem] = problems
    assert str(path) in problem
    assert "row 2" in problem
    assert message in problem
    assert load_suite(path).problems == (problem,)
    with pytest.raises(TaskError, match="row 2"):
        list(read(path))


def test_twins_are_reported(tmp_path):
    with pytest.raises(TaskError, match=r"row 2: field task_id.*twice"):
        list(read(write(tmp_path / "x", ROW, ROW)))


def test_damaged_files_are_explained(tmp_path):
    (tmp_path / "folder").mkdir()
    whole = gzip.compress(json.dumps(ROW).encode() * 50)
    for name, content in {"cut": whole[:-20], "flipped": whole[:40] + b"\0\0\0\0" + whole[44:], "empty": b""}.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(TaskError, match=name):
            load_suite(f"humaneval:{path}")
    with pytest.raises(TaskError, match="holds no"):
        list(read(tmp_path / "folder"))
    with pytest.raises(TaskError, match="no such file"):
        list(read(tmp_path / "none"))


def test_an_endless_line_is_refused(tmp_path):
    path = tmp_path / "HumanEval.jsonl.gz"
    path.write_bytes(gzip.compress(b"a" * (65 << 20), 1))
    with pytest.raises(TaskError, match="64 MiB"):
        list(read(path))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_noise_never_crashes(tmp_path_factory, noise, packed):
    path = tmp_path_factory.mktemp("noise") / "HumanEval.jsonl"
    path.write_bytes(b"\x1f\x8b" + noise if packed else noise)
    with contextlib.suppress(TaskError):
        assert list(read(path, lambda problem: None)) == []


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(list(ROW)), st.one_of(st.none(), st.integers(), st.text(max_size=40), st.lists(st.none()))
    )
)
def test_strange_fields_never_crash(tmp_path_factory, change):
    path = write(tmp_path_factory.mktemp("rows") / "HumanEval.jsonl", {**ROW, **change}, pack=bytes)
    problems = []
    assert len(list(read(path, problems.append))) + len(problems) == 1


@needs_data
def test_the_real_file_is_read_in_full():
    suite = load_suite(f"humaneval:{REAL}")
    assert suite.problems == ()
    assert len(suite["test"]) == 164
    assert sum(bool(task.public_tests) for task in suite["test"]) >= 130


@needs_data
def test_references_pass_in_the_sandbox(box):
    tasks = load_suite(f"humaneval:{REAL}")["test"]
    reports = judge_many([(task, task.references[0]) for task in tasks], box)
    assert not any(report.sandbox_failed for report in reports)
    assert {result.verdict for report in reports for result in report.private} == {Verdict.ACCEPTED}
    assert all(report.public_passed for report in reports if report.public)
    assert {report.trust for report in reports} == {"sound"}
