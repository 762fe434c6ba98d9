"""Prefixes that dialogues have in common, computed once.

The samples of a task begin with the same prompt, and often go on with the same lines. Side by side the dialogues of a
batch are a tree of tokens: `TokenTree` lists its nodes, every one with its place in the dialogue, and a model reads
them as one sequence without padding, in which a token sees its ancestors and nothing else. `tree_attention` is that
attention, in plain matrix products, which on a processor beat the fused kernel's backward pass; it keeps no scores for
the backward pass but computes them again, so memory grows with the tokens and not with their square.

Only for models whose layers all look at the whole context and at nothing but keys and values (`can_share`); others read
padded rows. Source of the idea: the shared prompts of "prefix grouper" (arXiv 2506.05433), here for every prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import library

from rlef.learners.optimiser import use_training_attention
from rlef.policies.attention import register, replaceable

NAME = "rlef_tree"
"""Of the attention among those of transformers."""


@dataclass(frozen=True)
class TokenTree:
    """The distinct prefixes of some sequences, a node for each: the token it ends with.

    Nodes are numbered branch by branch; a branch is what a sequence adds to those before it.
    """

    ids: torch.Tensor
    """(nodes,), the token."""
    positions: torch.Tensor
    """(nodes,), how many ancestors it has."""
    paths: list[torch.Tensor]
    """For every sequence, in the order given, the nodes it runs through."""
    bounds: torch.Tensor
    """(branches + 1,), the first node of every branch, and the number of nodes."""
    seen: torch.Tensor
    """The ancestors of every branch's first node, from the root, branch by branch."""
    starts: torch.Tensor
    """(branches + 1,), where those of every branch begin in `seen`, and their number."""


def token_tree(sequences: Sequence[tuple[int, ...]]) -> TokenTree:
    """The tree of some sequences. In sorted order each shares its longest known prefix with the one before."""
    ids: list[int] = []
    positions: list[int] = []
    seen: list[int] = []
    bounds, starts = [0], [0]
    paths: list[torch.Tensor] = [torch.empty(0, dtype=torch.long)] * len(sequences)
    before: tuple[int, ...] = ()
    path: list[int] = []
    for number in sorted(range(len(sequences)), key=lambda i: sequences[i]):
        own = sequences[number]
        known = shared(before, own)
        if known < len(own):
            seen += path[:known]
            path = path[:known] + list(range(len(ids), len(ids) + len(own) - known))
            ids += own[known:]
            positions += range(known, len(own))
            bounds.append(len(ids))
            starts.append(len(seen))
        before, paths[number] = own, torch.tensor(path[: len(own)])
    return TokenTree(
        torch.tensor(ids), torch.tensor(positions), paths, torch.tensor(bounds),
        torch.tensor(seen, dtype=torch.long), torch.tensor(starts),
    )  # fmt: skip


def shared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Length of the longest prefix of both."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(place for place in range(length) if one[place] != other[place])


def can_share(model: Any) -> bool:
    """Whether each layer's output at a token depends on keys and values of its ancestors alone, whatever lies between.

    Not so with sliding windows, recurrent layers, or attention that transformers does not let one replace.
    """
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    limits = ("sliding_window", "attn_logit_softcapping", "attention_chunk_size")
    plain = kinds == {"full_attention"} and not any(getattr(config, name, None) for name in limits)
    return plain and replaceable(model)


def share_prefixes(model: Any) -> None:
    """Have the learners compute each prefix once, where the model allows it and runs on a processor.

    Elsewhere it reads rows, with the attention that suits training: an accelerator would wait for many short products,
    one after the other.
    """
    if model.device.type == "cpu" and can_share(model):
        register(NAME, "branches", _attend)
        model.set_attn_implementation(NAME)
    else:
        use_training_attention(model)


def shares_prefixes(model: Any) -> bool:
    """Whether `share_prefixes` has set that up."""
    return bool(model.config.get_text_config()._attn_implementation == NAME)


def read_tree(body: Any, tree: TokenTree) -> torch.Tensor:
    """(nodes, hidden): hidden states of the last layer at every node, after the final norm.

    Args:
        body: a model without its output layer.
    """
    output = body(
        input_ids=tree.ids[None],
        position_ids=tree.positions[None],
        attention_mask=torch.empty(1, 1, 0, 0),  # of four dimensions, so that transformers makes none of its own
        use_cache=False,
        branches=(tree.bounds, tree.seen, tree.starts),
    )
    hidden: torch.Tensor = output.last_hidden_state[0]
    return hidden


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, _: torch.Tensor | None, scale: float,
    branches: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> torch.Tensor:  # fmt: skip
    return tree_attention(query[0], key[0], value[0], *branches, scale)[0][None]


