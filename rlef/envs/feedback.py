"""What the policy is told: the task at first, then what its program did on the public tests.

Feedback is a pure function of a judge's public results, so the same program twice gives the same text byte for byte,
and nothing private can reach it. Long pieces keep their beginning and end. What is told can be weakened for ablations
(`MODES`); what such a mode draws is drawn from the episode's seed and the program. The wording itself is a template
(`wording.jinja`), which users can replace.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from rlef.config import FeedbackConfig
from rlef.envs.perturb import changed
from rlef.episode import Failure
from rlef.errors import RlefError
from tasks import AssertTest, CallTest, StdioTest, Task, TestResult, Verdict

WORDING = Path(__file__).parent / "wording.jinja"
_CUT = "\n[... "


@dataclass(frozen=True)
class Told:
    """What there is to tell about one answer. Without failures it comes to "your answer is wrong"."""

    failures: tuple[Failure, ...] = ()
    has_code: bool = True


Mode = Callable[[Sequence[Told], random.Random], Told]
"""From what there is to tell about each answer so far, the newest last, to what is told about the newest."""


def true(told: Sequence[Told], rng: random.Random) -> Told:
    """What happened."""
    return told[-1]


def none(told: Sequence[Told], rng: random.Random) -> Told:
    """Only that the answer was wrong (an ablation of RLEF, arXiv 2410.02089; unlike there, a right one ends)."""
    return Told()


def stale(told: Sequence[Told], rng: random.Random) -> Told:
    """What happened to the answer before; nothing after the first one."""
    return told[-2] if len(told) > 1 else Told()


def one_test(told: Sequence[Told], rng: random.Random) -> Told:
    """One failing test, drawn among those there are (Cobalt, arXiv 2602.03806)."""
    failures = told[-1].failures
    return replace(told[-1], failures=(rng.choice(failures),)) if failures else told[-1]


def perturbed(told: Sequence[Told], rng: random.Random) -> Told:
    """What happened, with wrong expected outputs: who copies them from the context gains nothing (Cobalt)."""
    return replace(told[-1], failures=tuple(_perturbed(failure, rng) for failure in told[-1].failures))


MODES: dict[str, Mode] = {
    "true": true,
    "none": none,
    "random": true,  # of what happened to a wrong program of another problem, which the dialogue has run
    "stale": stale,
    "one_test": one_test,
    "perturbed": perturbed,
}


def task_text(task: Task, settings: FeedbackConfig) -> str:
    """The first observation."""
    return _render(settings.wording, "task", task.statement.strip("\n"), task.entry_point)


def failures_of(results: Sequence[TestResult], settings: FeedbackConfig, task: str = "") -> tuple[Failure, ...]:
    """The failing ones of a program's public results, as many as are shown. `task` names another problem's."""
    failing = [result for result in results if result.verdict is not Verdict.ACCEPTED][: settings.tests]
    return tuple(_failure(one, settings.characters, task) for one in failing)


def feedback_text(told: Sequence[Told], settings: FeedbackConfig, draw: str = "") -> str:
    """The observation after the last of the answers `told` is about.

    Args:
        draw: seeds what the mode draws; equal arguments give equal text.
    """
    rng = random.Random(draw.encode("utf-8", "surrogatepass"))
    said = MODES[settings.mode](told, rng)
    return _render(settings.wording, "feedback", said.failures, said.has_code)


def shorten(text: str, characters: int) -> str:
    """At most about `characters` of a text: head and tail, with what is missing marked between."""
    text = text.rstrip("\n")
    if len(text) <= characters:
        return text
    head, tail = text[: characters // 2], text[len(text) - characters // 2 :]
    return f"{head}{_CUT}{len(text) - len(head) - len(tail)} characters left out ...]\n{tail}"


def _failure(result: TestResult, characters: int, task: str) -> Failure:
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
        result.verdict.value, **short, observed=shorten(observed, characters), trace=shorten(trace, characters),
        task=task,
    )  # fmt: skip


def _perturbed(failure: Failure, rng: random.Random) -> Failure:
    if failure.expected is None:
        return failure
    head, cut, tail = failure.expected.partition(_CUT)  # what was left out is counted in digits of ours
    return replace(failure, expected=changed(head, rng, failure.observed.partition(_CUT)[0]) + cut + tail)


def _trace(stderr: str) -> str:
    """The program's own frames and the error, without the header line every trace has."""
    lines = [line for line in stderr.strip("\n").splitlines() if not line.startswith("Traceback (most recent call")]
    return "\n".join(line for line in lines if not re.fullmatch(r"\s*[~^]+\s*", line))


def _decode(data: bytes) -> str:
    """Text; where an object is in memory differs from run to run and tells nothing."""
    return re.sub(r"\bat 0x[0-9a-f]{6,16}>", "at 0x...>", data.decode("utf-8", "replace"))


@cache
def _template(wording: str) -> Any:
    path = Path(wording) if wording else WORDING
    environment = SandboxedEnvironment(  # a record may name the template
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
