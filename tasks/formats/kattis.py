"""Kattis problem packages (problemtools, ICPC): samples are public, secret tests are private.

Groups keep their points (`testdata.yaml`, whose settings a folder inherits from the one above); tests that groups
share are one test. A secret test that repeats a sample is left out. Output is compared by the default validator's
rules with the package's flags, or by its own validator where that is here and a single Python or C++ file. Google's
archive is read as well: its statements are HTML, and its files of many "Case #" answers count case by case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox.program import Program
from tasks.checkers import checker
from tasks.errors import TaskError
from tasks.formats.comparing import limits_of
from tasks.formats.kattis_package import HOME, MAX_FILE, Package, packages, statement
from tasks.formats.rows import OnProblem, report
from tasks.formats.splitting import marked
from tasks.task import Group, SpecialJudge, StdioTest, Task

DEFAULT_SPLIT = "train"
__all__ = ["DEFAULT_SPLIT", "HOME", "read"]
PROGRAMS = 3
_LANGUAGES = {".py": "python", ".cpp": "cpp", ".cc": "cpp"}


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a package, a zip of packages, or a folder of them, in order of their names.

    Args:
        on_problem: receives one line (package, file, reason, remedy) for each package that cannot be read; without it
            the first such package raises.

    Raises:
        TaskError: there is no package at the path.
    """
    seen: set[str] = set()
    for package in packages(path, lambda where, error: report(where, error, on_problem)):
        try:
            task = _task(package)
            if task.key in seen:
                raise ValueError(f'key "{task.key}" occurs twice; rename one of the packages')
        except (ValueError, KeyError, OSError, RecursionError, TaskError, NotImplementedError) as error:
            report(package.where, error, on_problem)
            continue
        seen.add(task.key)
        yield task


def _task(package: Package) -> Task:
    about = package.settings("problem.yaml")
    text = statement(package)
    samples = [_test(package, name) for name in package.under("data/sample", ".in")]
    secret, groups, empty = _secret(package, {test.input for test in samples}, _scoring(about))
    spec, judge, reason = _comparison(package, about)
    if judge is None and secret and all("Case #" in test.output for test in secret):
        spec = f"cases {spec}"
    limits = about.get("limits")
    limits = limits if isinstance(limits, dict) else {}
    seconds, memory = limits.get("time_limit"), limits.get("memory")
    metadata: dict[str, Any] = {"suite": "kattis", "title": _title(about, package)}
    for name in ("source", "license", "author", "rights_owner"):
        if isinstance(about.get(name), str):
            metadata[name] = about[name]
    if empty:
        metadata["groups_without_tests"] = empty
    task = Task(
        key=package.key,
        statement=text,
        public_tests=tuple(samples),
        private_tests=tuple(secret),
        limits=limits_of(_number(seconds), int(_number(memory) or 0) << 20),
        checker=spec,
        special_judge=judge,
        groups=groups,
        references=_programs(package, "submissions/accepted"),
        mutants=_programs(package, "submissions/wrong_answer"),
        metadata=metadata,
    )
    return marked(task, reason or ("" if secret else "no private test: secret tests are samples, or there are none"))


def _secret(package: Package, shown: set[str], scoring: bool) -> tuple[list[StdioTest], tuple[Group, ...], list[str]]:
    """Unique secret tests that are no samples, the groups over them, and the names of groups without any test."""
    places: dict[str, int] = {}
    tests: list[StdioTest] = []
    groups: list[Group] = []
    folders: dict[str, list[str]] = {}
    for name in package.under("data/secret", "testdata.yaml", "test_group.yaml"):
        folders.setdefault(str(PurePosixPath(name).parent), [])
    for name in package.under("data/secret", ".in"):
        folders.setdefault(str(PurePosixPath(name).parent), []).append(name)
    empty = []
    for folder, names in sorted(folders.items()):
        mine = []
        for name in names:
            test = _test(package, name)
            if test.input in shown:
                continue
            if test.input not in places:
                places[test.input] = len(tests)
                tests.append(test)
            elif tests[places[test.input]].output.split() != test.output.split():
                raise ValueError(f"file {name}: another test has this input and another answer; remove one")
            mine.append(places[test.input])
        if not names and not any(other.startswith(f"{folder}/") for other in folders):
            empty.append(PurePosixPath(folder).name)
        if scoring and mine:
            groups.append(_group(package, folder, tuple(mine)))
    return tests, tuple(groups), empty


