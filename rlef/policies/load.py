"""Loads a policy: a causal language model and its tokenizer, by folder, Hugging Face id, or the name "embedded"."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlef.errors import RlefError
from rlef.policies.chat import Chat


@dataclass
class Policy:
    """A model with float32 weights, and the chat bookkeeping of its tokenizer."""

    model: Any
    tokenizer: Any
    chat: Chat

    @property
    def context(self) -> int:
        """Tokens a conversation may have at most: the model's positions, and its attention window if it has one."""
        config = self.model.config.get_text_config()
        positions = getattr(config, "max_position_embeddings", None) or 1 << 30
        window = getattr(config, "sliding_window", None) or positions
        return int(min(positions, window))


def load_chat(name: str, system: str = "") -> Chat:
    """The chat bookkeeping of a model's tokenizer, without the model. Raises RlefError like `load_policy`."""
    quiet()
    from transformers import AutoTokenizer

    place, local = _place(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
    except Exception as error:  # transformers raises many kinds
        if local:
            raise RlefError(
                f'model "{name}": no tokenizer in the folder ({_line(error)}); save one there with '
                "tokenizer.save_pretrained"
            ) from error
        raise RlefError(f'model "{name}" cannot be fetched ({_line(error)}); check its name and the network') from error
    return Chat(tokenizer, system)


def load_policy(name: str, system: str = "", device: str = "") -> Policy:
    """Load a policy; `device` is the accelerator if there is one, else the processor, when empty.

    Raises:
        RlefError: no such model, no tokenizer beside it, or a chat template that cannot be used.
    """
    quiet()
    import torch
    from transformers import AutoModelForCausalLM

    place, local = _place(name)
    if local and not (Path(place) / "config.json").exists():
        raise RlefError(f'model "{name}": the folder holds no config.json; name one that save_pretrained wrote')
    chat = load_chat(name, system)
    try:
        model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    except Exception as error:
        raise RlefError(f'model "{name}" cannot be loaded: {_line(error)}') from error
    _check_output(model, name)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    moved: Any = model
    return Policy(moved.to(chosen).eval(), chat.tokenizer, chat)


def _place(name: str) -> tuple[str, bool]:
    """What `from_pretrained` takes, and whether that is a folder here."""
    from rlef.policies.embedded import embedded_model

    place = str(embedded_model()) if name == "embedded" else name
    local = Path(place).is_dir()
    if not local and (place.startswith((".", "/", "~")) or place.count("/") > 1):
        raise RlefError(f'model "{name}": no such folder; name a folder, a Hugging Face id, or "embedded"')
    return place, local


def _check_output(model: Any, name: str) -> None:
    """Sampler and learner compute logits as output layer times hidden state; refuse models that do more to them."""
    import torch

    ids = torch.arange(4)[None]
    with torch.no_grad():
        whole = model(input_ids=ids).logits
        parts = model.get_output_embeddings()(model.base_model(input_ids=ids).last_hidden_state)
    if not torch.allclose(whole, parts, atol=1e-3, rtol=1e-3):
        raise RlefError(f'model "{name}" scales or caps its logits, which is not supported; use another model')


def quiet() -> None:
    """Keep libraries' progress bars and notices out of the terminal."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as notices

    notices.disable_progress_bar()
    notices.set_verbosity_error()
    logging.getLogger("transformers").setLevel(logging.ERROR)


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
