"""The live view: it follows growing files, survives a run that is cut back, and shows nothing that acts."""

import json
from io import StringIO

import pytest
from rich.console import Console

from rlef.errors import RlefError
from rlef.watch import BARS, Follower, sparkline, view, watch
from tests.rlef.report_runs import HOSTILE, episode, make_run


def shown(run, follower=None):
    console = Console(file=StringIO(), width=120, force_terminal=True)
    console.print(view(follower or Follower(run).read(), run))
    return console.file.getvalue()


def test_follows_what_is_added(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").touch()
    follower = Follower(run).read()
    assert "nothing yet" in shown(run, follower)
    line = episode("first", "!-+", step=0).to_json() + "\n"
    (run / "episodes.jsonl").write_text(line + line[:50])
    (run / "metrics.jsonl").write_text('{"step": 1, "rollout/reward": -0.5}\n{"step": 2, "roll')
    follower.read()
    assert follower.last.episodes == 1
    assert "runtime error" in shown(run, follower)
    assert "wrong answer became accepted" in shown(run, follower)
    with (run / "episodes.jsonl").open("a") as file:
        file.write(line[50:] + episode("second", "p", step=1).to_json() + "\n")
    follower.read()
    assert (follower.last.first, follower.last.episodes) == (2, 1)
    (run / "episodes.jsonl").write_text(line)  # a resumed run goes back to its checkpoint
    follower.read()
    assert (follower.last.first, follower.last.episodes) == (1, 1)


def test_where_there_is_no_terminal_it_prints_once(tmp_path):
    console = Console(file=StringIO(), width=120)
    watch(make_run(tmp_path / "run"), console)
    assert "update 30" in console.file.getvalue()
    with pytest.raises(RlefError, match="rlef train"):
        watch(tmp_path)


def test_hostile_programs_do_nothing(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "episodes.jsonl").write_text(episode(HOSTILE, "-+", "[bold]x[/nope] \x1b[2J" + HOSTILE).to_json() + "\n")
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1, "rollout/reward": HOSTILE, "kl/reference": 0.5}) + "\n")
    text = shown(run)
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "[bold]x[/nope] ␛[2J" in text


def test_sparkline():
    assert sparkline([0, 1]) == BARS[0] + BARS[-1]
    assert sparkline([3, 3, 3]) == BARS[0] * 3
    assert len(sparkline(list(range(100)), 40)) == 40
