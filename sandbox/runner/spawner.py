"""The process that forks every run: a waiting interpreter that never sees a program.

When the supervisor says so it forks the process of the next run, ahead of that run. The fork fences itself in, says
that it is ready and waits for the request, which comes with the run's descriptors: program text and input pass the
spawner by, so that nothing of one submission is left in the memory the next one is forked from. The spawner waits
until everything of the run is dead and tells the wait status. It lives in the control group of the runs, so that its
children are measured from their first instruction.

In strict mode it is the first process of a pid namespace in which there is only one run at a time: what a run leaves
becomes its child, one signal reaches all of it at once, and when there is no child left there is nothing left.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from sandbox.runner import isolation, kernel, python_main, seccomp
from sandbox.runner.output import write_all

READY, BOX = b"ready", b"box"
"""What a run's process sends besides an error: the seconds of processor time it took to be ready, with a descriptor of
itself, and a descriptor of its folder when that is asked for."""
PYTHON = "/usr/bin/python3"
_COMMAND = ("python3", "-s", "-B", "-c")
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": isolation.BOX,
    "TMPDIR": "/tmp",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class _Become(BaseException):
    """Carries a candidate's fork out of the spawner's frames."""

    def __init__(self, program: python_main.PythonMain) -> None:
        self.program = program


def serve() -> python_main.PythonMain:
    """Serve requests on descriptor 3 until the supervisor goes away. Returns in forks only, with the program to be."""
    try:
        _serve()
    except _Become as become:
        return become.program
    os._exit(0)


def _serve() -> None:
    sys.argv[:] = [""]
    control = socket.socket(fileno=3)
    control.setblocking(True)
    # Memory files are counted by control groups only, and a slot without other users has none.
    system_calls = seccomp.Filter(memory_files=isolation.has_other_users()) if seccomp.supported() else None
    strict = os.getpid() == 1
    pid_counter = isolation.settle() if strict else None
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    python_main.preload()
    control.send(b"ready")
    with contextlib.suppress(OSError):  # the supervisor is gone
        while who := control.recv(4096):
            if pid_counter is not None:
                os.pwrite(pid_counter, b"1", 0)
            pid = os.fork()
            if pid == 0:
                _candidate(control, json.loads(who), system_calls, strict)
            status, cpu_s = _wait_for_all(pid) if strict else _wait_for_one(pid)
            control.send(json.dumps({"status": status, "cpu_s": cpu_s}).encode())


def _wait_for_one(pid: int) -> tuple[int, float]:
    """Its wait status and the seconds of processor time it used; what it leaves is killed by who can see it."""
    _, status, usage = os.wait4(pid, 0)
    return status, usage.ru_utime + usage.ru_stime


def _wait_for_all(pid: int) -> tuple[int, float]:
    """The same where all processes but this one are the run's: none of them is left when this returns."""
    status, cpu_s = 0, 0.0
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, how, usage = os.wait4(-1, 0)
            cpu_s += usage.ru_utime + usage.ru_stime
            if ended == pid:
                status = how
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)  # all at once: no fork outruns it
    return status, cpu_s


def _candidate(
    control: socket.socket, who: dict[str, Any], system_calls: seccomp.Filter | None, strict: bool
) -> NoReturn:
    """The process of a run: fences itself in as `who` says, waits for the request, becomes the program."""
    try:
        if strict:
            isolation.enter_namespaces(who["owner"])
        python_main.rehearse()
        itself = os.pidfd_open(os.getpid())
        isolation.confine(who["uid"], who["owner"], system_calls, who["without"])
        socket.send_fds(control, [READY, b"%f" % time.process_time()], [itself])
        os.close(itself)
        message, fds, _, _ = socket.recv_fds(control, 1 << 16, 8)
    except BaseException as error:
        control.send(f"{type(error).__name__}: {error}".encode()[:4096])
        os._exit(125)
    if not message:
        os._exit(0)
    stdin, stdout, stderr, report, payload = fds
    try:
        request = json.loads(message)
        if request["artefact"]:  # the folder outlives the namespace while somebody holds it
            socket.send_fds(control, [BOX], [os.open(isolation.BOX, os.O_PATH | os.O_DIRECTORY)])
        control.detach()
        isolation.redirect(stdin, stdout, stderr)
        source = b""
        if request["file_name"]:  # for the compiler, and for the lines a traceback quotes
            source = os.pread(payload, os.fstat(payload).st_size, 0)
            isolation.place_file(request["file_name"], source)
        keep = {report, payload} if request["argv"] else {report}
        part = {**{name: request[name] for name in ("file_name", "role", "entry")}, "report": report, "ear": None}
        if request["role"] or request["entry"] is not None:  # arguments and messages come where the input would
            part["ear"] = os.dup(0)
            keep.add(part["ear"])
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        isolation.limit(request, keep)
        os.set_inheritable(report, False)
        if request["argv"]:
            _start_binary(request, payload, report)
        if request["interpreter"] == "exec":
            _start_interpreter(part)
    except BaseException as error:
        _failed([0, 1, 2, report], error)
    raise _Become(python_main.begin(source, part))


def _start_interpreter(part: dict[str, Any]) -> NoReturn:
    """The same in an interpreter of the run's own."""
    for name in ("report", "ear"):
        if part[name] is not None:
            os.set_inheritable(part[name], True)
    os.execve(PYTHON, [*_COMMAND, python_main.top("python_main", "renewed"), json.dumps(part)], ENVIRONMENT)


def _start_binary(request: dict[str, Any], payload: int, report: int) -> NoReturn:
    argv = request["argv"]
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # an interpreter ignores them, and exec would pass that on
        signal.signal(ignored, signal.SIG_DFL)
    write_all(report, b"R")
    if request["file_name"]:
        os.close(payload)
        os.execve(argv[0], argv, ENVIRONMENT)
    os.set_inheritable(payload, False)
    os.execve(payload, argv, ENVIRONMENT)


def _failed(fds: list[int], error: BaseException) -> NoReturn:
    write_all(fds[3], b"S" + f"{type(error).__name__}: {error}".encode()[:4096])
    os._exit(125)


def start(strict: bool) -> tuple[int, socket.socket]:
    """Start the spawner as a program of its own, with a clean memory; returns its pid and the control socket.

    With `strict` it is the first process of a pid namespace.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    null = os.open("/dev/null", os.O_RDWR)
    with contextlib.ExitStack() as after:
        if strict:
            own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            after.callback(os.close, own)
            kernel.unshare(kernel.CLONE_NEWPID)  # of the children to come
            after.callback(kernel.setns, own, kernel.CLONE_NEWPID)
        pid = os.posix_spawn(
            PYTHON,
            [*_COMMAND, python_main.top("spawner", "serve")],
            ENVIRONMENT,
            file_actions=[(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1)]
            + [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)],
        )
    os.close(null)
    theirs.close()
    ours.settimeout(20)
    if ours.recv(16) != b"ready":
        raise OSError("the spawner did not start")
    return pid, ours
