"""Pairs: never the same program twice, never the same verdict, never a test task; hard ones first; balanced."""

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlef.envs.answers import answer_of
from rlef.episode import Episode, Turn
from rlef.errors import RlefError
from rlef.verifiers.pairs import describe, distinct, make_pairs, read_pairs, write_pairs
from rlef.verifiers.pool import check_training_only, pool_of
from rlef.verifiers.programs import edit_distance, normal_form

FAILURES = ("wrong_answer", "runtime_error", "time_limit")


def turn(program, verdict="accepted", hidden=False, **more):
    """A judged turn: accepted, failing its public test, or (hidden) failing a private one only."""
    if verdict == "accepted" or hidden:
        return Turn("task", "", program, ("accepted",), (verdict,), **more)
    return Turn("task", "", program, (verdict,), None, **more)


def episode(*turns, task="t", **more):
    return Episode(task, 0, turns, **more)


@pytest.mark.parametrize(
    "source", ["(" * 20000, "-" * 100000 + "1", "a" + ".b" * 100000, "\0", "\ud800", "9" * 10000, "1+" * 50000 + "1"]
)
def test_hostile_text_is_compared_and_does_no_harm(source):
    assert normal_form(source) == normal_form(source + " ")


def test_a_program_is_never_run_to_compare_it(tmp_path):
    mark = tmp_path / "ran"
    source = f"open({str(mark)!r}, 'w')"
    normal_form(source)
    assert not mark.exists()
    exec(source)  # the control: had it been run, the file would be there
    assert mark.exists()


def test_an_indented_first_line_stays_wrong():
    """Stripping it would show a program that passes under the label of one that fails."""
    assert answer_of("\n  print(1)\n") == "```python\n  print(1)\n```"


@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_edit_distance_is_levenshteins(a, b):
    table = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i, j in itertools.product(range(1, len(a) + 1), range(1, len(b) + 1)):
        table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
    assert edit_distance(a, b) == table[len(a), len(b)]


VERDICTS = st.sampled_from([("accepted", False), *((f, h) for f in FAILURES for h in (False, True))])
TURNS = st.builds(lambda n, v: turn(f"print({n})", v[0], v[1]), st.integers(0, 8), VERDICTS)
TALKS = st.lists(TURNS, min_size=1, max_size=3)
EPISODES = st.lists(
    st.builds(lambda turns, task: episode(*turns, task=task), TALKS, st.sampled_from("tu")), min_size=1, max_size=12
)


