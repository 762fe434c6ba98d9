"""`rlef sandbox check | attack | bench | prune`: flags in, tables or JSON out. The work is in `sandbox`.

Exit code 0: all is well. 1: a self-test failed, or an attack got through. 2: a mistake of the caller, or no sandbox.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NoReturn

from rlef.errors import RlefError
from sandbox import Sandbox
from sandbox.backends import BACKENDS


def run(arguments: Sequence[str]) -> int:
    """Run one subcommand; returns the exit code. Raises RlefError or SandboxError with the remedy."""
    options = _parser().parse_args(arguments)
    return int(options.command(options))


def _check(options: argparse.Namespace) -> int:
    from sandbox.doctor import examine, self_test

    with Sandbox(options.backend, 1, mode=options.mode) as box:
        about = examine(box)
        findings = list(self_test(box))
    failed = [finding for finding in findings if not finding.passed]
    if options.json:
        _print_json({**about, "self_test": [asdict(finding) for finding in findings], "passed": not failed})
        return 1 if failed else 0
    print(f"backend       {about['backend']}")
    for name, reason in about["passed_over"].items():
        print(f"  not {name}: {reason}")
    for title in ("protections", "versions"):
        print(f"{title:13} {', '.join(f'{name} {value}' for name, value in about[title].items())}")
    for warning in about["warnings"]:
        print(f"warning       {warning}")
    for finding in failed:
        print(f"FAILED        {finding.name}: {finding.detail}")
    print(f"self-test     {len(findings) - len(failed)} of {len(findings)} programs ended as they must")
    return 1 if failed else 0


def _attack(options: argparse.Namespace) -> int:
    from sandbox.attacks import NOT_PROGRAMS, run_attacks

    rows, bad = [], 0
    with Sandbox(options.backend, 1, mode=options.mode) as box:
        about = {
            "backend": box.backend.name,
            "passed_over": box.passed_over,
            "protections": {key: value for key, value in box.protections().items() if key not in ("op", "version")},
        }
        if not options.json:
            print(f"backend {box.backend.name}, {box.protections()['mode']} mode")
        for outcome in run_attacks(box):
            rows.append(asdict(outcome))
            bad += not outcome.good
            if not options.json:
                print(f"{outcome.name:32} {outcome.verdict}", flush=True)
    skipped = [row for row in rows if row["skipped"]]
    if options.json:
        _print_json({**about, "rows": rows, "not_programs": NOT_PROGRAMS, "undefended": bad})
    else:
        for name, reason in NOT_PROGRAMS.items():
            print(f"{name:32} not run: {reason}")
        print(f"{len(rows) - len(skipped)} attacks, {bad} not defended or without proof, {len(skipped)} not run here")
    return 1 if bad else 0


def _bench(options: argparse.Namespace) -> int:
    from sandbox.bench import measure, table

    result = measure(options.backend, options.runs, options.mode)
    print(json.dumps(result, indent=2) if options.json else table(result))
    return 0


def _prune(options: argparse.Namespace) -> int:
    from sandbox.prune import prune

    removed, unreachable = prune()
    if options.json:
        _print_json({"removed": removed, "unreachable": unreachable})
        return 0
    for name in removed:
        print(name)
    for backend, reason in unreachable.items():
        print(f"{backend} was not looked at: {reason}", file=sys.stderr)
    print(f"{len(removed)} removed")
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise RlefError(f"{self.prog}: {message}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="rlef sandbox", description="Prove, measure and tidy up the sandbox on this machine.")
    commands = parser.add_subparsers(required=True, metavar="check | attack | bench | prune")

    def add(name: str, command: Any, text: str, sandbox: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        if sandbox:
            sub.add_argument(
                "--backend", default="auto", choices=("auto", *BACKENDS), help="default: the strongest here"
            )
            sub.add_argument("--mode", default="strict", choices=("strict", "basic"), help="default: strict")
        sub.add_argument("--json", action="store_true", help="machine-readable output")
        return sub

    add("check", _check, "self-test, versions with known holes, active protections")
    add("attack", _attack, "run the attack corpus, each attack with its control")
    bench = add("bench", _bench, "tests per second against runs without isolation")
    bench.add_argument("--runs", type=_positive, default=200, help="runs per measurement (default: 200)")
    add("prune", _prune, "remove what owners that are gone have left", sandbox=False)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))
