"""The main job from top to bottom: warm start, evaluation, RLEF updates, evaluation, result.

Every random draw comes from (seed, update), so a run that is resumed from a checkpoint goes on as if it had never been
stopped. Ctrl-C ends after the current update with everything saved; a second one ends at once.
"""

from __future__ import annotations

import copy
import platform
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import torch

from rlef.config import TrainConfig
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode
from rlef.evaluation.evaluate import evaluate, outcomes_of
from rlef.evaluation.metrics import compare, solved_final, summary
from rlef.learners.ppo import PPO
from rlef.learners.sft import demonstrations, warm_start
from rlef.policies.engine import Sampling, TransformersEngine
from rlef.policies.load import Policy, load_policy
from rlef.progress import Display
from rlef.report.curves import draw_curves
from rlef.report.page import write_report
from rlef.report.table import result_table
from rlef.rollout import Start, collect
from rlef.run import Run
from sandbox import Sandbox
from tasks import Suite, Task, load_suite

PACKAGES = ("rlef", "torch", "transformers", "gymnasium", "numpy")


def train(run: Run) -> dict[str, Any] | None:
    """Do what is left of a run; returns its result, None when it was stopped.

    Raises:
        RlefError, SandboxError, TaskError: what the user can mend; what was computed is saved.
    """
    config = run.config
    suite = load_suite(config.suite)
    train_tasks, held_out = suite["train"], _held_out(suite, config)
    minutes: dict[str, float] = {}
    with Sandbox(slots=config.slots) as box, _stopping() as stop, Display(run.folder) as display:
        job = _Job(config, run, suite.name, train_tasks, held_out, box, display, minutes)
        finished = job.all(stop)
        if not finished:
            display.say(f"stopped; everything is saved. Go on with: rlef train --resume {run.folder}")
            return None
        result = job.result()
        run.save_result(result)
        draw_curves(run.folder)
        page = write_report(run.folder)
        display.end(result_table(result), page)
        return result


