"""The system call filter, run instruction by instruction as the kernel would."""

import struct

import pytest

from sandbox.runner import seccomp

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026


def verdict(code, number, arguments=(0, 0), architecture=0xC000003E):
    """What the filter says of a call; counts the instructions it took."""
    data = struct.pack("=IIQ2Q", number, architecture, 0, *arguments)
    place = steps = accumulator = 0
    while True:
        operation, then, otherwise, value = struct.unpack_from("=HBBI", code, 8 * place)
        place, steps = place + 1, steps + 1
        if operation == 0x06:
            return value, steps
        if operation == 0x20:
            [accumulator] = struct.unpack_from("=I", data, value)
        else:
            holds = {
                0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)
            }[operation]  # fmt: skip
            place += then if holds else otherwise


@pytest.fixture(params=[True, False], ids=["memory-files", "no-memory-files"])
def built(request, monkeypatch):
    monkeypatch.setattr(seccomp.os, "uname", lambda: type("machine", (), {"machine": "x86_64"}))
    return seccomp.build(request.param), request.param


def test_every_number_gets_what_the_table_says(built):
    code, memory_files = built
    denied = {numbers[0] for numbers in seccomp._DENIED.values()} | (set() if memory_files else {319})
    for number in range(1200):
        expected = EPERM if number in denied else ENOSYS if number == 435 or number >= 450 else ALLOW
        arguments = (1, 0)  # a clone without flags, a Unix socket, no terminal
        assert verdict(code, number, arguments)[0] == expected, number


def test_flags_families_and_architectures(built):
    code, _ = built
    assert verdict(code, 56, (0x10000000, 0))[0] == EPERM  # clone(CLONE_NEWUSER)
    assert verdict(code, 56, (0x1200011, 0))[0] == ALLOW  # fork
    assert {family for family in range(50) if verdict(code, 41, (family, 0))[0] == ALLOW} == {1, 2, 10}
    assert verdict(code, 16, (0, 0x5412))[0] == EPERM
    assert verdict(code, 16, (0, 0x5401))[0] == ALLOW
    assert verdict(code, 0, architecture=0x40000003)[0] == KILL
    assert verdict(code, 0x40000000)[0] == KILL


def test_no_number_walks_through_the_whole_table(built):
    code, _ = built
    assert max(verdict(code, number)[1] for number in range(450)) < 40
