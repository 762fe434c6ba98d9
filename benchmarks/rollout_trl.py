"""The rollout of TRL's GRPOTrainer with its `environment_factory`, as a contender of `rollout.py`.

TRL's models act by calling a tool, so the model is first taught, on a few references, to write programs as calls of
`submit`: one that calls nothing plays one turn. What is timed is the trainer's own rollout, `GRPOTrainer._generate`: it
samples with `model.generate`, runs the tools and appends what they say, turn by turn. Needs `pip install 'rlef[trl]'`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rlef.integrations.trl import environment_factory, rows
from rlef.learners.optimiser import autocast, make_optimiser
from tasks import Task

DEMONSTRATIONS, EPOCHS = 24, 2


def play(
    policy: Any, tasks: Sequence[Task], taught: Sequence[Task], samples: int, turns: int, tokens: int, batch: int,
    box: Any,
) -> tuple[int, int, float]:  # fmt: skip
    """`samples` episodes of every task: (sampled tokens, tool calls, seconds)."""
    import trl
    from datasets import Dataset

    policy.tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text()
    _teach(policy, taught, box)
    with tempfile.TemporaryDirectory() as folder:
        config = trl.GRPOConfig(
            output_dir=folder, per_device_train_batch_size=batch, num_generations=samples, use_cpu=True, report_to=[],
            max_completion_length=tokens * turns + 400, max_tool_calling_iterations=turns - 1, temperature=1.0,
            beta=0.0, bf16=True, chat_template_kwargs={"enable_thinking": False}, disable_tqdm=True, save_strategy="no",
        )  # fmt: skip
        trainer = trl.GRPOTrainer(
            model=policy.model, args=config, processing_class=policy.tokenizer,
            train_dataset=Dataset.from_list(rows(tasks)),
            environment_factory=environment_factory(tasks, turn_limit=turns, box=box),
        )  # fmt: skip
        spent, sampled = 0.0, 0
        generate = trainer._generate

        def timed(prompts: Any) -> Any:
            nonlocal spent, sampled
            begin = time.perf_counter()
            output = generate(prompts)
            spent += time.perf_counter() - begin
            sampled += sum(map(sum, output[2]))
            return output

        trainer._generate = timed  # type: ignore[method-assign]
        trainer.model.train()  # type: ignore[union-attr] # else this would be an evaluation to it
        asked = [row for row in rows(tasks) for _ in range(samples)]
        for first in range(0, len(asked), batch):
            trainer._generate_and_score_completions(asked[first : first + batch])
        frequencies = trainer._metrics["train"]["tools/call_frequency"]
        calls = round(sum(frequencies) / len(frequencies) * len(asked))
    return sampled, calls, spent


def _teach(policy: Any, tasks: Sequence[Task], box: Any) -> None:
    """Supervised learning on references as calls of the tool."""
    tokenizer, env = policy.tokenizer, environment_factory(tasks, box=box)()
    examples = []
    for task, row in zip(tasks[:DEMONSTRATIONS], rows(tasks), strict=False):
        prompt = [{**row["prompt"][-1], "content": env.reset(task=task.key)}]
        start = tokenizer.apply_chat_template(
            prompt, tools=[env.submit], add_generation_prompt=True, tokenize=False, enable_thinking=False
        )
        call = json.dumps({"name": "submit", "arguments": {"program": task.references[0].source}})
        head, body = (
            tokenizer(text, add_special_tokens=False).input_ids
            for text in (start, f"<tool_call>\n{call}\n</tool_call><|im_end|>")
        )
        examples.append((head, body))
    optimiser = make_optimiser(policy.model.parameters(), 5e-5, 0.0)
    for _ in range(EPOCHS):
        for first in range(0, len(examples), 4):
            for head, body in examples[first : first + 4]:
                ids = torch.tensor([head + body])
                with autocast(policy.model):
                    logits = policy.model(input_ids=ids, logits_to_keep=len(body) + 1).logits[0, :-1]
                (torch.nn.functional.cross_entropy(logits.float(), torch.tensor(body)) / 4).backward()
            optimiser.step()
            optimiser.zero_grad()
