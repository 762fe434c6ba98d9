"""A driver calls functions of a program that runs in another slot: the host carries the calls across as plain data.

The driver's text and all it knows stay in its own slot, so the program can neither read it nor touch what it compares.
Both sides speak in turns, one message for a call and one for its answer. A driver is believed to be through only when
it says so itself after its last line, and the program must then end well too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

from sandbox.errors import SlotLost
from sandbox.program import Execution, Limits, Program, Status
from sandbox.runner import talk
from sandbox.slot import Slot

_LONGER_S = 5.0
"""More time for the driver, which waits for the program: whose fault it is shows in who is stopped."""


class Driven(NamedTuple):
    """What became of both: `OK` when the driver came through and the program ended well.

    `not_plain` says who wanted what cannot cross: the driver (an argument, an attribute of a function, a name it does
    not define), or the program (a value). Empty otherwise.
    """

    execution: Execution
    not_plain: Literal["", "driver", "program"] = ""


def drive(driver_slot: Slot, program_slot: Slot, driver: Program, program: Program, limits: Limits) -> Driven:
    """One conversation from start to end. Raises SlotLost."""
    program_slot.begin(program, limits, "functions")
    driver_slot.begin(driver, replace(limits, wall_s=limits.wall_s + _LONGER_S), "driver")
    ended: bytes | Execution | None = None
    said = driver_slot.hear()
    while isinstance(said, bytes) and said[:1] == talk.CALL:
        program_slot.tell(said)
        answer = program_slot.hear()
        if isinstance(answer, Execution):  # it ended in place of an answer
            ended = answer
            break
        driver_slot.tell(answer)
        said = driver_slot.hear()
    driver_slot.tell(None)
    program_slot.tell(None)
    drove = said if isinstance(said, Execution) else driver_slot.hear()
    ended = ended or program_slot.hear()
    if not (isinstance(drove, Execution) and isinstance(ended, Execution)):
        raise SlotLost("a runner passed on what was said out of turn")
    return _outcome(said, drove, ended)


def _outcome(said: bytes | Execution, drove: Execution, ended: Execution) -> Driven:
    kind, why = (said[:1], said[1:].decode(errors="replace")) if isinstance(said, bytes) else (b"", "")
    both = replace(
        ended, stdout=ended.stdout + drove.stdout, stderr=ended.stderr + drove.stderr,
        cpu_s=ended.cpu_s + drove.cpu_s, wall_s=max(ended.wall_s, drove.wall_s),
        peak_mb=max(ended.peak_mb, drove.peak_mb),
    )  # fmt: skip
    if kind in (talk.DRIVERS_FAULT, talk.PROGRAMS_FAULT):
        both = replace(both, status=Status.RUNTIME_ERROR, detail=f"cannot cross: {why}")
        return Driven(both, "driver" if kind == talk.DRIVERS_FAULT else "program")
    if ended.status is not Status.OK:
        return Driven(both)
    if kind == talk.CALL:
        return Driven(replace(both, status=Status.RUNTIME_ERROR, detail="the program ended before it had answered"))
    if kind == talk.DONE and drove.status is Status.OK:
        return Driven(both)
    status = Status.RUNTIME_ERROR if drove.status is Status.OK else drove.status
    detail = drove.detail or "the driver ended before its last line"
    return Driven(replace(both, status=status, detail=detail, exit_code=drove.exit_code, signal=drove.signal))
