"""Your own operator in a search: ``python examples/own_parts/operators.py [ARCHIVE]``.

Any function of the parents and a random number generator works; it returns the source of a child, or None if it does not apply. This one
makes one number of the program's AXES a tenth larger or smaller.
"""

import random
import re
import sys

import personaevo as pe


def nudge(parents: pe.Parents, rng: random.Random) -> str | None:
    """The parent with one of its decimal numbers changed by a tenth."""
    numbers = list(re.finditer(r"(?<![\w.])\d+\.\d+(?![\w.])", parents.source))
    if not numbers:
        return None
    one = rng.choice(numbers)
    value = float(one[0]) * rng.choice((0.9, 1.1))
    return f"{parents.source[: one.start()]}{value:.4g}{parents.source[one.end() :]}"


if __name__ == "__main__":
    settings = pe.SearchConfig(
        archive=sys.argv[1] if len(sys.argv) > 1 else None, candidates=12, task_count=4, personas=2, test_tasks=4, test_personas=2,
        control_dialogues=40, people_draws=2,
    )  # fmt: skip
    result = pe.search(settings, operators={"nudge": (nudge, 20.0)})    # with its weight, added to the built-in ones
    with pe.Archive.read(result.archive) as archive:
        print([one.candidate.operator for one in archive.commits(1)])
    print(result.archive, result.digest)
