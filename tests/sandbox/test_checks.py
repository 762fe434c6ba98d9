"""Mistakes of the caller: each is refused with the remedy, before anything runs."""

import pytest

from sandbox import Limits, Program, Sandbox, SandboxError, Status, Submission
from tests.sandbox.scripted import ECHO, echo, statuses


@pytest.mark.parametrize(
    ("submission", "message"),
    [
        (Submission(Program("", "cobol"), [b""]), "unknown language 'cobol'; there are: c, cpp, python"),
        (Submission(Program(b"print(1)"), [b""]), "not str; decode"),
        (Submission(ECHO, ["text"]), "not bytes; encode"),
        (Submission(ECHO, b"text"), "a list of bytes"),
        (Submission(ECHO, [bytes((32 << 20) + 1)]), "larger than"),
        *(
            (Submission(ECHO, [b""], Limits(**{name: value})), f"Limits.{name}={value!r}")
            for name, values in {
                "wall_s": [0, -1, 0.001, 1e9, float("nan"), float("inf"), "2", None, True],
                "cpu_s": [0, -1, float("nan"), "2", False],
                "memory_mb": [0, 15, 1 << 20, 64.0, "64", None, True],
                "output_bytes": [-1, 1 << 30, 1.5, None],
                "processes": [0, 513, 1.0, True],
            }.items()
            for value in values
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_mistakes_of_the_caller_are_refused_before_anything_runs(scripted, submission, message):
    box, backend = scripted(echo)
    with pytest.raises(SandboxError) as caught:
        box.run_many([Submission(ECHO, [b"1"]), submission])
    assert message in str(caught.value)
    assert not any(cell.seen for cell in backend.cells)


def test_limits_at_their_bounds_are_taken(scripted):
    box, _ = scripted(echo)
    for limits in (Limits(0.01, 0.01, 16, 0, 1), Limits(3600, 3600.0, 2048, 16 << 20, 512), Limits(cpu_s=None)):
        assert statuses(box.run(ECHO, [b"1"], limits)) == [Status.OK]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots": 0}, "slots=0"),
        ({"slots": 5000}, "slots=5000"),
        ({"memory_mb": 10}, "at least 64"),
        ({"mode": "lax"}, "strict, basic"),
        ({"backend": "chroot"}, "there are: auto, docker"),
    ],
)
def test_mistakes_in_opening_a_pool_are_explained(options, message):
    with pytest.raises(SandboxError, match=message):
        Sandbox(**options)


def test_a_control_that_leaves_nothing_out_is_refused(scripted):
    box, _ = scripted(echo)
    with pytest.raises(SandboxError, match="no defence is called firewall"):
        box.run_undefended(Submission(ECHO, [b"1"]), ["seccomp", "firewall"])
