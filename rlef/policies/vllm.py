"""The vLLM engine: for models and machines where speed comes from paged attention on an accelerator.

vLLM batches continuously and shares prefixes by itself, so all that is done here is to hand over token ids and take
them back. New weights travel over a folder that vLLM reads again (its `reload_weights`), the one way that all its
versions and parallel layouts share; on Linux the folder lies in memory. `pip install rlef[vllm]`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlef.errors import RlefError
from rlef.policies.endpoint import seed_number
from rlef.policies.interface import Follow, Request, Sample, Sampling, in_rounds
from rlef.policies.load import Policy


class VLLMEngine:
    """An `Engine`. Values are None, so learn with `ppo.baseline = "leave_one_out"` or `ppo.critic = "network"`.

    Args:
        policy: the model to start from.
        context: tokens a conversation may have.
        memory: share of the accelerator's memory for weights, keys and values.
        options: further arguments of `vllm.LLM`, such as tensor_parallel_size.

    Raises:
        RlefError: vLLM is not installed, or does not start with this model on this machine.
    """

    def __init__(self, policy: Policy, context: int, memory: float = 0.5, **options: Any) -> None:
        try:
            from vllm import LLM
        except ImportError as error:
            raise RlefError(f"engine vllm: {error}; pip install 'rlef[vllm]' or use engine transformers") from error
        self._stop = sorted(policy.chat.stop_ids)
        self._place = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        policy.tokenizer.save_pretrained(self._place.name)
        self._save(policy.model)
        try:
            # "processed": of the distribution that was drawn from, which is what learners need.
            self._llm = LLM(
                model=self._place.name, dtype="bfloat16", max_model_len=context, gpu_memory_utilization=memory,
                seed=0, enable_prefix_caching=True, logprobs_mode="processed_logprobs", **options,
            )  # fmt: skip
        except Exception as error:  # vLLM raises many kinds
            raise RlefError(f"engine vllm does not start: {error}; lower memory or use engine transformers") from error

    def load(self, model: Any) -> None:
        """Take over the weights of `model`, which has the same architecture."""
        self._save(model)
        self._llm.collective_rpc("reload_weights")
        self._llm.reset_prefix_cache()  # keys and values of the old weights

    def run(self, requests: Sequence[Request], sampling: Sampling, follow: Follow) -> None:
        """See `Engine.run`."""
        in_rounds(self.generate, requests, sampling, follow)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Sample]:
        """One sample per request, in order."""
        from vllm import SamplingParams

        settings = [
            SamplingParams(
                temperature=sampling.temperature, top_p=sampling.top_p, top_k=sampling.top_k, min_p=sampling.min_p,
                max_tokens=sampling.max_new_tokens, seed=seed_number(request.seed), stop=list(sampling.stop) or None,
                stop_token_ids=self._stop, logprobs=0, skip_special_tokens=False,
            )
            for request in requests
        ]  # fmt: skip
        prompts = [{"prompt_token_ids": list(request.ids)} for request in requests]
        samples = []
        for output in self._llm.generate(prompts, settings, use_tqdm=False):
            [said] = output.outputs
            logprobs = tuple(at[token].logprob for at, token in zip(said.logprobs, said.token_ids, strict=True))
            samples.append(Sample(tuple(said.token_ids), logprobs, None))
        return samples

    def _save(self, model: Any) -> None:
        import torch

        from rlef.policies.lora import merged

        plain = merged(model)
        weights = {name: tensor.to(torch.bfloat16) for name, tensor in plain.state_dict().items()}
        plain.save_pretrained(self._place.name, state_dict=weights)
