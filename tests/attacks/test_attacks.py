"""Hostile programs: in the open every one of them does harm, behind all walls none."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.attacks import trial
from tests.attacks.arrangements import ALL, OPEN
from tests.attacks.judge import summary
from tests.attacks.suite import ATTACKS, label

ROOT = os.geteuid() == 0
USERS = [pytest.param(None, id="this user"), *([pytest.param(trial.ORDINARY, id="ordinary user")] if ROOT else [])]
# Most people are not root. Where root tests, both are tried by make slow.
QUICK = [pytest.param(None, id="this user", marks=[pytest.mark.slow] if ROOT else []), *USERS[1:]]


def test_there_are_enough_of_all_kinds() -> None:
    assert len({label(attack) for attack in ATTACKS}) == len(ATTACKS) >= 130
    assert len({attack.source for attack in ATTACKS}) == len(ATTACKS)
    assert min(Counter(attack.category.partition(":")[0] for attack in ATTACKS).values()) >= 5


@pytest.mark.parametrize("user", QUICK)
def test_all_walls_stop_all_attacks(user: int | None) -> None:
    found = trial.run([ALL], user=user)[ALL]
    assert len(found) == sum(user is None or not attack.root for attack in ATTACKS if ROOT or not attack.root)
    assert summary(found) == {}


@pytest.mark.slow
@pytest.mark.parametrize("user", USERS)
def test_in_the_open_every_attack_has_an_effect(user: int | None) -> None:
    found = trial.run([OPEN], user=user)[OPEN]
    assert [name for name, kinds in found.items() if not kinds] == []
