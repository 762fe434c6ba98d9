"""Slots as real containers: killed in the middle, left by a killed owner, gone after close."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sandbox import Limits, Program, Sandbox, SandboxError, Status, Submission
from sandbox.backends import docker as backend
from sandbox.backends.docker import LABEL
from sandbox.backends.owner import abandoned, owner_label

SLOW = Program("import time\nword = input()\ntime.sleep(0.2)\nprint(word)")
PATIENCE_S = 60


def engine(*arguments):
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def containers(label):
    """Ids of the containers with this owner, in any state."""
    return set(engine("ps", "-aq", "--no-trunc", "--filter", f"label={LABEL}={label}").split())


def containers_of(box):
    return {place.slot._cell._container for place in box._places if place.slot}


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "this never happens"
        time.sleep(0.05)


@pytest.fixture
def lone_box(open_sandbox):
    with open_sandbox(slots=1) as ready:
        yield ready


def test_a_container_killed_in_the_middle_costs_nothing(lone_box):
    words = [b"%d\n" % number for number in range(8)]
    results = []
    caller = threading.Thread(target=lambda: results.extend(lone_box.run(SLOW, words)))
    caller.start()
    wait_until(lambda: lone_box._places[0].slot and lone_box._places[0].slot.runs >= 2)
    [victim] = containers_of(lone_box)
    engine("rm", "-f", victim)
    caller.join(PATIENCE_S)
    assert [(run.status, run.stdout) for run in results] == [(Status.OK, word) for word in words]
    assert victim not in containers_of(lone_box)


def test_a_container_killed_while_idle_costs_nothing(lone_box):
    for _ in range(2):
        lone_box.run(SLOW, [b"1"])
        engine("rm", "-f", *containers_of(lone_box))
        assert [run.status for run in lone_box.run(SLOW, [b"1"])] == [Status.OK]


def test_a_runner_that_is_stopped_loses_its_slot(lone_box, monkeypatch):
    """A frozen container answers nothing; the submission goes on in another one."""
    monkeypatch.setattr("sandbox.slot._GRACE_S", 2.0)
    lone_box.run(SLOW, [b"1"])
    [frozen] = containers_of(lone_box)
    engine("pause", frozen)
    assert [run.status for run in lone_box.run(SLOW, [b"1"], Limits(wall_s=1))] == [Status.OK]
    wait_until(lambda: frozen not in containers(owner_label()))


def test_a_slot_is_used_again_and_replaced_when_it_is_worn(lone_box, monkeypatch):
    lone_box.run(SLOW, [b"1"])
    first = containers_of(lone_box)
    lone_box.run(SLOW, [b"1"])
    assert containers_of(lone_box) == first
    monkeypatch.setattr("sandbox.places._RUNS_PER_SLOT", 1)
    lone_box.run(SLOW, [b"1"])
    lone_box.run(SLOW, [b"1"])
    assert not containers_of(lone_box) & first


def test_containers_are_gone_after_close(open_sandbox):
    before = containers(owner_label())
    with open_sandbox(slots=2) as ready:
        ready.run_many([Submission(SLOW, [b"1"])] * 2)
        ours = containers_of(ready)
        assert len(ours) == 2
        assert ours <= containers(owner_label())
        folder = ready.backend._folder
    wait_until(lambda: containers(owner_label()) <= before)
    assert not folder.exists()


def test_a_pool_closed_at_once_leaves_nothing(open_sandbox):
    open_sandbox(slots=1).close()  # skips without Docker
    before = containers(owner_label())
    Sandbox(slots=2).close()
    wait_until(lambda: containers(owner_label()) <= before)


def test_containers_of_a_killed_owner_end_by_themselves(open_sandbox):
    open_sandbox(slots=1).close()
    code = (
        "import sys, time; from sandbox import Program, Sandbox; from sandbox.backends.owner import owner_label\n"
        "box = Sandbox(slots=2); box.run(Program('print(1)'), [b''])\n"
        "print(owner_label(), flush=True); time.sleep(600)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root) as owner:
        label = owner.stdout.readline().strip()
        assert containers(label)
        owner.kill()
    wait_until(lambda: not containers(label))


def test_containers_whose_owner_died_before_they_started_are_removed(open_sandbox):
    open_sandbox(slots=1).close()
    boot, namespace, *_ = owner_label().split(":")
    dead, elsewhere = f"{boot}:{namespace}:4194305:1", f"{boot}:1:4194305:1"
    try:
        for label in (dead, elsewhere):
            engine("create", "--label", f"{LABEL}={label}", backend.DEFAULT_IMAGE, "true")
        Sandbox(slots=1).close()
        assert not containers(dead)
        assert len(containers(elsewhere)) == 1
    finally:
        engine("rm", "-f", *containers(dead), *containers(elsewhere))


def test_owners_are_told_apart():
    mine = owner_label()
    boot, namespace, pid, started = mine.split(":")
    assert owner_label(os.getpid()) == mine
    assert not abandoned(mine, True)
    assert abandoned(f"{boot}:{namespace}:{pid}:{int(started) + 1}", True)  # the number went to another process
    assert abandoned(f"{boot}:{namespace}:4194305:1", True)
    assert not abandoned(f"{boot}:{int(namespace) + 1}:4194305:1", False)
    assert abandoned(f"other-boot:{namespace}:{pid}:{started}", False)
    assert not abandoned(f"other-boot:{namespace}:{pid}:{started}", True)


def test_no_engine_is_an_error_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(SandboxError, match="make setup"):
        Sandbox(slots=1)


def test_a_missing_image_is_an_error_with_the_remedy(open_sandbox):
    open_sandbox(slots=1).close()
    with pytest.raises(SandboxError, match="rlef-sandbox:none is missing; run `make setup`"):
        Sandbox(slots=1, image="rlef-sandbox:none")


def test_protections_are_reported(lone_box):
    shown = lone_box.protections()
    assert shown["mode"] == "strict"
    assert shown["cgroup"] in ("v1", "v2", "slot")
    assert shown["seccomp"] is True
