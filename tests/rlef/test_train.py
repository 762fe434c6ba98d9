"""The main job with a tiny model and the real sandbox: files, resume after a kill, Ctrl-C, full disks."""

import copy
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from rlef.config import (
    EvaluationConfig,
    PPOConfig,
    RolloutConfig,
    TrainConfig,
    WarmStartConfig,
    load_config,
    save_config,
)
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode, Turn, read_episodes
from rlef.errors import RlefError
from rlef.evaluation.command import model_of
from rlef.learners.batch import action_logprobs, forward, to_batch
from rlef.learners.demonstrations import programs, repairs, split_tasks
from rlef.learners.ppo import PPO
from rlef.learners.sft import warm_start
from rlef.policies.load import load_policy
from rlef.run import Run, guard, replacing
from rlef.train import train
from sandbox import Program
from tasks import load_suite
from tests.rlef.learning import killed_in_update

DIALOGUE = DialogueSettings(turn_limit=2)


def small(model, out, **more):
    config = TrainConfig(
        model=str(model), out=str(out), turn_limit=2, checkpoint_every=1,
        warm_start=WarmStartConfig(programs=2, repairs=2, epochs=1),
        rollout=RolloutConfig(tasks=2, samples=2, max_new_tokens=8),
        ppo=PPOConfig(updates=3, learning_rate=1e-3, mini_batches=2, ema=0.75),
        evaluation=EvaluationConfig(split="validation", tasks=3, samples=1),
    )  # fmt: skip
    return dataclasses.replace(config, **more)


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory, box):
    run = Run.create(small(tiny_model, tmp_path_factory.mktemp("runs")))
    return run, train(run)


def weights(run, name="latest"):
    return AutoModelForCausalLM.from_pretrained(run.folder / "checkpoints" / name).state_dict()


def numbers(run):
    """metrics.jsonl without times."""
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if not key.startswith("time/")} for row in rows]


def episodes(run):
    return list(read_episodes(run.folder / "episodes.jsonl"))


def test_run_folder(finished):
    run, result = finished
    names = {path.name for path in run.folder.iterdir()}
    assert names >= {"config.toml", "metrics.jsonl", "episodes.jsonl", "checkpoints", "evaluation", "result.json",
                     "curves.png", "report.html"}  # fmt: skip
    assert json.loads((run.folder / "result.json").read_text()) == json.loads(json.dumps(result))
    assert result["warm_start"]["tasks"] == result["trained"]["tasks"] == 3
    assert sum(block["tasks"] for block in result["by_kind"].values()) == 3
    assert set(result) >= {"difference_1@2", "ratio_1@2", "minutes", "versions", "seed"}
    assert len(episodes(run)) == 12
    steps = [row["step"] for row in numbers(run)]
    assert steps == [0, 1, 2, 3, 3]
    learned = numbers(run)[1]
    assert {"rollout/reward", "losses/approx_kl", "losses/clipfrac", "losses/explained_variance", "kl/reference",
            "rollout/repair_rate", "losses/entropy"} <= set(learned)  # fmt: skip
    assert load_config(run.folder / "config.toml") == run.config
    assert not list(run.folder.rglob("*.part"))


def test_training_changes_the_policy_and_only_what_it_should(tiny_model, tmp_path):
    config = small(tiny_model, tmp_path)
    run = Run.create(dataclasses.replace(config, ppo=dataclasses.replace(config.ppo, frozen_layers=1)))
    train(run)
    start, end = weights(run, "warm-start"), weights(run)
    moved = {name for name in start if not torch.equal(start[name], end[name])}
    frozen = {name for name in start if "embed_tokens" in name or ".layers.0." in name}
    assert any(".layers.1." in name for name in moved)
    assert not moved & frozen
    assert all(torch.isfinite(value).all() for value in end.values())


def test_more_frozen_layers_than_there_are(tiny_model, tmp_path):
    config = small(tiny_model, tmp_path)
    with pytest.raises(RlefError, match="frozen_layers"):
        train(Run.create(dataclasses.replace(config, ppo=dataclasses.replace(config.ppo, frozen_layers=99))))


def test_the_average_is_handed_out_and_training_goes_on_with_the_last_weights(tiny_model, tmp_path):
    config = small(tiny_model, tmp_path)
    run = Run.create(dataclasses.replace(config, ppo=dataclasses.replace(config.ppo, updates=1)))
    train(run)
    start, average, (_, _, state) = weights(run, "warm-start"), weights(run), run.load_state()
    moved = [name for name, last in state["weights"].items() if not torch.equal(last, start[name])]
    assert moved
    for name, last in state["weights"].items():
        torch.testing.assert_close(average[name], 0.75 * start[name] + 0.25 * last)


