"""`rlef vstar`: V-STaR (arXiv 2402.06457, algorithm 1) as stages in a run folder.

    checkpoints/warm-start      G_SFT: the base model after the warm start on D_SFT
    demonstrations.jsonl        D_SFT
    checkpoints/generator-T     the base model after all correct programs found before iteration T (T > 1)
    samples/iteration-T.jsonl   its programs on the training tasks, with verdicts
    pairs.jsonl  pairs.json     correct and incorrect programs of all iterations, and what they are made of
    checkpoints/verifier        DPO from G_SFT, which is also the reference; beside it the two reward models
    evaluation/                 candidates on held-out tasks, their scores by every scorer, output clusters
    result.json

Each artefact is written whole, or, for samples, in whole chunks; one that is there is not made again. So a run that
was killed at any point goes on from its last artefact and ends with the same ones: every random draw comes from the
seed and the place of the stage.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rlef.config import WarmStartConfig, read_config, save_config
from rlef.envs.answers import answer_of
from rlef.episode import Episode, Turn, append_episodes, read_episodes
from rlef.errors import RlefError
from rlef.evaluation.command import model_of
from rlef.evaluation.evaluate import usable_tasks
from rlef.learners.demonstrations import programs, split_tasks
from rlef.learners.sft import warm_start
from rlef.policies.chat import Chat
from rlef.policies.load import load_policy
from rlef.progress import Display
from rlef.rollout import starts
from rlef.run import Run, claim, guard, replacing
from rlef.verifiers.config import VStarConfig, check_vstar
from rlef.verifiers.heldout import candidates, clusters, scores
from rlef.verifiers.pairs import Pair, describe, distinct, make_pairs, read_pairs, write_pairs
from rlef.verifiers.pool import Candidate, check_training_only, pool_of
from rlef.verifiers.programs import encode, normal_form
from rlef.verifiers.result import measure, result_table
from rlef.verifiers.stages import Stages
from rlef.verifiers.train import Kind, train_verifier
from sandbox import Sandbox
from tasks import Task, load_suite


def create(config: VStarConfig) -> Run:
    """A new run folder under `config.out`."""
    run = Run(claim(config.out, f"vstar-seed{config.seed}"))
    with guard(run.folder, resume=False):
        for name in ("checkpoints", "samples", "evaluation"):
            (run.folder / name).mkdir()
        save_config(config, run.folder / "config.toml")
    return run


def vstar(run: Run) -> dict[str, Any]:
    """Do what is left of a run; returns its result.

    Raises:
        RlefError, SandboxError, TaskError: what the user can mend; finished artefacts stay.
    """
    config: VStarConfig = read_config(VStarConfig, run.folder / "config.toml")
    check_vstar(config)
    with run.locked(), Display(run.folder) as display:
        suite = load_suite(config.suite)
        train = usable_tasks(suite, "train")
        held_out = usable_tasks(suite, config.selection.split, config.selection.tasks)
        try:
            with Sandbox(slots=config.slots) as box:
                result = _Job(config, run, suite.name, box, display, train, held_out).all()
        except Exception:
            run.discard_if_empty()
            raise
        with guard(run.folder, resume=False):
            run.save_result(result)
        display.console.print(result_table(result))
        display.say(f"all files: {run.folder}")
    return result


@dataclass
class _Job(Stages):
    """Algorithm 1, stage by stage."""

    train: Sequence[Task]
    held_out: Sequence[Task]

    def all(self) -> dict[str, Any]:
        """Every stage in order."""
        start, generator, pool = self.found() if self.config.episodes else self.sampled()
        pairs = self.pairs(pool)
        kinds: list[Kind] = ["dpo", "bradley_terry", "cross_entropy"]
        folders = {kind: self.verifier(kind, start, pairs) for kind in kinds[: 3 if self.config.baselines else 1]}
        answers = candidates(self, self.held_out, generator)
        scorers = scores(self, answers, folders, generator)
        said = clusters(self, answers, self.held_out)
        selection = self.config.selection
        found = measure(answers, scorers, said, selection.samples, selection.draws, self.config.seed)
        return {
            "suite": self.suite, "split": selection.split, "seed": self.config.seed, "generator": generator,
            "pairs": json.loads((self.run.folder / "pairs.json").read_text()), **found, "minutes": self.run.minutes(),
        }  # fmt: skip

    def found(self) -> tuple[str, str, list[Episode]]:
        """(start model, generator, episodes) of finished or running `rlef train` folders."""
        first = Path(self.config.episodes[0])
        start = first / "checkpoints" / "warm-start"
        if not (start / "config.json").exists():
            raise RlefError(
                f"{first}: no checkpoints/warm-start, which the verifier starts from; name an `rlef train` run"
            )
        pool: list[Episode] = []
        for name in self.config.episodes:
            path = Path(name) / "episodes.jsonl"
            if not path.exists():
                raise RlefError(f"{name}: no episodes.jsonl; name run folders of `rlef train`")
            episodes = list(read_episodes(path))
            check_training_only(episodes, self.suite, {task.key for task in self.train}, str(path))
            pool += episodes
        return str(start), model_of(str(first)), pool

    def sampled(self) -> tuple[str, str, list[Episode]]:
        """(G_SFT, last generator, D_SFT and all samples)."""
        start = self.warm_start()
        shown = list(read_episodes(self.run.folder / "demonstrations.jsonl"))
        pool, generator = list(shown), start
        tasks = self.drawn({episode.task for episode in shown})
        for number in range(1, self.config.iterations + 1):
            if number > 1:
                generator = self.generator(number, shown, pool)
            begun = starts(tasks, self.config.samples, f"samples {self.config.seed} {number}", self.train)
            path = self.run.folder / "samples" / f"iteration-{number}.jsonl"
            pool += self.sample(path, begun, generator, self.config.temperature, self.settings, number)
        return start, generator, pool

    def drawn(self, shown: Collection[str]) -> list[Task]:
        """The training tasks to sample on, in the suite's order: D_SFT's, which have a correct program, and others."""
        order = random.Random(f"training tasks {self.config.seed}").sample(range(len(self.train)), len(self.train))
        order.sort(key=lambda place: self.train[place].key not in shown)
        return [self.train[place] for place in sorted(order[: self.config.tasks or None])]

    def warm_start(self) -> str:
        """G_SFT and D_SFT."""
        config, folder = self.config, self.run.folder / "checkpoints" / "warm-start"
        if not folder.exists():
            policy = load_policy(config.model, config.system)
            with self.run.timed("warm_start"):
                tasks, _ = split_tasks(self.train, self.lesson, config.seed)
                shown = programs(tasks, policy.chat, self.box, self.settings, config.seed)
                with guard(self.run.folder, False), replacing(self.run.folder / "demonstrations.jsonl") as part:
                    part.touch()
                    append_episodes(part, [replace(episode, suite=self.suite) for episode in shown])
                self.fit(policy, shown, f"warm start on {len(shown)} demonstrations")
                self.run.save_model("warm-start", policy.model, policy.tokenizer)
        return str(folder)

    def generator(self, number: int, shown: Sequence[Episode], pool: Sequence[Episode]) -> str:
        """The base model after D_SFT and every distinct correct program found so far."""
        config, folder = self.config, self.run.folder / "checkpoints" / f"generator-{number}"
        if not folder.exists():
            policy = load_policy(config.model, config.system)
            known = {(one.task, normal_form(one.program)) for one in pool_of(shown).candidates if one.passed}
            correct = [one for one in distinct(pool_of(pool).candidates)[0] if one.passed]
            new = [one for one in correct if (one.task, normal_form(one.program)) not in known]
            with self.run.timed("generators"):
                everything = [*shown, *(_as_episode(one, policy.chat) for one in new)]
                self.fit(policy, everything, f"generator {number} on {len(everything)} correct programs")
                self.run.save_model(folder.name, policy.model, policy.tokenizer)
        return str(folder)

    @property
    def lesson(self) -> WarmStartConfig:
        """The generators' configuration for the supervised learner."""
        sft = self.config.sft
        return WarmStartConfig(sft.programs, 0, sft.epochs, sft.learning_rate, sft.batch)

    def fit(self, policy: Any, shown: Sequence[Episode], title: str) -> None:
        """Supervised learning in place."""
        config = self.lesson
        torch.manual_seed(self.config.seed)
        steps = config.epochs * -(-len(shown) // config.batch)
        with self.display.stage(title, steps) as tick:
            warm_start(
                policy.model, shown, config, self.config.seed, max(2048, self.config.context),
                lambda step, loss: tick(1, f"loss {loss:.2f}"),
            )  # fmt: skip

    def pairs(self, episodes: Sequence[Episode]) -> list[Pair]:
        """The verifier's lesson."""
        config, path = self.config, self.run.folder / "pairs.jsonl"
        if not path.exists():
            check_training_only(episodes, self.suite, {task.key for task in self.train}, "the pool")
            pool = pool_of(episodes)
            pairs = make_pairs(pool, config.verifier.pairs_per_task, config.seed)
            self.write(path.with_suffix(".json"), describe(pairs, pool))
            with guard(self.run.folder, resume=False), replacing(path) as part:
                write_pairs(part, pairs, config.system)
        pairs = read_pairs(path)
        self.display.say(f"{len(pairs)} pairs on {len({pair.task for pair in pairs})} tasks")
        return pairs

    def verifier(self, kind: Kind, start: str, pairs: Sequence[Pair]) -> Path:
        """The folder of a trained verifier or reward model."""
        config = self.config.verifier
        folder = self.run.folder / "checkpoints" / ("verifier" if kind == "dpo" else kind)
        if not folder.exists():
            steps = config.epochs * -(-len(pairs) // config.batch)
            title = f"{kind.replace('_', ' ')} on {len(pairs)} pairs"
            with self.run.timed(kind), self.display.stage(title, steps) as tick:
                made = train_verifier(kind, start, self.config.system, pairs, config, self.config.seed, tick)
                with guard(self.run.folder, resume=False), replacing(folder) as part:
                    part.mkdir()
                    made.save(part)
        return folder


def _as_episode(one: Candidate, chat: Chat) -> Episode:
    """A correct program as the answer to its task."""
    prompt, answer = encode(chat, one.observation, one.program)
    turn = Turn(
        one.observation, answer_of(one.program), one.program, prompt_ids=tuple(prompt), response_ids=tuple(answer)
    )
    return Episode(one.task, 0, (turn,))
