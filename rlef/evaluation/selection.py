"""What `--select` names: the selector of an evaluation, and the scores of a verifier behind it.

Scores are kept in a file beside the evaluation's episodes, so that the same command after a kill scores nothing twice;
a verifier all of whose scores are there is not even loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.evaluation.config import EvalConfig
from rlef.evaluation.ledger import digest, model_digest
from rlef.evaluation.lines import Lines
from rlef.evaluation.outputs import last_program
from rlef.evaluation.selectors import Selector, at_random, by_clusters, by_score, likelihood
from rlef.progress import Tick

PROGRAMS_AT_ONCE = 128
"""Programs scored between two writes."""
PLAIN, SCORES = ("public", "random", "clusters"), ("likelihood", "verifier")

Score = Callable[[Episode], float]
Item = tuple[str, str]
"""What a verifier is shown: the task as the policy saw it first, and the program."""


@dataclass(frozen=True)
class Select:
    """What `--select` says."""

    kind: str
    """One of PLAIN or SCORES."""
    public: bool = False
    """Whether answers that pass the public tests come first, whatever their scores."""
    path: str = ""
    """Of a verifier."""


def parse_select(text: str, inputs: str = "") -> Select:
    """The choice that `--select` names. Raises RlefError when there is none such, or --inputs has no part in it."""
    rest = text.removeprefix("public+")
    kind, _, path = rest.partition(":")
    known = SCORES if rest != text else (*PLAIN, *SCORES)
    if kind not in known or bool(path) != (kind == "verifier"):
        raise RlefError(
            f'select = "{text}": must be public, random, likelihood, clusters, verifier:PATH, public+likelihood or '
            "public+verifier:PATH"
        )
    if (kind == "clusters") != bool(inputs):
        raise RlefError("select clusters and --inputs FILE belong together; give both or neither")
    return Select(kind, rest != text, path)


def check_select(config: EvalConfig) -> None:
    """Raise RlefError for a choice that cannot be meant."""
    chosen, samples = parse_select(config.select, config.inputs), config.best_of
    if samples < 1:
        raise RlefError(f"best_of = {samples!r}: must be at least 1")
    if samples > 1 and chosen.kind not in ("public", "verifier"):
        raise RlefError(
            f'best_of = {samples}: select = "{config.select}" cannot say what is repaired next; use public, '
            "verifier:PATH or public+verifier:PATH"
        )
    if samples > 1 and not config.evaluation.temperature:
        raise RlefError(f"best_of = {samples}: at temperature 0 all answers are one; raise evaluation.temperature")


@dataclass(frozen=True)
class Verifier:
    """A verifier's folder; it is loaded when the first program is to be scored."""

    folder: Path

    @cached_property
    def digest(self) -> str:
        """What it is, wherever it lies."""
        return digest([model_digest(str(self.folder))])

    @cached_property
    def _load(self) -> Callable[[Sequence[Item]], list[float]]:
        from rlef.verifiers.score import load_score

        return load_score(self.folder)

    def score(self, items: Sequence[Item]) -> list[float]:
        """One number for each program, in order.

        Raises:
            RlefError: a program does not fit the verifier's context, or the verifier gives no number.
        """
        values = self._load(items)
        if not all(map(math.isfinite, values)):
            raise RlefError(f"{self.folder}: the verifier gives scores that are no numbers; train it again")
        return values


def selector_of(chosen: Select, said: Callable[[Episode], Hashable], scores: Mapping[Item, float]) -> Selector | None:
    """The selector. None stands for the public tests, whose expectation is computed exactly.

    Args:
        said: the cluster of an episode's outputs, where clusters choose.
        scores: the verifier's, where it chooses.
    """
    if chosen.kind in SCORES:
        return by_score(likelihood if chosen.kind == "likelihood" else score_of(scores), chosen.public)
    return {"public": None, "random": at_random, "clusters": by_clusters(said)}[chosen.kind]


def programs_of(episodes: Sequence[Episode]) -> dict[str, Item]:
    """The distinct last programs under names of their own, each as a verifier is shown it."""
    items = (item for episode in episodes if (item := _item(episode)))
    return {digest(item): item for item in items}


def score_programs(verifier: Verifier, kept: Path, programs: Mapping[str, Item], tick: Tick) -> dict[Item, float]:
    """A verifier's scores of programs, each as an answer to its task.

    Args:
        kept: file of the scores known so far; new ones are added to it, so many at a time.
        programs: by a name of their own (`programs_of`).
        tick: takes the number of programs scored and a note.
    """
    with closing(Lines(kept)) as lines:
        known: dict[str, float] = {row["key"]: row["score"] for row in lines.read() if _whole(row)}
        missing = [key for key in programs if key not in known]
        tick(len(programs) - len(missing), "")
        for first in range(0, len(missing), PROGRAMS_AT_ONCE):
            keys = missing[first : first + PROGRAMS_AT_ONCE]
            found = dict(zip(keys, verifier.score([programs[key] for key in keys]), strict=True))
            lines.append({"key": key, "score": value} for key, value in found.items())
            known |= found
            tick(len(keys), "")
    return {item: known[key] for key, item in programs.items()}


def score_of(scores: Mapping[Item, float]) -> Score:
    """The score of an episode's last program; -inf without a program."""
    return lambda episode: scores[item] if (item := _item(episode)) else -math.inf


def kept_scores(ledger: Path, verifier: Verifier) -> Path:
    """Where a verifier's scores of a ledger's programs are kept: by what the verifier is, not by where."""
    return ledger.with_name(f"{ledger.stem}-{verifier.digest}-scores.jsonl")


def _item(episode: Episode) -> Item | None:
    program = last_program(episode)
    return None if program is None else (episode.turns[0].observation, program)


def _whole(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("key"), str) and isinstance(row.get("score"), float)
