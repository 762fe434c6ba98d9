"""The command line. Heavy imports wait until a command needs them; a user's mistake is one line and exit code 2."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from rlef.arguments import take as _take
from rlef.arguments import take_all
from rlef.errors import RlefError
from rlef.memory import keep_memory

USAGE = """\
usage: rlef COMMAND ...

Reinforcement learning from execution feedback: train code models to fix their own programs.

  train [--config FILE] [--resume RUN] [FLAGS]   warm start, RLEF training, evaluation (train --help: all flags)
  eval MODEL [--suite SUITE ...] [FLAGS]         first attempt, n@k, pass@k and repair rate; MODEL may be served
                                                 (http://host:port/v1) or a file of answers (answers.jsonl)
  compare RUN_A RUN_B [--metrics LIST] [--json]  two runs on the same tasks: differences with intervals and p-values
  recipes                                        evaluations as published: settings, where the data is had
  sft MODEL RECORD ... [FLAGS]                   fine-tune on the distinct passing programs of episode records
  replay RUN [--sandbox] [--suite SUITE]         play recorded episodes again and compare every observation and reward
  rejudge RUN [FLAGS]                            judge recorded programs again: which verdicts change, what is flaky
  vstar [--config FILE] [--episodes RUN ...] [--resume RUN] [FLAGS]
                                                 train a verifier and measure it (V-STaR, or on a run's episodes)
  report RUN... [--out FILE]                     one HTML page for a run, or for several over each other
  watch RUN                                      a run in the terminal while it trains
  tasks list                                     suites that can be loaded
  tasks show SUITE [KEY]                         splits and sizes of a suite, or one task of it
  tasks check SUITE [SPLIT]                      judge references and wrong programs of every task
  tasks convert SUITE FILE.jsonl                 write a suite in RLEF's own format
  tasks new NAME                                 start a suite of your own
  sandbox check | attack | bench | prune         prove, measure and tidy up the sandbox (sandbox attack --help: flags)

Run folders are written to runs/. Documentation: docs/index.md."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(USAGE)
        sys.exit(0 if given else 2)
    if given[0] == "--version":
        from importlib.metadata import version

        print(version("rlef"))
        return
    command = COMMANDS.get(given[0])
    if command is None:
        sys.exit(_fail(f'unknown command "{given[0]}"; there are: {", ".join(COMMANDS)}'))
    if given[0] in ("train", "eval", "sft", "vstar"):
        keep_memory()
    try:
        command(given[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os._exit(1)
    except Exception as error:
        if not _is_ours(error):
            raise
        sys.exit(_fail(str(error)))


def _is_ours(error: Exception) -> bool:
    from sandbox.errors import SandboxError
    from tasks.errors import TaskError

    return isinstance(error, RlefError | SandboxError | TaskError)


def _fail(message: str) -> int:
    print(f"rlef: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _train(given: list[str]) -> None:
    from rlef.config import STARTER, TrainConfig, check, load_config

    resume, given = _take(given, "--resume")
    path, given = _take(given, "--config")
    if resume is not None:
        if given or path is not None:
            raise RlefError("--resume goes on with the run's own configuration; leave the other flags out")
        from rlef.run import Run

        run = Run.open(Path(resume))
        from rlef.train import train

        train(run)
        return
    config: TrainConfig = parse(
        TrainConfig, load_config(Path(path) if path else STARTER), given, "rlef train [--config FILE] [--resume RUN]"
    )
    check(config)
    from tasks import load_suite

    suite = load_suite(config.suite)
    for split in ("train", config.evaluation.split):  # fails before anything is made
        if not len(suite[split]):
            raise RlefError(f'suite "{config.suite}" has no task in split "{split}"; name another split or suite')
    from rlef.run import Run
    from rlef.train import train

    train(Run.create(config))


def _eval(given: list[str]) -> None:
    from rlef.config import load_config
    from rlef.evaluation.config import EvalConfig, check_eval

    if not given or given[0].startswith("-"):
        if given and given[0] in ("-h", "--help"):
            parse(EvalConfig, EvalConfig(), given, "rlef eval MODEL")
        raise RlefError(
            'rlef eval needs a model: a folder, a run folder, a Hugging Face id, "embedded", http://host:port/v1, or a '
            "file of answers (.jsonl)"
        )
    recipe, given = _take(given, "--recipe")
    data, given = _take(given, "--data")
    suites, given = take_all(given, "--suite")
    folder = Path(given[0])
    run = (folder.parent.parent if folder.parent.name == "checkpoints" else folder) / "config.toml"
    default = EvalConfig.of(load_config(run)) if run.exists() else EvalConfig()
    found = None
    if recipe is not None:
        from rlef.evaluation.recipes import find_recipe

        found = find_recipe(recipe)
        if suites:
            raise RlefError(f"--recipe {recipe} has its suite; leave --suite out")
        if data is None:
            raise RlefError(f"--recipe {recipe} needs its data: --data PATH, from {found.home}")
        default = found.config(Path(data))
    elif data is not None:
        raise RlefError('--data belongs to a recipe; without one use --suite "name:path"')
    config: EvalConfig = parse(EvalConfig, default, given[1:], "rlef eval MODEL [--recipe NAME --data PATH]")
    check_eval(config)
    from rlef.evaluation.command import run_evaluation

    run_evaluation(given[0], config, found, suites)


def _sft(given: list[str]) -> None:
    from rlef.learners.rejection import SftConfig, check_sft

    names = given[: next((place for place, word in enumerate(given) if word.startswith("-")), len(given))]
    config: SftConfig = parse(SftConfig, SftConfig(), given[len(names) :], "rlef sft MODEL RECORD ...")
    if len(names) < 2:
        raise RlefError("rlef sft needs a model and at least one file of episodes: rlef sft MODEL RECORD ... [FLAGS]")
    check_sft(config)
    from rlef.learners.sft_command import run_sft

    run_sft(names[0], names[1:], config)


def _vstar(given: list[str]) -> None:
    from rlef.verifiers.command import run_vstar

    resume, given = _take(given, "--resume")
    path, given = _take(given, "--config")
    if resume is not None and (given or path is not None):
        raise RlefError("--resume goes on with the run's own configuration; leave the other flags out")
    program = "rlef vstar [--config FILE] [--resume RUN]"
    run_vstar(resume, path, lambda default: parse(type(default), default, given, program))


def _replay(given: list[str]) -> None:
    from contextlib import nullcontext

    from rlef.replay import replay
    from sandbox import Sandbox

    suite, rest = _take(given, "--suite")
    flags = [word for word in rest if word.startswith("-")]
    targets = [word for word in rest if word not in flags]
    if len(targets) != 1 or set(flags) - {"--sandbox", "--trust"}:
        raise RlefError("usage: rlef replay RUN [--sandbox] [--trust] [--suite SUITE]")
    with Sandbox() if "--sandbox" in flags else nullcontext() as box:
        tally = replay(Path(targets[0]), suite or "", box, print, trust="--trust" in flags)
    print(tally)
    if not tally.same:
        sys.exit(1)


def _rejudge(given: list[str]) -> None:
    from rlef.rejudge import RejudgeConfig, rejudge
    from sandbox import Sandbox

    if not given or given[0].startswith("-"):
        if given and given[0] in ("-h", "--help"):
            parse(RejudgeConfig, RejudgeConfig(), given, "rlef rejudge RUN")
        raise RlefError("rlef rejudge needs a run folder or a file of episodes")
    config: RejudgeConfig = parse(RejudgeConfig, RejudgeConfig(), given[1:], "rlef rejudge RUN")
    with Sandbox(slots=config.slots) as box:
        print("\n".join(rejudge(Path(given[0]), box, config).lines()))


def _tasks(given: list[str]) -> None:
    from tasks.command import run

    if code := run(given):
        sys.exit(code)


def _sandbox(given: list[str]) -> None:
    from rlef.sandbox_command import run

    if code := run(given):
        sys.exit(code)


def _later(module: str) -> Callable[[list[str]], None]:
    """A command whose module does it all, with `command(arguments)`."""
    return lambda given: import_module(module).command(given)


def parse(kind: Any, default: Any, arguments: list[str], program: str) -> Any:
    """Command line flags over `default`; `--help` prints them all. Raises RlefError for a flag there is not."""
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                kind, args=arguments, default=default, prog=program, use_underscores=True,
                config=(tyro.conf.FlagConversionOff,),
            )  # fmt: skip
    except SystemExit as end:
        if not end.code:
            raise
        words = [word.split("=")[0] for word in arguments if word.startswith("--")]
        known = _flags(kind)
        for word in words:
            name = word.removeprefix("--").replace("-", "_")
            if name not in known:
                close = get_close_matches(name, known, 1)
                hint = f"did you mean --{close[0]}?" if close else "--help lists all"
                raise RlefError(f"unknown flag {word}; {hint}") from None
        lines = [line.strip(" │╭╰─╮╯") for line in said.getvalue().splitlines()]
        raise RlefError("; ".join(line for line in lines if line)[:400] or "bad flags; see --help") from None


def _flags(kind: Any, prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, hint in get_type_hints(kind).items():
        found += _flags(hint, f"{prefix}{name}.") if dataclasses.is_dataclass(hint) else [f"{prefix}{name}"]
    return found


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train": _train,
    "eval": _eval,
    "compare": _later("rlef.evaluation.compare"),
    "recipes": _later("rlef.evaluation.recipes"),
    "sft": _sft,
    "replay": _replay,
    "rejudge": _rejudge,
    "vstar": _vstar,
    "report": _later("rlef.report.page"),
    "watch": _later("rlef.watch"),
    "tasks": _tasks,
    "sandbox": _sandbox,
}
