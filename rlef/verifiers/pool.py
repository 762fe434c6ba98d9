"""From episode records to judged programs: the material of pairs and of every measure.

Each turn's program counts as a solution of the task itself, whatever the dialogue before it was: code repair is
one-step recoverable (µCode, arXiv 2502.20380), and at selection time a candidate is scored by task and program alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from rlef.episode import Episode, Turn
from rlef.errors import RlefError
from tasks.judge import OURS


@dataclass(frozen=True)
class Candidate:
    """A program with its verdict."""

    task: str
    observation: str
    """The task as the policy saw it first."""
    program: str
    passed: bool
    """All tests, public and private."""
    public_passed: bool
    failure: str = ""
    """First failing verdict; empty when passed."""

    @property
    def hard(self) -> bool:
        """Wrong, and the public tests do not show it."""
        return self.public_passed and not self.passed


@dataclass
class Pool:
    """Programs with verdicts that can be trusted, as sampled; the same program may be in it often."""

    candidates: list[Candidate] = field(default_factory=list)
    repairs: list[tuple[Candidate, Candidate]] = field(default_factory=list)
    """(failed, passed) of successive turns."""
    excluded: Counter[str] = field(default_factory=Counter)
    """Turns left out, by reason: no_program, forgeable, unjudged (the sandbox failed)."""


def pool_of(episodes: Iterable[Episode]) -> Pool:
    """All judged programs of the episodes."""
    pool = Pool()
    for episode in episodes:
        before: Candidate | None = None
        for number, turn in enumerate(episode.turns):
            last = number == len(episode.turns) - 1
            reason = _unfit(turn, failed=last and episode.sandbox_failure)
            if reason:
                pool.excluded[reason] += 1
                before = None
                continue
            candidate = _candidate(episode, turn)
            pool.candidates.append(candidate)
            if before is not None and candidate.passed and not before.passed:
                pool.repairs.append((before, candidate))
            before = candidate
    return pool


def answers_of(episodes: Iterable[Episode], last: bool = False) -> dict[str, list[Candidate]]:
    """The first answer of each episode, or the last one, by task: what one can choose from at test time.

    An answer without a program is a wrong candidate with the empty program; one the sandbox failed on is left out.
    """
    answers: dict[str, list[Candidate]] = {}
    for episode in episodes:
        if not episode.turns:
            continue
        turn = episode.turns[-1 if last else 0]
        known = answers.setdefault(episode.task, [])
        if turn.program is None:
            known.append(Candidate(episode.task, episode.turns[0].observation, "", False, False, "no_program"))
        elif _judged(turn, failed=(last or len(episode.turns) == 1) and episode.sandbox_failure):
            known.append(_candidate(episode, turn))
    return answers


def _unfit(turn: Turn, failed: bool) -> str:
    if turn.program is None:
        return "no_program"
    if turn.trust != "sound":
        return "forgeable"
    return "" if _judged(turn, failed) else "unjudged"


def _judged(turn: Turn, failed: bool) -> bool:
    verdicts = {*turn.public, *(turn.private or ())}
    # What passed the public tests but never met the private ones is neither right nor wrong.
    return not failed and bool(verdicts) and not verdicts & OURS and not (turn.public_passed and turn.private is None)


def _candidate(episode: Episode, turn: Turn) -> Candidate:
    assert turn.program is not None
    failing = (verdict for verdict in (*turn.public, *(turn.private or ())) if verdict != "accepted")
    return Candidate(
        episode.task, episode.turns[0].observation, turn.program, turn.passed, turn.public_passed, next(failing, "")
    )


def check_training_only(episodes: Iterable[Episode], suite: str, keys: Collection[str], source: str) -> None:
    """Raise RlefError for an episode of another suite or of a task that is not a training task."""
    for number, episode in enumerate(episodes, 1):
        if episode.suite and episode.suite != suite:
            raise RlefError(
                f'{source}, line {number}: an episode of suite "{episode.suite}", this verifier is trained on '
                f'"{suite}"; set suite to the one the episodes are from'
            )
        if episode.task not in keys:
            raise RlefError(
                f'{source}, line {number}: task "{episode.task}" is not in split "train" of suite "{suite}"; '
                "a verifier learns from training tasks only, take these episodes out"
            )
