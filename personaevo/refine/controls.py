"""Controls of a refinement, and the refinement of one person from behavior to result.

Played once, at the end, on the test items with the same seeds: the initial profile, shrinkage alone, the population, the average person, a
one-call rewrite, padding, and the ground truth. Computed without playing: a constant dialogue (the mean of the refined profile's), other
people's real dialogues, the person's own other dialogues (the ceiling), and other people's refined profiles (when all people are done).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np

from personaevo import content
from personaevo.errors import BudgetError
from personaevo.measure import scores
from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.behavior import Item
from personaevo.refine.estimate import average, shrunk
from personaevo.refine.features import as_dials
from personaevo.refine.loop import Case
from personaevo.refine.population import FeatureSpace
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.result import LearningCurvePoint, Outcome
from personaevo.refine.roles import Refused
from personaevo.refine.scoring import distance_measures, fingerprint_rows, score_items, secondary_measures
from personaevo.simulate.seeds import seed_of

CURVE = (1, 2, 3, 5)  # numbers of items in the learning curve
_MOST_TRUTH = 20_000  # characters of ground truth in a profile
_SAMPLED = 300  # dialogues that represent those of all others


def outcomes(case: Case, start: Profile, profile: Profile, items: Sequence[Item]) -> dict[str, Outcome]:
    """Outcomes of the refined profile and its controls on ``items``, by name."""
    refined, rows = _scored(case, profile, items)
    found = {"refined": refined.model_copy(update={"rows": tuple(map(rounded_row, rows))}), "start": outcome(case, start, items)}
    if case.space is not None:
        population = case.space.population
        found["shrinkage"] = outcome(case, shrunk(population, case.space.rows(case.parts.train)), items)
        found["population"] = outcome(case, shrunk(population, case.space.rows(())), items)
        found["average"] = outcome(case, average(population), items)
        found |= _computed(case, case.space, rows, items)
    found["rewrite"] = _rewritten(case, start, items)
    found["padding"] = outcome(case, padded(start, profile.words), items)
    found["truth"] = outcome(case, with_truth(case, start, items), items)
    return found


def outcome(case: Case, profile: Profile, items: Sequence[Item]) -> Outcome:
    """Play and score one profile on ``items``."""
    return _scored(case, profile, items)[0]


def _scored(case: Case, profile: Profile, items: Sequence[Item]) -> tuple[Outcome, Floats]:
    """The outcome of a profile, and the feature rows ``[n, d]`` of its dialogues."""
    leak = case.exposed(profile.text()).score
    none = np.empty((0, len(features.names())))
    try:
        played = case.played(profile, items, "judged")
    except BudgetError as error:
        return Outcome(profile=profile, leak=leak, reason=str(error)), none
    found = score_items(case.kind, items, played, case.space)
    others = secondary_measures(case.kind, played, case.settings.measures)
    rows = fingerprint_rows(played) if case.kind == "dialogue" else None
    if rows is None or case.space is None:
        return Outcome(profile=profile, values=tuple(found.values()), beside=others, leak=leak), none
    points = case.space.points(rows)
    shown = tuple(map(float, rows[:, : features.fingerprint_size()].mean(axis=0)))
    others |= distance_measures(points, case.space.rows(items), case.space)
    known = _recognition(case, points)
    return Outcome(profile=profile, values=tuple(found.values()), beside=others, leak=leak, shown=shown, **known), rows


def _recognition(case: Case, points: Floats, *, real: bool = False) -> dict[str, Any]:
    found = case.lineup
    return {} if found is None else {"recognized": found.recognized(points, real=real), "nearer": found.nearer(points)}


def rounded_row(row: Floats) -> tuple[float | None, ...]:
    """A row [d] as results store it: four significant digits, None for missing values."""
    return tuple(None if np.isnan(value) else float(f"{value:.4g}") for value in row)


def _computed(case: Case, space: FeatureSpace, rows: Floats, items: Sequence[Item]) -> dict[str, Outcome]:
    """The controls that are not profiles, as points ``[k, d]`` in place of simulated dialogues."""
    truths = space.points(space.rows(items))
    own = space.points(space.rows([*case.parts.train, *case.parts.dev]))
    whole = space.population.whole
    sampled = space.points(whole[:: max(1, -(-len(whole) // _SAMPLED))])
    found: dict[str, Outcome] = {"crowd": Outcome(values=tuple(map(float, scores.energy_scores(sampled, truths))))}
    if len(rows):
        mean = space.points(rows).mean(axis=0, keepdims=True)
        found["constant"] = Outcome(values=tuple(map(float, scores.energy_scores(mean, truths))), **_recognition(case, mean))
    if case.parts.test and len(own):
        found["own"] = Outcome(values=tuple(map(float, scores.own_score(own, truths))), **_recognition(case, own, real=True))
    else:
        found["own"] = Outcome(reason="there is no other dialogue of the person")
    return found


def curve(case: Case) -> tuple[LearningCurvePoint, ...]:
    """Learning curve: shrinkage alone from the first 1, 2, 3 and 5 items, as far as there are so many, if whole dialogues are played."""
    space = case.space
    if space is None or not space.whole or not case.parts.test:
        return ()
    rows = space.rows(case.parts.train)
    return tuple(_curve_point(case, space, rows, count) for count in CURVE if count <= len(rows))


def _curve_point(case: Case, space: FeatureSpace, rows: Floats, count: int) -> LearningCurvePoint:
    """From fewer items by half as many role-plays, which the score is no worse for on average."""
    whole, items = count == len(rows), case.judged
    profile = shrunk(space.population, rows[:count])
    samples = case.settings.samples if whole else max(2, case.settings.samples // 2)
    played = case.roles.player.play(profile, items, samples, seed_of(case.settings.seed, "judged"))
    shown = fingerprint_rows(played)
    known = case.lineup.recognized(space.points(shown)) if shown is not None and case.lineup is not None else None
    return LearningCurvePoint(items=count, value=score_items(case.kind, items, played, space).value, recognized=known)


def _rewritten(case: Case, start: Profile, items: Sequence[Item]) -> Outcome:
    if case.roles.rewrite is None:
        return Outcome(reason="a rewrite in one call needs a model that refines")
    try:
        made = case.roles.rewrite(start, case.parts.train)
    except BudgetError as error:
        return Outcome(reason=str(error))
    return Outcome(reason=made.reason) if isinstance(made, Refused) else outcome(case, made, items)


def padded(start: Profile, words: int) -> Profile:
    """The profile with sentences of no content appended up to about ``words`` words."""
    claims: list[Claim] = []
    for sentence in cycle(content.toml("fitness", "refine/padding.toml")["sentences"]):
        if start.words + sum(claim.words for claim in claims) >= words:
            break
        claims.append(Claim(text=sentence))
    return start.updated("background", *start.sections["background"], *claims)


def with_truth(case: Case, start: Profile, items: Sequence[Item]) -> Profile:
    """The profile with the test items themselves pasted in, as text and as dials: an upper bound."""
    pasted, left = [], _MOST_TRUTH
    for text in (text for item in items for text in item.texts()):
        if left <= 0:
            break
        pasted.append(Claim(text=text[:left]))
        left -= len(text)
    profile = start.updated("knowledge", *start.sections["knowledge"], *pasted)
    rows = case.space.rows(items) if case.space is not None else ()
    if isinstance(rows, tuple) or not len(rows):
        return profile
    return profile.with_dials(as_dials(features.mean_of(rows)))
