"""`rlef eval`: one model on one suite, as a table, JSON, a Markdown row and the episodes themselves.

Everything finished is in the ledger (`rlef.evaluation.ledger`) before the next batch begins: the same command again
goes on where a killed one stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rlef.config import EvalConfig, save_config
from rlef.episode import Episode, append_episodes
from rlef.errors import RlefError
from rlef.evaluation.compare import Row, compare_measures, comparison_table
from rlef.evaluation.intervals import bootstrap
from rlef.evaluation.ledger import Ledger, ledger_path
from rlef.evaluation.measures import Measure, check_samples, parse_measures
from rlef.evaluation.metrics import outcomes_of, summary
from rlef.evaluation.players import Player, player, transcript
from rlef.evaluation.recipes import Recipe, unscored
from rlef.evaluation.selectors import Selector, at_random, by_clusters, by_likelihood, outputs
from rlef.progress import Display
from rlef.report.table import interval, interval_table
from rlef.run import finish_replacing, guard
from sandbox import Sandbox
from tasks import load_suite


def run_evaluation(model: str, config: EvalConfig, recipe: Recipe | None = None) -> Path:
    """Evaluate and write `result.json`, `episodes.jsonl` and `eval.toml` to a new folder, which is returned."""
    name = model_of(model)
    suite = load_suite(config.suite)
    if recipe:
        recipe.check(suite)
    measures = parse_measures(config.metrics, config.turn_limit)
    inputs = read_inputs(Path(config.inputs)) if config.inputs else {}
    who = player(name, config, suite)
    if who.once:
        config = replace(config, single_turn=False, evaluation=replace(config.evaluation, samples=1))
    check_samples(measures, config.evaluation.samples)
    folder = Path(config.out) / f"{datetime.now():%Y%m%d-%H%M%S}-eval"
    with Sandbox(slots=config.slots) as box, Display(folder) as display:
        episodes = _episodes(f"evaluation of {model}", who, config, suite.name, box, display)
        selector = _selector(config, inputs, episodes, box)
        block = summary(outcomes_of(episodes), config.turn_limit)
        result: dict[str, Any] = {
            "model": model, "recipe": recipe.name if recipe else "", "suite": suite.name,
            "split": config.evaluation.split,
            "seed": config.seed, "turn_limit": config.turn_limit, "temperature": config.evaluation.temperature,
            "top_p": config.evaluation.top_p, "selector": config.selector,
            "unscored": unscored(suite, config.evaluation.split), **block,
            "metrics": measured(measures, episodes, config.turn_limit, selector),
        }  # fmt: skip
        rows: list[Row] = []
        if config.single_turn:
            alone, single = _single_turn(config, measures)
            name = "single turns at the same number of samples"
            singles = _episodes(name, who, alone, suite.name, box, display)
            rows = compare_measures(singles, episodes, single, _multi_turn(config, measures), alone.turn_limit,
                                    config.turn_limit, selector)  # fmt: skip
            result["single_turn"] = {
                "rollouts_per_task": alone.evaluation.samples,
                "comparison": [row.as_dict() for row in rows],
            }
        with guard(folder, resume=False):
            folder.mkdir(parents=True)
            save_config(config, folder / "eval.toml")
            append_episodes(folder / "episodes.jsonl", episodes)
            if config.single_turn:
                append_episodes(folder / "single_turn.jsonl", singles)
            (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
        if who.once:
            display.say(transcript(episodes))
        display.show(interval_table(result))
        if rows:
            display.show(comparison_table(rows, "single turn", f"{config.turn_limit} turns"))
        display.say(markdown_row(result))
    return folder


def measured(
    measures: Sequence[Measure], episodes: Sequence[Episode], turn_limit: int, selector: Selector | None
) -> dict[str, Any]:
    """Interval of each measure by name, on how many tasks, and how many had too few rollouts for it."""
    found = {}
    for measure in measures:
        scores = measure.scores(episodes, turn_limit, selector)
        known = len({episode.task for episode in episodes})
        found[measure.name] = {
            **bootstrap(scores).as_dict(), "tasks": len(scores.tasks), "left_out": known - len(scores.tasks),
        }  # fmt: skip
    return found


def markdown_row(result: Mapping[str, Any]) -> str:
    """A table of one row for a paper: the model and its measures in percent with their intervals."""
    names = {"solved_first": "first attempt", f"solved_1@{result['turn_limit']}": f"1@{result['turn_limit']}"}
    cells = {shown: interval(result.get(key)) for key, shown in names.items()}
    cells |= {name: interval(value) for name, value in result["metrics"].items()}
    head = ["model", "suite", *cells]
    row = [result["model"], f"{result['suite']} {result['split']}", *cells.values()]
    lines = [head, ["---"] * len(head), [str(cell).replace("|", "\\|") for cell in row]]
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
    finish_replacing(final / "latest")
    for choice in ("latest", "warm-start"):
        if (final / choice / "config.json").exists():
            return str(final / choice)
    raise RlefError(f"{name}: no checkpoint yet; go on with: rlef train --resume {name}")


def _episodes(
    name: str, who: Player, config: EvalConfig, suite: str, box: Sandbox, display: Display
) -> list[Episode]:  # fmt: skip
    """The episodes of a configuration, played or taken from the ledger."""
    if config.feedback.mode == "random":  # what the policy is told depends on the other tasks as well
        suite = "\n".join([suite, *(task.key for task in who.tasks)])
    total = len(who.tasks) * config.evaluation.samples
    with (
        closing(Ledger(ledger_path(config, who.identity, suite))) as ledger,
        display.stage(name, total) as tick,
    ):
        episodes = who.play(config, box, tick, ledger)
    if not episodes:
        raise RlefError("the time was up before the first batch ended; raise --minutes")
    return episodes


def _selector(
    config: EvalConfig, inputs: Mapping[str, Sequence[str]], episodes: Sequence[Episode], box: Sandbox
) -> Selector | None:
    """None stands for the public tests, whose expectation is computed exactly."""
    if config.selector == "clusters":
        return by_clusters(outputs(episodes, inputs, box))
    return {"public": None, "random": at_random, "likelihood": by_likelihood}[config.selector]


def _single_turn(config: EvalConfig, measures: Sequence[Measure]) -> tuple[EvalConfig, list[Measure]]:
    """The same number of samples without feedback, and the measures that can be compared."""
    single = parse_measures(_compared(config, measures), 1)
    samples = max(config.evaluation.samples * config.turn_limit, *(measure.rollouts for measure in single))
    evaluation = replace(config.evaluation, samples=samples)
    return replace(config, turn_limit=1, evaluation=evaluation), single


def _multi_turn(config: EvalConfig, measures: Sequence[Measure]) -> list[Measure]:
    return parse_measures(_compared(config, measures), config.turn_limit)


def _compared(config: EvalConfig, measures: Sequence[Measure]) -> str:
    """n@k counts samples, so it is the same budget for both; 1@turns is always among them."""
    names = [f"1@{config.turn_limit}", *(measure.name for measure in measures if measure.kind == "n@k")]
    return ",".join(dict.fromkeys(names))
