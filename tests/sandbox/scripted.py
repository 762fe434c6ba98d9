"""Slots without Docker: a thread at the other end of a socket pair that answers as a test says."""

import contextlib
import itertools
import socket
import threading

from sandbox import Program
from sandbox.protocol import VERSION, Decoder, ProtocolError, encode

ECHO = Program("echo")
HELLO = {"op": "hello", "version": VERSION, "mode": "strict", "cgroup": "v1", "seccomp": True}


def result(header, stdout, **change):
    """The answer to a `run`."""
    fields = {
        "op": "result", "id": header["id"], "index": header["index"], "status": "ok", "exit_code": 0, "signal": None,
        "cpu_s": 0.1, "wall_s": 0.1, "peak_mb": 1.0, "detail": "",
    }  # fmt: skip
    return encode({**fields, **change}, stdout, b"", b"", b"")


def echo(header, data):
    return result(header, data)


def statuses(runs):
    return [run.status for run in runs]


class Cell:
    """One end of a socket pair; at the other a thread answers as `behave` says, and hangs up when that is None."""

    def __init__(self, behave, hello):
        self.channel, self._theirs = socket.socketpair()
        self.destroyed = False
        self.seen = []
        threading.Thread(target=self._serve, args=(behave, hello), daemon=True).start()

    def _serve(self, behave, hello):
        decoder = Decoder()
        try:
            self._theirs.sendall(encode(hello))
            while data := self._theirs.recv(1 << 16):
                for frame in decoder.feed(data):
                    if frame.header["op"] == "run":
                        self.seen.append(frame.blobs[0])
                        answer = behave(frame.header, frame.blobs[0])
                        if answer is None:
                            return
                        self._theirs.sendall(answer)
        except (OSError, ProtocolError):
            pass
        finally:
            self._theirs.close()

    def hang_up(self):
        with contextlib.suppress(OSError):
            self._theirs.shutdown(socket.SHUT_RDWR)

    def destroy(self):
        self.destroyed = True
        self.channel.close()


class Backend:
    """Gives out slots that behave as scripted, the last one for ever. A script that is an error is raised instead."""

    name = "scripted"

    def __init__(self, *scripts, hello=HELLO):
        self._scripts = itertools.chain(scripts, itertools.repeat(scripts[-1]))
        self._hello = hello
        self._lock = threading.Lock()
        self.cells = []
        self.started = 0
        self.closed = False

    def check(self):
        pass

    def start(self):
        with self._lock:
            self.started += 1
            script = next(self._scripts)
            if isinstance(script, Exception):
                raise script
            self.cells.append(Cell(script, self._hello))
            return self.cells[-1]

    def close(self):
        self.closed = True
