"""CodeI/O (Li et al. 2025, arXiv 2502.07316): functions with a generator of inputs, so tests without end.

Both the reference (`main_solution`) and the generator are programs, and neither is trusted: the generator is called in
the sandbox with a seed made of the row, its inputs go to the reference, called in the sandbox as well. So a row is the
same task every time. `codeio.jsonl.gz` names its generator `generate_inputs`; `codeio-hq.jsonl.gz`, which is one JSON
array in spite of its name, `generate_input`. Rows that import what the sandbox image lacks are reported.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.program import Limits, Program, Status
from tasks.formats.asserts import defines, module, parameters_of
from tasks.formats.oracle import answered, why
from tasks.formats.rows import OnProblem, Row, read_tasks
from tasks.formats.splitting import distinct
from tasks.judge import Box
from tasks.task import Task

HOME = "reasoning_gym/data of open-thought/reasoning-gym"
DEFAULT_SPLIT = "train"
LIMITS = Limits(wall_s=20.0, cpu_s=5.0, memory_mb=512)
PUBLIC, PRIVATE = 2, 12
_DRAWN = 40
_ENTRY = "main_solution"
# Inputs cross through JSON, as in the paper: tuples become lists and keys texts.
_DRAW = """
def _draw(seed, count):
    import json, random
    found = []
    for i in range(count):
        random.seed(seed + i)
        try:
            found.append(json.dumps(GENERATOR(random.Random(seed + i))))
        except (TypeError, ValueError):
            pass
    return found
"""
_ADAPTER = """
def adapted(*arguments):
    import json
    return json.loads(json.dumps(main_solution(*arguments), default=str))
"""


def read(path: Path, on_problem: OnProblem | None = None, box: Box | None = None, seed: int = 0) -> Iterator[Task]:
    """The tasks of a file, in order; see `tasks.formats.rows.read_tasks`.

    `box` runs generators and references; without it every row is a problem. Another `seed` draws other tests.
    """
    return read_tasks(path, partial(_task, box=box, seed=seed), on_problem, HOME, "code_sample")


def _task(row: Row, box: Box | None, seed: int) -> Task:
    code, generator = row.text("code_sample"), row.text("input_generator")
    tree = module("code_sample", code)
    parameters = parameters_of(tree, _ENTRY)
    if not defines(tree, _ENTRY):
        raise ValueError(f"field code_sample: defines no {_ENTRY}; leave the row out")
    drawing = module("input_generator", generator)
    _need_standard_library("code_sample", tree)
    _need_standard_library("input_generator", drawing)
    names = [node.name for node in drawing.body if isinstance(node, ast.FunctionDef)]
    name = next((name for name in ("generate_inputs", "generate_input") if name in names), None)
    if name is None:
        raise ValueError("field input_generator: defines neither generate_inputs nor generate_input")
    if box is None:
        raise ValueError("field input_generator: is a program; give a sandbox to run it in")
    number = int.from_bytes(sha256(f"{seed}\n{code}\n{generator}".encode()).digest()[:6], "big")
    inputs = [_positional(case, parameters) for case in _draw(generator, name, number, box)]
    reference = Program(code)
    tests, again = (answered(reference, _ENTRY, inputs, box, LIMITS, "code_sample", _ADAPTER) for _ in range(2))
    if repr(tests) != repr(again):
        raise ValueError("field code_sample: its answers change from run to run; leave the row out")
    public, private = distinct(tests[:PUBLIC], tests[PUBLIC:])
    if not private or len({repr(test.expected) for test in tests}) < 2:
        raise ValueError("field input_generator: its inputs do not tell programs apart; leave the row out")
    spec = row.text("input_output_spec").strip()
    return Task(
        key=f"codeio/{sha256(f'{code}{generator}'.encode()).hexdigest()[:12]}",
        statement=f"{row.text('task_description').strip()}\n\n{spec}\n\nName the function `{_ENTRY}`.",
        public_tests=public,
        private_tests=private[:PRIVATE],
        limits=LIMITS,
        checker="json 1e-6",
        entry_point=_ENTRY,
        adapter=_ADAPTER,
        references=(reference,),
        metadata={"suite": "codeio"},
    )


def _draw(generator: str, name: str, seed: int, box: Box) -> list[dict[str, Any]]:
    """Distinct inputs from the generator, each an object of named arguments. Runs in the sandbox."""
    head = "from random import Random\nimport random\nfrom typing import *\n"
    program = Program(f"{head}{generator}\n{_DRAW.replace('GENERATOR', name)}")
    try:
        run = box.call(program, "_draw", [[seed, _DRAWN]], LIMITS)[0]
    except SandboxError as error:
        raise ValueError(f"field input_generator: {error}") from error
    if run.status is not Status.OK or not isinstance(run.value, list):
        raise ValueError(f"field input_generator: gives no inputs ({run.status}: {why(run)}); leave the row out")
    found: list[dict[str, Any]] = []
    for text in dict.fromkeys(text for text in run.value if isinstance(text, str)):
        case = json.loads(text)
        if not isinstance(case, dict):
            raise ValueError("field input_generator: gives something else than an object of arguments")
        found.append(case)
    return found[: PUBLIC + PRIVATE]


def _positional(case: dict[str, Any], parameters: list[str]) -> list[Any]:
    """Named arguments in the order of the parameters; those at the end may be left to their defaults."""
    if not set(case) <= set(parameters):
        raise ValueError(f"field input_generator: names arguments that {_ENTRY} does not take")
    given = [name in case for name in parameters]
    count = given.index(False) if False in given else len(parameters)
    if count < len(case):
        raise ValueError(f"field input_generator: leaves out an argument of {_ENTRY} that is not the last")
    return [case[name] for name in parameters[:count]]


def _need_standard_library(field: str, tree: ast.AST) -> None:
    """Raises ValueError for a program with imports that the sandbox image does not have."""
    for node in ast.walk(tree):
        found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            found = [node.module]
        for name in found:
            if name.partition(".")[0] not in sys.stdlib_module_names:
                raise ValueError(f"field {field}: imports {name}, which the sandbox image lacks; leave the row out")
