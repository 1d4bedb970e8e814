"""The scorer: evaluates a program from its dialogues.

Objectives are shares of the values of equally many other people. Their standard errors come from a delete-one jackknife over ``generate``
calls, because the personas of one call are not independent. The sample of people is fixed during a search, so that all candidates are
compared by the same judge; ``judge.uncertainty`` has intervals that include the sampling of people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from personaevo.judge.discriminator import Discriminator
from personaevo.judge.objectives import SCORE, harmonic, objectives, steering
from personaevo.judge.objectives.overlap import cell_shares
from personaevo.judge.played import Played
from personaevo.judge.reflection import Gap, Norm, gaps, reflect
from personaevo.measure.agreement import Agreement, jackknife_se, varying
from personaevo.measure.cells import OUTSIDE, Cells, apart
from personaevo.measure.energy import Space, Target
from personaevo.records import CellScore, Episode, Estimate, Evaluation, Floats, Level, Split


@dataclass(frozen=True)
class Scorer:
    """Scores dialogues against people.

    Attributes:
        people: fingerprints ``[n, d]`` that judge, cells and space were fitted to.
        free: fingerprints of the persona-free simulator.
        others: other people ``[m, d]`` who determine the levels of people; by default, cross-fitting inside ``people`` does.
        agreement: consistency of people; None if it is unknown, and consistency is not measured.
        names: names of the features.
        shrinks: whether consistency is shrunk toward 0; False for resamples, which have to show its noise.
    """

    split: Split
    judge: Discriminator
    cells: Cells
    space: Space
    people: Floats
    free: Floats
    others: Floats | None = None
    agreement: Agreement | None = None
    names: tuple[str, ...] = ()
    seed: int = 0
    shrinks: bool = True
    _levels: dict[int, dict[str, Level | None]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def target(self) -> Target:
        """People as the target of the energy distance."""
        return Target.of(self.space(self.people))

    @cached_property
    def norm(self) -> Norm:
        """Statistics of people for remarks."""
        return Norm.of(self.people)

    @cached_property
    def varying(self) -> Any:
        """Mask of the features that vary among people; consistency is measured on these."""
        return varying(self.people)

    @cached_property
    def people_p_human(self) -> float:
        """Mean P(human) of people by a judge that was not trained on them."""
        return float(self.judge.people_p.mean() if self.others is None else self.judge.score(self.others).mean())

    @cached_property
    def apart(self) -> float:
        """Mean standardized distance between two people."""
        return apart(self.people, self.cells.standard)

    @cached_property
    def worst(self) -> Floats:
        """The persona-free fingerprint farthest from people, assigned to failed dialogues."""
        found: Floats = self.free[self.target.distances(self.space(self.free)).argmax()]
        return found

    def levels(self, n: int) -> Mapping[str, Level | None]:
        """Levels of each objective at n dialogues; computed once for each n."""
        if n not in self._levels:
            self._levels[n] = {one.name: one.level(self, n) for one in objectives()}
        return self._levels[n]

    def judged(self, episodes: Sequence[Episode]) -> tuple[Episode, ...]:
        """The episodes with P(human) and cell. Both are None for a failed episode, and the cell is None outside all cells."""
        done = [index for index, one in enumerate(episodes) if one.state == "completed"]
        found = list(episodes)
        if done:
            values = np.array([episodes[index].fingerprint for index in done])
            for index, p_human, cell in zip(done, self.judge.score(values), self.cells.assign(values), strict=True):
                found[index] = replace(found[index], p_human=float(p_human), cell=None if cell == OUTSIDE else int(cell))
        return tuple(found)

    def shares(self, played: Played) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Shares and raw values of every objective and the score under each weighting, ``[k]`` each. An objective without levels has its
        raw value as the share."""
        levels, found, raw = self.levels(played.planned), {}, {}
        for one in objectives():
            level = levels[one.name]
            if level is None and one.role == "steers":
                continue
            raw[one.name] = one.raw(played, self)
            found[one.name] = raw[one.name] if level is None else one.share(raw[one.name], level, played)
        if found.keys() >= set(steering()):
            found[SCORE] = raw[SCORE] = harmonic(found)
        return found, raw

    def score(self, program_id: str, episodes: Sequence[Episode]) -> tuple[Evaluation, tuple[Episode, ...]]:
        """Evaluation of one program over all its *planned* episodes, and the episodes with their P(human) and cell.

        A failed episode has P(human) 0, preservation 0, the fingerprint ``worst`` and no cell.
        """
        judged = self.judged(episodes)
        played = Played.of(judged, self.worst)
        values, raw = self.shares(played)
        found = {
            name: Estimate(float(share[0]), jackknife_se(share[1:]), float(raw[name][0]), tuple(map(float, share[1:])))
            for name, share in values.items()
        }
        consistency = None if self.agreement is None else self.agreement.value
        remarks = reflect(played.values[played.done], played.values[played.pairs], self.norm, self.names, consistency)
        completed = int(played.done.sum())
        return Evaluation(program_id, self.split, played.planned, completed, found, self._cell_scores(played), remarks), judged

    def gaps(self, episodes: Iterable[Episode]) -> tuple[Gap, ...]:
        """Differences between the completed episodes and people by feature, in words and numbers."""
        completed = [one.fingerprint for one in episodes if one.state == "completed"]
        return gaps(np.array(completed), self.norm, self.names)

    def _cell_scores(self, played: Played) -> tuple[CellScore, ...]:
        """Scores of the reached cells: share relative to people's mass times mean human-likeness in the cell, each capped at 1. A failed
        episode counts with likeness 0 in every cell, so that failing raises no score."""
        likeness = np.minimum(1.0, played.p_human / self.people_p_human)
        shares = cell_shares(played, len(self.cells))
        members = np.array([[one.cell == cell for cell in range(len(self.cells))] for one in played.episodes], dtype=float)
        counts = played.sums(members) + played.sums(1.0 - played.done)[:, None]
        reached = np.minimum(1.0, shares / np.maximum(self.cells.masses, 1e-9))
        scores = reached * played.sums(members * likeness[:, None]) / np.maximum(counts, 1.0)
        return tuple(
            CellScore(cell, float(shares[0, cell]), float(scores[0, cell]), jackknife_se(scores[1:, cell]))
            for cell in np.flatnonzero(shares[0]).tolist()
        )
