"""Selection for n@k against enumeration, against the closed form, and on policies with known chances."""

import itertools
import math
from random import Random

import pytest

from rlef.episode import Episode, Turn
from rlef.errors import RlefError
from rlef.evaluation import measures, outputs, selectors
from rlef.evaluation.estimators import n_at_k, pass_at_k
from rlef.evaluation.intervals import bootstrap
from rlef.evaluation.selection import parse_select
from rlef.verifiers.measures import verifier_at_k
from tasks import CallTest, StdioTest, Task

by_likelihood = selectors.by_score(selectors.likelihood)


def rollout(mark, task="t", seed=0, program="x", logprob=-1.0, turns=1):
    """One rollout whose last turn is right (+), passes the public tests only (p), or is wrong (-)."""
    public = "wrong_answer" if mark == "-" else "accepted"
    last = Turn("", "", program, (public,), {"+": ("accepted",), "p": ("wrong_answer",)}.get(mark),
                response_ids=(1,), logprobs=(logprob,))  # fmt: skip
    return Episode(task, seed, (Turn("", "", "x", ("wrong_answer",)),) * (turns - 1) + (last,))


@pytest.mark.parametrize("marks", ["+p--", "++pp-", "pppp+", "-----", "+++++"])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 3), (2, 3), (3, 4)])
def test_public_tests_first_is_the_closed_form(marks, n, k):
    pool = [rollout(mark) for mark in marks]
    exact = n_at_k(len(marks), marks.count("+"), marks.count("p"), n, k)
    assert exact == measures.Measure("", k, "n@k", n).scores(pool, 1).mean
    drawn = [selectors.selected_n_at_k(pool, selectors.public_first, n, k, seed=seed).mean for seed in range(300)]
    assert sum(drawn) / len(drawn) == pytest.approx(exact, abs=0.05)


def test_a_score_without_ties_is_enumerated_exactly():
    pool = [rollout(mark, logprob=-place) for place, mark in enumerate("p+--+")]
    for n, k in itertools.product((1, 2), (2, 3, 4)):
        subsets = list(itertools.combinations(pool, k))
        hits = sum(
            any(e.passed for e in sorted(drawn, key=lambda e: -e.turns[-1].logprobs[0])[:n]) for drawn in subsets
        )
        found = selectors.selected_n_at_k(pool, by_likelihood, n, k)
        assert found.mean == pytest.approx(hits / len(subsets))


def test_random_submissions_have_the_chance_of_n_samples():
    pool = [rollout(mark) for mark in "+p----"]
    drawn = [selectors.selected_n_at_k(pool, selectors.at_random, 2, 4, seed=seed).mean for seed in range(300)]
    assert sum(drawn) / len(drawn) == pytest.approx(pass_at_k(6, 1, 2), abs=0.03)


def test_clusters_submit_the_largest_first_and_one_of_each():
    answers = {"a": "7", "b": "7", "c": "7", "d": "8", "e": None}
    pool = [rollout("p" if name != "f" else "-", program=name) for name in "abcdef"]
    order = selectors.by_clusters(lambda episode: answers.get(episode.turns[-1].program))(pool, Random(0))
    names = "".join(pool[place].turns[-1].program for place in order)
    assert names[0] in "abc"
    assert set(names[1:3]) == {"d", "e"}
    assert set(names[3:5]) < set("abc")
    assert names[5] == "f"  # fails the public tests


def test_outputs_run_in_the_sandbox(box):
    doubles = [
        "print(2 * int(input()))",
        "n = int(input())\nprint(n + n, '')",
        "print(int(input()) ** 2)",
        "1 / 0",
        None,
    ]
    pool = [rollout("p", program=source) for source in doubles]
    task = Task("t", "Twice.", (StdioTest("3", "6"),), (StdioTest("4", "8"),), checker="tokens")
    said = outputs.outputs(pool, outputs.with_inputs([task], {"t": ["3", "5"]}), box)
    answers = [said(episode) for episode in pool]
    assert answers[0] == answers[1] != answers[2]
    assert answers[3][0][0] == "runtime_error"
    assert answers[4] is None
    assert outputs.with_inputs([task], {}) == []
    assert outputs.outputs(pool, [], box)(pool[0]) is None


def test_inputs_replace_every_test_and_nothing_is_expected():
    task = Task("t", "Add.", (CallTest((1, 2), 3),), (CallTest((2, 2), 4),), entry_point="add", checker="values")
    [asked] = outputs.with_inputs([task], {"t": ["1 2"], "other": ["3"]})
    assert asked.public_tests == (StdioTest("1 2", ""),)
    assert asked.private_tests == ()


