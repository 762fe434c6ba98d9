"""The attacks themselves: small programs that print ESCAPED when they got what they wanted, by what they are after."""

from __future__ import annotations

from sandbox.attacks.attack import Attack
from sandbox.attacks.escapes import ESCAPES
from sandbox.attacks.forgeries import FORGERIES
from sandbox.attacks.leftovers import LEFTOVERS
from sandbox.attacks.resources import RESOURCES
from sandbox.attacks.toolchain import TOOLCHAIN

CORPUS: tuple[Attack, ...] = RESOURCES + ESCAPES + LEFTOVERS + FORGERIES + TOOLCHAIN
NOT_PROGRAMS: dict[str, str] = {
    "kernel-holes": "needs a kernel with a hole; `rlef sandbox check` names known ones by version",
    "processor-side-channels": "caches and load are shared with what runs at the same time; not defended against",
    "engine-that-hangs": "stopping the engine would hit other users; the tests pause and kill containers instead",
    "owner-that-is-killed": "needs a second process; the tests kill one and watch its slots end",
    "checkers-and-graders": "this package knows no expected output; the tests of `tasks` attack the comparison",
}
"""Threats that no row can show, and why."""
