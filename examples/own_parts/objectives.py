"""Your own objective in a search: ``python examples/own_parts/objectives.py [ARCHIVE]``.

An objective is a statistic of the dialogues of a program's users. Its ``role`` says whether it steers the search, is a lower bound, or is
only reported, like this one: the number of the user's turns.
"""

import sys

import numpy as np

import personaevo as pe


def turns(played, scorer) -> np.ndarray:
    """The mean number of the user's turns, for each weighting of the ``generate`` calls."""
    return played.means(np.array([sum(role == "user" for role, _ in one.turns) for one in played.episodes], dtype=float))


TURNS = pe.Objective(name="turns", meaning="mean number of the user's turns", needs="dialogue", raw=turns, role="beside")

if __name__ == "__main__":
    settings = pe.SearchConfig(
        archive=sys.argv[1] if len(sys.argv) > 1 else None, candidates=6, task_count=4, personas=2, test_tasks=4, test_personas=2,
        control_dialogues=40, people_draws=2,
    )  # fmt: skip
    result = pe.search(settings, objectives=[TURNS])
    for row in result.table:
        print(row.row, row.measures.get("turns"))
    print(result.archive, result.digest)