@pytest.mark.parametrize("updates_done", [1, 2])
def test_resume_after_a_kill_ends_with_the_same_numbers(finished, tiny_model, tmp_path, monkeypatch, updates_done):
    """The process dies in the middle of an update, with half a line written and an update half learned."""
    whole, _ = finished
    run = Run.create(small(tiny_model, tmp_path))

    def half_a_line():
        with (run.folder / "episodes.jsonl").open("a") as file:
            file.write('{"half": ')

    killed_in_update(run, updates_done + 1, monkeypatch, half_a_line)
    train(Run.open(run.folder))
    assert numbers(run) == numbers(whole)
    assert episodes(run) == episodes(whole)
    assert all(torch.equal(a, b) for a, b in zip(weights(run).values(), weights(whole).values(), strict=True))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_real_signal_loses_nothing(finished, tiny_model, tmp_path, number):
    whole, _ = finished
    config = tmp_path / "config.toml"
    save_config(small(tiny_model, tmp_path / "runs"), config)
    command = [sys.executable, "-m", "rlef", "train"]
    process = subprocess.Popen([*command, "--config", str(config)], stdout=subprocess.PIPE, text=True)
    shown = ""
    for line in process.stdout:
        shown += line
        if line.startswith("update 1/3"):
            process.send_signal(number)
            break
    shown += process.communicate(timeout=400)[0]
    if number == signal.SIGINT:
        assert process.returncode == 0, shown
        assert "everything is saved" in shown
    [folder] = (tmp_path / "runs").iterdir()
    assert not (folder / "result.json").exists()
    done = subprocess.run([*command, "--resume", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "report: " in done.stdout
    assert numbers(Run.open(folder)) == numbers(whole)


def tried_with(tasks, policy):
    """Episodes of one turn in which a model gave each task's first wrong program."""
    made = []
    for task in tasks:
        said = f"```python\n{task.mutants[0].source}\n```"
        turn = Turn("", said, None, (), None, 0.0, (), tuple(policy.chat.answer(said)))
        made.append(Episode(task.key, 0, (turn,)))
    return made


def some_demonstrations(policy, box, count):
    """`count` references and `count` repairs of wrong programs."""
    tasks = [task for task in load_suite("starter:L0-L2")["train"] if task.mutants][: 3 * count]
    shown = programs(tasks[:count], policy.chat, box, DIALOGUE, 0)
    return shown, repairs(tasks[count:], tried_with(tasks[count:], policy), policy.chat, box, DIALOGUE, 0)[:count]


def test_demonstrations_are_passing_dialogues_with_real_feedback(tiny_model, box):
    shown, mended = some_demonstrations(load_policy(str(tiny_model)), box, 4)
    assert [len(episode.turns) for episode in shown] == [1] * 4
    assert [len(episode.turns) for episode in mended] == [2] * 4
    assert all(episode.passed and not episode.turns[0].passed for episode in [*shown, *mended] if episode.turns[1:])
    assert all(episode.passed for episode in shown)
    assert all("Your program fails these tests" in episode.turns[1].observation for episode in mended)


def test_a_program_that_got_past_the_public_tests_is_no_repair(tiny_model, box):
    policy = load_policy(str(tiny_model))
    task = load_suite("starter:L0-L2")["train"][0]
    [right] = programs([task], policy.chat, box, DIALOGUE, 0)
    assert repairs([task], [right], policy.chat, box, DIALOGUE, 0) == []


def test_a_reference_that_fails_is_named(tiny_model, box):
    policy = load_policy(str(tiny_model))
    task = load_suite("starter:L0-L2")["train"][0]
    broken = dataclasses.replace(task, references=(Program("print('?')", "python"),))
    with pytest.raises(RlefError, match=re.escape(task.key)):
        programs([broken], policy.chat, box, DIALOGUE, 0)


def test_warm_start_tasks_are_apart_and_too_few_are_an_error():
    tasks = load_suite("starter:L0-L2")["train"]
    answered, tried = split_tasks(tasks, WarmStartConfig(programs=5, repairs=4), 0)
    assert len(answered) == 5
    assert len(tried) == 8
    assert len({task.key for task in [*answered, *tried]}) == 13
    with pytest.raises(RlefError, match="lower warm_start"):
        split_tasks(tasks[:3], WarmStartConfig(programs=2, repairs=1), 0)


def test_warm_start_learns_the_last_response_only(tiny_model, box):
    policy = load_policy(str(tiny_model))
    config = WarmStartConfig(epochs=20, learning_rate=1e-2)
    shown = [episode for some in some_demonstrations(policy, box, 2) for episode in some]
    losses = warm_start(policy.model, shown, config, 0, 2048)
    assert losses[-1] < losses[0] / 2
    batch = to_batch(shown, range(len(shown)))
    with torch.no_grad():
        logprobs = action_logprobs(policy.model, forward(policy.model, batch), batch)
    repair = next(i for i, episode in enumerate(shown) if len(episode.turns) == 2)
    first, last = (logprobs[repair][batch.turn_ids[repair] == turn].mean() for turn in (0, 1))
    assert last > first


def test_sandbox_failures_are_masked_everywhere(tiny_model, finished):
    """An episode of NaNs that is marked as our failure changes nothing."""
    good = episodes(finished[0])[:4]
    nan = float("nan")
    turns = [dataclasses.replace(t, reward=nan, value=nan, logprobs=(nan,) * len(t.logprobs)) for t in good[0].turns]
    poison = dataclasses.replace(good[0], turns=tuple(turns), sandbox_failure=True)
    after = []
    for batch in (good, [good[0], poison, *good[1:]]):
        model, reference = (load_policy(str(tiny_model)).model for _ in range(2))
        metrics = PPO(model, reference, PPOConfig(learning_rate=1e-3), 0).update(batch, 0)
        after.append((metrics, model.state_dict()))
    assert after[0][0] == after[1][0]
    assert all(torch.equal(a, b) for a, b in zip(after[0][1].values(), after[1][1].values(), strict=True))
    model, reference = (load_policy(str(tiny_model)).model for _ in range(2))
    assert PPO(model, reference, PPOConfig(), 0).update([poison], 0) == {"learn/episodes": 0.0}


def test_rewarded_responses_become_likelier():
    """Two answers to two prompts, one rewarded: its tokens gain probability, the other's lose some."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=200, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()

    def pair(logprobs):
        return [
            Episode(str(k), 0, (Turn("", "", "", reward=reward, value=0.0, prompt_ids=tuple(range(9 * k, 9 * k + 9)),
                                     response_ids=tuple(range(100 + 8 * k, 108 + 8 * k)), logprobs=logprobs[k]),))
            for k, reward in ((0, 1.0), (1, -1.0))
        ]  # fmt: skip

    batch = to_batch(pair([(0.0,) * 8] * 2), [0, 1])

    def score():
        with torch.no_grad():
            return action_logprobs(model, forward(model, batch), batch)

    before = score()
    learner = PPO(model, copy.deepcopy(model), PPOConfig(learning_rate=1e-4, mini_batches=1, warmup=0), 0)
    for number in range(3):
        now = score()
        learner.update(pair([tuple(now[k][batch.action[k]].tolist()) for k in (0, 1)]), number)
    change = (score() - before).sum(-1)
    assert change[0] > 0.1
    assert change[1] < -0.1


def test_a_gradient_that_is_no_number_stops_before_the_step(tiny_model, finished):
    model, reference = (load_policy(str(tiny_model)).model for _ in range(2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bad = dataclasses.replace(episodes(finished[0])[0])
    turns = [dataclasses.replace(turn, reward=float("nan")) for turn in bad.turns]
    with pytest.raises(RlefError, match="learning_rate"):
        PPO(model, reference, PPOConfig(), 0).update([dataclasses.replace(bad, turns=tuple(turns))] * 2, 0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    """/dev/full is a real device that has no space."""
    with pytest.raises(RlefError, match=r"no space left .* --resume"), guard(tmp_path):
        Path("/dev/full").write_text("x")
    good = tmp_path / "latest"
    good.mkdir()
    (good / "model").write_text("good")

    def save():
        with guard(tmp_path), replacing(good) as part:
            part.mkdir()
            os.symlink("/dev/full", part / "model")
            (part / "model").write_text("half")

    with pytest.raises(RlefError, match="no space"):
        save()
    assert (good / "model").read_text() == "good"
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]


def test_runs_that_begin_in_the_same_second_have_folders_of_their_own(tmp_path):
    runs = [Run.create(TrainConfig(out=str(tmp_path))) for _ in range(5)]
    assert len({run.folder for run in runs}) == 5
    assert all((run.folder / "config.toml").exists() for run in runs)


def test_whoever_reads_a_run_leaves_a_save_that_is_under_way_alone(tmp_path):
    saved = tmp_path / "checkpoints" / "latest"
    (tmp_path / "checkpoints" / "warm-start").mkdir(parents=True)
    (tmp_path / "checkpoints" / "warm-start" / "config.json").touch()
    for part in range(2):
        with replacing(saved) as folder:
            folder.mkdir()
            (folder / "config.json").touch()
            assert model_of(str(tmp_path)).endswith("latest" if part else "warm-start")
            assert folder.exists()
    saved.rename(saved.with_name("latest.old"))  # between the two halves
    assert model_of(str(tmp_path)).endswith("latest.old")
    assert saved.with_name("latest.old").exists()
