"""The environment inside other people's packages, the real ones; a test is skipped where its package is missing."""

import asyncio
import json
import re
import shutil
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rlef.config import FeedbackConfig
from rlef.envs.feedback import WORDING
from sandbox import Execution, Status
from tasks import StdioTest, Suite, Task, list_suites, register_suite

DOUBLE = Task(
    "double", "Print twice the number.", (StdioTest("2\n", "4\n"), StdioTest("5\n", "10\n")),
    (StdioTest("7\n", "14\n"), StdioTest("81\n", "162\n")),
)  # fmt: skip
RIGHT, WRONG = "print(int(input()) * 2)", "print(int(input()) + 2)"


class Broken:
    def run_many(self, submissions, stop_on_failure=False):
        return [[Execution(Status.SANDBOX_FAILURE)] * len(one.inputs) for one in submissions]


@pytest.fixture(scope="module")
def trl():
    pytest.importorskip("datasets", reason="no trl: pip install rlef[trl]")
    return pytest.importorskip("trl", reason="no trl: pip install rlef[trl]")


def test_trl_tool(box):
    from rlef.integrations.trl import OVER, environment_factory, rows

    make = environment_factory([DOUBLE, replace(DOUBLE, key="other")], box=box)
    first, second = make(), make()
    assert rows([DOUBLE]) == [{"prompt": [{"role": "user", "content": ""}], "task": "double"}]
    assert first.reset(prompt=[], task="double").startswith("Print twice")
    second.reset(task="other")
    assert "Expected output:\n10" in first.submit(WRONG)
    assert "Expected output:\n10" in second.submit(f"```python\n{WRONG}\n```")
    assert first.submit(RIGHT) == first.submit(WRONG) == OVER
    assert (first.get_reward(), second.get_reward()) == (1.0, -1.0)
    broken = environment_factory([DOUBLE], box=Broken())()
    broken.reset()
    assert broken.submit(RIGHT) == OVER
    assert broken.get_reward() is None


