"""Rejection sampling: which programs are the same, which records are learned from, and the command from end to end."""

import dataclasses
import json

import pytest
import torch

from rlef.cli import main
from rlef.episode import Episode, Turn, append_episodes
from rlef.learners.rejection import accepted, beginnings, with_tokens
from rlef.policies.load import load_policy
from rlef.programs import normalised

SAME = "def add(a, b):\n    return a + b\nprint(add(1, 2))"


@pytest.mark.parametrize(
    "other",
    [
        "def add(a,b): return (a+b)  # sum\n\n\nprint(add(1,2))\n",
        'def add(a, b):\n    """Sum."""\n    return a + b\nprint(add(1, 2))',
        "def add(x, y):\n    return x + y\nprint(add(1, 2))",
    ],
)
def test_the_same_program(other):
    assert normalised(other) == normalised(SAME)


@pytest.mark.parametrize(
    "other",
    [
        "def add(a, b):\n    return b + a\nprint(add(1, 2))",  # the operands are the other way round
        "def add(a, b):\n    return a + a\nprint(add(1, 2))",
        "def add(a, b):\n    return a - b\nprint(add(1, 2))",
        "def add(a, b):\n    return a + b\nprint(add(1, 3))",
        "def add(a, b):\n    return a + b\nprint(add(2, 1))",
        "def add(a, b):\n    return a + b\nrepr(add(1, 2))",
    ],
)
def test_another_program(other):
    assert normalised(other) != normalised(SAME)


def test_names_of_others_stay():
    """Builtins, modules, attributes and keywords of others' functions are not the program's own."""
    assert normalised("import math\nx = math.sqrt(4)") != normalised("import math\nx = math.floor(4)")
    assert normalised("import heapq") != normalised("import bisect")
    assert normalised("x = max(1, 2)") != normalised("x = min(1, 2)")
    assert normalised("from sys import stdin as a") == normalised("from sys import stdin as b")
    assert normalised("n = 1\ndef f():\n    global n\n    n = 2") == normalised(
        "m = 1\ndef f():\n    global m\n    m = 2"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("end = '-'\nprint(1, 2, end=end)", "sep = '-'\nprint(1, 2, sep=sep)"),
        ("def f(a, b): return a - b\nprint(f(a=1, b=2))", "def f(b, a): return b - a\nprint(f(a=1, b=2))"),
        (
            "class S:\n def f(self): return 1\n def g(self): return 2\nprint(S().f())",
            "class S:\n def g(self): return 1\n def f(self): return 2\nprint(S().f())",
        ),
        ("class S:\n a = 1\n b = 2\nprint(S.a)", "class S:\n b = 1\n a = 2\nprint(S.a)"),
        ("class S:\n def __init__(self): print(1)\nS()", "class S:\n def __call__(self): print(1)\nS()"),
        ("def add(a, b): return a + b", "def sum_two(a, b): return a + b"),
        ("a = 1\nb = 2\nprint(eval('a'))", "b = 1\na = 2\nprint(eval('a'))"),
    ],
)
def test_names_that_something_refers_to_stay(one, other):
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize("text", ["int main() { }", "def f(:", "x = '\0'", "(" * 5000, "-" * 100_000 + "1", ""])
def test_what_cannot_be_parsed_is_text(text):
    assert isinstance(normalised(text), str)
    assert normalised(f" {text}\n") == normalised(text)


def test_parsing_runs_nothing(tmp_path):
    """The control: run, the same program leaves a file."""
    mark = tmp_path / "mark"
    source = f"open({str(mark)!r}, 'w').close()"
    normalised(source)
    assert not mark.exists()
    exec(source)
    assert mark.exists()


def record(task, programs, passed=True, **more):
    turns = []
    for place, program in enumerate(programs):
        good = passed and place == len(programs) - 1
        turns.append(
            Turn(
                f"question {place}", f"```python\n{program}\n```", program,
                ("accepted" if good else "wrong_answer",), ("accepted",) if good else None,
            )
        )  # fmt: skip
    return Episode(task, 0, tuple(turns), **more)


def test_distinct_passing_programs_are_kept():
    first, renamed, other = record("a", ["x = 1"]), record("a", ["y = 1"]), record("a", ["x = 2"])
    repair, failed = record("a", ["x = 3", "x = 1"]), record("a", ["x = 4"], passed=False)
    ours = record("a", ["x = 5"], sandbox_failure=True)
    elsewhere = record("b", ["x = 1"])
    every = [failed, first, renamed, ours, other, repair, elsewhere]
    assert accepted(every) == [first, other, repair, elsewhere]
    assert accepted(every, distinct=1) == [first, elsewhere]


def test_beginnings_end_in_every_answer():
    [one, two] = beginnings([record("a", ["x = 1", "x = 2"])])
    assert [len(one.turns), len(two.turns)] == [1, 2]


def test_tokens_are_as_sampled_or_encoded(tiny_model):
    chat = load_policy(str(tiny_model)).chat
    plain = record("a", ["x = 1", "x = 2"])
    [encoded] = with_tokens([plain], chat)
    first, second = encoded.turns
    assert list(first.prompt_ids) == chat.start("question 0")
    assert list(first.response_ids) == chat.answer(first.response)
    assert list(second.prompt_ids) == chat.follow(first.response_ids, "question 1")
    # As sampled, without the token that closes an answer: an answer cut by its limit. It stays that way.
    cut = dataclasses.replace(first, response_ids=first.response_ids[:-1])
    sampled = dataclasses.replace(encoded, turns=(cut, second))
    assert with_tokens([sampled], chat) == [sampled]
    # Another tokenizer's: out of range, or they say something else.
    for strange in ((10**6,), (5, 6, 7)):
        other = dataclasses.replace(encoded, turns=(dataclasses.replace(first, response_ids=strange), second))
        assert with_tokens([other], chat) == [encoded]


@pytest.mark.parametrize("answers", ["last", "all"])
def test_command(tiny_model, tmp_path, capsys, answers):
    records = tmp_path / "episodes.jsonl"
    append_episodes(records, [record("a", ["x = 1"]), record("a", ["y = 1"]), record("a", ["x = 3", "x = 2"])])
    out = tmp_path / "out"
    flags = ["--epochs", "2", "--learning_rate", "1e-2", "--answers", answers, "--out", str(out)]
    main(["sft", str(tiny_model), str(tmp_path), *flags])
    [folder] = out.iterdir()
    facts = json.loads((folder / "sft.json").read_text())
    assert (facts["episodes"], facts["passed"], facts["distinct"]) == (3, 3, 2)
    assert facts["answers"] == (2 if answers == "last" else 3)
    assert facts["losses"][-1] < facts["losses"][0]
    assert f"rlef eval {folder}" in capsys.readouterr().out.replace("\n", "")
    before, after = (load_policy(str(place)).model.state_dict() for place in (tiny_model, folder))
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sft", "embedded"], "rlef sft needs a model and at least one file"),
        (["sft", "embedded", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["sft", "embedded", "{failed}"], "none of 1 episodes passed all tests; sample more"),
        (["sft", "embedded", "{broken}"], "line 1: not an episode"),
        (["sft", "embedded", "{failed}", "--epochs", "0"], "epochs = 0: must be 1 or more"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, arguments, message):
    failed, broken = tmp_path / "failed.jsonl", tmp_path / "broken.jsonl"
    append_episodes(failed, [record("a", ["x"], passed=False)])
    broken.write_text("{}\n")
    with pytest.raises(SystemExit) as end:
        main([word.format(failed=failed, broken=broken) for word in arguments])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
