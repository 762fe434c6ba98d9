"""Training of verifiers with TRL: DPO as in V-STaR, and two outcome reward models on the same pairs to compare with.

Tokens are ours: prompts and answers are encoded by `Chat`, so that text of a program never becomes structure of the
chat, and TRL gets ids. Nothing is ever cut: a pair that is too long is refused with the setting that admits it.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlef.errors import RlefError
from rlef.learners.optimiser import use_training_attention
from rlef.policies.chat import Chat
from rlef.policies.engine import sampling_dtype
from rlef.policies.load import Policy, load_policy
from rlef.verifiers.config import VerifierConfig
from rlef.verifiers.pairs import Pair
from rlef.verifiers.programs import encode

Kind = Literal["dpo", "bradley_terry", "cross_entropy"]
NOTE = "verifier.json"
"""What a verifier's folder knows of itself: kind, system message, start model, configuration."""


@dataclass
class Verifier:
    """A trained verifier, all weights merged."""

    kind: Kind
    model: Any
    tokenizer: Any
    note: dict[str, Any]
    log: list[dict[str, float]]
    """Loss, accuracy and margin by optimiser step."""

    def save(self, folder: Path) -> None:
        """Write the folder that `rlef.verifiers.score.load_scores` reads."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        start = self.note["start"]  # relative, so that a run folder can be moved
        start = os.path.relpath(start, folder) if Path(start).is_dir() else start
        (folder / NOTE).write_text(json.dumps({**self.note, "start": start}, indent=2) + "\n")


def train_verifier(
    kind: Kind, start: str, system: str, pairs: Sequence[Pair], config: VerifierConfig, seed: int,
    progress: Callable[[int, str], None] = lambda steps, note: None,
) -> Verifier:  # fmt: skip
    """Train on pairs, starting from the SFT model in `start`, which is also DPO's reference.

    "dpo" is V-STaR's verifier (arXiv 2402.06457; the loss is equation 7 of arXiv 2305.18290), "bradley_terry" a scalar
    head with -log sigma(r+ - r-) (InstructGPT, arXiv 2203.02155), "cross_entropy" the same head with the binary loss of
    V-STaR's ORM.

    Raises:
        RlefError: the extra `vstar` is not installed, or a pair is longer than `config.max_length`.
    """
    try:
        import trl  # noqa: F401
    except ImportError as error:
        raise RlefError("verifiers are trained with TRL, which is not here; run: pip install 'rlef[vstar]'") from error
    policy = load_policy(start, system)
    rows = encode_pairs(pairs, policy.chat, min(config.max_length, policy.context))
    model = policy.model if kind == "dpo" else _with_head(policy, seed)
    use_training_attention(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between TRL and transformers
        trainer = _trainer(kind, model, policy.tokenizer, rows, config, seed, progress)
        trainer.train()
    trained = trainer.accelerator.unwrap_model(trainer.model)
    if config.lora_rank:
        trained = trained.merge_and_unload()
    note = {
        "kind": kind, "system": system, "start": start, "pairs": len(pairs), "seed": seed, "loss": config.loss,
        "beta": config.beta,
    }  # fmt: skip
    return Verifier(kind, trained.eval(), policy.tokenizer, note, _numbers(trainer.state.log_history))


def encode_pairs(pairs: Sequence[Pair], chat: Chat, limit: int) -> list[dict[str, list[int]]]:
    """Ids of prompt, chosen and rejected answer. Raises RlefError for a pair of more than `limit` tokens."""
    rows = []
    for pair in pairs:
        prompt, chosen = encode(chat, pair.observation, pair.chosen)
        _, rejected = encode(chat, pair.observation, pair.rejected)
        length = len(prompt) + max(len(chosen), len(rejected))
        if length > limit:
            raise RlefError(
                f'a pair of task "{pair.task}" has {length} tokens, verifier.max_length and the model\'s context admit '
                f"{limit}; raise verifier.max_length, or take a model with a longer context: nothing is cut"
            )
        rows.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
    return rows


def _with_head(policy: Policy, seed: int) -> Any:
    """The start model with one output for a whole sequence; the head's weights are drawn with `seed`."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        policy.model.name_or_path, num_labels=1, dtype=torch.float32, pad_token_id=padding(policy.tokenizer)
    )
    return model.to(policy.model.device)


