"""Attacks on a tier, in a process that may be lost: prints those that had an effect, with their effects."""

from __future__ import annotations

import json
import os
import secrets
import sys

from personaevo.programs import Sandbox
from tests.attacks.field import VARIABLE, Range
from tests.attacks.judge import DIALS, ROUNDS, effects, summary
from tests.attacks.suite import ATTACKS, label


def main() -> None:
    """The tier and the names of the attacks (default: all) are the arguments."""
    tier, *chosen = sys.argv[1:]
    os.environ[VARIABLE] = f"sk-{secrets.token_hex(16)}"
    boxes = [Sandbox(DIALS, tier=tier, wall_seconds=0.25, cpu_seconds=1, memory_mb=160, output_mb=1) for _ in ROUNDS]  # type: ignore[arg-type]
    with Range() as field:
        for box in boxes:
            box.__enter__()
        field.servers = lambda: [pid for box in boxes for pid in box.server_pids()]  # type: ignore[method-assign]
        field.changes()
        attacks = [attack for attack in ATTACKS if label(attack) in chosen or not chosen]
        found = {label(attack): effects(attack, field, boxes) for attack in attacks if os.geteuid() == 0 or not attack.root}
        for box in boxes:
            box.close()
    print(json.dumps([len(found), summary(found)]))  # noqa: T201


if __name__ == "__main__":
    main()
