"""Programs that try to cheat or break out, each with its control, so that the defences can be proved anywhere.

Every attack runs with all defences, then a harmless program runs to see that nothing was left behind, then the attack
runs once more with the defence it is about left out, where it must succeed.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sandbox.attacks.attack import HOST_SOCKET, Attack, slot_lost
from sandbox.attacks.corpus import CORPUS, NOT_PROGRAMS
from sandbox.pool import Sandbox
from sandbox.program import Execution, Limits, Program, Status, Submission

__all__ = ["CORPUS", "NOT_PROGRAMS", "Attack", "Outcome", "run_attacks"]

_SENTINEL = Submission(Program("print(sum(map(int, input().split())))"), [b"20 22\n"], Limits(wall_s=10.0))
_CONTROL_S = 60.0
"""A control must succeed on a busy machine too."""


@dataclass(frozen=True)
class Outcome:
    """What became of one attack.

    `defended`, `sentinel` and `control` (the attack succeeded without the defence) are None for a row that `skipped`
    says cannot run here; `control` also where `no_control` says that none is possible.
    """

    name: str
    defended: bool | None = None
    sentinel: bool | None = None
    control: bool | None = None
    no_control: str = ""
    skipped: str = ""
    detail: str = ""

    @property
    def good(self) -> bool:
        """Defended and proved to be, as far as it can be; a row that cannot run here is not bad."""
        return bool(self.skipped or (self.defended and self.sentinel and self.control is not False))

    @property
    def verdict(self) -> str:
        """The outcome as words for people."""
        if self.skipped:
            return f"not run: {self.skipped}"
        defended = "defended" if self.defended else f"NOT DEFENDED ({self.detail})"
        after = "" if self.sentinel else ", THE NEXT PROGRAM FAILED"
        control = {True: "control red", False: "CONTROL NOT RED", None: f"no control: {self.no_control}"}[self.control]
        return f"{defended}{after}, {control}"


def run_attacks(box: Sandbox, attacks: Iterable[Attack] = CORPUS, controls: bool = True) -> Iterator[Outcome]:
    """Run attacks one after the other. Use a Sandbox with one slot, so that the sentinel meets the attacked one."""
    protections = {**box.protections(), "backend": box.backend.name}
    for attack in attacks:
        if reason := attack.skip(protections):
            yield Outcome(attack.name, skipped=reason)
            continue
        with _host_socket():
            executions = _run(box, attack)
        sentinel = box.run_many([_SENTINEL])[0][0]
        control = None
        no_control = attack.no_control or attack.skip_control(protections)
        if controls and not no_control:
            patient = Submission(
                Program(attack.source, attack.language), attack.inputs, replace(attack.limits, wall_s=_CONTROL_S)
            )
            control = attack.succeeded(box.run_undefended(patient, attack.off))
        yield Outcome(
            name=attack.name,
            defended=not attack.succeeded(executions) and not slot_lost(executions),
            sentinel=sentinel.status is Status.OK and sentinel.stdout == b"42\n",
            control=control,
            no_control=no_control,
            detail="; ".join(f"{execution.status.value}: {execution.detail}" for execution in executions),
        )


def _run(box: Sandbox, attack: Attack) -> Sequence[Execution]:
    program = Program(attack.source, attack.language)
    if attack.entry:
        return box.call(program, attack.entry, [[]], attack.limits)
    return box.run_many([Submission(program, attack.inputs, attack.limits)])[0]


@contextlib.contextmanager
def _host_socket() -> Iterator[None]:
    """A service of this machine that listens where a program must not reach it."""
    with socket.socket(socket.AF_UNIX) as listener:
        with contextlib.suppress(OSError):  # another run of the corpus holds it, which is as good
            listener.bind(HOST_SOCKET)
            listener.listen(1)
        yield
