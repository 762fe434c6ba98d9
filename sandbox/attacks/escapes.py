"""Attacks on the walls: becoming root, reaching the runner, the kernel, the network, what lies outside the box."""

from __future__ import annotations

from sandbox.attacks.attack import HOST_SOCKET, Attack, not_on_x86, not_strict, passes_as_ok, slot_lost, text
from sandbox.program import Limits

ESCAPES: tuple[Attack, ...] = (
    Attack(
        "descriptors",
        text("""
            import os
            extra = [fd for fd in range(3, 500) if os.path.exists(f'/proc/self/fd/{fd}')]
            if extra: print('ESCAPED', extra)
        """),
        off=("descriptors",),
    ),
    Attack(
        "forged-end",
        text("""
            import os
            for fd in range(3, 512):
                try: os.write(fd, b'{"status": 0, "cpu_s": 0}')
                except OSError: pass
            while True: pass
        """),
        no_control="the spawner's socket is closed with its frames when a fork leaves them, before the rest is closed",
        succeeded=passes_as_ok,
        limits=Limits(wall_s=0.5, memory_mb=64),
    ),
    Attack(
        "root",
        text("""
            import os
            caps = next(l for l in open('/proc/self/status') if l.startswith('CapEff')).split()[1]
            try: os.setuid(0)
            except OSError: pass
            if os.getuid() == 0 or os.geteuid() == 0 or int(caps, 16): print('ESCAPED', os.getuid(), caps)
        """),
        off=("uid",),
    ),
    Attack(
        "setuid-files",
        text("""
            import os, stat
            mean_nothing = os.statvfs('/usr').f_flag & os.ST_NOSUID
            for folder, _, names in () if mean_nothing else os.walk('/usr'):
                for name in names:
                    mode = os.lstat(folder + '/' + name).st_mode
                    if stat.S_ISREG(mode) and mode & 0o6000: print('ESCAPED', folder, name)
            if 'NoNewPrivs:\\t1' not in open('/proc/self/status').read(): print('ESCAPED')
        """),
        no_control="there are none or they mean nothing here, and the whole slot has no_new_privs",
    ),
    Attack(
        "write-outside-the-box",
        text("""
            import os
            paths = ('/etc/passwd', '/new', '/usr/bin/python3', '/usr/lib/python3.11/site.py', '/opt/rlef/sandbox/new',
                '/opt/rlef/sandbox/runner/values.py', '/opt/rlef/sandbox/protocol.py', '/run/channel/new',
                '/var/tmp/new', '/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/sys/fs/cgroup/memory/new',
                '/proc/1/mem', '/proc/1/oom_score_adj')
            for path in paths:
                for flags in (os.O_WRONLY | os.O_CREAT, os.O_RDWR):
                    try: os.open(path, flags)
                    except OSError: pass
                    else: print('ESCAPED', path)
        """),
        no_control="the root of the slot is read-only, and what is not belongs to the runner",
    ),
    Attack(
        "debug-another-process",
        text("""
            import ctypes, os, time
            libc = ctypes.CDLL(None)
            pid = os.fork()
            if pid == 0: time.sleep(3); os._exit(0)
            if libc.ptrace(16, pid, 0, 0) == 0: print('ESCAPED')
        """),
        no_control="the engine's filter, where there is one, refuses it as well",
    ),
    Attack(
        "user-namespace",
        text("""
            import ctypes
            if ctypes.CDLL(None).unshare(0x10000000) == 0: print('ESCAPED')
        """),
        off=("seccomp",),
    ),
    Attack(
        "kernel-sockets",
        text("""
            import socket
            for family, kind in ((16, 3), (17, 3), (38, 5), (40, 1), (29, 3), (31, 3), (44, 3), (33, 2)):
                try: socket.socket(family, kind, 0)
                except OSError: pass
                else: print('ESCAPED', family)
        """),
        off=("seccomp",),
    ),
    Attack(
        "socket-of-the-host",
        text(f"""
            import socket
            socket.socket(socket.AF_UNIX).connect({HOST_SOCKET!r})
            print('ESCAPED')
        """),
        no_control="the whole slot has a network of its own",
    ),
    Attack(
        "files-of-the-host",
        text("""
            import glob, os
            for path in ('/root', '/home', '/mnt', '/media', '/srv', '/data', '/boot', '/sys/firmware', '/etc/shadow',
                         '/usr/local/lib/python3*/*-packages', '/run/*.sock', '/var/run/*.sock'):
                for found in glob.glob(path):
                    try: seen = os.listdir(found) if os.path.isdir(found) else open(found, 'rb').read(9)
                    except OSError: continue
                    if seen: print('ESCAPED', found, seen[:5])
            for line in open('/proc/self/mountinfo'):
                words = line.split()
                if words[4] not in ('/box', '/tmp', '/dev/shm', '/dev/mqueue') and os.path.isdir(words[4]) and (
                    os.access(words[4], os.W_OK)): print('ESCAPED', line)
        """),
        no_control="the root of the slot holds none of them",
    ),
    Attack(
        "mount",
        text("""
            import ctypes, os
            libc = ctypes.CDLL(None)
            if libc.mount(b'none', b'/tmp', b'tmpfs', 0, b'') == 0: print('ESCAPED mount')
            if libc.umount2(b'/tmp', 2) == 0: print('ESCAPED umount')
            try: os.chroot('/tmp')
            except OSError: pass
            else: print('ESCAPED chroot')
        """),
        off=("uid", "seccomp"),
        skip_control=not_strict,
    ),
    Attack(
        "terminal",
        text("""
            import fcntl
            for path in ('/dev/stdin', '/dev/tty', '/dev/console', '/dev/ptmx'):
                try: fcntl.ioctl(open(path, 'rb+', 0), 0x5412, b'x')
                except OSError: pass
                else: print('ESCAPED', path)
        """),
        no_control="there is no terminal",
    ),
    Attack(
        "devices",
        text("""
            import os, stat
            for name, major, minor in ('mem', 1, 1), ('kmsg', 1, 11), ('vda', 254, 0), ('fuse', 10, 229):
                try: os.mknod('/tmp/' + name, 0o600 | stat.S_IFCHR, os.makedev(major, minor))
                except OSError: pass
                for path in ('/tmp/' + name, '/dev/' + name):
                    try: os.open(path, os.O_RDONLY)
                    except OSError: pass
                    else: print('ESCAPED', path)
        """),
        no_control="the slot has none of these devices, and file systems without devices",
    ),
    Attack(
        "runner-environment",
        text("""
            data = open('/proc/1/environ', 'rb').read()
            if b'PYTHONPATH=/opt/rlef' in data: print('ESCAPED')
        """),
        off=("uid", "namespaces"),
    ),
    Attack(
        "runner-memory",
        text("""
            f = open('/proc/1/mem', 'rb', 0)
            start = int(open('/proc/1/maps').readline().split('-')[0], 16)
            f.seek(start)
            print('ESCAPED', len(f.read(16))) if b'runner' in open('/proc/1/cmdline', 'rb').read() else 0
        """),
        off=("uid", "namespaces", "seccomp"),
    ),
    Attack(
        "kill-everything",
        text("""
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
        "network",
        text("""
            import socket
            for address in (('1.1.1.1', 53), ('172.17.0.1', 22), ('169.254.169.254', 80)):
                try: socket.create_connection(address, 0.5)
                except OSError: pass
                else: print('ESCAPED', address)
            links = [line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line]
            if links != ['lo']: print('ESCAPED', links)
        """),
        no_control="the whole slot has no network",
    ),
    Attack(
        "foreign-architecture",
        text(r"""
            import ctypes, mmap
            code = mmap.mmap(-1, 4096, prot=7)
            code.write(b'\xb8\x14\x00\x00\x00\xcd\x80\xc3')
            call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
            if call() > 0: print('ESCAPED')
        """),
        no_control="the engine's filter, where there is one, refuses it as well",
        skip=not_on_x86,
    ),
    Attack(
        "x32-calls",
        text("""
            import ctypes
            if ctypes.CDLL(None).syscall(0x40000000 + 39) >= 0: print('ESCAPED')
        """),
        no_control="the engine's filter, where there is one, refuses it as well",
        skip=not_on_x86,
    ),
    Attack(
        "kernel-surface",
        text("""
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            names = dict(io_uring_setup=425, bpf=321, perf_event_open=298, userfaultfd=323, add_key=248, keyctl=250,
                open_by_handle_at=304, pivot_root=155, mount=165, init_module=175, kexec_load=246, shmget=29, semget=64,
                msgget=68, mq_open=240, process_vm_readv=310, setns=308, unshare=272, clone3=435, newest=600)
            for name, number in names.items():
                ctypes.set_errno(0)
                flags = 0x10000000 if name == 'unshare' else 0
                answer = libc.syscall(number, flags, 0, 0, 0, 0)
                if answer >= 0 or ctypes.get_errno() not in (1, 38): print('ESCAPED', name, ctypes.get_errno())
        """),
        no_control="the engine's filter, where there is one, refuses most of them as well",
        skip=not_on_x86,
    ),
)
