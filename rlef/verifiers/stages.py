"""What the stages of `rlef vstar` share: run folder, sandbox, clock, and sampling that a kill cannot undo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode, append_episodes, read_episodes
from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import Sampling
from rlef.policies.load import load_policy
from rlef.progress import Display
from rlef.rollout import Start, check_health, collect
from rlef.run import Run, guard, replacing
from rlef.verifiers.config import VStarConfig
from sandbox import Sandbox

CHUNK = 128
"""Episodes sampled, judged and written at a time."""


@dataclass
class Stages:
    """One run of the pipeline."""

    config: VStarConfig
    run: Run
    suite: str
    box: Sandbox
    display: Display

    @property
    def settings(self) -> DialogueSettings:
        """The rules of an episode on a training task."""
        return DialogueSettings(self.config.turn_limit, feedback=self.config.feedback)

    def sample(
        self, path: Path, starts: Sequence[Start], model: str, temperature: float, settings: DialogueSettings,
        number: int,
    ) -> list[Episode]:  # fmt: skip
        """Episodes of a file, after sampling those that are not in it yet."""
        done = keep_chunks(path, len(starts))
        if done < len(starts):
            policy = load_policy(model, self.config.system)
            engine = TransformersEngine(policy.model, policy.chat.stop_ids)
            sampling = Sampling(temperature, 1.0, self.config.max_new_tokens)
            context = min(self.config.context, policy.context)
            title = f"sampling {path.stem}"
            with self.run.timed("sampling"), self.display.stage(title, len(starts)) as tick:
                tick(done, "")
                for first in range(done, len(starts), CHUNK):
                    episodes = collect(
                        starts[first : first + CHUNK], engine, policy.chat, self.box, sampling=sampling,
                        settings=settings, context=context, step=number, suite=self.suite,
                        progress=lambda ended: tick(len(ended), ""),
                    )  # fmt: skip
                    check_health(episodes)
                    with guard(self.run.folder, resume=False):
                        append_episodes(path, episodes)
                    tick(0, f"correct {sum(one.passed for one in episodes) / len(episodes):.1%}")
        return list(read_episodes(path))

    def write(self, path: Path, data: Any) -> None:
        """Put JSON into a file of the run folder, whole."""
        with guard(self.run.folder, resume=False), replacing(path) as part:
            part.write_text(json.dumps(data, indent=2) + "\n")


def keep_chunks(path: Path, wanted: int) -> int:
    """Cut a file of episodes back to whole chunks; returns the episodes left, `wanted` when it is complete."""
    data = path.read_bytes() if path.exists() else b""
    lines = [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
    keep = wanted if len(lines) >= wanted else len(lines) - len(lines) % CHUNK
    if sum(map(len, lines[:keep])) < len(data):
        with replacing(path) as part:
            part.write_bytes(b"".join(lines[:keep]))
    return keep
