"""The scorer: a program's evaluation from its dialogues, by what people get.

Objectives are shares of what equally many other people get. Their standard errors leave out whole ``generate`` calls in turn (delete-one
jackknife), because the personas of one call depend on one another; what is sampled of people is fixed during a search, so that candidates
are compared by the same judge. Intervals that hold for people too are those of ``judge.uncertainty``.
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

    ``people[n, d]`` made the judge, the cells and the space. ``others[m, d]``, if given, are other people, who set what people get;
    without them it is set by cross-fitting inside ``people``. ``free`` are fingerprints of the persona-free simulator. ``agreement`` is how
    consistent people are (None: not known, then consistency is not measured). ``names`` are the features' names.
    Without ``shrinks`` consistency is as it was measured, with all its noise: for draws that show how noisy it is.
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
        """The people as points that populations are compared with."""
        return Target.of(self.space(self.people))

    @cached_property
    def norm(self) -> Norm:
        """The people's figures, which populations are described against."""
        return Norm.of(self.people)

    @cached_property
    def varying(self) -> Any:
        """Which features vary among people: those that consistency is measured on."""
        return varying(self.people)

    @cached_property
    def people_p_human(self) -> float:
        """Mean P(human) of people by a judge that never saw them."""
        return float(self.judge.people_p.mean() if self.others is None else self.judge.score(self.others).mean())

    @cached_property
    def apart(self) -> float:
        """The mean distance between two people, standardized."""
        return apart(self.people, self.cells.standard)

    @cached_property
    def worst(self) -> Floats:
        """The persona-free fingerprint that lies farthest from people: what a failed dialogue counts as."""
        found: Floats = self.free[self.target.distances(self.space(self.free)).argmax()]
        return found

    def levels(self, n: int) -> Mapping[str, Level | None]:
        """What people get on each objective with n dialogues; computed once for each n."""
        if n not in self._levels:
            self._levels[n] = {one.name: one.level(self, n) for one in objectives()}
        return self._levels[n]

    def judged(self, episodes: Sequence[Episode]) -> tuple[Episode, ...]:
        """The episodes with P(human) and cell; None for a failed one, and the cell of one that lies outside all of them."""
        done = [index for index, one in enumerate(episodes) if one.state == "completed"]
        found = list(episodes)
        if done:
            values = np.array([episodes[index].fingerprint for index in done])
            for index, p_human, cell in zip(done, self.judge.score(values), self.cells.assign(values), strict=True):
                found[index] = replace(found[index], p_human=float(p_human), cell=None if cell == OUTSIDE else int(cell))
        return tuple(found)

    def shares(self, played: Played) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Every objective, and the score, as shares under each weighting, and the raw values; ``[k]`` each. What people's figures do not
        tell a share of stands as its raw value."""
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
        """The evaluation of one program over all its *planned* episodes, and the episodes with their P(human) and cell.

        A failed episode counts as P(human) 0 and preservation 0, as the persona-free dialogue farthest from people, and lies in no cell.
        """
        judged = self.judged(episodes)
        played = Played.of(judged, self.worst)
        values, raw = self.shares(played)
        found = {name: _estimate(share, raw[name]) for name, share in values.items()}
        completed = int(played.done.sum())
        return Evaluation(program_id, self.split, played.planned, completed, found, self._cell_scores(played), self.remarks(played)), judged

    def remarks(self, played: Played) -> Any:
        """What the judge says of a population, in words and directions."""
        consistency = None if self.agreement is None else self.agreement.value
        return reflect(played.values[played.done], played.values[played.pairs], self.norm, self.names, consistency)

    def gaps(self, episodes: Iterable[Episode]) -> tuple[Gap, ...]:
        """Where the completed episodes differ from the people that steer, behavior by behavior, in words and numbers."""
        return gaps(np.array([one.fingerprint for one in episodes if one.state == "completed"]), self.norm, self.names)

    def _cell_scores(self, played: Played) -> tuple[CellScore, ...]:
        """Scores in the cells it reaches: share of people's mass, times the mean human-likeness there, each capped at 1. A failed episode
        counts as one of likeness 0 in every cell, so that failing raises none."""
        likeness = np.minimum(1.0, played.p_human / self.people_p_human)
        shares = cell_shares(played, len(self.cells))
        lies_in = np.array([[one.cell == cell for cell in range(len(self.cells))] for one in played.episodes], dtype=float)
        counts = played.sums(lies_in) + played.sums(1.0 - played.done)[:, None]
        reached = np.minimum(1.0, shares / np.maximum(self.cells.masses, 1e-9))
        scores = reached * played.sums(lies_in * likeness[:, None]) / np.maximum(counts, 1.0)
        return tuple(
            CellScore(cell, float(shares[0, cell]), float(scores[0, cell]), jackknife_se(scores[1:, cell]))
            for cell in np.flatnonzero(shares[0]).tolist()
        )


def _estimate(share: Floats, raw: Floats) -> Estimate:
    return Estimate(float(share[0]), jackknife_se(share[1:]), float(raw[0]), tuple(map(float, share[1:])))
