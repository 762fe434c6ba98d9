"""`rlef eval` with a tiny model and the real sandbox: what it writes, and that it plays nothing twice."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlef.config import EvaluationConfig, RolloutConfig
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode, read_episodes
from rlef.errors import RlefError
from rlef.evaluation import command, evaluate
from rlef.evaluation.compare import compare_runs, differences, load_side
from rlef.evaluation.config import EvalConfig, check_eval
from rlef.evaluation.ledger import Ledger, key_of, ledger_path, model_digest
from rlef.evaluation.recipes import RECIPES, find_recipe, unscored, within
from rlef.policies.load import load_policy
from tasks import StdioTest, Suite, Task, list_suites, load_suite
from tests.rlef.report_runs import episode, write

ROOT = Path(__file__).parents[2]
TASK = Task("add", "Add.", (StdioTest("1 2\n", "3\n"),), (StdioTest("4 5\n", "9\n"),))


def small(out, **more):
    evaluation = EvaluationConfig(split="validation", tasks=4, samples=2, temperature=1.0)
    config = EvalConfig(
        out=str(out), turn_limit=2, max_new_tokens=8, metrics="1@4,pass@2,pass^2", evaluation=evaluation
    )
    return dataclasses.replace(config, **more)


def played(folder):
    return [(e.task, e.seed, [t.response_ids for t in e.turns]) for e in read_episodes(folder / "episodes.jsonl")]


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory, box):
    out = tmp_path_factory.mktemp("runs")
    return command.run_evaluation(str(tiny_model), small(out, single_turn=True)), out


def test_what_an_evaluation_leaves(finished, capsys):
    folder, _ = finished
    result = json.loads((folder / "result.json").read_text())
    assert result["tasks"] == 4
    assert result["rollouts_per_task"] == 2
    assert set(result["metrics"]) == {"1@4", "pass@2", "pass^2"}
    assert result["metrics"]["1@4"]["tasks"] == 4
    assert sum(block["tasks"] for block in result["by_kind"].values()) == 4
    assert result["single_turn"]["rollouts_per_task"] == 4  # 2 rollouts of 2 turns
    assert [row["measure"] for row in result["single_turn"]["comparison"]] == ["1@2", "1@4"]
    assert len(list(read_episodes(folder / "single_turn.jsonl"))) == 16
    assert {len(e.turns) for e in read_episodes(folder / "single_turn.jsonl")} == {1}
    line = command.markdown_table({result["suite"]: result}).splitlines()[2]
    assert line.startswith(f"| {result['model']} | starter:L0-L2 validation |")
    assert line.count("%") >= 5


def test_the_same_again_plays_nothing_and_more_samples_play_the_rest(finished, tiny_model, monkeypatch):
    folder, out = finished
    asked, collect = [], evaluate.collect

    def counting(starts, *rest, **more):
        asked.extend(starts)
        return collect(starts, *rest, **more)

    monkeypatch.setattr(evaluate, "collect", counting)
    time.sleep(1.1)  # the folder's name is the second
    again = command.run_evaluation(str(tiny_model), small(out, single_turn=True, slots=1))
    assert not asked
    assert played(again) == played(folder)
    assert json.loads((again / "result.json").read_text()) == json.loads((folder / "result.json").read_text())
    time.sleep(1.1)
    more = dataclasses.replace(small(out).evaluation, samples=3)
    larger = command.run_evaluation(str(tiny_model), small(out, evaluation=more))
    assert len(asked) == 4
    assert set(map(str, played(folder))) < set(map(str, played(larger)))


def test_kill_9_loses_nothing_and_repeats_nothing(finished, tiny_model, tmp_path, monkeypatch):
    flags = ["--out", tmp_path, "--turn_limit", 2, "--max_new_tokens", 8, "--evaluation.split", "validation",
             "--evaluation.tasks", 4, "--evaluation.samples", 2, "--evaluation.temperature", 1.0]  # fmt: skip
    code = "import sys, rlef.cli, rlef.evaluation.evaluate as e; e.EPISODES_AT_ONCE = 2; rlef.cli.main(sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", code, "eval", tiny_model, *map(str, flags)], cwd=ROOT,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    [ledger] = wait_for(lambda: [path for path in (tmp_path / "cache").glob("*.jsonl") if path.stat().st_size])
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with ledger.open("a") as file:
        file.write('{"key": "half')
    known = sum(line.endswith("}\n") for line in ledger.open())
    asked, collect = [], evaluate.collect
    monkeypatch.setattr(evaluate, "collect", lambda s, *r, **m: (asked.extend(s), collect(s, *r, **m))[1])
    folder = command.run_evaluation(str(tiny_model), small(tmp_path))
    assert known >= 2
    assert len(asked) == 8 - known
    assert played(folder) == played(finished[0])


def test_an_episode_is_kept_as_soon_as_it_ends(tmp_path, tiny_model, box):
    """Others of its batch are still to come when the process dies."""
    tasks = [dataclasses.replace(TASK, key=str(size), statement="Add. " * size) for size in (1, 2000, 2, 2000)]

    class Dying:
        def run(self, requests, sampling, follow):
            assert len(requests) == 2
            raise KeyboardInterrupt

    ledger = Ledger(tmp_path / "ledger.jsonl")
    options = {"seed": 0, "ledger": ledger}
    with pytest.raises(KeyboardInterrupt):
        evaluate.evaluate(
            Dying(), load_policy(str(tiny_model), "").chat, tasks, box, EvaluationConfig(samples=1),
            DialogueSettings(2), RolloutConfig(context=512), **options,
        )  # fmt: skip
    ledger.close()
    kept = [Episode.from_json(json.loads(line)["episode"]) for line in (tmp_path / "ledger.jsonl").open()]
    assert [(one.task, one.truncated) for one in kept] == [("2000", True)] * 2


def wait_for(found):
    while not (value := found()):
        time.sleep(0.05)
    return value


def test_time_that_is_up_ends_between_batches(finished, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "EPISODES_AT_ONCE", 4)
    clock = iter([0.0, 1.0, 1e6])
    monkeypatch.setattr(evaluate, "monotonic", lambda: next(clock))
    folder = command.run_evaluation(str(tiny_model), small(tmp_path, minutes=1.0, metrics="first"))
    episodes = list(read_episodes(folder / "episodes.jsonl"))
    assert len(episodes) == len({one.task for one in episodes}) == 4  # every task has its first sample


# ---------------------------------------------------------------- the ledger


def test_ledger_keeps_what_counts(tmp_path):
    path = tmp_path / "cache" / "ledger.jsonl"
    kept, lost = episode("add"), dataclasses.replace(episode("add", sandbox_failure=True), seed=1)
    ledger = Ledger(path)
    with pytest.raises(RlefError, match="another evaluation"):
        Ledger(path)
    ledger.add([TASK, TASK], [kept, lost])
    ledger.close()
    with path.open("a") as file:
        file.write('{"key": "of another version", "episode": "{}"}\n{"half')
    again = Ledger(path)
    assert again.get(TASK, 0) == kept
    assert again.get(TASK, 1) is None
    again.add([TASK], [dataclasses.replace(kept, seed=2)])
    again.close()
    assert Ledger(path).get(TASK, 2) is not None


def test_ledger_knows_edited_tasks_settings_and_models(tmp_path):
    edited = dataclasses.replace(TASK, private_tests=(StdioTest("4 5\n", "8\n"),))
    assert key_of(TASK, 0) != key_of(edited, 0)
    assert key_of(TASK, 0) == key_of(dataclasses.replace(TASK, metadata={"level": 3}), 0)
    one = EvalConfig()
    same = [{"slots": 7}, {"metrics": "pass@1"}, {"minutes": 3.0}, {"evaluation": EvaluationConfig(samples=9, tasks=2)}]
    other = [{"turn_limit": 1}, {"system": "x"}, {"evaluation": EvaluationConfig(temperature=1.0)}]
    for change in same:
        assert ledger_path(dataclasses.replace(one, **change), "m", "s") == ledger_path(one, "m", "s"), change
    for change in other:
        assert ledger_path(dataclasses.replace(one, **change), "m", "s") != ledger_path(one, "m", "s"), change
    assert ledger_path(one, "other", "s") != ledger_path(one, "m", "s")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    digest = model_digest(str(tmp_path))
    (tmp_path / "trainer.pt").write_bytes(b"state")
    assert model_digest(str(tmp_path)) == digest
    (tmp_path / "model.safetensors").write_bytes(b"Weights")
    assert model_digest(str(tmp_path)) != digest
    assert model_digest("embedded") == "embedded"


# ---------------------------------------------------------------- comparing


@pytest.fixture
def sides(tmp_path):
    for name, marks in (("a", ["-", "!-+", "+", "---"]), ("b", ["+", "!+", "+", "--+"])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "eval.toml").write_text(
            f'turn_limit = 3\nsuite = "s"\n[evaluation]\ntemperature = 0.{len(name)}'
        )
        write(tmp_path / name / "episodes.jsonl", [episode(f"t{i}", m) for i, m in enumerate(marks * 3)])
    return tmp_path / "a", tmp_path / "b"


def test_compare_two_evaluations(sides):
    a, b = map(load_side, sides)
    rows = {row.name: row for row in compare_runs(a, b, "first,1@3,repair")}
    assert rows["first"].before.mean == 1 / 4
    assert rows["first"].after.mean == 1 / 2
    assert rows["1@3"].comparison.difference.mean == pytest.approx(1 / 2)
    assert rows["1@3"].comparison.p_value < 0.1
    assert rows["1@3"].comparison.tasks == 12
    assert rows["repair"].after.mean == 1
    assert rows["first"].needed > 12
    assert differences(a, b) == []
    assert differences(a, dataclasses.replace(b, settings={"turn_limit": 1})) == ["turn_limit: 3 and 1"]
    stranger = dataclasses.replace(b, episodes=[episode("other")])
    with pytest.raises(RlefError, match="no task in common"):
        compare_runs(a, stranger)


def test_compare_command(sides, tmp_path):
    def rlef(*words):
        command = [sys.executable, "-m", "rlef", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    found = json.loads(rlef("compare", *sides, "--json").stdout)
    assert [row["measure"] for row in found["measures"]] == ["first", "final", "repair"]
    assert "needed" in rlef("compare", *sides).stdout
    (tmp_path / "none").mkdir()
    failed = rlef("compare", sides[0], tmp_path / "none")
    assert failed.returncode == 2
    assert "no finished evaluation" in failed.stderr


# ---------------------------------------------------------------- recipes


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_whole(name, tmp_path):
    recipe = RECIPES[name]
    data = tmp_path / "data.jsonl"
    data.touch()
    config = dataclasses.replace(recipe, sha256="").config(data)
    check_eval(config)
    command.check_samples(command.parse_measures(config.metrics, config.turn_limit), config.evaluation.samples)
    assert recipe.rows or recipe.until
    if recipe.sha256:
        with pytest.raises(RlefError, match="not the file of record"):
            recipe.config(data)
    with pytest.raises(RlefError, match="is had from"):
        recipe.config(tmp_path / "nowhere")
    if recipe.rows:
        with pytest.raises(RlefError, match=f"has {recipe.rows} tasks, the data gives 1"):
            recipe.check(Suite("s", {recipe.split: [TASK]}))


def test_tasks_that_cannot_be_scored_are_counted_and_left_out():
    marked = [
        dataclasses.replace(TASK, key=split, metadata={"unscored": "why", "split": split})
        for split in ("test", "train")
    ]
    suite = Suite("s", {"test": [TASK] * 164, "unscored": marked})
    find_recipe("codecontests-test-1@3").check(suite)
    assert unscored(suite, "test") == 1
    assert unscored(Suite("s", {"test": [TASK]}), "test") == 0


def test_recipes_name_formats_there_are():
    assert {recipe.suite for recipe in RECIPES.values()} <= set(list_suites())


def test_recipe_names():
    with pytest.raises(RlefError, match="did you mean"):
        find_recipe("humaneval-1@4")


def test_humaneval_of_record(data_dir):
    recipe = find_recipe("humaneval-1@3")
    config = recipe.config(data_dir / "humaneval" / "HumanEval.jsonl.gz")
    recipe.check(load_suite(config.suite))


def test_windows_of_dates():
    dated = [dataclasses.replace(TASK, key=day, metadata={"contest_date": f"{day}T00:00:00"})
             for day in ("2024-01-31", "2024-06-01", "2024-12-01")] + [TASK]  # fmt: skip
    assert [task.key for task in within(dated, "2024-02-01", "2024-06-01")] == ["2024-06-01"]
    assert [task.key for task in within(dated, "", "2024-06-01")] == ["2024-01-31", "2024-06-01"]
    assert within(dated, "", "") == dated
    with pytest.raises(RlefError, match="they are from 2024-01-31 to 2024-12-01"):
        within(dated, "2025-01-01", "")
    with pytest.raises(RlefError, match="no task of this suite has a date"):
        within([TASK], "2025-01-01", "")
