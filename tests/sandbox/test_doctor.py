"""The self-test of a real sandbox passes, and it fails when a program does not end as it must."""

import pytest

from sandbox import Status
from sandbox import doctor as module
from sandbox.doctor import CASES, Case, examine, self_test


def test_programs_end_as_they_must(lone_box):
    assert [finding for finding in self_test(lone_box) if not finding.passed] == []


def test_good_and_bad_programs_are_among_the_cases():
    assert {Status.OK, Status.RUNTIME_ERROR, Status.COMPILE_ERROR, Status.TIME_LIMIT, Status.MEMORY_LIMIT,
            Status.OUTPUT_LIMIT} == {case.status for case in CASES}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "word"),
    [
        (Case("wrong", "print(41)"), "b'41"),
        (Case("refused", "1 / 0"), "must end as ok, was runtime_error"),
        (Case("accepted", "print(1)", Status.TIME_LIMIT, None), "must end as time_limit"),
        (Case("value", "def f(a, b): return 41", expected=42, entry="f"), "must end as ok"),
    ],
)
def test_a_program_that_ends_otherwise_is_found(open_sandbox, monkeypatch, case, word):
    monkeypatch.setattr(module, "CASES", (case,))
    with open_sandbox(slots=1) as box:
        [finding] = self_test(box)
    assert not finding.passed
    assert word in finding.detail


def test_what_a_sandbox_stands_on_is_named(lone_box):
    about = examine(lone_box)
    assert about["backend"] == lone_box.backend.name
    assert about["versions"]["kernel"]
    assert about["protections"]["mode"] in ("strict", "basic")
    expected = {"docker": {"engine", "runc"}, "bubblewrap": {"bubblewrap"}, "namespaces": set()}
    assert expected[about["backend"]] <= set(about["versions"])
