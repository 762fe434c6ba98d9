"""Readers of original file formats, one module each: a pure function from a path to tasks.

Every module has `read(path, on_problem)`, which yields tasks and reports what it cannot read, `HOME`, where such files
come from, and `DEFAULT_SPLIT`, the split of a task that does not say. Those in `NEEDS_BOX` run programs of the file,
in the sandbox they are given.
"""

FORMATS = (
    "apps", "code_contests", "codeio", "evalplus", "humaneval", "jsonl", "kattis", "leetcode", "livecodebench", "mbpp",
    "p3", "quixbugs",
)  # fmt: skip
NEEDS_BOX = ("codeio", "evalplus")
