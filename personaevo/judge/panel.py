"""The panel that scores populations: the judge, the cells, and what people get on both.

Objectives are shares of what the same number of held-out people get (1 is people, more earns nothing). Standard errors come from a
bootstrap that draws whole ``generate`` calls, because the personas of one call depend on one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from personaevo.judge.discriminator import Discriminator
from personaevo.judge.reflection import Gap, gaps, reflect
from personaevo.measure.coverage import Cells, chamfer, overlap, people_overlap
from personaevo.measure.stats import bootstrap_se, bootstrap_weights
from personaevo.records import CellScore, Episode, Estimate, Evaluation, Floats, Split

_PEOPLE_DRAWS = 200


@dataclass(frozen=True)
class Panel:
    """Scores episodes against people.

    ``people[n, d]`` gave the cells' masses and trained the judge. ``held_out[m, d]``, if given, are other people, who then set what
    people get; without them it is set by cross-fitting inside ``people``. ``names`` are the features' names.
    """

    split: Split
    judge: Discriminator
    cells: Cells
    people: Floats
    held_out: Floats | None = None
    names: tuple[str, ...] = ()
    seed: int = 0
    _reached: dict[int, float] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def people_p_human(self) -> float:
        """Mean P(human) of people by a judge that never saw them."""
        return float(self.judge.people_p.mean() if self.held_out is None else self.judge.score(self.held_out).mean())

    def people_coverage(self, n: int) -> float:
        """Mean overlap that ``n`` held-out people reach."""
        if n not in self._reached:
            self._reached[n] = self._people_coverage(n)
        return self._reached[n]

    def _people_coverage(self, n: int) -> float:
        if self.held_out is None:
            return people_overlap(self.people, self.cells, n, draws=_PEOPLE_DRAWS, seed=self.seed)
        assigned = self.cells.assign(self.held_out)
        return float(np.mean([overlap(self.cells.shares(assigned[rows], n), self.cells.masses) for rows in self._draws(n)]))

    def _draws(self, n: int) -> list[Any]:
        """Rows of draws of n held-out people, without replacement if there are enough."""
        assert self.held_out is not None
        rng, size = np.random.default_rng(self.seed), len(self.held_out)
        return [rng.choice(size, n, replace=n > size) for _ in range(_PEOPLE_DRAWS)]

    def people_draws(self, n: int) -> dict[str, tuple[list[float], float]]:
        """What draws of ``n`` held-out people score, measured as a program is: name to (capped shares of the draws, raw mean)."""
        assert self.held_out is not None
        p_human, assigned = self.judge.score(self.held_out), self.cells.assign(self.held_out)
        draws = self._draws(n)
        likeness = np.array([p_human[rows].mean() for rows in draws])
        cover = np.array([overlap(self.cells.shares(assigned[rows], n), self.cells.masses) for rows in draws])
        whole = {"human_likeness": likeness / self.people_p_human, "coverage": cover / self.people_coverage(n)}
        shares = {name: np.minimum(1.0, values) for name, values in whole.items()}
        shares["score"] = (shares["human_likeness"] + shares["coverage"]) / 2
        distance = [chamfer(self.held_out[rows], self.people, self.cells.standard) for rows in draws[:20]]
        raw = {"human_likeness": likeness.mean(), "coverage": cover.mean(), "score": (likeness + cover).mean() / 2}
        found = {name: (list(map(float, values)), float(raw[name])) for name, values in shares.items()}
        return {**found, "chamfer": (distance, float(np.mean(distance)))}

    def score(self, program_id: str, episodes: Sequence[Episode]) -> tuple[Evaluation, tuple[Episode, ...]]:
        """The evaluation of one program over all its *planned* episodes, and the episodes with their P(human) and cell.

        A failed episode lies in no cell and counts as P(human) 0 and preservation 0, if the program caused the failure.
        """
        judged = self._judged(episodes)
        table = _Table.of(judged, len(self.cells), self.people_p_human)
        n = len(episodes)
        people = self.people_coverage(n)
        objectives = self._objectives(table, people)
        objectives["chamfer"] = self._chamfer(judged, table)
        completed = sum(one.state == "completed" for one in episodes)
        remarks = reflect(np.array([one.fingerprint for one in judged if one.state == "completed"]), self.people, self.names)
        return Evaluation(program_id, self.split, n, completed, objectives, self._cell_scores(table), remarks), judged

    def gaps(self, episodes: Sequence[Episode]) -> tuple[Gap, ...]:
        """Where the completed episodes differ from the people that steer, behavior by behavior, in words and numbers."""
        return gaps(np.array([one.fingerprint for one in episodes if one.state == "completed"]), self.people, self.names)

    def _judged(self, episodes: Sequence[Episode]) -> tuple[Episode, ...]:
        done = [index for index, one in enumerate(episodes) if one.state == "completed"]
        judged = list(episodes)
        if done:
            values = np.array([episodes[index].fingerprint for index in done])
            p_human, cells = self.judge.score(values), self.cells.assign(values)
            for row, index in enumerate(done):
                judged[index] = replace(judged[index], p_human=float(p_human[row]), cell=int(cells[row]))
        return tuple(judged)

    def _objectives(self, table: _Table, people_coverage: float) -> dict[str, Estimate]:
        likeness = table.mean_of(table.p_human)
        cover = np.minimum(table.shares, self.cells.masses).sum(axis=-1)
        preserved = table.mean_of(table.preservation)
        shares = {"human_likeness": likeness / self.people_p_human, "coverage": cover / people_coverage}
        shares["score"] = (shares["human_likeness"] + shares["coverage"]) / 2
        raw = {"human_likeness": likeness, "coverage": cover, "score": (likeness + cover) / 2}
        capped = {name: min(1.0, float(values[0])) for name, values in shares.items()}
        capped["score"] = (capped["human_likeness"] + capped["coverage"]) / 2
        objectives = {name: Estimate(capped[name], table.se(values), float(raw[name][0])) for name, values in shares.items()}
        objectives["task_preservation"] = Estimate(float(preserved[0]), table.se(preserved), float(preserved[0]))
        return objectives

    def _chamfer(self, episodes: Sequence[Episode], table: _Table) -> Estimate:
        """PPol's coverage of the completed episodes, raw; reported, never steering."""
        done = [one.fingerprint for one in episodes if one.state == "completed"]
        value = chamfer(np.array(done), self.people, self.cells.standard) if done else 0.0
        return Estimate(value, 0.0, value)

    def _cell_scores(self, table: _Table) -> tuple[CellScore, ...]:
        """Scores in the cells it reaches. A failed episode counts as one of likeness 0 in every cell, so that failing raises none."""
        reached = np.minimum(1.0, table.shares / self.cells.masses)
        mean_likeness = table.likeness_in / np.maximum(table.counts_in + table.failed[:, None], 1)
        scores = reached * mean_likeness
        return tuple(
            CellScore(cell, float(table.shares[0, cell]), float(scores[0, cell]), table.se(scores[:, cell]))
            for cell in range(len(self.cells))
            if table.counts_in[0, cell]
        )


