"""A Python program started inside an interpreter that is already running.

Starting `/usr/bin/python3` costs ten times a fork, so the spawner is an interpreter that waits, and its fork becomes
the program (`begin`); on request a new interpreter does the same (`renewed`). To the program it must look like
`python3 solution.py`: new standard streams on its own descriptors, an empty `__main__`, tracebacks that begin in
`solution.py`, the same exit codes, atexit functions, threads joined and files flushed.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import io
import json
import os
import signal
import sys
import types
from typing import Any, NoReturn

from sandbox.runner.output import flush, print_exception, write_all
from sandbox.runner.parts import Call, Drives, Functions, Part
from sandbox.runner.talk import Talk

# Modules most programs want; loaded once here, they cost a run nothing.
PRELOAD = (
    "abc", "array", "ast", "bisect", "cmath", "collections", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "heapq", "inspect", "io", "itertools", "json", "linecache", "math", "operator", "os",
    "queue", "random", "re", "statistics", "string", "struct", "sys", "textwrap", "threading", "time", "traceback",
    "types", "typing",
)  # fmt: skip
_HANDLERS: list[dict[str, Any]] = []
"""What these modules want done at a fork. It would be a third of the price of a run, so it is for forks of the
program's own, and the fork that becomes the program, which was never more than one thread, does what it needs of it."""

# The program runs one frame below this text, so that its stack and its depth of recursion are a program's own.
_TOP = """
import sys
sys.path.insert(1, {root!r})
from sandbox.runner.{module} import {start}
del sys.path[1]
program = {start}()
try:
    exec(program.code, program.namespace)
except BaseException as error:
    program.failed(error)
program.finish()
"""


def top(module: str, start: str) -> str:
    """What an interpreter is started with; `start` of a module of this package returns the program to be."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return _TOP.format(root=root, module=module, start=start)


def begin(source: bytes, facts: dict[str, Any]) -> PythonMain:
    """The program to be, in a process that is fenced in. `facts` are file_name, role, entry and two descriptors:
    report, and ear if something besides running is asked of it."""
    report, ear = facts["report"], facts["ear"]
    part: Part | None = None
    if facts["role"]:
        part = Functions(Talk(ear, report)) if facts["role"] == "functions" else Drives(Talk(ear, report))
    elif facts["entry"] is not None:
        part = Call(report, facts["entry"], os.pread(ear, os.fstat(ear).st_size, 0))
        os.close(ear)
    return PythonMain(source, report, facts["file_name"], part)


def renewed() -> PythonMain:
    """`begin` in a new interpreter, which finds the facts in its last argument and the source in its folder."""
    _cover()
    facts = json.loads(sys.argv[1])
    for name in ("report", "ear"):
        if facts[name] is not None:
            os.set_inheritable(facts[name], False)
    with open(facts["file_name"], "rb") as file:
        return begin(file.read(), facts)


def preload() -> None:
    """Do before any fork what else every run would do: what a fork touches is copied, page by page."""
    register, os.register_at_fork = os.register_at_fork, lambda **handlers: _HANDLERS.append(handlers)
    for name in PRELOAD:
        __import__(name)
    os.register_at_fork = register
    held = [os.dup(fd) for fd in range(3)]
    streams = os.memfd_create("stdin"), *os.pipe()  # of the kinds a run has
    for fd, stream in enumerate((streams[0], streams[2], streams[2])):
        os.dup2(stream, fd)
    _cover()
    for fd, own in enumerate(held):
        os.dup2(own, fd)
    for fd in (*held, *streams):
        os.close(fd)
    gc.collect()
    gc.freeze()  # out of the garbage collector's sight


def rehearse() -> None:
    """Do what a fork has to, and touch what every program will: better while it waits than when it runs."""
    sys.modules["random"].seed()
    for handlers in _HANDLERS:
        os.register_at_fork(**handlers)
    compile("print(len(input()))", "solution.py", "exec", dont_inherit=True)
    gc.collect()


def _cover() -> None:
    """Put new standard streams on the descriptors and hide our own modules."""
    _new_streams()
    for name in [name for name in sys.modules if name.partition(".")[0] == "sandbox"]:
        del sys.modules[name]


class PythonMain:
    """The program this process is about to be.

    `report` is a descriptor. It gets `C` and a message if the text does not compile, `R` when its code is about to
    run, and what the program's `part` has to say once it ran.
    """

    def __init__(self, source: bytes, report: int, file_name: str, part: Part | None) -> None:
        self._part = part
        self._exit_code = 0
        self._interrupted = False
        try:
            self.code = compile(source, file_name, "exec", dont_inherit=True)
        except BaseException as error:
            print_exception(error.with_traceback(None))
            flush()
            write_all(report, b"C" + f"{type(error).__name__}: {error}".encode(errors="replace")[:4096])
            os._exit(1)
        self._main = _new_main("__main__" if part is None else part.module, file_name)
        self.namespace = self._main.__dict__
        if part is not None:
            part.before(self.namespace)
        write_all(report, b"R")
        if part is None:
            os.close(report)

    def failed(self, error: BaseException) -> None:
        """Take note of how the program's code ended: print what an interpreter prints, keep its exit code."""
        part, self._part = self._part, None
        self._exit_code = 1
        if not isinstance(error, SystemExit):
            flush()
            if isinstance(part, Drives):
                sys.stderr.write(part.trace_of(error))
            print_exception(error)
            self._interrupted = isinstance(error, KeyboardInterrupt)
        elif error.code is None:
            self._exit_code = 0
        elif isinstance(error.code, int):
            self._exit_code = int(error.code) & 0xFF if -(1 << 63) <= error.code < 1 << 63 else 255
        else:
            flush()
            sys.stderr.write(f"{error.code}\n")

    def finish(self) -> NoReturn:
        """Play the part if there is one, then do what Py_Finalize does as far as a program can tell, and end."""
        if self._part is not None:
            try:
                self._part.after(self.namespace)
            except BaseException as error:
                self.failed(error)
        try:
            if threading := sys.modules.get("threading"):
                threading._shutdown()
            atexit._run_exitfuncs()
        except BaseException as error:
            print_exception(error)
        good = flush(complain=True)
        try:
            # Objects with a finaliser, such as files left open, are let go in the interpreter's order.
            private = [name for name in self.namespace if name.startswith("_") and name != "__builtins__"]
            for name in private + [name for name in self.namespace if not name.startswith("_")]:
                self.namespace[name] = None
            gc.collect()
        except BaseException:
            pass
        good = flush() and good
        if self._interrupted:  # as an interpreter does, so that whoever waits for it can tell
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(self._exit_code if good or self._exit_code else 120)


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
