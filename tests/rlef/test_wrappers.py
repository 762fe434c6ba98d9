"""Wrappers, and what a sandbox that fails at any turn comes to in every loop there is."""

import gymnasium
import numpy as np
import pytest

import rlef.envs  # noqa: F401 - registers the environment
from rlef.envs.wrappers import RecordEpisodes, TimeBudget
from rlef.episode import read_episodes
from sandbox import Execution, Limits, Status
from tasks import StdioTest, Task

TASK = Task(
    "double", "Print twice the number.", (StdioTest("2\n", "4\n"),), (StdioTest("7\n", "14\n"),), Limits(wall_s=5.0)
)
RIGHT, WRONG = "```python\nprint(int(input()) * 2)\n```", "```python\nprint(int(input()) + 3)\n```"
SLOW = "```python\nimport time\ntime.sleep(0.3)\nprint(0)\n```"


def make(box, **more):
    return gymnasium.make("rlef/CodeRepair-v0", suite=[TASK], box=box, **more)


def test_recorded_episodes(box, tmp_path):
    path = tmp_path / "e.jsonl"
    env = RecordEpisodes(gymnasium.wrappers.TimeLimit(make(box), 2), path, suite="mine")
    first, _ = env.reset(seed=3)
    second, *_ = env.step(WRONG)
    env.step(RIGHT)
    env.reset()
    env.step(WRONG)
    env.step(WRONG)  # cut by the time limit
    env.reset()
    env.reset()
    env.step("nothing")
    env.close()  # left
    solved, cut, left = read_episodes(path)
    assert [turn.observation for turn in solved.turns] == [first, second]
    assert [turn.response for turn in solved.turns] == [WRONG, RIGHT]
    assert (solved.passed, solved.truncated, solved.reward, solved.suite) == (True, False, 1.0, "mine")
    assert [(len(one.turns), one.truncated, one.sandbox_failure) for one in (cut, left)] == [
        (2, True, False),
        (1, True, False),
    ]
    assert len({solved.seed, cut.seed, left.seed}) == 3
    again = make(box)
    again.reset(seed=3)
    assert solved.seed == again.unwrapped.dialogue.seed


def test_budget_of_program_time(box):
    env = TimeBudget(make(box, turn_limit=5), 0.5)
    for _ in range(2):  # the budget is an episode's
        _, info = env.reset(seed=0)
        assert info["time_left_s"] == 0.5
        assert env.step("nothing")[2:4] == (False, False)
        *_, terminated, truncated, info = env.step(SLOW)
        assert (terminated, truncated) == (False, False)
        assert 0 < info["time_left_s"] <= 0.2
        *_, terminated, truncated, info = env.step(SLOW)
        assert (terminated, truncated, info["time_left_s"]) == (False, True, 0.0)
    env = TimeBudget(make(box, turn_limit=1), 0.01)
    env.reset(seed=0)
    assert env.step(SLOW)[2:4] == (True, False)  # an end of the task's own is none from outside


def test_wrapped_environments_can_be_made_from_their_spec(tmp_path):
    env = TimeBudget(RecordEpisodes(make(None), str(tmp_path / "e.jsonl")), 3.0)
    again = gymnasium.make(env.spec)
    assert isinstance(again, TimeBudget)
    assert isinstance(again.env, RecordEpisodes)
    assert again.reset(seed=0)[0] == env.reset(seed=0)[0]


class Failing:
    """The real sandbox, which is gone from the `turn`-th batch of public tests on."""

    def __init__(self, box, turn):
        self.box, self.left = box, turn

    def run_many(self, submissions, stop_on_failure=False):
        self.left -= 1
        if self.left >= 0:
            return self.box.run_many(submissions, stop_on_failure)
        return [[Execution(Status.SANDBOX_FAILURE)] * len(one.inputs) for one in submissions]


@pytest.mark.parametrize("turn", [0, 1, 2])
@pytest.mark.parametrize("rules", [{}, {"reward": "fraction_gain"}, {"critic": True, "reward": "difficulty"}], ids=str)
def test_a_failing_sandbox_truncates_wherever_it_fails(box, turn, rules, tmp_path):
    batches = 2 if rules else 1  # of a turn: private tests run as well
    env = RecordEpisodes(make(Failing(box, batches * turn), **rules), tmp_path / "e.jsonl")
    env.reset(seed=0)
    for _ in range(turn):
        assert env.step(WRONG)[2:4] == (False, False)
    observation, reward, terminated, truncated, info = env.step(RIGHT)
    assert (observation, reward, terminated, truncated) == ("", 0.0, False, True)
    assert info["sandbox_failure"]
    assert not info["passed"]
    [episode] = read_episodes(tmp_path / "e.jsonl")
    assert (episode.truncated, episode.sandbox_failure, episode.passed, len(episode.turns)) == (
        True,
        True,
        False,
        turn + 1,
    )


def test_private_tests_that_fail_to_run_are_nobodys_score_either(box):
    env = make(Failing(box, 1))
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(RIGHT)
    assert (reward, terminated, truncated, info["sandbox_failure"]) == (0.0, False, True, True)


def test_vector_environment_goes_on_after_a_failure(box):
    failing = Failing(box, 1)
    vector = gymnasium.make_vec("rlef/CodeRepair-v0", num_envs=2, suite=[TASK], box=failing)
    vector.reset(seed=0)
    vector.step([WRONG, WRONG])
    _, rewards, terminated, truncated, infos = vector.step([RIGHT, WRONG])
    assert (rewards.tolist(), terminated.any(), truncated.all()) == ([0.0, 0.0], np.False_, np.True_)
    assert infos["sandbox_failure"].all()
    failing.left = 100
    texts, *_ = vector.step([RIGHT, RIGHT])  # autoreset
    assert all(text.startswith("Print twice") for text in texts)
    _, rewards, terminated, *_ = vector.step([RIGHT, RIGHT])
    assert (rewards.tolist(), terminated.all()) == ([1.0, 1.0], np.True_)


@pytest.mark.parametrize("turn", [0, 1])
def test_a_rollout_masks_the_failure_and_counts_it_apart(box, turn, tiny_model):
    from rlef.envs.dialogue import DialogueSettings
    from rlef.evaluation.evaluate import outcomes_of
    from rlef.policies.engine import TransformersEngine
    from rlef.policies.interface import Sample, Sampling, in_rounds
    from rlef.policies.load import load_policy
    from rlef.rollout import Start, collect
    from rlef.train import _describe

    class Talker(TransformersEngine):
        """The tiny model's tokens are noise; what it says must hold a program for the sandbox to be asked."""

        def generate(self, requests, sampling):
            ids = tuple(policy.chat.answer(WRONG))
            return [Sample(ids, (0.0,) * len(ids), None) for _ in requests]

        def run(self, requests, sampling, follow):
            in_rounds(self.generate, requests, sampling, follow)

    policy = load_policy(str(tiny_model), "")
    engine = Talker(policy.model, policy.chat.stop_ids)
    episodes = collect(
        [Start(TASK, 0), Start(TASK, 1)], engine, policy.chat, Failing(box, turn), sampling=Sampling(1.0, 1.0, 40),
        settings=DialogueSettings(2), context=900,
    )  # fmt: skip
    assert all(episode.truncated and episode.sandbox_failure and len(episode.turns) == turn + 1 for episode in episodes)
    assert all(outcome.failed for outcome in outcomes_of(episodes))
    metrics = _describe(episodes)
    assert metrics["rollout/sandbox_failures"] == 1.0
    assert np.isnan(metrics["rollout/reward"])
