"""How the starter suite makes a task: a family is a grid of operations, a task is one cell of it.

Every operation carries its wording, its line of code and its meaning as a plain Python function. The wording and the
code become the statement and the reference program; the function is the oracle for expected outputs, so no program
text is ever run to make a test. Wrong solutions come for free: neighbouring cells of the grid and the operations' own
slips (`>=` for `>`, a forgotten empty list), kept only when the private tests tell them apart.

Two things come with the higher levels. A family that asks for speed has one private test too large for its `slow`
program, which is right and a mutant all the same. A family with several right answers has a special judge; what the
judge decides by its program text, the family decides by `accepts`, a Python function, when it looks for mutants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Any

from sandbox.program import Limits, Program
from tasks.errors import TaskError
from tasks.starter.measures import measures
from tasks.task import SpecialJudge, StdioTest, Task

PUBLIC_TESTS = 2
PRIVATE_TESTS = 12
MUTANTS = 4
LIMITS = Limits(wall_s=5.0, cpu_s=2.0, memory_mb=256, output_bytes=1 << 16, processes=8)


@dataclass(frozen=True)
class Op:
    """One operation: `name` is "kind:what", `phrase` its wording, `code` its Python text, `run` its meaning."""

    name: str
    phrase: str
    code: str
    run: Callable[..., Any]
    slips: tuple[Op, ...] = ()
    """Operations easily taken for this one; they make mutants only."""


def slip(code: str, run: Callable[..., Any]) -> Op:
    """A wrong version of an operation."""
    return Op("slip", "", code, run)


@dataclass(frozen=True, kw_only=True)
class Family:
    """A grid of tasks. One operation from each axis makes a cell."""

    name: str
    level: int
    axes: tuple[tuple[Op, ...], ...]
    templates: tuple[str, ...]
    """Paraphrases of the statement; `{0}` is the phrase of the first operation and so on."""
    program: Callable[..., str]
    """(*ops) -> reference program."""
    solve: Callable[..., str]
    """(input text, *ops) -> expected output: the oracle."""
    draw: Callable[[Random, bool], str]
    """(random, small) -> input text; small inputs serve as public tests."""
    edges: tuple[str, ...]
    """Inputs every cell must get right; private."""
    keep: Callable[..., bool] = lambda *ops: True
    """(*ops) -> whether the cell is a sensible task."""
    quota: Mapping[str, int] = field(default_factory=dict)
    """At most so many cells per split, where the whole grid would outweigh the other families."""
    held_out: bool = False
    """The whole family is for the test split: nothing of it is trained on."""
    limits: Limits = LIMITS
    large: Callable[[Random], str] | None = None
    """random -> an input too large for a slow program; private."""
    slow: Callable[..., str] | None = None
    """(*ops) -> a program that is right and takes too long on the large input."""
    judge: Callable[..., str] | None = None
    """(*ops) -> a program that decides about outputs in Kattis' style, where several are right."""
    accepts: Callable[..., bool] | None = None
    """(input text, output, *ops) -> what that program decides."""

    def cells(self) -> Iterator[tuple[Op, ...]]:
        """All cells, in a fixed order."""
        return (ops for ops in product(*self.axes) if self.keep(*ops))

    def key(self, ops: tuple[Op, ...]) -> str:
        """Identifier of a cell, e.g. "L1/filter-reduce/even.sum"."""
        return f"L{self.level}/{self.name}/" + ".".join(op.name.partition(":")[2] for op in ops)

    def build(self, ops: tuple[Op, ...]) -> Task:
        """The task of a cell: a pure function of its key."""
        key = self.key(ops)
        rng = Random(key)  # seeding by text goes through SHA-512: the same in every process
        template = rng.choice(self.templates)
        private = list(self.edges)
        public = self._public(rng, ops, set(private))
        while len(private) < PRIVATE_TESTS:
            text = self.draw(rng, False)
            if text not in private and text not in public:
                private.append(text)
        reference = self.program(*ops)
        mutants = self._mutants(ops, public, private)
        large = [self.large(rng)] if self.large else []
        shown = tuple(self._test(text, ops) for text in public)
        return Task(
            key=key,
            statement=self._statement(template, ops, shown[0]),
            public_tests=shown,
            private_tests=tuple(self._test(text, ops) for text in (*private, *large)),
            limits=self.limits,
            special_judge=SpecialJudge(Program(self.judge(*ops))) if self.judge else None,
            references=(Program(reference),),
            mutants=tuple(Program(source) for source in mutants),
            metadata={
                "suite": "starter",
                "level": self.level,
                "family": self.name,
                "operations": tuple(op.name for op in ops),
                "measures": measures(reference),
            },
        )

    def statements(self, ops: tuple[Op, ...]) -> tuple[str, ...]:
        """The statement of a cell in every wording; its task has one of them."""
        example = self.build(ops).public_tests[0]
        assert isinstance(example, StdioTest)
        return tuple(self._statement(template, ops, example) for template in self.templates)

    def fresh(self, ops: tuple[Op, ...], seed: int, count: int) -> tuple[StdioTest, ...]:
        """`count` tests of a cell with different inputs that its task does not have; the first is large, if any is.

        Raises:
            TaskError: the family has too few inputs.
        """
        rng = Random(f"{self.key(ops)} fresh {seed}")
        task = self.build(ops)
        taken = {test.input for test in (*task.public_tests, *task.private_tests) if isinstance(test, StdioTest)}
        found: dict[str, None] = {self.large(rng): None} if self.large and count else {}
        for _ in range(20 * count + 1000):
            if len(found) == count:
                return tuple(self._test(text, ops) for text in found)
            text = self.draw(rng, False)
            if text + "\n" not in taken:
                found[text] = None
        raise TaskError(f"{self.key(ops)}: no {count} different new inputs; ask for {len(found)} at most")

    def _test(self, text: str, ops: tuple[Op, ...]) -> StdioTest:
        return StdioTest(text + "\n", self.solve(text, *ops) + "\n")

    def _statement(self, template: str, ops: tuple[Op, ...], example: StdioTest) -> str:
        phrase = template.format(*(op.phrase for op in ops))
        return f"{phrase}\nExample input:\n{example.input}Example output:\n{example.output}".rstrip("\n")

    def _public(self, rng: Random, ops: tuple[Op, ...], taken: set[str]) -> list[str]:
        """Inputs with telling, different outputs, so that neither a constant nor an echo passes."""
        chosen: dict[str, str] = {}
        for _ in range(1000):
            text = self.draw(rng, True)
            output = self.solve(text, *ops)
            if (
                text not in taken
                and output.strip()
                and output not in chosen.values()
                and output.split() != text.split()
            ):
                chosen[text] = output
            if len(chosen) == PUBLIC_TESTS:
                return list(chosen)
        raise AssertionError(f"{self.key(ops)}: no {PUBLIC_TESTS} public tests with different outputs")

    def _mutants(self, ops: tuple[Op, ...], public: list[str], private: list[str]) -> list[str]:
        """Slips first, then the neighbours that pass most public tests; all fail some private test."""
        right = {text: self.solve(text, *ops) for text in (*public, *private)}
        ranked: list[tuple[tuple[bool, int, int], str]] = []
        for axis, op in enumerate(ops):
            for other in (*op.slips, *(o for o in self.axes[axis] if o.name != op.name)):
                wrong = (*ops[:axis], other, *ops[axis + 1 :])
                if other.name != "slip" and not self.keep(*wrong):
                    continue
                passed = {text for text in right if self._passes(text, right[text], ops, wrong)}
                if not passed.issuperset(private):
                    rank = (other.name != "slip", -len(passed.intersection(public)), len(ranked))
                    ranked.append((rank, self.program(*wrong)))
        slow = [self.slow(*ops)] if self.slow else []
        sources = list(dict.fromkeys((*slow, *(source for _, source in sorted(ranked)))))[:MUTANTS]
        if len(sources) < 2:
            raise AssertionError(f"{self.key(ops)}: the private tests tell only {len(sources)} wrong programs apart")
        return sources

    def _passes(self, text: str, right: str, ops: tuple[Op, ...], wrong: tuple[Op, ...]) -> bool:
        """Whether the program of the operations `wrong` passes a test of the cell `ops`."""
        try:
            output = self.solve(text, *wrong)
        except (ValueError, IndexError, TypeError, ZeroDivisionError):  # the wrong program would crash here
            return False
        return self.accepts(text, output, *ops) if self.accepts else output.split() == right.split()