def padding(tokenizer: Any) -> int:
    """Id of the padding token, the closing token's where there is none."""
    return int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)


def _trainer(
    kind: Kind, model: Any, tokenizer: Any, rows: list[dict[str, list[int]]], config: VerifierConfig, seed: int,
    progress: Callable[[int, str], None],
) -> Any:  # fmt: skip
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import datasets
    import torch
    from transformers import PrinterCallback, TrainerCallback
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

    class Watch(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            if "loss" in (logs or {}):
                accuracy = logs.get("rewards/accuracies", logs.get("accuracy", 0.0))
                progress(1, f"loss {float(logs['loss']):.3f}, pairs ranked right {float(accuracy):.0%}")

    class Dpo(DPOTrainer):
        """Takes ids as they are."""

        def _prepare_dataset(self, dataset: Any, *more: Any) -> Any:
            return dataset

    class CrossEntropy(RewardTrainer):
        """-log sigma(r+) - log sigma(-r-): each program of a pair by itself, right or wrong."""

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
            chosen, rejected = torch.chunk(outputs.logits[:, 0].float(), 2)
            loss = -torch.nn.functional.logsigmoid(torch.cat([chosen, -rejected])).mean()
            self._metrics["train"]["accuracy"].append(float((chosen > rejected).float().mean()))
            return (loss, outputs) if return_outputs else loss

    cpu = model.device.type == "cpu"
    rate = config.learning_rate if kind == "dpo" else config.reward_learning_rate
    parts = max(1, config.batch // config.micro_batch)
    common: dict[str, Any] = {
        "output_dir": tempfile.gettempdir(), "save_strategy": "no", "report_to": "none", "logging_steps": 1,
        "disable_tqdm": True, "seed": seed, "data_seed": seed, "num_train_epochs": config.epochs,
        "learning_rate": rate, "lr_scheduler_type": "linear", "warmup_steps": config.warmup,
        "per_device_train_batch_size": min(config.batch, config.micro_batch), "gradient_accumulation_steps": parts,
        "max_length": None, "bf16": sampling_dtype(model.device) is torch.bfloat16, "use_cpu": cpu,
        "gradient_checkpointing": not cpu, "dataloader_pin_memory": not cpu, "weight_decay": 0.0,
    }  # fmt: skip
    adapter = _adapter(kind, config)
    trainer: Any
    if kind == "dpo":
        data = datasets.Dataset.from_list(rows)
        reference = None if adapter else copy.deepcopy(model)  # with LoRA: the same model with the adapter off
        arguments = DPOConfig(loss_type=[config.loss], beta=config.beta, **common)
        trainer = Dpo(model, reference, arguments, train_dataset=data, processing_class=tokenizer, peft_config=adapter)
    else:
        whole = [{name: row["prompt_ids"] + row[name] for name in ("chosen_ids", "rejected_ids")} for row in rows]
        make = RewardTrainer if kind == "bradley_terry" else CrossEntropy
        data = datasets.Dataset.from_list(whole)
        trainer = make(
            model, RewardConfig(**common), train_dataset=data, processing_class=tokenizer, peft_config=adapter
        )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Watch)
    return trainer


def _adapter(kind: Kind, config: VerifierConfig) -> Any:
    if not config.lora_rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora_rank, lora_alpha=2 * config.lora_rank, target_modules="all-linear",
        task_type="CAUSAL_LM" if kind == "dpo" else "SEQ_CLS",
    )  # fmt: skip


def _numbers(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """The lines of single steps: loss, accuracy, margin."""
    names = {"loss": "loss", "rewards/accuracies": "accuracy", "accuracy": "accuracy", "rewards/margins": "margin",
             "margin": "margin"}  # fmt: skip
    return [{names[k]: float(v) for k, v in line.items() if k in names} for line in history if "loss" in line]
