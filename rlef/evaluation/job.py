"""The evaluation of one suite: episodes, played or taken from the ledger, become a result and a folder of files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlef.config import save_config
from rlef.episode import Episode, append_episodes
from rlef.errors import RlefError
from rlef.evaluation.compare import Row, compare_measures, comparison_table
from rlef.evaluation.config import EvalConfig
from rlef.evaluation.intervals import bootstrap
from rlef.evaluation.kinds import by_kind
from rlef.evaluation.ledger import Ledger, ledger_path
from rlef.evaluation.measures import Measure, parse_measures
from rlef.evaluation.metrics import outcomes_of, summary
from rlef.evaluation.outputs import numbered_clusters, outputs, with_inputs
from rlef.evaluation.players import Player, transcript
from rlef.evaluation.recipes import unscored
from rlef.evaluation.selection import (
    Item,
    Verifier,
    kept_scores,
    parse_select,
    programs_of,
    score_programs,
    selector_of,
)
from rlef.evaluation.selectors import Selector
from rlef.progress import Display
from rlef.run import guard
from sandbox import Sandbox
from tasks import Suite

VOTES = 200
"""Random subsets per task and k for the majority, which has no closed form."""


@dataclass(frozen=True)
class Job:
    """One model on one suite."""

    model: str
    config: EvalConfig
    suite: Suite
    who: Player
    measures: Sequence[Measure]
    inputs: Mapping[str, Sequence[str]]
    """Further inputs by task, for clusters."""
    verifier: Verifier | None
    """What selects, if a verifier does."""
    box: Sandbox
    display: Display

    def run(self, folder: Path, recipe: str) -> dict[str, Any]:
        """Evaluate and write `result.json`, `episodes.jsonl` and `eval.toml` to `folder`; returns the result."""
        config, display = self.config, self.display
        episodes = self.episodes(f"evaluation of {self.model} on {self.suite.name}", config)
        singles: list[Episode] = []
        if config.single_turn:
            alone, single = _single_turn(config, self.measures)
            singles = self.episodes("single turns at the same number of samples", alone)
        chosen = parse_select(config.select, config.inputs)
        if chosen.kind == "likelihood" and not any(turn.logprobs for one in episodes for turn in one.turns):
            raise RlefError(
                f'select = "{config.select}": {self.model} gives no log-probabilities; choose another, as "public"'
            )
        scores = self.scores([*episodes, *singles])
        said = outputs([*episodes, *singles], with_inputs(self.who.tasks, self.inputs), self.box)
        selector = selector_of(chosen, said, scores)
        result: dict[str, Any] = {
            "model": self.model, "recipe": recipe, "suite": self.suite.name, "split": config.evaluation.split,
            "seed": config.seed, "turn_limit": config.turn_limit, "temperature": config.evaluation.temperature,
            "top_p": config.evaluation.top_p, "select": config.select, "best_of": config.best_of,
            "unscored": unscored(self.suite, config.evaluation.split),
            **summary(outcomes_of(episodes), config.turn_limit, answers=config.turn_limit * config.best_of),
            "metrics": measured(self.measures, episodes, config.turn_limit, selector),
            "by_kind": by_kind(self.who.tasks, {"evaluation": outcomes_of(episodes)}),
        }  # fmt: skip
        if self.verifier:
            result["selection"] = self.selection(episodes, scores)
        rows: list[Row] = []
        if config.single_turn:
            several = parse_measures(_compared(config, self.measures), config.turn_limit * config.best_of)
            rows = compare_measures(singles, episodes, single, several, 1, config.turn_limit, selector)
            result["single_turn"] = {
                "rollouts_per_task": alone.evaluation.samples, "comparison": [row.as_dict() for row in rows],
            }  # fmt: skip
        with guard(folder, resume=False):
            folder.mkdir(exist_ok=True)
            save_config(config, folder / "eval.toml")
            append_episodes(folder / "episodes.jsonl", episodes)
            if singles:
                append_episodes(folder / "single_turn.jsonl", singles)
            (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
        if self.who.once:
            display.say(transcript(episodes))
        if rows:
            display.console.print(comparison_table(rows, "single turn", f"{config.turn_limit} turns"))
        return result

    def episodes(self, name: str, config: EvalConfig) -> list[Episode]:
        """The episodes of a configuration, played or taken from the ledger."""
        total = len(self.who.tasks) * config.evaluation.samples
        with closing(Ledger(self.ledger(config))) as ledger, self.display.stage(name, total) as tick:
            episodes = self.who.play(config, self.box, tick, ledger)
        if not episodes:
            raise RlefError("the time was up before the first batch ended; raise --minutes")
        return episodes

    def ledger(self, config: EvalConfig) -> Path:
        """Where the episodes of a configuration are kept."""
        names = [self.suite.name]
        if config.feedback.mode == "random":  # what the policy is told depends on the other tasks as well
            names += [task.key for task in self.who.tasks]
        if config.best_of > 1:  # what goes on depends on who chooses
            chosen = parse_select(config.select, config.inputs)
            names.append(f"{chosen.kind} {chosen.public} {self.verifier.digest if self.verifier else ''}")
        return ledger_path(config, self.who.identity, "\n".join(names))

    def scores(self, episodes: Sequence[Episode]) -> dict[Item, float]:
        """The verifier's scores of the programs that may be handed in; none without a verifier."""
        if self.verifier is None:
            return {}
        kept, programs = kept_scores(self.ledger(self.config), self.verifier), programs_of(episodes)
        with self.display.stage(f"scores of {self.verifier.folder}", len(programs)) as tick:
            return score_programs(self.verifier, kept, programs, tick)

    def selection(self, episodes: Sequence[Episode], scores: Mapping[Item, float]) -> dict[str, Any]:
        """What the verifier is worth on the final answers, beside the oracle, chance and votes (docs/verifier.md)."""
        from rlef.verifiers.pool import answers_of
        from rlef.verifiers.result import VERIFIER, measure

        answers = answers_of(episodes, last=True)
        programs = {task: [one.program for one in group] for task, group in answers.items()}
        lengths = {task: [-float(len(one)) if one else -math.inf for one in group] for task, group in programs.items()}
        liked = {task: [scores[one.observation, one.program] if one.program else -math.inf for one in group]
                 for task, group in answers.items()}  # fmt: skip
        said = numbered_clusters(programs, self.who.tasks, self.box)
        return measure(
            answers, {VERIFIER: liked, "shortest": lengths}, said, self.config.evaluation.samples, VOTES,
            self.config.seed,
        )  # fmt: skip


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


def _single_turn(config: EvalConfig, measures: Sequence[Measure]) -> tuple[EvalConfig, list[Measure]]:
    """The same number of samples without feedback, and the measures that can be compared."""
    single = parse_measures(_compared(config, measures), 1)
    answers = config.turn_limit * config.best_of
    samples = max(config.evaluation.samples * answers, *(measure.rollouts for measure in single))
    evaluation = replace(config.evaluation, samples=samples)
    return replace(config, turn_limit=1, best_of=1, evaluation=evaluation), single


def _compared(config: EvalConfig, measures: Sequence[Measure]) -> str:
    """n@k counts samples, so it is the same budget for both; 1@turns is always among them."""
    names = [
        f"1@{config.turn_limit * config.best_of}",
        *(measure.name for measure in measures if measure.kind == "n@k"),
    ]
    return ",".join(dict.fromkeys(names))