class _Job:
    """What the stages of a run share."""

    def __init__(
        self, config: TrainConfig, run: Run, suite: str, train_tasks: Sequence[Task], held_out: Sequence[Task],
        box: Sandbox, display: Display, minutes: dict[str, float],
    ) -> None:  # fmt: skip
        self.config, self.run, self.suite = config, run, suite
        self.train_tasks, self.held_out = train_tasks, held_out
        self.box, self.display, self.minutes = box, display, minutes
        self.settings = DialogueSettings(config.turn_limit, feedback=config.feedback)

    def all(self, stop: list[bool]) -> bool:
        """Warm start, updates, both evaluations; False when stopped before the end."""
        policy = self.warm_policy()
        engine = TransformersEngine(policy.model, policy.chat.stop_ids)
        with self.timed("evaluation of the warm start"):
            self.evaluation("warm_start", engine, policy)
        if stop:
            return False
        ppo = PPO(policy.model, copy.deepcopy(policy.model), self.config.ppo, self.config.seed,
                  self.config.rollout.temperature)  # fmt: skip
        saved = self.run.load_state()
        if saved is None:
            self.run.restart()
        else:
            _, folder, state = saved
            weights = load_policy(str(folder), self.config.system).model.state_dict()
            policy.model.load_state_dict(weights)
            ppo.load_state_dict(dict(state))
            engine.load(policy.model)
        engine.critic = ppo.critic
        with self.timed("RLEF updates"):
            if not self.updates(saved[0] if saved else 0, policy, engine, ppo, stop):
                return False
        with self.timed("evaluation of the trained model"):
            self.evaluation("trained", engine, policy)
        return True

    def warm_policy(self) -> Policy:
        """The policy after supervised learning: the one saved in the run, or made now."""
        config = self.config
        saved = self.run.folder / "checkpoints" / "warm-start"
        if saved.exists():
            return load_policy(str(saved), config.system)
        with self.timed("warm start"):
            policy = load_policy(config.model, config.system)
            if config.warm_start.epochs and config.warm_start.programs + config.warm_start.repairs:
                shown = demonstrations(
                    self.train_tasks, config.warm_start, policy.chat, self.box, self.settings, config.seed
                )
                torch.manual_seed(config.seed)
                steps = config.warm_start.epochs * -(-len(shown) // config.warm_start.batch)
                with self.display.stage(f"warm start on {len(shown)} demonstrations", steps) as tick:
                    warm_start(
                        policy.model, shown, config.warm_start, config.seed, config.ppo.token_budget,
                        lambda step, loss: tick(1, f"loss {loss:.2f}"),
                    )  # fmt: skip
            self.run.save_model("warm-start", policy.model, policy.tokenizer)
        return policy

    def evaluation(self, name: str, engine: TransformersEngine, policy: Policy) -> None:
        """Episodes on the held-out tasks, the same seeds for every model; kept in the run folder."""
        if self.run.evaluation(name) is not None:
            return
        total = len(self.held_out) * self.config.evaluation.samples
        with self.display.stage(f"evaluation: {name.replace('_', ' ')}", total) as tick:
            episodes = evaluate(
                engine, policy.chat, self.held_out, self.box, self.config.evaluation, self.settings,
                self.config.rollout, seed=self.config.seed, suite=self.suite, progress=tick,
            )  # fmt: skip
        self.run.save_evaluation(name, episodes)
        step = 0 if name == "warm_start" else self.config.ppo.updates
        solved = summary(outcomes_of(episodes), self.config.turn_limit, draws=1)
        final = f"solved_1@{self.config.turn_limit}"
        self.run.log(
            step, {"eval/solved_first": solved["solved_first"]["mean"], "eval/solved_final": solved[final]["mean"]}
        )

    def updates(self, done: int, policy: Policy, engine: TransformersEngine, ppo: PPO, stop: list[bool]) -> bool:
        """RLEF updates from `done` on; False when stopped."""
        config = self.config
        sampling = Sampling(config.rollout.temperature, 1.0, config.rollout.max_new_tokens)
        context = min(config.rollout.context, policy.context)
        with self.display.training(config.ppo.updates, done) as show:
            for number in range(done, config.ppo.updates):
                if stop:
                    break
                started = time.monotonic()
                starts = _starts(self.train_tasks, config, number)
                episodes = collect(
                    starts, engine, policy.chat, self.box, sampling=sampling, settings=self.settings, context=context,
                    step=number, suite=self.suite, progress=show.rollout(len(starts)),
                )  # fmt: skip
                sampled = time.monotonic()
                metrics = _describe(episodes) | ppo.update(episodes, number, show.learning())
                engine.load(policy.model)
                ended = time.monotonic()
                tokens = sum(len(turn.response_ids) for episode in episodes for turn in episode.turns)
                metrics |= {
                    "time/rollout_s": sampled - started,
                    "time/learn_s": ended - sampled,
                    "time/sampled_tokens_per_s": tokens / (sampled - started),
                }
                self.run.add_episodes(episodes)
                self.run.log(number + 1, metrics)
                show.update(metrics)
                done = number + 1
                if done % config.checkpoint_every == 0 or stop or done == config.ppo.updates:
                    self.run.save_state(done, policy.model, policy.tokenizer, ppo.state_dict())
        return done == config.ppo.updates

    def result(self) -> dict[str, Any]:
        """The content of result.json."""
        limit = self.config.turn_limit
        before = outcomes_of(self.run.evaluation("warm_start") or [])
        after = outcomes_of(self.run.evaluation("trained") or [])
        comparison = compare(solved_final(before), solved_final(after))
        return {
            "suite": self.suite,
            "split": self.config.evaluation.split,
            "seed": self.config.seed,
            "warm_start": summary(before, limit),
            "trained": summary(after, limit),
            f"difference_1@{limit}": {**comparison.difference.as_dict(), "p_value": comparison.p_value},
            f"ratio_1@{limit}": comparison.ratio.as_dict(),
            "minutes": self.minutes,
            "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        }

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Minutes of a stage, for the result."""
        started = time.monotonic()
        yield
        self.minutes[name] = (time.monotonic() - started) / 60


def _held_out(suite: Suite, config: TrainConfig) -> Sequence[Task]:
    tasks = suite[config.evaluation.split]
    return tasks[: config.evaluation.tasks] if config.evaluation.tasks else tasks


def _starts(tasks: Sequence[Task], config: TrainConfig, number: int) -> list[Start]:
    """Tasks and seeds of an update: the split in random order, again and again, `samples` episodes a task."""
    first = number * config.rollout.tasks
    chosen = []
    for place in range(first, first + config.rollout.tasks):
        epoch, offset = divmod(place, len(tasks))
        order = random.Random(f"tasks {config.seed} {epoch}").sample(range(len(tasks)), len(tasks))
        chosen.append(tasks[order[offset]])
    seeds = random.Random(f"episodes {config.seed} {number}")
    return [Start(task, seeds.getrandbits(63)) for task in chosen for _ in range(config.rollout.samples)]


def _describe(episodes: Sequence[Episode]) -> dict[str, float]:
    """Metrics of a rollout batch. Sandbox failures are in their own rate only."""
    good = [episode for episode in episodes if episode.turns and not episode.sandbox_failure]
    failed_first = [episode for episode in good if not episode.turns[0].passed]
    turns = [turn for episode in good for turn in episode.turns]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else float("nan")

    return {
        "rollout/reward": mean([episode.reward for episode in good]),
        "rollout/solved_first": mean([float(episode.turns[0].passed) for episode in good]),
        "rollout/solved_final": mean([float(episode.passed) for episode in good]),
        "rollout/repair_rate": mean([float(episode.passed) for episode in failed_first]),
        "rollout/turns": mean([float(len(episode.turns)) for episode in good]),
        "rollout/response_tokens": mean([float(len(turn.response_ids)) for turn in turns]),
        "rollout/no_program": mean([float(turn.program is None) for turn in turns]),
        "rollout/truncated": mean([float(episode.truncated) for episode in good]),
        "rollout/sandbox_failures": mean([float(episode.sandbox_failure) for episode in episodes]),
    }


@contextmanager
def _stopping() -> Iterator[list[bool]]:
    """A list that becomes non-empty at the first Ctrl-C; the second one raises KeyboardInterrupt."""
    asked: list[bool] = []

    def ask(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)
        print("\nstopping after this update (Ctrl-C again: at once, going back to the last checkpoint)", flush=True)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
