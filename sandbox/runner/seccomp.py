"""The system call filter of candidate programs, as BPF built here.

It is the second filter: the container has its own profile, which must leave the runner enough to build namespaces.
Foreign architectures kill the process (`int 0x80` and x32 would otherwise walk around the table), what only serves an
escape or a leftover is refused with EPERM, and calls newer than the table do not exist (ENOSYS), so it fails closed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from sandbox.runner.kernel import PR_SET_SECCOMP, prctl

# name: (x86_64, aarch64); None where the architecture has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    # other processes, kernel introspection, ways around this filter
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "perf_event_open": (298, 241), "bpf": (321, 280), "userfaultfd": (323, 282), "syslog": (103, 116),
    "lookup_dcookie": (212, 18), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "modify_ldt": (154, None), "iopl": (172, None), "ioperm": (173, None),
    # namespaces and mounts
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    # the machine
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "settimeofday": (164, 170), "adjtimex": (159, 171),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162),
    "vhangup": (153, 58), "uselib": (134, None), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # what could outlive the run
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180),
    "mq_unlink": (241, 181),
}  # fmt: skip

_MEMORY_FILES = (319, 279)  # memfd_create

# machine: (audit architecture, column, clone, clone3, socket, ioctl)
_MACHINES = {"x86_64": (0xC000003E, 0, 56, 435, 41, 16), "aarch64": (0xC00000B7, 1, 220, 435, 198, 29)}
_FIRST_UNKNOWN = 450
_BLOCK = 9
_NAMESPACE_FLAGS = 0x7E020000
_SOCKET_FAMILIES = (1, 2, 10)  # unix, inet, inet6: there is no network behind them
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX

_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16


def _refuse(number: int) -> int:
    return 0x00050000 | number


def supported() -> bool:
    """Whether there is a table for this processor."""
    return os.uname().machine in _MACHINES


def build(memory_files: bool = True) -> bytes:
    """The filter for this machine as an array of struct sock_filter; without `memory_files` there are none of these."""
    audit, column, clone, clone3, socket, ioctl = _MACHINES[os.uname().machine]
    code: list[tuple[int, int, int, int]] = []

    def emit(operation: int, value: int, then: int = 0, otherwise: int = 0) -> None:
        code.append((operation, then, otherwise, value))

    def answer(number: int, result: int) -> None:
        emit(_EQUAL, number, 0, 1)
        emit(_RETURN, result)

    emit(_LOAD, _ARCHITECTURE)
    emit(_EQUAL, audit, 1, 0)
    emit(_RETURN, _KILL)
    emit(_LOAD, _NUMBER)
    emit(_AT_LEAST, 0x40000000, 0, 1)
    emit(_RETURN, _KILL)
    emit(_AT_LEAST, _FIRST_UNKNOWN, 0, 1)
    emit(_RETURN, _refuse(errno.ENOSYS))
    rows = (*_DENIED.values(), *(() if memory_files else (_MEMORY_FILES,)))
    denied = sorted(number for numbers in rows if (number := numbers[column]) is not None)
    # In blocks, so that no number meets all of the table: the kernel tries every one when the filter is installed.
    blocks = [denied[start : start + _BLOCK] for start in range(0, len(denied), _BLOCK)]
    behind = sum(len(block) + 2 for block in blocks)
    for block in blocks:
        behind -= len(block) + 2
        emit(_AT_LEAST, block[-1] + 1, len(block) + 1, 0)  # to the next block
        for left, number in zip(reversed(range(len(block))), block, strict=True):
            emit(_EQUAL, number, left, 0 if left else 1 + behind)  # past all of them
        emit(_RETURN, _refuse(errno.EPERM))
    answer(clone3, _refuse(errno.ENOSYS))  # its flags are behind a pointer; libc falls back to clone
    emit(_EQUAL, clone, 0, 4)
    emit(_LOAD, _ARGUMENTS)
    emit(_ANY_BIT, _NAMESPACE_FLAGS, 0, 1)
    emit(_RETURN, _refuse(errno.EPERM))
    emit(_RETURN, _ALLOW)
    emit(_EQUAL, ioctl, 0, 5)
    emit(_LOAD, _ARGUMENTS + 8)
    for request in _TERMINAL_INJECTION:
        answer(request, _refuse(errno.EPERM))
    emit(_LOAD, _NUMBER)
    emit(_EQUAL, socket, 0, 2 + 2 * len(_SOCKET_FAMILIES))
    emit(_LOAD, _ARGUMENTS)
    for family in _SOCKET_FAMILIES:
        answer(family, _ALLOW)
    emit(_RETURN, _refuse(errno.EPERM))
    emit(_RETURN, _ALLOW)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


class Filter:
    """A built filter, ready to be put on the calling process for good."""

    def __init__(self, memory_files: bool = True) -> None:
        code = build(memory_files)
        self._code = ctypes.create_string_buffer(code, len(code))
        self._program = _Program(len(code) // 8, ctypes.addressof(self._code))

    def install(self) -> None:
        """Needs no_new_privs or CAP_SYS_ADMIN. Every later child and program inherits it."""
        prctl(PR_SET_SECCOMP, 2, ctypes.addressof(self._program))
