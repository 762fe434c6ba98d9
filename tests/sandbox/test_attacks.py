"""Every attack with all defences, then a harmless program, then without the defence it is about: there it succeeds."""

import pytest

from sandbox.attacks import CORPUS, run_attacks
from sandbox.checks import DEFENCES


@pytest.fixture(scope="module", params=["strict", "basic"])
def lone_box(request, open_sandbox):
    """One slot, so that the harmless program meets the attacked one."""
    with open_sandbox(slots=1, mode=request.param) as ready:
        yield ready


def test_every_row_has_a_control_or_says_why_not():
    assert len({attack.name for attack in CORPUS}) == len(CORPUS)
    assert all(bool(attack.off) != bool(attack.no_control) for attack in CORPUS)


def test_every_defence_is_attacked():
    assert {defence for attack in CORPUS for defence in attack.off} == DEFENCES


@pytest.mark.parametrize("attack", CORPUS, ids=lambda attack: attack.name)
def test_attack_fails_and_succeeds_only_without_the_defence(lone_box, attack):
    [outcome] = run_attacks(lone_box, [attack])
    assert outcome.defended, outcome.detail
    assert outcome.sentinel, "the slot is not fit for the next program"
    assert outcome.control is (True if attack.off else None), "the control does not succeed: this attack proves nothing"
