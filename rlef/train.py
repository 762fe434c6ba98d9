"""The main job from top to bottom: warm start, evaluation, RLEF updates, evaluation, result.

Every random draw comes from (seed, update) and what the run has recorded, so a run that is resumed from a checkpoint
goes on as if it had never been stopped. Ctrl-C ends after the update under way with everything saved; a second one ends
at once. Of several processes the first one does the warm start and the evaluations; all share the updates.
"""

from __future__ import annotations

import copy
import dataclasses
import platform
import time
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from typing import Any

from rich.console import Console

from rlef.batches import Batches
from rlef.checkpoints import decline, keep
from rlef.config import TrainConfig
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode
from rlef.evaluation.evaluate import evaluate, outcomes_of, usable_tasks
from rlef.evaluation.kinds import by_kind
from rlef.evaluation.metrics import compare, solved_final, summary
from rlef.interrupt import Interrupt
from rlef.learners.compiled import cannot_compile
from rlef.learners.optimiser import lowest_layers, use_gradient_checkpointing
from rlef.learners.ppo import PPO
from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import Sampling
from rlef.policies.load import Policy, load_policy
from rlef.policies.lora import add_adapter, merge
from rlef.processes import joined
from rlef.progress import Display
from rlef.report.curves import draw_curves
from rlef.report.page import write_report
from rlef.report.table import result_table
from rlef.rollout import Start, check_health, collect
from rlef.run import Run, guard
from rlef.warm_start import teach
from sandbox import Sandbox
from tasks import Task, load_suite

PACKAGES = ("rlef", "torch", "transformers", "gymnasium", "numpy")


def train(run: Run) -> dict[str, Any] | None:
    """Do what is left of a run; returns its result, None when it was stopped, and in all processes but the first.

    Raises:
        RlefError, SandboxError, TaskError: what the user can mend; what was computed is saved.
    """
    config, first = run.config, joined().first
    try:
        with run.locked(), Display(run.folder, Console(quiet=not first)) as display, Interrupt() as interrupt:
            suite = load_suite(config.suite)
            tasks = usable_tasks(suite, "train")
            held_out = usable_tasks(suite, config.evaluation.split, config.evaluation.tasks)
            with Sandbox(slots=config.slots) as box:
                active = box.protections()
                display.say(f"sandbox: {config.slots} slots, {active.get('mode')} mode, cgroup {active.get('cgroup')}")
                try:
                    finished = _Job(config, run, suite.name, tasks, held_out, box, display, interrupt).all()
                except KeyboardInterrupt:
                    finished = False
            if not finished:
                display.say(f"stopped; everything is saved. Go on with: rlef train --resume {run.folder}")
                return None
            if not first:
                return None
            result = _result(config, run, suite.name, held_out)
            run.save_result(result)
            with guard(run.folder):
                draw_curves(run.folder)
                page = write_report(run.folder)
            display.end(result_table(result), page)
            return result
    except Exception:
        run.discard_if_empty()
        raise


