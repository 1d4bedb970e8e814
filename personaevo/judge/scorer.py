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
from personaevo.judge.objectives import SCORE, Played, harmonic, objectives, steering
from personaevo.judge.objectives.builtin import cell_shares
from personaevo.measure.agreement import Agreement, intraclass, jackknife_se, varying
from personaevo.measure.cells import OUTSIDE, Cells, apart
from personaevo.measure.energy import Space, Target
from personaevo.records import CellScore, Episode, Estimate, Evaluation, Floats, Level, Remark, Split, Wanted


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


_WORTH_SAYING = 0.15  # least difference of means, in standard deviations of people
_WORTH_SPREAD = 0.4  # least |log| of the ratio of spreads
_WORTH_COUPLING = 0.25  # least difference of correlations
_COUPLINGS = 6  # most remarks on correlations
_NO_SPREAD = 0.02  # lower bound of a variance, as a share of people's, before the logarithm
_EDGE = 1e-9


@dataclass(frozen=True, slots=True)
class Norm:
    """Statistics of people: means, standard deviations and variances, ``[d]`` each, and correlations ``[d, d]``."""

    mean: Floats
    sd: Floats
    variance: Floats
    correlations: Floats

    @classmethod
    def of(cls, people: Floats) -> Norm:
        """Compute the statistics of ``people[m, d]``."""
        return cls(people.mean(axis=0), people.std(axis=0), people.var(axis=0), _correlations(people))


def reflect(
    population: Floats, pairs: Floats, people: Norm, names: Sequence[str], consistency: float | None = None
) -> tuple[Remark, ...]:
    """Remarks on ``population[n, d]`` relative to people, the largest difference first (none for n < 2).

    ``pairs[p, 2, d]`` are two dialogues of each persona, and ``consistency`` is the agreement of two dialogues of one person. With both,
    remarks on spread are "apart" or "alike" between personas, and "steadier" or "looser" within one. Otherwise they are "wider" or
    "narrower".
    """
    if len(population) < 2:
        return ()
    spread = np.maximum(people.sd, _EDGE)
    off = (population.mean(axis=0) - people.mean) / spread
    found = [
        (abs(float(gap)), Remark(name, "less" if gap > 0 else "more"))
        for name, gap in zip(names, off, strict=True) if abs(gap) > _WORTH_SAYING
    ]  # fmt: skip
    if consistency is not None and len(pairs) > 2:
        found += _of_persons(pairs, people, names, consistency)
    else:
        off_mean = {remark.feature for _, remark in found}
        ratio = np.log(np.maximum(population.std(axis=0), _EDGE) / spread)
        found += [one for one in _spreads(ratio, names, ("narrower", "wider")) if one[1].feature not in off_mean]
    found += _couplings(population, people, names)
    return tuple(remark for _, remark in sorted(found, key=lambda entry: -entry[0]))


def _of_persons(pairs: Floats, people: Norm, names: Sequence[str], consistency: float) -> list[tuple[float, Remark]]:
    """Remarks on the variances between and within personas, compared with those implied by people's variance and consistency."""
    agreement = np.clip(intraclass(pairs).by_feature, 0.0, 1.0)
    ours, theirs = pairs.reshape(-1, pairs.shape[-1]).var(axis=0), np.maximum(people.variance, _EDGE**2)
    between = np.log(np.maximum(agreement * ours, _NO_SPREAD * theirs) / (consistency * theirs)) / 2
    within = np.log(np.maximum((1 - agreement) * ours, _NO_SPREAD * theirs) / ((1 - consistency) * theirs)) / 2
    told = np.maximum(ours, theirs) > _EDGE**2  # skip features that are constant on both sides
    return _spreads(between * told, names, ("alike", "apart")) + _spreads(within * told, names, ("steadier", "looser"))


def _spreads(ratio: Floats, names: Sequence[str], words: tuple[Wanted, Wanted]) -> list[tuple[float, Remark]]:
    """Remarks on features with too much spread (first word) or too little (second word), at half the weight of remarks on means."""
    pairs = [(float(one), name) for one, name in zip(ratio, names, strict=True) if abs(one) > _WORTH_SPREAD]
    return [(abs(one) / 2, Remark(name, words[0] if one > 0 else words[1])) for one, name in pairs]


def _couplings(population: Floats, people: Norm, names: Sequence[str]) -> list[tuple[float, Remark]]:
    """Remarks on pairs of features whose correlation differs from people's: "together" or "opposed" is the direction of the change."""
    off = people.correlations - _correlations(population)
    rows, columns = np.triu_indices(len(off), 1)
    order = np.argsort(-np.abs(off[rows, columns]), kind="stable")[:_COUPLINGS]
    found = [(float(off[rows[at], columns[at]]), names[rows[at]], names[columns[at]]) for at in order]
    worth = [one for one in found if abs(one[0]) > _WORTH_COUPLING]
    return [(abs(gap) / 2, Remark(f"{one}~{other}", "together" if gap > 0 else "opposed")) for gap, one, other in worth]


def _correlations(values: Floats) -> Floats:
    """Correlations of the columns; 0 for constant columns."""
    scaled = values - values.mean(axis=0)
    scaled = scaled / np.maximum(np.sqrt((scaled**2).sum(axis=0)), _EDGE)
    found: Floats = scaled.T @ scaled
    return found


@dataclass(frozen=True, slots=True)
class Gap:
    """Difference in one feature: means and standard deviations of people and of a population in the feature's unit, and the remark in
    words ("people show more of it")."""

    feature: str
    people_mean: float
    people_sd: float
    mean: float
    sd: float
    words: str


_WORDS = {
    "more": "people show more of it",
    "less": "people show less of it",
    "wider": "people differ more in it",
    "narrower": "people differ less in it",
    "apart": "personas should differ more from one another in it",
    "alike": "personas should differ less from one another in it",
    "steadier": "one persona should vary less in it from one conversation to the next",
    "looser": "one persona should vary more in it from one conversation to the next",
    "together": "among people the two go together more",
    "opposed": "among people the two go together less",
}
OF_PERSONAS = frozenset({"apart", "alike", "steadier", "looser", "together", "opposed"})


def in_words(remark: Remark) -> str:
    """A remark as a line of text: the feature or pair of features, and the change."""
    return f"{remark.feature.replace('~', ' and ').replace('_', ' ')}: {_WORDS[remark.wanted]}"


def gaps(population: Floats, people: Norm, names: Sequence[str]) -> tuple[Gap, ...]:
    """The remarks on ``population[n, d]`` with numbers, for a model that rewrites the program."""
    columns = {name: index for index, name in enumerate(names)}
    means, spreads = population.mean(axis=0), population.std(axis=0)
    found = []
    for remark in reflect(population, population[:0, None], people, names):
        at = columns.get(remark.feature)
        if at is not None:
            people_figures, ours = (float(people.mean[at]), float(people.sd[at])), (float(means[at]), float(spreads[at]))
            found.append(Gap(remark.feature, *people_figures, *ours, _WORDS[remark.wanted]))
    return tuple(found)
