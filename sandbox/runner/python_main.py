"""A Python program started inside an interpreter that is already running.

Starting `/usr/bin/python3` costs ten times a fork, so the spawner is an interpreter that waits, and its fork becomes
the program. To the program it must look like `python3 solution.py`: new standard streams on its own descriptors, an
empty `__main__`, tracebacks that begin in `solution.py`, the same exit codes, atexit functions, threads joined and
files flushed.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import io
import os
import random
import signal
import sys
import threading
import types
from typing import Any, NoReturn

from sandbox.runner import dialogue, values
from sandbox.runner.talk import Talk

# Modules most programs want; loaded once here, they cost a run nothing.
PRELOAD = (
    "abc", "array", "ast", "bisect", "cmath", "collections", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "heapq", "inspect", "io", "itertools", "json", "linecache", "math", "operator", "os",
    "queue", "random", "re", "statistics", "string", "struct", "sys", "textwrap", "threading", "time", "traceback",
    "types", "typing",
)  # fmt: skip


_OURS = (__file__, dialogue.__file__, "<string>")
"""Files whose frames are not the program's."""


def preload() -> None:
    """Import the common modules and put what exists out of the garbage collector's sight, before any fork."""
    for name in PRELOAD:
        __import__(name)
    gc.collect()
    gc.freeze()


class PythonMain:
    """The program this process is about to be.

    `report` is a descriptor. It gets `C` and a message if the text does not compile, `R` when its code is about to
    run, and what the program's `part` has to say once it ran.
    """

    def __init__(self, source: bytes, report: int, file_name: str, part: Part | None) -> None:
        self._part = part
        self._exit_code = 0
        self._interrupted = False
        _new_streams()
        try:
            self.code = compile(source, file_name, "exec", dont_inherit=True)
        except BaseException as error:
            _print_exception(error.with_traceback(None))
            _flush()
            write_all(report, b"C" + f"{type(error).__name__}: {error}".encode(errors="replace")[:4096])
            os._exit(1)
        self._main = _new_main("__main__" if part is None else part.module, file_name)
        self.namespace = self._main.__dict__
        if part is not None:
            part.before(self.namespace)
        for name in [name for name in sys.modules if name.partition(".")[0] == "sandbox"]:
            del sys.modules[name]
        random.seed()
        write_all(report, b"R")
        if part is None:
            os.close(report)

    def failed(self, error: BaseException) -> None:
        """Take note of how the program's code ended: print what an interpreter prints, keep its exit code."""
        part, self._part = self._part, None
        self._exit_code = 1
        if not isinstance(error, SystemExit):
            _flush()
            if isinstance(part, Drives):
                sys.stderr.write(part.trace_of(error))
            _print_exception(error)
            self._interrupted = isinstance(error, KeyboardInterrupt)
        elif error.code is None:
            self._exit_code = 0
        elif isinstance(error.code, int):
            self._exit_code = int(error.code) & 0xFF if -(1 << 63) <= error.code < 1 << 63 else 255
        else:
            _flush()
            sys.stderr.write(f"{error.code}\n")

    def finish(self) -> NoReturn:
        """Play the part if there is one, then do what Py_Finalize does as far as a program can tell, and end."""
        if self._part is not None:
            try:
                self._part.after(self.namespace)
            except BaseException as error:
                self.failed(error)
        try:
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        except BaseException as error:
            _print_exception(error)
        good = _flush(complain=True)
        try:
            # Objects with a finaliser, such as files left open, are let go in the interpreter's order.
            private = [name for name in self.namespace if name.startswith("_") and name != "__builtins__"]
            for name in private + [name for name in self.namespace if not name.startswith("_")]:
                self.namespace[name] = None
            gc.collect()
        except BaseException:
            pass
        good = _flush() and good
        if self._interrupted:  # as an interpreter does, so that whoever waits for it can tell
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(self._exit_code if good or self._exit_code else 120)


