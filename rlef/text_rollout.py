"""Dialogues with a policy that speaks text: what `rollout` is for tokens, for evaluation only.

Every dialogue is on its own: while one waits for its answer, programs of others run. The episodes hold text and
verdicts and no tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from rlef.envs.dialogue import Dialogue, DialogueSettings, step_many
from rlef.episode import Episode, Turn
from rlef.policies.interface import ContextFull, Message, Sampling, Speaker
from rlef.rollout import Start
from tasks.judge import Box


def converse(
    starts: Sequence[Start],
    speaker: Speaker,
    box: Box,
    *,
    sampling: Sampling,
    settings: DialogueSettings,
    system: str = "",
    workers: int = 16,
    suite: str = "",
    progress: Callable[[Episode], None] = lambda episode: None,
) -> list[Episode]:
    """One episode per start, in order, `workers` at a time; `progress` is called as they end.

    Raises whatever `speaker` raises, after the dialogues under way have ended.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="dialogues")
    try:
        futures = [pool.submit(_play, start, speaker, box, sampling, settings, system, suite) for start in starts]
        for future in as_completed(futures):
            progress(future.result())
        return [future.result() for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)


def _play(
    start: Start, speaker: Speaker, box: Box, sampling: Sampling, settings: DialogueSettings, system: str, suite: str
) -> Episode:
    dialogue = Dialogue(start.task, settings, start.seed, start.others)
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    turns: list[Turn] = []
    truncated = failed = False
    while not dialogue.done:
        observation = dialogue.observation
        messages.append({"role": "user", "content": observation})
        try:
            answer = speaker.reply(start.task.key, messages, (start.seed, dialogue.turn), sampling)
        except ContextFull:
            truncated = True
            break
        messages.append({"role": "assistant", "content": answer})
        [step] = step_many([dialogue], [answer], box)
        turns.append(step.turn(observation, answer))
        truncated, failed = step.truncated, step.sandbox_failure
    return Episode(
        start.task.key, start.seed, tuple(turns), truncated=truncated, sandbox_failure=failed, suite=suite,
        rules=settings.rules(),
    )  # fmt: skip
