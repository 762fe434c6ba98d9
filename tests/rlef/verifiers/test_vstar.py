"""`rlef vstar` with a tiny model and the real sandbox: artefacts, a kill in every stage, an RLEF run as pool."""

import dataclasses
import json
import shutil

import pytest

from rlef.cli import main
from rlef.config import TrainConfig, read_config, save_config
from rlef.envs.dialogue import Dialogue, DialogueSettings, step_many
from rlef.episode import Episode, Turn, append_episodes, read_episodes
from rlef.errors import RlefError
from rlef.evaluation.selection import Verifier
from rlef.run import Run
from rlef.verifiers import heldout, stages, vstar
from rlef.verifiers.config import GeneratorConfig, SelectionConfig, VerifierConfig, VStarConfig, check_vstar
from rlef.verifiers.pool import answers_of
from rlef.verifiers.score import find_verifier
from tasks import load_suite

pytest.importorskip("trl")
SMALL = VStarConfig(
    iterations=2, samples=2, tasks=3, max_new_tokens=6, sft=GeneratorConfig(programs=2, epochs=1),
    verifier=VerifierConfig(pairs_per_task=1, epochs=1, batch=2, micro_batch=2),
    selection=SelectionConfig(split="validation", tasks=2, samples=2, draws=5),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def words(box):
    """A random model writes no program: by its episode's seed the task's reference or a wrong program stands for it.

    Only the text is exchanged; sampling, sandbox and verdicts are real.
    """
    collect = stages.collect

    def judged(task, episode):
        choices = [*task.references[:1], *task.mutants]
        [step] = step_many(
            [Dialogue(task, DialogueSettings(1))],
            [f"```python\n{choices[episode.seed % len(choices)].source}\n```"],
            box,
        )
        turn = dataclasses.replace(
            episode.turns[0], program=step.program, public=step.public, private=step.private, trust=step.trust
        )
        return dataclasses.replace(episode, turns=(turn,), sandbox_failure=step.sandbox_failure)

    def spoken(starts, *given, **more):
        return [judged(start.task, one) for start, one in zip(starts, collect(starts, *given, **more), strict=True)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "collect", spoken)
        patch.setattr(stages, "CHUNK", 3)
        yield


@pytest.fixture(scope="module")
def whole(words, tiny_model, tmp_path_factory):
    """A run that was never stopped."""
    config = dataclasses.replace(SMALL, model=str(tiny_model), out=str(tmp_path_factory.mktemp("vstar")))
    run = vstar.create(config)
    return run, vstar.vstar(run)


def artefacts(run):
    """All files that are results, byte for byte; result.json without times and places."""
    apart = ("minutes.json", "config.toml", "result.json")
    files = {str(path.relative_to(run.folder)): path for path in run.folder.rglob("*") if path.is_file()}
    found = {name: path.read_bytes() for name, path in files.items() if name not in apart}
    result = json.loads(files["result.json"].read_text())
    return found | {"result": {key: value for key, value in result.items() if key not in ("minutes", "generator")}}


def test_artefacts(whole):
    run, result = whole
    names = set(artefacts(run))
    assert names >= {f"checkpoints/{name}/model.safetensors" for name in
                     ("warm-start", "generator-2", "verifier", "bradley_terry", "cross_entropy")}  # fmt: skip
    assert not [name for name in names if name.endswith(".part")]
    samples = list(read_episodes(run.folder / "samples" / "iteration-2.jsonl"))
    assert len(samples) == 6
    shown = list(read_episodes(run.folder / "demonstrations.jsonl"))
    assert {one.task for one in shown} < {one.task for one in samples}
    assert set(result["scorers"]) == {
        "verifier", "log_ratio", "generator_likelihood", "shortest", "bradley_terry", "cross_entropy"
    }  # fmt: skip
    curves = result["best_of_k"]
    assert set(curves) >= {"oracle", "random", "majority", "weighted_vote", "public_tests+verifier"}
    assert curves["random"]["2"]["mean"] == pytest.approx(result["pass@1"]["mean"])
    assert curves["oracle"]["1"]["mean"] == pytest.approx(curves["verifier"]["1"]["mean"])
    assert all(points["2"]["mean"] <= curves["oracle"]["2"]["mean"] + 1e-9 for points in curves.values())
    assert json.loads((run.folder / "result.json").read_text()) == json.loads(json.dumps(result))


def test_the_verifier_starts_from_the_sft_model_and_learns_from_training_tasks(whole):
    run, result = whole
    note = json.loads((run.folder / "checkpoints" / "verifier" / "verifier.json").read_text())
    assert note["start"] == "../warm-start"
    rows = [json.loads(line) for line in (run.folder / "pairs.jsonl").read_text().splitlines()]
    assert len(rows) == result["pairs"]["pairs"] > 0
    assert {row["task"] for row in rows} <= {task.key for task in load_suite("starter:L0-L2")["train"]}


@pytest.mark.parametrize("kind", ["verifier", "bradley_terry", "cross_entropy"])
def test_an_evaluation_scores_with_each_of_its_verifiers_as_the_run_did(whole, kind):
    folder = whole[0].folder
    answers = answers_of(read_episodes(folder / "evaluation" / "candidates.jsonl"))
    items = [(one.observation, one.program) for group in answers.values() for one in group]
    known = json.loads((folder / "evaluation" / f"scores-{kind}.json").read_text())[kind]
    found = find_verifier(folder / "checkpoints" / kind)
    assert Verifier(found).score(items) == pytest.approx(known)
    assert find_verifier(folder) == folder / "checkpoints" / "verifier"


STAGES = {
    "samples": ["samples/iteration-1.jsonl"],
    "generator": ["checkpoints/generator-2"],
    "later samples": ["samples/iteration-2.jsonl"],
    "pairs": ["pairs.jsonl", "pairs.json"],
    "verifier": ["checkpoints/verifier"],
    "reward model": ["checkpoints/bradley_terry", "checkpoints/cross_entropy"],
    "candidates": ["evaluation/candidates.jsonl"],
    "scores": ["evaluation/scores-generator_likelihood.json", "evaluation/clusters.json", "result.json"],
}


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("stage", "module", "name"),
    [
        ("samples", stages, "append_episodes"),
        ("generator", Run, "save_model"),
        ("pairs", vstar, "write_pairs"),
        ("reward model", vstar, "train_verifier"),
        ("scores", heldout, "load_likelihood"),
    ],
)
def test_killed_in_any_stage_it_ends_with_the_same_artefacts(whole, tmp_path, monkeypatch, stage, module, name):
    """What came before the stage is there; the process dies in the middle of it."""
    first, _ = whole
    run = Run(tmp_path / "run")
    shutil.copytree(first.folder, run.folder)
    for gone in list(STAGES)[list(STAGES).index(stage) :]:
        for file in STAGES[gone]:
            path = run.folder / file
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = getattr(module, name)
    calls = []

    def dying(*given, **more):
        calls.append(1)
        if name == "append_episodes":  # the first chunk is written, of the second one episode and a half
            if len(calls) == 1:
                return done(*given, **more)
            with given[0].open("a") as file:
                file.write(given[1][0].to_json() + '\n{"half": ')
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, name, dying)
        with pytest.raises(Killed):
            vstar.vstar(run)
    vstar.vstar(Run(run.folder))
    assert artefacts(run) == artefacts(first)


