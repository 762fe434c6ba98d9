"""A program started in the waiting interpreter behaves as under `python3 solution.py`, which runs it here as well."""

import json
import re

import pytest

from sandbox import Program, Status, Submission

DATA = "1 2\r\n3\xff\n"
REAL = """
import json, subprocess
source, data = json.loads(input())
open('/tmp/solution.py', 'w', encoding='utf-8').write(source)
done = subprocess.run(['/usr/bin/python3', '-s', 'solution.py'], cwd='/tmp', input=data.encode('latin1'),
                      capture_output=True)
print(json.dumps([done.returncode, done.stdout.decode('latin1'), done.stderr.decode('latin1')]))
"""
EXITS = r"""
import sys; sys.exit()
import sys; sys.exit(3)
import sys; sys.exit(-1)
import sys; sys.exit(2**70)
import sys; sys.exit(256)
import sys; sys.exit(True)
import sys; sys.exit("bye")
import sys; sys.exit((1, 2))
class E(SystemExit): pass\nraise E(4)
raise SystemExit
exit(5)
quit()
import os; os._exit(4)
import os; print("lost"); os._exit(4)
import os; os.abort()
import os; os.kill(os.getpid(), 15)
raise KeyboardInterrupt
raise GeneratorExit
import atexit\natexit.register(print, 'bye')\nprint('x')\n1/0
import atexit, sys\natexit.register(lambda: sys.exit(7))
import threading, sys\nthreading.Thread(target=sys.exit, args=(3,)).start()
import builtins; builtins.print = None\nimport sys; sys.exit("x")
globals().clear()\nimport sys; sys.exit(3)
"""
TRACEBACKS = r"""
def f(x):\n    return 1/x\n\nprint('a')\nf(0)
try:\n    1/0\nexcept Exception as e:\n    raise ValueError('x') from e
try:\n    1/0\nexcept Exception as e:\n    raise ValueError('x')
raise ExceptionGroup("g", [ValueError(1), TypeError(2)])
e = ValueError(1); e.add_note("note"); raise e
def f(:\n  pass
x = 1\n  y = 2
print("a
return 1
import nosuchmodule
assert 1 == 2, "message"
import threading\ndef f():\n    1/0\nthreading.Thread(target=f).start()
import atexit\natexit.register(lambda: 1/0)
import sys\nsys.excepthook = lambda *a: print('hook', a[0])\n1/0
import sys\ndef h(*a): raise ValueError\nsys.excepthook = h\n1/0
import sys; sys.tracebacklimit = 0; 1/0
import traceback\ntry: 1/0\nexcept Exception: traceback.print_exc()
import warnings; warnings.warn('w', DeprecationWarning)
x=1\nprint(x is 1)
import logging; logging.warning('w')
"""
STREAMS = r"""
input()\ninput()\ninput()
print(repr(input()), repr(input()))
input('prompt> ')
import sys; print(sys.stdin.buffer.read())
import sys; print(sys.stdin.readlines())
import sys; print([line for line in sys.stdin])
import os; print(os.read(0, 100))
print(ascii(open(0).read()))
print(ascii(open('/dev/stdin', errors='replace').read()))
import fileinput; print(list(fileinput.input()))
import sys; print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stdin is sys.__stdin__)
import sys; print(repr(sys.stdin), repr(sys.stdout), repr(sys.stderr), sys.stdin.errors, sys.stderr.line_buffering)
import os; os.close(1)\nprint('x')
import sys; sys.stdout.close()
import sys; sys.stdout = None; print('x')
print('\ud800')
print('é', end='')
import sys; sys.stdout.buffer.write(b'\xff')
import sys; sys.stdout.write('a'); sys.stderr.write('b')
import os; os.write(1, b'1'); print(2); os.write(1, b'3')
f = open('/tmp/x', 'w'); f.write('hi')\nimport os; print(os.path.getsize('/tmp/x'))
class A:\n    def __del__(self): print('del')\na = A()
"""
SURROUNDINGS = r"""
print(__name__, __doc__, __package__, __spec__, __builtins__)
"text"\nprint(__doc__)
import sys; print(sys.argv, sys.flags, sys.orig_argv[-1:], sys.getrecursionlimit(), sys.path[1:])
print(sorted(globals()))
import gc, signal; print(gc.get_threshold(), gc.isenabled(), signal.getsignal(2), signal.getsignal(13))
import sys\nprint(sys._getframe().f_code.co_name, [name for name in sys.modules if 'sandbox' in name])
import threading, time\ndef f():\n    time.sleep(.1); print('late')\nthreading.Thread(target=f).start()\nprint('main')
from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\nprint(A(), A.__module__)
import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))
import inspect\ndef f(): pass\nprint(inspect.getsource(f))
import multiprocessing as m\ndef f(x): return x*x\nif __name__ == '__main__':\n    print(m.Pool(2).map(f, [1, 2]))
import asyncio\nasync def f(): await asyncio.sleep(0.01); return 3\nprint(asyncio.run(f()))
from concurrent.futures import ThreadPoolExecutor as T\nwith T(4) as p: print(list(p.map(lambda x: x*x, range(5))))
import subprocess; print(subprocess.run(['cat'], capture_output=True))
import random; random.seed(1); print(random.random(), hash('a'))
del __builtins__\nprint(1)
"""
LINES = "".join((EXITS, TRACEBACKS, STREAMS, SURROUNDINGS)).split("\n")
PROGRAMS = [line.replace(r"\n", "\n") for line in LINES if line]


@pytest.fixture(scope="module")
def pairs(every_box):
    """What each program did in the waiting interpreter, and under a real one in the same sandbox."""
    ours = [Submission(Program(source), [DATA.encode("latin1")]) for source in PROGRAMS]
    real = [Submission(Program(REAL), [json.dumps([source, DATA]).encode() + b"\n"]) for source in PROGRAMS]
    results = [executions[0] for executions in every_box.run_many(ours + real)]
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
