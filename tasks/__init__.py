"""Programming tasks: what is asked, the tests, and the judge that decides outside the sandbox."""

from tasks.errors import TaskError
from tasks.judge import PrivateResult, Report, TestResult, Verdict, judge, judge_many
from tasks.suites import Suite, list_suites, load_suite, register_suite
from tasks.task import AssertTest, CallTest, Group, SpecialJudge, StdioTest, Task

__all__ = [
    "AssertTest",
    "CallTest",
    "Group",
    "PrivateResult",
    "Report",
    "SpecialJudge",
    "StdioTest",
    "Suite",
    "Task",
    "TaskError",
    "TestResult",
    "Verdict",
    "judge",
    "judge_many",
    "list_suites",
    "load_suite",
    "register_suite",
]
