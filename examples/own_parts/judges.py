"""Your own judge in a search: ``python examples/own_parts/judges.py [ARCHIVE]``.

Any object with an ``id`` and ``train(values, people, weights, seed)`` works; the trained object has ``score(values)``, numbers from 0 to 1.
It is cross-fitted and calibrated like the built-in forest. This one is a logistic regression.
"""

import sys

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import personaevo as pe


class Trained:
    """A trained judge."""

    def __init__(self, model: object) -> None:
        self.model = model

    def score(self, values: np.ndarray) -> np.ndarray:
        """How human-like each row is, 0 to 1."""
        return self.model.predict_proba(values)[:, 1]


class Logistic:
    """Trains logistic regressions."""

    id = "logistic regression 1"

    def train(self, values: np.ndarray, people: np.ndarray, weights: np.ndarray, seed: int) -> Trained:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000))
        return Trained(model.fit(values, people, logisticregression__sample_weight=weights))


if __name__ == "__main__":
    settings = pe.SearchConfig(
        archive=sys.argv[1] if len(sys.argv) > 1 else None, candidates=6, task_count=4, personas=2, test_tasks=4, test_personas=2,
        control_dialogues=40, people_draws=2,
    )  # fmt: skip
    result = pe.search(settings, judge=Logistic())
    print(result.archive, result.digest)
