"""Runs the programs of many dialogues in one batch and keeps what a step needs of it: verdicts, costs, failures.

Which private tests run is the reward's affair (`rlef.envs.rewards.When`). Of them only verdicts are kept; failures,
what feedback is made of, come from public results.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rlef.envs.feedback import failures_of
from rlef.envs.rewards import reward_of
from rlef.episode import Failure
from sandbox import Program
from tasks import Report, Task, Verdict, judge_many
from tasks.judge import Box, Trust, Which

if TYPE_CHECKING:
    from rlef.envs.dialogue import Dialogue

_CRASH = Program("raise NotImplementedError()")


@dataclass(frozen=True)
class Judged:
    """What running one answer's program showed. Verdicts are the values of `tasks.Verdict`."""

    public: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    decided: bool = False
    """The public tests pass, or there are none: the program is the last."""
    failures: tuple[Failure, ...] = ()
    """Failing public tests; those of another problem's wrong program for random feedback."""
    rates: tuple[float, ...] = ()
    """See `Facts.rates`."""
    trust: Trust = "sound"
    signals: tuple[str, ...] = ()
    """Signs of cheating (`tasks.signals`)."""
    wall_s: float = 0.0
    failed: bool = False
    """A failure of ours left the program without a verdict."""

    @property
    def passed(self) -> bool:
        """Private tests ran, and all that ran were accepted."""
        return bool(self.private) and all(verdict == Verdict.ACCEPTED for verdict in (*self.public, *self.private))

    @property
    def compiles(self) -> bool:
        """Whether the first failing test, if any, failed for another reason than that the program does not compile."""
        failing = [verdict for verdict in (*self.public, *self.private) if verdict != Verdict.ACCEPTED]
        return not failing or failing[0] != Verdict.COMPILE_ERROR


def judge_programs(dialogues: Sequence[Dialogue], programs: Sequence[str | None], box: Box) -> list[Judged]:
    """What each dialogue's program does on its tests. None stands for an answer without a program."""
    pairs = {
        i: (dialogue.task, Program(source, dialogue.settings.language))
        for i, (dialogue, source) in enumerate(zip(dialogues, programs, strict=True))
        if source is not None
    }
    reports = [Report() for _ in dialogues]
    for i, report in _judge(pairs, box, "public").items():
        reports[i] = report
    # A task without public tests gives no feedback: its first program is its last.
    decided = {i for i in pairs if reports[i].public_passed or not dialogues[i].task.public_tests}
    for stop_on_failure in (True, False):
        through = {
            i: pair
            for i, pair in pairs.items()
            if (dialogues[i].settings.private == "deciding") is stop_on_failure
            and (i in decided or _wanted(dialogues[i], reports[i]))
        }
        for i, report in _judge(through, box, "private", stop_on_failure).items():
            weaker = report if report.trust == "forgeable" else reports[i]
            signals = report.signals if i in decided else ()  # they are of programs that pass the public tests
            reports[i] = replace(reports[i], private=report.private, trust=weaker.trust, signals=signals)
    judged = [_judged(*one, i in decided) for i, one in enumerate(zip(dialogues, reports, strict=True))]
    return _with_random_feedback(dialogues, programs, _with_rates(dialogues, judged), box)


def _judge(
    pairs: dict[int, tuple[Task, Program]], box: Box, tests: Which, stop_on_failure: bool = False
) -> dict[int, Report]:
    return dict(zip(pairs, judge_many(list(pairs.values()), box, tests, stop_on_failure), strict=True))


def _wanted(dialogue: Dialogue, report: Report) -> bool:
    """Whether private tests run although the public ones fail."""
    when = dialogue.settings.private
    last = dialogue.turn + 1 >= dialogue.settings.turn_limit
    return not report.sandbox_failed and (when == "every" or (when == "last" and last))


def _judged(dialogue: Dialogue, report: Report, decided: bool) -> Judged:
    costs = [result.execution.wall_s for result in report.public] + [result.wall_s for result in report.private]
    return Judged(
        public=tuple(result.verdict.value for result in report.public),
        private=tuple(result.verdict.value for result in report.private),
        decided=decided,
        failures=failures_of(report.public, dialogue.settings.feedback),
        trust=report.trust,
        signals=report.signals,
        wall_s=sum(costs),
        failed=report.sandbox_failed,
    )


def _with_rates(dialogues: Sequence[Dialogue], judged: list[Judged]) -> list[Judged]:
    """For grouped rewards: pass rates over the programs of a task that are judged together, (passed + 1) / (n + 2)."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, (dialogue, one) in enumerate(zip(dialogues, judged, strict=True)):
        if reward_of(dialogue.settings.reward).grouped and one.private and not one.failed:
            groups[dialogue.task.key].append(i)
    judged = list(judged)
    for group in groups.values():
        verdicts = zip(*(judged[i].private for i in group), strict=True)
        rates = tuple((column.count("accepted") + 1) / (len(group) + 2) for column in verdicts)
        for i in group:
            judged[i] = replace(judged[i], rates=rates)
    return judged


def _with_random_feedback(
    dialogues: Sequence[Dialogue], programs: Sequence[str | None], judged: list[Judged], box: Box
) -> list[Judged]:
    """Replaces failures by those of a wrong program of another problem on that problem's public tests.

    The problem is drawn from the dialogue's seed and the program, and of its wrong programs one that fails a public
    test. Source: RLEF (arXiv 2410.02089) section 3.3, the fallback for problems without such a program included.
    """
    judged = list(judged)
    drawn: dict[int, Task] = {}
    for i, (dialogue, source) in enumerate(zip(dialogues, programs, strict=True)):
        if dialogue.settings.feedback.mode == "random":
            judged[i] = replace(judged[i], failures=())
            if not judged[i].decided and not judged[i].failed and dialogue.turn + 1 < dialogue.settings.turn_limit:
                drawn[i] = _draw(dialogue, _rng("other", dialogue, source))
    pairs = [(i, (other, wrong)) for i, other in drawn.items() for wrong in (*other.mutants, _CRASH)]
    reports = defaultdict(list)
    for (i, _), report in zip(pairs, judge_many([pair for _, pair in pairs], box, "public"), strict=True):
        reports[i].append(report)
    for i, other in drawn.items():
        *mutants, crash = reports[i]
        failing = [mutant for mutant in mutants if not mutant.public_passed] or [crash]
        report = _rng("wrong program", dialogues[i], programs[i]).choice(failing)
        judged[i] = replace(
            judged[i],
            failures=failures_of(report.public, dialogues[i].settings.feedback, other.key),
            failed=any(one.sandbox_failed for one in reports[i]),
        )
    return judged


def _rng(what: str, dialogue: Dialogue, program: str | None) -> random.Random:
    return random.Random(f"{what} {dialogue.seed} {program}".encode("utf-8", "surrogatepass"))


def _draw(dialogue: Dialogue, rng: random.Random) -> Task:
    first = rng.randrange(len(dialogue.others))
    places = (place % len(dialogue.others) for place in range(first, first + len(dialogue.others)))
    return next(other for place in places if dialogue.lends(other := dialogue.others[place]))
