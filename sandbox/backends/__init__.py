"""How a slot comes to life: the interface every backend fills.

A backend starts the runner as the first process of something isolated and hands over a connected socket; from then on
the protocol is the same. There is no backend without isolation.
"""

from __future__ import annotations

import socket
from typing import Protocol

from sandbox.errors import SandboxError

BACKENDS = ("docker", "namespaces", "bubblewrap")
"""The strongest first."""


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

    def versions(self) -> dict[str, str]:
        """Names and versions of what isolates its cells."""

    def close(self) -> None:
        """Free what the backend itself holds, after its cells."""


def open_backend(name: str, image: str | None, memory_mb: int, mode: str) -> tuple[Backend, dict[str, str]]:
    """A backend that works here; with "auto" the strongest, and why each stronger one was passed over.

    Raises SandboxError with the remedy if there is none.
    """
    if name != "auto":
        return _open(name, image, memory_mb, mode), {}
    passed_over: dict[str, str] = {}
    for candidate in BACKENDS:
        try:
            return _open(candidate, image, memory_mb, mode), passed_over
        except SandboxError as error:
            passed_over[candidate] = str(error)
    reasons = "; ".join(f"{candidate}: {reason}" for candidate, reason in passed_over.items())
    raise SandboxError(f"no sandbox backend works here, and there is none without isolation: {reasons}")


def _open(name: str, image: str | None, memory_mb: int, mode: str) -> Backend:
    backend = _make(name, image, memory_mb, mode)
    try:
        backend.check()
    except BaseException:
        backend.close()
        raise
    return backend


def _make(name: str, image: str | None, memory_mb: int, mode: str) -> Backend:
    if name == "docker":
        from sandbox.backends.docker import DockerBackend

        return DockerBackend(image, memory_mb, mode)
    if name == "namespaces":
        from sandbox.backends.namespaces import NamespacesBackend

        return NamespacesBackend(image, memory_mb, mode)
    if name == "bubblewrap":
        from sandbox.backends.bubblewrap import BubblewrapBackend

        return BubblewrapBackend(image, memory_mb, mode)
    raise SandboxError(f"unknown sandbox backend {name!r}; there are: auto, {', '.join(BACKENDS)}")
