"""Feedback modes, each with the real sandbox: what is told, that it is the same every time, and that nothing leaks."""

import random
import secrets
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlef.envs  # noqa: F401 - registers the environment
from rlef.config import FeedbackConfig, TrainConfig, load_config, save_config
from rlef.envs import judging
from rlef.envs.dialogue import Dialogue, DialogueSettings, step_many
from rlef.envs.feedback import MODES, Told, failures_of, feedback_text
from rlef.envs.perturb import changed
from rlef.envs.wrappers import RecordEpisodes
from rlef.episode import Failure, read_episodes
from rlef.errors import RlefError
from rlef.report.curves import draw_curves
from rlef.report.page import write_report
from rlef.run import Run
from sandbox import Program
from tasks import CallTest, StdioTest, Task, TestResult
from tasks.judge import AssertTest

NONE = "Your answer is wrong.\n\nTry again: write the corrected program in one ```python block."
PLUS, CRASH, RIGHT = (f"```python\n{code}\n```" for code in (
    "print(int(input()) + 2)", "print(1 // 0)", "print(int(input()) * 2)"
))  # fmt: skip


def times(n, key, **more):
    return Task(
        key, f"Print {n} times the number.", tuple(StdioTest(f"{i}\n", f"{i * n}\n") for i in (2, 51, 61, 71)),
        (StdioTest("7\n", f"{7 * n}\n"), StdioTest("0\n", "0\n")), **more,
    )  # fmt: skip


DOUBLE = times(2, "double")
OTHER = times(9, "other", mutants=(Program("print(int(input()) * 9 + 1)"),))
NO_MUTANT = times(8, "no mutant")
EASY_MUTANT = times(7, "easy mutant", mutants=(Program("n = int(input())\nprint(n * 7 if n else 1)"),))


def told(box, answers, mode, seed=0, task=DOUBLE, others=(DOUBLE, OTHER), **more):
    """Observations after each answer."""
    dialogue = Dialogue(
        task, DialogueSettings(len(answers) + 1, feedback=FeedbackConfig(mode=mode, **more)), seed, others
    )
    return [step_many([dialogue], [answer], box)[0].observation for answer in answers]


def test_none_says_nothing_of_what_happened(box):
    assert told(box, [PLUS, CRASH, "no program"], "none") == [NONE] * 3


def test_stale_tells_of_the_answer_before(box):
    true, stale = (
        told(box, [PLUS, CRASH, "no program", PLUS], "true"),
        told(box, [PLUS, CRASH, "no program", PLUS], "stale"),
    )
    assert stale == [NONE, *true[:3]]


def test_one_test_is_one_of_those_that_fail(box):
    seen = set()
    for seed in range(12):
        [text] = told(box, [PLUS], "one_test", seed)
        assert text.count("Input:") == 1
        seen.add(text)
    assert len(seen) == 3
    assert told(box, ["no program"], "one_test")[0].startswith("No program was found")


def test_perturbed_shows_wrong_expected_outputs_and_all_else_as_it_is(box):
    [true], [text] = told(box, [PLUS], "true"), told(box, [PLUS], "perturbed")
    assert len(text.splitlines()) == len(true.splitlines())
    different = [i for i, (a, b) in enumerate(zip(text.splitlines(), true.splitlines(), strict=True)) if a != b]
    labels = [text.splitlines()[i - 1] for i in different]
    assert labels == ["Expected output:"] * 3
    assert told(box, [PLUS], "perturbed", seed=1) != [text]


def test_random_is_about_a_wrong_program_of_another_problem(box):
    [text] = told(box, [PLUS], "random")
    assert "Input:\n2\nExpected output:\n18\nYour output:\n19" in text
    for without, wrong in ((NO_MUTANT, "NotImplementedError"), (EASY_MUTANT, "NotImplementedError")):
        assert wrong in told(box, ["no program"], "random", others=[without, DOUBLE])[0]
    with pytest.raises(RlefError, match="needs another task"):
        told(box, [PLUS], "random", others=[DOUBLE, replace(OTHER, public_tests=())])


def test_random_feedback_does_not_change_how_an_episode_ends(box):
    dialogue = Dialogue(DOUBLE, DialogueSettings(feedback=FeedbackConfig(mode="random")), 0, [OTHER])
    step = step_many([dialogue], [RIGHT], box)[0]
    assert (step.reward, step.terminated, step.failures) == (1.0, True, ())


@pytest.mark.parametrize("mode", MODES)
def test_same_program_same_bytes(mode, box):
    """At any turn, in any company, in another process's order: the seed and the program decide."""
    others = [OTHER, NO_MUTANT, DOUBLE]
    first = told(box, [CRASH, PLUS, PLUS], mode, seed=5, others=others)
    again = told(box, [PLUS, PLUS], mode, seed=5, others=others)
    assert again[1] == first[2]
    if mode != "stale":
        assert again[0] == first[1] == first[2]
    settings = DialogueSettings(3, feedback=FeedbackConfig(mode=mode))
    company = [Dialogue(DOUBLE, settings, seed, others) for seed in (1, 5, 2)]
    assert step_many(company, [CRASH, PLUS, "none"], box)[1].observation == again[0]


def test_objects_are_shown_without_their_address(box):
    text = "```python\nprint(object(), 'at 0x12')\nclass A: pass\nraise ValueError(A(), '0xdeadbeef')\n```"
    first, second = (told(box, [text], "true")[0] for _ in range(2))
    assert first == second
    assert "A object at 0x...>" in first
    assert "0xdeadbeef" in first


