"""`rlef eval`: one model on one suite or several, as a table, JSON, Markdown rows and the episodes themselves.

Everything finished is in the ledger of its suite (`rlef.evaluation.ledger`) before the next batch begins: the same
command again goes on where a killed one stopped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlef.errors import RlefError
from rlef.evaluation.config import EvalConfig
from rlef.evaluation.job import Job
from rlef.evaluation.measures import check_samples, parse_measures
from rlef.evaluation.players import players
from rlef.evaluation.recipes import Recipe
from rlef.evaluation.selection import Verifier, parse_select
from rlef.progress import Display
from rlef.report.table import interval, interval_table
from rlef.run import claimed, guard
from sandbox import Sandbox
from tasks import Suite, load_suite


def run_evaluation(model: str, config: EvalConfig, recipe: Recipe | None = None, suites: Sequence[str] = ()) -> Path:
    """Evaluate on `suites`, or on the configuration's when none are named, and return the new folder.

    It holds `result.json`, `episodes.jsonl` and `eval.toml`; with several suites a folder of these for each, and
    `results.json` and `table.md` over all.

    Raises:
        RlefError: a suite is named twice, or there is no such model, verifier, task, split or measure.
    """
    names = list(suites or [config.suite])
    if len(set(names)) < len(names):
        raise RlefError("a suite is named twice; name each once")
    who = model_of(model)
    verifier = _verifier(config)
    loaded = [load_suite(name) for name in names]
    if recipe:
        recipe.check(loaded[0])
    measures = parse_measures(config.metrics, config.turn_limit * config.best_of)
    inputs = read_inputs(Path(config.inputs)) if config.inputs else {}
    playing = players(who, config, loaded, verifier)
    if playing[0].once:
        config = replace(config, single_turn=False, best_of=1, evaluation=replace(config.evaluation, samples=1))
    check_samples(measures, config.evaluation.samples)
    labels = _labels(loaded)
    results: dict[str, dict[str, Any]] = {}
    with Sandbox(slots=config.slots) as box, claimed(config.out, "eval") as folder, Display(folder) as display:
        for name, label, suite, player in zip(names, labels, loaded, playing, strict=True):
            mine = replace(config, suite=name)
            job = Job(model, mine, suite, player, measures, inputs, verifier, box, display)
            place = folder / label if len(names) > 1 else folder
            results[label] = job.run(place, recipe.name if recipe else "")
        table = markdown_table(results)
        if len(names) > 1:
            with guard(folder, resume=False):
                (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
                (folder / "table.md").write_text(table + "\n")
        display.show(interval_table(results))
        display.say(table)
    return folder


def markdown_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A table for a paper: a row for each suite, the measures in percent with their intervals."""
    rows: list[dict[str, str]] = []
    for suite, result in results.items():
        final = next(key for key in result if key.startswith("solved_1@"))
        names = {"solved_first": "first attempt", final: final.removeprefix("solved_")}
        cells = {"model": result["model"], "suite": f"{suite} {result['split']}"}
        cells |= {shown: interval(result.get(key)) for key, shown in names.items()}
        rows.append(cells | {name: interval(value) for name, value in result["metrics"].items()})
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([row[name].replace("|", "\\|") for name in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_inputs(path: Path) -> dict[str, list[str]]:
    """Inputs by task. Raises RlefError naming the line that is none."""
    found: dict[str, list[str]] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RlefError(f"{path}: cannot be read ({error}); name a file of inputs with --inputs") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            task, inputs = row["task"], row["inputs"]
        except (ValueError, KeyError, TypeError) as error:
            raise RlefError(f'{path}, line {number}: want {{"task": KEY, "inputs": [TEXT, ...]}} ({error})') from error
        if not isinstance(inputs, list) or not all(isinstance(text, str) for text in inputs):
            raise RlefError(f'{path}, line {number}, field "inputs": must be a list of texts')
        found[str(task)] = inputs
    return found


def model_of(name: str) -> str:
    """A run folder stands for its trained model."""
    final = Path(name) / "checkpoints"
    if not final.is_dir():
        return name
    for choice in ("latest", "latest.old", "warm-start"):  # .old: it died, or is, between the two halves of a save
        if (final / choice / "config.json").exists():
            return str(final / choice)
    raise RlefError(f"{name}: no checkpoint yet; go on with: rlef train --resume {name}")


def _labels(suites: Sequence[Suite]) -> list[str]:
    """A name for each suite that can be a folder's; suites of one name are numbered."""
    labels: list[str] = []
    for suite in suites:
        plain = re.sub(r"[^\w.+-]+", "-", suite.name).strip("-.") or "suite"
        number = next(n for n in range(1, len(suites) + 1) if _numbered(plain, n) not in labels)
        labels.append(_numbered(plain, number))
    return labels


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _verifier(config: EvalConfig) -> Verifier | None:
    """The verifier that selects, if one does."""
    chosen = parse_select(config.select, config.inputs)
    if not chosen.path:
        return None
    from rlef.verifiers.score import find_verifier

    return Verifier(find_verifier(Path(chosen.path)))
