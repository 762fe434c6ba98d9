"""The judge against a scripted box: who sees what, which verdict, which order. No program runs here."""

import dataclasses
import pickle
import threading

import pytest

from sandbox.program import Execution, Program, Status
from tasks import AssertTest, CallTest, PrivateResult, Report, StdioTest, Task, TaskError, Verdict, judge, judge_many

CANARY = "5f1e0c7a93d84be2a6d1c0ffee123456"
PROGRAM = Program("print(1)")


class ScriptedBox:
    """Answers run_many by a function of (program, input); keeps what it was given."""

    def __init__(self, answer):
        self.answer = answer
        self.seen = []
        self.batches = 0

    def run_many(self, submissions, stop_on_failure=False):
        self.batches += 1
        self.seen += submissions
        return [[self.answer(s.program, data) for data in s.inputs] for s in submissions]

    def call(self, program, entry_point, arguments, limits):
        self.seen.append((program, entry_point, arguments))
        return [self.answer(program, given) for given in arguments]


def said(stdout, status=Status.OK, **more):
    return Execution(status, stdout, cpu_s=0.5, wall_s=0.6, peak_mb=7.0, **more)


def echo(program, data):
    return said(data)


def task(public=(("1\n", "1\n"),), private=(("2\n", "2\n"), ("3\n", "3\n")), **more):
    return Task("t", "s", tuple(StdioTest(*x) for x in public), tuple(StdioTest(*x) for x in private), **more)


def test_right_program_is_accepted():
    report = judge(task(), PROGRAM, ScriptedBox(echo))
    assert report.passed
    assert report.public_passed
    assert report.verdict is Verdict.ACCEPTED
    assert report.trust == "sound"
    assert len(report.public) == 1
    assert len(report.private) == 2
    assert report.private[0] == PrivateResult(Verdict.ACCEPTED, 0.5, 0.6, 7.0, 1.0)
    assert report.public[0].execution.stdout == b"1\n"


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_every_status_is_a_verdict(status):
    report = judge(task(), PROGRAM, ScriptedBox(lambda program, data: said(data, status)))
    assert not report.passed
    assert report.verdict.value == status.value
    assert report.sandbox_failed is (status is Status.SANDBOX_FAILURE)


def test_a_failure_of_ours_outranks_a_wrong_answer():
    answers = iter([said(b"9"), said(b"", Status.SANDBOX_FAILURE), said(b"3")])
    report = judge(task(), PROGRAM, ScriptedBox(lambda program, data: next(answers)))
    assert report.verdict is Verdict.SANDBOX_FAILURE
    assert not report.passed


def test_nothing_judged_is_not_passed():
    assert not Report().passed
    assert not Report().public_passed


@pytest.mark.parametrize(("tests", "public", "private"), [("public", 1, 0), ("private", 0, 2), ("all", 1, 2)])
def test_only_the_tests_asked_for_run(tests, public, private):
    box = ScriptedBox(echo)
    report = judge(task(), PROGRAM, box, tests)
    assert (len(report.public), len(report.private)) == (public, private)
    assert sum(len(s.inputs) for s in box.seen) == public + private


def test_stop_on_failure_shortens_private_results_only():
    problem = task(public=(("1\n", "x"), ("2\n", "2")), private=(("3\n", "3"), ("4\n", "x"), ("5\n", "5")))
    report = judge(problem, PROGRAM, ScriptedBox(echo), stop_on_failure=True)
    assert [r.verdict for r in report.public] == [Verdict.WRONG_ANSWER, Verdict.ACCEPTED]
    assert [r.verdict for r in report.private] == [Verdict.ACCEPTED, Verdict.WRONG_ANSWER]


def test_a_batch_is_one_request_and_keeps_order():
    box = ScriptedBox(lambda program, data: said(program.source.encode()))
    pairs = [(task(public=(("", str(i)),), private=()), Program(str(i if i % 3 else -1))) for i in range(50)]
    reports = judge_many(pairs, box)
    assert box.batches == 1
    assert [r.passed for r in reports] == [bool(i % 3) for i in range(50)]
    assert judge_many([], box) == []


def test_expected_outputs_never_reach_the_box():
    box = ScriptedBox(echo)
    judge(task(public=(("1\n", CANARY),), private=(("2\n", CANARY),)), PROGRAM, box)
    assert CANARY.encode() not in pickle.dumps(box.seen)


def test_private_tests_leave_no_trace_in_a_report():
    problem = task(private=((f"{CANARY}\n", f"{CANARY}\n"), (CANARY, "wrong")))
    report = judge(problem, PROGRAM, ScriptedBox(lambda program, data: said(data, stderr=data)))
    assert report.verdict is Verdict.WRONG_ANSWER
    assert CANARY not in repr(report)
    assert CANARY.encode() not in pickle.dumps(report)
    assert {field.name for field in dataclasses.fields(PrivateResult)} == {
        "verdict", "cpu_s", "wall_s", "peak_mb", "share",
    }  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Returned(Execution):
    value: object = None


def calls(expected):
    return Task("c", "s", (CallTest((1, 2), expected),), (CallTest((3, 4), 7),), entry_point="add")


def test_calls_compare_values_outside():
    box = ScriptedBox(lambda program, given: Returned(Status.OK, value=sum(given)))
    assert judge(calls(3), PROGRAM, box).passed
    assert judge(calls("3"), PROGRAM, box).verdict is Verdict.WRONG_ANSWER
    assert box.seen[0] == (PROGRAM, "add", [[1, 2], [3, 4]])


def test_mistakes_in_a_task_are_explained():
    with pytest.raises(TaskError, match="entry_point"):
        judge(dataclasses.replace(calls(3), entry_point=None), PROGRAM, ScriptedBox(echo))
    with pytest.raises(TaskError, match="known: tokens"):
        judge(task(checker="fuzzy"), PROGRAM, ScriptedBox(echo))
    with pytest.raises(TaskError, match="cpp"):
        judge(Task("a", "s", (), (AssertTest("x"),)), Program("", "cpp"), ScriptedBox(echo))


def test_calls_of_several_programs_are_under_way_together():
    meeting = threading.Barrier(4, timeout=20)

    class Meeting(ScriptedBox):
        def call(self, program, entry_point, arguments, limits):
            meeting.wait()  # breaks when the others do not come
            return super().call(program, entry_point, arguments, limits)

    box = Meeting(lambda program, given: Returned(Status.OK, value=sum(given) + int(program.source)))
    reports = judge_many([(calls(3), Program(str(i))) for i in (0, 1, 0, 2)], box)
    assert [report.passed for report in reports] == [True, False, True, False]
