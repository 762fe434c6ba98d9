"""PID 1 of a slot: takes submissions from the host, runs each input, answers, and dies when the host does.

Usage: python3 -m sandbox.runner SOCKET UID_BASE. SOCKET is the path of a socket, which is connected once, or the
number of a descriptor that is connected already; whoever holds the other end is the owner. End of file, or thirty
seconds without a word from the owner, ends the slot with everything in it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, NoReturn

from sandbox import protocol
from sandbox.runner import cleanup, isolation, kernel, seccomp
from sandbox.runner.files import memory_file, seal
from sandbox.runner.supervisor import Supervisor
from sandbox.runner.verdict import Run, SlotBroken

_SILENCE_S = 30.0
_MAX_BUFFER = 32 << 20
_COMPILE_OUTPUT = 1 << 16
LATE = ("tell", "hang_up")
"""Frames for a run that talks; it may be over when they come."""


class Host:
    """The owner's end: frames in, frames out, and a watch on whether it is still there."""

    def __init__(self, channel: str) -> None:
        if channel.isdecimal():
            self._socket = socket.socket(fileno=int(channel))
            os.set_inheritable(int(channel), False)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(channel)
        self._decoder = protocol.Decoder()
        self._frames: deque[protocol.Frame] = deque()
        self._heard = time.monotonic()
        self._waiting = 0

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()

    def look(self, wait_s: float) -> None:
        """Take what the owner has sent; ends the slot when the owner is gone."""
        if select.select([self._socket], [], [], wait_s)[0]:
            data = self._socket.recv(1 << 20)
            if not data:
                self.leave()
            self._heard = time.monotonic()
            for frame in self._decoder.feed(data):
                self._frames.append(frame)
                self._waiting += sum(map(len, frame.blobs))
        elif time.monotonic() - self._heard > _SILENCE_S:
            self.leave()

    def glance(self) -> None:
        """`look` from within a run: without waiting, and without hoarding what is for later."""
        if self._decoder.pending + self._waiting < _MAX_BUFFER:
            self.look(0)

    def messages(self) -> Iterator[protocol.Frame]:
        """What has come from the owner meanwhile, signs of life left out."""
        self.look(0)
        while self._frames:
            frame = self._pop()
            if frame.header.get("op") != "beat":
                yield frame

    def next(self) -> protocol.Frame:
        """The next frame that is not a sign of life."""
        while True:
            while not self._frames:
                self.look(1.0)
            frame = self._pop()
            if frame.header.get("op") != "beat":
                return frame

    def _pop(self) -> protocol.Frame:
        frame = self._frames.popleft()
        self._waiting -= sum(map(len, frame.blobs))
        return frame

    def send(self, header: dict[str, Any], *blobs: bytes) -> None:
        """Answer."""
        self._socket.setblocking(True)
        try:
            self._socket.sendall(protocol.encode(header, *blobs))
        except OSError:
            self.leave()

    def leave(self) -> NoReturn:
        """End the slot: when PID 1 exits the kernel kills everything else in it."""
        os._exit(0)


class Relay:
    """Carries messages between the owner and a run that talks."""

    def __init__(self, host: Host, identity: str, role: str) -> None:
        self.turns = int(role == "driver")
        self._host = host
        self._identity = identity

    def fileno(self) -> int:
        """Where the owner's messages come from."""
        return self._host.fileno()

    def say(self, message: bytes) -> None:
        """To the owner."""
        self._host.send({"op": "said", "id": self._identity}, message)

    def messages(self) -> Iterator[bytes | None]:
        """From the owner; None when there is no more to come."""
        for header, blobs in self._host.messages():
            if header["op"] not in LATE or header["id"] != self._identity:
                raise SlotBroken(f"unexpected frame {header.get('op')!r} in a run")
            yield blobs[0] if header["op"] == "tell" else None