def test_likelihood_of_an_answer_without_tokens_comes_last():
    bare = Episode("t", 0, (Turn("", "", "x"),))
    assert selectors.likelihood(bare) == -math.inf
    assert by_likelihood([bare, rollout("-", logprob=-99)], Random(0)) == [1, 0]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_best_scored_of_k_is_verifier_at_k(k):
    """The evaluation's draws and the verifier's closed form are one number."""
    scores = [3.0, 1.0, 4.0, 1.5, 2.0]
    pool = [rollout(mark, logprob=score) for mark, score in zip("+p--+", scores, strict=True)]
    found = selectors.selected_n_at_k(pool, by_likelihood, 1, k)
    assert found.mean == pytest.approx(verifier_at_k(scores, [e.passed for e in pool], k))


def test_public_tests_come_before_the_score():
    pool = [rollout(mark, logprob=score) for mark, score in zip("-p+", (0.0, -2.0, -1.0), strict=True)]
    assert by_likelihood(pool, Random(0)) == [0, 2, 1]
    assert selectors.by_score(selectors.likelihood, public=True)(pool, Random(0)) == [2, 1, 0]


def test_names_of_selectors():
    assert parse_select("public").kind == "public"
    assert parse_select("clusters", "inputs.jsonl").kind == "clusters"
    chosen = parse_select("public+verifier:runs/a:b")
    assert (chosen.kind, chosen.public, chosen.path) == ("verifier", True, "runs/a:b")
    assert not parse_select("verifier:x").public


@pytest.mark.parametrize("word", ["", "best", "verifier", "verifier:", "random:x", "public+random", "public+public",
                                  "public+", "clusters"])  # fmt: skip
def test_words_that_are_no_selector(word):
    with pytest.raises(RlefError, match=r"^(?!.*\n)"):
        parse_select(word)
    with pytest.raises(RlefError, match="belong together"):
        parse_select("public", "inputs.jsonl")


# ---------------------------------------------------------------- measures


def test_measures_by_name():
    found = {one.name: one for one in measures.parse_measures("first, 1@3,10@100,pass@5,pass^2", 3)}
    assert {name: one.rollouts for name, one in found.items()} == {
        "first": 1, "1@3": 1, "10@100": 33, "pass@5": 5, "pass^2": 2,
    }  # fmt: skip
    measures.check_samples(list(found.values()), 33)
    with pytest.raises(RlefError, match=r"10@100 needs 33 rollouts .* --evaluation.samples 33"):
        measures.check_samples(list(found.values()), 32)


@pytest.mark.parametrize("word", ["1@", "pass@0", "0@3", "best", "1@2"])
def test_words_that_are_no_measure(word):
    with pytest.raises(RlefError, match=r"^(?!.*\n)"):
        measures.parse_measures(word, 3)


def test_tasks_with_too_few_rollouts_are_left_out():
    pool = [rollout("+", "whole", seed) for seed in range(3)] + [rollout("-", "short")]
    [measure] = measures.parse_measures("pass@3", 1)
    assert measure.scores(pool, 1).tasks == ("whole",)


@pytest.mark.parametrize("turns", [1, 3])
def test_a_policy_with_known_chances_is_measured_right(turns):
    """A turn is right with chance p and passes the public tests only with chance q; an episode ends with either."""
    random, pool, truth = Random(turns), [], {"first": [], "1@3": [], "10@100": [], "pass@5": []}
    for task in range(200):
        p, q = random.choice([(0.02, 0.01), (0.1, 0.1), (0.3, 0.2), (0.0, 0.3)])
        through = sum((1 - p - q) ** turn for turn in range(turns))
        right, fooled = p * through, q * through
        truth["first"].append(p)
        truth["pass@5"].append(1 - (1 - right) ** 5)
        for name, n, k in (("1@3", 1, 3 // turns), ("10@100", 10, 100 // turns)):
            truth[name].append(chance(right, fooled, n, k))
        for seed in range(100 if turns == 1 else 40):
            for turn in range(1, turns + 1):
                draw = random.random()
                if draw < p + q or turn == turns:
                    mark = "+" if draw < p else "p" if draw < p + q else "-"
                    pool.append(rollout(mark, f"t{task}", seed, turns=turn))
                    break
    for measure in measures.parse_measures(",".join(truth), turns):
        found = bootstrap(measure.scores(pool, turns), level=0.999)
        expected = sum(truth[measure.name]) / 200
        assert found.low <= expected <= found.high, measure.name


def chance(right, fooled, n, k):
    """n@k for samples that are right, pass the public tests only, or neither, independently; by summation."""
    total = 0.0
    for a in range(k + 1):
        for b in range(k + 1 - a):
            odds = math.comb(k, a) * math.comb(k - a, b) * right**a * fooled**b * (1 - right - fooled) ** (k - a - b)
            if a:
                sent = min(n, a + b)
                total += odds * (1 - math.comb(b, sent) / math.comb(a + b, sent))
    return total


def test_a_choice_by_chance_is_drawn_again_where_there_is_one_subset_only():
    pool = [rollout(mark) for mark in "+++---"]
    assert selectors.selected_n_at_k(pool, selectors.at_random, 1, 6).mean == pytest.approx(0.5, abs=0.06)
