"""How a run ended, when several things hold at once."""

import signal

import pytest

from sandbox.runner.verdict import Run, SlotBroken, conclude

REQUEST = {"without": [], "cpu_s": 1.0, "python": True}


def ended(status: int, verdict: str = "", request=REQUEST, **seen) -> Run:
    run = Run("", **seen)
    conclude(run, request, verdict, "ours", status)
    return run


@pytest.mark.parametrize(
    ("status", "seen", "expected"),
    [
        (0, {"report": b"R"}, "ok"),
        (3 << 8, {"report": b"R"}, "runtime_error"),
        (1 << 8, {"report": b"C" + b"SyntaxError: no"}, "compile_error"),
        (signal.SIGSEGV, {"report": b"R"}, "runtime_error"),
        (signal.SIGSEGV, {}, "compile_error"),  # before its first line
        (signal.SIGSYS, {"report": b"R"}, "security_violation"),
        (signal.SIGXCPU, {"report": b"R"}, "time_limit"),
        (0, {"report": b"R", "cpu_s": 1.5}, "time_limit"),  # it ended well, but took too much
        (signal.SIGSYS, {"report": b"R", "cpu_s": 1.5}, "time_limit"),
        (1 << 8, {"report": b"R", "stderr": b"Traceback\nMemoryError\n"}, "memory_limit"),
        (1 << 8, {"report": b"R", "stderr": b"MemoryError\nbut then another line\n"}, "runtime_error"),
    ],
)
def test_end(status, seen, expected):
    assert ended(status, **seen).status == expected


def test_what_we_stopped_it_for_is_the_verdict():
    run = ended(signal.SIGKILL, "output_limit", cpu_s=9.0, report=b"R")
    assert (run.status, run.detail, run.signal) == ("output_limit", "ours", signal.SIGKILL)


@pytest.mark.parametrize(("status", "seen"), [(125 << 8, {"report": b"Sno fences"}), (1 << 8, {"stderr": b"broken"})])
def test_our_own_failure_is_no_verdict(status, seen):
    with pytest.raises(SlotBroken):
        ended(status, **seen)


def test_only_python_runs_out_of_memory_by_its_last_line():
    compiled = {**REQUEST, "python": False}
    assert ended(1 << 8, request=compiled, report=b"R", stderr=b"MemoryError\n").status == "runtime_error"
