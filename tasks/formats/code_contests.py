"""CodeContests (Li et al. 2022, arXiv 2203.07814): competitive programming by standard input.

Read are the columns of `deepmind/code_contests` (JSON lines, Parquet, Arrow; tests are objects of parallel lists), one
row as AlphaCodium keeps it, and SandboxFusion's rows, where all tests are in one list. Public are `public_tests`;
private are `private_tests` and `generated_tests`. SandboxFusion's rows do not keep them apart and are split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.program import Program
from tasks.formats.comparing import checker_for, limits_of, stdio_tests
from tasks.formats.rows import OnProblem, Row, parse_json, read_tasks
from tasks.formats.splitting import distinct, marked, split_of_name, split_tests, unscored
from tasks.task import StdioTest, Task

HOME = "google-deepmind/code_contests, or deepmind/code_contests on the Hugging Face hub"
DEFAULT_SPLIT = "train"
PROGRAMS = 3
"""Solutions, right and wrong, that are kept of the hundreds some rows have."""
SOURCES = ("unknown", "codechef", "codeforces", "hackerearth", "codejam", "", "atcoder", "aizu")
_LANGUAGES = {3: "python", 2: "cpp", "PYTHON3": "python", "CPP": "cpp"}


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a file or a folder of files, in order; see `tasks.formats.rows.read_tasks`."""
    return read_tasks(path, _task, on_problem, HOME, "name")


def _task(row: Row) -> Task:
    return _fused(row) if "content" in row and "test" in row else _original(row)


def _original(row: Row) -> Task:
    statement = row.text("description")
    shown = _tests(row, "public_tests")
    hidden = _tests(row, "private_tests") + _tests(row, "generated_tests")
    if not shown and not hidden:
        raise ValueError("field public_tests: no test, nor in private_tests or generated_tests; leave the row out")
    public, private = distinct(shown, hidden) if shown else split_tests(statement, hidden)
    metadata: dict[str, Any] = {"suite": "code_contests", **split_of_name(row.path)}
    for name in ("difficulty", "cf_rating", "cf_tags"):
        if row.fields.get(name):
            metadata[name] = row.fields[name]
    source = row.fields.get("source")
    if isinstance(source, int) and 0 <= source < len(SOURCES):
        metadata["source"] = SOURCES[source]
    memory = row.fields.get("memory_limit_bytes")
    task = Task(
        key=row.text("name"),
        statement=statement,
        public_tests=public,
        private_tests=private,
        limits=limits_of(_seconds(row.fields.get("time_limit")), memory if isinstance(memory, int) else None),
        checker=checker_for(statement, (*shown, *hidden)),
        references=_programs(row, "solutions"),
        mutants=_programs(row, "incorrect_solutions"),
        metadata=metadata,
    )
    return marked(task, unscored(statement, shown, hidden) or unscored("", public, private))


def _fused(row: Row) -> Task:
    statement = row.text("content")
    given = _parsed(row, "test")
    if not isinstance(given, list) or not given:
        raise ValueError("field test: a list of tests is expected; leave the row out when it has none")
    pairs = []
    for i, one in enumerate(given, 1):
        try:
            pairs.append((one["input"]["stdin"], one["output"]["stdout"]))
        except (TypeError, KeyError) as error:
            raise ValueError(f"field test[{i}]: input.stdin and output.stdout are expected") from error
    tests = stdio_tests("test", [a for a, _ in pairs], [b for _, b in pairs])
    public, private = split_tests(statement, tests)
    labels = _parsed(row, "labels") if "labels" in row else {}
    name = labels.get("name") if isinstance(labels, dict) else None
    task = Task(
        key=name if isinstance(name, str) else str(row.integer("id")),
        statement=statement,
        public_tests=public,
        private_tests=private,
        limits=limits_of(None, None),
        checker=checker_for(statement, tests),
        metadata={"suite": "code_contests", "id": row.fields.get("id"), **split_of_name(row.path)},
    )
    return marked(task, unscored(statement, tests, private))


def _tests(row: Row, name: str) -> list[StdioTest]:
    """Tests as parallel lists (`input`/`output` or `inputs`/`outputs`) or as a list of pairs; none when empty."""
    value = row.fields.get(name)
    if isinstance(value, list):
        if not all(isinstance(one, dict) for one in value):
            raise ValueError(f"field {name}: a list of something else than objects with input and output")
        value = {"input": [one.get("input") for one in value], "output": [one.get("output") for one in value]}
    if value is None:
        return []
    if not isinstance(value, dict):
        raise ValueError(f"field {name}: of type {type(value).__name__}; lists of inputs and outputs are expected")
    inputs, outputs = value.get("input", value.get("inputs")), value.get("output", value.get("outputs"))
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        raise ValueError(f"field {name}: its input and output are to be lists of the same length")
    return stdio_tests(name, inputs, outputs)


def _programs(row: Row, name: str) -> tuple[Program, ...]:
    """The first few programs in languages that can be run, Python first."""
    value = row.fields.get(name) or {}
    languages, sources = (value.get("language"), value.get("solution")) if isinstance(value, dict) else (None, None)
    if not isinstance(languages, list) or not isinstance(sources, list):
        return ()
    found = [
        Program(source.replace("\r\n", "\n"), _LANGUAGES[language])
        for language, source in zip(languages, sources, strict=False)
        if isinstance(language, int | str) and language in _LANGUAGES and isinstance(source, str)
    ]
    return tuple(sorted(found, key=lambda program: program.language != "python")[:PROGRAMS])


def _seconds(value: Any) -> float | None:
    """`{seconds, nanos}`, a number, or nothing."""
    if isinstance(value, dict):
        parts = value.get("seconds") or 0, value.get("nanos") or 0
        value = parts[0] + parts[1] / 1e9 if all(isinstance(part, int | float) for part in parts) else None
    return float(value) if isinstance(value, int | float) and 0 < value < 3600 else None


def _parsed(row: Row, name: str) -> Any:
    value = row.fields.get(name)
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError as error:
        raise ValueError(f"field {name}: not JSON ({error}); a JSON text is expected") from error
