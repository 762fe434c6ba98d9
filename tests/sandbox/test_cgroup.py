"""What is read from and written to control groups, on a fake tree: a machine has one version, the code knows two."""

import os

import pytest

from sandbox.runner import cgroup, kernel
from sandbox.runner.cgroup import OwnGroupV2, SlotGroup, Usage, best_group

MB = 1 << 20


def fill(folder, **files):
    """Write files; a double underscore in a name is a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(str(content))


@pytest.fixture
def tree(tmp_path):
    """A slot's group of version 2, as the kernel shows it."""
    fill(tmp_path, cgroup__subtree_control="")
    fill(tmp_path / "init", cgroup__procs="")
    fill(
        tmp_path / "run",
        cgroup__procs="",
        memory__current=10 * MB,
        memory__max="max",
        memory__peak="",
        memory__events="low 0\noom 3\noom_kill 2\n",
        pids__max="max",
        cpu__stat="usage_usec 1000000\nuser_usec 900000\n",
    )
    return tmp_path


def test_version_2_moves_the_runner_aside_before_there_are_controllers(tree, monkeypatch):
    writes = []
    monkeypatch.setattr(cgroup, "_write", lambda path, text, directory=None: writes.append((path, text)))
    OwnGroupV2(4242, str(tree))
    assert writes == [
        (f"{tree}/init/cgroup.procs", str(os.getpid())),
        (f"{tree}/init/cgroup.procs", "4242"),
        (f"{tree}/cgroup.subtree_control", "+memory +pids +cpu"),
        (f"{tree}/run/cgroup.procs", "4242"),
    ]


def test_version_2_measures_from_begin_on(tree):
    group = OwnGroupV2(1, str(tree))
    assert group.enforces_memory
    group.begin(64 * MB, 16)
    assert (tree / "run/memory.max").read_text() == str(74 * MB)
    assert (tree / "run/pids.max").read_text().startswith("17")
    assert (tree / "run/memory.peak").read_text() == "0"
    fill(tree / "run", memory__peak=60 * MB, cpu__stat="usage_usec 3500000\n", memory__events="oom_kill 3\n")
    assert group.usage() == Usage(cpu_s=2.5, peak_bytes=50 * MB, memory_kills=1)


def test_version_2_samples_where_the_peak_cannot_be_reset(tree):
    (tree / "run/memory.peak").unlink()
    group = OwnGroupV2(1, str(tree))
    group.begin(64 * MB, 16)
    for now in (20, 50, 30):
        fill(tree / "run", memory__current=now * MB)
        group.usage()
    assert group.usage() == Usage(cpu_s=0.0, peak_bytes=40 * MB, memory_kills=0)
    fill(tree / "run", memory__events="oom_kill 4\n")
    assert group.usage() == Usage(cpu_s=0.0, peak_bytes=64 * MB, memory_kills=2)
    fill(tree / "run", memory__current=10 * MB)
    group.begin(32 * MB, 1)
    assert group.usage() == Usage(cpu_s=0.0, peak_bytes=0, memory_kills=0)


def test_usage_below_the_start_is_nothing(tree):
    group = OwnGroupV2(1, str(tree))
    group.begin(64 * MB, 16)
    fill(tree / "run", memory__peak=MB)
    assert group.usage().peak_bytes == 0


def test_a_tree_without_controllers_is_refused(tmp_path):
    with pytest.raises(OSError, match="cgroup"):
        OwnGroupV2(1, str(tmp_path))


def slot_v1(root, memory, cpu_s, kills):
    fill(root / "memory", memory__usage_in_bytes=memory, memory__oom_control=f"oom_kill_disable 0\noom_kill {kills}\n")
    fill(root / "cpuacct", cpuacct__usage=int(cpu_s * 1e9))


def slot_v2(root, memory, cpu_s, kills):
    fill(root, memory__current=memory, memory__events=f"oom 9\noom_kill {kills}\n")
    fill(root, cpu__stat=f"usage_usec {int(cpu_s * 1e6)}\n")


@pytest.mark.parametrize("write", [slot_v1, slot_v2])
def test_the_slots_own_group_is_sampled(tmp_path, write):
    write(tmp_path, 100 * MB, 1000.0, 5)
    group = SlotGroup(str(tmp_path))
    assert not group.enforces_memory
    group.begin(64 * MB, 16)
    write(tmp_path, 180 * MB, 1007.0, 6)
    group.usage()
    write(tmp_path, 120 * MB, 1007.0, 6)
    usage = group.usage()
    assert usage.peak_bytes == 80 * MB
    assert usage.memory_kills == 1
    assert 6 < usage.cpu_s <= 7  # without what this process has used meanwhile
    group.begin(64 * MB, 16)
    assert group.usage().peak_bytes == 0
    assert group.usage().memory_kills == 0


def test_a_slot_without_privileges_still_measures(tmp_path, monkeypatch):
    """Neither version can be mounted here, so the best there is reads what the slot shows."""

    def refuse(*arguments):
        raise PermissionError(1, "mount")

    slot_v2(tmp_path / "shown", 0, 0, 0)
    monkeypatch.setattr(kernel, "mount", refuse)
    monkeypatch.setattr(cgroup, "_MOUNT_POINT", str(tmp_path / "mounted"))
    monkeypatch.setattr(cgroup, "SlotGroup", lambda: SlotGroup(str(tmp_path / "shown")))
    assert best_group(1).name == "slot"
