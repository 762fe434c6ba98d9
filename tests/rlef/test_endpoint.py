"""Served models: transformers' own server for text, token ids against the engine they come from, and bad days."""

import json

import pytest
import torch

from rlef.envs.dialogue import DialogueSettings
from rlef.errors import RlefError
from rlef.policies.endpoint import KEY_VARIABLE, Endpoint, EndpointConfig, seed_number
from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import ContextFull, Request, Sampling
from rlef.policies.load import load_policy
from rlef.rollout import Start, collect
from rlef.text_rollout import converse
from tasks import load_suite
from tests.rlef.served import TokenServer, transformers_serve
from tests.rlef.test_cli import rlef

GREEDY = Sampling(0.0, 1.0, 8)
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def policy(tiny_model):
    return load_policy(str(tiny_model), device="cpu")


@pytest.fixture(scope="module")
def engine(policy):
    return TransformersEngine(policy.model, policy.chat.stop_ids, torch.float32)


@pytest.fixture(scope="module")
def served(tiny_model, tmp_path_factory):
    pytest.importorskip("fastapi")
    with transformers_serve(tiny_model, tmp_path_factory.mktemp("served") / "log") as url:
        yield url


@pytest.fixture
def server(engine):
    with TokenServer(engine) as running:
        yield running


@pytest.mark.timeout(600)
def test_a_served_model_answers_like_the_one_here(served, tiny_model, policy, engine):
    endpoint = Endpoint(served, EndpointConfig(str(tiny_model)))
    [sample] = engine.generate([Request((0,), policy.chat.start("Hello"), (0,))], GREEDY)
    assert endpoint.reply("task", HELLO, (0,), GREEDY) == policy.chat.text(sample.ids)


@pytest.mark.timeout(600)
def test_evaluation_of_a_served_model(served, tiny_model, box, tmp_path):
    words = ["--endpoint.model", tiny_model, "--evaluation.tasks", "2", "--evaluation.samples", "1",
             "--max_new_tokens", "4", "--turn_limit", "2"]  # fmt: skip
    done = rlef("eval", served, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [result] = (json.loads(path.read_text()) for path in tmp_path.rglob("result.json"))
    assert (result["tasks"], result["rollouts_per_task"], result["sandbox_failures"]) == (2, 1, 0)
    [episodes] = tmp_path.rglob("episodes.jsonl")
    assert len(episodes.read_text().splitlines()) == 2


def test_token_ids_are_those_of_the_engine(server, engine, policy, box):
    """The same episodes come from an engine here and from one behind a server."""
    tasks = load_suite("starter:L0-L2")["validation"]
    starts = [Start(tasks[i // 2], seed=i) for i in range(4)]
    options = {"sampling": GREEDY, "settings": DialogueSettings(2), "context": 900}
    here = collect(starts, engine, policy.chat, box, **options)
    there = collect(
        starts, Endpoint(server.url, EndpointConfig(), policy.chat.stop_ids), policy.chat, box, **options
    )  # fmt: skip
    assert [[turn.response_ids for turn in episode.turns] for episode in here] == [
        [turn.response_ids for turn in episode.turns] for episode in there
    ]
    assert all(turn.logprobs for episode in there for turn in episode.turns)
    assert server.bodies[0]["stop_token_ids"] == sorted(policy.chat.stop_ids)


def test_seeds_reach_the_server(server, policy):
    endpoint = Endpoint(server.url, EndpointConfig())
    requests = [Request((i,), policy.chat.start("Hi"), (i % 2,)) for i in range(4)]
    ids = [sample.ids for sample in endpoint.generate(requests, Sampling(8.0, 1.0, 8))]
    assert ids[0] == ids[2]
    assert ids[1] == ids[3]
    assert ids[0] != ids[1]
    assert len({seed_number((seed, turn)) for seed in range(100) for turn in range(3)}) == 300


def test_a_busy_server_is_asked_again(server):
    server.trouble += [(429, {"Retry-After": 0}, "slow down"), (503, {}, "loading")]
    assert Endpoint(server.url, EndpointConfig()).reply("task", HELLO, (0,), GREEDY) == "Hello"
    assert len(server.bodies) == 3


TROUBLE = {
    "busy for good": ((503, {}, "loading the\nmodel"), "the server says 503: loading the model"),
    "wrong key": ((401, {}, "no"), f"set {KEY_VARIABLE}"),
    "unknown model": ((404, {}, "no model tinny"), "mend the address or endpoint.model"),
    "bad request": ((422, {}, "Unexpected fields"), "the server says 422: Unexpected fields"),
    "no JSON": ((200, {}, "<html>"), "no JSON object"),
    "no list": ((200, {}, []), "no JSON object"),
    "no choices": ((200, {}, {"choices": []}), "holds no choices"),
    "no message": ((200, {}, {"choices": [{"text": "x"}]}), "holds no message"),
    "silence": (3.0, "raise endpoint.timeout_s"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble(server, name):
    trouble, said = TROUBLE[name]
    server.trouble += [trouble] * 2
    endpoint = Endpoint(server.url, EndpointConfig(retries=1, timeout_s=0.5))
    with pytest.raises(RlefError) as caught:
        endpoint.reply("task", HELLO, (0,), GREEDY)
    assert said in str(caught.value)
    assert server.url in str(caught.value)
    server.trouble.clear()


def test_a_server_without_token_ids_is_named(server):
    server.trouble.append((200, {}, {"choices": [{"text": "x"}]}))
    with pytest.raises(RlefError, match="returns no token ids"):
        Endpoint(server.url, EndpointConfig()).generate([Request((0,), [1], (0,))], GREEDY)


def test_the_key_is_sent_only_when_asked_for(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    Endpoint(server.url, EndpointConfig())
    monkeypatch.setenv(KEY_VARIABLE, "mine")
    Endpoint(server.url, EndpointConfig())
    assert server.keys == [None, "Bearer mine"]


def test_a_full_context_truncates_the_episode(server, box):
    full = (400, {}, {"error": {"message": "This model's maximum context length is 10 tokens.", "code": "x"}})
    task = load_suite("starter:L0-L2")["validation"][0]
    server.trouble.append(full)
    with pytest.raises(ContextFull):
        Endpoint(server.url, EndpointConfig()).reply("task", HELLO, (0,), GREEDY)
    server.trouble += [(200, {}, {"choices": [{"message": {"content": None}}]}), full]
    [episode] = converse(
        [Start(task, 0)], Endpoint(server.url, EndpointConfig()), box, sampling=GREEDY, settings=DialogueSettings(3)
    )
    assert episode.truncated
    assert not episode.sandbox_failure
    assert [turn.response for turn in episode.turns] == [""]


def test_no_server(tmp_path):
    done = rlef("eval", "http://127.0.0.1:9", cwd=tmp_path)
    assert done.returncode == 2
    assert "start it or mend the address" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
