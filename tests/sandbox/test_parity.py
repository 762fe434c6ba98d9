"""A program started by our runner behaves as under `python3 solution.py`, which runs it here as well.

So do both of the runner's ways: the waiting interpreter (`fork`) and a new one for every run (`exec`).
"""

import json
import re

import pytest

from sandbox import Limits, Program, Sandbox, SandboxError, Status, Submission
from tests.sandbox.conftest import EVERYWHERE, open_at
from tests.sandbox.programs import DATA, PROGRAMS

REAL = """
import json, subprocess
source, data = json.loads(input())
open('/tmp/solution.py', 'w', encoding='utf-8').write(source)
done = subprocess.run(['/usr/bin/python3', '-s', 'solution.py'], cwd='/tmp', input=data.encode('latin1'),
                      capture_output=True)
print(json.dumps([done.returncode, done.stdout.decode('latin1'), done.stderr.decode('latin1')]))
"""


WAYS = [(place, "fork") for place in EVERYWHERE] + [("docker strict", "exec"), ("bubblewrap strict", "exec")]


@pytest.fixture(scope="module", params=WAYS, ids=" ".join)
def either_box(request, open_sandbox):
    """A sandbox with two slots, once for each way to run a Python program."""
    place, interpreter = request.param
    with open_at(open_sandbox, place, 2, interpreter=interpreter) as ready:
        yield ready


@pytest.fixture(scope="module")
def pairs(either_box):
    """What each program did under our runner, and under a real interpreter in the same sandbox."""
    ours = [Submission(Program(source), [DATA.encode("latin1")]) for source in PROGRAMS]
    real = [Submission(Program(REAL), [json.dumps([source, DATA]).encode() + b"\n"]) for source in PROGRAMS]
    results = [executions[0] for executions in either_box.run_many(ours + real)]
    return dict(zip(PROGRAMS, zip(results[: len(ours)], results[len(ours) :], strict=True), strict=True))


def plain(text):
    """Output without what differs between any two processes, and with one name for the program's folder."""
    return re.sub(r"0x[0-9a-f]{6,}", "0x", text).replace("/tmp/solution.py", "solution.py")


@pytest.mark.parametrize("source", PROGRAMS)
def test_a_program_behaves_as_under_python(pairs, source):
    ours, real = pairs[source]
    assert real.status is Status.OK
    code, out, err = json.loads(real.stdout)
    assert (ours.exit_code if ours.signal is None else -ours.signal) == code
    assert plain(ours.stdout.decode("latin1")) == plain(out)
    assert plain(ours.stderr.decode("latin1")) == plain(err)


LIMITS = Limits(wall_s=20.0, cpu_s=1.0, memory_mb=100, output_bytes=1000)
LIMITED = {
    "while True: pass": Status.TIME_LIMIT,
    "x = []\nwhile True: x.append(bytes(1 << 20))": Status.MEMORY_LIMIT,
    "while True: print('x' * 99)": Status.OUTPUT_LIMIT,
    "def f(:": Status.COMPILE_ERROR,
    "print(1)": Status.OK,
}


def test_limits_end_both_alike(either_box):
    results = either_box.run_many([Submission(Program(source), [b""], LIMITS) for source in LIMITED])
    assert [run.status for [run] in results] == list(LIMITED.values())


def test_functions_are_called_in_both(either_box):
    functions = Program("import sys\ndef f(x): return [x, __name__, sys.stdin.read()]\ndef g(): return object()")
    runs = either_box.call(functions, "f", [[1], ["a"]])
    assert [run.value for run in runs] == [[1, "solution", ""], ["a", "solution", ""]]
    assert either_box.call(functions, "g", [[]])[0].status is Status.RUNTIME_ERROR
    driven = either_box.drive(
        Program("f = __function__('f')\nassert [f(i)[0] for i in range(20)] == list(range(20))"), functions
    )
    assert (driven.execution.status, driven.not_plain) == (Status.OK, "")
    assert either_box.drive(Program("__function__('g')()"), functions).not_plain == "program"


def test_a_new_interpreter_shares_nothing_with_other_runs(either_box, request):
    """Where the heap is differs from run to run only where an interpreter is not a fork of another."""
    runs = either_box.run(Program("print(id(print))"), [b""] * 8)
    anew = "exec" in request.node.callspec.id
    assert (len({run.stdout for run in runs}) > 2) is anew  # two slots, and so two waiting interpreters at most


def test_unknown_ways_are_refused():
    with pytest.raises(SandboxError, match="there are: fork, exec"):
        Sandbox(interpreter="spawn")
