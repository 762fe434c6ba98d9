"""`rlef tasks ...`: list and show suites, check one's own, convert one, start a new one."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tasks.doctor import Checkup, check_suite
from tasks.errors import TaskError
from tasks.suites import Suite, list_suites, load_suite
from tasks.task import Task

USAGE = """\
usage: rlef tasks list
       rlef tasks show SUITE [KEY]
       rlef tasks check SUITE [SPLIT] [--json] [--limit N] [--against SUITE]
       rlef tasks convert SUITE FILE.jsonl [SPLIT]
       rlef tasks new NAME

SUITE is a name, FORMAT:PATH, or a path whose content tells the format."""
EXAMPLES = 3
"""Keys shown for each kind of finding; --json has them all."""


def run(given: Sequence[str]) -> int:
    """Do what the words after `rlef tasks` say and return the exit code. Raises `TaskError` for a user's mistake."""
    words = list(given)
    as_json = "--json" in words
    words = [word for word in words if word != "--json"]
    limit, against = _take(words, "--limit"), _take(words, "--against")
    if limit is not None and not (limit.isdecimal() and int(limit) > 0):
        raise TaskError(f'--limit "{limit}" is no number of tasks; write 100, say')
    if words[:1] != ["check"] and (as_json or limit is not None or against is not None):
        raise TaskError("--json, --limit and --against belong to rlef tasks check; leave them out")
    match words:
        case ["-h" | "--help"]:
            print(USAGE)
        case ["list"]:
            print("\n".join(list_suites()))
        case ["show", spec]:
            _show(load_suite(spec))
        case ["show", spec, key]:
            task = load_suite(spec).find(key)
            print(f"{task.statement}\n\n{len(task.public_tests)} public and {len(task.private_tests)} private tests")
        case ["check", spec, *split] if len(split) < 2:
            return _check(spec, split[0] if split else None, as_json, int(limit) if limit else None, against)
        case ["convert", spec, target, *split] if len(split) < 2:
            _convert(load_suite(spec), Path(target), split[0] if split else None)
        case ["new", name]:
            from tasks.scaffold import new_suite

            print(new_suite(Path(name)))
        case _:
            raise TaskError(" ".join(USAGE.partition("\n\n")[0].split()))
    return 0


def _show(suite: Suite) -> None:
    for name, tasks in suite.splits.items():
        print(f"{name}: {len(tasks)} tasks, {tasks[0].key} ..." if len(tasks) else f"{name}: no tasks")
    for problem in suite.problems:
        print(f"not read: {problem}")


def _check(spec: str, split: str | None, as_json: bool, limit: int | None, against: str | None) -> int:
    from sandbox import Sandbox
    from tasks.overlap import twins

    suite = load_suite(spec)
    others: Iterable[Task] = load_suite(against) if against else ()
    tasks = suite if split is None else suite[split]
    with Sandbox() as box:
        checkup = check_suite(islice(tasks, limit), box)
    checkup = replace(checkup, twins=tuple(twins(islice(tasks, limit), others)))
    if as_json:
        print(json.dumps(as_data(suite, checkup), indent=2, ensure_ascii=False))
    else:
        _print(suite, checkup)
    return 0 if checkup.sound and not suite.problems else 1


def as_data(suite: Suite, checkup: Checkup) -> dict[str, Any]:
    """A checkup as plain data: what --json prints."""
    counts = {name: value for name, value in asdict(checkup).items() if name not in ("findings", "twins", "unscored")}
    return {
        "suite": suite.name,
        "read": len(suite),
        "not_read": list(suite.problems),
        **counts,
        "usable": checkup.usable,
        "unscored": dict(checkup.unscored),
        "sound": checkup.sound,
        "findings": [asdict(finding) for finding in checkup.findings],
        "twins": [asdict(pair) for pair in checkup.twins],
    }


def _print(suite: Suite, checkup: Checkup) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_header=False, title=f"suite {suite.name}", title_justify="left")
    table.add_row("tasks read", str(len(suite)))
    table.add_row("rows not read", str(len(suite.problems)))
    table.add_row("tasks checked", str(checkup.tasks))
    table.add_row("usable", str(checkup.usable))
    for reason, count in checkup.unscored.items():
        table.add_row("  unscored", f"{count}: {escape(reason)}")
    table.add_row("references passing", f"{checkup.references_passed} of {checkup.references}")
    table.add_row("programs judged", f"{checkup.programs}, {checkup.unjudged} without a verdict")
    some = "".join(f", {pair.first} = {pair.second}" for pair in checkup.twins[:EXAMPLES])
    table.add_row("twins", escape(f"{len(checkup.twins)}{some}"))
    table.add_row("findings", str(len(checkup.findings)))
    kinds: dict[str, list[str]] = {}
    for finding in checkup.findings:
        kinds.setdefault(_kind(finding.problem), []).append(finding.key)
    for kind, keys in sorted(kinds.items(), key=lambda item: -len(item[1])):
        more = f" and {len(keys) - EXAMPLES} more" if len(keys) > EXAMPLES else ""
        table.add_row("", escape(f"{len(keys)} × {kind}: {', '.join(keys[:EXAMPLES])}{more}"))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(table)
    for problem in suite.problems[:10]:
        console.print(f"not read: {problem}", markup=False, soft_wrap=True)
    if len(suite.problems) > 10:
        console.print(f"and {len(suite.problems) - 10} more rows; --json has them all")


def _kind(problem: str) -> str:
    """A finding without the numbers that tell its instances apart."""
    return "a reference takes more than a third of the time" if " takes " in problem else problem.split("; ")[0]


def _convert(suite: Suite, target: Path, split: str | None) -> None:
    from tasks.formats import jsonl

    if target.exists():
        raise TaskError(f"{target}: exists already; name a new file")
    count: Counter[str] = Counter()

    def tasks() -> Iterable[Task]:
        for name, some in suite.splits.items():
            if split in (None, name):
                for task in some:
                    count[name] += 1
                    yield replace(task, metadata={**task.metadata, "split": name})

    if split is not None:
        suite[split]  # an unknown one is explained
    with open(target, "x", encoding="utf-8") as file:
        jsonl.write(tasks(), file)
    print(f"{target}: {', '.join(f'{number} tasks in {name}' for name, number in count.items())}")


def _take(words: list[str], flag: str) -> str | None:
    """Take a flag and its value out of the words."""
    if flag not in words:
        return None
    place = words.index(flag)
    if place + 1 == len(words):
        raise TaskError(f"{flag} needs a value")
    value = words[place + 1]
    del words[place : place + 2]
    return value
