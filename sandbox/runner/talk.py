"""A run that talks: whole messages over pipes, seen from inside the run and from the supervisor.

Messages are a length and a body whose first byte says what it is. A side speaks when it is its turn: the driver first,
the program after each call. What a hostile program says out of turn waits, and can only ever be a value of its own.
"""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable

CALL = b"C"
"""From the driver: the name of a function, arguments, keywords."""
VALUE, RAISED, NO_VALUE = b"V", b"X", b"N"
"""From the program: a value and changed arguments; an exception's name, arguments and trace; why there is no value."""
DONE, DRIVERS_FAULT, PROGRAMS_FAULT = b"D", b"A", b"P"
"""From the driver, its last word: came through, wants what cannot cross, was given what cannot cross."""
MAX_MESSAGE = 4 << 20
_LENGTH = struct.Struct(">I")
_CHUNK = 1 << 16


class Line:
    """The supervisor's hold on one side: whole messages out of a stream of bytes, and into a pipe that may be full."""

    def __init__(self, pipe: int, turns: int, say: Callable[[bytes], None]) -> None:
        self.pipe = pipe
        self._turns = turns
        self._say = say
        self._waiting = bytearray()
        self._poller: select.poll | None = None

    def watch(self, poller: select.poll) -> None:
        """Have `poller` say when the pipe takes more, as long as there is more."""
        if self._waiting and self._poller is None:
            poller.register(self.pipe, select.POLLOUT)
            self._poller = poller
        elif not self._waiting and self._poller is not None:
            self._poller.unregister(self.pipe)
            self._poller = None

    def take(self, said: bytearray) -> bool:
        """Pass on messages whose turn it is, out of a report that begins with one byte of another meaning; false if
        one is too long."""
        while self._turns and said[:1] == b"R" and len(said) > _LENGTH.size:
            (size,) = _LENGTH.unpack_from(said, 1)
            end = 1 + _LENGTH.size + size
            if size > MAX_MESSAGE:
                return False
            if len(said) < end:
                break
            message = bytes(said[1 + _LENGTH.size : end])
            del said[1:end]
            self._turns -= 1
            self._say(message)
        return True

    def tell(self, message: bytes) -> None:
        """A message for this side, whose turn it is then."""
        self._turns += 1
        if self.pipe < 0:
            return
        self._waiting += _LENGTH.pack(len(message)) + message
        self.write()

    def write(self) -> None:
        """As much as the pipe takes."""
        try:
            while self._waiting:
                del self._waiting[: os.write(self.pipe, self._waiting[:_CHUNK])]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # it does not listen any more
            self._waiting.clear()

    def hang_up(self) -> None:
        """No more to come."""
        if self._poller is not None:
            self._poller.unregister(self.pipe)
            self._poller = None
        if self.pipe >= 0:
            os.close(self.pipe)
        self.pipe = -1
        self._waiting.clear()


class Talk:
    """A side's own end: blocking, one message at a time."""

    def __init__(self, ear: int, mouth: int) -> None:
        self._ear = ear
        self._mouth = mouth

    def hear(self) -> bytes | None:
        """The next message; None when there is no more to come."""
        head = self._read(_LENGTH.size)
        return None if head is None else self._read(_LENGTH.unpack(head)[0])

    def say(self, kind: bytes, content: bytes = b"") -> None:
        """One message."""
        data = memoryview(_LENGTH.pack(len(kind) + len(content)) + kind + content)
        while data:
            data = data[os.write(self._mouth, data) :]

    def _read(self, size: int) -> bytes | None:
        parts = []
        while size:
            part = os.read(self._ear, min(size, _CHUNK))
            if not part:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