def test_chunks(tmp_path):
    path = tmp_path / "samples.jsonl"
    assert stages.keep_chunks(path, 10) == 0
    path.write_text("a\n" * 7 + "half")
    assert stages.keep_chunks(path, 10) == 6
    assert path.read_text() == "a\n" * 6
    path.write_text("a\n" * 10)
    assert stages.keep_chunks(path, 10) == 10


@pytest.fixture
def trained(tiny_model, tmp_path):
    """A folder as `rlef train` leaves it, with right and wrong programs for three training tasks."""
    run = tmp_path / "rlef-run"
    for name in ("warm-start", "latest"):
        shutil.copytree(tiny_model, run / "checkpoints" / name)
    save_config(TrainConfig(system="Be brief."), run / "config.toml")
    episodes = []
    for task in load_suite("starter:L0-L2")["train"][:3]:
        wrong = Turn(task.statement, "", "print(1)", ("wrong_answer",), None)
        right = Turn("again", "", "print(2)", ("accepted",), ("accepted",))
        episodes.append(Episode(task.key, 0, (wrong, right), suite="starter:L0-L2"))
    append_episodes(run / "episodes.jsonl", episodes)
    return run


def flags(config, path):
    """`config` as a file for --config."""
    save_config(config, path)
    return ["vstar", "--config", str(path)]


def test_episodes_of_a_run_are_the_pool(trained, tmp_path, capsys):
    config = dataclasses.replace(SMALL, out=str(tmp_path / "out"), tasks=0, baselines=False)
    main([*flags(config, tmp_path / "c.toml"), "--episodes", str(trained), "--selection.samples", "2"])
    [made] = (tmp_path / "out").iterdir()
    assert "best of 2" in capsys.readouterr().out
    assert not list((made / "samples").iterdir())
    used = read_config(VStarConfig, made / "config.toml")
    assert used.system == "Be brief."
    rows = [json.loads(line) for line in (made / "pairs.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["repair"] * 3
    assert rows[0]["prompt"][0] == {"role": "system", "content": "Be brief."}


def test_a_test_task_in_a_run_stops_before_training(trained, tmp_path, capsys):
    held_out = load_suite("starter:L0-L2")["test"][0]
    append_episodes(trained / "episodes.jsonl", [Episode(held_out.key, 0, (), suite="starter:L0-L2")])
    config = dataclasses.replace(SMALL, out=str(tmp_path / "out"), tasks=0)
    with pytest.raises(SystemExit):
        main([*flags(config, tmp_path / "c.toml"), "--episodes", str(trained)])
    said = capsys.readouterr().err
    assert f'line 4: task "{held_out.key}" is not in split "train"' in said
    assert not list((tmp_path / "out").rglob("model.safetensors"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": 0}, "iterations = 0: must be at least 1"),
        ({"temperature": 0.0}, "temperature = 0.0: must be above 0"),
        ({"context": 5}, "context = 5: must be larger than max_new_tokens"),
        ({"verifier": VerifierConfig(batch=6, micro_batch=4)}, "verifier.batch = 6: must be a multiple"),
        ({"selection": SelectionConfig(split="train")}, "selection.split = 'train'"),
    ],
)
def test_values_that_cannot_be_meant(change, message):
    with pytest.raises(RlefError, match=message):
        check_vstar(dataclasses.replace(SMALL, **change))


def test_a_folder_that_is_no_run_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["vstar", "--resume", str(tmp_path)])
    assert "no run of `rlef vstar`" in capsys.readouterr().err
