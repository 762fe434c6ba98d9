"""`rlef eval --select verifier:PATH` and several suites: what a kill costs, what is refused, what is written."""

import dataclasses
import json
import math
import shutil
import time
from random import Random

import pytest

from rlef.cli import main
from rlef.config import EvaluationConfig
from rlef.episode import Episode, Turn, read_episodes
from rlef.errors import RlefError
from rlef.evaluation import command, evaluate, selection
from rlef.evaluation.config import EvalConfig
from rlef.evaluation.job import Job
from rlef.evaluation.selection import Verifier, kept_scores, programs_of, score_of, score_programs
from rlef.evaluation.selectors import by_score, selected_n_at_k
from rlef.verifiers import score
from rlef.verifiers.score import find_verifier, load_scores
from tasks import StdioTest, Suite, Task, load_suite
from tasks import suites as suites_of

ADD = Task("add", "Add two numbers.", (StdioTest("1 2\n", "3\n"),), (StdioTest("4 5\n", "9\n"),))


@pytest.fixture(params=["dpo", "bradley_terry"])
def verifier(request, tiny_model, tmp_path):
    """A folder as `rlef vstar` leaves it, untrained."""
    import torch
    from transformers import AutoModelForSequenceClassification

    folder = tmp_path / "verifier"
    shutil.copytree(tiny_model, folder)
    if request.param != "dpo":
        torch.manual_seed(0)
        AutoModelForSequenceClassification.from_pretrained(tiny_model, num_labels=1).save_pretrained(folder)
    note = {"kind": request.param, "system": "You write Python programs.", "start": str(tiny_model)}
    (folder / "verifier.json").write_text(json.dumps(note))
    return folder


def said(seed, program):
    return Episode("add", seed, (Turn("Add.", "", None), Turn("Wrong.", "", program, ("accepted",), ("accepted",))))


POOL = [*(said(n, f"print({n % 3})") for n in range(6)), said(6, None), Episode("add", 7, ())]


def test_scores_are_the_verifiers_and_none_is_computed_twice(verifier, tmp_path, monkeypatch):
    kept = tmp_path / "cache" / "scores.jsonl"
    programs = programs_of(POOL)
    assert len(programs) == 3
    asked, load = [], score.load_score

    def dying(folder):
        known = load(folder)

        def count(items):
            if len(asked) == 2:
                raise KeyboardInterrupt
            asked.extend(items)
            return known(items)

        return count

    monkeypatch.setattr(selection, "PROGRAMS_AT_ONCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(score, "load_score", dying)
        with pytest.raises(KeyboardInterrupt):
            score_programs(Verifier(verifier), kept, programs, lambda n, note: None)
    with kept.open("a") as file:
        file.write('{"key": "of another version"}\n{"key": "half')
    ticks = []
    scores = score_programs(Verifier(verifier), kept, programs, lambda n, note: ticks.append(n))
    found = score_of(scores)
    assert ticks == [2, 1]
    name = "likelihood" if json.loads((verifier / "verifier.json").read_text())["kind"] == "dpo" else "reward"
    plain = load_scores(verifier)[name]([("Add.", f"print({n})") for n in range(3)])
    assert [found(one) for one in POOL[:3]] == pytest.approx(plain, rel=1e-2)
    assert found(POOL[6]) == found(POOL[7]) == -math.inf
    monkeypatch.setattr(score, "load_score", None)  # nothing is missing: the verifier is not loaded
    assert score_programs(Verifier(verifier), kept, programs, lambda n, note: None) == scores


def test_another_verifier_has_scores_of_its_own(verifier, tmp_path):
    before = kept_scores(tmp_path / "a.jsonl", Verifier(verifier))
    shutil.move(verifier, tmp_path / "moved")
    assert kept_scores(tmp_path / "a.jsonl", Verifier(tmp_path / "moved")) == before
    (tmp_path / "moved" / "model.safetensors").write_bytes(b"other weights")
    assert kept_scores(tmp_path / "a.jsonl", Verifier(tmp_path / "moved")) != before


def test_a_score_that_is_no_number_is_refused(verifier, tmp_path, monkeypatch):
    monkeypatch.setattr(score, "load_score", lambda folder: lambda items: [math.nan] * len(items))
    with pytest.raises(RlefError, match="no numbers; train it again"):
        score_programs(Verifier(verifier), tmp_path / "scores.jsonl", programs_of(POOL), lambda n, note: None)


def test_no_program_is_chosen_last():
    pool = [said(0, None), said(1, "print(1)")]
    order = by_score(lambda one: -math.inf if one.turns[-1].program is None else -9.0)(pool, Random(0))
    assert order == [1, 0]
    assert selected_n_at_k(pool, lambda episodes, random: [0, 1], 1, 2).mean == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no verifier (verifier.json is missing or broken); name a folder `rlef vstar` wrote"),
        ({"verifier.json": "{"}, "no verifier"),
        ({"verifier.json": '{"kind": "oracle", "system": "", "start": "x"}'}, "no verifier"),
        ({"verifier.json": '{"kind": "dpo", "system": 1, "start": "x"}'}, "no verifier"),
        ({"verifier.json": '{"kind": "dpo", "system": "", "start": "x"}'}, "no model beside verifier.json"),
        ({"samples/iteration-1.jsonl": ""}, "no verifier yet; go on with: rlef vstar --resume"),
    ],
)
def test_a_path_that_is_no_verifier_is_refused_before_anything_is_played(files, message, tmp_path, capsys):
    folder = tmp_path / "v"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with pytest.raises(SystemExit) as end:
        main(["eval", "embedded", "--select", f"verifier:{folder}", "--out", str(tmp_path / "runs")])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert str(folder) in said
    assert message in said
    assert not (tmp_path / "runs").exists()


