"""Our own format: one JSON object per line, a task each. What it says is in docs/your-suite.md; `write` makes it.

```json
{"key": "double", "statement": "Print twice the number.", "split": "train",
 "public": [{"input": "2\\n", "output": "4\\n"}], "private": [{"input": "-3\\n", "output": "-6\\n"}],
 "references": ["print(2 * int(input()))"], "mutants": ["print(int(input()) ** 2)"]}
```

A test that calls a function holds `arguments` and `expected` as JSON, or, for values JSON has no word for, `call` and
`returns` as Python literals. Unknown fields are refused, so that a misspelt one does not go unnoticed.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

from sandbox.program import Limits, Program
from tasks.checkers import checker
from tasks.errors import TaskError
from tasks.formats.asserts import literal
from tasks.formats.rows import OnProblem, Row, checked, read_tasks
from tasks.formats.splitting import asked
from tasks.task import AssertTest, CallTest, Group, SpecialJudge, StdioTest, Task, Test

HOME = "you; docs/your-suite.md says how to write it"
DEFAULT_SPLIT = "train"
FIELDS = (
    "key", "statement", "public", "private", "split", "limits", "checker", "special_judge", "entry_point", "prelude",
    "adapter", "groups", "references", "mutants", "metadata",
)  # fmt: skip


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a file or a folder of files, in order; see `tasks.formats.rows.read_tasks`."""
    return read_tasks(path, _task, on_problem, HOME, "key")


def write(tasks: Iterable[Task], file: TextIO) -> int:
    """Write tasks, one a line, so that `read` gives them back. Returns how many."""
    count = 0
    for count, task in enumerate(tasks, 1):  # noqa: B007
        file.write(json.dumps(_row(task), ensure_ascii=False) + "\n")
    return count


def _task(row: Row) -> Task:
    for name in row.fields:
        if name not in FIELDS:
            close = get_close_matches(name, FIELDS, 1)
            hint = f'did you mean "{close[0]}"' if close else f"put it into metadata; known: {', '.join(FIELDS)}"
            raise ValueError(f"field {name[:80]}: unknown; {hint}")
    statement = row.text("statement")
    public, private = _tests(row, "public"), _tests(row, "private")
    shown = {asked(test) for test in public}
    for number, test in enumerate(private, 1):
        if asked(test) in shown:
            raise ValueError(f"field private: test {number} asks what a public test asks; give it another input")
    metadata = row.table("metadata", {})
    if "split" in row:
        metadata = {**metadata, "split": row.text("split")}
    return Task(
        key=row.text("key"),
        statement=statement,
        public_tests=public,
        private_tests=private,
        limits=_limits(row.table("limits", {})),
        checker=_checker("checker", row.text("checker", "tokens")),
        special_judge=_judge(row.table("special_judge")) if "special_judge" in row else None,
        entry_point=row.text("entry_point") if "entry_point" in row else None,
        prelude=row.text("prelude", ""),
        adapter=row.text("adapter", ""),
        groups=tuple(_group(one, len(private)) for one in row.items("groups", [])),
        references=_programs(row, "references"),
        mutants=_programs(row, "mutants"),
        metadata=metadata,
    )


def _tests(row: Row, name: str) -> tuple[Test, ...]:
    return tuple(_test(f"{name}[{i}]", one) for i, one in enumerate(row.items(name, [])))


def _test(field: str, given: Any) -> Test:
    kind = set(given) if isinstance(given, dict) else set()
    if kind - {"alternatives"} == {"input", "output"}:
        return StdioTest(
            checked(f"{field}.input", given["input"]),
            checked(f"{field}.output", given["output"]),
            tuple(checked(f"{field}.alternatives", text) for text in _list(field, given.get("alternatives", []))),
        )
    own = _checker(f"{field}.checker", given["checker"]) if "checker" in kind else ""
    if kind - {"alternatives", "checker"} == {"arguments", "expected"}:
        arguments = tuple(_list(f"{field}.arguments", given["arguments"]))
        return CallTest(arguments, given["expected"], tuple(_list(field, given.get("alternatives", []))), own)
    if kind - {"alternatives", "checker"} == {"call", "returns"}:
        arguments = _literal(f"{field}.call", given["call"])
        if not isinstance(arguments, tuple):
            raise ValueError(f'field {field}.call: a tuple of arguments is expected, such as "(1, [2])"')
        others = tuple(_literal(field, text) for text in _list(field, given.get("alternatives", [])))
        return CallTest(arguments, _literal(f"{field}.returns", given["returns"]), others, own)
    if kind == {"assert"}:
        return AssertTest(checked(f"{field}.assert", given["assert"]))
    raise ValueError(
        f"field {field}: its fields are to be input and output, arguments and expected, call and returns, or assert"
    )


