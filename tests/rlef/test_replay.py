"""Records are played and judged again; every change in one is found."""

import json
import subprocess
import sys
from dataclasses import replace

import gymnasium
import pytest

import rlef.envs  # noqa: F401 - registers the environment
from rlef.config import FeedbackConfig
from rlef.envs.wrappers import RecordEpisodes
from rlef.episode import Episode, read_episodes
from rlef.errors import RlefError
from rlef.recorded import Recorded
from rlef.rejudge import RejudgeConfig, rejudge
from rlef.replay import replay
from sandbox import Execution, Program, Status
from tasks import Suite, register_suite
from tasks.task import StdioTest, Task

MODES = ["true", "none", "random", "stale", "one_test", "perturbed"]
CRASH, NONE = "```python\nprint(1 // 0)\n```", "no program"
ADDRESS = "```python\nprint(object())\n```"
TASKS = [
    Task(
        f"times{n}", f"Print {n} times the number.", tuple(StdioTest(f"{i}\n", f"{i * n}\n") for i in (2, 5, 6)),
        tuple(StdioTest(f"{i}\n", f"{i * n}\n") for i in (7, 0, 3)),
        mutants=tuple(Program(f"print(int(input()) * {n} + {wrong})") for wrong in (1, 2, 3, 4)),
    )
    for n in (2, 3, 4)
]  # fmt: skip
register_suite("times", lambda path: Suite("times", {"train": TASKS[:2], "test": TASKS[2:]}))


def right(n):
    return f"```python\nprint(int(input()) * {n})\n```"


ANSWERS = [[CRASH, ADDRESS, right(2)], [NONE, right(9), right(3)], [right(4)], [ADDRESS, CRASH, CRASH]]


def play(path, box, answers=ANSWERS, **more):
    env = RecordEpisodes(gymnasium.make("rlef/CodeRepair-v0", suite=[*TASKS], box=box, **more), path, suite="times")
    for number, said in enumerate(answers):
        env.reset(seed=number, options={"task": TASKS[number % 3].key})
        for answer in said:
            if any(env.step(answer)[2:4]):
                break
    env.close()
    return path


@pytest.fixture(scope="module")
def record(box, tmp_path_factory):
    return play(tmp_path_factory.mktemp("record") / "e.jsonl", box)


@pytest.mark.parametrize("rules", [
    *({"feedback": FeedbackConfig(mode=mode)} for mode in MODES),
    *({"reward": reward} for reward in ("outcome", "fraction_local", "difficulty_gain * fresh")),
    {"critic": True, "turn_limit": 2}, {"plain": True, "feedback": FeedbackConfig(tests=1, characters=40)},
], ids=str)  # fmt: skip
def test_everything_comes_out_the_same(rules, box, tmp_path):
    path = play(tmp_path / "e.jsonl", box, **rules)
    said = []
    for again in (None, box):
        tally = replay(path, "", again, said.append)
        assert said == []
        assert tally.same
        assert tally.episodes == 4
        assert tally.turns == sum(len(episode.turns) for episode in read_episodes(path)) > 6
        assert (tally.unrecorded, tally.unjudged) == (0, 0)


def edited(path, tmp_path, change, number=0):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines[number])
    other = tmp_path / "edited.jsonl"
    other.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return other


def set_in_turn(turn, name, value):
    return lambda episode: episode["turns"][turn].__setitem__(name, value)


