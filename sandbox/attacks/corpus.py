"""The attacks themselves: small programs that print ESCAPED when they got what they wanted, by what they are after."""

from __future__ import annotations

from sandbox.attacks.attack import Attack
from sandbox.attacks.escapes import ESCAPES
from sandbox.attacks.leftovers import LEFTOVERS
from sandbox.attacks.resources import RESOURCES

CORPUS: tuple[Attack, ...] = RESOURCES + ESCAPES + LEFTOVERS
