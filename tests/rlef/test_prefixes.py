"""Prefixes computed once: the tree, attention along it against brute force, and models that read trees and rows."""

import copy
import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import library
from transformers import AutoModelForCausalLM, Gemma2Config, GPT2Config, LlamaConfig, MistralConfig, Qwen3Config

from rlef.episode import Episode, Turn
from rlef.learners.batch import (
    action_logprobs,
    action_logprobs_and_entropy,
    forward,
    groups,
    micro_batches,
    mini_batches,
    to_batch,
)
from rlef.learners.prefixes import can_share, read_tree, share_prefixes, shares_prefixes, token_tree, tree_attention

SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple), min_size=1, max_size=6)
SMALL = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
CONFIGS = {
    "llama": LlamaConfig(**SMALL, **HEADS),
    "qwen3": Qwen3Config(**SMALL, **HEADS),
    "gpt2": GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=0),
}
LIMITED = {
    "mistral": MistralConfig(**SMALL, **HEADS, sliding_window=4),
    "gemma2": Gemma2Config(**SMALL, **HEADS),
}


def model_of(config):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def samples(whole=False, tasks=2, seed=0):
    """Episodes of tasks whose four samples have the prompt in common, and two of them the first answer too."""
    rng = random.Random(seed)

    def ids(size):
        return tuple(rng.randrange(97) for _ in range(size))

    episodes = []
    for task in range(tasks):
        prompt, answers, feedback = ids(6), [ids(4), ids(3), ids(4)], [ids(3), ids(3), ids(5)]
        for which in (0, 0, 1, 2):
            second = (*prompt[:3], *feedback[which]) if whole else feedback[which]
            turns = [
                Turn("", "", "p", prompt_ids=prompt, response_ids=answers[which]),
                Turn("", "", "p", prompt_ids=second, response_ids=ids(2), whole_prompt=whole),
            ]
            episodes.append(Episode(str(task), len(episodes), tuple(turns[: 1 + (which != 1)])))
    return episodes


@given(SEQUENCES)
def test_a_tree_has_each_prefix_once_and_gives_every_sequence_back(sequences):
    tree = token_tree(sequences)
    prefixes = {sequence[:end] for sequence in sequences for end in range(1, len(sequence) + 1)}
    assert len(tree.ids) == len(tree.positions) == len(prefixes) == int(tree.bounds[-1])
    for sequence, path in zip(sequences, tree.paths, strict=True):
        assert tuple(tree.ids[path].tolist()) == sequence
        assert tree.positions[path].tolist() == list(range(len(sequence)))
    for branch, (start, end) in enumerate(zip(tree.bounds[:-1], tree.bounds[1:], strict=True)):
        seen = tree.seen[tree.starts[branch] : tree.starts[branch + 1]]
        assert start < end
        assert tree.positions[seen].tolist() == list(range(int(tree.positions[start])))


