"""Evaluate the dialogues of a stress test (likeness to people, success by kind of user and by behavior), and print the report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from personaevo import definitions
from personaevo.judge.discriminator import FOLDS, Negatives, train
from personaevo.measure.fingerprint import Feature
from personaevo.measure.rates import benjamini_hochberg
from personaevo.records import Floats
from personaevo.reference import Reference
from personaevo.stress.play import StressDialogue
from personaevo.stress.result import CellRate, Contrast, Difference, Likeness, Rate, StressResult

MIN_GROUP = 5  # users in each group of a contrast
MIN_CONTROL = 20  # persona-free dialogues to train a judge
_WORST = 3
_EMBEDDED = "users are the embedded engine, a test bed; play them by a model (role user) to learn about real use"
_NO_SUCCESS = "no user left content: embedded users do when the agent asks 'Is there anything else?'; or give a check of your own"


def conclude(
    agent: str, settings: dict[str, Any], talks: Sequence[StressDialogue], control: Sequence[StressDialogue], people: Reference | None,
    notes: list[str],
) -> StressResult:
    """The result of a stress test; without ``people`` there is no P(human)."""
    likeness = None
    if people is not None:
        talks, control, likeness = _judged(talks, control, people, int(settings["seed"]))
        if likeness is None:
            needs = f"{MIN_CONTROL} completed persona-free dialogues on {FOLDS} tasks, and one with a persona"
            notes = [*notes, f"no P(human): its judge needs at least {needs}"]
    if settings["user"] == "embedded":
        notes = [*notes, _EMBEDDED]
        if settings["success"] != "own check" and not any(talk.success for talk in (*talks, *control)):
            notes.append(_NO_SUCCESS)
    return StressResult(
        agent, settings, tuple(talks), tuple(control), _by_cell(talks), _by_behavior(talks), likeness, _to_read(talks), tuple(notes)
    )


def _judged(
    talks: Sequence[StressDialogue], control: Sequence[StressDialogue], people: Reference, seed: int
) -> tuple[Sequence[StressDialogue], Sequence[StressDialogue], Likeness | None]:
    """Add P(human) to the dialogues, by a judge trained on people against this agent's persona-free users."""
    done = [talk for talk in control if talk.episode.state == "completed"]
    shown = [talk for talk in talks if talk.episode.state == "completed"]
    tasks = [talk.task.id for talk in done]
    if len(done) < MIN_CONTROL or len(set(tasks)) < FOLDS or not shown:
        return talks, control, None
    free = Negatives(np.array([talk.episode.fingerprint for talk in done]), tuple(tasks))
    judge = train(people.values, people.people, {"persona_free": free}, seed)
    scores = judge.score(np.array([talk.episode.fingerprint for talk in shown]))
    p_human = {talk.id: float(p) for talk, p in zip([*shown, *done], [*scores, *judge.negatives_p["persona_free"]], strict=True)}
    likeness = Likeness(float(judge.people_p.mean()), float(scores.mean()), float(judge.negatives_p["persona_free"].mean()))
    sides = ([replace(one, episode=replace(one.episode, p_human=p_human.get(one.id))) for one in side] for side in (talks, control))
    return next(sides), next(sides), likeness


def _by_cell(talks: Sequence[StressDialogue]) -> tuple[CellRate, ...]:
    """Success with each kind of user, the lowest first; kinds without played dialogues come last."""
    cells: dict[int, list[StressDialogue]] = defaultdict(list)
    names: dict[int, str] = {}
    for talk in talks:
        if talk.persona is not None:
            cells[talk.persona.cell].append(talk)
            names[talk.persona.cell] = talk.persona.cell_name
    rates = [CellRate(cell, names[cell], Rate.of(met)) for cell, met in sorted(cells.items())]
    return tuple(sorted(rates, key=lambda one: 2.0 if one.success.mean is None else one.success.mean))


def _by_behavior(talks: Sequence[StressDialogue]) -> tuple[Contrast, ...]:
    """Success by the users' earlier behavior; behaviors in which too few users differ are left out."""
    played = [talk for talk in talks if talk.ending != "not played"]
    contrasts = [one for feature in definitions.features().features if (one := _contrast(feature, played)) is not None]
    adjusted = benjamini_hochberg([one.difference.p for one in contrasts])
    compared = [replace(one, q=q) for one, q in zip(contrasts, adjusted, strict=True)]
    return tuple(sorted(compared, key=lambda one: one.difference.p))


def _contrast(feature: Feature, talks: Sequence[StressDialogue]) -> Contrast | None:
    known = [(value, talk) for talk in talks if (value := _shown(talk, feature.name)) is not None]
    bounds = _thirds(np.array([value for value, _ in known]))
    if bounds is None:
        return None
    low_to, high_from = bounds
    low, high = [talk for value, talk in known if value <= low_to], [talk for value, talk in known if value >= high_from]
    difference = Difference.of(high, low) if min(len(low), len(high)) >= MIN_GROUP else None
    if difference is None:
        return None
    return Contrast(feature.name, feature.high, feature.low, low_to, high_from, Rate.of(low), Rate.of(high), difference, 1.0)


def _thirds(values: Floats) -> tuple[float, float] | None:
    """The end of the lower third and the start of the upper third. If a third or more have the same value (often 0), they are compared with
    the larger side of the others. None if all values are the same."""
    if not len(values) or values.min() == values.max():
        return None
    low_to, high_from = map(float, np.quantile(values, [1 / 3, 2 / 3]))
    if low_to < high_from:
        return low_to, high_from
    above, below = values[values > low_to], values[values < low_to]
    return (low_to, float(above.min())) if len(above) >= len(below) else (float(below.max()), high_from)


def _shown(talk: StressDialogue, feature: str) -> float | None:
    """The persona's measured value of a feature, else its dial; None if neither is known."""
    persona = talk.persona
    if persona is None:
        return None
    return persona.measured.get(feature, persona.dials.get(feature))


def _to_read(talks: Sequence[StressDialogue]) -> tuple[StressDialogue, ...]:
    """The worst dialogues (failures with the highest P(human), of different kinds of user) and the best success."""
    likely = sorted((talk for talk in talks if talk.ending != "not played"), key=lambda talk: (-(talk.episode.p_human or 0.0), talk.id))
    failed = [talk for talk in likely if not talk.success]
    kinds: dict[int | None, StressDialogue] = {}
    for talk in failed:
        kinds.setdefault(talk.persona.cell if talk.persona else None, talk)
    first = list(kinds.values())
    worst = [*first, *(talk for talk in failed if talk not in first)][:_WORST]
    return (*worst, *[talk for talk in likely if talk.success][:1])
