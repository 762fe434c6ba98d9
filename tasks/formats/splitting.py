"""Public or private, scored or not: what suites that do not say so get, the same every time.

A test is public when the statement shows it as an example: its input, and close behind it its output. When it shows
none, the first test is public. What the statement shows is never private, so a task all of whose tests are examples
is left with nothing to decide a reward, and is marked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tasks.task import CallTest, StdioTest, Task, Test

AnyTest = TypeVar("AnyTest", bound=Test)
_BETWEEN = 8
"""Words between an example's input and its output: "Sample Output 1:" and the like."""
_LONGEST_EXAMPLE = 4000
_LONGEST_STATEMENT = 200_000
_LONGEST_SENTENCE = 2000
_PLACES = 1000
# The four above bound what a hostile file can make us search.
_SAYING = r"\b(?:print(?:ed)?|output|satisfied|return|report|write|tell|give|display|accept\w*)\b"
_SEVERAL = tuple(
    re.compile(text, re.IGNORECASE)
    for text in (  # each is looked for in one sentence
        rf"{_SAYING}.*\b(?:any|arbitrary)\b(?!\s+(?:other|extra|additional|more|spaces?|leading|trailing|case|register))",
        r"\bany\b.*\b(?:accepted|allowed|considered\s+correct|(?:may|can|will)\s+be\s+(?:printed|output|returned))",
        r"\b(?:multiple|several|many|more\s+than\s+one|different)\b.*"
        r"\b(?:answers?|solutions?|outputs?|possibilities|optimal\s+\w+)\b.*\b(?:any|all|either|one)\b",
        r"\b(?:can|could|may|might)\s+be\s+(?:multiple|several|many|more\s+than\s+one)\b.*\b(?:answers?|solutions?)\b",
        r"\b(?:answer|solution|output)s?\b.*\bnot\s+(?:necessarily\s+)?unique\b",
        r"\border\b.*\b(?:answer|output)\b.*\b(?:not\s+matter|does\s?n.t\s+matter)\b",
    )
)
_DENIED = re.compile(
    r"\b(?:not|cannot|no|without|never)\b.{0,40}\bany\b|n't\b.{0,40}\bany\b|\bany\b.{0,20}\b(?:test|case)\b",
    re.IGNORECASE,
)
_INTERACTIVE = re.compile(
    r"\binteractive\s+(?:problem|task)\b|\binteractor\b|\bflush\b[^.]{0,80}\b(?:output|stdout|query|queries|buffer)",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"(?:^|[-_./])(train|validation|valid|dev|test)(?=$|[-_./0-9])")
_NAMES = {"valid": "validation", "dev": "validation"}


def split_tests(statement: str, tests: Sequence[AnyTest]) -> tuple[tuple[AnyTest, ...], tuple[AnyTest, ...]]:
    """(public, private) tests of a task whose file does not keep them apart."""
    shown = examples(statement, tests)
    if not any(shown) and len(tests) > 1:
        shown = [place == 0 and not huge(test) for place, test in enumerate(tests)]
    public = [test for test, is_shown in zip(tests, shown, strict=True) if is_shown]
    return distinct(public, [test for test, is_shown in zip(tests, shown, strict=True) if not is_shown])


def distinct(public: Sequence[AnyTest], private: Sequence[AnyTest]) -> tuple[tuple[AnyTest, ...], tuple[AnyTest, ...]]:
    """Tests without repetitions: of two with one input the first stays, and a public one before a private one."""
    kept: dict[object, AnyTest] = {}
    for test in (*public, *private):
        kept.setdefault(asked(test), test)
    shown = {asked(test) for test in public}
    return (
        tuple(test for key, test in kept.items() if key in shown),
        tuple(test for key, test in kept.items() if key not in shown),
    )


def asked(test: Test) -> object:
    """What a test asks, as something to compare."""
    if isinstance(test, StdioTest):
        return test.input.rstrip()
    return _frozen(test.arguments) if isinstance(test, CallTest) else test.source


def huge(test: Test) -> bool:
    """Whether a test holds an integer too long to be written out in feedback."""
    return isinstance(test, CallTest) and any(_any_huge(value) for value in (*test.arguments, test.expected))


