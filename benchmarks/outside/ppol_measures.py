"""PPol's forest and Chamfer coverage of sets of dialogues. Runs in an environment of its own, with ``ppol`` and without personaevo.

    python ppol_measures.py FILE    # {"people", "simulator", "rows": {name: [dialogue]}}, a dialogue being [[role, text], …]

Prints JSON: for each row the mean P(human) of the forest, trained on people against the simulator, and the Chamfer coverage of people.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ppol.discriminator import BehavioralDiscriminator
from ppol.evaluation import chamfer_coverage, fingerprints_to_matrix
from ppol.fingerprinting import BehavioralFingerprintExtractor
from scipy.spatial.distance import pdist

extractor = BehavioralFingerprintExtractor()


def measured(dialogues: list[list[list[str]]]) -> Any:
    """PPol's fingerprints of dialogues."""
    return [extractor.compute_fingerprint([{"role": role, "content": text} for role, text in one]) for one in dialogues]


given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
names = extractor.regex_feature_names()
people = measured(given["people"])
half = len(people) // 2
forest = BehavioralDiscriminator()
forest.train(people[:half], measured(given["simulator"]), verbose=False)
matrix = fingerprints_to_matrix(people[half:], names)
mean, sd = matrix.mean(axis=0), matrix.std(axis=0)
sd[sd < 1e-9] = 1.0
matrix = (matrix - mean) / sd
reference = float(pdist(matrix).mean())
found = {}
for row, dialogues in {**given["rows"], "people": given["people"][:half]}.items():
    fingerprints = measured(dialogues)
    matrix_of_row = fingerprints_to_matrix(fingerprints, names)
    likeness = float(np.mean([forest.predict_human_probability(one) for one in fingerprints])) if row != "people" else float("nan")
    coverage = chamfer_coverage(matrix_of_row, matrix, reference, std_mu=mean, std_sd=sd)
    found[row] = {"human_likeness": likeness, "chamfer": float(coverage)}
held = measured(given["people"][half:])
found["people"]["human_likeness"] = float(np.mean([forest.predict_human_probability(one) for one in held]))
print(json.dumps(found))
