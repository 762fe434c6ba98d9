"""Sandboxes: real ones on every backend that works here, which skip with the reason elsewhere, and scripted ones."""

import pytest

from sandbox import Sandbox, SandboxError, pool
from tests.conftest import absent
from tests.sandbox.scripted import Backend

DOCKER = ("docker strict", "docker basic")
EVERYWHERE = (*DOCKER, "namespaces strict", "namespaces basic", "bubblewrap strict")
"""Backend and mode."""


@pytest.fixture(scope="session")
def open_sandbox():
    """A function that opens a Sandbox of its own; whoever calls it closes it."""

    def opener(**options):
        backend = options.get("backend", "docker")
        try:
            opened = Sandbox(**options)
        except SandboxError as error:
            if backend != "docker":  # what a machine of continuous integration need not have
                pytest.skip(f"no {backend} here: {error}")
            absent(f"no sandbox: {error}")
        try:
            found = opened.protections()["mode"]
            if found != options.get("mode", "strict"):
                absent(f"this host allows no {options.get('mode', 'strict')} mode")
        except BaseException:
            opened.close()
            raise
        return opened

    return opener


def open_at(open_sandbox, place, slots, **options):
    """Open a Sandbox at one of EVERYWHERE."""
    backend, mode = place.split()
    return open_sandbox(backend=backend, mode=mode, slots=slots, **options)


@pytest.fixture(scope="module", params=(*DOCKER, "bubblewrap strict"))
def any_box(request, open_sandbox):
    """A sandbox with two slots, once with each way to isolate a run: as root in both modes, and without root."""
    with open_at(open_sandbox, request.param, 2) as ready:
        yield ready


@pytest.fixture(scope="module", params=EVERYWHERE)
def every_box(request, open_sandbox):
    """A sandbox with two slots, once in each mode of each backend."""
    with open_at(open_sandbox, request.param, 2) as ready:
        yield ready


@pytest.fixture(scope="module", params=EVERYWHERE)
def lone_box(request, open_sandbox):
    """A sandbox with one slot, once in each mode of each backend."""
    with open_at(open_sandbox, request.param, 1) as ready:
        yield ready


@pytest.fixture
def scripted(monkeypatch):
    """A function that opens a Sandbox over scripted slots; all are closed in the end."""
    boxes = []
    monkeypatch.setattr(pool, "_BACK_OFF_S", 0.0)

    def opener(*scripts, slots=1, **options):
        backend = Backend(*scripts, **options)
        monkeypatch.setattr(pool, "open_backend", lambda *arguments: (backend, {}))
        boxes.append(Sandbox("scripted", slots))
        return boxes[-1], backend

    yield opener
    for box in boxes:
        box.close()
