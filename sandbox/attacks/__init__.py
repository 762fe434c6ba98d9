"""Programs that try to cheat or break out, each with its control, so that the defences can be proved anywhere.

Every attack runs with all defences, then a harmless program runs to see that nothing was left behind, then the attack
runs once more with the defence it is about left out, where it must succeed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sandbox.attacks.attack import Attack, slot_lost
from sandbox.attacks.corpus import CORPUS
from sandbox.pool import Sandbox
from sandbox.program import Limits, Program, Status, Submission

__all__ = ["CORPUS", "Attack", "Outcome", "run_attacks"]

_SENTINEL = Submission(Program("print(sum(map(int, input().split())))"), [b"20 22\n"], Limits(wall_s=10.0))


@dataclass(frozen=True)
class Outcome:
    """What became of one attack. `control` is None where there is none."""

    name: str
    defended: bool
    sentinel: bool
    control: bool | None
    detail: str


def run_attacks(box: Sandbox, attacks: Iterable[Attack] = CORPUS, controls: bool = True) -> Iterator[Outcome]:
    """Run attacks one after the other. Use a Sandbox with one slot, so that the sentinel meets the attacked one."""
    for attack in attacks:
        submission = Submission(Program(attack.source), attack.inputs, attack.limits)
        executions = box.run_many([submission])[0]
        sentinel = box.run_many([_SENTINEL])[0][0]
        control = None
        if controls and attack.off:
            control = attack.succeeded(box.run_undefended(submission, attack.off))
        yield Outcome(
            name=attack.name,
            defended=not attack.succeeded(executions) and not slot_lost(executions),
            sentinel=sentinel.status is Status.OK and sentinel.stdout == b"42\n",
            control=control,
            detail="; ".join(f"{execution.status.value}: {execution.detail}" for execution in executions),
        )
