"""Your own descriptors in a search: ``python examples/own_parts/descriptors.py [ARCHIVE]``.

Descriptors define the cells of the archive, in place of all nineteen behaviors. Any object with an ``id``, ``names`` and
``measure(values)`` works. Here cells differ in how much users say, and in how much they resist.
"""

import sys

import numpy as np

import personaevo as pe

FEATURES = pe.fingerprint([["hello there"]]).names


class TalkAndResistance:
    """Two coordinates of a dialogue."""

    id = "talk and resistance 1"
    names = ("talk", "resistance")

    def measure(self, values: np.ndarray) -> np.ndarray:
        """Coordinates ``[n, 2]`` of fingerprints ``values[n, d]``."""
        of = dict(zip(FEATURES, values.T, strict=True))
        return np.column_stack([np.log(of["words_per_turn"]), of["pushback_rate"] + of["accusatory_rate"] + of["clarification_rate"]])


if __name__ == "__main__":
    settings = pe.SearchConfig(
        archive=sys.argv[1] if len(sys.argv) > 1 else None, candidates=6, task_count=4, personas=2, test_tasks=4, test_personas=2,
        control_dialogues=40, people_draws=2, cells=8,
    )  # fmt: skip
    result = pe.search(settings, descriptors=TalkAndResistance())
    with pe.Archive.read(result.archive) as archive:
        print([cell["name"] for cell in archive.run().cells])
    print(result.archive, result.digest)
