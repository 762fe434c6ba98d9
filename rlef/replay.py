"""`rlef replay RUN`: plays recorded episodes again, without a model, and compares every observation and reward.

The answers come from the record. What their programs do comes from the record too, or, with `--sandbox`, from running
them again. All else is computed as it was the first time: the program is found in the answer, the dialogue moves on,
feedback is worded, the reward is paid. Everything has to come out the same, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from rlef.envs.dialogue import Dialogue, Step, advance
from rlef.envs.judging import Judged, judge_programs
from rlef.episode import Turn
from rlef.recorded import Entry, Recorded
from tasks.judge import Box

AT_ONCE = 64


@dataclass
class Tally:
    """What a replay came to."""

    episodes: int = 0
    turns: int = 0
    differences: int = 0
    no_task: int = 0
    """Episodes whose task the suite does not have."""
    unrecorded: int = 0
    """Observations that records of version 1 do not hold the material of; only a sandbox can make them again."""
    unjudged: int = 0
    """Turns without a verdict, then or now: failures of the sandbox."""

    @property
    def same(self) -> bool:
        """Whether all that could be compared is the same, and no task is missing."""
        return not self.differences and not self.no_task

    def __str__(self) -> str:
        parts = [
            f"{self.episodes} episodes, {self.turns} turns played again",
            f"{self.differences} differences" if self.differences else "every observation and reward the same",
            f"{self.no_task} episodes without their task in the suite" if self.no_task else "",
            f"{self.unrecorded} observations need --sandbox (records of version 1)" if self.unrecorded else "",
            f"{self.unjudged} turns not judged for failures of the sandbox" if self.unjudged else "",
        ]
        return "; ".join(part for part in parts if part)


class _Play:
    """One episode on its way."""

    def __init__(self, entry: Entry, dialogue: Dialogue) -> None:
        self.entry, self.dialogue = entry, dialogue
        self.turns = entry.episode.turns
        self.ended = False

    def active(self, number: int) -> bool:
        return number < len(self.turns) and not self.ended and not self.dialogue.done


def replay(
    target: Path,
    suite: str = "",
    box: Box | None = None,
    say: Callable[[str], None] = lambda line: None,
    trust: bool = False,
) -> Tally:
    """Play all episodes of a run folder or file again; `say` gets a line for every difference.

    Args:
        suite: instead of the one the run names.
        box: runs the programs again; what they did is taken from the record when None.
        trust: import rewards that the record names.

    Raises:
        RlefError, TaskError: there are no episodes, or their suite or rules are not known.
    """
    recorded = Recorded(target, suite, trust)
    tally = Tally()
    for chunk in recorded.chunks(AT_ONCE):
        plays = []
        for entry in chunk:
            task = recorded.tasks.find(entry.episode.task)
            tally.episodes += 1
            if task is None:
                tally.no_task += 1
                say(f'{entry.place}: the suite has no task "{entry.episode.task}"')
            else:
                dialogue = Dialogue(task, recorded.settings(entry), entry.episode.seed, recorded.tasks)
                plays.append(_Play(entry, dialogue))
        for number in count():
            active = [play for play in plays if play.active(number)]
            if not active:
                break
            _turn(active, number, recorded, box, tally, say)
        for play in (play for play in plays if not play.ended):
            _compare(
                play, play.dialogue.turn - 1, tally, say,
                turns=(len(play.turns), play.dialogue.turn),
                finished=(not play.entry.episode.truncated, play.dialogue.done),
            )  # fmt: skip
    return tally


def _turn(
    plays: Sequence[_Play], number: int, recorded: Recorded, box: Box | None, tally: Tally, say: Callable[[str], None]
) -> None:
    """Turn `number` of all these episodes."""
    turns = [play.turns[number] for play in plays]
    dialogues = [play.dialogue for play in plays]
    for play, turn in zip(plays, turns, strict=True):
        tally.turns += 1
        if number == 0 or play.turns[number - 1].failures is not None or box is not None:
            _compare(play, number, tally, say, observation=(turn.observation, play.dialogue.observation))
        else:
            tally.unrecorded += 1
        _compare(play, number, tally, say, program=(turn.program, play.dialogue.find_program(turn.response)))
        if turn.failures and turn.failures[0].task:  # the problem random feedback was about
            play.dialogue.others = [task for task in [recorded.tasks.find(turn.failures[0].task)] if task]
    if box is None:
        judged = [_as_recorded(play, number) for play in plays]
    else:
        judged = judge_programs(dialogues, [turn.program for turn in turns], box)
        judged = [replace(one, rates=turn.rates) for one, turn in zip(judged, turns, strict=True)]
    for play, turn, one in zip(plays, turns, judged, strict=True):
        step = advance(play.dialogue, turn.program, one)
        if one.failed or _failed(play, number):
            tally.unjudged += 1
            play.ended = True
        else:
            _compare(play, number, tally, say, **_both(turn, step))
            play.ended = step.public != turn.public  # what follows is another dialogue


def _both(turn: Turn, step: Step) -> dict[str, tuple[Any, Any]]:
    return {
        "public": (turn.public, step.public),
        "private": (turn.private, step.private),
        "reward": (turn.reward, step.reward),
    }


def _as_recorded(play: _Play, number: int) -> Judged:
    """What running the program showed then."""
    turn, task = play.turns[number], play.dialogue.task
    public_passed = turn.public_passed or (not task.public_tests and turn.program is not None)
    return Judged(
        public=turn.public,
        private=turn.private or (),
        decided=public_passed,
        failures=turn.failures or (),
        rates=turn.rates,
        signals=turn.signals,
        trust="forgeable" if turn.trust == "forgeable" else "sound",
        failed=_failed(play, number),
    )


def _failed(play: _Play, number: int) -> bool:
    return play.entry.episode.sandbox_failure and number == len(play.turns) - 1


def _compare(play: _Play, number: int, tally: Tally, say: Callable[[str], None], **values: tuple[Any, Any]) -> None:
    """Count and say where the first of a pair, which is the record's, is not the second."""
    for name, (then, now) in values.items():
        if then != now:
            tally.differences += 1
            say(f"{play.entry.place} turn {number + 1}: {name} was {_excerpt(then, now)}, is {_excerpt(now, then)}")


def _excerpt(value: Any, other: Any) -> str:
    """A value; of a long text the part where it begins to differ."""
    if not isinstance(value, str) or len(value) < 80:
        return repr(value)
    other = other if isinstance(other, str) else ""
    same = next((i for i, (a, b) in enumerate(zip(value, other, strict=False)) if a != b), min(len(value), len(other)))
    start = max(0, same - 20)
    return f"{'...' if start else ''}{value[start : start + 60]!r}..."