@settings(max_examples=200)
@given(EPISODES, st.integers(1, 5))
def test_whatever_the_pool_pairs_are_pairs(episodes, per_task):
    pool = pool_of(episodes)
    passed = {}
    for one in pool.candidates:
        passed.setdefault((one.task, normal_form(one.program)), set()).add(one.passed)
    stable = {(task, min(seen)) for (task, _), seen in passed.items() if len(seen) == 1}
    if not any((task, True) in stable and (task, False) in stable for task in "tu"):
        with pytest.raises(RlefError, match="no pairs"):
            make_pairs(pool, per_task, 0)
        return
    pairs = make_pairs(pool, per_task, 0)
    assert max(Counter(pair.task for pair in pairs).values()) <= per_task
    assert len({(pair.task, normal_form(pair.chosen), normal_form(pair.rejected)) for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert normal_form(pair.chosen) != normal_form(pair.rejected)
        assert passed[pair.task, normal_form(pair.chosen)] == {True}
        assert passed[pair.task, normal_form(pair.rejected)] == {False}
        assert pair.edit_distance == edit_distance(pair.rejected, pair.chosen) > 0
    shuffled = random.Random(0).sample(episodes, len(episodes))
    assert sorted(map(str, pairs)) == sorted(map(str, make_pairs(pool_of(shuffled), per_task, 0)))


def test_all_of_the_product_when_there_is_room():
    pool = pool_of([episode(turn(f"print({n})")) for n in range(3)]
                   + [episode(turn(f"print({n})", "wrong_answer")) for n in range(3, 7)])  # fmt: skip
    assert len(make_pairs(pool, 100, 0)) == 12
    assert len(make_pairs(pool, 5, 0)) == 5


def test_hard_negatives_come_first_then_kinds_in_turn():
    wrong = [turn(f"print({n})", FAILURES[n % 2]) for n in range(10)]
    hard = [turn(f"print({n})", "wrong_answer", hidden=True) for n in range(10, 12)]
    pool = pool_of([episode(one) for one in (*wrong, *hard, turn("print(99)"))])
    pairs = make_pairs(pool, 6, 0)
    assert [pair.hard for pair in pairs] == [True, True, False, False, False, False]
    assert Counter(pair.failure for pair in pairs[2:]) == {"wrong_answer": 2, "runtime_error": 2}


def test_a_failure_meets_its_repair():
    broken, mended = "n = int(input())\nprint(n - 1)", "n = int(input())\nprint(n + 1)"
    others = [episode(turn("x = int(input()); x += 1; print(x)")), episode(turn("print('?')", "wrong_answer"))]
    pool = pool_of([*others, episode(turn("print(0)", "wrong_answer"), turn(broken, "wrong_answer"), turn(mended))])
    pairs = make_pairs(pool, 3, 0)
    [repair] = [pair for pair in pairs if pair.kind == "repair"]
    assert (repair.rejected, repair.chosen, repair.edit_distance) == (broken, mended, 1)
    assert repair is pairs[0]
    assert describe(pairs, pool)["repair"] == 1


def test_the_correct_program_is_as_often_longer_as_shorter():
    rng = random.Random(0)
    episodes = []
    for task in range(40):
        for n in range(4):
            episodes.append(episode(turn(f"print({'1' * rng.randint(1, 30)}, {n})"), task=f"t{task}"))
            episodes.append(episode(turn(f"print({'2' * rng.randint(1, 30)}, {n})", "wrong_answer"), task=f"t{task}"))
    pool = pool_of(episodes)
    facts = describe(make_pairs(pool, 4, 0), pool)
    assert abs(facts["chosen_longer"] - facts["chosen_shorter"]) <= 2
    assert facts["pairs"] == 160


def test_untrusted_verdicts_are_left_out():
    good, bad = turn("print(1)"), turn("print(2)", "wrong_answer")
    unsure = [
        episode(turn("print(3)", trust="forgeable")),
        episode(turn("print(4)", "sandbox_failure")),
        episode(turn("print(5)", "checker_failure", hidden=True)),
        episode(turn("print(6)", "wrong_answer"), sandbox_failure=True),
        episode(Turn("task", "", "print(7)", ("accepted",), None)),
        episode(Turn("task", "no code", None, (), None)),
    ]
    pool = pool_of([episode(good), episode(bad), *unsure])
    assert {one.program for one in pool.candidates} == {"print(1)", "print(2)"}
    assert pool.excluded == {"forgeable": 1, "unjudged": 4, "no_program": 1}
    assert [(pair.chosen, pair.rejected) for pair in make_pairs(pool, 9, 0)] == [("print(1)", "print(2)")]


def test_a_program_with_two_verdicts_is_nobodys():
    pool = pool_of([episode(turn("print(1)")), episode(turn("print( 1 )", "time_limit")), episode(turn("print(2)"))])
    kept, unstable = distinct(pool.candidates)
    assert [one.program for one in kept] == ["print(2)"]
    assert unstable == 1


def test_a_planted_test_task_is_refused():
    episodes = [episode(turn("print(1)"), task="a", suite="s"), episode(turn("print(1)"), task="held-out", suite="s")]
    check_training_only(episodes[:1], "s", {"a"}, "episodes.jsonl")
    with pytest.raises(RlefError, match=r'episodes.jsonl, line 2: task "held-out" is not in split "train"'):
        check_training_only(episodes, "s", {"a"}, "episodes.jsonl")
    with pytest.raises(RlefError, match='suite "s"'):
        check_training_only(episodes, "other", {"a"}, "episodes.jsonl")


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([], "none of the 0 judged programs is correct"),
        ([turn("print(1)", "wrong_answer"), turn("print(2)", trust="forgeable")], r"is correct; .*sft.programs"),
        ([turn("print(1)", "wrong_answer"), Turn("", "", None)], r"left out: 1 no program"),
        ([turn("print(1)")], "is wrong; take harder tasks"),
    ],
)
def test_empty_pools_say_what_to_do(turns, message):
    with pytest.raises(RlefError, match=message):
        make_pairs(pool_of([episode(one) for one in turns]), 4, 0)


def test_no_task_with_both_says_what_to_do():
    pool = pool_of([episode(turn("print(1)")), episode(turn("print(2)", "wrong_answer"), task="u")])
    with pytest.raises(RlefError, match="no task has both"):
        make_pairs(pool, 4, 0)


def test_the_file_is_read_by_datasets_and_by_us(tmp_path):
    datasets = pytest.importorskip("datasets")
    pool = pool_of([episode(turn("print(1)")), episode(turn("print('é\\n')", "wrong_answer", hidden=True))])
    pairs = make_pairs(pool, 4, 0)
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, pairs, "You write Python programs.")
    assert read_pairs(path) == pairs
    [row] = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    assert row["chosen"] == [{"role": "assistant", "content": "```python\nprint(1)\n```"}]
    path.write_text('{"task": 1}\n')
    with pytest.raises(RlefError, match="line 1: not a pair"):
        read_pairs(path)
