"""Sandboxes: real ones in both modes, which skip with the reason where there is no Docker, and scripted ones."""

import pytest

from sandbox import Sandbox, SandboxError, pool
from tests.conftest import absent
from tests.sandbox.scripted import Backend

MODES = ("strict", "basic")


@pytest.fixture(scope="session")
def open_sandbox():
    """A function that opens a Sandbox of its own; whoever calls it closes it."""

    def opener(**options):
        try:
            opened = Sandbox(**options)
        except SandboxError as error:
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


@pytest.fixture(scope="module", params=MODES)
def any_box(request, open_sandbox):
    """A sandbox with two slots, once in each mode."""
    with open_sandbox(slots=2, mode=request.param) as ready:
        yield ready


@pytest.fixture
def scripted(monkeypatch):
    """A function that opens a Sandbox over scripted slots; all are closed in the end."""
    boxes = []
    monkeypatch.setattr(pool, "_BACK_OFF_S", 0.0)

    def opener(*scripts, slots=1, **options):
        backend = Backend(*scripts, **options)
        monkeypatch.setattr(pool, "make_backend", lambda *arguments: backend)
        boxes.append(Sandbox("scripted", slots))
        return boxes[-1], backend

    yield opener
    for box in boxes:
        box.close()
