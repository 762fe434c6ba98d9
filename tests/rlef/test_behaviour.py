"""How turns end and what becomes of them, by hand; chrF against values of sacreBLEU."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlef.episode import Episode, Turn
from rlef.evaluation import behaviour
from tests.rlef.report_runs import episode


def turn(public=(), private=None, program="x"):
    return Turn("", "", program, public=public, private=private)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (turn(("accepted",), ("accepted",)), "accepted"),
        (turn(("accepted",), ("accepted", "time_limit")), behaviour.PUBLIC_ONLY),
        (turn(("accepted", "wrong_answer", "time_limit")), "wrong answer"),
        (turn(("accepted",), ("sandbox_failure",)), "sandbox failure"),
        (turn((), ("runtime_error",)), "runtime error"),  # no public tests: nothing to be fitted to
        (turn((), ("accepted",)), "accepted"),
        (turn(("accepted",)), behaviour.PUBLIC_ONLY),
        (turn((), program=None), "no program"),
    ],
)
def test_endings(made, expected):
    assert behaviour.ending(made) == expected


def test_transitions_by_hand():
    runs = [episode("a", "!-+"), episode("a", "!-p"), episode("b", "+"), episode("b", "!+", sandbox_failure=True)]
    assert behaviour.transitions(runs) == {
        (1, "runtime error", "wrong answer"): 2, (2, "wrong answer", "accepted"): 1,
        (2, "wrong answer", behaviour.PUBLIC_ONLY): 1,
    }  # fmt: skip


def programs(task, *sources):
    return Episode(task, 0, tuple(turn(program=source) for source in sources))


def test_repeats_and_similarity_by_hand():
    runs = [programs("a", "print(1)", "print(1)", "x"), programs("b", "y", None, "y"), programs("c", "only")]
    repeated, alike = behaviour.repeats(runs), behaviour.similarity(runs)
    assert dict(zip(repeated.tasks, repeated.weight, strict=True)) == {"a": 2, "b": 0, "c": 0}
    assert repeated.mean == 1 / 2
    assert alike.mean == pytest.approx((1 + behaviour.chrf("x", "print(1)")) / 2)


def test_diversity_is_the_mean_over_draws_of_first_programs():
    runs = [programs("a", *[source]) for source in ("x = 1", "x  =  1", "y", "z")] + [programs("b", "alone")]
    pool = ["x = 1", "x = 1", "y", "z"]
    draws = list(itertools.combinations(pool, 2))
    found = behaviour.diversity(runs, 2)
    assert found.tasks == ("a",)
    assert found.mean == pytest.approx(sum(len(set(draw)) for draw in draws) / len(draws) / 2)


# sacrebleu 2.5: CHRF(char_order=6, word_order=0, beta=2).sentence_score(hypothesis, [reference]).score / 100
SACREBLEU = [
    ("print(int(input()))", "print(input())", 0.9188432051477478),
    ("a = 1\nb = 2\nprint(a + b)", "b = 2\nprint(b)", 0.7172005131596474),
    ("print(1)", "print(1)", 1.0),
    ("abc", "xyz", 0.0),
    ("ab", "abcdef", 0.3125),
    ("for i in range(10):\n    print(i)\n", "for i in range(1, 11):\n    print(i * i)\n", 0.6944396825992952),
]


@pytest.mark.parametrize(("hypothesis", "reference", "expected"), SACREBLEU)
def test_chrf_is_that_of_sacrebleu(hypothesis, reference, expected):
    assert behaviour.chrf(hypothesis, reference) == pytest.approx(expected, abs=1e-9)


@given(st.text("ab \n", max_size=12), st.text("ab \n", max_size=12))
def test_chrf_is_a_share_and_one_for_the_same_text(one, two):
    assert 0 <= behaviour.chrf(one, two) <= 1
    assert behaviour.chrf(one, one) == 1
    assert behaviour.chrf(one, f" {one} ") == 1
