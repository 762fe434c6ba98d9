"""Attacks on what a slot has to share: processes, memory, time, output, room on disk."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.attacks.attack import Attack, text
from sandbox.program import Execution, Limits, Status


def _was_waited_for(executions: Sequence[Execution]) -> bool:
    return any(execution.status is not Status.OK for execution in executions)


RESOURCES: tuple[Attack, ...] = (
    Attack(
        "fork-bomb",
        text("""
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
        "memory",
        text("""
            x = bytearray(300 << 20)
            print('ESCAPED', len(x))
        """),
        off=("memory",),
    ),
    Attack(
        "memory-of-many",
        text("""
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
        "memory-shared",
        text("""
            import mmap
            x = mmap.mmap(-1, 200 << 20)
            for n in range(0, len(x), 4096): x[n] = 1
            print('ESCAPED')
        """),
        off=("memory",),
    ),
    Attack(
        "memory-in-files",
        text("""
            for area in ('/dev/shm', '/tmp', '/box'):
                with open(area + '/x', 'wb') as f:
                    for _ in range(50): f.write(bytes(1 << 20))
            import time; time.sleep(0.2)
            print('ESCAPED')
        """),
        off=("memory",),
    ),
    Attack(
        "memory-files",
        text("""
            import os
            files = [os.memfd_create(str(n)) for n in range(4)]
            for fd in files:
                for _ in range(50): os.write(fd, bytes(1 << 20))
            print('ESCAPED')
        """),
        off=("memory", "seccomp"),
    ),
    Attack(
        "output-flood",
        text("""
            import os
            for _ in range(100): os.write(1, b'x' * 10000)
            os.write(1, b'ESCAPED')
        """),
        off=("output",),
    ),
    Attack(
        "sleep",
        text("""
            import time
            time.sleep(1.2)
            print('ESCAPED')
        """),
        off=("time",),
        limits=Limits(wall_s=0.5, memory_mb=64),
    ),
    Attack(
        "slow-output",
        text("""
            import os, time
            end = time.time() + 1.2
            while time.time() < end:
                os.write(1, b'.'); time.sleep(0.05)
            print('ESCAPED')
        """),
        off=("time",),
        limits=Limits(wall_s=0.5, memory_mb=64),
    ),
    Attack(
        "clock-that-stands-still",
        text("""
            import time
            sleep = time.sleep
            for name in ('time', 'monotonic', 'perf_counter', 'process_time', 'thread_time', 'clock_gettime'):
                setattr(time, name, lambda *a: 0)
            sleep(1.2)
            print('ESCAPED')
        """),
        off=("time",),
        limits=Limits(wall_s=0.5, memory_mb=64),
    ),
    Attack(
        "output-held-open",
        text("""
            import os, time
            if os.fork() == 0:
                os.setsid(); time.sleep(60)
            print('done')
        """),
        no_control="a run ends with its first process, not with its output",
        succeeded=_was_waited_for,
    ),
    Attack(
        "open-files",
        text("""
            import os
            count = 0
            try:
                while count < 5000:
                    os.dup(1)
                    count += 1
            except OSError: pass
            if count > 600: print('ESCAPED', count)
        """),
        no_control="the limit is set for every run",
    ),
    Attack(
        "spin-ignoring-signals",
        text("""
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
        text("""
            import os, time
            pids = []
            for _ in range(4):
                pid = os.fork()
                if pid == 0:
                    end = time.process_time() + 0.2
                    while time.process_time() < end: pass
                    os._exit(0)
                pids.append(pid)
            for pid in pids: os.waitpid(pid, 0)
            print('ESCAPED')
        """),
        off=("time",),
        limits=Limits(wall_s=30, cpu_s=0.4, memory_mb=256),
    ),
    Attack(
        "disk",
        text("""
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
    Attack(
        "inodes",
        text("""
            count = 0
            try:
                for n in range(9000):
                    open(f'/tmp/{n}', 'x').close()
                    count += 1
            except OSError: pass
            if count > 5000: print('ESCAPED', count)
        """),
        no_control="the areas are file systems of fixed size",
    ),
)
