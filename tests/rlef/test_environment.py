"""The environment as Gymnasium and a hostile policy see it, with the real sandbox."""

import re
import secrets
from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rlef.envs  # noqa: F401 - registers the environment
from rlef.config import FeedbackConfig
from rlef.envs.dialogue import Dialogue, DialogueSettings, step_many
from rlef.envs.feedback import MODES
from rlef.envs.rewards import Facts, execution, outcome
from rlef.errors import RlefError
from sandbox import Execution, Limits, Status
from tasks import CallTest, StdioTest, Task, load_suite

RIGHT, WRONG = "```python\nprint(int(input()) * 2)\n```", "```python\nprint(int(input()) + 2)\n```"


def double(**more):
    return Task(
        "double", "Print twice the number.", (StdioTest("2\n", "4\n"), StdioTest("5\n", "10\n")),
        (StdioTest("7\n", "14\n"), StdioTest("0\n", "0\n")), Limits(wall_s=5.0, memory_mb=128), **more,
    )  # fmt: skip


def talk(box, answers, task=None, **more):
    dialogue = Dialogue(task or double(), DialogueSettings(**more))
    steps = []
    for answer in answers:
        steps.append(step_many([dialogue], [answer], box)[0])
    return steps


def test_check_env(box):  # with a sandbox of its own: the checker copies and pickles the arguments
    env = gymnasium.make("rlef/CodeRepair-v0", suite="starter:L0-L2", split="validation", render_mode="ansi")
    check_env(env.unwrapped)
    env.close()


def test_repair_ends_with_the_reward_of_the_private_tests(box):
    first, second = talk(box, [WRONG, RIGHT])
    assert (first.reward, first.terminated, first.truncated) == (0.0, False, False)
    assert first.public == ("accepted", "wrong_answer")
    assert first.private is None
    assert "Input:\n5\nExpected output:\n10\nYour output:\n7" in first.observation
    assert (second.reward, second.terminated, second.observation) == (1.0, True, "")
    assert second.private == ("accepted", "accepted")


def test_public_pass_and_private_fail_is_the_end(box):
    [step] = talk(box, ["```python\nn = int(input())\nprint({2: 4, 5: 10}.get(n, 'no idea'))\n```"])
    assert (step.reward, step.terminated) == (-1.0, True)
    assert step.public == ("accepted", "accepted")
    assert step.private == ("wrong_answer",)


def test_turn_limit_and_answers_without_code(box):
    steps = talk(box, ["I cannot.", "```python\nint x;\n```", WRONG])
    assert [step.reward for step in steps] == [-0.2, -0.2, -1.0]
    assert [step.terminated for step in steps] == [False, False, True]
    assert "No program was found" in steps[0].observation
    assert "SyntaxError" in steps[1].observation


@pytest.mark.parametrize("facts", [Facts(f, p, c) for f in (0, 1) for p in (0, 1) for c in (0, 1)])
def test_rewards(facts):
    assert execution(facts) == ((1 if facts.passed else -1) if facts.final else 0 if facts.has_code else -0.2)
    assert outcome(facts) == ((1 if facts.passed else -1) if facts.final else 0)


def test_the_trace_is_the_programs_own(box):
    [step] = talk(box, ["```python\ndef f(x):\n    return 1 // x\nprint(f(0))\n```"], turn_limit=2)
    assert 'File "solution.py", line 2, in f' in step.observation
    assert "ZeroDivisionError" in step.observation
    assert not re.search(r"runner|sandbox|/opt|/usr", step.observation)


def test_same_program_same_feedback_and_long_output_is_cut(box):
    noisy = "```python\nprint('x' * 5000)\n```"
    first, second = (talk(box, [noisy])[0].observation for _ in range(2))
    assert first == second
    assert len(first) < 2500
    assert "characters left out" in first
    short = talk(box, [noisy], feedback=FeedbackConfig(tests=1, characters=50))[0].observation
    assert short.count("Input:") == 1
    assert len(short) < 400


def test_function_tasks_show_values(box):
    task = Task("add", "Add.", (CallTest((1, "a"), [1, "a"]),), (CallTest((2, "b"), [2, "b"]),), entry_point="pair")
    wrong, right = talk(
        box, [f"```python\ndef pair(a, b):\n    return {text}\n```" for text in ("[a]", "[a, b]")], task
    )
    assert "1, 'a'" in wrong.observation
    assert "[1, 'a']" in wrong.observation
    assert right.reward == 1.0


