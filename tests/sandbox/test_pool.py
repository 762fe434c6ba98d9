"""The pool against scripted runners: order, retries, who is to blame for a lost slot, and what a closed pool says."""

import os
import resource
import threading
import time

import pytest

from sandbox import Limits, Program, SandboxError, Status, Submission, slot
from sandbox.protocol import VERSION, encode
from tests.sandbox.scripted import ECHO, HELLO, echo, result, statuses


def dies_on(*words):
    return lambda header, data: None if data in words else result(header, data)


def test_order_is_kept_whatever_takes_longer(scripted):
    hold = threading.Event()

    def first_last(header, data):
        if data == b"0":
            assert hold.wait(60)
        if data == b"39":
            hold.set()
        return result(header, data)

    box, _ = scripted(first_last, slots=3)
    results = box.run_many(Submission(ECHO, [b"%d" % number, b"x"]) for number in range(40))
    assert [[run.stdout for run in runs] for runs in results] == [[b"%d" % number, b"x"] for number in range(40)]


def test_a_lost_slot_costs_nothing_but_time(scripted):
    box, backend = scripted(dies_on(b"2"), echo)
    runs = box.run(ECHO, [b"1", b"2", b"3"])
    assert [(run.status, run.stdout) for run in runs] == [(Status.OK, b"1"), (Status.OK, b"2"), (Status.OK, b"3")]
    assert [cell.seen for cell in backend.cells] == [[b"1", b"2"], [b"2", b"3"]]


def test_what_brings_down_two_slots_is_to_blame(scripted):
    box, backend = scripted(dies_on(b"kill"))
    runs = box.run(ECHO, [b"1", b"kill", b"3"])
    assert statuses(runs) == [Status.OK, Status.SECURITY_VIOLATION, Status.SECURITY_VIOLATION]
    assert "two slots" in runs[1].detail
    assert backend.cells[2].seen == [b"alive\n"]
    assert statuses(box.run(ECHO, [b"next"])) == [Status.OK]


def test_nobody_is_to_blame_when_a_harmless_program_dies_as_well(scripted):
    box, _ = scripted(dies_on(b"1", b"alive\n"))
    runs = box.run(ECHO, [b"1", b"2"])
    assert statuses(runs) == [Status.SANDBOX_FAILURE] * 2
    assert "the slot died" in runs[0].detail


def test_a_slot_that_died_while_idle_is_replaced_unseen(scripted):
    """An engine that restarts, or a machine that sleeps, takes all slots at once."""
    box, backend = scripted(echo, slots=2)
    assert statuses(box.run(ECHO, [b"1"])) == [Status.OK]
    for _ in range(3):
        for cell in backend.cells:
            cell.hang_up()
        assert statuses(box.run(ECHO, [b"1", b"2"])) == [Status.OK] * 2


def all_are_there(box):
    deadline = time.monotonic() + 60
    while box._places._free.qsize() < len(box._places):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_after_the_other_goes_to_the_slot_that_is_warm(scripted):
    box, backend = scripted(echo, slots=3)
    all_are_there(box)
    for number in range(6):
        box.run(ECHO, [b"%d" % number])
    assert sorted(len(cell.seen) for cell in backend.cells) == [0, 0, 6]


def test_a_place_without_a_slot_comes_after_all_others(scripted):
    box, backend = scripted(echo, OSError("the engine is gone"), slots=2)
    all_are_there(box)
    for number in range(6):
        assert statuses(box.run(ECHO, [b"%d" % number])) == [Status.OK]
    [cell] = backend.cells
    assert len(cell.seen) == 6
    assert backend.started == 2  # what was not there was not asked for


def test_no_slot_ever_is_an_error_with_the_remedy(scripted):
    box, _ = scripted(SandboxError("start the engine"))
    for _ in range(2):
        with pytest.raises(SandboxError, match="start the engine"):
            box.run(ECHO, [b"1"])
    with pytest.raises(SandboxError, match="start the engine"):
        box.run_many([Submission(ECHO, [b"1"])])
    with pytest.raises(SandboxError, match="start the engine"):
        box.protections()


def test_no_slot_any_more_is_a_failure_of_ours(scripted):
    box, _ = scripted(dies_on(b"2"), OSError("the engine is gone"))
    runs = box.run(ECHO, [b"1", b"2", b"3"])
    assert statuses(runs) == [Status.OK, Status.SANDBOX_FAILURE, Status.SANDBOX_FAILURE]
    assert "the engine is gone" in runs[1].detail
    assert [statuses(runs) for runs in box.run_many([Submission(ECHO, [b"1"])] * 2)] == [[Status.SANDBOX_FAILURE]] * 2


def test_slots_that_come_back_are_used(scripted):
    box, _ = scripted(dies_on(b"2"), OSError("not yet"), OSError("not yet"), echo)
    assert statuses(box.run(ECHO, [b"1", b"2"])) == [Status.OK, Status.SANDBOX_FAILURE]
    assert statuses(box.run(ECHO, [b"2"])) == [Status.OK]