def by_brute_force(query, key, value, paths, scale):
    """With a mask of who is whose ancestor."""
    sees = torch.zeros(query.shape[1], query.shape[1], dtype=torch.bool)
    for path in paths:
        for place, node in enumerate(path):
            sees[node, path[: place + 1]] = True
    key, value = (one.repeat_interleave(len(query) // len(one), 0) for one in (key, value))
    return (scale * query @ key.transpose(1, 2)).masked_fill(~sees, -torch.inf).softmax(-1) @ value


@settings(deadline=None)
@given(SEQUENCES, st.integers(1, 3), st.integers(1, 2), st.integers(0, 99))
def test_attention_and_its_gradients_equal_brute_force(sequences, shared_by, groups_, seed):
    tree, scale = token_tree(sequences), 0.4
    torch.manual_seed(seed)
    query, key, value = (
        torch.randn(heads, len(tree.ids), width, requires_grad=True)
        for heads, width in ((groups_ * shared_by, 5), (groups_, 5), (groups_, 3))
    )
    out = tree_attention(query, key, value, tree.bounds, tree.seen, tree.starts, scale)[0].transpose(0, 1)
    expected = by_brute_force(query, key, value, tree.paths, scale)
    assert torch.allclose(out, expected, atol=1e-5)
    grad = torch.randn_like(expected)
    for mine, right in zip(
        torch.autograd.grad(out, (query, key, value), grad),
        torch.autograd.grad(expected, (query, key, value), grad),
        strict=True,
    ):
        assert torch.allclose(mine, right, atol=1e-5)


def test_attention_is_a_sound_operator_of_torch():
    tree = token_tree([(1, 2, 3), (1, 2), (1, 4)])
    tensors = (torch.randn(heads, len(tree.ids), 4, requires_grad=True) for heads in (4, 2, 2))
    library.opcheck(tree_attention, (*tensors, tree.bounds, tree.seen, tree.starts, 0.5))


def test_in_bfloat16_attention_is_as_exact_as_its_products():
    tree = token_tree([(1, 2, 3), (1, 2, 4, 5), (1, 4)])
    query, key, value = (torch.randn(heads, len(tree.ids), 8) for heads in (4, 2, 2))
    half = [one.bfloat16() for one in (query, key, value)]
    out = tree_attention(*half, tree.bounds, tree.seen, tree.starts, 0.3)[0].transpose(0, 1)
    assert out.dtype is torch.bfloat16
    expected = by_brute_force(*(one.float() for one in half), tree.paths, 0.3)
    assert torch.allclose(out.float(), expected, atol=0.02)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_tree_and_rows_give_the_same_probabilities_and_gradients(name, whole):
    episodes, rows = samples(whole), model_of(CONFIGS[name])
    tree = copy.deepcopy(rows)
    share_prefixes(tree)
    assert shares_prefixes(tree)
    assert not shares_prefixes(rows)
    found = []
    for model in (rows, tree):
        batch = to_batch(episodes, range(len(episodes)))
        logprobs = action_logprobs(model, forward(model, batch), batch)
        (logprobs * torch.linspace(-1, 1, logprobs.numel()).view_as(logprobs)).sum().backward()
        found.append((logprobs, [weight.grad for weight in model.parameters() if weight.grad is not None]))
    (apart, gradients), (together, others) = found
    assert torch.allclose(apart, together, atol=1e-5)
    assert len(gradients) == len(others)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(gradients, others, strict=True))


def test_the_vocabulary_read_once_a_prefix_gives_what_reading_it_everywhere_gives():
    model, episodes = model_of(CONFIGS["llama"]), samples(tasks=3)
    batch = to_batch(episodes, range(len(episodes)))
    weights = torch.linspace(-1, 1, batch.ids.numel()).view_as(batch.behaviour)
    mine, entropy = action_logprobs_and_entropy(model, forward(model, batch), batch, 0.7)
    gradients = torch.autograd.grad((mine * weights).sum(), tuple(model.parameters()))

    every = torch.log_softmax(model.lm_head(forward(model, batch)) / 0.7, -1)
    chosen = every[:, :-1].gather(-1, batch.ids[:, 1:, None])[..., 0]
    expected = torch.nn.functional.pad(chosen, (1, 0)).masked_fill(~batch.action, 0.0)
    assert torch.allclose(mine, expected, atol=1e-5)
    whole = torch.autograd.grad((expected * weights).sum(), tuple(model.parameters()), retain_graph=True)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(gradients, whole, strict=True))
    apart = -(every.exp() * every).sum(-1)[:, :-1][batch.action[:, 1:]].mean()
    assert torch.allclose(entropy, apart, atol=1e-5)


def test_a_tree_computes_fewer_tokens_than_rows():
    episodes = samples()
    batch = to_batch(episodes, range(len(episodes)))
    tokens = int(batch.attention.sum())
    # Twice a prompt of 6, answers of 4, 3 and 4, feedback of 3 and 5, last answers of 2, 2 and 2.
    assert len(batch.tree.ids) <= 2 * (6 + 11 + 8 + 6)
    assert len(batch.tree.ids) < 0.6 * tokens
    nodes = []
    share_prefixes(model := model_of(CONFIGS["llama"]))
    model.model.layers[0].register_forward_pre_hook(lambda module, args: nodes.append(args[0].shape[:2]))
    forward(model, batch)
    assert nodes == [(1, len(batch.tree.ids))]