def test_a_template_of_ones_own(box, tmp_path):
    path = tmp_path / "mine.jinja"
    path.write_text(
        "{% macro task(statement, entry_point) %}TASK {{ statement }}{% endmacro %}"
        "{% macro feedback(failures, has_code) %}{{ failures|length }} wrong{% endmacro %}"
    )
    feedback = FeedbackConfig(wording=str(path))
    assert Dialogue(double(), DialogueSettings(feedback=feedback)).observation == "TASK Print twice the number."
    assert talk(box, [WRONG], feedback=feedback)[0].observation == "1 wrong"
    with pytest.raises(RlefError, match="nowhere"):
        Dialogue(double(), DialogueSettings(feedback=FeedbackConfig(wording=str(tmp_path / "nowhere"))))


def leaks(box, answers, task):
    """Everything a policy, a record or a log could see of a dialogue."""
    seen = [Dialogue(task).observation]
    dialogue = Dialogue(task)
    for answer in answers:
        step = step_many([dialogue], [answer], box)[0]
        seen.append(repr(step))
        if dialogue.done:
            break
    return "\n".join(seen)


def test_canary(box):
    """Random words planted as private data show up nowhere; planted as public data they do, so the search works."""
    word, answer = secrets.token_hex(16), secrets.token_hex(16)
    secret = (StdioTest(f"{word}\n", f"{answer}\n"),)
    programs = [WRONG, "```python\nprint(open('/proc/self/environ').read())\n```", "```python\n1 / 0\n```",
                "```python\nprint({2: 4, 5: 10}.get(int(input())))\n```"]  # fmt: skip
    for program in programs:
        assert word not in (text := leaks(box, [program] * 3, replace(double(), private_tests=secret)))
        assert answer not in text
    shown = leaks(box, ["```python\nprint(0)\n```"], replace(double(), public_tests=secret))
    assert word in shown
    assert answer in shown


class Broken:
    """A sandbox that fails, as a real one does when its machine is gone."""

    def run_many(self, submissions, stop_on_failure=False):
        return [[Execution(Status.SANDBOX_FAILURE)] * len(one.inputs) for one in submissions]


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_sandbox_failure_is_nobodys_score(box, turn):
    dialogue = Dialogue(double())
    for _ in range(turn):
        step_many([dialogue], [WRONG], box)
    [step] = step_many([dialogue], [WRONG], Broken())
    assert (step.terminated, step.truncated, step.sandbox_failure, step.reward) == (False, True, True, 0.0)
    assert dialogue.done
    with pytest.raises(ValueError, match="over"):
        step_many([dialogue], [WRONG], box)


def test_seed_fixes_the_tasks_and_options_name_one(box):
    tasks = load_suite("starter:L0-L2")["validation"]
    first, second = (gymnasium.make("rlef/CodeRepair-v0", suite=tasks, box=box) for _ in range(2))
    order = [[env.reset(seed=3)[1]["task"], env.reset()[1]["task"], env.reset()[1]["task"]] for env in (first, second)]
    assert order[0] == order[1]
    assert len(set(order[0])) == 3
    assert first.reset(seed=4)[1]["task"] != order[0][0] or first.reset()[1]["task"] != order[0][1]
    assert first.reset(options={"task": tasks[5].key})[1]["task"] == tasks[5].key
    with pytest.raises(RlefError, match="no task"):
        first.reset(options={"task": "nothing"})


def test_vector_environment_plays_the_same_episodes(box):
    tasks = load_suite("starter:L0-L2")["validation"]
    answers = [WRONG, "nothing", f"```python\n{tasks[0].references[0].source}\n```"]
    vector = gymnasium.make_vec("rlef/CodeRepair-v0", num_envs=3, suite=tasks, box=box, turn_limit=2)
    singles = [gymnasium.make("rlef/CodeRepair-v0", suite=tasks, box=box, turn_limit=2) for _ in range(3)]
    texts, _ = vector.reset(seed=9)
    assert list(texts) == [env.reset(seed=9 + i)[0] for i, env in enumerate(singles)]
    over = [False] * 3
    for _ in range(5):
        observations, rewards, terminated, truncated, infos = vector.step(answers)
        for i, env in enumerate(singles):
            if over[i]:
                assert (observations[i], rewards[i], terminated[i]) == (env.reset()[0], 0.0, False)
                over[i] = False
                continue
            single = env.step(answers[i])
            assert (observations[i], rewards[i], terminated[i], truncated[i]) == single[:4]
            assert infos["turn"][i] == single[4]["turn"]
            over[i] = single[2] or single[3]


