"""The dialogues of a calibration: a space-filling design of dials, each point played once on a separate task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from personaevo import definitions
from personaevo.chat import ChatModel
from personaevo.definitions import Domain
from personaevo.errors import ReplyError
from personaevo.measure.stats import sobol
from personaevo.programs.personas import compose_policy
from personaevo.records import Episode, Persona, PlanItem, Task, Wording
from personaevo.simulate.curves import Calibration
from personaevo.simulate.episodes import MakeAgent, run_episode
from personaevo.simulate.measuring import measured
from personaevo.simulate.model_voice import model_user
from personaevo.simulate.turns import seed_of

# Plausible ranges, set a priori and not from any corpus. Rates are shares of turns, for people who write eight words a turn or more; in
# shorter turns they are reduced.
_RATES: Mapping[str, tuple[float, float]] = {
    "politeness_rate": (0.0, 0.6), "formality_rate": (0.0, 0.5), "uncertainty_rate": (0.0, 0.5), "certainty_rate": (0.0, 0.5),
    "pushback_rate": (0.0, 0.4), "clarification_rate": (0.0, 0.3), "info_seeking_rate": (0.0, 0.4), "emotion_rate": (0.0, 0.4),
    "accusatory_rate": (0.0, 0.25), "pivot_rate": (0.0, 0.3), "identity_confusion_rate": (0.0, 0.2), "repetition_rate": (0.0, 0.3),
}  # fmt: skip
_ROOMY = 8.0  # words a turn
_WORDS, _CV, _NUMBERS = (2.0, 25.0), (0.2, 1.0), (0.1, 1.2)
_OPENING = (0.4, 2.5)  # times the words of a turn
_SECOND = (0.5, 2.0)
_MOST_OPENING, _FRONT = 40.0, (0.08, 0.8)
_ACKS = 0.7  # of the short turns, at most
_SHORT, _SHORT_MEAN = 4.0, 1.5  # words from which on a turn is not short, and of one that is


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of dials, the task that it is played on, and the seed of the dialogue."""

    task: Task
    item: PlanItem
    dials: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Job:
    """A trial with the wording of the model, and the calibration whose inverse corrects the director's requests."""

    trial: Trial
    wording: Wording
    calibration: Calibration | None = None


def trials(tasks: Sequence[Task], count: int, domain: Domain, seed: int, purpose: str) -> list[Trial]:
    """``count`` trials that cycle through the tasks; equal arguments give equal trials, and fewer trials are a prefix of more. ``purpose``
    gives different designs for one seed."""
    order = sorted(tasks, key=lambda task: seed_of(seed, purpose, task.id))
    designs = design(count, domain, seed_of(seed, purpose, "dials"))
    found = []
    for number, dials in enumerate(designs):
        task = order[number % len(order)]
        found.append(Trial(task, PlanItem(task.id, number, seed_of(seed, purpose, number, "episode")), dials))
    return found


def design(count: int, domain: Domain, seed: int) -> list[dict[str, float]]:
    """``count`` sets of dials, one dial for each feature, spread evenly over the plausible joint ranges, with ``mood_swing`` 0."""
    names = definitions.features().names
    turns = max(float(domain.script.get("expected_turns", 8.0)), 4.0)
    return [_dials(dict(zip(names, map(float, row), strict=True)), turns) for row in sobol(count, len(names), seed)]


def _dials(at: Mapping[str, float], turns: float) -> dict[str, float]:
    """The dials at a point of the unit cube; the dials of length depend on the words of a turn."""
    words = _between(_WORDS, at["words_per_turn"], log=True)
    least = max(0.0, (_SHORT - words) / (_SHORT - _SHORT_MEAN))
    short = least + at["short_rate"] * (1.0 - least) * 0.8 * min(1.0, _SHORT / words)
    opening = min(max(words * _between(_OPENING, at["opening_words"], log=True), 1.0), _MOST_OPENING)
    second = _between(_SECOND, at["front_loading"])
    lengths = {
        "words_per_turn": words, "short_rate": short, "ack_only_rate": at["ack_only_rate"] * _ACKS * short,
        "verbosity_cv": _between(_CV, at["verbosity_cv"]), "opening_words": opening,
        "front_loading": min(max((opening / words + second) / turns, _FRONT[0]), _FRONT[1]),
        "identifiers_per_turn": _between(_NUMBERS, at["identifiers_per_turn"]),
    }  # fmt: skip
    room = min(1.0, words / _ROOMY)
    rates = {name: room * _between(ends, at[name]) for name, ends in _RATES.items()}
    others = {name: definitions.dials()[name].default for name in at if name not in lengths and name not in rates}
    return {**lengths, **rates, **others, "mood_swing": 0.0}


def _between(ends: tuple[float, float], place: float, *, log: bool = False) -> float:
    """The point at ``place`` (0 to 1) of a range, on its logarithms if ``log``."""
    low, high = map(math.log, ends) if log else ends
    value = low + (high - low) * place
    return math.exp(value) if log else value


def play(job: Job, domain: Domain, user: ChatModel | None, make_agent: MakeAgent | None = None) -> Episode:
    """Play and measure the dialogue of a job; ``user`` None is the embedded engine, ``make_agent`` None the scripted agent.

    An unusable reply gives a failed episode; other errors of a model are raised unchanged.
    """
    trial = job.trial
    persona = Persona(id=f"trial {trial.item.slot}", description="", dials=dict(trial.dials), policy=compose_policy({}, trial.dials))
    if user is None and job.calibration is not None:
        persona = persona.model_copy(update={"dials": job.calibration.invert(trial.dials)})
    make_user = None if user is None else model_user(user, job.wording, calibration=job.calibration)
    try:
        episode = run_episode(trial.task, persona, trial.item, domain, make_user=make_user, make_agent=make_agent)
    except ReplyError as error:
        return Episode(item=trial.item, state="failed", persona=persona, reason=str(error), fault="infrastructure")
    return measured([replace(episode, persona=persona)], ())[0]
