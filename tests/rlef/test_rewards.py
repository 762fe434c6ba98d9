"""Rewards: every one by hand, and on dialogues with the real sandbox."""

import itertools
import math
import pickle
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlef.config import FeedbackConfig, load_config
from rlef.envs.dialogue import Dialogue, DialogueSettings, step_many
from rlef.envs.rewards import GATES, REWARDS, Facts, Reward, difficulty, fraction, reward_of
from rlef.errors import RlefError
from rlef.learners.advantages import lambda_returns
from tasks import StdioTest, Task

A, W = "accepted", "wrong_answer"
TASK = Task(
    "double", "Print twice the number.", (StdioTest("2\n", "4\n"),),
    tuple(StdioTest(f"{i}\n", f"{2 * i}\n") for i in (3, 5, 7, 9)),
)  # fmt: skip
RIGHT = "```python\nprint(int(input()) * 2)\n```"


def below(limit, public=False):
    """Right for inputs below a limit, and on the public test if said so."""
    known = "n == 2 or " if public else "n != 2 and "
    return f"```python\nn = int(input())\nprint(n * 2 if {known}n < {limit} else 'no')\n```"


def facts(**more):
    return Facts(**{"final": True, "passed": False, "has_code": True, **more})


def mine(facts):
    return 2.5 * len(facts.private)


needy = Reward(mine, private="every")


def broken(facts):
    return 1 / 0


def no_number(facts):
    return "1 point"


def not_finite(facts):
    return math.inf


def half(facts):
    return 0.5


def test_share_of_private_tests():
    assert fraction(facts(private=(A, W, A, A))) == 0.75
    assert fraction(facts()) == 0.0
    for name, final, value in [("fraction", True, 0.75), ("fraction", False, 0), ("fraction_local", False, 0.75)]:
        assert reward_of(name).pay(facts(final=final, private=(A, W, A, A))) == value


def test_harder_tests_weigh_more():
    """Two tests with pass rates 3/4 and 1/4: passing the hard one only is worth three times the easy one."""
    assert difficulty(facts(private=(A, W), rates=(0.75, 0.25))) == 0.25
    assert difficulty(facts(private=(W, A), rates=(0.75, 0.25))) == 0.75
    assert difficulty(facts(private=(A, A), rates=(0.75, 0.25))) == 1.0
    assert difficulty(facts()) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99)), max_size=9))
def test_difficulty_is_between_none_and_all(tests):
    value = difficulty(
        facts(private=tuple(A if passed else W for passed, _ in tests), rates=tuple(r for _, r in tests))
    )
    assert 0 <= value <= 1 + 1e-12
    assert (value == 0) == (not any(passed for passed, _ in tests))


def scores(name, shares):
    """Rewards of a dialogue whose programs pass these shares of four private tests."""
    paid, previous = [], None
    for number, share in enumerate(shares):
        one = facts(
            final=number == len(shares) - 1, passed=share == 4, private=(A,) * share + (W,) * (4 - share),
            rates=(0.5,) * 4, previous=previous,
        )  # fmt: skip
        paid.append(reward_of(name).pay(one))
        previous = replace(one, previous=None)
    return paid


@pytest.mark.parametrize("kind", ["fraction", "difficulty"])
@pytest.mark.parametrize("shares", list(itertools.product((0, 1, 3, 4), repeat=3)))
def test_trajectory_local_and_return_to_go(kind, shares):
    """A gain's return-to-go is what the rest of the dialogue adds; a local score with gamma 0 is its own return."""
    mask = torch.ones(1, 3, dtype=torch.bool)
    gained = lambda_returns(torch.tensor([scores(f"{kind}_gain", shares)]), mask, gamma=1.0)[0]
    local = lambda_returns(torch.tensor([scores(f"{kind}_local", shares)]), mask, gamma=0.0)[0]
    before = [0, *shares[:-1]]
    assert gained.tolist() == pytest.approx([(shares[-1] - share) / 4 for share in before])
    assert local.tolist() == pytest.approx([share / 4 for share in shares])


def test_attempts_are_trajectory_local():
    assert scores("attempt", (1, 4)) == [0.0, 1.0]


def test_gates_multiply_what_is_gained_and_never_add():
    forged = facts(passed=True, trust="forgeable")
    assert reward_of("execution * sound").pay(forged) == 0.0
    assert reward_of("execution * sound").pay(replace(forged, trust="sound")) == 1.0
    assert reward_of("execution*sound").pay(replace(forged, passed=False)) == -1.0
    again = facts(passed=True, program="x", previous=facts(program="x"))
    assert reward_of("attempt * fresh").pay(again) == 0.0
    assert reward_of("attempt * fresh").pay(replace(again, program="y")) == 1.0
    assert reward_of("fraction * public").pay(facts(public=(W,), private=(A,))) == 0.0
    assert reward_of(f"fraction * {__name__}:half").pay(facts(private=(A,))) == 0.5


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.parametrize("gate", GATES)
def test_a_gated_reward_is_never_above_the_bare_one_nor_below_minus_its_loss(name, gate):
    for final, passed, code, trust in itertools.product(
        (True, False), (True, False), (True, False), ("sound", "forgeable")
    ):
        one = facts(
            final=final, passed=passed, has_code=code, trust=trust, public=(W,), private=(A, W), rates=(0.5, 0.5)
        )
        bare, gated = reward_of(name).pay(one), reward_of(f"{name} * {gate}").pay(one)
        assert min(bare, 0) <= gated <= bare or gated == bare