def _group(package: Package, folder: str, tests: tuple[int, ...]) -> Group:
    """All tests together earn `accept_score` under the flag `min`; else each earns it, as far as the range allows."""
    settings: dict[str, Any] = {}
    parts = PurePosixPath(folder).parts
    for depth in range(1, len(parts) + 1):
        here = package.settings("/".join((*parts[:depth], "testdata.yaml")))
        settings |= {name: value for name, value in here.items() if name != "grader_flags" or depth == len(parts)}
    points = _number(settings.get("accept_score"), 1.0)
    most = _number(str(settings.get("range", "")).rpartition(" ")[2])
    flags = str(settings.get("grader_flags", "")).split()
    per_test = "min" not in flags and len(tests) > 1 and (most is None or points * len(tests) <= most)
    return Group(PurePosixPath(folder).name, points, tests, per_test)


def _comparison(package: Package, about: dict[str, Any]) -> tuple[str, SpecialJudge | None, str]:
    """Checker, special judge, and why a verdict would mean little."""
    flags = about.get("validator_flags", about.get("output_validator_flags", ""))
    words = [str(flag) for flag in flags] if isinstance(flags, list) else str(flags or "").split()
    kind = f"{about.get('validation', '')} {about.get('type', '')}".split()
    if "interactive" in kind or "multi-pass" in kind or package.under("data/sample", ".interaction"):
        return "kattis", None, "interactive: tests on standard input do not apply"
    own = [name for folder in ("output_validators", "output_validator") for name in package.under(folder, "")]
    if own or "custom" in kind:
        sources = [name for name in own if PurePosixPath(name).suffix in _LANGUAGES]
        if len(own) != 1 or not sources:
            where = "is not here" if not own else "is more than one Python or C++ file"
            return "kattis", None, f"several answers may be right: its own output validator {where}"
        program = Program(package.text(sources[0], 1 << 20), _LANGUAGES[PurePosixPath(sources[0]).suffix])
        return "kattis", SpecialJudge(program, "kattis", tuple(words)), ""
    spec = " ".join(["kattis", *words])
    checker(spec)  # an unknown flag is a problem of the package
    return spec, None, ""


def _test(package: Package, name: str) -> StdioTest:
    answer = f"{name.removesuffix('.in')}.ans"
    if answer not in package.names:
        raise ValueError(f"file {answer}: missing; every .in needs its .ans")
    return StdioTest(package.text(name, MAX_FILE), package.text(answer, MAX_FILE))


def _programs(package: Package, folder: str) -> tuple[Program, ...]:
    names = [name for name in package.under(folder, *_LANGUAGES) if name.count("/") == 2]
    return tuple(
        Program(package.text(name, 1 << 20), _LANGUAGES[PurePosixPath(name).suffix]) for name in names[:PROGRAMS]
    )


def _scoring(about: dict[str, Any]) -> bool:
    return "scoring" in str(about.get("type", "")).split()


def _title(about: dict[str, Any], package: Package) -> str:
    name = about.get("name")
    if isinstance(name, dict):
        name = name.get("en") or next(iter(name.values()), None)
    if isinstance(name, str):
        return name
    for file in package.under("problem_statement", ".en.tex"):
        if match := re.search(r"\\problemname\{([^{}]*)\}", package.text(file)):
            return match[1]
    return package.key


def _number(value: Any, default: Any = None) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return default
