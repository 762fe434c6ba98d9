"""The errors a caller of the sandbox can see.

`SandboxError` is for what the caller can repair (its message says how). `SlotLost` and `SlotMissing` never leave the
package: the pool turns them into a retry, and after that into an `Execution`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.program import Execution


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message carries the remedy."""


class SlotMissing(Exception):
    """There is no slot where there should be one."""


class SlotLost(Exception):
    """A slot stopped answering or answered nonsense; `results` are the runs it had answered before."""

    def __init__(self, reason: str, results: Sequence[Execution] = ()) -> None:
        super().__init__(reason)
        self.results = list(results)
