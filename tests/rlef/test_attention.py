"""Attention of a sampling step by spans of rows: the numbers of reading everything, and less that is read."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, GptOssConfig

from rlef.policies.attention import ROWS, attend, replaceable, spans, takes_spans, use_spans
from rlef.policies.cache import KeyValues
from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import Request, Sampling
from tests.rlef.learning import tiny

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=3 * ROWS)


@given(LENGTHS)
def test_every_row_is_in_one_span_that_holds_it(lengths):
    rows = [row for start, end, _ in spans(lengths) for row in range(start, end)]
    assert rows == list(range(len(lengths)))
    for start, end, columns in spans(lengths):
        assert columns == max(lengths[start:end])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@settings(deadline=None)
@given(LENGTHS, st.integers(1, 2), st.integers(1, 3), st.integers(0, 99))
def test_spans_give_what_the_whole_store_gives(dtype, tolerance, lengths, groups, share, seed):
    torch.manual_seed(seed)
    rows, width = len(lengths), 8
    store = KeyValues((1, groups, width), rows, 30, dtype, torch.device("cpu"))
    store.data.normal_()
    mask = store.begin(slice(0, rows), torch.tensor(lengths)[:, None] - 1)
    query = torch.randn(rows, groups * share, 1, width, dtype=dtype)
    key, value = (one[:, :, : store.columns] for one in store.data[0])
    mine = attend(query, key, value, mask, 0.3, spans(lengths)).transpose(1, 2)
    for row, length in enumerate(lengths):  # one by one, from what the row itself holds
        own, read = (one[row, :, :length].float().repeat_interleave(share, 0) for one in (key, value))
        expected = (0.3 * query[row].float() @ own.transpose(1, 2)).softmax(-1) @ read
        assert torch.allclose(mine[row].float(), expected, atol=tolerance)


def test_what_lies_behind_a_span_is_not_read():
    lengths = [5] * ROWS + [9] * ROWS
    store = KeyValues((1, 1, 4), 2 * ROWS, 12, torch.float32, torch.device("cpu"))
    store.data.normal_()
    store.data[:, :, :ROWS, :, 5:] = torch.nan
    mask = store.begin(slice(0, 2 * ROWS), torch.tensor(lengths)[:, None] - 1)
    query = torch.randn(2 * ROWS, 1, 1, 4)
    key, value = (one[:, :, : store.columns] for one in store.data[0])
    assert attend(query, key, value, mask, 0.5, spans(lengths)).isfinite().all()
    assert not attend(query, key, value, mask, 0.5, [(0, 2 * ROWS, 9)]).isfinite().all()  # the control


def test_samples_are_those_of_the_fused_kernel():
    """Prompts of many lengths, more than fit into one span; transformers' own attention samples the same."""
    requests = [Request((i,), tuple(range(1, 2 + 3 * i)), (i,)) for i in range(2 * ROWS + 3)]
    sampling = Sampling(1.0, 1.0, 12)
    engine = TransformersEngine(tiny(), frozenset({3}), torch.float32)
    assert takes_spans(engine._model)
    mine = engine.generate(requests, sampling)
    engine._model.set_attn_implementation("sdpa")
    assert not takes_spans(engine._model)
    theirs = engine.generate(requests, sampling)
    assert [one.ids for one in mine] == [one.ids for one in theirs]
    for one, other in zip(mine, theirs, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_a_model_that_lets_none_replace_its_attention_keeps_it():
    model = tiny()
    model._supports_attention_backend = False
    use_spans(model)
    assert not takes_spans(model)


def test_attention_with_sinks_is_not_replaced():
    with torch.device("meta"):
        assert not replaceable(AutoModelForCausalLM.from_config(GptOssConfig(num_hidden_layers=1)))
        assert replaceable(tiny())