class Submission:
    """A loaded program: its source or compiled binary and what is the same for all its runs."""

    def __init__(self, supervisor: Supervisor, header: dict[str, Any], source: bytes) -> None:
        self.id = header["id"]
        self.stop_on_failure = header["stop_on_failure"]
        self.failed = False
        self.refused: Run | None = None
        language, limits = header["language"], header["limits"]
        compiled = language["compile"] is not None
        memory_mb = limits["memory_mb"]
        # Below the memory limit, so that endless recursion ends in the same way every time.
        stack_mb = language["stack_mb"] or max(memory_mb - 16, memory_mb // 2)
        self.request: dict[str, Any] = {
            "argv": None, "file_name": language["file_name"], "artefact": None, "entry": None,
            "role": header["role"], "interpreter": header["interpreter"], "python": not language["run"],
            "without": header["without"],
            "wall_s": limits["wall_s"], "cpu_s": limits["cpu_s"], "memory_bytes": memory_mb << 20,
            "output_bytes": limits["output_bytes"], "processes": limits["processes"], "stack_bytes": stack_mb << 20,
        }  # fmt: skip
        self.entry = header["entry"]
        self.payload = memory_file(source, "program")
        paths = {"source": language["file_name"], "binary": "/box/program"}
        if compiled:
            self._compile(supervisor, language, paths)
            self.request["file_name"] = None  # from here on the payload is the binary, which runs without a path
        if language["run"]:
            self.request["argv"] = [word.format(**paths) for word in language["run"]]
        self.request["entry"] = self.entry

    def _compile(self, supervisor: Supervisor, language: dict[str, Any], paths: dict[str, str]) -> None:
        if not os.access(language["compile"][0], os.X_OK):
            self.refused = Run("no_compiler", detail=f"there is no {language['compile'][0]} in a slot")
            return
        binary = memory_file(b"", "binary", sealed=False)
        request = {
            **self.request, "argv": [word.format(**paths) for word in language["compile"]],
            "artefact": paths["binary"], "wall_s": language["compile_wall_s"],
            "cpu_s": language["compile_wall_s"], "memory_bytes": language["compile_memory_mb"] << 20,
            "output_bytes": _COMPILE_OUTPUT, "processes": 64, "stack_bytes": 64 << 20,
        }  # fmt: skip
        run = supervisor.run(request, b"", self.payload, binary)
        os.close(self.payload)
        self.payload = binary
        seal(binary)
        os.fchmod(binary, 0o555)
        if run.status != "ok" or os.fstat(binary).st_size == 0:
            stopped = run.status not in ("ok", "runtime_error", "compile_error")
            detail = f"the compiler: {run.detail}" if stopped else "the compiler refused the program"
            run.status, run.stdout, run.detail = "compile_error", b"", detail
            self.refused = run

    def close(self) -> None:
        """Let the program text go."""
        os.close(self.payload)


def _answer(host: Host, submission: Submission, index: int, run: Run) -> None:
    host.send(
        {
            "op": "result", "id": submission.id, "index": index, "status": run.status, "exit_code": run.exit_code,
            "signal": run.signal, "cpu_s": run.cpu_s, "wall_s": run.wall_s, "peak_mb": run.peak_mb,
            "detail": run.detail,
        },
        run.stdout, run.stderr, run.report[1:] if submission.entry is not None else b"",
        run.report[:1] if submission.entry is not None else b"",
    )  # fmt: skip


def _can_be_strict() -> bool:
    """Whether this slot may do what the spawner and a run of strict mode do: tried, not read off."""
    pid = os.fork()
    if pid == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWPID)
            first = os.fork()
            if first == 0:
                isolation.settle()
                isolation.enter_namespaces(os.getuid())
            code = 0 if first == 0 else os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
        except OSError:
            os._exit(1)
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def main() -> NoReturn:
    """Serve until the owner is gone."""
    host = Host(sys.argv[1])
    uids = itertools.count(int(sys.argv[2]) + 1)
    strict = _can_be_strict()
    if not strict and not isolation.has_other_users():
        host.send({"op": "fault", "detail": "no namespaces and no other user: nothing would keep programs apart"})
        host.leave()
    if strict:
        with contextlib.suppress(OSError):
            kernel.unmount("/dev/mqueue")  # a writable area nobody needs
    supervisor = Supervisor(strict, uids, host.glance)
    cleanup.wipe()
    host.send(
        {
            "op": "hello", "version": protocol.VERSION, "mode": "strict" if strict else "basic",
            "cgroup": supervisor.group, "seccomp": seccomp.supported(), "python": sys.version.split()[0],
        }
    )  # fmt: skip
    submission: Submission | None = None
    try:
        while True:
            header, blobs = host.next()
            if header["op"] == "load":
                if submission is not None:
                    submission.close()
                if "namespaces" in header["without"]:
                    supervisor.close()
                    supervisor = Supervisor(False, uids, host.glance)
                submission = Submission(supervisor, header, blobs[0])
            elif header["op"] == "run" and submission is not None and header["id"] == submission.id:
                run = _run(supervisor, submission, host, blobs[0])
                _answer(host, submission, header["index"], run)
            elif header["op"] not in LATE:  # a message for a run that has just ended is nobody's
                raise SlotBroken(f"unexpected frame {header.get('op')!r}")
    except (SlotBroken, protocol.ProtocolError, OSError) as error:
        host.send({"op": "fault", "detail": f"{error}"})
        host.leave()


def _run(supervisor: Supervisor, submission: Submission, host: Host, data: bytes) -> Run:
    if submission.refused is not None:
        return submission.refused
    if submission.failed and submission.stop_on_failure:
        return Run("skipped")
    role = submission.request["role"]
    relay = Relay(host, submission.id, role) if role else None
    run = supervisor.run(submission.request, data, submission.payload, relay=relay)
    submission.failed = run.status != "ok"
    if run.status == "compile_error":
        submission.refused = run
    return run


if __name__ == "__main__":
    main()
