"""Episodes as tensors: whole dialogues as single sequences, cut into micro-batches of similar length.

A dialogue of several turns is one sequence, so its prompt is computed once, and every token knows which turn sampled
it. Where the template rewrites earlier turns, each turn has a prompt of its own: then they lie behind each other in the
row, and none sees the one before. Episodes the sandbox failed on take part in nothing and are left out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from rlef.episode import Episode


@dataclass
class Batch:
    """Sequences of n episodes, padded on the right to their longest.

    `index` has the number of each row's episode in the list the batch was made from.
    """

    index: list[int]
    ids: torch.Tensor
    """(n, tokens), padding is 0."""
    attention: torch.Tensor
    """(n, tokens), true at real tokens."""
    turn_ids: torch.Tensor
    """(n, tokens), the turn that sampled the token, -1 for prompts, feedback and padding."""
    behaviour: torch.Tensor
    """(n, tokens), log-probability of each sampled token when it was sampled, 0 elsewhere."""
    value_at: torch.Tensor
    """(n, turns), position of the last prompt token before each response, 0 where there is no turn."""
    turns: torch.Tensor
    """(n, turns), true where the episode has that turn."""
    positions: torch.Tensor | None = None
    """(n, tokens), counted from 0 at each turn that has a prompt of its own; None where there is no such turn."""
    counts: bool = True
    """False for what is computed only because other processes wait for it."""

    @property
    def action(self) -> torch.Tensor:
        """(n, tokens), true at sampled tokens."""
        return self.turn_ids >= 0


def micro_batches(episodes: Sequence[Episode], indices: Sequence[int], token_budget: int) -> Iterator[Batch]:
    """Batches over `indices`, longest sequences first, each of at most `token_budget` tokens with its padding."""
    for group in groups(episodes, indices, token_budget):
        yield to_batch(episodes, group)


def in_step(
    episodes: Sequence[Episode], shares: Sequence[Sequence[int]], rank: int, token_budget: int
) -> Iterator[Batch]:
    """`micro_batches` of one of several shares, as many as of any: what is added does not count."""
    parts = [groups(episodes, share, token_budget) for share in shares]
    for group in parts[rank]:
        yield to_batch(episodes, group)
    spare = replace(to_batch(episodes, [next(i for share in shares for i in share)]), counts=False)
    for _ in range(max(map(len, parts)) - len(parts[rank])):
        yield spare


def groups(episodes: Sequence[Episode], indices: Sequence[int], token_budget: int) -> list[list[int]]:
    """What goes into each of `micro_batches`."""
    length = {i: sum(len(t.prompt_ids) + len(t.response_ids) for t in episodes[i].turns) for i in indices}
    found: list[list[int]] = []
    for i in sorted(indices, key=lambda i: -length[i]):
        if found and (len(found[-1]) + 1) * length[found[-1][0]] <= token_budget:
            found[-1].append(i)
        else:
            found.append([i])
    return found


def to_batch(episodes: Sequence[Episode], indices: Sequence[int]) -> Batch:
    """One batch of the episodes at `indices`."""
    chosen = [episodes[i] for i in indices]
    tokens = max(sum(len(t.prompt_ids) + len(t.response_ids) for t in episode.turns) for episode in chosen)
    turns = max(len(episode.turns) for episode in chosen)
    shape = (len(chosen), tokens)
    batch = Batch(
        index=list(indices),
        ids=torch.zeros(shape, dtype=torch.long),
        attention=torch.zeros(shape, dtype=torch.bool),
        turn_ids=torch.full(shape, -1, dtype=torch.long),
        behaviour=torch.zeros(shape),
        value_at=torch.zeros((len(chosen), turns), dtype=torch.long),
        turns=torch.zeros((len(chosen), turns), dtype=torch.bool),
    )
    positions = torch.arange(tokens).repeat(len(chosen), 1)
    for row, episode in enumerate(chosen):
        at = 0
        for number, turn in enumerate(episode.turns):
            if turn.whole_prompt:
                positions[row, at:] = torch.arange(tokens - at)
            start = at + len(turn.prompt_ids)
            end = start + len(turn.response_ids)
            batch.ids[row, at:end] = torch.tensor([*turn.prompt_ids, *turn.response_ids])
            batch.turn_ids[row, start:end] = number
            if turn.logprobs:
                batch.behaviour[row, start:end] = torch.tensor(turn.logprobs)
            batch.value_at[row, number], batch.turns[row, number] = start - 1, True
            at = end
        batch.attention[row, :at] = True
    if any(turn.whole_prompt for episode in chosen for turn in episode.turns[1:]):
        batch.positions = positions
    return batch


def forward(model: Any, batch: Batch) -> torch.Tensor:
    """Hidden states (n, tokens, hidden) of the model's last layer, after its final norm."""
    # Padding is on the right and attention is causal: no token sees any, so no mask is needed.
    # Where positions start again, transformers lets no token see what lies before.
    more = {} if batch.positions is None else {"position_ids": batch.positions.to(model.device)}
    output = model.base_model(input_ids=batch.ids.to(model.device), use_cache=False, **more)
    hidden: torch.Tensor = output.last_hidden_state
    return hidden


def action_logprobs(model: nn.Module, hidden: torch.Tensor, batch: Batch, temperature: float = 1.0) -> torch.Tensor:
    """Log-probability of every sampled token, (n, tokens) with 0 elsewhere."""
    return _chosen(_distributions(model, hidden, batch, temperature), batch)


def action_logprobs_and_entropy(
    model: nn.Module, hidden: torch.Tensor, batch: Batch, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """`action_logprobs`, and the mean entropy in nats at the sampled tokens, through which nothing is learned."""
    every = _distributions(model, hidden, batch, temperature)
    with torch.no_grad():
        entropy = -every.exp().mul_(every).sum(-1).mean()
    return _chosen(every, batch), entropy


def _distributions(model: nn.Module, hidden: torch.Tensor, batch: Batch, temperature: float) -> torch.Tensor:
    """(sampled tokens, vocabulary): log-probabilities where a token was sampled and nowhere else.

    With 49,152 entries a token, those of all tokens would be most of the memory of an update.
    """
    row, column = batch.action.nonzero(as_tuple=True)
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    logits = head(hidden[row, column - 1]).float()
    return torch.log_softmax(logits if temperature == 1 else logits / temperature, -1)


def _chosen(every: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(n, tokens): what was sampled of `every`, each at its place."""
    row, column = batch.action.nonzero(as_tuple=True)
    chosen = every.gather(-1, batch.ids[row, column].to(every.device)[:, None])[:, 0]
    spread = torch.zeros(batch.ids.shape, dtype=chosen.dtype, device=chosen.device)
    return spread.index_put((row.to(chosen.device), column.to(chosen.device)), chosen)