LIES = {
    "wrong id": lambda header, data: result(header, data, id="0" * 16),
    "wrong index": lambda header, data: result(header, data, index=7),
    "wrong kind": lambda header, data: result(header, data, op="hello"),
    "no frame": lambda header, data: b"\xff" * 64,
    "fault": lambda header, data: encode({"op": "fault", "detail": "files are left of a run"}),
    "unknown status": lambda header, data: result(header, data, status="accepted"),
    "no number": lambda header, data: result(header, data, cpu_s="fast"),
    "no output": lambda header, data: encode({"op": "result", "id": header["id"], "index": header["index"]}),
    "half a frame": lambda header, data: result(header, data)[:-1],
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_makes_no_sense_loses_the_slot(scripted, monkeypatch, lie):
    monkeypatch.setattr(slot, "_GRACE_S", 2.0)
    box, backend = scripted(LIES[lie], echo)
    [run] = box.run(ECHO, [b"1"], Limits(wall_s=0.01))
    assert (run.status, run.stdout) == (Status.OK, b"1")
    assert len(backend.cells) == 2


def test_results_answered_twice_are_not_taken_for_the_next(scripted):
    box, backend = scripted(lambda header, data: result(header, data) * 2, echo)
    assert [run.stdout for run in box.run(ECHO, [b"1"])] == [b"1"]
    assert [run.stdout for run in box.run(ECHO, [b"2"])] == [b"2"]
    assert len(backend.cells) == 2


def test_a_silent_runner_loses_the_slot(scripted, monkeypatch):
    monkeypatch.setattr(slot, "_GRACE_S", 1.0)
    box, _ = scripted(lambda header, data: b"", echo)
    assert statuses(box.run(ECHO, [b"1"], Limits(wall_s=0.01))) == [Status.OK]


def test_a_foreign_runner_is_no_slot(scripted):
    box, backend = scripted(echo, hello={**HELLO, "version": VERSION + 1})
    with pytest.raises(SandboxError, match="no slot starts"):
        box.run(ECHO, [b"1"])
    box.close()
    assert all(cell.destroyed for cell in backend.cells)


def failing_on(word):
    return lambda header, data: result(header, data, status="runtime_error" if data == word else "ok")


def test_stop_on_failure_ends_a_list_at_its_first_failure(scripted):
    def behave(header, data):
        if data == b"after":
            return result(header, b"", status="skipped")
        return failing_on(b"bad")(header, data)

    box, _ = scripted(behave)
    inputs = [b"good", b"bad", b"after", b"after"]
    [first, second] = box.run_many([Submission(ECHO, inputs), Submission(ECHO, [b"good"])], stop_on_failure=True)
    assert statuses(first) == [Status.OK, Status.RUNTIME_ERROR]
    assert statuses(second) == [Status.OK]
    assert statuses(box.run_many([Submission(Program("\0"), inputs)], True)[0]) == [Status.COMPILE_ERROR]


def test_stop_on_failure_survives_a_slot_lost_after_the_failure(scripted):
    def behave(header, data):
        return None if data == b"after" else failing_on(b"bad")(header, data)

    box, backend = scripted(behave)
    [runs] = box.run_many([Submission(ECHO, [b"good", b"bad", b"after"])], stop_on_failure=True)
    assert statuses(runs) == [Status.OK, Status.RUNTIME_ERROR]
    assert [cell.seen for cell in backend.cells if cell.seen] == [[b"good", b"bad", b"after"]]


def test_an_interrupted_run_does_not_cost_the_slot(scripted, monkeypatch):
    box, _ = scripted(echo)
    real = slot.Slot.run

    def interrupted(*arguments, **options):
        monkeypatch.setattr(slot.Slot, "run", real)
        raise KeyboardInterrupt

    monkeypatch.setattr(slot.Slot, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        box.run(ECHO, [b"1"])
    assert statuses(box.run(ECHO, [b"1"])) == [Status.OK]


def test_runs_under_way_end_as_failures_of_ours_when_the_pool_closes(scripted):
    started, never = threading.Event(), threading.Event()

    def hang(header, data):
        started.set()
        never.wait(60)

    box, backend = scripted(hang)
    results = []
    caller = threading.Thread(target=lambda: results.extend(box.run_many([Submission(ECHO, [b"1", b"2"])] * 5)))
    caller.start()
    assert started.wait(60)
    box.close()
    caller.join(60)
    never.set()
    assert [statuses(runs) for runs in results] == [[Status.SANDBOX_FAILURE] * 2] * 5
    assert backend.closed
    assert all(cell.destroyed for cell in backend.cells)


def test_a_closed_pool_says_so(scripted):
    box, _ = scripted(echo)
    with box:
        box.run(ECHO, [b"1"])
    box.close()
    calls = [
        lambda: box.run(ECHO, [b"1"]),
        lambda: box.run_many([Submission(ECHO, [b"1"])]),
        lambda: box.call(Program("def f(): pass"), "f", [[]]),
        lambda: box.protections(),
    ]
    for call in calls:
        with pytest.raises(SandboxError, match="closed"):
            call()


def test_many_open_files_are_no_obstacle(scripted):
    """select() would take no descriptor above 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip(f"no more than {hard} open files allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    low = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        box, backend = scripted(echo)
        assert statuses(box.run(ECHO, [b"1"])) == [Status.OK]
        assert backend.cells[0].channel.fileno() > 1023
    finally:
        for fd in low:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