def test_a_run_stands_for_its_verifier(verifier, tmp_path):
    shutil.copytree(verifier, tmp_path / "run" / "checkpoints" / "verifier")
    assert find_verifier(tmp_path / "run") == tmp_path / "run" / "checkpoints" / "verifier"
    assert find_verifier(verifier) == verifier
    (verifier / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(RlefError, match=r"cannot be loaded(?!.*\n)"):
        load_scores(verifier)


def test_an_evaluation_with_a_verifier(verifier, tmp_path, box, capsys, monkeypatch):
    """Written answers, two of them the same program; given again, the verifier is not loaded."""
    tasks = load_suite("starter")["test"][:3]
    rows = [{"task": task.key, "answers": [f"```python\nprint({place // 2})\n```"]} for place, task in enumerate(tasks)]
    answers = tmp_path / "answers.jsonl"
    answers.write_text("\n".join(map(json.dumps, rows)))
    words = ["eval", str(answers), "--select", f"public+verifier:{verifier}", "--metrics", "1@3"]
    main([*words, "--out", str(tmp_path / "runs")])
    assert "scores of" in capsys.readouterr().out
    [folder] = (tmp_path / "runs").glob("*-eval")
    result = json.loads((folder / "result.json").read_text())
    assert result["select"] == f"public+verifier:{verifier}"
    assert result["selection"]["candidates"] == 3
    assert set(result["selection"]["best_of_k"]) >= {"verifier", "oracle", "random", "majority", "shortest"}
    [kept] = (tmp_path / "runs" / "cache").glob("*-scores.jsonl")
    assert len(kept.read_text().splitlines()) == 3  # a program is scored as an answer to its task
    monkeypatch.setattr(score, "load_score", None)
    time.sleep(1.1)  # the folder's name is the second
    main([*words, "--out", str(tmp_path / "runs")])


# ---------------------------------------------------------------- several suites


@pytest.fixture
def second(monkeypatch):
    """A suite of another name beside the starter suite, under two names."""
    suite = Suite("second", {"validation": [ADD, dataclasses.replace(ADD, key="again")]})
    for name in ("second", "other"):
        monkeypatch.setitem(suites_of._loaders, name, lambda path: suite)


def small(out, **more):
    evaluation = EvaluationConfig(split="validation", tasks=2, samples=2, temperature=1.0)
    config = EvalConfig(out=str(out), turn_limit=2, max_new_tokens=4, metrics="pass@2", evaluation=evaluation)
    return dataclasses.replace(config, **more)


def test_several_suites(second, tiny_model, tmp_path, box, capsys, monkeypatch):
    """The second suite dies; given again, the first is not played, and the table has a row for each."""
    run = Job.run

    def dying(job, folder, recipe):
        if job.suite.name == "second":
            raise KeyboardInterrupt
        return run(job, folder, recipe)

    names = ["starter", "second", "other"]
    with monkeypatch.context() as patch:
        patch.setattr(Job, "run", dying)
        with pytest.raises(KeyboardInterrupt):
            command.run_evaluation(str(tiny_model), small(tmp_path), suites=names)
    [first] = tmp_path.glob("*-eval/starter")
    asked, collect = [], evaluate.collect
    monkeypatch.setattr(evaluate, "collect", lambda s, *r, **m: (asked.extend(s), collect(s, *r, **m))[1])
    time.sleep(1.1)
    folder = command.run_evaluation(str(tiny_model), small(tmp_path), suites=names)
    assert {start.task.key for start in asked} == {"add", "again"}
    assert len(asked) == 4  # of one suite: the ledger knows what both names stand for
    assert sorted(path.name for path in folder.iterdir()) == [
        "results.json", "second", "second-2", "starter", "table.md"
    ]  # fmt: skip
    results = json.loads((folder / "results.json").read_text())
    assert list(results) == ["starter", "second", "second-2"]
    for name, result in results.items():
        assert json.loads((folder / name / "result.json").read_text()) == result
        assert len(list(read_episodes(folder / name / "episodes.jsonl"))) == 4
    assert (first / "episodes.jsonl").read_bytes() == (folder / "starter" / "episodes.jsonl").read_bytes()
    table = (folder / "table.md").read_text().splitlines()
    assert [line.split(" | ")[1] for line in table[2:]] == [f"{name} validation" for name in results]
    said = capsys.readouterr().out
    assert "\n".join(table) in said
    assert said.count("pass@2") >= 4  # three rows of the terminal's table, a column of the other


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--suite", "starter", "--suite=starter"], "a suite is named twice"),
        (["--suite", "starter", "--suite", "nowhere"], 'unknown suite "nowhere"'),
        (["--recipe", "humaneval-1@3", "--suite", "starter"], "has its suite; leave --suite out"),
        (["--suite", "starter", "--suite", "second"], "a file of answers belongs to one suite"),
    ],
)
def test_suites_that_cannot_be_meant(words, message, second, tmp_path, capsys):
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"task": "add", "answers": ["x"]}\n')
    with pytest.raises(SystemExit):
        main(["eval", str(answers), *words, "--evaluation.split", "validation", "--out", str(tmp_path)])
    assert message in capsys.readouterr().err
