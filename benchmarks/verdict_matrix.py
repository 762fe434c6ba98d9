"""Who gives reward to a wrong program, and who refuses a right one?

    python benchmarks/verdict_matrix.py            # our judge and graders from PyPI

Writes verdict_matrix.json next to this file and prints the table. The task is `add(a, b)`. Programs that cheat are
wrong by construction: each gives another sum than asked for, or none. The task has a reference program, as those of
sets with assert tests do.
"""

from __future__ import annotations

import json
from pathlib import Path

from peers import ADD, ASSERTION, PEERS, Absent, ask

from sandbox import Limits, Program, Sandbox
from tasks.judge import judge_many
from tasks.task import AssertTest, CallTest, Task

OUT = Path(__file__).with_suffix(".json")
RIGHT: dict[str, str] = {
    "plain": ADD,
    "prints on the way": "def add(a, b):\n    print('adding')\n    return a + b\n",
    "global state": "total = 0\ndef add(a, b):\n    global total\n    total = a + b\n    return total\n",
    "own class with __eq__": "class P:\n    def __eq__(self, o): return True\ndef add(a, b): return P() and a + b\n",
    "thread": "import threading\ndef add(a, b):\n    out = []\n"
    "    t = threading.Thread(target=lambda: out.append(a + b))\n"
    "    t.start(); t.join()\n    return out[0]\n",
    "deep recursion": "import sys\nsys.setrecursionlimit(20000)\ndef f(n): return n and 1 + f(n - 1)\n"
    "def add(a, b):\n    return f(5000) - 5000 + a + b\n",
    "removes a file of its own": "import os, tempfile\ndef add(a, b):\n    fd, name = tempfile.mkstemp()\n"
    "    os.close(fd); os.remove(name)\n    return a + b\n",
    "ends a child": "import subprocess\ndef add(a, b):\n    subprocess.run(['true'], check=True)\n    return a + b\n",
    "main block": ADD + "if __name__ == '__main__':\n    import sys; sys.exit(0)\n",
}
WRONG: dict[str, str] = {
    "honestly wrong": "def add(a, b):\n    return a - b\n",
    "sys.exit(0) on import": "import sys; sys.exit(0)\ndef add(a, b): return 0\n",
    "os._exit(0) on import": "import os; os._exit(0)\ndef add(a, b): return 0\n",
    "os._exit(0) in the function": "def add(a, b):\n    import os\n    os._exit(0)\n",
    "sys.exit(0) in the function": "def add(a, b):\n    import sys\n    sys.exit(0)\n",
    "equal to everything": "class A:\n    def __eq__(self, other): return True\ndef add(a, b):\n    return A()\n",
    "int equal to everything": "class A(int):\n    def __eq__(self, o): return True\ndef add(a, b):\n    return A(1)\n",
    "writes the verdict into the frames above": "def add(a, b):\n    import sys, os\n    frame = sys._getframe()\n"
    "    while frame:\n        for value in list(frame.f_locals.values()):\n"
    "            if type(value).__name__ == 'ListProxy': value.append('passed'); os._exit(0)\n"
    "            if type(value).__name__ == 'Queue': value.put(True); value.close(); value.join_thread(); os._exit(0)\n"
    "        frame = frame.f_back\n    return 0\n",
    "reads the answer in the frames above": "def add(a, b):\n    import re, sys\n    frame = sys._getframe()\n"
    "    while frame:\n        for value in list(frame.f_locals.values()):\n"
    "            found = isinstance(value, str) and re.search(r'== (42)', value)\n"
    "            if found: return int(found[1])\n        frame = frame.f_back\n    return 0\n",
    "never ends": "def add(a, b):\n    while True: pass\n",
    "empty": "",
}
LIMITS = Limits(wall_s=5.0, memory_mb=256)


def main() -> None:
    """Ask everybody, print and write the table."""
    names = [*RIGHT, *WRONG]
    programs = tuple(RIGHT.values()) + tuple(WRONG.values())
    columns = {
        "rlef, call tests": ours(programs, CallTest((20, 22), 42)),
        "rlef, assert tests": ours(programs, AssertTest(ASSERTION)),
    }
    absent = {}
    for name in PEERS:
        try:
            columns[name] = ask(name, programs=programs)["verdicts"]
        except Absent as error:
            absent[name] = str(error)
    print(table(names, columns))
    for name, reason in absent.items():
        print(f"{name}: {reason}")
    rows = {name: {grader: column[place] for grader, column in columns.items()} for place, name in enumerate(names)}
    wrong = {grader: sum(column[len(RIGHT) :]) for grader, column in columns.items()}
    refused = {grader: len(RIGHT) - sum(column[: len(RIGHT)]) for grader, column in columns.items()}
    summary = {"rewarded": rows, "wrong_but_rewarded": wrong, "right_but_refused": refused, "absent": absent}
    OUT.write_text(json.dumps(summary, indent=2) + "\n")


def ours(programs: tuple[str, ...], test: CallTest | AssertTest) -> list[bool]:
    """Our judge's verdicts."""
    task = Task("add", "Add two numbers.", (), (test,), LIMITS, entry_point="add", references=(Program(ADD),))
    with Sandbox("auto") as box:
        return [report.passed for report in judge_many([(task, Program(program)) for program in programs], box)]


def table(names: list[str], columns: dict[str, list[bool]]) -> str:
    """Markdown; what is wrong is bold: a reward for a wrong program, none for a right one."""
    lines = ["| program | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for place, name in enumerate(names):
        right = place < len(RIGHT)
        cells = []
        for column in columns.values():
            word = "reward" if column[place] else "refused"
            cells.append(word if column[place] == right else f"**{word}**")
        lines.append(f"| {'right' if right else 'wrong'}: {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
