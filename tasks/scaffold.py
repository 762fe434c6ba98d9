"""A new suite that runs at once: a package with two tasks and its entry point."""

from __future__ import annotations

import json
from pathlib import Path

from tasks.errors import TaskError

_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
dependencies = ["rlef"]

[project.entry-points."rlef.suites"]
{name} = "{package}:load"

[tool.setuptools]
packages = ["{package}"]

[tool.setuptools.package-data]
{package} = ["tasks.jsonl"]
"""
_INIT = '''\
"""Task suite "{name}". Its tasks are in tasks.jsonl, one a line; docs/your-suite.md of rlef says how to write them."""

from pathlib import Path

from tasks import Suite, load_suite


def load(path: Path | None = None) -> Suite:
    """The suite; `path` names another file of tasks."""
    suite = load_suite(f"jsonl:{{path or Path(__file__).with_name('tasks.jsonl')}}")
    return Suite("{name}", suite.splits, suite.problems)
'''
_TASKS = (
    {
        "key": "double",
        "statement": "Read a whole number from standard input and print twice its value.",
        "split": "train",
        "public": [{"input": "2\n", "output": "4\n"}, {"input": "5\n", "output": "10\n"}],
        "private": [{"input": "0\n", "output": "0\n"}, {"input": "-3\n", "output": "-6\n"}],
        "references": ["print(2 * int(input()))"],
        "mutants": ["print(2 * abs(int(input())))"],
    },
    {
        "key": "longest",
        "statement": "Write a function longest(words) that returns the first of the longest words in a list.",
        "split": "test",
        "entry_point": "longest",
        "public": [{"arguments": [["a", "bcd", "ef"]], "expected": "bcd"}],
        "private": [
            {"arguments": [["one", "two"]], "expected": "one"},
            {"arguments": [["x"]], "expected": "x"},
            {"arguments": [["", "to", "of", "the"]], "expected": "the"},
        ],
        "references": ["def longest(words):\n    return max(words, key=len)\n"],
        "mutants": ["def longest(words):\n    return sorted(words, key=len)[-1]\n"],
    },
)


def new_suite(folder: Path) -> str:
    """Make the folder of a new suite and say what to do next. Raises `TaskError` when it cannot be made."""
    name = folder.name
    package = name.replace("-", "_")
    if not package.isidentifier() or not package.isascii() or not package.islower():
        raise TaskError(f'"{name}" cannot name a suite; use small letters, digits and dashes')
    if folder.exists():
        raise TaskError(f"{folder}: exists already; name a new folder")
    try:
        (folder / package).mkdir(parents=True)
        (folder / "pyproject.toml").write_text(_PYPROJECT.format(name=name, package=package), encoding="utf-8")
        (folder / package / "__init__.py").write_text(_INIT.format(name=name), encoding="utf-8")
        lines = "".join(json.dumps(task, ensure_ascii=False) + "\n" for task in _TASKS)
        (folder / package / "tasks.jsonl").write_text(lines, encoding="utf-8")
    except OSError as error:
        raise TaskError(f"{folder}: cannot be made ({error}); choose another place") from error
    tasks = folder / package / "tasks.jsonl"
    return (
        f"{folder} holds two tasks. Next:\n"
        f"  rlef tasks check {tasks}    judge references and wrong programs\n"
        f"  pip install -e {folder}     make it known as suite {name}\n"
        f"  edit {tasks}, one task a line (docs/your-suite.md)"
    )
