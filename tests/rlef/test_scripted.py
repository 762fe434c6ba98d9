"""Written answers: a dialogue without a model, by the real environment and the real sandbox."""

import json

import pytest

from rlef.episode import read_episodes
from rlef.errors import RlefError
from rlef.evaluation.players import transcript
from rlef.policies.scripted import Scripted
from tasks import load_suite
from tests.rlef.test_cli import rlef


def test_a_dialogue_without_a_model(box, tmp_path):
    first, second, *_ = (task for task in load_suite("starter:L0-L2")["test"] if task.mutants)
    wrong, right = first.mutants[0].source, first.references[0].source
    escape = "Never \x1b[31mmind"
    rows = [
        {"task": first.key, "answers": [f"```python\n{wrong}\n```", f"```python\n{right}\n```"]},
        {"task": second.key, "answers": [escape]},
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = rlef("eval", "mine.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{first.key}, turn 2: answer" in done.stdout
    assert "fails these tests" in done.stdout
    assert "\x1b" not in done.stdout
    [path] = tmp_path.rglob("episodes.jsonl")
    repaired, refused = read_episodes(path)
    assert repaired.passed_by_turn == (False, True)
    assert [turn.response for turn in refused.turns] == [escape] * 3
    assert "\x1b" not in transcript([refused])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no answer"),
        ("no json", "line 1"),
        ('{"task": "t"}', "answers"),
        ('{"task": "t", "answers": "x"}', "must be a list of texts"),
        ('{"task": "t", "answers": []}', "at least one"),
        ('{"task": "t", "answers": ["x"]}\n\n{"task": "t", "answers": ["x"]}', "line 3"),
        ("[]", "line 1"),
    ],
)
def test_mistakes_in_a_file(tmp_path, text, said):
    path = tmp_path / "mine.jsonl"
    path.write_text(text)
    with pytest.raises(RlefError, match=said) as caught:
        Scripted(path)
    assert str(path) in str(caught.value)


def test_mistakes_on_the_command_line(tmp_path):
    done = rlef("eval", "nowhere.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert "name a file of answers" in done.stderr
    (tmp_path / "mine.jsonl").write_text('{"task": "L9/none", "answers": ["x"]}')
    done = rlef("eval", "mine.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert 'has no task "L9/none"' in done.stderr


def test_answers_have_no_likelihood_to_be_chosen_by(tmp_path):
    task = load_suite("starter:L0-L2")["test"][0]
    (tmp_path / "mine.jsonl").write_text(json.dumps({"task": task.key, "answers": ["x"]}))
    done = rlef("eval", "mine.jsonl", "--select", "likelihood", cwd=tmp_path)
    assert done.returncode == 2
    assert "gives no log-probabilities" in done.stderr
