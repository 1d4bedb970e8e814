"""All attacks."""

from __future__ import annotations

from tests.attacks import files, introspection, machine, native, network, processes, protocol, resources, results, signals
from tests.attacks.attack import MACHINE, Attack

_MODULES = (files, network, processes, introspection, native, resources, protocol, signals, machine, results)
ATTACKS = tuple(attack for module in _MODULES for attack in module.ATTACKS if attack.machine in ("", MACHINE))


def label(attack: Attack) -> str:
    """The attack's unique name."""
    return f"{attack.category}: {attack.name}"
