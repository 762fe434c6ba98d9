"""Estimators against brute force, and the measures that must expose a bad verifier."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlef.episode import Episode, Turn
from rlef.evaluation.outputs import output_clusters
from rlef.evaluation.selectors import likelihood_weights, public_ranks, vote
from rlef.verifiers.measures import (
    Ranked,
    auc,
    best_of_k,
    breakdown,
    calibration,
    chosen_at_k,
    length_correlation,
    oracle_at_k,
    verifier_at_k,
)
from rlef.verifiers.pool import Candidate, answers_of
from rlef.verifiers.result import measure
from tasks import load_suite


def candidate(passed, program="x", public=None, failure="wrong_answer", task="t"):
    return Candidate(task, "", program, passed, passed if public is None else public, "" if passed else failure)


def ranked(scores, correct, task="t", programs=None):
    programs = programs or ["x"] * len(scores)
    return Ranked(task, tuple(candidate(bool(c), p) for c, p in zip(correct, programs, strict=True)), tuple(scores))


def brute_force(scores, correct, k):
    """Mean over all subsets of k; equals among the best are a fair draw."""
    total = []
    for places in itertools.combinations(range(len(scores)), k):
        best = max(scores[i] for i in places)
        top = [correct[i] for i in places if scores[i] == best]
        total.append(sum(top) / len(top))
    return sum(total) / len(total)


ROWS = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 4.0]), st.booleans()), min_size=1, max_size=8)


@given(ROWS, st.data())
def test_verifier_at_k_equals_brute_force(rows, data):
    scores, correct = zip(*rows, strict=True)
    k = data.draw(st.integers(1, len(rows)))
    assert verifier_at_k(scores, correct, k) == pytest.approx(brute_force(scores, correct, k))
    assert verifier_at_k(scores, correct, 1) == pytest.approx(sum(correct) / len(correct))
    assert verifier_at_k([0.0] * len(rows), correct, k) == pytest.approx(sum(correct) / len(correct))
    one = ranked(scores, correct)
    assert verifier_at_k(list(map(float, correct)), correct, k) == pytest.approx(float(oracle_at_k([one], k).mean))


@settings(max_examples=10)
@given(ROWS, st.integers(1, 3))
def test_chosen_at_k_agrees_with_the_closed_form(rows, k):
    """The random subsets of the votes, given a plain ranking, find what the formula says."""
    rows = [(score + 0.01 * i, right) for i, (score, right) in enumerate(rows)]
    one = ranked(*zip(*rows, strict=True))
    k = min(k, len(rows))
    found = chosen_at_k([one], k, lambda row, places: max(places, key=lambda i: row.scores[i]), 1000, 0)
    assert found.mean == pytest.approx(verifier_at_k(one.scores, one.correct, k), abs=0.08)


def test_k_out_of_range():
    with pytest.raises(ValueError, match="k=3"):
        verifier_at_k([1.0, 2.0], [1, 0], 3)
    assert best_of_k([ranked([1.0], [1]), ranked([1.0, 2.0], [1, 0], "u")], 2).tasks == ("u",)


@given(ROWS)
def test_auc_is_the_share_of_couples(rows):
    scores, correct = zip(*rows, strict=True)
    couples = [(a > b) + (a == b) / 2 for a, x in rows if x for b, y in rows if not y]
    found = auc([ranked(scores, correct)])
    if couples:
        assert found.mean == pytest.approx(sum(couples) / len(couples))
    else:
        assert math.isnan(found.mean)


def test_a_verifier_that_likes_short_programs_is_seen():
    rng = random.Random(0)
    rows = []
    for task in range(30):
        programs = ["x" * rng.randint(1, 50) for _ in range(8)]
        rows.append(ranked([-len(p) for p in programs], [n % 2 for n in range(8)], f"t{task}", programs))
    parts = breakdown(rows)
    assert parts["correct_is_shorter"]["mean"] == 1
    assert parts["correct_is_longer"]["mean"] == 0
    assert length_correlation(rows) == pytest.approx(-1)
    fair = [Ranked(row.task, row.candidates, tuple(map(float, row.correct))) for row in rows]
    assert breakdown(fair)["correct_is_longer"]["mean"] == 1


def test_accuracy_by_failure():
    programs = (
        candidate(True),
        candidate(False, failure="runtime_error"),
        candidate(False),
        candidate(False, public=True),
    )
    parts = breakdown([Ranked("t", programs, (1.0, 2.0, 0.0, 1.0))])
    assert parts["failure:runtime_error"]["mean"] == 0
    assert parts["failure:wrong_answer"]["mean"] == 1
    assert parts["failure:private_tests_only"]["mean"] == 0.5


@pytest.mark.parametrize("honest", [True, False])
def test_calibration_tells_knowledge_from_noise(honest):
    rng = np.random.default_rng(0)
    rows = []
    for task in range(200):
        scores = rng.normal(size=8)
        chance = 1 / (1 + np.exp(-2 * scores)) if honest else np.full(8, 0.5)
        rows.append(ranked(list(scores), list(rng.random(8) < chance), f"t{task}"))
    found = calibration(rows)
    assert found["ece"] < 0.1
    assert (found["brier"] < 0.9 * found["base_brier"]) == honest
    assert sum(part["programs"] for part in found["bins"]) == 1600


def test_choices():
    assert public_ranks([True, False, True, True], [0.0, 9.0, 1.0, 1.0]) == [1, 0, 2, 2]
    assert vote("abbc", [1, 1, 1, 1], [9.0, 0.0, 1.0, 5.0]) == 2
    assert vote("abbc", [4, 1, 1, 1], [9.0, 0.0, 1.0, 5.0]) == 0
    assert vote("ab", [1, 1], [0.0, 1.0]) == 1
    assert likelihood_weights([-1000.0, -1000.0 + math.log(3)]) == pytest.approx([1 / 3, 1])


def test_an_answer_without_a_program_is_wrong_and_never_chosen():
    said = [
        Episode("t", 0, (Turn("task", "prose", None),)),
        Episode("t", 1, (Turn("task", "", "print(1)", ("accepted",), ("accepted",)),)),
        Episode("t", 2, (Turn("task", "", "print(2)", ("sandbox_failure",), None),), sandbox_failure=True),
        Episode("u", 3, (Turn("task", "prose", None),)),
        Episode("u", 4, ()),
    ]
    answers = answers_of(said)
    assert [one.failure for one in answers["t"]] == ["no_program", ""]
    assert len(answers["u"]) == 1
    columns = {"t": [-math.inf, -9.0], "u": [-math.inf]}
    found = measure(answers, {"verifier": columns}, {"t": [None, 0], "u": [None]}, 2, 5, 0)
    assert found["pass@1"]["mean"] == 0.25
    assert found["no_program"] == 2
    solved = {name: points["2"]["mean"] for name, points in found["best_of_k"].items()}
    assert solved.pop("random") == 0.5
    assert set(solved.values()) == {1.0}
    assert solved.keys() >= {"oracle", "majority", "weighted_vote", "public_tests", "verifier"}


def test_clusters_are_what_programs_say_on_public_inputs(box):
    task = next(task for task in load_suite("starter:L0-L2")["train"] if task.references and task.mutants)
    reference = task.references[0].source
    sources = [reference, f"# the same\n{reference}", "print('a  b')", "print('a b')\n", "print('c')", "1 / 0"]
    a, b, c, d, e, f = output_clusters([(task, source) for source in sources], box)
    assert a == b
    assert c == d
    assert len({a, c, e, f}) == 4
