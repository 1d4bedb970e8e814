"""Which wall of the sandbox stops which attacks: ``python -m benchmarks.walls [--list] [--user UID] [ARRANGEMENT ...]``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.attacks import trial
from tests.attacks.arrangements import ARRANGEMENTS, PAIRS
from tests.attacks.suite import ATTACKS, label

Effects = Mapping[str, Sequence[str]]  # attack → what it did


def main() -> None:
    """Print a matrix: categories by arrangements, entries the attacks with an effect; then the attacks that each wall stops."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walls", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the attacks with an effect")
    parser.add_argument("--user", type=int, help="run as this user (needs root)")
    parser.add_argument("arrangements", nargs="*", metavar="ARRANGEMENT", help=f"default: all of {', '.join(ARRANGEMENTS)}")
    given = parser.parse_args()
    unknown = set(given.arrangements) - set(ARRANGEMENTS)
    if unknown:
        parser.error(f"no such arrangement: {', '.join(sorted(unknown))}; there are {', '.join(ARRANGEMENTS)}")
    found: dict[str, Effects] = {}
    for name in given.arrangements or ARRANGEMENTS:
        print(f"trying {len(ATTACKS)} attacks: {name}", file=sys.stderr)
        found |= trial.run([name], user=given.user)
    matrix(found)
    stopped(found)
    if given.list:
        named(found)


def matrix(found: Mapping[str, Effects]) -> None:
    """One line per category, one column per arrangement (numbered, with a key below)."""
    tried = Counter(attack.category for attack in ATTACKS)
    print(f"{'category':26}{'tried':>6}" + "".join(f"{number:>5}" for number in range(1, len(found) + 1)))
    rows = {name: Counter(attack.category for attack in ATTACKS if effects.get(label(attack))) for name, effects in found.items()}
    for category, count in tried.items():
        print(f"{category:26}{count:6}" + "".join(f"{row[category] or '·':>5}" for row in rows.values()))
    print(f"{'all':26}{len(ATTACKS):6}" + "".join(f"{row.total():>5}" for row in rows.values()))
    print("\n" + "\n".join(f"{number:3} {name}" for number, name in enumerate(found, 1)) + "\n")


def stopped(found: Mapping[str, Effects]) -> None:
    """For each wall, the number of attacks with an effect only without it."""
    for wall, (with_it, without) in PAIRS.items():
        if {with_it, without} <= found.keys():
            names = [name for name, effects in found[without].items() if effects and not found[with_it][name]]
            print(f"{wall:12} stops {len(names):4} ({without} against {with_it})")


def named(found: Mapping[str, Effects]) -> None:
    """Every attack with an effect, by arrangement."""
    for arrangement, effects in found.items():
        print(f"\n{arrangement}")
        for name, kinds in effects.items():
            if kinds:
                print(f"  {name}: {', '.join(kinds)}")


if __name__ == "__main__":
    main()
