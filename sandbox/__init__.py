"""Runs untrusted programs in warm, isolated slots and says what happened. Never says whether the output was right.

with Sandbox(slots=2) as box:
    box.run(Program("print(sum(map(int, input().split())))"), [b"1 2\\n"], Limits(wall_s=2))
"""

from sandbox.driving import Driven
from sandbox.errors import SandboxError
from sandbox.pool import Sandbox
from sandbox.program import Execution, Limits, Program, Status, Submission

__all__ = ["Driven", "Execution", "Limits", "Program", "Sandbox", "SandboxError", "Status", "Submission"]
