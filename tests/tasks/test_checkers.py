"""Comparisons against hand-made tables and generated outputs."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import TaskError
from tasks.checkers import checker, exact, floats, share_of_cases, tokens
from tasks.values import right_value, same_value

TOKENS = [
    (b"1 2\n", b"1\n2", True),
    (b"1 2\n", b"  1\t2\r\n\n", True),
    (b"1 2\n", b"1 2 3\n", False),
    (b"1 2 3\n", b"1 2\n", False),
    (b"12\n", b"1 2\n", False),
    (b"yes\n", b"Yes\n", False),
    (b"1\n", b"1.0\n", False),
    (b"1\n", b"01\n", False),
    (b"1\n", b"+1\n", False),
    (b"1000\n", b"1_000\n", False),
    (b"9007199254740993\n", b"9007199254740992\n", False),
    (b"0\n", b"-0\n", False),
    (b"nan\n", b"NaN\n", False),
    (b"", b"", True),
    (b"", b" \n\n", True),
    (b"", b"x", False),
    (b"1\n", b"", False),
    (b"1\n", b"1\0\n", False),
    (b"1\n", b"\x001\n", False),
    (b"1 2", b"1\xc2\xa02", False),  # a no-break space is no white space
    (b"5", "٥".encode(), False),
    (b"a", b"\xff\xfe", False),
    (b"a", b"\xed\xa0\x80", False),  # an encoded lone surrogate
]
FLOATS = [
    (b"0.5", b"0.5000001", True),
    (b"0.5", b".5", True),
    (b"0.5", b"5e-1", True),
    (b"0.5", b"0.50001", False),
    (b"1000000.0", b"1000000.5", True),
    (b"1000000.0", b"1000002.0", False),
    (b"5", b"5.0", True),
    (b"5", b"5.00000001", True),
    (b"1000000007", b"1000000008", False),
    (b"1000000007", b"1000000008.0", False),
    (b"9007199254740993", b"9007199254740992.0", False),
    (b"1.0", b"nan", False),
    (b"1.0", b"inf", False),
    (b"1.0", b"1e400", False),
    (b"1.0", b"1e99999999999999999999", False),
    (b"1.0", b"0x1p0", False),
    (b"1.0", b"1_0.0", False),
    (b"1.0", b"1.0.0", False),
    (b"1.0", b"1,0", False),
    (b"1.0", "١.0".encode(), False),
    (b"1.0", b"", False),
    (b"0.0", b"-0.0", True),
    (b"case 1.0", b"Case 1.0", False),
    (b"1.0", b"1" * 1_000_000, False),
]


@pytest.mark.parametrize(("expected", "observed", "accepted"), TOKENS)
def test_tokens(expected, observed, accepted):
    assert tokens(expected, observed) is accepted


@pytest.mark.parametrize(("expected", "observed", "accepted"), FLOATS)
def test_floats(expected, observed, accepted):
    assert floats(expected, observed) is accepted


def test_exact_is_byte_for_byte():
    assert exact(b"a\n", b"a\n")
    assert not exact(b"a\n", b"a")


def test_unknown_checker_names_the_known_ones():
    with pytest.raises(TaskError, match=r'did you mean "tokens"\?.*exact'):
        checker("token")


@given(st.binary(), st.binary())
def test_tokens_is_equality_of_words(a, b):
    assert tokens(a, b) == (a.split() == b.split())
    assert tokens(a, a)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9), st.binary())
def test_floats_accepts_neighbours_and_survives_anything(value, noise):
    near, far = value + Decimal("1e-7"), value + 1 + abs(value) / 1000
    assert floats(f"{value:f}".encode(), f"{near:f}".encode())
    assert not floats(f"{value:f}".encode(), f"{far:f}".encode())
    floats(f"{value:f}".encode(), noise)


@pytest.mark.parametrize("check", [tokens, floats])
@pytest.mark.parametrize(
    "flood", [b"9" * 20_000_000, b"1 " * 10_000_000, b" " * 20_000_000], ids=["digits", "words", "blanks"]
)
def test_floods_cost_little(check, flood):
    start = time.process_time()
    assert not check(b"1.5 2.5\n", flood)
    assert time.process_time() - start < 2


VALUES = [
    ([1, 2], [1, 2], True),
    ([1, 2], (1, 2), False),
    (1, 1.0, True),
    (2**53 + 1, float(2**53), False),
    ("1", 1, False),
    (float("nan"), float("nan"), False),
    ({"a": [1]}, {"a": [1]}, True),
    ({"a": [1]}, {"a": [1], "b": 2}, False),
    ({1, 2}, {2, 1}, True),
    (None, None, True),
    (None, 0, False),
    ([[]], [[], []], False),
]


@pytest.mark.parametrize(("expected", "observed", "same"), VALUES)
def test_same_value(expected, observed, same):
    assert same_value(expected, observed) is same


class Always(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"k": x}, lambda x: {x}])
def test_foreign_objects_never_compare_equal(wrap):
    assert not same_value(wrap(5), wrap(Always(5)))


def test_deep_values_are_cut_off():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert not same_value(deep, deep)


KATTIS = [
    ("kattis", b"Yes 1\n", b"  YES\n1", True),
    ("kattis case_sensitive", b"Yes\n", b"YES\n", False),
    ("kattis", b"1.0\n", b"1.00\n", False),
    ("kattis", b"1 2\n", b"1 2 3\n", False),
    ("kattis space_change_sensitive", b"1 2\n", b"1 2\n", True),
    ("kattis space_change_sensitive", b"1 2\n", b"1  2\n", False),
    ("kattis space_change_sensitive", b"1 2\n", b"1 2", False),
    ("kattis space_change_sensitive", b" 1\n", b"1\n", False),
    ("kattis float_tolerance 1e-2", b"100.0\n", b"100.9\n", True),
    ("kattis float_absolute_tolerance 1e-2", b"100.0\n", b"100.9\n", False),
    ("kattis float_relative_tolerance 1e-2", b"0.0\n", b"0.001\n", False),
    ("kattis float_relative_tolerance 1e-2 float_absolute_tolerance 1e-2", b"0.0\n", b"0.001\n", True),
    ("kattis float_tolerance 1e-2", b"3.14e-2", b"0.0314", True),
    ("kattis float_tolerance 1e-2", b"200", b"2.0e2", True),
    ("kattis float_tolerance 1e-2", b"1000000", b"1000001", False),
    ("kattis float_tolerance 1e-2", b"1.0", b"nan", False),
    ("kattis float_tolerance 1e-2", b"NaN", b"nan", True),  # words that differ in case only
    ("kattis float_tolerance 1e-2", b"1.0", b"0x1", False),
    ("floats 1e-2", b"1.0", b"1.005", True),
    ("floats", b"1.0", b"1.005", False),
]
BAD_SPECS = ["kattis fuzzy", "kattis float_tolerance", "kattis float_tolerance x", "floats nan", "floats -1",
             "floats 2", "floats 1e-3 1e-4", "tokens 1", "floats " + "1" * 50, "cases fuzzy", "", " "]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected", "observed", "accepted"), KATTIS)
def test_kattis_rules(spec, expected, observed, accepted):
    assert checker(spec)(expected, observed) is accepted


@pytest.mark.parametrize("spec", BAD_SPECS)
def test_bad_parameters_are_explained(spec):
    with pytest.raises(TaskError, match=r"known|write|no tolerance"):
        checker(spec)


CASES = b"Case #1: 1 2\nCase #2: 3\nCase #3: yes\n"


@pytest.mark.parametrize(
    ("observed", "share"),
    [
        (CASES, 1),
        (b"Case #1: 1 2\nCase #2: 4\nCase #3: YES\n", 2 / 3),
        (b"Case #2: 3\n", 1 / 3),
        (b"Case #3: yes\nCase #2: 3\nCase #1: 1 2\n", 2 / 3),  # all of them, but in the wrong order
        (b"Case #1: 1 2\nCase #1: 1 2\nCase #2: 3\nCase #3: yes\n", 2 / 3),
        (CASES + b"Case #4: 1\n", 2 / 3),
        (b"1 2\n3\nyes\n", 0),
        (b"", 0),
    ],
)
def test_share_of_cases(observed, share):
    assert share_of_cases("cases kattis", CASES, observed) == pytest.approx(share)
    assert share_of_cases("kattis", CASES, observed) == (share == 1)


VALUE_SPECS = [
    ("tokens", (1, 2), [1, 2], False),
    ("json", [1, [2.0]], (1, (2.0000001,)), True),
    ("json", {"1": [None]}, {1: (None,)}, True),
    ("json", {"true": 1, "null": 2}, {True: 1, None: 2}, True),
    ("json", [1], [True], True),
    ("json", [10**20], [10**20 + 1], False),
    ("json 0.5", 1.5, 1.9, True),
    ("floats", 0.1 + 0.2, 0.3, True),
    ("tokens", 0.1 + 0.2, 0.3, False),
    ("floats", (1.0,), [1.0], False),
    ("floats", float("nan"), float("nan"), True),
    ("floats", float("inf"), 1e308, False),
    ("floats", 1e308, 10**400, False),
    ("floats", 2**53 + 1, float(2**53), True),  # within 1e-6 of it; without a tolerance it is not the same number
    ("tokens", 2**53 + 1, float(2**53), False),
    ("set", (4, 5), [5, 4, 4], True),
    ("set", (4, 5), [5], False),
    ("set", [[1]], [[1]], False),  # no set can hold a list
    ("tokens", {(1, "a")}, {(1, "a")}, True),
]


@pytest.mark.parametrize(("spec", "expected", "observed", "right"), VALUE_SPECS)
def test_values_under_a_checker(spec, expected, observed, right):
    assert right_value(spec, expected, observed) is right


@pytest.mark.parametrize(
    "spec", ["kattis", "kattis float_tolerance 1e-6", "kattis space_change_sensitive", "cases kattis"]
)
@pytest.mark.parametrize("flood", [b"9" * 50_000_000, b"Case #1: " * 4_000_000, b"\xed\xa0\x80" * 10_000_000])
def test_one_line_of_50_mb_is_simply_wrong(spec, flood):
    start = time.process_time()
    assert share_of_cases(spec, b"Case #1: 1.5\n", flood) == 0
    assert time.process_time() - start < 5
