"""What Ctrl-C does while a run is at work: it ends a stage at once, but lets an update come to its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupt:
    """What Ctrl-C does: outside of updates it ends the stage at once (a stage starts again as a whole); within updates
    the first one waits for the end of the update, the second one does not."""

    def __init__(self) -> None:
        self.asked = False
        self._wait = False

    def __enter__(self) -> Interrupt:
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def postponed(self, wait: bool = True) -> Iterator[None]:
        """Within it the first Ctrl-C only sets `asked`, if `wait`."""
        self._wait = wait
        try:
            yield
        finally:
            self._wait = False

    def _handle(self, number: int, frame: Any) -> None:
        if self.asked or not self._wait:
            raise KeyboardInterrupt
        self.asked = True
        os.write(2, b"\nstopping after this update (Ctrl-C again: at once, going back to the last checkpoint)\n")