def test_values_and_asserts(box):
    call = Task("f", "f", (CallTest((3,), [7, 5]),), (CallTest((4,), [1]),), entry_point="f")
    program = "```python\ndef f(x):\n    return [x, 5]\n```"
    [text] = told(box, [program], "perturbed", task=call)
    assert "Expected output:\n[7, 5]" not in text
    assert "Your output:\n[3, 5]" in text
    test = Task("g", "g", (AssertTest("assert f(3) == 7"),), (AssertTest("assert f(1) == 1"),), entry_point="f")
    assert "assert f(3) == 7" in told(box, [program], "perturbed", task=test)[0]


@given(st.text(max_size=30), st.text(max_size=30), st.integers())
def test_perturbed_text_is_neither_right_nor_what_was_seen(text, observed, seed):
    rng = random.Random(seed)
    for seen in (observed, changed(text, random.Random(seed)), text):
        other = changed(text, rng, seen)
        assert other.strip() != text.strip()
        assert other.strip() != seen.strip()


@pytest.mark.parametrize(("text", "others"), [
    ("Yes", {"No"}), ("FALSE", {"TRUE"}), ("no\n", {"yes"}), ("7", set("123456789") - {"7"}),
    ("", {"0"}), ("-3.5", None), ("???", {"???0"}),
])  # fmt: skip
def test_perturbed_text_looks_right(text, others):
    seen = {changed(text, random.Random(seed)) for seed in range(60)}
    assert seen == others if others is not None else all(float(one) != -3.5 for one in seen)


def test_what_was_left_out_is_not_what_is_changed():
    cut = "ab\n[... 4488 characters left out ...]\nyz"
    failure = Failure("wrong_answer", "1", None, cut, "x", "")
    for seed in range(20):
        text = feedback_text([Told((failure,))], FeedbackConfig(mode="perturbed"), str(seed))
        assert "4488 characters left out ...]\nyz" in text
        assert cut not in text


def test_mode_is_a_field_of_the_configuration(tmp_path):
    path = tmp_path / "c.toml"
    save_config(TrainConfig(feedback=FeedbackConfig(mode="stale")), path)
    assert load_config(path).feedback.mode == "stale"
    path.write_text('[feedback]\nmode = "stall"\n')
    with pytest.raises(RlefError, match=r"feedback.mode = 'stall' must be one of 'true', 'none'"):
        load_config(path)


PROGRAMS = [PLUS, CRASH, "```python\nprint(open('/proc/self/environ').read())\n```", "nothing", RIGHT]


def everything(box, mode, task, folder, monkeypatch):
    """All that comes out of episodes in this mode: environments, vector, record, log, TensorBoard, report."""
    seen = []
    feedback, others = FeedbackConfig(mode=mode), [task, OTHER]
    run = Run.create(TrainConfig(out=str(folder), feedback=feedback, reward="difficulty_gain * fresh"))
    options = {"suite": others, "box": box, "feedback": feedback, "turn_limit": 3, "critic": True}
    env = RecordEpisodes(
        gymnasium.make("rlef/CodeRepair-v0", render_mode="ansi", **options), run.folder / "episodes.jsonl"
    )
    for first, program in enumerate(PROGRAMS):
        seen.append(env.reset(seed=first, options={"task": task.key}))
        for answer in (program, PROGRAMS[first - 1], program):
            seen.append(env.step(answer))
            seen.append(env.render())
            if seen[-2][2]:
                break
    env.close()
    vector = gymnasium.make_vec("rlef/CodeRepair-v0", num_envs=5, **options)
    seen.append(vector.reset(seed=0, options={"task": task.key}))
    seen += [vector.step(PROGRAMS), vector.step(PROGRAMS)]
    episodes = list(read_episodes(run.folder / "episodes.jsonl"))
    run.log(
        1, {"rollout/reward": float(np.mean([episode.reward for episode in episodes])), "rollout/solved_final": 0.2}
    )
    run.log(2, {"rollout/reward": 0.0, "rollout/solved_final": 0.4})
    run.save_evaluation("trained", episodes)
    draw_curves(run.folder)
    write_report(run.folder)
    files = b"".join(path.read_bytes() for path in run.folder.rglob("*") if path.is_file())
    names = {path.suffix for path in run.folder.rglob("*") if path.is_file()}
    assert names >= {".jsonl", ".toml", ".html", ".png"}
    assert (run.folder / "tensorboard").exists()
    return repr(seen).encode() + files


@pytest.mark.parametrize("mode", MODES)
def test_canary(mode, box, tmp_path, monkeypatch):
    """Random words planted as private data are nowhere. The search works: made to read private tests, feedback shows
    them, and what is planted as public data is found."""
    word, answer = secrets.token_hex(16), secrets.token_hex(16)
    secret = replace(DOUBLE, private_tests=(StdioTest(f"{word}\n", f"{answer}\n"), *DOUBLE.private_tests))
    out = everything(box, mode, secret, tmp_path / "good", monkeypatch)
    assert word.encode() not in out
    assert answer.encode() not in out

    def reads_private_tests(results, settings, task=""):
        private = [TestResult(result.verdict, secret.private_tests[0], result.execution) for result in results]
        return failures_of(private, settings, task)

    monkeypatch.setattr(judging, "failures_of", reads_private_tests)
    out = everything(box, mode, secret, tmp_path / "bad", monkeypatch)
    assert word.encode() in out
    assert (answer.encode() in out) or mode == "perturbed"
