"""How a slot comes to life: the interface every backend fills.

A backend starts the runner as the first process of something isolated and hands over a connected socket; from then on
the protocol is the same. `docker` is here; `namespaces` and `bubblewrap` fit behind the same two classes.
"""

from __future__ import annotations

import socket
from typing import Protocol


class Cell(Protocol):
    """One isolated place with a runner in it."""

    channel: socket.socket

    def destroy(self) -> None:
        """Kill everything in it and free it. Safe to call twice; never raises."""


class Backend(Protocol):
    """Makes cells."""

    name: str

    def check(self) -> None:
        """Raise SandboxError with the remedy if this backend cannot work here."""

    def start(self) -> Cell:
        """A new cell whose runner has connected. Raises SandboxError or OSError; may take seconds."""

    def close(self) -> None:
        """Free what the backend itself holds, after its cells."""


def make_backend(name: str, image: str | None, memory_mb: int, mode: str) -> Backend:
    """The backend of that name. Raises SandboxError for an unknown one."""
    from sandbox.errors import SandboxError

    if name == "docker":
        from sandbox.backends.docker import DockerBackend

        return DockerBackend(image, memory_mb, mode)
    raise SandboxError(f"unknown sandbox backend {name!r}; there is: docker")
