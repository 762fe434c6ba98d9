"""Plain data comes back exactly, and a hostile text costs no more than its refusal."""

import contextlib
import enum
import json
from collections import OrderedDict, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.runner.values import MAX_DEPTH, MAX_ITEMS, MAX_SAME_HASH, NotPlainData, dumps, loads

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(2**60, 2**300), st.floats(), st.text(max_size=9), st.binary(),
    st.complex_numbers(),
)  # fmt: skip
keys = st.one_of(scalars, st.tuples(scalars, scalars), st.frozensets(scalars, max_size=3))
plain = st.recursive(
    keys,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
    ),
    max_leaves=10,
)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["i", "f", "c", "b", "d", "t", "s", "z", "x"]), inner, max_size=2)
    ),
    max_leaves=12,
)


def exact(value):
    """Text that tells every value and the type of every part; NaN is itself, 0.0 is not -0.0, sets have no order."""
    if type(value) in (list, tuple):
        return f"{type(value).__name__}({', '.join(map(exact, value))})"
    if type(value) is dict:
        return f"dict({', '.join(map(exact, value.items()))})"
    if type(value) in (set, frozenset):
        return f"{type(value).__name__}({', '.join(sorted(map(exact, value)))})"
    return repr(value)


@given(plain)
def test_values_come_back_exactly(value):
    assert exact(loads(dumps(value))) == exact(value)


class Always(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class Text(str):
    __slots__ = ()


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    [
        Always(1),
        Text("a"),
        Colour.RED,
        OrderedDict(a=1),
        namedtuple("Point", "x")(1),
        object(),
        len,
        range(3),
        bytearray(b"a"),
        iter([]),
        NotImplemented,
        ...,
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"k": v}, lambda v: (1, (v,))])
def test_only_exact_types_travel(value, wrap):
    with pytest.raises(NotPlainData, match="not plain data"):
        dumps(wrap(value))


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_depth_is_bounded_on_both_sides():
    assert loads(dumps(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(NotPlainData, match="levels"):
        dumps(nested(MAX_DEPTH + 1))
    with pytest.raises(NotPlainData, match="levels"):
        loads(b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2))
    with pytest.raises(NotPlainData):
        loads(b"[" * 1_000_000)
    circle = []
    circle.append(circle)
    with pytest.raises(NotPlainData, match="levels"):
        dumps(circle)


def test_number_of_items_is_bounded_on_both_sides():
    many = [0] * MAX_ITEMS
    with pytest.raises(NotPlainData, match="items"):
        dumps(many)
    with pytest.raises(NotPlainData, match="items"):
        loads(json.dumps(many).encode())


@given(jsons)
def test_any_json_is_a_value_or_refused(document):
    with contextlib.suppress(NotPlainData):
        loads(json.dumps(document).encode())


@given(st.binary(max_size=100))
def test_any_bytes_are_a_value_or_refused(text):
    with contextlib.suppress(NotPlainData):
        loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"1.5",
        b"NaN",
        b"Infinity",
        b"{}",
        b'{"i":"1","f":"1"}',
        b'{"i":1}',
        b'{"i":"g"}',
        b'{"f":"0x1p999999"}',
        b'{"f":null}',
        b'{"c":["0x1p0"]}',
        b'{"b":"0"}',
        b'{"d":[[1]]}',
        b'{"d":[[[],1]]}',
        b'{"s":[[]]}',
        b'{"s":[{"d":[]}]}',
        b'{"t":1}',
        b'{"q":[]}',
        b"9" * 5000,
        b"\xff",
        b'"\xff"',
    ],
)
def test_malformed_texts_are_refused(text):
    with pytest.raises(NotPlainData):
        loads(text)


@pytest.mark.parametrize("tag", ["s", "z", "d"])
def test_keys_that_all_collide_are_refused(tag):
    """100,000 integers with one hash would keep the reader busy for a quarter of an hour."""
    modulus = (1 << 61) - 1
    colliding = [{"i": format(number * modulus, "x")} for number in range(100_000)]
    content = [[key, 1] for key in colliding] if tag == "d" else colliding
    with pytest.raises(NotPlainData, match="same hash"):
        loads(json.dumps({tag: content}).encode())
    assert len(loads(json.dumps({"t": colliding}).encode())) == 100_000
    assert loads(dumps(set(range(10 * MAX_SAME_HASH)))) == set(range(10 * MAX_SAME_HASH))