@pytest.mark.parametrize("name", LIMITED)
def test_models_whose_layers_see_only_part_of_the_context_read_rows(name):
    model, episodes = model_of(LIMITED[name]), samples()
    batch = to_batch(episodes, range(len(episodes)))
    before = action_logprobs(model, forward(model, batch), batch)
    share_prefixes(model)
    assert not can_share(model)
    assert not shares_prefixes(model)
    assert torch.allclose(action_logprobs(model, forward(model, batch), batch), before, atol=1e-5)


def test_what_a_window_would_do_to_a_tree():
    """The control: were a model with a window to read trees, its numbers would be others."""
    model, episodes = model_of(LIMITED["mistral"]), samples()
    batch = to_batch(episodes, range(len(episodes)))
    right = forward(model, batch)
    share_prefixes(full := model_of(CONFIGS["llama"]))  # registers the attention
    assert shares_prefixes(full)
    model.set_attn_implementation(full.config._attn_implementation)
    wrong = read_tree(model.model, batch.tree)[batch.nodes]
    assert not torch.allclose(wrong[batch.attention], right[batch.attention], atol=1e-3)


def test_a_model_that_reads_trees_still_reads_and_writes_like_any_other():
    model = model_of(CONFIGS["llama"])
    ids = torch.tensor([[0, 0, 5, 6, 7], [1, 2, 3, 4, 5]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    usual = {"attention_mask": mask, "do_sample": False, "max_new_tokens": 5, "pad_token_id": 0}
    before = model.generate(ids, **usual), model(input_ids=ids, attention_mask=mask).logits
    share_prefixes(model)
    assert torch.equal(model.generate(ids, **usual), before[0])
    assert torch.allclose(model(input_ids=ids, attention_mask=mask).logits[mask == 1], before[1][mask == 1], atol=1e-5)


@given(st.integers(0, 99), st.integers(1, 60), st.booleans())
def test_micro_batches_hold_every_episode_once_within_the_budget(seed, budget, shares):
    episodes = samples(tasks=3, seed=seed)
    chosen = random.Random(seed).sample(range(len(episodes)), 9)
    assert sorted(i for group in groups(episodes, chosen, budget, shares) for i in group) == sorted(chosen)
    for batch in micro_batches(episodes, chosen, budget, shares):
        assert len(batch.index) == 1 or (len(batch.tree.ids) if shares else batch.ids.numel()) <= budget


def test_samples_of_a_task_share_a_micro_batch_though_others_come_between():
    episodes = samples(tasks=3)
    mixed = [i for sample in range(4) for i in range(sample, len(episodes), 4)]
    distinct = len(to_batch(episodes, mixed).tree.ids)
    computed = sum(len(batch.tree.ids) for batch in micro_batches(episodes, mixed, 40, shares=True))
    as_they_come = sum(len(to_batch(episodes, mixed[start : start + 3]).tree.ids) for start in range(0, 12, 3))
    assert distinct <= computed < 1.2 * distinct
    assert as_they_come > 1.4 * distinct


@given(st.integers(0, 99), st.integers(1, 15))
def test_mini_batches_are_of_one_size_and_cut_tasks_only_where_they_end(seed, count):
    episodes = samples(tasks=3)
    parts = mini_batches(episodes, count, random.Random(seed))
    assert sorted(i for part in parts for i in part) == list(range(len(episodes)))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    order = [episodes[i].task for part in parts for i in part]
    assert sum(one != other for one, other in pairwise(order)) == 2


def test_tasks_come_in_another_order_every_time():
    episodes = samples(tasks=5)
    firsts = {mini_batches(episodes, 2, random.Random(seed))[0][0] for seed in range(20)}
    assert len(firsts) > 1