class _Job:
    """What the stages of a run share."""

    def __init__(
        self, config: TrainConfig, run: Run, suite: str, tasks: Sequence[Task], held_out: Sequence[Task],
        box: Sandbox, display: Display, interrupt: Interrupt,
    ) -> None:  # fmt: skip
        self.config, self.run, self.suite = config, run, suite
        self.tasks, self.held_out = tasks, held_out
        self.box, self.display, self.interrupt = box, display, interrupt
        self.settings = DialogueSettings(config.turn_limit, feedback=config.feedback, reward=config.reward)

    def all(self) -> bool:
        """Warm start, updates, both evaluations; False when stopped before the end."""
        config, run, processes = self.config, self.run, joined()
        if processes.first:
            policy = self.warm_policy()
        processes.tell(None)
        if not processes.first:
            policy = self.warm_policy()  # that of the first one is saved by now
        engine = TransformersEngine(policy.model, policy.chat.stop_ids, decode=policy.chat.text)
        self.evaluation("warm_start", engine, policy)
        reference = None if config.lora.rank else copy.deepcopy(policy.model)
        saved = run.load_state()
        if saved and not config.lora.rank:  # adapters are in the state, and what they were added to is the warm start
            policy.model.load_state_dict(load_policy(str(saved[1]), config.system).model.state_dict())
        add_adapter(policy.model, config.lora, config.seed, lowest_layers(policy.model, config.ppo.frozen_layers))
        sampling, learning = config.rollout, config.ppo
        if learning.compile and (reason := cannot_compile()):
            self.display.say(f"ppo.compile: nothing can be compiled here ({reason}); updates go on without, slower")
            learning = dataclasses.replace(learning, compile=False)
        ppo = PPO(
            policy.model, reference, learning, config.seed, sampling.temperature, sampling.max_new_tokens, processes,
            stale=bool(sampling.staleness),
        )  # fmt: skip
        done = saved[0] if saved else 0
        if saved is None:
            run.restart()
            self.log_evaluation("warm_start", 0)
        else:
            ppo.load_state_dict(dict(saved[2]))
            engine.load(policy.model)
            self.keep(done)  # the process may have died between saving and keeping
        processes.tell(None)  # files are as they were after `done` updates
        # Values come with the samples where the critic is at hand: no network of its own, and not learning meanwhile.
        engine.critic = ppo.critic if config.ppo.critic == "head" and not config.rollout.staleness else None
        if done < config.ppo.updates:
            run.forget_result()
            with self.run.timed("updates"):
                done = self.updates(done, policy, engine, ppo)
            if done < config.ppo.updates or self.interrupt.asked:
                return False
        engine.critic = None
        with ppo.averaged():
            engine.load(policy.model)
        self.evaluation("trained", engine, policy)
        self.log_evaluation("trained", done)
        return True

    def warm_policy(self) -> Policy:
        """The policy after supervised learning: the one saved in the run, or made now."""
        config = self.config
        saved = self.run.folder / "checkpoints" / "warm-start"
        if saved.exists():
            return load_policy(str(saved), config.system)
        policy = load_policy(config.model, config.system)
        lowest_layers(policy.model, config.ppo.frozen_layers)  # a number too large is better refused now
        add_adapter(policy.model, config.lora, config.seed)
        if config.ppo.gradient_checkpointing:
            use_gradient_checkpointing(policy.model)
        with self.run.timed("warm_start"):
            teach(
                policy, self.tasks, config, self.box, self.settings, self.context(policy), self.display
            )  # fmt: skip
            merge(policy.model)
            self.run.save_model("warm-start", policy.model, policy.tokenizer)
        return policy

    def evaluation(self, name: str, engine: TransformersEngine, policy: Policy) -> None:
        """Episodes on the held-out tasks, the same seeds for every model; kept in the run folder."""
        if not joined().first or self.run.evaluation(name) is not None:
            return
        rollout = dataclasses.replace(self.config.rollout, context=self.context(policy))
        total = len(self.held_out) * self.config.evaluation.samples
        with (
            self.run.timed(f"evaluation_{name}"),
            self.display.stage(f"evaluation: {name.replace('_', ' ')}", total) as tick,
        ):
            episodes = evaluate(
                engine, policy.chat, self.held_out, self.box, self.config.evaluation, self.settings, rollout,
                seed=self.config.seed, suite=self.suite, progress=tick,
            )  # fmt: skip
        check_health(episodes)
        self.run.save_evaluation(name, episodes)

    def log_evaluation(self, name: str, step: int) -> None:
        """The line of an evaluation in the metrics."""
        if not joined().first:
            return
        solved = summary(outcomes_of(self.run.evaluation(name) or []), self.config.turn_limit, draws=1)
        first, final = solved["solved_first"]["mean"], solved[f"solved_1@{self.config.turn_limit}"]["mean"]
        self.run.log(step, {"eval/solved_first": first, "eval/solved_final": final})

    def context(self, policy: Policy) -> int:
        """Tokens of the longest conversation."""
        return min(self.config.rollout.context, policy.context)

    def updates(self, done: int, policy: Policy, engine: TransformersEngine, ppo: PPO) -> int:
        """RLEF updates from `done` on; returns how many are done now."""
        config = self.config
        sampling = Sampling(config.rollout.temperature, 1.0, config.rollout.max_new_tokens)
        with (
            self.display.training(config.ppo.updates, done) as show,
            self.interrupt.postponed(joined().count == 1),
        ):

            def sample(number: int, begun: Sequence[Start]) -> list[Episode]:
                return collect(
                    begun, engine, policy.chat, self.box, sampling=sampling, settings=self.settings,
                    context=self.context(policy), step=number, suite=self.suite, progress=show.rollout(len(begun)),
                )  # fmt: skip

            ahead = self.run.ahead() if config.rollout.staleness else []
            with closing(Batches(self.tasks, config, joined(), sample, self.run.episodes(), ahead)) as batches:
                for number in range(done, config.ppo.updates):
                    started = time.monotonic()
                    batch = batches.take(number)
                    check_health(batch.episodes)
                    sampled = time.monotonic()
                    if config.rollout.staleness and number + 1 < config.ppo.updates:
                        engine.load(policy.model)
                        batches.begin(number + 1)
                    metrics = _describe(batch.episodes) | ppo.update(batch.episodes, number, show.learning())
                    if not batches.under_way:
                        engine.load(policy.model)
                    metrics |= {
                        "rollout/staleness": float(batch.staleness),
                        "time/rollout_s": batch.seconds,
                        "time/waiting_s": sampled - started,
                        "time/learn_s": time.monotonic() - sampled,
                        "time/sampled_tokens_per_s": batch.tokens / batch.seconds if batch.seconds else float("nan"),
                    }
                    self.run.add_episodes(batch.episodes)
                    self.run.log(number + 1, metrics)
                    show.update(metrics)
                    done = number + 1
                    if done % config.checkpoint_every == 0 or self.interrupt.asked or done == config.ppo.updates:
                        begun, state = batches.ahead(), ppo.state_dict()
                        with ppo.averaged():
                            self.run.save_state(
                                done, policy.model, policy.tokenizer, state, begun.episodes if begun else ()
                            )
                        self.keep(done)
                    if self.interrupt.asked:
                        break
        return done

    def keep(self, done: int) -> None:
        """Keep the latest checkpoint as far as it is wanted; warn where training declines."""
        if joined().first:
            config = self.config
            keep(self.run.folder, done, config.checkpoint_every, config.keep_last, config.keep_best)
            if warning := decline(self.run.folder, done):
                self.display.say(warning)


