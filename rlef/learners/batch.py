"""Episodes as tensors: whole dialogues as single sequences, cut into micro-batches.

A dialogue of several turns is one sequence, so its prompt is computed once, and every token knows which turn sampled
it. What several dialogues of a micro-batch begin with is computed once too, where the model allows that. Where the
template rewrites earlier turns, each turn has a prompt of its own: then they lie behind each other in the row, and none
sees the one before. Episodes the sandbox failed on take part in nothing and are left out here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from rlef.episode import Episode
from rlef.learners.prefixes import TokenTree, read_tree, shared, shares_prefixes, token_tree


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

    @cached_property
    def tree(self) -> TokenTree:
        """The distinct prefixes of the rows; of a turn with a prompt of its own, those from there on."""
        return token_tree([tuple(self.ids[row, start:end].tolist()) for row, start, end in self._spans])

    @cached_property
    def nodes(self) -> torch.Tensor:
        """(n, tokens), the node of the tree that each token is at, 0 at padding."""
        nodes = torch.zeros_like(self.ids)
        for (row, start, end), path in zip(self._spans, self.tree.paths, strict=True):
            nodes[row, start:end] = path
        return nodes

    @property
    def _spans(self) -> list[tuple[int, int, int]]:
        """(row, first, one past the last) of every sequence of tokens that see each other."""
        begins = torch.zeros_like(self.attention) if self.positions is None else self.positions == 0
        spans = []
        for row, length in enumerate(self.attention.sum(1).tolist()):
            marks = [0, *(begins[row, 1:length].nonzero()[:, 0] + 1).tolist(), length]
            spans += [(row, *span) for span in pairwise(marks)]
        return spans


def mini_batches(episodes: Sequence[Episode], count: int, rng: random.Random) -> list[list[int]]:
    """The numbers of all episodes in at most `count` parts of the same size, tasks in random order.

    Samples of a task stay together but where a part ends: they are compared with each other, and share prefixes.
    """
    keys = list(dict.fromkeys(episode.task for episode in episodes))
    place = {key: number for number, key in enumerate(rng.sample(keys, len(keys)))}
    order = sorted(range(len(episodes)), key=lambda i: place[episodes[i].task])
    count = min(count, len(order))
    return [order[len(order) * part // count : len(order) * (part + 1) // count] for part in range(count)]


def micro_batches(
    episodes: Sequence[Episode], indices: Sequence[int], token_budget: int, shares: bool = False
) -> Iterator[Batch]:
    """Batches over `indices`, each of at most `token_budget` tokens, or of one episode.

    Tokens count with the padding of the rows, and where the model `shares` prefixes each of those once instead.
    """
    for group in groups(episodes, indices, token_budget, shares):
        yield to_batch(episodes, group)


def in_step(
    episodes: Sequence[Episode], parts: Sequence[Sequence[int]], rank: int, token_budget: int, shares: bool = False
) -> Iterator[Batch]:
    """`micro_batches` of one of several parts, as many as of any: what is added does not count."""
    cut = [groups(episodes, part, token_budget, shares) for part in parts]
    for group in cut[rank]:
        yield to_batch(episodes, group)
    spare = replace(to_batch(episodes, [next(i for part in parts for i in part)]), counts=False)
    for _ in range(max(map(len, cut)) - len(cut[rank])):
        yield spare


def groups(
    episodes: Sequence[Episode], indices: Sequence[int], token_budget: int, shares: bool = False
) -> list[list[int]]:
    """What goes into each of `micro_batches`."""
    ids = {i: tuple(t for turn in episodes[i].turns for t in (*turn.prompt_ids, *turn.response_ids)) for i in indices}
    # Rows: the longest first, so that neighbours need little padding. A tree: neighbours have the most in common.
    order = sorted(indices, key=ids.__getitem__) if shares else sorted(indices, key=lambda i: -len(ids[i]))
    found: list[list[int]] = []
    tokens = 0
    for i in order:
        if found and shares:
            more = len(ids[i]) - shared(ids[found[-1][-1]], ids[i])
        else:
            more = len(ids[found[-1][0]]) if found else 0
        if found and tokens + more <= token_budget:
            found[-1].append(i)
            tokens += more
        else:
            found.append([i])
            tokens = len(ids[i])
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
    if shares_prefixes(model):
        states = read_tree(model.base_model, batch.tree)
        return states.index_select(0, batch.nodes.flatten()).view(*batch.ids.shape, -1)
    # Padding is on the right and attention is causal: no token sees any, so no mask is needed.
    # Where positions start again, transformers lets no token see what lies before.
    more = {} if batch.positions is None else {"position_ids": batch.positions.to(model.device)}
    output = model.base_model(input_ids=batch.ids.to(model.device), use_cache=False, **more)
    hidden: torch.Tensor = output.last_hidden_state
    return hidden


def action_logprobs(model: nn.Module, hidden: torch.Tensor, batch: Batch, temperature: float = 1.0) -> torch.Tensor:
    """Log-probability of every sampled token, (n, tokens) with 0 elsewhere."""
    return _chosen(*_distributions(model, hidden, batch, temperature), batch)


def action_logprobs_and_entropy(
    model: nn.Module, hidden: torch.Tensor, batch: Batch, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """`action_logprobs`, and the mean entropy in nats at the sampled tokens, through which nothing is learned."""
    every, at = _distributions(model, hidden, batch, temperature)
    with torch.no_grad():
        entropy = -every.exp().mul_(every).sum(-1)[at].mean()
    return _chosen(every, at, batch), entropy


def _distributions(
    model: nn.Module, hidden: torch.Tensor, batch: Batch, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(prefixes, vocabulary): log-probabilities after every prefix that a token was sampled after, and nowhere else;
    (sampled tokens,): the number of the prefix before each.

    With 49,152 entries a token, those of all tokens would be most of the memory of an update.
    """
    row, column = batch.action.nonzero(as_tuple=True)
    before, at = batch.nodes[row, column - 1].unique(return_inverse=True)
    cell = torch.empty_like(before).scatter_(0, at, torch.arange(len(at)))  # one of those at each
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    logits = head(hidden[row[cell], column[cell] - 1]).float()
    return torch.log_softmax(logits if temperature == 1 else logits / temperature, -1), at.to(hidden.device)


def _chosen(every: torch.Tensor, at: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(n, tokens): what was sampled of `every`, each at its place."""
    row, column = batch.action.nonzero(as_tuple=True)
    # Each place is read once: gradients that many add to would depend on the order in which they do.
    wanted = at * every.shape[1] + batch.ids[row, column].to(every.device)
    places, which = wanted.unique(return_inverse=True)
    chosen = every.view(-1)[places].index_select(0, which)
    spread = torch.zeros(batch.ids.shape, dtype=chosen.dtype, device=chosen.device)
    return spread.index_put((row.to(chosen.device), column.to(chosen.device)), chosen)