EDITS = {
    "reward": set_in_turn(2, "reward", 0.5),
    "observation": set_in_turn(1, "observation", "Your program fails these tests."),
    "first observation": set_in_turn(0, "observation", "Print 2 times the number"),
    "program": set_in_turn(0, "program", "print(2)"),
    "verdict that ends": set_in_turn(0, "public", ["accepted"] * 3),
    "feedback mode": lambda episode: episode["rules"]["feedback"].update(mode="none"),
    "turn limit": lambda episode: episode["rules"].update(turn_limit=4, reward="outcome"),
    "a turn less": lambda episode: episode["turns"].pop(),
    "task": lambda episode: episode.update(task="times9"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_changed_record_is_found(name, record, tmp_path):
    said = []
    path = edited(record, tmp_path, EDITS[name])
    if name == "turn limit":  # the last answer, right, ends the dialogue all the same
        path = edited(record, tmp_path, EDITS[name], number=3)
    assert not replay(path, say=said.append).same
    assert said
    assert all(line.startswith("edited.jsonl:") for line in said)


def test_a_verdict_that_does_not_come_again_is_found(record, box, tmp_path):
    path = edited(record, tmp_path, set_in_turn(0, "public", ["wrong_answer"] * 3))
    said = []
    assert not replay(path, box=box, say=said.append).same
    assert "public was ('wrong_answer'" in said[0]


def test_version_1_is_read_and_says_what_it_lacks(record, box, tmp_path):
    def old(episode):
        episode["version"] = 1
        del episode["rules"]
        for turn in episode["turns"]:
            del turn["failures"], turn["rates"]

    path = edited(record, tmp_path, old)
    with pytest.raises(RlefError, match="name its run folder"):
        replay(path)
    folder = tmp_path / "run"
    folder.mkdir()
    path.rename(folder / "episodes.jsonl")
    (folder / "config.toml").write_text('suite = "times"\n')
    tally = replay(folder)
    assert (tally.same, tally.unrecorded) == (True, 2)
    assert replay(folder, box=box).same
    with pytest.raises(ValueError, match="version 3"):
        Episode.from_json('{"version": 3, "turns": []}')


def mine(facts):
    return 0.25


def test_rewards_that_a_record_names_are_imported_only_if_trusted(box, tmp_path):
    path = play(tmp_path / "e.jsonl", box, reward=f"{__name__}:mine")
    with pytest.raises(RlefError, match=r"e.jsonl:1: its reward .*--trust"):
        replay(path)
    assert replay(path, trust=True).same
    assert rejudge(path, box, RejudgeConfig()).turns == 9


class Broken:
    def run_many(self, submissions, stop_on_failure=False):
        return [[Execution(Status.SANDBOX_FAILURE)] * len(one.inputs) for one in submissions]


def test_sandbox_failures_are_nobodys_difference(box, record, tmp_path):
    path = play(tmp_path / "e.jsonl", Broken())
    assert all(
        episode.sandbox_failure and episode.truncated for episode in read_episodes(path) if episode.turns[-1].public
    )
    for again in (None, box):
        tally = replay(path, box=again)
        assert (tally.same, tally.unjudged) == (True, 4)
    assert (replay(record, box=Broken()).same, rejudge(record, Broken(), RejudgeConfig()).unjudged) == (True, 9)


def test_judged_again_nothing_changes(record, box):
    changes = rejudge(record, box, RejudgeConfig())
    assert (changes.episodes, changes.turns, changes.flips.total()) == (4, 9, 0)
    assert (changes.solved_then, changes.solved_now, changes.judged) == (3, 3, 4)
    assert changes.verdicts == 9 * 3 + 3 * 3


def test_a_stricter_suite_a_lenient_checker_and_tight_limits(record, box):
    tests = (StdioTest("7\n", "15\n"), *TASKS[0].private_tests[1:])
    register_suite(
        "times-2",
        lambda path: Suite("times-2", {"all": [replace(TASKS[0], private_tests=tests), TASKS[1]]}),
    ) if "times-2" not in _known() else None
    changes = rejudge(record, box, RejudgeConfig(suite="times-2"))
    assert changes.flips == {("times2", "private 1", "accepted", "wrong_answer"): 1}
    assert (changes.no_task, changes.lost, changes.gained, changes.judged) == (1, 1, 0, 3)
    assert 'task "times2", private 1 test: accepted -> wrong_answer, 1 times' in changes.lines()
    assert "solved: 66.7% then, 33.3% now (0 episodes gained, 1 lost)" in changes.lines()


def _known():
    from tasks import list_suites

    return list_suites()


def test_flaky_tests_are_named(box, tmp_path):
    coin = "```python\nimport time\nprint(int(input()) * (2 if time.time_ns() // 1000 % 2 else 3))\n```"
    path = play(tmp_path / "e.jsonl", box, [[coin] * 3] * 12)
    assert rejudge(path, box, RejudgeConfig()).flips


def test_memory_is_bounded(record, tmp_path):
    """Episodes are read as they are needed, not all at once."""
    path = tmp_path / "e.jsonl"
    path.write_text(record.read_text() + "not an episode\n")
    chunks = Recorded(path).chunks(2)
    assert len(next(chunks)) == len(next(chunks)) == 2
    with pytest.raises(RlefError, match="line 5"):
        next(chunks)


@pytest.mark.parametrize(("words", "remedy"), [
    (["replay"], "usage"), (["replay", "nowhere"], "no episodes"), (["rejudge"], "needs a run folder"),
    (["replay", "x", "--sandbx"], "usage"), (["rejudge", "x", "--chcker", "floats"], "did you mean --checker"),
])  # fmt: skip
def test_mistakes(words, remedy, tmp_path):
    done = subprocess.run([sys.executable, "-m", "rlef", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert remedy in done.stderr


def test_command_line(record, tmp_path):
    from rlef.cli import main

    starter = tmp_path / "e.jsonl"
    env = RecordEpisodes(gymnasium.make("rlef/CodeRepair-v0", split="validation", turn_limit=1), starter)
    env.reset(seed=0)
    env.step(CRASH)
    env.close()
    main(["replay", str(starter), "--sandbox"])
    main(["rejudge", str(starter), "--wall_s", "2"])
    with pytest.raises(SystemExit) as end:
        main(["replay", str(edited(starter, tmp_path, set_in_turn(0, "reward", 1.0)))])
    assert end.value.code == 1