def _result(config: TrainConfig, run: Run, suite: str, held_out: Sequence[Task]) -> dict[str, Any]:
    """The content of result.json."""
    limit = config.turn_limit
    before, after = (outcomes_of(run.evaluation(name) or []) for name in ("warm_start", "trained"))
    comparison = compare(solved_final(before), solved_final(after))
    return {
        "suite": suite,
        "split": config.evaluation.split,
        "seed": config.seed,
        "warm_start": summary(before, limit),
        "trained": summary(after, limit),
        f"difference_1@{limit}": {**comparison.difference.as_dict(), "p_value": comparison.p_value},
        f"ratio_1@{limit}": comparison.ratio.as_dict(),
        "by_kind": by_kind(held_out, {"warm_start": before, "trained": after}),
        "minutes": run.minutes(),
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
    }


def _describe(episodes: Sequence[Episode]) -> dict[str, float]:
    """Metrics of a rollout batch. Sandbox failures are in their own rate only."""
    good = [episode for episode in episodes if episode.turns and not episode.sandbox_failure]
    failed_first = [episode for episode in good if not episode.turns[0].passed]
    turns = [turn for episode in good for turn in episode.turns]
    pairs = [pair for episode in good for pair in zip(episode.turns, episode.turns[1:], strict=False)]
    repeats = [float(a.program == b.program) for a, b in pairs if a.program is not None and b.program is not None]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else float("nan")

    return {
        "rollout/reward": mean([episode.reward for episode in good]),
        "rollout/solved_first": mean([float(episode.turns[0].passed) for episode in good]),
        "rollout/solved_final": mean([float(episode.passed) for episode in good]),
        "rollout/repair_rate": mean([float(episode.passed) for episode in failed_first]),
        "rollout/repeated_program": mean(repeats),
        "rollout/turns": mean([float(len(episode.turns)) for episode in good]),
        "rollout/response_tokens": mean([float(len(turn.response_ids)) for turn in turns]),
        "rollout/no_program": mean([float(turn.program is None) for turn in turns]),
        "rollout/truncated": mean([float(episode.truncated) for episode in good]),
        "rollout/sandbox_failures": mean([float(episode.sandbox_failure) for episode in episodes]),
    }
