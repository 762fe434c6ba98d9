"""Slots without an engine: who may have them, which backend "auto" takes, and that nothing of them is left."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox import Program, Sandbox, SandboxError, Status, backends
from sandbox.backends import BACKENDS, namespaces, open_backend, owner
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.local import Layout, probe
from sandbox.prune import prune

ROOT = Path(__file__).parents[2]
LOCAL = ("namespaces", "bubblewrap")
PATIENCE_S = 120
OWNER = """
import sys, time
from sandbox import Program, Sandbox
from sandbox.backends.owner import owner_label
box = Sandbox(sys.argv[1], slots=1)
box.run(Program("print(1)"), [b""])
cell = box._places[0].slot._cell
print(owner_label(), cell.process.pid if hasattr(cell, "process") else cell._container, flush=True)
time.sleep(600)
"""


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "this never happens"
        time.sleep(0.05)


def groups(label):
    return [group for root in namespaces._roots() for group in root.glob(f"rlef-{label}.*")]


def group_of(pid):
    """Processes of a process group that are not yet dead."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == pid and state != "Z":
            found.append(int(folder.name))
    return found


@pytest.fixture(params=LOCAL)
def killed(request, open_sandbox):
    """The label and the slot's process group of an owner of one slot that is killed in the end."""
    open_sandbox(backend=request.param, slots=1).close()  # skips where this backend does not work
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, request.param], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        label, pid = process.stdout.readline().split()
        yield process, label, int(pid)
        process.kill()


def test_slots_of_a_killed_owner_end_by_themselves(killed):
    process, label, pid = killed
    assert group_of(pid)
    process.kill()
    wait_until(lambda: not group_of(pid))
    prune()
    assert groups(label) == []


@pytest.mark.alone
def test_a_slot_that_was_stopped_is_pruned_when_its_owner_is_gone_and_not_before(open_sandbox):
    with open_sandbox(backend="namespaces", slots=1) as mine:
        mine.run(Program("print(1)"), [b""])
        with subprocess.Popen(
            [sys.executable, "-c", OWNER, "namespaces"], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            label, pid = process.stdout.readline().split()
            os.killpg(int(pid), signal.SIGSTOP)  # it cannot notice that its owner is gone
            removed, _ = prune()
            assert groups(label)
            assert not [name for name in removed if label in name]
            process.kill()
        removed, _ = prune()
        assert [name for name in removed if label in name]
        assert groups(label) == []
        wait_until(lambda: not group_of(int(pid)))
        assert mine.run(Program("print(2)"), [b""])[0].stdout == b"2\n"


def test_folders_of_dead_owners_are_pruned_and_only_those(tmp_path, monkeypatch):
    monkeypatch.setattr(owner.tempfile, "tempdir", str(tmp_path))
    mine, dead, foreign = owner.make_folder(), owner.make_folder(), tmp_path / "rlef-sandbox-x"
    foreign.mkdir()
    boot, namespace, *_ = owner.owner_label().split(":")
    (dead / ".owner").write_text(f"{boot}:{namespace}:4194305:1")
    assert owner.prune_folders() == [str(dead)]
    assert (mine.exists(), dead.exists(), foreign.exists()) == (True, False, True)


@pytest.mark.parametrize("backend", LOCAL)
def test_nothing_is_left_after_close(open_sandbox, backend):
    with open_sandbox(backend=backend, slots=2) as box:
        box.run_many([])
        wait_until(lambda: all(place.slot for place in box._places))
        pids = [place.slot._cell.process.pid for place in box._places]
        assert all(group_of(pid) for pid in pids)
    wait_until(lambda: not any(group_of(pid) for pid in pids))  # what is killed dies in its own time
    assert groups(owner.owner_label()) == []


@pytest.mark.parametrize("backend", LOCAL)
def test_a_slot_that_is_killed_costs_nothing(open_sandbox, backend):
    with open_sandbox(backend=backend, slots=1) as box:
        box.run(Program("print(1)"), [b""])
        os.killpg(box._places[0].slot._cell.process.pid, signal.SIGKILL)
        assert box.run(Program("print(input())"), [b"2\n"])[0].stdout == b"2\n"


def test_root_runs_bubblewrap_as_somebody_else(open_sandbox):
    if os.geteuid():
        pytest.skip("this is not root")
    with open_sandbox(backend="bubblewrap", slots=1) as box:
        box.run(Program("print(1)"), [b""])
        pid = box._places[0].slot._cell.process.pid
        uids = {line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "Uid:" in line}
    assert uids
    assert "0" not in uids


def test_auto_takes_the_strongest_that_works_and_says_why_not_a_stronger_one(monkeypatch):
    class Works:
        name = "works"

        def check(self):
            pass

    tried = []

    def make(name, *rest):
        tried.append(name)
        if name != "bubblewrap":
            raise SandboxError(f"no {name}")
        return Works()

    monkeypatch.setattr(backends, "_make", make)
    backend, passed_over = open_backend("auto", None, 2048, "strict")
    assert backend.name == "works"
    assert passed_over == {"docker": "no docker", "namespaces": "no namespaces"}
    assert tuple(tried) == BACKENDS


def test_without_any_backend_nothing_runs(monkeypatch):
    def make(name, *rest):
        raise SandboxError(f"no {name}")

    monkeypatch.setattr(backends, "_make", make)
    with pytest.raises(SandboxError, match=r"none without isolation: docker: no docker; namespaces: .*bubblewrap: "):
        Sandbox(backend="auto")


def test_auto_goes_on_without_an_engine(open_sandbox, monkeypatch, tmp_path):
    open_sandbox(backend="namespaces", slots=1).close()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with Sandbox(backend="auto", slots=1) as box:
        assert box.backend.name == "namespaces"
        assert "make setup" in box.passed_over["docker"]
        assert box.run(Program("print(1)"), [b""])[0].status is Status.OK


def test_mistakes_have_a_remedy(monkeypatch, tmp_path):
    with pytest.raises(SandboxError, match="there are: auto, docker, namespaces, bubblewrap"):
        Sandbox(backend="none")
    with pytest.raises(SandboxError, match="holds no root file system"):
        Layout(str(tmp_path))
    with pytest.raises(SandboxError, match=r"backend x does not work here: .*nowhere.*; do y"):
        probe([str(tmp_path / "nowhere")], {}, "x", "do y")
    with pytest.raises(SandboxError, match="backend x does not work here: no good; do y"):
        probe([sys.executable, "-c", "import sys; sys.exit('no good')"], {}, "x", "do y")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SandboxError, match="needs root"):
        namespaces.NamespacesBackend(None, 2048, "strict")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SandboxError, match="install the package bubblewrap"):
        BubblewrapBackend(None, 2048, "strict")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/bwrap")
    with pytest.raises(SandboxError, match="no basic mode"):
        BubblewrapBackend(None, 2048, "basic")


def test_the_environment_names_the_backend(monkeypatch):
    monkeypatch.setenv("RLEF_SANDBOX_BACKEND", "nowhere")
    with pytest.raises(SandboxError, match="nowhere"):
        Sandbox(slots=1)
