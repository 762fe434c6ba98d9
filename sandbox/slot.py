"""One warm slot: a cell with a runner, one submission at a time.

A run takes its input and answers once (`run`), or it talks: messages go to it and come from it until it ends (`begin`,
`tell`, `hear`). The host writes all inputs of a submission ahead and reads results as they come, in one loop, so
neither side can block the other. Whatever is not the expected answer within the expected time makes the slot lost; the
pool then takes another.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal

from sandbox import protocol
from sandbox.backends import Cell
from sandbox.errors import SandboxError, SlotLost
from sandbox.languages import LANGUAGES, Language
from sandbox.program import Execution, Limits, Program, Status
from sandbox.runner import values

_HELLO_S = 60.0
_GRACE_S = 20.0
"""Longer than the runner itself needs to give up on a run that does not die."""
_BEAT_S = 5.0
_AT_ONCE = 64
"""Frames in one system call: the runner wakes up once for a program and its input."""
DRIVER_FILE = "test.py"
"""What tracebacks call the text of a driver."""
Role = Literal["functions", "driver"]


class Slot:
    """A connected runner. Not for concurrent use, but for `beat`."""

    def __init__(self, cell: Cell, interpreter: str = "fork") -> None:
        self._cell = cell
        self._interpreter = interpreter
        self._socket = cell.channel
        self._socket.setblocking(False)
        self._decoder = protocol.Decoder()
        self._frames: deque[protocol.Frame] = deque()
        self._unsent: deque[memoryview] = deque()
        self._busy = threading.Lock()
        self._last_sent = time.monotonic()
        self._talk = ""
        self._deadline = 0.0
        self.runs = 0
        hello = self._receive(time.monotonic() + _HELLO_S, []).header
        if hello.get("op") != "hello" or hello.get("version") != protocol.VERSION:
            raise SlotLost(f"the runner said {hello}")
        self.protections = hello

    def run(
        self,
        program: Program,
        inputs: Sequence[bytes],
        limits: Limits,
        *,
        entry: str | None = None,
        stop_on_failure: bool = False,
        without: Sequence[str] = (),
    ) -> list[Execution]:
        """Run the program on each input in order. Raises SlotLost, with the runs done so far in `results`."""
        with self._busy:
            return self._run(program, inputs, limits, entry, stop_on_failure, without)

    def _run(
        self,
        program: Program,
        inputs: Sequence[bytes],
        limits: Limits,
        entry: str | None,
        stop_on_failure: bool,
        without: Sequence[str],
    ) -> list[Execution]:
        language = LANGUAGES[program.language]
        identity = self._load(program, language, limits, entry, "", stop_on_failure, without)
        for index, data in enumerate(inputs):
            self._send({"op": "run", "id": identity, "index": index}, data)
        results: list[Execution] = []
        patience = limits.wall_s + _GRACE_S
        for index in range(len(inputs)):
            deadline = time.monotonic() + patience + (_compile_patience(language) if index == 0 else 0.0)
            run = _result(self._receive(deadline, results), identity, index, entry is not None, results)
            self.runs += 1
            if run is not None:
                results.append(run)
        return results

    def begin(self, program: Program, limits: Limits, role: Role) -> None:
        """Start a run that talks. As "functions" it answers calls of what the program defines, as "driver" it makes
        them (`sandbox.runner.dialogue`)."""
        language = LANGUAGES[program.language]
        if role == "driver":
            language = replace(language, file_name=DRIVER_FILE)
        with self._busy:
            self._talk = self._load(program, language, limits, None, role, False, ())
            self._send({"op": "run", "id": self._talk, "index": 0}, b"")
            self._deadline = time.monotonic() + limits.wall_s + _GRACE_S
            self._write_now()

    def tell(self, message: bytes | None) -> None:
        """Hand the run a message, which is also its turn to speak; None when there is no more to come."""
        with self._busy:
            header = {"op": "hang_up" if message is None else "tell", "id": self._talk}
            self._send(header, *([] if message is None else [message]))
            self._write_now()

    def hear(self) -> bytes | Execution:
        """What the run says when it is its turn, or how it ended. Raises SlotLost."""
        with self._busy:
            frame = self._receive(self._deadline, ())
        if frame.header.get("op") == "said" and frame.header.get("id") == self._talk and len(frame.blobs) == 1:
            return frame.blobs[0]
        run = _result(frame, self._talk, 0, False, ())
        self.runs += 1
        if run is None:
            raise SlotLost("the answer makes no sense")
        return run

    def alive(self) -> bool:
        """Whether the runner of an idle slot is still there, and silent as it should be."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except (OSError, ValueError):
            pass
        return False

    def beat(self) -> None:
        """Tell an idle runner that its owner lives. One that is waited for hears it from `_receive`."""
        if self._busy.acquire(blocking=False):
            try:
                self._beat()
                self._write_now()
            finally:
                self._busy.release()

    def destroy(self) -> None:
        """End the slot and everything in it; a run that waits for it learns so at once."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._cell.destroy()

    def _beat(self) -> None:
        if not self._unsent and time.monotonic() - self._last_sent > _BEAT_S:
            self._send({"op": "beat"})

    def _load(
        self, program: Program, language: Language, limits: Limits, entry: str | None, role: str, stop: bool,
        without: Sequence[str],
    ) -> str:  # fmt: skip
        identity = secrets.token_hex(8)
        load = {
            "op": "load", "id": identity, "language": language.spec(), "entry": entry, "role": role,
            "interpreter": self._interpreter,
            "limits": {**vars(limits), "cpu_s": limits.wall_s if limits.cpu_s is None else limits.cpu_s},
            "stop_on_failure": stop, "without": list(without),
        }  # fmt: skip
        self._send(load, program.source.encode("utf-8", "surrogatepass"))
        return identity

    def _send(self, header: dict[str, Any], *blobs: bytes) -> None:
        self._unsent.append(memoryview(protocol.encode(header, *blobs)))
        self._last_sent = time.monotonic()

    def _write(self) -> None:
        while self._unsent:
            try:
                sent = self._socket.sendmsg(list(islice(self._unsent, _AT_ONCE)))
            except BlockingIOError:
                return
            except ConnectionError:  # it is gone, but what it answered before is still to be read
                self._unsent.clear()
                return
            while sent >= len(self._unsent[0]):
                sent -= len(self._unsent.popleft())
                if not self._unsent:
                    return
            self._unsent[0] = self._unsent[0][sent:]

    def _write_now(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # whoever reads next will find out
            self._write()

    def _receive(self, deadline: float, done: Sequence[Execution]) -> protocol.Frame:
        while not self._frames:
            wait = deadline - time.monotonic()
            if wait <= 0:
                raise SlotLost("the runner does not answer in time", done)
            try:
                self._beat()
                self._write()
                poller = select.poll()  # select() takes no descriptor above 1023
                poller.register(self._socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
                if any(event & ~select.POLLOUT for _, event in poller.poll(min(wait, _BEAT_S) * 1000)):
                    data = self._socket.recv(1 << 20)
                    if not data:
                        raise ConnectionResetError
                    self._frames.extend(self._decoder.feed(data))
            except BlockingIOError:
                continue
            except ConnectionError as error:
                raise SlotLost("the slot died", done) from error
            except (OSError, ValueError, protocol.ProtocolError) as error:
                raise SlotLost(f"the channel broke: {error}", done) from error
        return self._frames.popleft()


def _compile_patience(language: Language) -> float:
    return language.compile_wall_s + _GRACE_S if language.compile else 0.0


def _result(
    frame: protocol.Frame, identity: str, index: int, called: bool, done: Sequence[Execution]
) -> Execution | None:
    """The end of run `index`; None when it was left out. Raises SlotLost for anything else."""
    header = frame.header
    if header.get("op") == "fault":
        raise SlotLost(str(header.get("detail")), done)
    if header.get("op") != "result" or header.get("id") != identity or header.get("index") != index:
        raise SlotLost("the answer is not to the question", done)
    if header.get("status") == "skipped":
        return None
    if header.get("status") == "no_compiler":
        raise SandboxError(f"{header.get('detail')}; add it to the image, or use one that holds it")
    try:
        return _execution(frame, called)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise SlotLost(f"the answer makes no sense: {error!r}", done) from error


def _execution(frame: protocol.Frame, called: bool) -> Execution:
    header = frame.header
    status, detail, value = Status(header["status"]), str(header["detail"]), None
    if called and status is Status.OK:
        # The program can write to this pipe too; it can only ever hand itself a value, never a verdict.
        try:
            if frame.blobs[3] != b"R" or frame.blobs[2][:1] != b"V":
                why = frame.blobs[2][1:400].decode(errors="replace")
                raise values.NotPlainData(why or "the function did not return")
            value = values.loads(frame.blobs[2][1:])
        except values.NotPlainData as error:
            status, detail = Status.RUNTIME_ERROR, f"no value: {error}"
    return Execution(
        status=status,
        stdout=frame.blobs[0],
        stderr=frame.blobs[1],
        exit_code=header["exit_code"],
        signal=header["signal"],
        cpu_s=float(header["cpu_s"]),
        wall_s=float(header["wall_s"]),
        peak_mb=float(header["peak_mb"]),
        detail=detail,
        value=value,
    )
