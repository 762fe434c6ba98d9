"""What happens to a program in a real slot: every status, every way to read and write, no state between runs."""

import subprocess
import sys
from pathlib import Path

import pytest

import sandbox
from sandbox import Limits, Program, Status, Submission

MB = 1 << 20
QUICK = {"wall_s": 0.5, "memory_mb": 64}
INT80 = r"""
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(b'\xb8\x14\x00\x00\x00\xcd\x80\xc3')
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
"""
# name: source, limits, status, exit code or -signal, what the detail or the end of stderr says
CASES = {
    "ok": ("print(1)", {}, Status.OK, 0, ""),
    "exit-code": ("import sys; sys.exit(3)", {}, Status.RUNTIME_ERROR, 3, "exit code 3"),
    "exit-message": ("import sys; sys.exit('no')", {}, Status.RUNTIME_ERROR, 1, "no"),
    "exception": ("1/0", {}, Status.RUNTIME_ERROR, 1, "ZeroDivisionError: division by zero"),
    "recursion": ("def f(): f()\nf()", {}, Status.RUNTIME_ERROR, 1, "RecursionError"),
    "signal": ("import ctypes; ctypes.string_at(0)", {}, Status.RUNTIME_ERROR, -11, "SIGSEGV"),
    "killed": ("import os; os.kill(os.getpid(), 9)", {}, Status.RUNTIME_ERROR, -9, "SIGKILL"),
    "stack": (
        "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __repr__(s): return repr(s)\nrepr(A())",
        {"cpu_s": 9.0},
        Status.RUNTIME_ERROR,
        -11,
        "SIGSEGV",
    ),
    "syntax": ("def f(:", {}, Status.COMPILE_ERROR, 1, "SyntaxError: invalid syntax"),
    "unclosed": ("(" * 300, {}, Status.COMPILE_ERROR, 1, "SyntaxError: too many nested parentheses"),
    "sleep": ("import time; time.sleep(60)", QUICK, Status.TIME_LIMIT, -9, "wall time limit of 0.5 s"),
    "spin": ("while True: pass", {"cpu_s": 0.3}, Status.TIME_LIMIT, -9, "processor time limit of 0.3 s"),
    "deadlock": (
        "import threading\na = threading.Lock(); a.acquire(); a.acquire()", QUICK, Status.TIME_LIMIT, -9, "wall time",
    ),
    "one-large-block": ("bytearray(300 << 20)", {"memory_mb": 64}, Status.MEMORY_LIMIT, -9, "memory limit of 64 MiB"),
    "growing-list": ("a = []\nwhile True: a.append(bytes(1 << 20))", {"memory_mb": 64}, Status.MEMORY_LIMIT, -9, "64"),
    "memory-file": (
        "f = open('/dev/shm/x', 'wb')\nfor _ in range(60): f.write(bytes(1 << 20))\nb'x' * (60 << 20)",
        {"memory_mb": 64},
        Status.MEMORY_LIMIT,
        -9,
        "64",
    ),
    "memory-error": ("raise MemoryError", {}, Status.MEMORY_LIMIT, 1, "MemoryError"),
    "output": ("while True: print('x' * 100)", {"output_bytes": 1000}, Status.OUTPUT_LIMIT, -9, "more than 1000 bytes"),
    "no-output-allowed": ("print()", {"output_bytes": 0}, Status.OUTPUT_LIMIT, -9, "more than 0 bytes"),
    "forbidden-call": (INT80, {}, Status.SECURITY_VIOLATION, -31, "forbidden system call"),
    "null": ("print(1)\0", {}, Status.COMPILE_ERROR, None, "null bytes"),
    "surrogate": ("'\ud800'", {}, Status.COMPILE_ERROR, None, "surrogates"),
    "too-long": ("#" * (2 * MB), {}, Status.COMPILE_ERROR, None, "longer than"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_status(any_box, name):
    source, limits, status, code, word = CASES[name]
    [run] = any_box.run(Program(source), [b""], Limits(**limits))
    assert run.status is status, run
    if name not in ("no-output-allowed", "output"):  # stopped while it was ending, or not
        assert (run.exit_code if run.signal is None else -run.signal) == code
    assert word in run.detail or word in run.stderr.decode()
    assert any_box.run(Program("print(input())"), [b"next\n"])[0].stdout == b"next\n"


def test_every_status_has_a_case():
    """A failure of ours has its tests in test_pool.py."""
    assert {case[2] for case in CASES.values()} | {Status.SANDBOX_FAILURE} == set(Status)


def test_tracebacks_name_the_program_and_nothing_of_ours(any_box):
    source = (
        "def f(x):\n    return 1 / x\n\n"
        "def g():\n    try:\n        f(0)\n    except Exception:\n        int('x')\n\n"
        "g()\n"
    )
    [run] = any_box.run(Program(source), [b""])
    text = run.stderr.decode()
    assert text.count('File "solution.py", line ') == 4
    assert '"solution.py", line 10, in <module>' in text
    assert "    return 1 / x\n" in text
    assert text.endswith("ValueError: invalid literal for int() with base 10: 'x'\n")
    for ours in ("/opt/", "<string>", "spawner", "python_main"):
        assert ours not in text


@pytest.mark.parametrize(
    ("source", "given", "printed"),
    [
        ("print(input() + input())", b"a\nb", b"ab\n"),
        ("import os; print(os.read(0, 99))", b"a\n\xff", b"b'a\\n\\xff'\n"),
        ("import sys; print(sys.stdin.buffer.read())", b"\0\r\n\xff", b"b'\\x00\\r\\n\\xff'\n"),
        ("print(open(0, 'rb').read())", b"x", b"b'x'\n"),
        ("import sys; print(len(sys.stdin.read()))", "é".encode() * 1000, b"1000\n"),
        ("import sys; print(next(sys.stdin, None))", b"", b"None\n"),
        ("try: input()\nexcept EOFError: print('end')", b"", b"end\n"),
        ("import sys; sys.stdin.close(); print(1)", b"unread", b"1\n"),
        ("print('é🙂')", b"", "é🙂\n".encode()),
        ("print(end='no newline')", b"", b"no newline"),
    ],
)
def test_reading_and_writing(any_box, source, given, printed):
    [run] = any_box.run(Program(source), [given])
    assert (run.status, run.stdout, run.stderr) == (Status.OK, printed, b"")


def test_input_at_its_end_raises(any_box):
    [run] = any_box.run(Program("input()\ninput()"), [b"one\n"])
    assert run.status is Status.RUNTIME_ERROR
    assert run.stderr.endswith(b"EOFError: EOF when reading a line\n")


def test_threads_are_waited_for_and_daemons_are_not(any_box):
    source = (
        "import threading, time\n"
        "def f(s, word):\n    time.sleep(s); print(word)\n"
        "threading.Thread(target=f, args=(60, 'never'), daemon=True).start()\n"
        "threading.Thread(target=f, args=(0.1, 'late')).start()\n"
        "print('main')\n"
    )
    [run] = any_box.run(Program(source), [b""])
    assert (run.status, run.stdout) == (Status.OK, b"main\nlate\n")


def test_children_that_hold_the_output_open_are_not_waited_for(any_box):
    source = "import os, time\nif os.fork() == 0: time.sleep(60)\nprint('done')"
    [run] = any_box.run(Program(source), [b""])
    assert (run.status, run.stdout) == (Status.OK, b"done\n")


def test_deep_recursion(any_box):
    source = "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(10**5))"
    [run] = any_box.run(Program(source), [b""])
    assert (run.status, run.stdout) == (Status.OK, b"100000\n")


def test_output_is_cut_at_the_byte(any_box):
    program = Program("import sys; n = int(input()); sys.stdout.write('x' * n); sys.stderr.write('y' * n)")
    runs = any_box.run(program, [b"999", b"1000", b"1001", b"500000"], Limits(output_bytes=1000))
    assert [run.status for run in runs] == [Status.OK] * 2 + [Status.OUTPUT_LIMIT] * 2
    assert [len(run.stdout) for run in runs] == [999, 1000, 1000, 1000]
    assert all(len(run.stderr) <= 1000 for run in runs)
    assert len(runs[1].stderr) == 1000


def test_long_error_output_is_cut_without_a_verdict(any_box):
    [run] = any_box.run(Program("import sys; sys.stderr.write('y' * 10**6)"), [b""], Limits(output_bytes=1000))
    assert (run.status, len(run.stderr)) == (Status.OK, 1000)


def test_large_streams_pass(any_box):
    data = bytes(range(256)) * (8 * MB // 256)
    program = Program("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())")
    runs = any_box.run(program, [data, b"", data], Limits(output_bytes=8 * MB))
    assert [run.stdout == given for run, given in zip(runs, [data, b"", data], strict=True)] == [True] * 3
    [run] = any_box.run(Program("print('not read')"), [bytes(30 * MB)])
    assert (run.status, run.stdout) == (Status.OK, b"not read\n")


def test_every_input_meets_a_fresh_process(any_box):
    source = (
        "import os, random, sys\n"
        "sys.runs = getattr(sys, 'runs', 0) + 1\n"
        "found = [a for a in ('/box', '/tmp', '/dev/shm') if os.path.exists(a + '/note')]\n"
        "for a in ('/box', '/tmp', '/dev/shm'): open(a + '/note', 'w').close()\n"
        "os.environ['NOTE'] = os.environ.get('NOTE', '') + 'x'\n"
        "print(sys.runs, found, os.environ['NOTE'])\n"
        "print(os.getuid(), random.random(), file=sys.stderr)\n"
    )
    runs = any_box.run(Program(source), [b""] * 5)
    assert {run.stdout for run in runs} == {b"1 [] x\n"}
    uids, numbers = zip(*(run.stderr.split() for run in runs), strict=True)
    assert len(set(uids)) == len(set(numbers)) == 5
    assert min(map(int, uids)) > 100_000


def test_limits_of_one_run_do_not_reach_the_next(any_box):
    source = "x = bytearray(100 << 20)\nimport os\nfor _ in range(20):\n    if os.fork() == 0: os._exit(0)\nprint('ok')"
    tight = Limits(wall_s=5, memory_mb=32, processes=1, output_bytes=1)
    wide = Limits(memory_mb=512)
    results = any_box.run_many([Submission(Program(source), [b""], limits) for limits in (tight, wide) * 4])
    assert [run.status for [run] in results] == [Status.MEMORY_LIMIT, Status.OK] * 4


def test_processes_are_counted(any_box):
    source = (
        "import threading, time\ncount = 0\ntry:\n    for _ in range(40):\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n        count += 1\n"
        "except RuntimeError: pass\nprint(count)"
    )
    runs = [any_box.run(Program(source), [b""], Limits(processes=n))[0] for n in (10, 64)]
    assert [run.stdout for run in runs] == [b"9\n", b"40\n"]


def test_use_is_measured_over_all_processes(any_box):
    source = (
        "import os, time\nx = bytearray(60 << 20)\npids = []\nfor _ in range(3):\n    pid = os.fork()\n"
        "    if pid == 0:\n        y = bytearray(30 << 20); end = time.process_time() + 0.3\n"
        "        while time.process_time() < end: pass\n        os._exit(0)\n    pids.append(pid)\n"
        "for pid in pids: os.waitpid(pid, 0)\n"
    )
    [run] = any_box.run(Program(source), [b""], Limits(wall_s=30))
    assert run.status is Status.OK
    assert run.cpu_s > 0.85
    assert 70 < run.peak_mb < 250
    assert run.wall_s > 0.1
    [small] = any_box.run(Program("print(1)"), [b""])
    assert small.peak_mb < 40
    assert small.cpu_s < 0.85


def test_surroundings_hold_no_secret(any_box):
    source = (
        "import os\nprint(sorted(os.environ))\nprint(os.getcwd(), os.listdir('.'))\nprint(os.uname().nodename)\n"
        "print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:4])"
    )
    [run] = any_box.run(Program(source), [b""])
    environment, place, name, descriptors = run.stdout.decode().splitlines()
    assert environment == str(
        sorted(["PATH", "LANG", "HOME", "TMPDIR", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"]
               + [f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL")])
    )  # fmt: skip
    assert place == "/box ['solution.py']"
    assert name == "sandbox"
    assert descriptors == "[0, 1, 2, 3]"  # the last one is the listing itself


@pytest.mark.parametrize("mode", ["strict", "basic"])
def test_strict_mode_shows_no_control_groups_and_no_channel(open_sandbox, mode):
    """In basic mode, the control, a run is in the slot's own mounts."""
    with open_sandbox(slots=1, mode=mode) as box:
        [run] = box.run(Program("print(*[line.split()[4] for line in open('/proc/self/mountinfo')])"), [b""])
    mounts = run.stdout.decode().split()
    assert mounts.count("/proc") == 1
    assert ("/run/channel" in mounts) == ("/sys/fs/cgroup" in mounts) == (mode == "basic")


def test_no_inputs_no_runs(any_box):
    assert any_box.run(Program("print(1)"), []) == []
    assert any_box.run(Program("\0"), []) == []
    assert any_box.run_many([Submission(Program("\0"), [])], stop_on_failure=True) == [[]]


def test_random_numbers_of_a_run_and_of_its_forks_are_its_own(any_box):
    source = (
        "import os, random\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0:\n    os.write(w, str(random.random()).encode()); os._exit(0)\n"
        "os.wait(); print(random.random(), os.read(r, 99).decode())\n"
    )
    numbers = [number for run in any_box.run(Program(source), [b"", b""]) for number in run.stdout.split()]
    assert len(set(numbers)) == 4


def test_what_the_spawner_is_made_of_asks_for_nothing_at_a_fork(tmp_path):
    """Handlers of modules imported before `preload` can put them off would run at every fork."""
    (tmp_path / "sandbox").mkdir()
    for name in ("runner", "protocol.py"):  # as a slot has it
        (tmp_path / "sandbox" / name).symlink_to(Path(sandbox.__file__).parent / name)
    code = (
        "import os, sys; asked = []; os.register_at_fork = lambda **handlers: asked.append(handlers)\n"
        f"sys.path.insert(0, {str(tmp_path)!r}); import sandbox.runner.spawner; assert not asked, asked\n"
        "import threading; assert asked\n"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