MISTAKES = {
    "executon": "unknown reward 'executon'; there are: execution, outcome",
    "execution * sond": "unknown gate 'sond'; there are: sound, public, fresh",
    "nowhere:f": "ModuleNotFoundError.*PYTHONPATH",
    f"{__name__}:nothing": "AttributeError",
    f"{__name__}:A": "is str; it must be a function",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_found_before_anything_runs(name):
    with pytest.raises(RlefError, match=MISTAKES[name]):
        DialogueSettings(reward=name)


def test_reading_a_configuration_imports_nothing(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('reward = "nowhere:f * sound"\n')
    assert load_config(path).reward == "nowhere:f * sound"
    path.write_text('reward = "execution * sond"\n')
    with pytest.raises(RlefError, match="unknown gate"):
        load_config(path)


def test_unknown_feedback_mode():
    with pytest.raises(RlefError, match="unknown feedback mode 'stall'; there are: true"):
        DialogueSettings(feedback=FeedbackConfig(mode="stall"))


@pytest.mark.parametrize(("name", "message"), [
    ("broken", "failed on a turn .ZeroDivisionError"), ("no_number", "ValueError"), ("not_finite", "finite number"),
    ("mine", ""),
])  # fmt: skip
def test_ones_own(name, message):
    reward = reward_of(f"{__name__}:{name}")
    if not message:
        assert reward.pay(facts(private=(A, A))) == 5.0
        return
    with pytest.raises(RlefError, match=message):
        reward.pay(facts())


def play(box, answers, reward, copies=1, **more):
    """Steps of `copies` dialogues that say the same, or of one dialogue for each list of answers."""
    talks = answers if isinstance(answers[0], list) else [answers] * copies
    settings = pickle.loads(pickle.dumps(DialogueSettings(reward=reward, **more)))
    dialogues = [Dialogue(TASK, settings) for _ in talks]
    steps = []
    for said in zip(*talks, strict=True):
        steps.append(step_many(dialogues, list(said), box))
    return steps


def test_private_tests_run_as_a_reward_needs(box):
    """Only what decides for the paper's; the last program fully for a share; every program for a gain."""
    answers = [below(6), below(8), below(4, public=True)]
    steps = play(box, answers, "execution")
    assert [step.private for [step] in steps] == [None, None, (A, W)]
    steps = play(box, answers[:2], "fraction", turn_limit=2)
    assert [(step.private, step.reward) for [step] in steps] == [(None, 0.0), ((A, A, A, W), 0.75)]
    steps = play(box, answers, "fraction_gain")
    assert [step.private for [step] in steps] == [(A, A, W, W), (A, A, A, W), (A, W, W, W)]
    assert [step.reward for [step] in steps] == [0.5, 0.25, -0.5]
    assert [step.terminated for [step] in steps] == [False, False, True]
    steps = play(box, answers[:1], f"{__name__}:needy")
    assert steps[0][0].reward == 10.0


def test_no_program_has_no_share(box):
    [[first], [second]] = play(box, ["none", RIGHT], "difficulty_gain")
    assert (first.reward, first.private, second.reward) == (0.0, None, 1.0)


def test_weights_come_from_the_programs_judged_together(box):
    """Three samples: pass rates of the four tests are (3, 2, 1, 1) of 3, smoothed (4, 3, 2, 2) / 5."""
    [steps] = play(box, [[RIGHT], [below(6, True)], [below(4, True)]], "difficulty")
    assert steps[0].rates == steps[2].rates == (0.8, 0.6, 0.4, 0.4)
    assert [step.reward for step in steps] == pytest.approx([1.0, 0.6 / 1.8, 0.2 / 1.8])
    [alone] = play(box, [below(6, True)], "difficulty")
    assert alone[0].rates == (2 / 3, 2 / 3, 1 / 3, 1 / 3)


def test_critic_information_is_apart(box):
    """Verdicts that decide nothing are for a critic, in single and vector environments alike."""
    import gymnasium

    import rlef.envs  # noqa: F401

    env = gymnasium.make("rlef/CodeRepair-v0", suite=[TASK], box=box, critic=True)
    env.reset(seed=0)
    *_, info = env.step(below(6))
    assert (info["private"], info["passed"], info["critic"]) == (None, False, {"private": (A, A, W, W)})
    *_, info = env.step(RIGHT)
    assert (info["private"], info["passed"]) == ((A,) * 4, True)
    vector = gymnasium.make_vec("rlef/CodeRepair-v0", num_envs=2, suite=[TASK], box=box, critic=True)
    vector.reset(seed=0)
    *_, infos = vector.step([below(6), RIGHT])
    assert list(infos["critic"]["private"]) == [(A, A, W, W), (A,) * 4]
    plain = gymnasium.make("rlef/CodeRepair-v0", suite=[TASK], box=box)
    plain.reset(seed=0)
    assert "critic" not in plain.step(below(6))[4]


def test_a_grouped_reward_needs_all_private_tests():
    with pytest.raises(RlefError, match="all private tests"):
        Reward(lambda facts: 0.0, grouped=True)
