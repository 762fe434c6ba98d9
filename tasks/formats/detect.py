"""Which format a path is in, told by what is in it: the fields of the first row, or the files of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.formats.rows import files, rows

_BY_FIELDS = (  # the first that fits; what distinguishes a format comes before what it shares
    ("jsonl", {"key", "statement"}),
    ("code_contests", {"description", "public_tests"}),
    ("codeio", {"code_sample", "input_generator"}),
    ("livecodebench", {"question_content"}),
    ("livecodebench", {"content", "test", "labels", "canonical_solution"}),
    ("code_contests", {"content", "test"}),
    ("apps", {"question", "input_output"}),
    ("leetcode", {"prompt", "completion", "entry_point", "test"}),
    ("evalplus", {"plus_input"}),
    ("evalplus", {"test_list", "test"}),
    ("mbpp", {"task_id", "test_list"}),
    ("p3", {"sat", "sol_bodies"}),
    ("humaneval", {"task_id", "prompt", "entry_point", "canonical_solution"}),
)


def format_of(path: Path) -> str | None:
    """Name of the format; None when nothing tells it. Raises `TaskError` for a file that cannot be read."""
    if path.suffix in (".zip", ".kpp"):
        return "kattis"
    if path.is_dir():
        if next(path.rglob("problem.yaml"), None):
            return "kattis"
        if next(path.rglob("question.txt"), None):
            return "apps"
        if (path / "json_testcases").is_dir() or path.name == "json_testcases":
            return "quixbugs"
    for file in files(path, "you")[:1]:
        for _, fields in rows(file):
            return _of_row(fields) if isinstance(fields, dict) else None
    return None


def _of_row(fields: dict[str, Any]) -> str | None:
    found = next((name for name, wanted in _BY_FIELDS if wanted <= fields.keys()), None)
    if found == "humaneval" and "inputs = [" in str(fields.get("test")):
        return "evalplus"
    return found
