"""Every attack with all defences, then a harmless program, then without the defence it is about: there it succeeds."""

import pytest

from sandbox.attacks import CORPUS, NOT_PROGRAMS, Attack, Outcome, run_attacks
from sandbox.checks import DEFENCES
from sandbox.languages import LANGUAGES


def test_every_row_has_a_control_or_says_why_not():
    assert len({attack.name for attack in CORPUS}) == len(CORPUS)
    assert all(bool(attack.off) != bool(attack.no_control) for attack in CORPUS)
    assert {attack.language for attack in CORPUS} <= set(LANGUAGES)
    assert all(NOT_PROGRAMS.values())


def test_every_defence_is_attacked():
    assert {defence for attack in CORPUS for defence in attack.off} == DEFENCES


@pytest.mark.parametrize("attack", CORPUS, ids=lambda attack: attack.name)
def test_attack_fails_and_succeeds_only_without_the_defence(lone_box, attack):
    [outcome] = run_attacks(lone_box, [attack])
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.defended, outcome.detail
    assert outcome.sentinel, "the slot is not fit for the next program"
    assert bool(outcome.no_control) == (outcome.control is None)
    assert outcome.control is not False, "the control does not succeed: this attack proves nothing"
    assert outcome.good


def test_what_gets_through_is_seen(open_sandbox):
    with open_sandbox(slots=1) as box:
        through = Attack("through", "print('ESCAPED')", off=("seccomp",))
        proves_nothing = Attack("harmless", "print('hello')", off=("seccomp",))
        elsewhere = Attack("elsewhere", "", skip=lambda protections: f"not on {protections['backend']}")
        first, second, third = run_attacks(box, [through, proves_nothing, elsewhere])
    assert (first.defended, first.control, first.good) == (False, True, False)
    assert "NOT DEFENDED" in first.verdict
    assert (second.defended, second.control, second.good) == (True, False, False)
    assert "CONTROL NOT RED" in second.verdict
    assert third == Outcome("elsewhere", skipped="not on docker")
    assert third.good
