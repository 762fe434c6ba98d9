"""Watches one run: feeds it, drains it, measures it, stops it.

Output is read as it comes and cut at the byte, so a program can neither fill our memory nor block on a full pipe.
Time is measured here, never by the program. Output that overflows is the verdict before memory, memory before time.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from sandbox.runner import cgroup, cleanup, isolation, spawner
from sandbox.runner.files import collect, memory_file
from sandbox.runner.talk import MAX_MESSAGE, Line
from sandbox.runner.verdict import Run, SlotBroken, conclude

_CHUNK = 1 << 16
_MAX_REPORT = 4 << 20
_CHECK_EVERY_S = 0.02
_CHECK_EVERY_WITHOUT_GROUP_S = 0.005
_GONE_WITHIN_S = 10.0


class Relay(Protocol):
    """The owner's end of a run that talks."""

    turns: int
    """How often it may speak before it is spoken to."""

    def fileno(self) -> int:
        """Readable when the owner has said something."""

    def say(self, message: bytes) -> None:
        """To the owner."""

    def messages(self) -> Iterator[bytes | None]:
        """From the owner; None when there is no more to come."""


class Supervisor:
    """Runs one request after the other through a spawner of its own."""

    def __init__(self, strict: bool, uids: Iterator[int], idle: Callable[[], None]) -> None:
        self._spawner, self._control = spawner.start(strict)
        self._known = {os.getpid(), self._spawner}
        self._group = cgroup.best_group(self._spawner)
        self._strict = strict
        self._idle = idle
        self._uids = uids
        self._other_users = isolation.has_other_users()
        self._order([])

    @property
    def group(self) -> str:
        """What kind of control group it measures with."""
        return self._group.name

    def close(self) -> None:
        """End the spawner."""
        self._control.close()
        os.waitpid(self._spawner, 0)

    def run(
        self, request: dict[str, Any], stdin: bytes, payload: int, artefact: int | None = None,
        relay: Relay | None = None,
    ) -> Run:  # fmt: skip
        """One run of `request` (limits, argv, call) with `stdin`. `payload` is the program text or binary.

        With a `relay` the run talks: what it says comes by the report, what it is told goes where `stdin` would.
        """
        if request["without"] != self._waiting["without"]:
            self._dismiss()
            self._order(request["without"])
        owner = self._waiting["owner"]
        line: Line | None = None
        if relay is None:
            input_fd = memory_file(stdin, "stdin")
        else:
            input_fd, ear = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(ear, False)
            line = Line(ear, relay.turns, relay.say)
        out_read, out_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        error_read, error_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        report_read, report_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for fd in (out_write, error_write, report_write):
            os.set_blocking(fd, True)
            os.fchown(fd, owner, owner)  # so that /dev/stdout can be opened again by its path
        ends = [input_fd, out_write, error_write, report_write]
        readers = [out_read, error_read, report_read]
        held: list[int] = []
        try:
            held.append(self._candidate())
            memory = request["memory_bytes"]
            processes = request["processes"] if "processes" not in request["without"] else 1 << 16
            self._group.begin(memory if "memory" not in request["without"] else 1 << 40, processes)
            socket.send_fds(self._control, [json.dumps(request).encode()], [*ends, payload])
            for fd in ends:
                os.close(fd)
            ends = []
            run = self._watch(request, held, readers, relay, line)
            if artefact is not None and len(held) > 1:
                collect(held[1], os.path.basename(request["artefact"]), artefact)
        except (OSError, ValueError) as error:
            raise SlotBroken(f"the spawner failed: {error}") from error
        finally:
            for fd in ends + readers + held:
                os.close(fd)
            if line is not None:
                line.hang_up()
        self._verify(request)
        self._order(request["without"])  # there is nothing left of this one
        return run

    def _order(self, without: list[str]) -> None:
        """Have the process of the next run made: a user that never was in this slot before."""
        uid = next(self._uids)
        self._waiting: dict[str, Any] = {
            "uid": uid, "owner": uid if self._other_users else os.getuid(), "without": without,
        }  # fmt: skip
        self._control.send(json.dumps(self._waiting).encode())

    def _dismiss(self) -> None:
        """Let the process that waits go: it was fenced in for another kind of run."""
        os.close(self._candidate())
        self._control.send(b"")
        self._control.recv(4096)

    def _candidate(self) -> int:
        """A descriptor of the process that waits for the request."""
        message, processes, _, _ = socket.recv_fds(self._control, 1 << 13, 1)
        if not message.startswith(spawner.READY):
            raise SlotBroken("the fences could not be built: " + message.decode(errors="replace"))
        self._spent_s = float(message.removeprefix(spawner.READY))
        return processes[0]

    def _watch(
        self, request: dict[str, Any], held: list[int], readers: list[int], relay: Relay | None, line: Line | None
    ) -> Run:
        out, error, report = readers
        started = time.monotonic()
        without = request["without"]
        wall_limit = request["wall_s"] if "time" not in without else 1e9
        cpu_limit = request["cpu_s"] if "time" not in without else 1e9
        room = {
            out: request["output_bytes"] if "output" not in without else 1 << 30,
            error: request["output_bytes"],
            report: _MAX_REPORT if line is None else MAX_MESSAGE + _CHUNK,
        }
        kept: dict[int, bytearray] = {out: bytearray(), error: bytearray(), report: bytearray()}
        verdict, detail = "", ""
        poller = select.poll()
        for fd in (out, error, report, self._control.fileno()):
            poller.register(fd, select.POLLIN)
        interval = _CHECK_EVERY_S if self._group.enforces_memory else _CHECK_EVERY_WITHOUT_GROUP_S
        next_check = started + interval
        ended: dict[str, Any] | None = None

        def stop(status: str, why: str) -> None:
            nonlocal verdict, detail
            if not verdict:
                verdict, detail = status, why
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(held[0], signal.SIGKILL)

        def drain(fd: int) -> bool:
            """Take what is there; false at the end of the stream."""
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                return True
            space = room[fd] - len(kept[fd])
            kept[fd] += data[:space]
            if len(data) > space and fd == out:
                stop("output_limit", f"more than {room[out]} bytes of output")
            if fd == report and line is not None and not line.take(kept[fd]):
                stop("runtime_error", f"a message of more than {MAX_MESSAGE} bytes")
            return bool(data)

        def listen(relay: Relay, line: Line) -> None:
            """Pass on what the owner says."""
            for message in relay.messages():
                if message is None:
                    line.hang_up()
                else:
                    line.tell(message)
            line.take(kept[report])  # what was said before its turn

        if relay is not None and line is not None:
            poller.register(relay.fileno(), select.POLLIN)
            listen(relay, line)  # what came together with the request is not in the socket any more
        while ended is None:
            now = time.monotonic()
            wait = (next_check if verdict else min(next_check, started + wall_limit)) - now
            if line is not None:
                line.watch(poller)
            for fd, _ in poller.poll(max(0.0, wait * 1000)):
                if relay is not None and line is not None and fd == relay.fileno():
                    listen(relay, line)
                elif line is not None and fd == line.pipe:
                    line.write()
                elif fd == self._control.fileno():
                    message, boxes, _, _ = socket.recv_fds(self._control, 4096, 1)
                    if not message:
                        raise SlotBroken("the spawner died")
                    held += boxes
                    ended = None if boxes else json.loads(message)
                elif fd in kept and not drain(fd):  # another one was closed since it was polled
                    poller.unregister(fd)
            now = time.monotonic()
            if ended is None and not verdict and now >= started + wall_limit:
                stop("time_limit", f"wall time limit of {request['wall_s']:g} s")
            if ended is None and now >= next_check:
                next_check = now + interval
                if relay is None:
                    self._idle()
                usage = self._group.usage()
                if usage.cpu_s > cpu_limit:
                    stop("time_limit", f"processor time limit of {request['cpu_s']:g} s")
                watched = not self._group.enforces_memory and "memory" not in without
                if watched and usage.peak_bytes > request["memory_bytes"]:
                    stop("memory_limit", f"memory limit of {request['memory_bytes'] >> 20} MiB")
            if verdict and now > started + wall_limit + _GONE_WITHIN_S:
                raise SlotBroken("a run does not die")
        wall_s = time.monotonic() - started
        usage = self._group.usage()
        cpu_s = max(usage.cpu_s, ended["cpu_s"] - self._spent_s)
        if not self._strict and "cleanup" not in without and not cleanup.kill_all(self._waiting["uid"], self._known):
            raise SlotBroken("a process does not die")
        for fd in (out, error, report):  # every writer is dead: this is the rest
            while drain(fd):
                if len(kept[fd]) >= room[fd]:
                    break
                if not select.select([fd], [], [], 0)[0]:
                    break
        run = Run("", bytes(kept[out]), bytes(kept[error]), bytes(kept[report]))
        run.wall_s, run.cpu_s, run.peak_mb = round(wall_s, 6), round(cpu_s, 6), round(usage.peak_bytes / 2**20, 3)
        if usage.memory_kills and verdict != "output_limit":
            verdict, detail = "memory_limit", f"memory limit of {request['memory_bytes'] >> 20} MiB"
        conclude(run, request, verdict, detail, ended["status"])
        return run

    def _verify(self, request: dict[str, Any]) -> None:
        if "cleanup" in request["without"]:
            if not self._strict and request["file_name"]:  # ours, and in the way of the next one's
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{isolation.BOX}/{request['file_name']}")
            return
        cleanup.reap(self._known)
        if not self._strict and not cleanup.wipe():
            raise SlotBroken("files are left of a run")
        if (left := cleanup.strangers(self._known)) and not cleanup.kill_all(self._waiting["uid"], self._known):
            raise SlotBroken(f"processes are left of a run: {left}")
        if any(cleanup.leftovers()):
            raise SlotBroken("files are left of a run")
