"""Attention of a sampling step that reads only what its dialogues hold.

Dialogues of all lengths are sampled side by side, and the fused kernel reads each as if it were as long as the longest,
which on a processor takes longer than all weights of a small model together. Here neighbours are read together, up to
the longest of these few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

NAME = "rlef_spans"
"""Of the attention among those of transformers."""

ROWS = 8
"""Dialogues that are read together: one by one there are many small calls, all at once much is read for nothing."""

Span = tuple[int, int, int]
"""First row, one past the last, and how many columns of them are read."""


def spans(lengths: list[int]) -> list[Span]:
    """Neighbours by the dozen, each span as long as its longest row."""
    cuts = range(0, len(lengths), ROWS)
    return [(start, min(start + ROWS, len(lengths)), max(lengths[start : start + ROWS])) for start in cuts]


def use_spans(model: Any) -> None:
    """Have a model take `spans` in its forward pass, if its attention can be replaced and it runs on a processor."""
    register(NAME, "spans", attend)
    able = model.device.type == "cpu" and replaceable(model)
    model.set_attn_implementation(NAME if able else "sdpa")


def takes_spans(model: Any) -> bool:
    """Whether `use_spans` has set that up."""
    return bool(model.config.get_text_config()._attn_implementation == NAME)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scale: float,
    spans: list[Span],
) -> torch.Tensor:
    """Attention of one new token per row: softmax(scale Q K^T + mask) V over the columns of each row's span.

    Args:
        query: (rows, heads, 1, width).
        key, value: (rows, groups, columns, width); heads / groups heads share each.
        mask: (rows, 1, 1, columns), added to the scores.

    Returns:
        (rows, 1, heads, value width).
    """
    folded = query.reshape(len(query), key.shape[1], -1, query.shape[-1])
    out = query.new_empty((*folded.shape[:3], value.shape[-1]))
    for start, end, columns in spans:
        asked, held, read = folded[start:end], key[start:end, :, :columns], value[start:end, :, :columns]
        hidden = mask[start:end, ..., :columns]
        if query.dtype is torch.float32:  # twice as fast as the fused kernel, for so few queries
            weights = (asked @ held.transpose(2, 3)).mul_(scale).add_(hidden).softmax(-1)
            out[start:end] = weights @ read
        else:
            every = hidden.expand(-1, -1, asked.shape[2], -1)
            out[start:end] = torch.nn.functional.scaled_dot_product_attention(asked, held, read, every, scale=scale)
    return out.view(len(query), 1, query.shape[1], -1)


def replaceable(model: Any) -> bool:
    """Whether transformers lets one choose the attention of this model, and it is the usual one (no sinks)."""
    return all(getattr(model, name, False) for name in ("_supports_attention_backend", "_supports_sdpa"))


def register(name: str, option: str, compute: Callable[..., torch.Tensor]) -> None:
    """Add an attention to those of transformers.

    Where a forward pass of the model is given `option` it is `compute(query, key, value, mask, scale, option)`, of
    (rows, heads, tokens, width) and so on to (rows, tokens, heads, width); elsewhere it is the fused kernel.
    """
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    def attention(
        module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: torch.Tensor | None,
        scaling: float | None = None, **more: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
        if (given := more.pop(option, None)) is None:
            return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **more)
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        return compute(query, key, value, attention_mask, scale, given), None

    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, sdpa_mask)