def examples(statement: str, tests: Sequence[AnyTest]) -> list[bool]:
    """Which tests the statement shows."""
    statement = statement[:_LONGEST_STATEMENT]
    words = f" {' '.join(statement.lower().split())} "
    dense = re.sub(r"\s+", "", statement).replace("'", '"').lower()
    return [
        _shown(words, test) if isinstance(test, StdioTest) else isinstance(test, CallTest) and _called(dense, test)
        for test in tests
    ]


def unscored(statement: str, public: Sequence[Test], private: Sequence[Test], has_checker: bool = False) -> str:
    """Why a verdict on such a task would mean little; empty when it means what it says."""
    if _INTERACTIVE.search(statement[:_LONGEST_STATEMENT]):
        return "interactive: tests on standard input do not apply"
    if not has_checker:
        if several_answers(statement):
            return "several answers are right by its statement, and there is no checker"
        if contradict([*public, *private]):
            return "two tests have one input and different outputs, and there is no checker"
    if not private:
        return "no private test: the statement shows them all" if public else "no test"
    return ""


def several_answers(statement: str) -> bool:
    """Whether a statement says, in some sentence, that more than one answer is right. It may say so in other words."""
    parts = re.split(r"(?<=[.!?;])\s|\n\s*\n", statement[:_LONGEST_STATEMENT])
    sentences = (" ".join(text.split())[:_LONGEST_SENTENCE] for text in parts)
    return any(
        pattern.search(sentence) for sentence in sentences if not _DENIED.search(sentence) for pattern in _SEVERAL
    )


def contradict(tests: Sequence[Test]) -> bool:
    """Whether two tests have the same input and different outputs: the sign of several right answers."""
    outputs: dict[object, str] = {}
    for test in tests:
        if isinstance(test, StdioTest):
            output = " ".join(test.output.lower().split())
            if outputs.setdefault(test.input.strip(), output) != output:
                return True
    return False


def marked(task: Task, reason: str) -> Task:
    """The task with the reason why it is not scored, if there is one."""
    return replace(task, metadata={**task.metadata, "unscored": reason}) if reason else task


def split_of_name(path: Path) -> dict[str, str]:
    """`{"split": ...}` where the name of a file or of its folder tells it."""
    found = _SPLIT.search(path.name.lower()) or _SPLIT.fullmatch(path.parent.name.lower())
    return {"split": _NAMES.get(found[1], found[1])} if found else {}


def _shown(words: str, test: StdioTest) -> bool:
    if len(test.input) > _LONGEST_EXAMPLE or not test.input.strip():
        return False
    given, wanted = (" ".join(text[:_LONGEST_EXAMPLE].lower().split()) for text in (test.input, test.output))
    behind = re.compile(rf"(?: \S+){{0,{_BETWEEN}}}? {re.escape(wanted)} ")
    start = -1
    for _ in range(_PLACES):  # the input may be a mere "1"
        start = words.find(f" {given} ", start + 1)
        if start < 0:
            return False
        end = start + len(given) + 1
        if behind.match(words[end : end + len(wanted) + 40 * _BETWEEN]):
            return True
    return False


def _called(dense: str, test: CallTest) -> bool:
    if huge(test):
        return False
    place = 0
    texts = [re.sub(r"\s+", "", repr(value)).replace("'", '"').lower() for value in (*test.arguments, test.expected)]
    if sum(map(len, texts)) > _LONGEST_EXAMPLE:
        return False
    for text in texts:
        found = dense.find(text, place)
        if found < 0 or (place and found - place > 60):
            return False
        place = found + len(text)
    return True


def _frozen(value: Any) -> object:
    """A value as something to hash; types count."""
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(map(_frozen, value))
    if isinstance(value, dict):
        return "dict", tuple((_frozen(key), _frozen(item)) for key, item in value.items())
    if isinstance(value, set | frozenset):
        return "set", frozenset(map(_frozen, value))
    return type(value).__name__, value


def _any_huge(value: Any) -> bool:
    if isinstance(value, int):
        return abs(value) >= 1 << 14000
    if isinstance(value, dict):
        return any(_any_huge(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple | set | frozenset) and any(map(_any_huge, value))
