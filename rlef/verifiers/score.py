"""Scores of programs under a verifier: likelihood (the paper's), log-ratio to the reference, output of a reward head.

A program is scored by its task and its text alone. Programs are scored in batches, each distinct one once: what was
scored before comes from a cache. The candidates of a task have its prompt in common; a likelihood computes it once for
all of them in a batch (`rlef.learners.prefixes`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import torch

from rlef.episode import Episode, Turn
from rlef.errors import RlefError
from rlef.learners.batch import action_logprobs, forward, micro_batches
from rlef.learners.optimiser import autocast
from rlef.learners.prefixes import share_prefixes, shares_prefixes
from rlef.policies.chat import Chat
from rlef.policies.load import load_chat, load_policy, quiet
from rlef.verifiers.programs import encode
from rlef.verifiers.train import NOTE, Kind, padding

TOKENS = 8192
"""Tokens of a batch."""

Ids = tuple[tuple[int, ...], tuple[int, ...]]
"""Token ids of a prompt and of an answer."""


Score = Callable[[Sequence[tuple[str, str]]], list[float]]
"""One number for each (observation, program), in order; higher is better."""


class Scorer:
    """A `Score` with a cache.

    Args:
        measure: scores of a list of prompts with answers, in order.
        limit: tokens of the longest prompt with answer.
    """

    def __init__(self, chat: Chat, measure: Callable[[Sequence[Ids]], list[float]], limit: int) -> None:
        self._chat, self._measure, self._limit = chat, measure, limit
        self._known: dict[Ids, float] = {}

    def score(self, items: Sequence[tuple[str, str]]) -> list[float]:
        """One score per (observation, program), in order.

        Raises:
            RlefError: a program does not fit the model's context.
        """
        wanted = [self._ids(observation, program) for observation, program in items]
        new = [ids for ids in dict.fromkeys(wanted) if ids not in self._known]
        self._known.update(zip(new, self._measure(new) if new else [], strict=True))
        return [self._known[ids] for ids in wanted]

    def _ids(self, observation: str, program: str) -> Ids:
        prompt, answer = (tuple(ids) for ids in encode(self._chat, observation, program))
        if len(prompt) + len(answer) > self._limit:
            raise RlefError(
                f"a program to be scored has {len(prompt) + len(answer)} tokens with its prompt, the verifier's "
                f"context is {self._limit}; take a verifier with a longer context: nothing is cut"
            )
        return prompt, answer


def likelihoods(model: Any, items: Sequence[Ids]) -> list[float]:
    """log V(y|x): summed natural log-probability of each answer after its prompt (V-STaR, arXiv 2402.06457)."""
    sequences = [Episode("", 0, (Turn("", "", None, prompt_ids=p, response_ids=a),)) for p, a in items]
    found = [0.0] * len(items)
    with torch.inference_mode():
        for batch in micro_batches(sequences, range(len(sequences)), TOKENS, shares_prefixes(model)):
            with autocast(model):
                logprobs = action_logprobs(model, forward(model, batch), batch)
            for row, total in zip(batch.index, logprobs.double().sum(-1).tolist(), strict=True):
                found[row] = total
    return found


def rewards(model: Any, items: Sequence[Ids], pad: int) -> list[float]:
    """The head's output for each sequence."""
    found = [0.0] * len(items)
    order = sorted(range(len(items)), key=lambda i: -len(items[i][0]) - len(items[i][1]))
    width = max((len(items[i][0]) + len(items[i][1]) for i in order), default=1)
    rows = max(1, TOKENS // width)
    with torch.inference_mode():
        for start in range(0, len(order), rows):
            chosen = order[start : start + rows]
            sequences = [torch.tensor([*items[i][0], *items[i][1]]) for i in chosen]
            ids = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=pad)
            lengths = torch.tensor([len(sequence) for sequence in sequences])
            mask = torch.arange(ids.shape[1])[None] < lengths[:, None]
            with autocast(model):
                output = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False)
            for i, value in zip(chosen, output.logits[:, 0].float().tolist(), strict=True):
                found[i] = value
    return found


def load_likelihood(model: str, system: str) -> Score:
    """Likelihood under any policy: a baseline, when it is the generator itself."""
    policy = load_policy(model, system)
    share_prefixes(policy.model)
    return Scorer(policy.chat, lambda items: likelihoods(policy.model, items), policy.context).score


def load_score(folder: Path) -> Score:
    """What a verifier chooses by: its likelihood for DPO (the paper's), the head's output for a reward model.

    Raises:
        RlefError: no verifier there.
    """
    note = read_note(folder)
    if note["kind"] == "dpo":
        return load_likelihood(str(folder), note["system"])
    return _load_reward(folder, note).score


def load_scores(folder: Path) -> dict[str, Score]:
    """All scores a verifier's folder gives: "likelihood" and "log_ratio" for DPO, else "reward".

    "log_ratio" is log V(y|x) - log G_SFT(y|x), DPO's implicit reward without its factor beta.

    Raises:
        RlefError: no verifier there, or its reference is gone.
    """
    note, score = read_note(folder), load_score(folder)
    if note["kind"] != "dpo":
        return {"reward": score}
    reference = load_likelihood(reference_of(folder, note), note["system"])
    return {
        "likelihood": score,
        "log_ratio": lambda items: [a - b for a, b in zip(score(items), reference(items), strict=True)],
    }


def _load_reward(folder: Path, note: dict[str, Any]) -> Scorer:
    quiet()
    from transformers import AutoModelForSequenceClassification

    chat = load_chat(str(folder), note["system"])
    try:
        loaded: Any = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    except Exception as error:  # transformers raises many kinds
        raise RlefError(f"{folder}: the verifier cannot be loaded ({error}); train it again") from error
    model = loaded.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    pad, limit = padding(chat.tokenizer), int(getattr(model.config, "max_position_embeddings", 1 << 30))
    return Scorer(chat, lambda items: rewards(model, items, pad), limit)


def find_verifier(path: Path) -> Path:
    """The folder of a verifier; a run of `rlef vstar` stands for its own. Raises RlefError when there is none."""
    made = path / "checkpoints" / "verifier"
    if not made.is_dir() and (path / "samples").is_dir():
        raise RlefError(f"{path}: no verifier yet; go on with: rlef vstar --resume {path}")
    folder = made if made.is_dir() else path
    read_note(folder)
    if not (folder / "config.json").exists():
        raise RlefError(f"{folder}: no model beside {NOTE}; name the whole folder `rlef vstar` wrote")
    return folder


def read_note(folder: Path) -> dict[str, Any]:
    """What a verifier's folder says of itself. Raises RlefError when it is no verifier's."""
    try:
        note: dict[str, Any] = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        if note["kind"] not in get_args(Kind) or not all(isinstance(note[name], str) for name in ("system", "start")):
            raise ValueError("a field has no meaning")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RlefError(
            f"{folder}: no verifier ({NOTE} is missing or broken); name a folder `rlef vstar` wrote"
        ) from error
    return note


def reference_of(folder: Path, note: dict[str, Any]) -> str:
    """The model the verifier started from; a path is relative to the verifier's folder."""
    start: str = note["start"]
    return str((folder / start).resolve()) if start.startswith(".") else start