@pytest.fixture
def tool_model(trl, tiny_model, box):
    """A tiny model that has learned to call the tool with the right or the wrong program, and its tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from rlef.integrations.trl import environment_factory, rows

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    template = Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja"
    tokenizer.chat_template = template.read_text()
    config = LlamaConfig.from_pretrained(tiny_model)
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    env = environment_factory([DOUBLE], box=box)()
    prompt = rows([DOUBLE])[0]["prompt"]
    prompt[-1]["content"] = env.reset(task="double")
    start = tokenizer.apply_chat_template(
        prompt, tools=[env.submit], add_generation_prompt=True, tokenize=False, enable_thinking=False
    )
    calls = [
        f"<tool_call>\n{json.dumps({'name': 'submit', 'arguments': {'program': program}})}\n</tool_call><|im_end|>"
        for program in (RIGHT, WRONG)
    ]
    head = tokenizer(start, add_special_tokens=False).input_ids
    bodies = [tokenizer(call, add_special_tokens=False).input_ids for call in calls]
    ids, said = torch.tensor([head + body for body in bodies]), torch.tensor(bodies)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.005)
    for _ in range(600):  # how many are needed depends on the processor's rounding
        logits = model(input_ids=ids, logits_to_keep=len(bodies[0]) + 1).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), said.flatten())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        if loss < 0.02:  # nothing is unsure but which of the two programs it is
            break
    assert loss < 0.05
    return model, tokenizer


def test_trl_takes_a_step(trl, tool_model, box, tmp_path):
    """GRPO of the real TRL: samples call the tool, programs run, rewards differ, weights move."""
    from datasets import Dataset

    from rlef.integrations.trl import environment_factory, rows

    model, tokenizer = tool_model
    before = model.model.layers[0].mlp.up_proj.weight.detach().clone()
    config = trl.GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=8, num_generations=8, max_steps=1, use_cpu=True,
        max_completion_length=160, max_tool_calling_iterations=1, report_to=[], save_strategy="no", logging_steps=1,
        bf16=False, chat_template_kwargs={"enable_thinking": False}, learning_rate=1e-3, seed=0, disable_tqdm=True,
    )  # fmt: skip
    trainer = trl.GRPOTrainer(
        model=model, args=config, processing_class=tokenizer, train_dataset=Dataset.from_list(rows([DOUBLE])),
        environment_factory=environment_factory([DOUBLE], box=box),
    )  # fmt: skip
    trainer.train()
    log = trainer.state.log_history[0]
    assert log["tools/call_frequency"] > 0.5
    assert -1 < log["rewards/CodeRepair/mean"] < 1
    assert log["reward_std"] > 0
    assert not before.equal(trainer.model.model.layers[0].mlp.up_proj.weight)


@contextmanager
def served(app):
    uvicorn = pytest.importorskip("uvicorn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_openenv(box):
    """The real server, and two of its clients at a time; a private test never crosses the wire."""
    pytest.importorskip("openenv.core", reason="no openenv: pip install openenv")
    from openenv.core import GenericEnvClient

    from rlef.integrations.openenv import make_app

    app = make_app([DOUBLE, replace(DOUBLE, key="other")], box=box, turn_limit=2)
    with served(app) as url, GenericEnvClient(base_url=url).sync() as one, GenericEnvClient(base_url=url).sync() as two:
        start = one.reset(task="double")
        assert start.observation["text"].startswith("Print twice")
        assert two.reset(task="other").observation["task"] == "other"
        step = one.step({"answer": f"```python\n{WRONG}\n```"})
        assert (step.reward, step.done, step.observation["public"]) == (0.0, False, ["accepted", "wrong_answer"])
        assert "162" not in repr((start, step))
        end = one.step({"answer": f"```python\n{RIGHT}\n```"})
        assert (end.reward, end.done, end.observation["turn"]) == (1.0, True, 2)
        assert "private" not in repr(end.observation)
        assert two.step({"answer": "nothing"}).reward == -0.2
        assert one.state()["step_count"] == 2
    with served(make_app([DOUBLE], box=Broken())) as url, GenericEnvClient(base_url=url).sync() as client:
        client.reset()
        step = client.step({"answer": f"```python\n{RIGHT}\n```"})
        assert (step.done, step.reward, step.observation["sandbox_failure"]) == (True, None, True)


class Scripted(BaseHTTPRequestHandler):
    """A chat completion endpoint: the wrong program first, then the right one."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = sum(message["role"] == "assistant" for message in body["messages"])
        content = f"```python\n{RIGHT if said else WRONG}\n```"
        message = {"role": "assistant", "content": content}
        common = {"id": "1", "created": 0, "model": "scripted"}
        if body.get("stream"):
            choices = (
                [{"index": 0, "delta": message, "finish_reason": None}],
                [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            )
            lines = [json.dumps({**common, "object": "chat.completion.chunk", "choices": one}) for one in choices]
            data = "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()
        else:
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            data = json.dumps({**common, "object": "chat.completion", "choices": choices, "usage": usage}).encode()
        self.send_response(200)
        kind = "text/event-stream" if body.get("stream") else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


@pytest.fixture
def vf(box):
    vf = pytest.importorskip("verifiers.v1", reason="no verifiers: pip install verifiers")
    if "double" not in list_suites():
        register_suite("double", lambda path: Suite("double", {"train": [DOUBLE]}))
    return vf


def loaded(vf, box, folder, monkeypatch):
    """By the two lines that the module's docstring tells a user to write."""
    from verifiers.v1.utils.loaders import environment_class, load_environment

    from rlef.integrations.verifiers import CodeRepairEnv, CodeRepairEnvConfig

    lines = [f"from rlef.integrations.verifiers import {names}\n" for names in ("*", "__all__")]
    (folder / "code_repair.py").write_text("".join(lines))
    monkeypatch.syspath_prepend(folder)
    assert environment_class("code_repair") is CodeRepairEnv
    env = load_environment(CodeRepairEnvConfig(taskset={"id": "code_repair", "suite": "double"}))
    env.box = box
    return env


def test_verifiers_taskset(vf, box, tmp_path, monkeypatch):
    [task] = list(loaded(vf, box, tmp_path, monkeypatch).taskset)
    assert task.key == "double"
    assert task.data.prompt.startswith("Print twice")
    assert not re.search("14|162", task.data.model_dump_json())


@pytest.mark.parametrize("broken", [False, True])
def test_verifiers_plays_an_episode(vf, box, broken, tmp_path, monkeypatch):
    """verifiers' own chat harness against a scripted endpoint; the feedback is the user's second message."""
    if shutil.which("uv") is None:
        pytest.skip("no uv, which verifiers' chat harness is started with: pip install uv")
    env = loaded(vf, Broken() if broken else box, tmp_path, monkeypatch)
    [task] = list(env.taskset)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = vf.EvalClientConfig(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key_var="PATH")

    async def play():
        async with env.serving():
            return await env.run_episode(task, vf.ModelContext(model="scripted", client=client))

    episode = asyncio.run(play())
    server.shutdown()
    server.server_close()
    if broken:
        assert not episode.ok
        assert episode.errors[-1].type == "SandboxError"
        return
    assert episode.ok, episode.errors
    [trace] = episode.traces
    assert trace.reward == 1.0
    assert {name: trace.metrics[name] for name in ("passed", "turns")} == {"passed": 1.0, "turns": 2.0}
    assert "Expected output:\\n10" in trace.model_dump_json()
    assert "162" not in trace.model_dump_json()


def test_wording_for_tools(box, tmp_path):
    """The template says how to answer; for tools one says so in a copy."""
    path = tmp_path / "tool.jinja"
    path.write_text(WORDING.read_text().replace("in one ```python block", "by calling submit"))
    from rlef.integrations.trl import environment_factory

    env = environment_factory([DOUBLE], feedback=FeedbackConfig(wording=str(path)), box=box)()
    assert env.reset().endswith("by calling submit.")
    assert env.submit(WRONG).endswith("by calling submit.")
