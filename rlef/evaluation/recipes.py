"""Suites of record: evaluations with the settings they are published with, by name.

`rlef eval MODEL --recipe NAME --data PATH`; flags given besides change single settings. A recipe says where its data is
had and checks that all of it is there, so a number from it can stand beside a published one. What papers do not state
(the longest answer, the longest conversation) is ours.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from rlef.config import EvaluationConfig, FeedbackConfig
from rlef.errors import RlefError
from rlef.evaluation.config import EvalConfig
from tasks import Suite, Task
from tasks.suites import UNSCORED

RLEF = "RLEF, arXiv 2410.02089"
CODEX = "Chen et al. 2021, arXiv 2107.03374"


@dataclass(frozen=True)
class Recipe:
    """Settings and data of one published evaluation."""

    name: str
    about: str
    source: str
    """The paper whose settings these are."""
    suite: str
    """Name of a task format; the data's path is put after it."""
    split: str
    home: str
    """Where the data is had."""
    rows: int = 0
    """Tasks of the split, those that cannot be scored among them; 0 where a window of dates decides."""
    sha256: str = ""
    """Of the data file, where one file has been published unchanged."""
    turn_limit: int = 3
    samples: int = 200
    temperature: float = 0.2
    metrics: str = "1@3"
    since: str = ""
    until: str = ""

    def config(self, data: Path) -> EvalConfig:
        """The configuration. Raises RlefError when the data is not what the recipe names."""
        if not data.exists():
            raise RlefError(f"{data}: no such file; the data of {self.name} is had from {self.home}")
        if self.sha256 and data.is_file():
            with data.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != self.sha256:
                raise RlefError(f"{data}: not the file of record (sha256 {found}); get it from {self.home}")
        return EvalConfig(
            suite=f"{self.suite}:{data}", system="", turn_limit=self.turn_limit, max_new_tokens=2048, context=16384,
            metrics=self.metrics, since=self.since, until=self.until, feedback=FeedbackConfig(),
            evaluation=EvaluationConfig(self.split, 0, self.samples, self.temperature, 0.95),
        )  # fmt: skip

    def check(self, suite: Suite) -> None:
        """Raise RlefError when tasks are missing; those that cannot be scored are there too."""
        found = len(suite[self.split]) + unscored(suite, self.split)
        if self.rows and found != self.rows:
            raise RlefError(
                f'{self.name} has {self.rows} tasks, the data gives {found} in split "{self.split}"; '
                f"get it whole from {self.home}"
            )


_CONTESTS = Recipe(
    "codecontests-valid-1@3", "CodeContests, one rollout of three turns", RLEF, "code_contests", "validation",
    "deepmind/code_contests on the Hugging Face hub", rows=117,
)  # fmt: skip
_HUMANEVAL = Recipe(
    "humaneval-1@3", "HumanEval, docstring examples as feedback", f"as HumanEval+ in {RLEF}", "humaneval", "test",
    "openai/human-eval, data/HumanEval.jsonl.gz", rows=164,
    sha256="b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef", samples=20, metrics="1@3,pass@1",
)  # fmt: skip
_PLUS = Recipe(
    "humaneval+-1@3", "HumanEval+, base tests as feedback, plus tests decide", RLEF, "evalplus", "test",
    "evalplus/humanevalplus_release", rows=164, samples=20,
)  # fmt: skip

RECIPES = {
    recipe.name: recipe
    for recipe in (
        _CONTESTS,
        dataclasses.replace(_CONTESTS, name="codecontests-test-1@3", split="test", rows=165),
        dataclasses.replace(
            _CONTESTS, name="codecontests-valid-10@100", about="CodeContests, 33 rollouts of three turns",
            temperature=1.0, metrics="10@100",
        ),
        dataclasses.replace(
            _CONTESTS, name="codecontests-test-10@100", about="CodeContests, 33 rollouts of three turns", split="test",
            rows=165, temperature=1.0, metrics="10@100",
        ),
        _HUMANEVAL,
        dataclasses.replace(
            _HUMANEVAL, name="humaneval-pass@1", about="HumanEval, single turns", turn_limit=1, samples=200,
            metrics="pass@1", source=CODEX,
        ),
        dataclasses.replace(
            _HUMANEVAL, name="humaneval-pass@100", about="HumanEval, single turns", turn_limit=1, samples=200,
            temperature=0.8, metrics="pass@10,pass@100", source=CODEX,
        ),
        _PLUS,
        dataclasses.replace(
            _PLUS, name="mbpp+-1@3", about="MBPP+, base tests as feedback, plus tests decide",
            home="evalplus/mbppplus_release, version 0.2.0", rows=378,
        ),
        Recipe(
            "livecodebench-1@3", "LiveCodeBench up to October 2024; other windows with --since and --until", RLEF,
            "livecodebench", "test", "livecodebench/code_generation_lite on the Hugging Face hub", samples=20,
            until="2024-10-31",
        ),
    )
}  # fmt: skip


def find_recipe(name: str) -> Recipe:
    """The recipe of a name. Raises RlefError when there is none."""
    if name not in RECIPES:
        close = get_close_matches(name, RECIPES, 1)
        hint = f'; did you mean "{close[0]}"?' if close else f"; there are: {', '.join(RECIPES)}"
        raise RlefError(f'no recipe "{name}"{hint}')
    return RECIPES[name]


def unscored(suite: Suite, split: str) -> int:
    """Tasks of a split without a sound check (several right answers and no checker, nothing private): left out."""
    return sum(task.metadata.get("split", split) == split for task in suite.splits.get(UNSCORED, ()))


def within(tasks: Sequence[Task], since: str, until: str) -> Sequence[Task]:
    """Tasks published between two days (YYYY-MM-DD, both included; "" is open). Raises RlefError for none."""
    if not since and not until:
        return tasks
    dates = [str(task.metadata.get("contest_date", ""))[:10] for task in tasks]
    if not any(dates):
        raise RlefError("no task of this suite has a date; leave --since and --until out")
    chosen = [task for task, day in zip(tasks, dates, strict=True) if day and since <= day <= (until or "9999")]
    if not chosen:
        raise RlefError(f"no task between {since or 'the beginning'} and {until or 'the end'}; they are from "
                        f"{min(filter(None, dates))} to {max(dates)}")  # fmt: skip
    return chosen


def command(given: list[str]) -> None:
    """`rlef recipes`."""
    if given:
        raise RlefError("usage: rlef recipes")
    for recipe in RECIPES.values():
        turns = "1 turn" if recipe.turn_limit == 1 else f"{recipe.turn_limit} turns"
        tasks = f"{recipe.rows} tasks" if recipe.rows else f"tasks until {recipe.until}"
        print(f"{recipe.name}: {recipe.about}")
        print(f"  {turns}, {recipe.samples} rollouts, temperature {recipe.temperature}, top-p 0.95 ({recipe.source})")
        print(f"  data: {recipe.home}; split {recipe.split}, {tasks}")
    print("\nrlef eval MODEL --recipe NAME --data PATH")
