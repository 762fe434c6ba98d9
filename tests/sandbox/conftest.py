"""Real sandboxes in both modes. Where there is no Docker the tests skip with the reason; with CI set they fail."""

import pytest

from sandbox import Sandbox, SandboxError
from tests.conftest import absent

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