class Part:
    """What a program does besides running."""

    module = "solution"
    """The name it runs under; under this one its main block does not run."""

    def before(self, namespace: dict[str, Any]) -> None:
        """Before its first line."""

    def after(self, namespace: dict[str, Any]) -> None:
        """After its last one."""


class Call(Part):
    """One call of a function, or of a method of a new instance; reports `V` and the value or `E` and why there is none.

    `arguments` is text of `values.dumps`.
    """

    def __init__(self, report: int, entry: str, arguments: bytes) -> None:
        self._report = report
        self._entry = entry
        self._arguments = arguments

    def after(self, namespace: dict[str, Any]) -> None:
        head, *rest = self._entry.split(".")
        if head not in namespace:
            raise NameError(f"name {head!r} is not defined")
        function = namespace[head]
        for name in rest:
            function = getattr(function() if isinstance(function, type) else function, name)
        value = function(*values.loads(self._arguments))
        try:
            text = b"V" + values.dumps(value)
        except values.NotPlainData as error:
            text = b"E" + str(error).encode(errors="replace")[:4096]
        write_all(self._report, text)


class Functions(Part):
    """Answers calls of its functions, one after the other, in one process."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def after(self, namespace: dict[str, Any]) -> None:
        dialogue.serve(self._talk, namespace, _frames)


class Drives(Part):
    """Calls functions of a program that runs elsewhere; says so when its last line is through."""

    module = "__main__"

    def __init__(self, talk: Talk) -> None:
        self._driver = dialogue.Driver(talk, _leave)
        self.trace_of = self._driver.trace_of

    def before(self, namespace: dict[str, Any]) -> None:
        namespace["__builtins__"] = self._driver.names()

    def after(self, namespace: dict[str, Any]) -> None:
        self._driver.done()


def _leave() -> NoReturn:
    _flush()
    os._exit(1)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte."""
    while data:
        data = data[os.write(fd, data) :]


def _new_streams() -> None:
    # As CPython's create_stdio does; errors and encoding are those of the interpreter's own streams.
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        old = getattr(sys, name)
        buffer: Any = open(fd, mode + "b", closefd=False)  # noqa: SIM115
        buffer.raw.name = f"<{name}>"
        stream = io.TextIOWrapper(buffer, old.encoding, old.errors, newline="\n", line_buffering=name == "stderr")
        stream.mode = mode  # type: ignore[misc]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _new_main(name: str, file_name: str) -> types.ModuleType:
    main = types.ModuleType(name)
    main.__dict__.update(
        __builtins__=builtins, __file__=file_name, __cached__=None, __annotations__={}, __package__=None
    )
    sys.modules[name] = main
    sys.argv[:] = [file_name]
    sys.orig_argv[:] = ["python3", file_name]
    sys.path[0] = os.getcwd()
    return main


def _print_exception(error: BaseException) -> None:
    frames = _frames(error)
    try:
        sys.excepthook(type(error), error.with_traceback(frames), frames)
    except BaseException as broken:
        broken.__context__ = None
        sys.stderr.write("Error in sys.excepthook:\n")
        sys.__excepthook__(type(broken), broken.with_traceback(_frames(broken)), broken.__traceback__)
        sys.stderr.write("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, frames)


def _frames(error: BaseException) -> types.TracebackType | None:
    """The traceback without the frames that are ours."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in _OURS:
        frames = frames.tb_next
    last = frames
    while last is not None and last.tb_next is not None:
        if last.tb_next.tb_frame.f_code.co_filename == dialogue.__file__:
            last.tb_next = None  # where a driver's call went out
        else:
            last = last.tb_next
    return frames


def _flush(complain: bool = False) -> bool:
    good = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException as error:
            good = False
            if complain and stream is sys.stdout:
                write_all(2, f"Exception ignored in: {stream!r}\n{type(error).__name__}: {error}\n".encode())
    return good