@library.custom_op("rlef::tree_attention", mutates_args=())
def tree_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    bounds: torch.Tensor, seen: torch.Tensor, starts: torch.Tensor, scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Attention of every node of a tree to itself and its ancestors: softmax(scale Q K^T) V.

    Args:
        query: (heads, nodes, width).
        key, value: (groups, nodes, width) and (groups, nodes, value width); heads / groups heads share each.
        bounds, seen, starts: of the `TokenTree`.

    Returns:
        (nodes, heads, value width), and (heads, nodes): the logarithm of each softmax's denominator.
    """
    out = query.new_empty((query.shape[1], len(query), value.shape[-1]))
    total = torch.empty(query.shape[:2])
    for own, before in _branches(bounds, seen, starts):
        scores = _scores(query, key, own, before, scale)
        norm = scores.logsumexp(-1)
        weights = scores.sub_(norm[..., None]).exp_().to(value.dtype)
        out[own] = (weights @ _with(value, own, before)).view(len(query), -1, value.shape[-1]).transpose(0, 1)
        total[:, own] = norm.view(len(query), -1)
    return out, total


@tree_attention.register_fake
def _(query: Any, key: Any, value: Any, bounds: Any, seen: Any, starts: Any, scale: float) -> Any:
    heads, nodes = query.shape[:2]
    return query.new_empty((nodes, heads, value.shape[-1])), query.new_empty((heads, nodes), dtype=torch.float32)


@library.custom_op("rlef::tree_attention_backward", mutates_args=())
def _backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, out: torch.Tensor,
    total: torch.Tensor, bounds: torch.Tensor, seen: torch.Tensor, starts: torch.Tensor, scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """Gradients of query, key and value, for that of what `tree_attention` gave."""
    groups, grad, out = len(key), grad.transpose(0, 1), out.transpose(0, 1)
    to_query = torch.empty_like(query, memory_format=torch.contiguous_format)
    # Many branches add to the same ancestors.
    to_key, to_value = torch.zeros(key.shape), torch.zeros(value.shape)
    for own, before in _branches(bounds, seen, starts):
        weights = _scores(query, key, own, before, scale).sub_(_folded(total[..., None], own, groups)).exp_()
        above, asked = _folded(grad, own, groups), _folded(query, own, groups)
        part = weights.to(value.dtype).transpose(1, 2) @ above
        _spread(to_value, part, own, before)
        through = (above @ _with(value, own, before).transpose(1, 2)).float()
        through -= (above * _folded(out, own, groups)).float().sum(-1, keepdim=True)
        slope = through.mul_(weights).mul_(scale).to(query.dtype)
        to_query[:, own] = (slope @ _with(key, own, before)).view(len(query), -1, query.shape[-1])
        _spread(to_key, slope.transpose(1, 2) @ asked, own, before)
    return to_query, to_key.to(key.dtype), to_value.to(value.dtype)


@_backward.register_fake
def _(grad: Any, query: Any, key: Any, value: Any, *rest: Any) -> Any:
    return tuple(torch.empty_like(one, memory_format=torch.contiguous_format) for one in (query, key, value))


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    query, key, value, bounds, seen, starts, ctx.scale = inputs
    ctx.save_for_backward(query, key, value, *output, bounds, seen, starts)


def _differentiate(ctx: Any, grad: torch.Tensor, _: Any) -> Any:
    return *_backward(grad, *ctx.saved_tensors, ctx.scale), None, None, None, None


tree_attention.register_autograd(_differentiate, setup_context=_keep)


def _branches(bounds: torch.Tensor, seen: torch.Tensor, starts: torch.Tensor) -> list[tuple[slice, torch.Tensor]]:
    """The nodes of every branch, and those before its first that it sees."""
    spans = zip(pairwise(bounds.tolist()), pairwise(starts.tolist()), strict=True)
    return [(slice(*own), seen[slice(*before)]) for own, before in spans]


def _folded(rows: torch.Tensor, own: slice, groups: int) -> torch.Tensor:
    """(heads, nodes, width) -> (groups, heads of a group times the branch's nodes, width)."""
    return rows[:, own].reshape(groups, -1, rows.shape[-1])


def _with(rows: torch.Tensor, own: slice, before: torch.Tensor) -> torch.Tensor:
    """(groups, keys, width): what a branch sees, its own nodes last."""
    return torch.cat([rows.index_select(1, before), rows[:, own]], 1) if len(before) else rows[:, own]


def _scores(query: torch.Tensor, key: torch.Tensor, own: slice, before: torch.Tensor, scale: float) -> torch.Tensor:
    """(groups, heads of a group times the branch's nodes, keys), float32; minus infinity for what lies ahead."""
    scores = (_folded(query, own, len(key)) @ _with(key, own, before).transpose(1, 2)).float().mul_(scale)
    nodes = own.stop - own.start
    ahead = torch.ones((nodes, nodes), dtype=torch.bool).triu_(1)
    scores.view(len(key), -1, nodes, scores.shape[-1])[..., len(before) :].masked_fill_(ahead, -torch.inf)
    return scores


def _spread(total: torch.Tensor, part: torch.Tensor, own: slice, before: torch.Tensor) -> None:
    """Add what a branch has for the nodes it sees to these nodes."""
    total[:, own] += part[:, len(before) :]
    if len(before):
        total.index_add_(1, before, part[:, : len(before)].to(total.dtype))
