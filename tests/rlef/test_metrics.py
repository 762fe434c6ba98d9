"""The estimators against enumeration, cases worked by hand, and simulated interval coverage."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlef.evaluation import estimators, intervals, metrics
from rlef.evaluation.intervals import Scores
from rlef.evaluation.metrics import Outcome


def outcome(task, turns, seed=0, **more):
    """`turns` as "-+": a failed first program and a right second one."""
    return Outcome(task, seed, tuple(mark == "+" for mark in turns), **more)


def scores(values, weights=None):
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    return Scores(tuple(f"t{i}" for i in range(len(values))), np.asarray(values, float), weights)


# ---------------------------------------------------------------- estimators


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(samples, data):
    correct = data.draw(st.integers(0, samples))
    k = data.draw(st.integers(1, samples))
    pool = [True] * correct + [False] * (samples - correct)
    hits = [any(subset) for subset in itertools.combinations(pool, k)]
    assert estimators.pass_at_k(samples, correct, k) == pytest.approx(np.mean(hits), abs=1e-12)


def test_pass_at_k_by_hand_and_without_overflow():
    assert estimators.pass_at_k(4, 1, 1) == pytest.approx(0.25)
    assert estimators.pass_at_k(4, 1, 2) == pytest.approx(0.5)
    assert estimators.pass_at_k(5, 2, 3) == pytest.approx(1 - 1 / 10)
    exact = 1 - math.comb(9000, 1000) / math.comb(10000, 1000)
    assert estimators.pass_at_k(10000, 1000, 1000) == pytest.approx(exact)


def submissions(chosen, n):
    """Every way to submit n of the chosen samples that pass the public tests."""
    candidates = [right for public, right in chosen if public]
    return list(itertools.combinations(candidates, min(n, len(candidates))))


@given(st.lists(st.sampled_from([(True, True), (True, False), (False, False)]), min_size=1, max_size=6), st.data())
def test_n_at_k_is_the_average_over_draws_and_submissions(pool, data):
    k = data.draw(st.integers(1, len(pool)))
    n = data.draw(st.integers(1, k))
    expected = np.mean(
        [np.mean([any(picked) for picked in submissions(chosen, n)]) for chosen in itertools.combinations(pool, k)]
    )
    correct, public_only = pool.count((True, True)), pool.count((True, False))
    assert estimators.n_at_k(len(pool), correct, public_only, n, k) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 7), st.data())
def test_pass_hat_k_is_the_share_of_draws_that_all_pass(samples, data):
    correct, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    pool = [True] * correct + [False] * (samples - correct)
    expected = np.mean([all(drawn) for drawn in itertools.combinations(pool, k)])
    assert estimators.pass_hat_k(samples, correct, k) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.data())
def test_distinct_at_k_is_the_mean_over_draws(counts, data):
    pool = [name for name, count in enumerate(counts) for _ in range(count)]
    k = data.draw(st.integers(1, len(pool)))
    expected = np.mean([len(set(drawn)) for drawn in itertools.combinations(pool, k)])
    assert estimators.distinct_at_k(counts, k) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 30), st.data())
def test_n_at_k_relations(samples, data):
    correct = data.draw(st.integers(0, samples))
    public_only = data.draw(st.integers(0, samples - correct))
    k = data.draw(st.integers(1, samples))
    n = data.draw(st.integers(1, k))
    value = estimators.n_at_k(samples, correct, public_only, n, k)
    assert 0 <= value <= estimators.pass_at_k(samples, correct, k) + 1e-9
    reach = estimators.pass_at_k(samples, correct, k)
    assert estimators.n_at_k(samples, correct, public_only, k, k) == pytest.approx(reach)
    assert estimators.n_at_k(samples, correct, 0, n, k) == pytest.approx(reach)
    assert estimators.n_at_k(samples, correct, public_only, 1, 1) == pytest.approx(correct / samples)


@pytest.mark.parametrize(
    "call",
    [
        lambda: estimators.pass_at_k(3, 1, 4),
        lambda: estimators.pass_hat_k(3, 1, 4),
        lambda: intervals.tasks_needed(0, 1),
        lambda: intervals.tasks_needed(0.1, -1),
        lambda: estimators.pass_at_k(3, 4, 1),
        lambda: estimators.pass_at_k(3, 1, 0),
        lambda: estimators.n_at_k(3, 2, 2, 1, 1),
        lambda: estimators.n_at_k(3, 1, 0, 0, 1),
        lambda: metrics.repair_rate([outcome("a", "-")], turn=1),
        lambda: metrics.solved_n_at_k([outcome("a", "-")], 1, 2, 3),
        lambda: metrics.solved_n_at_k([outcome("a", "-"), outcome("a", "-", 1)], 1, 2, 1),
        lambda: outcome("a", ""),
        lambda: outcome("a", "+", public_passed=False),
        lambda: metrics.compare(scores([1.0]), Scores(("x",), np.ones(1), np.ones(1))),
        lambda: Scores(("x",), np.ones(2), np.ones(2)),
    ],
)
def test_impossible_requests_are_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()


# ---------------------------------------------------------------- scores


RUN = [
    outcome("a", "+", 0),
    outcome("a", "-+", 1),
    outcome("b", "---", 0),
    outcome("b", "--+", 1),
    outcome("b", "-", 2),  # passed the public tests, failed a private one
    Outcome("b", 3, (), failed=True),
    Outcome("c", 0, (), failed=True),
]


def test_scores_by_hand():
    first, final = metrics.solved_first(RUN), metrics.solved_final(RUN)
    assert first.tasks == ("a", "b")
    assert first.total.tolist() == pytest.approx([1 / 2, 0])
    assert final.total.tolist() == pytest.approx([1, 1 / 3])
    assert final.mean == pytest.approx(2 / 3)
    assert metrics.sandbox_failures(RUN) == 2
    assert metrics.repair_rate(RUN).mean == pytest.approx(2 / 4)
    assert metrics.repair_rate(RUN, 2).mean == pytest.approx(1 / 4)
    assert metrics.repair_rate(RUN, 3).mean == pytest.approx(1 / 4)
    assert metrics.repair_rate([outcome("a", "-+-")]).mean == 0  # the final answer counts


def test_1_at_3_of_three_turns_is_the_final_answer():
    assert metrics.solved_n_at_k(RUN, 1, 3, turn_limit=3).total.tolist() == metrics.solved_final(RUN).total.tolist()


def test_1_at_3_of_single_turns_chooses_by_public_tests():
    pool = [
        outcome("a", "+", 0, public_passed=True),
        outcome("a", "-", 1, public_passed=True),
        outcome("a", "-", 2, public_passed=False),
    ]
    assert metrics.solved_n_at_k(pool, 1, 3, turn_limit=1).mean == pytest.approx(1 / 2)
    assert metrics.solved_n_at_k(pool, 2, 3, turn_limit=1).mean == 1
    assert metrics.solved_pass_at_k(pool, 1).mean == pytest.approx(1 / 3)


def test_10_at_100_is_33_rollouts_of_three_turns():
    pool = [outcome("a", "--+" if i < 20 else "-", i, public_passed=i < 120) for i in range(200)]
    assert metrics.solved_n_at_k(pool, 10, 100, turn_limit=3).mean == estimators.n_at_k(200, 20, 100, 10, 33)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text("+-", min_size=1, max_size=3)), min_size=1))
def test_turns_add_up_and_the_final_answer_is_first_or_repaired(rows):
    run = [outcome(task, turns if "+" not in turns else turns[: turns.index("+") + 1], i)
           for i, (task, turns) in enumerate(rows)]  # fmt: skip
    whole = metrics.repair_rate(run)
    if whole.weight.sum():
        assert whole.mean == pytest.approx(metrics.repair_rate(run, 2).mean + metrics.repair_rate(run, 3).mean)
    first = sum(o.passed_by_turn[0] for o in run)
    assert first + whole.total.sum() == sum(o.passed_by_turn[-1] for o in run)


def test_nothing_to_weigh_gives_no_number():
    empty = metrics.bootstrap(metrics.solved_final([Outcome("a", 0, (), failed=True)]))
    assert empty.as_dict() == {"mean": None, "low": None, "high": None}
    assert math.isnan(metrics.repair_rate([outcome("a", "+")]).mean)


def test_summary_is_json_with_counts():
    block = json.loads(json.dumps(metrics.summary(RUN, turn_limit=3, draws=50), allow_nan=False))
    assert (block["tasks"], block["sandbox_failures"], block["rollouts_per_task"]) == (2, 2, 7 / 3)
    assert block["solved_1@3"]["mean"] == pytest.approx(2 / 3)
    assert block["repair_rate_by_turn"].keys() == {"2", "3"}


# ---------------------------------------------------------------- intervals


def test_bootstrap_equals_all_resamples_of_a_small_suite():
    small = scores([0.0, 0.2, 1.0], [1, 2, 3])
    draws = [small.total[list(rows)].sum() / small.weight[list(rows)].sum()
             for rows in itertools.product(range(3), repeat=3)]  # fmt: skip
    low, high = np.quantile(draws, [0.025, 0.975], method="inverted_cdf")
    got = metrics.bootstrap(small, draws=20000)
    assert (got.low, got.high) == pytest.approx((low, high))
    assert got.mean == small.mean


def test_interval_of_a_suite_where_nothing_or_all_is_solved():
    """All resamples agree there, yet 0 of 10 solved does not show that none of a thousand would be."""
    for problems in (1, 10, 104):
        low, high = (metrics.bootstrap(scores(np.full(problems, value))) for value in (0.0, 1.0))
        assert (low.mean, low.low) == (0, 0)
        assert (1 - low.high) ** problems == pytest.approx(0.025)
        assert (high.low, high.high) == pytest.approx((1 - low.high, 1))
    weighed = metrics.bootstrap(scores([0, 0, 0], [4, 0, 2]))
    assert (1 - weighed.high) ** 2 == pytest.approx(0.025)  # a task without failures says nothing about repair


def test_bootstrap_is_seeded():
    values = scores(np.linspace(0, 1, 17))
    assert metrics.bootstrap(values, seed=3) == metrics.bootstrap(values, seed=3)
    assert metrics.bootstrap(values, seed=3) != metrics.bootstrap(values, seed=4)


def test_interval_covers_the_truth_and_needs_the_cluster():
    """Problems differ in difficulty, so rollouts of one problem agree: resampling rollouts alone is too narrow."""
    rng = np.random.default_rng(0)
    problems, rollouts, repeats = 100, 4, 2000
    covered = rollout_covered = 0
    for repeat in range(repeats):
        difficulty = rng.beta(0.5, 0.5, problems)
        passed = rng.random((problems, rollouts)) < difficulty[:, None]
        cluster = metrics.bootstrap(scores(passed.mean(1)), draws=300, seed=repeat)
        covered += cluster.low <= 0.5 <= cluster.high
        if repeat < 100:
            alone = metrics.bootstrap(scores(passed.ravel()), draws=200, seed=repeat)
            rollout_covered += alone.low <= 0.5 <= alone.high
    assert abs(covered / repeats - 0.95) <= 0.015
    assert rollout_covered / 100 < 0.85


def test_paired_interval_covers_the_true_difference():
    rng = np.random.default_rng(1)
    truth = 0.1 * 0.99 + 2 / 3 * 0.1**3  # the gain min(0.1, 1 - base), averaged over the density 2 (1 - base)
    repeats, covered = 300, 0
    for repeat in range(repeats):
        base = rng.beta(1, 2, 80)
        better = np.minimum(1, base + 0.1)
        before = scores((rng.random((80, 4)) < base[:, None]).mean(1))
        after = scores((rng.random((80, 4)) < better[:, None]).mean(1))
        got = metrics.compare(before, after, draws=300, seed=repeat).difference
        covered += got.low <= truth <= got.high
    assert 0.91 <= covered / repeats <= 0.985


# ---------------------------------------------------------------- comparisons


def test_compare_by_hand():
    got = metrics.compare(scores([0.0, 0.5, 0.5, 0.0]), scores([0.5, 1.0, 1.0, 0.5]))
    assert (got.difference.mean, got.difference.low, got.difference.high) == (0.5, 0.5, 0.5)
    assert got.ratio.mean == pytest.approx(3)
    assert got.p_value == 2 / 16  # only no exchange and all exchanges are as extreme
    assert got.tasks == 4


def test_compare_pairs_by_name_on_common_tasks():
    before = Scores(("a", "b", "gone"), np.array([0.1, 0.9, 0.0]), np.ones(3))
    after = Scores(("b", "new", "a"), np.array([0.9, 1.0, 0.1]), np.ones(3))
    got = metrics.compare(before, after)
    assert got.tasks == 2
    assert got.difference.mean == pytest.approx(0)
    assert got.p_value == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 2), min_size=1, max_size=8))
def test_p_value_is_the_share_of_sign_flips_as_extreme(pairs):
    old, new = np.array(pairs, float).T / 4
    flips = np.array(list(itertools.product([1, -1], repeat=len(pairs))))
    means = np.abs((flips * (new - old)).mean(1))
    expected = np.mean(means >= abs((new - old).mean()) - 1e-12)
    exact = metrics.compare(scores(old), scores(new), draws=2000)
    assert exact.p_value == pytest.approx(expected)
    assert exact.p_value == metrics.compare(scores(new), scores(old), draws=2000).p_value
    sampled = intervals._exchange_test(scores(old), scores(new), draws=2 ** len(pairs) - 1, seed=0)
    assert 0 < sampled <= 1


def test_p_value_is_uniform_when_nothing_changed_and_small_when_much_did():
    rng = np.random.default_rng(2)
    values = []
    for repeat in range(200):
        rate = rng.random(60)[:, None]
        one, two = (rng.random((2, 60, 4)) < rate).mean(2)
        values.append(metrics.compare(scores(one), scores(two), draws=200, seed=repeat).p_value)
    assert 0.02 <= np.mean(np.array(values) <= 0.05) <= 0.09
    assert metrics.compare(scores(np.zeros(60)), scores(np.full(60, 0.25))).p_value < 0.001


def test_ratio_against_a_run_that_solves_nothing_is_null_in_json():
    got = metrics.compare(scores([0.0, 0.0, 0.0]), scores([1.0, 0.0, 1.0]))
    assert got.ratio.as_dict()["mean"] is None
    assert got.difference.as_dict()["mean"] == pytest.approx(2 / 3)


def test_repair_rates_are_compared_with_their_weights():
    before = scores([0, 0, 1], [4, 4, 4])
    after = scores([1, 2, 1], [1, 2, 4])
    got = metrics.compare(before, after)
    assert got.difference.mean == pytest.approx(4 / 7 - 1 / 12)
    assert 0 < got.p_value <= 1


# ---------------------------------------------------------------- sample size


@pytest.mark.parametrize(("difference", "deviation"), [(0.05, 0.2), (0.02, 0.1), (-0.1, 0.5)])
def test_tasks_needed_see_the_difference_in_eight_of_ten_comparisons(difference, deviation):
    tasks = intervals.tasks_needed(difference, deviation)
    rng = np.random.default_rng(3)
    means = rng.normal(difference, deviation, (4000, tasks))
    z = means.mean(1) / (means.std(1, ddof=1) / np.sqrt(tasks))
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.03)
    assert intervals.tasks_needed(difference, deviation, power=0.9) > tasks


def test_paired_deviation_is_that_of_the_differences():
    before, after = scores([0.0, 0.5, 1.0]), scores([0.5, 0.5, 0.0])
    assert intervals.paired_deviation(before, after) == pytest.approx(np.std([0.5, 0, -1], ddof=1))
    assert math.isnan(intervals.paired_deviation(scores([1.0]), scores([0.0])))
