"""`rlef sandbox ...`: what it prints, its exit codes, and that pruning removes what a killed owner left, no more."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlef import sandbox_command
from rlef.errors import RlefError
from sandbox import attacks, doctor
from sandbox.attacks import Attack
from sandbox.doctor import Case

ROOT = Path(__file__).parents[2]
OWNER = """
import time
from sandbox import Program, Sandbox
box = Sandbox("docker", slots=1)
box.run(Program("print(1)"), [b""])
print(box._places[0].slot._cell._container, flush=True)
time.sleep(600)
"""


def run(capsys, *words):
    code = sandbox_command.run(words)
    return code, capsys.readouterr().out


def containers():
    return subprocess.run(["docker", "ps", "-aq", "--no-trunc"], capture_output=True, text=True, check=True).stdout


def test_check_reports_and_passes(box, capsys):
    code, out = run(capsys, "check", "--backend", "docker", "--json")
    report = json.loads(out)
    assert (code, report["passed"], report["backend"]) == (0, True, "docker")
    assert {"kernel", "engine", "runc"} <= set(report["versions"])
    assert report["protections"]["seccomp"] is True
    assert len(report["self_test"]) == len(doctor.CASES)


def test_check_fails_when_a_program_does_not_end_as_it_must(box, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "CASES", (Case("wrong", "print(41)"),))
    code, out = run(capsys, "check", "--backend", "docker")
    assert code == 1
    assert "FAILED        wrong" in out


def test_attack_says_what_is_defended_and_proved(box, capsys, monkeypatch):
    rows = {attack.name: attack for attack in attacks.CORPUS}
    chosen = (rows["root"], rows["early-exit"], Attack("elsewhere", "", skip=lambda protections: "no such machine"))
    monkeypatch.setattr(attacks.run_attacks, "__defaults__", (chosen, True))
    code, out = run(capsys, "attack", "--backend", "docker", "--json")
    report = json.loads(out)
    assert (code, report["undefended"]) == (0, 0)
    first, second, third = report["rows"]
    assert (first["name"], first["defended"], first["control"]) == ("root", True, True)
    assert (second["defended"], second["control"]) == (True, None)
    assert second["no_control"]
    assert (third["defended"], third["skipped"]) == (None, "no such machine")
    assert report["not_programs"]


def test_attack_fails_when_something_gets_through(box, capsys, monkeypatch):
    through = (Attack("through", "print('ESCAPED')", off=("seccomp",)),)
    monkeypatch.setattr(attacks.run_attacks, "__defaults__", (through, True))
    code, out = run(capsys, "attack", "--backend", "docker")
    assert code == 1
    assert "NOT DEFENDED" in out


@pytest.mark.alone
def test_prune_removes_what_a_killed_owner_left_and_nothing_else(box, capsys):
    box.run(attacks._SENTINEL.program, [b"1\n"])
    mine = {place.slot._cell._container for place in box._places if place.slot}
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        theirs = owner.stdout.readline().strip()
        subprocess.run(["docker", "pause", theirs], check=True, capture_output=True)  # it cannot end by itself
        run(capsys, "prune")
        assert theirs in containers()
        owner.kill()
    code, out = run(capsys, "prune", "--json")
    assert code == 0
    assert [name for name in json.loads(out)["removed"] if name.startswith("rlef-")]
    end = time.monotonic() + 30
    while theirs in containers():
        assert time.monotonic() < end, "the container of a killed owner is still there"
        time.sleep(0.1)
    assert mine
    assert all(container in containers() for container in mine)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ([], "required"),
        (["chek"], "invalid choice"),
        (["attack", "--mode", "lax"], "choose from"),
        (["bench", "--runs", "0"], "whole number above 0"),
    ],
)
def test_mistakes(words, remedy):
    with pytest.raises(RlefError, match=remedy):
        sandbox_command.run(words)
