"""The record everything else reads and writes: what was said, sampled, run and rewarded in one episode.

Text is what people read, token ids are what the model saw: responses are stored as sampled and never encoded again. An
`Episode` is written once, as one line of JSON, and holds verdicts of private tests but never their inputs or outputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rlef.errors import RlefError

VERSION = 2
"""Version 1 had no `Turn.failures`, `Turn.rates` and `Episode.rules`; it is read all the same."""


@dataclass(frozen=True)
class Failure:
    """One failing public test as feedback shows it: long pieces are shortened already."""

    kind: str
    """A verdict."""
    input: str | None
    test: str | None
    """Source of an assert test."""
    expected: str | None
    observed: str
    trace: str
    task: str = ""
    """Key of the problem it comes from when that is another one (random feedback); empty otherwise."""


@dataclass(frozen=True)
class Turn:
    """One observation and the answer to it.

    `response_ids`, `logprobs` are aligned; `prompt_ids` are the tokens put in front of the response since the last one
    (all of the prompt in the first turn). Policies without tokens (scripted ones) leave the three empty.
    """

    observation: str
    response: str
    program: str | None
    """The program found in the response."""
    public: tuple[str, ...] = ()
    """Verdicts on the public tests; empty when nothing was run."""
    private: tuple[str, ...] | None = None
    """Verdicts on the private tests up to the first failure; None when they were not run."""
    reward: float = 0.0
    prompt_ids: tuple[int, ...] = ()
    response_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    """Natural log-probability of each sampled token under the policy that sampled it, at its temperature."""
    trust: str = "sound"
    """"forgeable" where the tests ran inside the program's own process (assert tests): exclude these if in doubt."""
    value: float | None = None
    """The critic's estimate at the last prompt token when the response was sampled."""
    failures: tuple[Failure, ...] | None = None
    """What feedback could be made of; None in records of version 1."""
    rates: tuple[float, ...] = ()
    """Pass rate of each private test among the programs judged together, where the reward weighs tests by it."""
    signals: tuple[str, ...] = ()
    """Signs of cheating that the judge saw (`tasks.signals`)."""
    whole_prompt: bool = False
    """Whether `prompt_ids` is all of the prompt in later turns too (templates that rewrite earlier turns)."""

    @property
    def public_passed(self) -> bool:
        """Whether public tests ran and all were accepted."""
        return bool(self.public) and all(verdict == "accepted" for verdict in self.public)

    @property
    def passed(self) -> bool:
        """Whether the program passes all tests, public and private."""
        return bool(self.private) and all(verdict == "accepted" for verdict in (*self.public, *(self.private or ())))


@dataclass(frozen=True)
class Episode:
    """A whole dialogue about one task."""

    task: str
    seed: int
    turns: tuple[Turn, ...]
    truncated: bool = False
    """Cut short by something outside the task: context length, or a failure of the sandbox."""
    sandbox_failure: bool = False
    """A failure of ours left the last program without a verdict: nobody's score."""
    step: int = 0
    """Update of the learner this episode was sampled for."""
    suite: str = ""
    rules: dict[str, Any] | None = field(default=None, hash=False)
    """`DialogueSettings` as plain data: with the task, all that is needed to play the episode again."""
    version: int = field(default=VERSION, kw_only=True)

    @property
    def passed(self) -> bool:
        """Whether the final program passes all tests."""
        return bool(self.turns) and self.turns[-1].passed and not self.sandbox_failure

    @property
    def passed_by_turn(self) -> tuple[bool, ...]:
        """Whether the program of each turn passes all tests."""
        return tuple(turn.passed for turn in self.turns)

    @property
    def reward(self) -> float:
        """Sum of the turns' rewards, without the KL term."""
        return sum(turn.reward for turn in self.turns)

    def to_json(self) -> str:
        """One line."""
        return json.dumps({**asdict(self), "passed": self.passed}, ensure_ascii=True)

    @staticmethod
    def from_json(text: str) -> Episode:
        """The episode of a line. Raises ValueError, KeyError or TypeError for anything else."""
        data: dict[str, Any] = json.loads(text)
        if data.get("version") not in range(1, VERSION + 1):
            raise ValueError(f"episode of version {data.get('version')!r}, this program reads 1 to {VERSION}")
        data.pop("passed", None)
        turns = []
        for turn in data.pop("turns"):
            values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in turn.items()}
            if values.get("failures") is not None:
                values["failures"] = tuple(Failure(**failure) for failure in values["failures"])
            turns.append(Turn(**values))
        return Episode(turns=tuple(turns), **data)


def append_episodes(path: Path, episodes: Iterable[Episode]) -> None:
    """Add lines to a file of episodes."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(episode.to_json() + "\n" for episode in episodes)


def read_episodes(path: Path) -> Iterator[Episode]:
    """Episodes of a file. Raises RlefError naming the line that is none."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield Episode.from_json(line)
            except (ValueError, KeyError, TypeError) as error:
                raise RlefError(f"{path}, line {number}: not an episode ({error}); remove the line") from error