def _checker(field: str, spec: Any) -> str:
    try:
        checker(checked(field, spec))
    except TaskError as error:
        raise ValueError(f"field {field}: {error}") from error
    return spec


def _literal(field: str, text: Any) -> Any:
    try:
        return literal(ast.parse(checked(field, text), mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(f"field {field}: not a Python literal ({error})") from error


def _list(field: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"field {field}: of type {type(value).__name__}; a list is expected")
    return value


def _limits(given: dict[str, Any]) -> Limits:
    known = {field.name for field in fields(Limits)}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"field limits.{name[:80]}: unknown; there are: {', '.join(sorted(known))}")
        if type(value) not in (int, float) or not 0 < value < 1 << 40:
            raise ValueError(f"field limits.{name}: a number greater than 0 is expected")
    return Limits(**given)


def _programs(row: Row, name: str) -> tuple[Program, ...]:
    return tuple(_program(f"{name}[{i}]", one) for i, one in enumerate(row.items(name, [])))


def _program(field: str, given: Any) -> Program:
    """A text is Python; another language is `{"source": ..., "language": ...}`."""
    if not isinstance(given, dict):
        return Program(checked(field, given))
    return Program(checked(f"{field}.source", given.get("source")), checked(f"{field}.language", given.get("language")))


def _judge(given: dict[str, Any]) -> SpecialJudge:
    style = given.get("style", "kattis")
    if style not in ("kattis", "testlib"):
        raise ValueError('field special_judge.style: "kattis" or "testlib" is expected')
    flags = tuple(checked("special_judge.flags", flag) for flag in _list("special_judge.flags", given.get("flags", [])))
    program = {"source": given.get("source"), "language": given.get("language", "python")}
    return SpecialJudge(_program("special_judge", program), style, flags)


def _group(given: Any, tests: int) -> Group:
    if not isinstance(given, dict) or type(given.get("points")) not in (int, float):
        raise ValueError("field groups: objects with name, points and tests are expected")
    places = _list("groups.tests", given.get("tests"))
    if not all(type(place) is int and 0 <= place < tests for place in places):
        raise ValueError(f"field groups.tests: numbers of private tests are expected, from 0 to {tests - 1}")
    per_test = given.get("per_test") is True
    return Group(checked("groups.name", given.get("name")), given["points"], tuple(places), per_test)


def _row(task: Task) -> dict[str, Any]:
    metadata = dict(task.metadata)
    judge = task.special_judge
    row: dict[str, Any] = {
        "key": task.key,
        "statement": task.statement,
        "split": metadata.pop("split", None),
        "public": [_test_row(test) for test in task.public_tests],
        "private": [_test_row(test) for test in task.private_tests],
        "limits": {name: value for name, value in asdict(task.limits).items() if value is not None},
        "checker": task.checker,
        "special_judge": judge and {**_program_row(judge.program), "style": judge.style, "flags": list(judge.flags)},
        "entry_point": task.entry_point,
        "prelude": task.prelude,
        "adapter": task.adapter,
        "groups": [asdict(group) for group in task.groups],
        "references": [_program_row(program) for program in task.references],
        "mutants": [_program_row(program) for program in task.mutants],
        "metadata": metadata,
    }
    return {name: value for name, value in row.items() if value or name in ("key", "statement", "public", "private")}


def _test_row(test: Test) -> dict[str, Any]:
    if isinstance(test, AssertTest):
        return {"assert": test.source}
    more = list(test.alternatives)
    if isinstance(test, StdioTest):
        row: dict[str, Any] = {"input": test.input, "output": test.output, "alternatives": more}
    elif _is_json([list(test.arguments), test.expected, more]):
        row = {"arguments": list(test.arguments), "expected": test.expected, "alternatives": more}
    else:
        row = {
            "call": _written(test.arguments),
            "returns": _written(test.expected),
            "alternatives": list(map(_written, more)),
        }
    if isinstance(test, CallTest) and test.checker:
        row["checker"] = test.checker
    return row if more else {name: value for name, value in row.items() if name != "alternatives"}


def _program_row(program: Program) -> dict[str, str]:
    return {"source": program.source, "language": program.language}


def _is_json(value: Any) -> bool:
    """Whether JSON gives the value back as it is."""
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return isinstance(value, str | bool | None) or (type(value) in (int, float) and abs(value) < 1e300)


def _written(value: Any) -> str:
    """A value as a Python literal that `literal` reads; long integers in hexadecimal, which has no limit on digits."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_written, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_written(key)}: {_written(item)}' for key, item in value.items())}}}"
    if isinstance(value, set):
        return f"{{{', '.join(map(_written, value))}}}" if value else "set()"
    if type(value) is int and abs(value) >= 1 << 64:
        return hex(value)
    if isinstance(value, frozenset):
        raise TaskError("a frozenset cannot be written; jsonl has no word for it")
    return repr(value)
