"""What tests in all rooms share: a real sandbox, a tiny real model, and the folder with original data files."""

import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("rlef", deadline=None)
hypothesis.settings.load_profile("rlef")

ON_CI = os.environ.get("CI", "").lower() in ("1", "true")


def absent(reason):
    """Skip, unless this is continuous integration, where everything has to be there."""
    if ON_CI:
        pytest.fail(f"{reason} (and CI is set, so this may not be skipped)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def box():
    """A real sandbox with two slots."""
    from sandbox import Sandbox
    from sandbox.errors import SandboxError

    try:
        opened = Sandbox(slots=2)
    except SandboxError as error:
        absent(f"no sandbox: {error}")
    with opened as ready:
        yield ready


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a random two-layer Llama with the real tokenizer of the embedded model; loads in a moment."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from rlef.errors import RlefError
    from rlef.policies.embedded import embedded_model

    try:
        tokenizer = AutoTokenizer.from_pretrained(embedded_model())
    except RlefError as error:
        absent(f"no tokenizer: {error}")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("tiny-model")
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(20)  # as decided as a trained model: rounding does not change what is sampled
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def data_dir():
    """Folder with the original data files, which are not part of the repository: $RLEF_DATA, else ../shared/data."""
    folder = Path(os.environ.get("RLEF_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}; set RLEF_DATA")
    return folder
