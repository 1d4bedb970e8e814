"""What a refined profile is measured beside.

Played, each once, at the end, on the test items, with the same seeds: the start, shrinkage alone, the population, the average person, a
one-call rewrite, padding, and the ground truth. Computed: one constant dialogue (the mean of the refined profile's, again and again), the
others' own dialogues in place of a profile, and the person's own other dialogues, the ceiling. Other people's refined profiles are added
when all people are done (``summary``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from personaevo.refine.population import Yardstick
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.result import Outcome, Step
from personaevo.refine.roles import Refused
from personaevo.refine.scoring import beside, distances_beside, rows_of, sheet
from personaevo.simulate.seeds import seed_of

CURVE = (1, 2, 3, 5)  # items of a person, for what so many tell
_MOST_TRUTH = 20_000  # characters of a ground truth that is pasted in
_CROWD = 300  # dialogues of others that stand for all of them


def outcomes(case: Case, start: Profile, profile: Profile, items: Sequence[Item]) -> dict[str, Outcome]:
    """The refined profile and its controls on ``items``, by name."""
    refined, rows = _played(case, profile, items)
    found = {"refined": refined.model_copy(update={"rows": tuple(map(stored, rows))}), "start": outcome(case, start, items)}
    if case.yardstick is not None:
        population = case.yardstick.population
        found["shrinkage"] = outcome(case, shrunk(population, case.yardstick.rows(case.parts.train)), items)
        found["population"] = outcome(case, shrunk(population, case.yardstick.rows(())), items)
        found["average"] = outcome(case, average(population), items)
        found |= _computed(case, case.yardstick, rows, items)
    found["rewrite"] = _rewritten(case, start, items)
    found["padding"] = outcome(case, padded(start, profile.words), items)
    found["truth"] = outcome(case, with_truth(case, start, items), items)
    return found


def outcome(case: Case, profile: Profile, items: Sequence[Item]) -> Outcome:
    """One profile on the items it is judged by."""
    return _played(case, profile, items)[0]


def _played(case: Case, profile: Profile, items: Sequence[Item]) -> tuple[Outcome, Floats]:
    """Its outcome, and what its dialogues showed ``[n, d]``."""
    leak = case.exposed(profile.text()).score
    none = np.empty((0, len(features.names())))
    try:
        played = case.played(profile, items, "judged")
    except BudgetError as error:
        return Outcome(profile=profile, leak=leak, reason=str(error)), none
    found = sheet(case.kind, items, played, case.yardstick)
    others = beside(case.kind, played, case.settings.measures)
    rows = rows_of(played) if case.kind == "dialogue" else None
    if rows is None or case.yardstick is None:
        return Outcome(profile=profile, values=tuple(found.values()), beside=others, leak=leak), none
    points = case.yardstick.points(rows)
    shown = tuple(map(float, rows[:, : features.plain()].mean(axis=0)))
    others |= distances_beside(points, case.yardstick.rows(items), case.yardstick)
    known = _recognition(case, points)
    return Outcome(profile=profile, values=tuple(found.values()), beside=others, leak=leak, shown=shown, **known), rows


def _recognition(case: Case, points: Floats, *, real: bool = False) -> dict[str, Any]:
    found = case.lineup
    return {} if found is None else {"recognized": found.recognized(points, real=real), "nearer": found.nearer(points)}


def stored(row: Floats) -> tuple[float | None, ...]:
    """A row [d] as results keep it: four digits, None for what is missing."""
    return tuple(None if np.isnan(value) else float(f"{value:.4g}") for value in row)


def _computed(case: Case, yardstick: Yardstick, rows: Floats, items: Sequence[Item]) -> dict[str, Outcome]:
    """The controls that are no profile: points ``[k, d]`` that stand for simulated dialogues."""
    truths = yardstick.points(yardstick.rows(items))
    own = yardstick.points(yardstick.rows([*case.parts.train, *case.parts.dev]))
    whole = yardstick.population.whole
    crowd = yardstick.points(whole[:: max(1, -(-len(whole) // _CROWD))])
    found: dict[str, Outcome] = {"crowd": Outcome(values=tuple(map(float, scores.energy_scores(crowd, truths))))}
    if len(rows):
        mean = yardstick.points(rows).mean(axis=0, keepdims=True)
        found["constant"] = Outcome(values=tuple(map(float, scores.energy_scores(mean, truths))), **_recognition(case, mean))
    if case.parts.test and len(own):
        found["own"] = Outcome(values=tuple(map(float, scores.own_score(own, truths))), **_recognition(case, own, real=True))
    else:
        found["own"] = Outcome(reason="there is no other dialogue of the person")
    return found


def curve(case: Case) -> tuple[Step, ...]:
    """What shrinkage alone comes to from the first 1, 2, 3 and 5 items, as far as there are so many, where whole dialogues are played."""
    yardstick = case.yardstick
    if yardstick is None or not yardstick.whole or not case.parts.test:
        return ()
    rows = yardstick.rows(case.parts.train)
    return tuple(_step(case, yardstick, rows, count) for count in CURVE if count <= len(rows))


def _step(case: Case, yardstick: Yardstick, rows: Floats, count: int) -> Step:
    """From fewer items by half as many role-plays, which the score is no worse for on average."""
    whole, items = count == len(rows), case.judged
    profile = shrunk(yardstick.population, rows[:count])
    samples = case.settings.samples if whole else max(2, case.settings.samples // 2)
    played = case.roles.player.play(profile, items, samples, seed_of(case.settings.seed, "judged"))
    shown = rows_of(played)
    known = case.lineup.recognized(yardstick.points(shown)) if shown is not None and case.lineup is not None else None
    return Step(items=count, value=sheet(case.kind, items, played, yardstick).value, recognized=known)


def _rewritten(case: Case, start: Profile, items: Sequence[Item]) -> Outcome:
    if case.roles.rewrite is None:
        return Outcome(reason="a rewrite in one call needs a model that refines")
    try:
        made = case.roles.rewrite(start, case.parts.train)
    except BudgetError as error:
        return Outcome(reason=str(error))
    return Outcome(reason=made.reason) if isinstance(made, Refused) else outcome(case, made, items)


def padded(start: Profile, words: int) -> Profile:
    """The start with sentences that say nothing, until it has about so many words."""
    claims: list[Claim] = []
    for sentence in cycle(content.toml("fitness", "refine/padding.toml")["sentences"]):
        if start.words + sum(claim.words for claim in claims) >= words:
            break
        claims.append(Claim(text=sentence))
    return start.updated("background", *start.sections["background"], *claims)


def with_truth(case: Case, start: Profile, items: Sequence[Item]) -> Profile:
    """The start with what it will be scored on pasted in, in words and in dials: the ceiling."""
    profile = start.updated("knowledge", *start.sections["knowledge"], *_pasted(items))
    rows = case.yardstick.rows(items) if case.yardstick is not None else ()
    if isinstance(rows, tuple) or not len(rows):
        return profile
    return profile.with_dials(as_dials(features.mean_of(rows)))


def _pasted(items: Sequence[Item]) -> Iterator[Claim]:
    left = _MOST_TRUTH
    for text in (text for item in items for text in item.texts()):
        if left <= 0:
            return
        yield Claim(text=text[:left])
        left -= len(text)
