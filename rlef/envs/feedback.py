"""What the policy is told: the task at first, then what its program did on the public tests.

Feedback is a pure function of a judge's public results, so the same program twice gives the same text byte for byte,
and nothing private can reach it. Long pieces keep their beginning and end. The wording itself is a template
(`wording.jinja`), which users can replace.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from rlef.config import FeedbackConfig
from rlef.errors import RlefError
from tasks import AssertTest, CallTest, StdioTest, Task, TestResult, Verdict

WORDING = Path(__file__).parent / "wording.jinja"


@dataclass(frozen=True)
class Failure:
    """One failing public test as the template sees it."""

    kind: str
    input: str | None
    test: str | None
    expected: str | None
    observed: str
    trace: str


def task_text(task: Task, settings: FeedbackConfig) -> str:
    """The first observation."""
    return _render(settings.wording, "task", task.statement.strip("\n"), task.entry_point)


def feedback_text(results: Sequence[TestResult], has_code: bool, settings: FeedbackConfig) -> str:
    """The observation after a program that failed `results` (public tests), or after an answer without a program."""
    failing = [result for result in results if result.verdict is not Verdict.ACCEPTED][: settings.tests]
    return _render(settings.wording, "feedback", [_failure(one, settings.characters) for one in failing], has_code)


def shorten(text: str, characters: int) -> str:
    """At most about `characters` of a text: head and tail, with what is missing marked between."""
    text = text.rstrip("\n")
    if len(text) <= characters:
        return text
    head, tail = text[: characters // 2], text[len(text) - characters // 2 :]
    return f"{head}\n[... {len(text) - len(head) - len(tail)} characters left out ...]\n{tail}"


def _failure(result: TestResult, characters: int) -> Failure:
    test, run = result.test, result.execution
    shown: dict[str, str | None] = {"input": None, "test": None, "expected": None}
    observed = _decode(run.stdout)
    if isinstance(test, StdioTest):
        shown["input"], shown["expected"] = test.input, test.output
    elif isinstance(test, CallTest):
        shown["input"] = ", ".join(map(repr, test.arguments))
        shown["expected"], observed = repr(test.expected), repr(run.value)
    elif isinstance(test, AssertTest):
        shown["test"] = test.source
    short = {name: None if text is None else shorten(text, characters) for name, text in shown.items()}
    trace = _trace(_decode(run.stderr)) or run.detail
    return Failure(
        result.verdict.value, **short, observed=shorten(observed, characters), trace=shorten(trace, characters)
    )


def _trace(stderr: str) -> str:
    """The program's own frames and the error, without the header line every trace has."""
    lines = [line for line in stderr.strip("\n").splitlines() if not line.startswith("Traceback (most recent call")]
    return "\n".join(line for line in lines if not re.fullmatch(r"\s*[~^]+\s*", line))


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@cache
def _template(wording: str) -> Any:
    path = Path(wording) if wording else WORDING
    environment = Environment(
        loader=FileSystemLoader(path.parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # plain text for a model, so nothing is escaped
    try:
        return environment.get_template(path.name).module
    except (TemplateError, OSError) as error:
        raise RlefError(f"{path}: not a wording template ({error}); start from a copy of {WORDING}") from error


def _render(wording: str, macro: str, *arguments: Any) -> str:
    module = _template(wording)
    if not hasattr(module, macro):
        raise RlefError(f"{wording}: has no macro {macro!r}; start from a copy of {WORDING}")
    try:
        return str(getattr(module, macro)(*arguments)).strip("\n")
    except TemplateError as error:
        raise RlefError(f"{wording or WORDING}: macro {macro!r} fails: {error}") from error