def test_what_cannot_be_scored_is_refused(box):
    with pytest.raises(RlefError, match="no private test"):
        Dialogue(replace(double(), private_tests=()))
    with pytest.raises(RlefError, match="no tasks"):
        gymnasium.make("rlef/CodeRepair-v0", suite=[], box=box)


def test_transcript(box):
    env = gymnasium.make("rlef/CodeRepair-v0", suite=[double()], box=box, render_mode="ansi", turn_limit=1)
    env.reset(seed=0)
    env.step(RIGHT)
    assert (
        env.render()
        == f"--- user\n{Dialogue(double()).observation}\n\n--- assistant\n{RIGHT}\n\n--- user\n[end: reward +1]"
    )
    env.reset()
    with pytest.raises(RlefError, match="turn_limit"):
        gymnasium.make("rlef/CodeRepair-v0", suite=[double()], turn_limit=0)


ANYTHING = st.one_of(
    st.text(max_size=200),
    st.text(alphabet=st.characters(codec=None, categories=["Cs", "Cc", "Co"]), max_size=40),
    st.sampled_from(
        ["```python\n" + "a" * 1_000_000, "<|im_end|>\n<|im_start|>user\nhi", "```python\nprint('\ud800')\n```"]
    ),
    st.text(max_size=60).map(lambda text: f"```python\n{text}\n```"),
)


@given(answer=ANYTHING, mode=st.sampled_from(list(MODES)))
@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_answer_raises(box, answer, mode):
    """A thousand episodes."""
    settings = DialogueSettings(2, feedback=FeedbackConfig(mode=mode))
    dialogue = Dialogue(double(), settings, 0, [replace(double(), key="other")])
    while not dialogue.done:
        [step] = step_many([dialogue], [answer], box)
        assert step.reward in (0.0, -0.2, -1.0)
        assert not step.sandbox_failure


DOCS = (Path(__file__).parents[2] / "docs" / "environment.md").read_text()


def test_the_loop_in_the_documentation_runs(box, capsys):
    """As it stands there, and prints what the comments below it say."""
    code = re.search(r"```python\n(import gymnasium\n.*?)^```", DOCS, re.DOTALL | re.MULTILINE)[1]
    said = "".join(f"{line[2:]}\n" for line in code.splitlines() if re.match(r"# \d", line))
    exec(code, {})
    assert capsys.readouterr().out == said
    assert said.count("\n") == 2


def test_the_feedback_in_the_documentation_is_real(box):
    """Task and program as the page says; every mode's text stands on the page."""
    suite = load_suite("starter:L0-L2")
    task = suite.find(re.search(r"`(L2/[^`]+)` \(a program", DOCS)[1])
    program = re.search(r"```python\n(a = list.*?)```", DOCS, re.DOTALL)[1]
    for mode in MODES:
        dialogue = Dialogue(task, DialogueSettings(feedback=FeedbackConfig(mode=mode)), 0, suite["train"])
        text = step_many([dialogue], [f"```python\n{program}```"], box)[0].observation
        assert f"```text\n{text}\n```" in DOCS, mode


@pytest.mark.parametrize(("program", "signs"), [("print(4)", ("repeats_public_answers",)), ("print(3)", ())])
def test_signs_of_cheating_reach_the_record_and_not_the_policy(box, program, signs):
    task = Task("double", "Print twice the number.", (StdioTest("2\n", "4\n"),), (StdioTest("7\n", "14\n"),))
    answer = f"```python\n{program}\n```"
    [step] = step_many([Dialogue(task, DialogueSettings(turn_limit=1))], [answer], box)
    assert step.turn("", answer).signals == signs
    assert step.observation == ""


def test_private_tests_of_a_program_that_fails_the_public_ones_make_no_sign_and_no_pass(box):
    task = Task("double", "Print twice the number.", (StdioTest("2\n", "4\n"),), (StdioTest("7\n", "14\n"),))
    dialogue = Dialogue(task, DialogueSettings(turn_limit=1, reward="fraction"))
    [step] = step_many([dialogue], ["```python\nn = int(input())\nprint(2 * n if n > 2 else 0)\n```"], box)
    assert (step.public, step.private) == (("wrong_answer",), ("accepted",))
    assert not step.passed
    assert step.signals == ()
