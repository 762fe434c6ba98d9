"""LiveCodeBench (Jain et al. 2024, arXiv 2403.07974): contest problems with dates, by standard input or by function.

Original rows keep public and private tests apart; private ones are base64(zlib(pickle(JSON text))), or JSON. A pickle
can run code when it is loaded, so it is loaded by an unpickler that knows no global at all: these rows hold texts and
containers only, and anything else is refused. SandboxFusion's rows hold all tests in one field and are split.
"""

from __future__ import annotations

import base64
import binascii
import io
import pickle
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from sandbox.program import Limits
from tasks.formats import adapters
from tasks.formats.comparing import checker_for, limits_of, stdio_tests
from tasks.formats.rows import MAX_LINE, OnProblem, Row, parse_json, read_tasks
from tasks.formats.splitting import distinct, marked, split_tests, unscored
from tasks.task import CallTest, StdioTest, Task

HOME = "livecodebench/code_generation_lite on the Hugging Face hub"
DEFAULT_SPLIT = "test"
LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=1024)


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a file or a folder of files, in order; see `tasks.formats.rows.read_tasks`."""
    return read_tasks(path, _task, on_problem, HOME, "question_id")


def decode(field: str, text: str) -> Any:
    """What a field of tests holds: JSON, or base64(zlib(pickle)) of plain data, a JSON text in it parsed.

    Raises ValueError that names the field; never runs what a pickle asks for.
    """
    if text.lstrip()[:1] in ("[", "{"):
        return _json(field, text)
    try:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(base64.b64decode(text, validate=True), MAX_LINE)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise ValueError(f"unpacks to more than {MAX_LINE >> 20} MiB or is cut off; leave the row out")
        value = _NoGlobals(io.BytesIO(data)).load()
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"field {field}: neither JSON nor base64 of zlib ({error}); fetch the file again") from error
    except Exception as error:  # a broken pickle raises nearly anything
        raise ValueError(f"field {field}: not to be unpacked ({error}); plain data is expected") from error
    return _json(field, value) if isinstance(value, str) else value


class _NoGlobals(pickle.Unpickler):
    """Loads texts, numbers and containers. A global, and so any call, is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it asks for an object from outside")


def _task(row: Row) -> Task:
    return _original(row) if "question_content" in row else _fused(row)


def _original(row: Row) -> Task:
    statement, starter = row.text("question_content").strip(), row.text("starter_code", "").rstrip()
    more = _json("metadata", row.text("metadata", "{}"))
    name = more.get("func_name") if isinstance(more, dict) else None
    shown, hidden = (
        _tests(field, decode(field, row.text(field, "[]"))) for field in ("public_test_cases", "private_test_cases")
    )
    metadata = {
        "suite": "livecodebench",
        **{field: row.text(field) for field in ("platform", "difficulty", "contest_date") if row.fields.get(field)},
    }
    return _build(row.text("question_id"), statement, starter, name, shown, hidden, metadata)


def _fused(row: Row) -> Task:
    statement = row.text("content").strip()
    labels = _json("labels", row.text("labels", "{}"))
    held = decode("test", row.text("test"))
    held = _json("test", held["input_output"]) if isinstance(held, dict) and "input_output" in held else held
    if not isinstance(held, dict) or not all(isinstance(held.get(part), list) for part in ("inputs", "outputs")):
        raise ValueError("field test: inputs and outputs are expected in it")
    name = held.get("fn_name")
    kind = "functional" if name else "stdin"
    if len(held["inputs"]) != len(held["outputs"]):
        raise ValueError(f"field test: {len(held['inputs'])} inputs but {len(held['outputs'])} outputs")
    pairs = zip(held["inputs"], held["outputs"], strict=True)
    tests = _tests("test", [{"input": a, "output": b, "testtype": kind} for a, b in pairs])
    shown, hidden = split_tests(statement, tests)
    key = labels.get("task_id") if isinstance(labels, dict) else None
    metadata = {"suite": "livecodebench"}
    if isinstance(labels, dict) and isinstance(labels.get("difficulty"), str):
        metadata["difficulty"] = labels["difficulty"]
    starter = "class Solution:" if name and "class Solution" in statement else ""
    return _build(key or str(row.integer("id")), statement, starter, name, shown, hidden, metadata)


def _build(
    key: Any, statement: str, starter: str, name: Any, shown: Any, hidden: Any, metadata: dict[str, str]
) -> Task:
    if not isinstance(key, str):
        raise ValueError("field labels: its task_id is no text")
    if not shown and not hidden:
        raise ValueError("field public_test_cases: no test; leave the row out")
    public, private = distinct(shown, hidden)
    reason = unscored(statement, (*shown, *hidden), private)
    if isinstance((*shown, *hidden)[0], StdioTest):
        task = Task(
            key, statement, public, private, limits_of(None, None), checker_for(statement, (*shown, *hidden)),
            metadata=metadata,
        )  # fmt: skip
        return marked(task, reason)
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError("field metadata: func_name is missing, but the tests call a function")
    entry = f"Solution.{name}" if "class Solution" in starter else name
    if starter and starter not in statement:
        statement += f"\n\nStart from this code:\n{starter}"
    task = Task(
        key, statement, public, private, LIMITS, "json", entry_point=entry, prelude=adapters.IMPORTS,
        adapter=adapters.plain(entry), metadata=metadata,
    )  # fmt: skip
    return marked(task, reason)


def _tests(field: str, cases: Any) -> list[StdioTest] | list[CallTest]:
    """Tests of one kind. A functional input is one JSON value a line."""
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise ValueError(f"field {field}: a list of objects with input, output and testtype is expected")
    kinds = {case.get("testtype", "stdin") for case in cases}
    if len(kinds) > 1 or not kinds <= {"stdin", "functional"}:
        raise ValueError(f"field {field}: testtype is {sorted(map(str, kinds))}; stdin or functional is expected")
    inputs, outputs = [case.get("input") for case in cases], [case.get("output") for case in cases]
    if kinds != {"functional"}:
        return stdio_tests(field, inputs, outputs)
    if not all(isinstance(text, str) for text in (*inputs, *outputs)):
        raise ValueError(f"field {field}: inputs and outputs of functional tests are JSON texts")
    return [
        CallTest(tuple(_json(field, line) for line in re.split(r"\r?\n", given) if line.strip()), _json(field, wanted))
        for given, wanted in zip(inputs, outputs, strict=True)
    ]


def _json(field: str, text: Any) -> Any:
    if not isinstance(text, str):
        raise ValueError(f"field {field}: of type {type(text).__name__}; a JSON text is expected")
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"field {field}: not JSON ({error})") from error
