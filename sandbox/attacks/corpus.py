"""The attacks themselves: small programs that print ESCAPED when they got what they wanted.

Each row names the defences it tests (`off`). Its control runs the same program with those left out and must succeed,
which shows that the program is a real attack and that the defence is what stops it. Rows without a control are stopped
by the container as a whole, or by two filters at once, and say so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.program import Execution, Limits, Status

_SMALL = Limits(wall_s=5.0, memory_mb=64, output_bytes=10_000, processes=16)
_LEAVE, _LOOK = b"leave\n", b"look\n"


def _text(indented: str) -> str:
    return textwrap.dedent(indented).lstrip("\n")


def says_escaped(executions: list[Execution]) -> bool:
    """The program says that it got through."""
    return any(b"ESCAPED" in execution.stdout for execution in executions)


def slot_lost(executions: list[Execution]) -> bool:
    """The program took its slot down."""
    return any(e.status in (Status.SANDBOX_FAILURE, Status.SECURITY_VIOLATION) for e in executions)


@dataclass(frozen=True)
class Attack:
    """One program that tries something, the defences that stop it, and how to see that it succeeded."""

    name: str
    source: str
    off: tuple[str, ...] = ()
    """Defences left out in the control; empty where no control is possible, and `no_control` says why."""
    no_control: str = ""
    inputs: tuple[bytes, ...] = (b"",)
    limits: Limits = _SMALL
    succeeded: Callable[[list[Execution]], bool] = says_escaped


CORPUS: tuple[Attack, ...] = (
    Attack(
        "fork-bomb",
        _text("""
            import os, time
            count = 0
            for _ in range(60):
                try:
                    if os.fork() == 0: time.sleep(9)
                    count += 1
                except OSError: break
            if count >= 40: print('ESCAPED', count)
        """),
        off=("processes",),
        limits=Limits(wall_s=5.0, memory_mb=1024, processes=16),
    ),
    Attack(
        "daemon",
        _text("""
            import os, time
            if input() == 'leave':
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        for fd in range(3): os.close(fd)
                        while True:
                            open('/dev/shm/beat', 'a').write('x'); time.sleep(0.01)
                    os._exit(0)
                os.wait(); time.sleep(0.1)
            else:
                def size():
                    try: return os.stat('/dev/shm/beat').st_size
                    except OSError: return 0
                first = size(); time.sleep(0.2)
                if size() > first: print('ESCAPED')
        """),
        off=("namespaces", "cleanup"),
        inputs=(_LEAVE, _LOOK),
    ),
    Attack(
        "memory",
        _text("""
            x = bytearray(300 << 20)
            print('ESCAPED', len(x))
        """),
        off=("memory",),
    ),
    Attack(
        "memory-of-many",
        _text("""
            import os, time
            pids = []
            for _ in range(6):
                pid = os.fork()
                if pid == 0:
                    x = bytearray(40 << 20); time.sleep(0.5); os._exit(0)
                pids.append(pid)
            if all(os.waitpid(pid, 0)[1] == 0 for pid in pids): print('ESCAPED')
        """),
        off=("memory",),
    ),
    Attack(
        "output-flood",
        _text("""
            import os
            for _ in range(100): os.write(1, b'x' * 10000)
            os.write(1, b'ESCAPED')
        """),
        off=("output",),
    ),
    Attack(
        "sleep",
        _text("""
            import time
            time.sleep(1.2)
            print('ESCAPED')
        """),
        off=("time",),
        limits=Limits(wall_s=0.5, memory_mb=64),
    ),
    Attack(
        "spin-ignoring-signals",
        _text("""
            import os, signal, time
            for n in range(1, 32):
                if n not in (9, 19): signal.signal(n, signal.SIG_IGN)
            end = time.monotonic() + 1.2
            while time.monotonic() < end:
                try: pass
                except BaseException: pass
            print('ESCAPED')
        """),
        off=("time",),
        limits=Limits(wall_s=0.5, memory_mb=64),
    ),
    Attack(
        "spin-in-children",
        _text("""
            import os, time
            pids = []
            for _ in range(4):
                pid = os.fork()
                if pid == 0:
                    end = time.process_time() + 0.4
                    while time.process_time() < end: pass
                    os._exit(0)
                pids.append(pid)
            for pid in pids: os.waitpid(pid, 0)
            print('ESCAPED')
        """),
        off=("time",),
        limits=Limits(wall_s=30, cpu_s=0.8, memory_mb=256),
    ),
    Attack(
        "descriptors",
        _text("""
            import os
            extra = [fd for fd in range(3, 500) if os.path.exists(f'/proc/self/fd/{fd}')]
            if extra: print('ESCAPED', extra)
        """),
        off=("descriptors",),
    ),
    Attack(
        "root",
        _text("""
            import os
            caps = next(l for l in open('/proc/self/status') if l.startswith('CapEff')).split()[1]
            try: os.setuid(0)
            except OSError: pass
            if os.getuid() == 0 or os.geteuid() == 0 or int(caps, 16): print('ESCAPED', os.getuid(), caps)
        """),
        off=("uid",),
    ),
    Attack(
        "debug-another-process",
        _text("""
            import ctypes, os, time
            libc = ctypes.CDLL(None)
            pid = os.fork()
            if pid == 0: time.sleep(3); os._exit(0)
            if libc.ptrace(16, pid, 0, 0) == 0: print('ESCAPED')
        """),
        no_control="the filter of the container refuses it as well",
    ),
    Attack(
        "user-namespace",
        _text("""
            import ctypes
            if ctypes.CDLL(None).unshare(0x10000000) == 0: print('ESCAPED')
        """),
        off=("seccomp",),
    ),
    Attack(
        "netlink-socket",
        _text("""
            import socket
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            print('ESCAPED')
        """),
        off=("seccomp",),
    ),
    Attack(
        "runner-environment",
        _text("""
            data = open('/proc/1/environ', 'rb').read()
            if b'PYTHONPATH=/opt/rlef' in data: print('ESCAPED')
        """),
        off=("uid", "namespaces"),
    ),
    Attack(
        "runner-memory",
        _text("""
            f = open('/proc/1/mem', 'rb', 0)
            start = int(open('/proc/1/maps').readline().split('-')[0], 16)
            f.seek(start)
            print('ESCAPED', len(f.read(16))) if b'runner' in open('/proc/1/cmdline', 'rb').read() else 0
        """),
        off=("uid", "namespaces", "seccomp"),
    ),
    Attack(
        "kill-everything",
        _text("""
            import os, signal
            for target in (-1, 1, os.getppid()):
                for number in (9, 19):
                    try: os.kill(target, number)
                    except OSError: pass
        """),
        off=("uid", "namespaces"),
        succeeded=slot_lost,
        limits=Limits(wall_s=1.0, memory_mb=64),
    ),
    Attack(
        "files-for-the-next-run",
        _text("""
            import os
            if input() == 'leave':
                for area in ('/tmp', '/dev/shm', '/box'):
                    os.umask(0); open(area + '/note', 'w').write('answer')
            else:
                found = []
                for area in ('/tmp', '/dev/shm', '/box'):
                    if os.path.exists(area + '/note'): found.append(area)
                if found: print('ESCAPED', found)
        """),
        off=("namespaces", "cleanup"),
        inputs=(_LEAVE, _LOOK),
    ),
    Attack(
        "interpreter-for-the-next-run",
        _text("""
            import builtins, json, os
            if input() == 'leave':
                builtins.len = lambda x: 7
                json.dumps = lambda x: 'bad'
                for path in (json.__file__, '/usr/bin/python3', '/opt/rlef/sandbox/runner/values.py'):
                    try: open(path, 'ab')
                    except OSError: pass
                    else: print('ESCAPED', path)
            elif len('') or json.dumps('') != '""': print('ESCAPED')
        """),
        no_control="every run is a new fork, and the root is read-only for the whole container",
        inputs=(_LEAVE, _LOOK),
    ),
    Attack(
        "network",
        _text("""
            import socket
            for address in (('1.1.1.1', 53), ('172.17.0.1', 22), ('169.254.169.254', 80)):
                try: socket.create_connection(address, 0.5)
                except OSError: pass
                else: print('ESCAPED', address)
            if [name for _, name in socket.if_nameindex()] != ['lo']: print('ESCAPED')
        """),
        no_control="the whole container has no network",
    ),
    Attack(
        "foreign-architecture",
        _text(r"""
            import ctypes, mmap
            code = mmap.mmap(-1, 4096, prot=7)
            code.write(b'\xb8\x14\x00\x00\x00\xcd\x80\xc3')
            call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
            if call() > 0: print('ESCAPED')
        """),
        no_control="the filter of the container refuses it as well",
    ),
    Attack(
        "kernel-surface",
        _text("""
            import ctypes
            libc = ctypes.CDLL(None)
            for number in (425, 321, 298, 323, 248, 250, 304, 155, 165, 175, 246):
                if libc.syscall(number, 0, 0, 0, 0, 0) >= 0: print('ESCAPED', number)
        """),
        no_control="the filter of the container refuses most of them as well",
    ),
    Attack(
        "disk",
        _text("""
            import os
            size = 0
            try:
                for n in range(4):
                    with open(f'/tmp/{n}', 'wb') as f:
                        for _ in range(50): size += f.write(b'x' * (1 << 20))
            except OSError: pass
            if size > 80 << 20: print('ESCAPED', size)
        """),
        no_control="the areas are file systems of fixed size",
        limits=Limits(wall_s=5.0, memory_mb=512),
    ),
)
