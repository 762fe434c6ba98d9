"""Mistakes of a user: one line that names the remedy, exit code 2, nothing made."""

import subprocess
import sys

import pytest

from rlef.config import STARTER, TrainConfig, load_config, save_config
from rlef.errors import RlefError


def rlef(*words, cwd, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-m", "rlef", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture
def no_tokenizer(tiny_model, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).symlink_to(tiny_model / name)
    return folder


MISTAKES = {
    "unknown command": (["trane"], "unknown command"),
    "unknown suite": (["train", "--suite", "startr"], 'did you mean "starter"'),
    "unknown split": (["train", "--evaluation.split", "exam"], "it has: train, validation, test"),
    "misspelt flag": (["train", "--ppo.learning_rat", "1"], "did you mean --ppo.learning_rate"),
    "not a number": (["train", "--seed", "one"], "--seed"),
    "senseless value": (["train", "--turn_limit", "0"], "at least 1"),
    "misspelt reward": (["train", "--reward", "executon"], "there are: execution"),
    "no such config": (["train", "--config", "nowhere.toml"], "no such file"),
    "no such run": (["train", "--resume", "nowhere"], "config.toml"),
    "resume with flags": (["train", "--resume", "nowhere", "--seed", "1"], "leave the other flags out"),
    "no run to report": (["report", "nowhere"], "nowhere"),
    "unknown task": (["tasks", "show", "starter", "L9/none"], "no task"),
    "eval without a model": (["eval"], "needs a model"),
    "no such model": (["eval", "./nowhere"], "no such folder"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, tmp_path):
    words, remedy = MISTAKES[name]
    done = rlef(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert remedy in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_model_without_tokenizer(no_tokenizer, tmp_path):
    done = rlef("eval", no_tokenizer, cwd=tmp_path)
    assert done.returncode == 2
    assert "no tokenizer in the folder" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_docker(tmp_path, tiny_model):
    done = rlef("train", "--model", tiny_model, cwd=tmp_path, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 2
    assert "no Docker Engine answers" in done.stderr
    assert not list(tmp_path.rglob("config.toml")), "an empty run folder is left"
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sed = 1", 'unknown field "sed"; did you mean "seed"?'),
        ("[ppo]\nkll = 1", 'unknown field "ppo.kll"; did you mean "ppo.kl"?'),
        ("seed = 'one'", "seed = 'one' is str; it must be int"),
        ("seed = true", "seed = True is bool; it must be int"),
        ("ppo = 3", "ppo must be a table"),
        ("[ppo]\nclip = 0", "ppo.clip"),
        ("[ppo]\nbaseline = 'none'", "must be one of 'critic', 'leave_one_out'"),
        ("seed = ", "not a TOML file"),
    ],
)
def test_mistakes_in_a_file(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RlefError, match=r"^(?!.*\n)") as caught:
        load_config(path)
    assert said in str(caught.value)


def test_configuration_survives_its_file(tmp_path):
    config = load_config(STARTER)
    save_config(config, tmp_path / "config.toml")
    assert load_config(tmp_path / "config.toml") == config
    save_config(TrainConfig(), tmp_path / "config.toml")
    assert load_config(tmp_path / "config.toml") == TrainConfig()


def test_help_shows_every_field(tmp_path):
    shown = rlef("train", "--help", cwd=tmp_path, COLUMNS="200").stdout
    for flag in ("--ppo.kl ", "--warm_start.programs ", "--evaluation.top_p ", "--feedback.wording ", "--turn_limit "):
        assert flag in shown
