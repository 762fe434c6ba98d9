"""Special judges: programs that decide whether an output is right, each in a run of its own.

A judge wants files and arguments, a slot offers standard input. So the judge is wrapped: what arrives is a frame of
test input, expected output and the candidate's output, which a few lines ahead of the judge write to files before they
hand over. The candidate has ended and its slot is clean by then. It is the only place where an expected output enters
the sandbox. A judge that crashes, times out or says neither yes nor no is a failure of ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sandbox.program import Execution, Limits, Program, Status, Submission
from tasks.errors import TaskError
from tasks.report import Verdict
from tasks.task import SpecialJudge

LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=1024, output_bytes=1 << 20)
MAX_FRAME_BYTES = 32 << 20
_YES = {"kattis": (42,), "testlib": (0,)}
_NO = {"kattis": (43,), "testlib": (1, 2, 4, 8)}
_CRASHED = 99

_PYTHON = """\
import os, sys
def _unpack(arguments, style, source):
    data = sys.stdin.buffer.read()
    head, _, data = data.partition(b"\\n")
    for name, size in zip(("input", "answer", "output"), map(int, head.split())):
        with open(name, "wb") as file:
            file.write(data[:size])
        data = data[size:]
    os.mkdir("feedback")
    sys.argv[1:] = arguments
    if style == "kattis":
        os.dup2(os.open("output", os.O_RDONLY), 0)
        sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)
    try:
        exec(compile(source, "judge.py", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        code = 0 if end.code is None else end.code if isinstance(end.code, int) else CRASHED
    except BaseException:
        import traceback
        traceback.print_exc()
        code = CRASHED
    else:
        code = 0
    sys.stdout.flush()
    os._exit(code & 255)
_unpack(ARGUMENTS, STYLE, SOURCE)
"""

_CPP = r"""
#include <cstdio>
#include <cstdlib>
#include <string>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
namespace rlef_frame {
__attribute__((constructor)) static void unpack(int argc, char **argv, char **) {
  if (argc > 1) return;
  long size[3];
  if (std::scanf("%ld %ld %ld", size, size + 1, size + 2) != 3 || std::getchar() != '\n') std::_Exit(99);
  const char *names[3] = {"input", "answer", "output"};
  for (int i = 0; i < 3; ++i) {
    std::string data(size[i], '\0');
    if (size[i] && std::fread(&data[0], 1, size[i], stdin) != (size_t)size[i]) std::_Exit(99);
    std::FILE *file = std::fopen(names[i], "wb");
    if (!file || std::fwrite(data.data(), 1, data.size(), file) != data.size() || std::fclose(file)) std::_Exit(99);
  }
  mkdir("feedback", 0777);
  if (KATTIS) dup2(open("output", O_RDONLY), 0);
  const char *arguments[] = {argv[0], ARGUMENTS, nullptr};
  execv("/proc/self/exe", (char *const *)arguments);
  std::_Exit(99);
}
}
"""


def submission(judge: SpecialJudge, input: bytes, answer: bytes, output: bytes) -> Submission:
    """What runs in the judge's slot to decide about one output."""
    head = f"{len(input)} {len(answer)} {len(output)}\n".encode()
    return Submission(wrapped(judge), [head + input + answer + output], LIMITS)


def wrapped(judge: SpecialJudge) -> Program:
    """The judge's program behind the lines that unpack a frame. Raises `TaskError` for a language it cannot be in."""
    if judge.style not in _YES:
        raise TaskError(f'special judge: unknown style "{judge.style}"; write "kattis" or "testlib"')
    arguments = (
        ["input", "answer", "feedback/", *judge.flags] if judge.style == "kattis" else ["input", "output", "answer"]
    )
    source = judge.program.source
    if judge.program.language == "python":
        text = _PYTHON.replace("CRASHED", str(_CRASHED)).replace("ARGUMENTS", repr(arguments))
        return Program(text.replace("STYLE", repr(judge.style)).replace("SOURCE", repr(source)))
    if judge.program.language == "cpp":
        text = _CPP.replace("ARGUMENTS", ", ".join(map(_c_text, arguments)))
        return Program(text.replace("KATTIS", str(int(judge.style == "kattis"))) + source, "cpp")
    raise TaskError(f"special judge: written in {judge.program.language}; python and cpp can be run")


def verdict(judge: SpecialJudge, runs: Sequence[Execution]) -> Verdict:
    """What the judge said. Anything but a clear yes or no is CHECKER_FAILURE; a lost slot is SANDBOX_FAILURE."""
    run = runs[0]
    if run.status is Status.SANDBOX_FAILURE:
        return Verdict.SANDBOX_FAILURE
    if run.status in (Status.OK, Status.RUNTIME_ERROR) and run.exit_code is not None:
        if run.exit_code in _YES[judge.style]:
            return Verdict.ACCEPTED
        if run.exit_code in _NO[judge.style]:
            return Verdict.WRONG_ANSWER
    return Verdict.CHECKER_FAILURE


def _c_text(text: str) -> str:
    return json.dumps(text)
