"""Programs whose end says whether they run as under `python3 solution.py`; one a line, with `\\n` for line ends."""

# ruff: noqa: E501
DATA = "1 2\r\n3\xff\n"
"""What they read, as Latin-1."""

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
from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n    def __post_init__(self): raise ValueError(self.x)\nA(1)
exec('def f(): 1 / 0')\ndef g(): f()\ng()
import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))
import inspect\ndef f(): pass\nprint(inspect.getsource(f))
import multiprocessing as m\ndef f(x): return x*x\nif __name__ == '__main__':\n    print(m.Pool(2).map(f, [1, 2]))
import asyncio\nasync def f(): await asyncio.sleep(0.01); return 3\nprint(asyncio.run(f()))
from concurrent.futures import ThreadPoolExecutor as T\nwith T(4) as p: print(list(p.map(lambda x: x*x, range(5))))
import subprocess; print(subprocess.run(['cat'], capture_output=True))
import random; random.seed(1); print(random.random(), hash('a'))
del __builtins__\nprint(1)
"""
DEPTH_AND_WIDTH = r"""
import sys; sys.setrecursionlimit(50000)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(40000))
def f(): return f()\ntry: f()\nexcept RecursionError as error: print(error)
print('x' * 500000)
import sys\nfor i in range(100000): sys.stdout.write('line\\n')
import sys; sys.stdout.buffer.write(bytes(range(256)) * 200)
class A:\n    def __eq__(self, other): return True\n    __hash__ = None\nprint(A() == 1, A() != 1, A() in [2], [A()] == [3])
from functools import total_ordering\n@total_ordering\nclass A:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return s.x == o.x\n    def __lt__(s, o): return s.x < o.x\nprint(A(1) < A(2), max([A(1), A(3)], key=lambda a: a.x).x)
import signal, os\nsignal.signal(signal.SIGUSR1, lambda n, f: print('got', n))\nos.kill(os.getpid(), signal.SIGUSR1)\nprint('on')
import signal\ndef stop(n, f): raise TimeoutError\nsignal.signal(signal.SIGALRM, stop)\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\nwhile True: pass
import signal, os\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.kill(os.getpid(), 15); print('still here')
import os, signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler); os.kill(os.getpid(), 2)
print(__file__, __name__)
import sys, os; print(sys.argv[0], os.getcwd() == sys.path[0], os.listdir('.'))
import os; print(sorted(name for name in os.listdir('/proc/self/fd') if int(name) > 3))
import threading\nthreading.Thread(target=lambda: print(threading.current_thread().name)).start()
import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()\nprint('gone')
import os\npid = os.fork()\nif pid == 0: os._exit(3)\nprint(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
LINES = "".join((EXITS, TRACEBACKS, STREAMS, SURROUNDINGS, DEPTH_AND_WIDTH)).split("\n")
PROGRAMS = [line.replace(r"\n", "\n") for line in LINES if line]
