"""What a run left behind, to be read again: its episodes one by one, their rules and their tasks.

Episodes stream, so memory is bounded by a few of them and by the keys of the suite, however large the files are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import overload

from rlef.config import TrainConfig, load_config
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode, read_episodes
from rlef.errors import RlefError
from tasks import Suite, Task, load_suite


@dataclass(frozen=True)
class Entry:
    """An episode and where it stands."""

    place: str
    """File and line."""
    episode: Episode


class Recorded:
    """The episodes of a run folder, an evaluation's folder or one file.

    Args:
        target: the folder or file.
        suite: what to load the tasks from; what the run's configuration or else its episodes name when empty.
        trust: import rewards that episodes name as "module:function". A record of somebody else's may name anything.

    Raises:
        RlefError: there are no episodes.
        TaskError: the suite cannot be loaded.
    """

    def __init__(self, target: Path, suite: str = "", trust: bool = False) -> None:
        self._trust = trust
        self.files = [target] if target.is_file() else [target / "episodes.jsonl", *target.glob("evaluation/*.jsonl")]
        self.files = sorted(file for file in self.files if file.exists() and file.stat().st_size)
        if not self.files:
            raise RlefError(f"{target}: no episodes there; name a run folder or a file of episodes (JSONL)")
        config = target / "config.toml"
        self.config: TrainConfig | None = load_config(config) if config.exists() else None
        spec = suite or (self.config.suite if self.config else next(self.entries()).episode.suite)
        if not spec:
            raise RlefError(f"{target}: its episodes name no suite; say which with --suite")
        self.tasks = TaskIndex(load_suite(spec))

    def entries(self) -> Iterator[Entry]:
        """All episodes, file after file."""
        for file in self.files:
            for number, episode in enumerate(read_episodes(file), 1):
                yield Entry(f"{file.name}:{number}", episode)

    def chunks(self, size: int) -> Iterator[list[Entry]]:
        """All episodes, `size` at a time."""
        entries = self.entries()
        while chunk := list(islice(entries, size)):
            yield chunk

    def settings(self, entry: Entry) -> DialogueSettings:
        """The rules of an episode. Raises RlefError for one of version 1 outside of its run folder, or not trusted."""
        rules = entry.episode.rules
        if rules is not None:
            if ":" in str(rules.get("reward")) and not self._trust:
                raise RlefError(
                    f"{entry.place}: its reward {rules['reward']!r} is a program of somebody's; if you know it: --trust"
                )
            return DialogueSettings.of(rules)
        if self.config is None:
            raise RlefError(f"{entry.place}: an episode of version 1 does not hold its rules; name its run folder")
        return DialogueSettings(self.config.turn_limit, feedback=self.config.feedback)


def language_of(episode: Episode) -> str:
    """The language of an episode's programs."""
    return str((episode.rules or {}).get("language", "python"))


class TaskIndex(Sequence[Task]):
    """All tasks of a suite, by number and by key. They stay where they are: only keys and places are kept."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._places: dict[str, tuple[str, int]] = {}
        for split, tasks in suite.splits.items():
            for number, task in enumerate(tasks):
                self._places.setdefault(task.key, (split, number))
        self._keys = list(self._places)

    def find(self, key: str) -> Task | None:
        """The task with this key, None when the suite has it no more."""
        if key not in self._places:
            return None
        split, number = self._places[key]
        return self._suite[split][number]

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Task]: ...
    def __getitem__(self, index: int | slice) -> Task | Sequence[Task]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        split, number = self._places[self._keys[index]]
        return self._suite[split][number]