@dataclass(frozen=True)
class _Table:
    """Sums over the planned episodes; row 0 over all, the other rows over bootstrap draws of the ``generate`` calls."""

    calls: int
    totals: Floats  # [1 + draws] planned episodes
    failed: Floats  # [1 + draws] failed episodes
    p_human: Floats  # [1 + draws] sum of P(human)
    preservation: Floats  # [1 + draws]
    shares: Floats  # [1 + draws, cells] share of the planned episodes
    counts_in: Floats  # [1 + draws, cells]
    likeness_in: Floats  # [1 + draws, cells] sum of capped human-likeness

    @classmethod
    def of(cls, episodes: Sequence[Episode], cells: int, people_p_human: float) -> _Table:
        calls = list(dict.fromkeys(one.item.task_id for one in episodes))
        of_call = np.array([[float(one.item.task_id == call) for one in episodes] for call in calls])
        p_human = np.array([one.p_human or 0.0 for one in episodes])
        preserved = np.array([one.preservation if one.state == "completed" else 0.0 for one in episodes])
        failed = np.array([float(one.state == "failed") for one in episodes])
        lies_in = np.zeros((len(episodes), cells))
        for index, one in enumerate(episodes):
            if one.cell is not None:
                lies_in[index, one.cell] = 1.0
        likeness_in = lies_in * np.minimum(1.0, p_human / people_p_human)[:, None]
        weights = np.vstack([np.ones((1, len(calls))), bootstrap_weights(len(calls))])

        def sums(values: Floats) -> Floats:
            summed: Floats = weights @ (of_call @ values)
            return summed

        totals, counts = sums(np.ones(len(episodes))), sums(lies_in)
        return cls(len(calls), totals, sums(failed), sums(p_human), sums(preserved), counts / totals[:, None], counts, sums(likeness_in))

    def mean_of(self, sums: Floats) -> Floats:
        """Means over the planned episodes."""
        return sums / self.totals

    def se(self, values: Floats) -> float:
        """Standard error of a statistic from its values over all rows."""
        return bootstrap_se(values[1:], self.calls)
