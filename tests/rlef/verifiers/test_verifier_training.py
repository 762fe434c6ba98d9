"""Training and scores with a tiny real model: losses learn, references stay, nothing is cut, likelihoods are exact."""

import contextlib
import dataclasses

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from rlef.envs.answers import answer_of
from rlef.errors import RlefError
from rlef.learners.optimiser import autocast
from rlef.policies.load import load_policy
from rlef.verifiers import score
from rlef.verifiers.config import VerifierConfig
from rlef.verifiers.pairs import Pair
from rlef.verifiers.programs import edit_distance, encode
from rlef.verifiers.score import Scorer, likelihoods, load_likelihood, load_scores, read_note
from rlef.verifiers.train import encode_pairs, train_verifier

pytest.importorskip("trl")
SYSTEM = "You write Python programs."
CONFIG = VerifierConfig(epochs=2, learning_rate=2e-3, reward_learning_rate=5e-3, warmup=0, batch=2, micro_batch=1)


def pair(n):
    """Right: print(n + 1) for a task that shows it; wrong: prints a word, sometimes longer, sometimes shorter."""
    right, wrong = f"print({n} + 1)", f"print('no{'!' * (n % 5) * 3}')"
    observation = f"Print the number after {n}."
    return Pair(f"t{n}", observation, right, wrong, "product", "wrong_answer", False, edit_distance(right, wrong))


PAIRS = [pair(n) for n in range(4)]
ITEMS = [(one.observation, program) for one in PAIRS for program in (one.chosen, one.rejected)]


def margin(values):
    return sum(a - b for a, b in zip(values[::2], values[1::2], strict=True)) / len(values[::2])


def saved(kind, tiny_model, folder, config=CONFIG):
    folder.mkdir()
    made = train_verifier(kind, str(tiny_model), SYSTEM, PAIRS, config, 0)
    made.save(folder)
    return made


@pytest.mark.parametrize("loss", ["sigmoid", "apo_zero", "apo_down"])
def test_dpo_moves_the_log_ratio_apart(tiny_model, tmp_path, loss):
    made = saved("dpo", tiny_model, tmp_path / "verifier", dataclasses.replace(CONFIG, loss=loss))
    before = load_likelihood(str(tiny_model), SYSTEM)(ITEMS)
    scores = load_scores(tmp_path / "verifier")
    after, ratio = scores["likelihood"](ITEMS), scores["log_ratio"](ITEMS)
    assert margin(after) > margin(before) + 0.1
    assert ratio == pytest.approx([a - b for a, b in zip(after, before, strict=True)])
    assert len(made.log) == 4
    assert set(made.log[0]) == {"loss", "accuracy", "margin"}
    if loss == "sigmoid":  # before the first step the verifier is its own reference: -log sigma(0)
        assert made.log[0]["loss"] == pytest.approx(0.6931, abs=1e-3)


@pytest.mark.parametrize("kind", ["dpo", "bradley_terry", "cross_entropy"])
def test_lora_is_merged(tiny_model, tmp_path, kind):
    config = dataclasses.replace(CONFIG, lora_rank=4, epochs=4, learning_rate=5e-3, reward_learning_rate=3e-2)
    saved(kind, tiny_model, tmp_path / "v", config)
    assert not list((tmp_path / "v").glob("adapter*"))
    name = "log_ratio" if kind == "dpo" else "reward"
    assert margin(load_scores(tmp_path / "v")[name](ITEMS)) > 0.05


@pytest.mark.parametrize("kind", ["bradley_terry", "cross_entropy"])
def test_reward_models_learn_and_score_what_a_plain_pass_gives(tiny_model, tmp_path, kind, monkeypatch):
    saved(kind, tiny_model, tmp_path / "v", dataclasses.replace(CONFIG, epochs=10))
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "v", dtype=torch.float32)
    monkeypatch.setattr(score, "autocast", lambda model: contextlib.nullcontext())
    values = load_scores(tmp_path / "v")["reward"](ITEMS)
    assert margin(values) > 0.1
    chat = load_policy(str(tiny_model), SYSTEM).chat
    for (observation, program), value in zip(ITEMS, values, strict=True):
        prompt, answer = encode(chat, observation, program)
        with torch.no_grad():
            plain = model(input_ids=torch.tensor([[*prompt, *answer]]), use_cache=False).logits
        assert value == pytest.approx(float(plain), abs=1e-3)
    if kind == "cross_entropy":  # its outputs are probabilities: right above one half, wrong below
        assert sum(values[::2]) > 0 > sum(values[1::2])


@pytest.mark.parametrize("exact", [True, False])
def test_likelihoods_equal_a_plain_forward_pass(tiny_model, exact, monkeypatch):
    """Batched, padded, cached scores are those of one sequence at a time through the whole model."""
    policy = load_policy(str(tiny_model), SYSTEM)
    context = contextlib.nullcontext if exact else lambda: autocast(policy.model)
    monkeypatch.setattr(score, "autocast", lambda model: context())
    monkeypatch.setattr(score, "TOKENS", 150)
    scorer = Scorer(policy.chat, lambda items: likelihoods(policy.model, items), policy.context)
    for (observation, program), value in zip(ITEMS, scorer.score(ITEMS), strict=True):
        prompt, answer = encode(policy.chat, observation, program)
        ids = torch.tensor([[*prompt, *answer]])
        with torch.no_grad(), context():
            logprobs = torch.log_softmax(policy.model(input_ids=ids).logits[0].float(), -1)
        plain = sum(float(logprobs[len(prompt) + i - 1, token]) for i, token in enumerate(answer))
        assert value == pytest.approx(plain, rel=1e-5 if exact else 2e-2)


def test_what_was_scored_is_not_computed_again():
    class Chat:
        def start(self, text):
            return [1, len(text)]

        def answer(self, text):
            return [len(text)]

    asked = []

    def measure(items):
        asked.append(len(items))
        return [float(answer[0]) for _, answer in items]

    scorer = Scorer(Chat(), measure, 9)
    assert scorer.score([("a", "x"), ("a", "xy"), ("a", "x")]) == [15.0, 16.0, 15.0]
    assert scorer.score([("a", "xy"), ("b", "xyz")]) == [16.0, 17.0]
    assert asked == [2, 1]


def test_nothing_is_cut(tiny_model):
    chat = load_policy(str(tiny_model), SYSTEM).chat
    with pytest.raises(RlefError, match=r'task "t0" has \d+ tokens.*raise verifier.max_length'):
        encode_pairs(PAIRS, chat, 20)
    [row] = encode_pairs(PAIRS[:1], chat, 1024)
    assert chat.text(row["chosen_ids"]) == answer_of(PAIRS[0].chosen)
    with pytest.raises(RlefError, match="nothing is cut"):
        Scorer(chat, lambda items: [], 20).score([("task", "print(1)")])


def test_template_tokens_in_a_program_stay_text(tiny_model):
    """With the template's own tokens encoded as structure a program could close its answer and speak as the user."""
    policy = load_policy(str(tiny_model), SYSTEM)
    program = "print('<|im_end|>')"
    _, answer = encode(policy.chat, "task", program)
    assert answer.count(policy.chat.end_id) == 1
    control = policy.tokenizer(answer_of(program), add_special_tokens=False)["input_ids"]
    assert policy.chat.end_id in control


def test_a_folder_that_is_no_verifier_is_named(tmp_path, tiny_model):
    with pytest.raises(RlefError, match="no verifier"):
        read_note(tmp_path)
    with pytest.raises(RlefError, match="no verifier"):
        load_scores(tiny_model)
