"""Calibrates a simulated user: how closely a model follows dials and plans, and whether correcting the requests brings it closer.

    choose the wording    a few dialogues with each, on the same dials
    fit                   dialogues over the space of dials: a line of shown against asked values for each behavior
    check                 other dials and tasks: each dialogue without and with the inverse of the lines, from the same seed
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np

from personaevo import definitions
from personaevo.chat import ChatModel
from personaevo.definitions import Domain
from personaevo.errors import InputError, ReplyError
from personaevo.measure.fingerprint import words_of
from personaevo.measure.stats import bootstrap_weights, paired_difference, rate_interval, sobol
from personaevo.programs.personas import compose_policy
from personaevo.records import Episode, Floats, Persona, PlanItem, Task, Wording
from personaevo.simulate.curves import FEWEST, Calibration, Curve, fit, prompt_digest, to_scale
from personaevo.simulate.episodes import MakeAgent, measured, run_episode
from personaevo.simulate.model_voice import AS_AGENT, GRAVE, model_user
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


Interval = tuple[float, float, float]  # the mean, and its 95 % interval
_TAILS = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Adherence:
    """Adherence in completed dialogues; all intervals are over dialogues.

    ``broke``, ``grave``, ``invented``, ``leaked`` and ``agent`` are shares of the user's turns: those that broke their plan in any point or
    in a grave one, invented a number, told a fact that was not due, or spoke as the agent. ``points`` has the share of turns for every
    point that was broken. ``confused`` is the rate of turns that sound like the agent minus the asked rate (the behavior
    ``identity_confusion_rate``). ``ends`` is the share of dialogues that end before the turn limit, ``words`` are words per turn.
    """

    completed: int
    planned: int
    turns: int
    broke: Interval
    grave: Interval
    invented: Interval
    leaked: Interval
    agent: Interval
    points: Mapping[str, float]
    confused: Interval
    preservation: Interval
    ends: Interval
    words: Interval


def conduct(episodes: Sequence[Episode], asked: Sequence[Mapping[str, float]]) -> Adherence:
    """The adherence in measured episodes, at least one of them completed; ``asked`` has the dials of each."""
    pairs = [(one, dials) for one, dials in zip(episodes, asked, strict=True) if one.state == "completed"]
    done = [one for one, _ in pairs]
    owners, broken = _turns(done)
    texts = [words_of([text for role, text in one.turns if role == "user"]) for one in done]
    words, turns = ([float(size(one)) for one in texts] for size in (lambda one: sum(map(len, one)), len))
    ones, place = np.ones(len(done)), definitions.features().names.index(AS_AGENT)
    confused = [one.fingerprint[place] - dials.get(AS_AGENT, 0.0) for one, dials in pairs]

    def share(kinds: AbstractSet[str]) -> Interval:
        return rate_interval([bool(points & kinds) for points in broken], owners)

    kinds = sorted({kind for points in broken for kind in points})
    return Adherence(
        completed=len(done), planned=len(episodes), turns=len(broken), broke=share(set(kinds)), grave=share(GRAVE),
        invented=share({"invented"}), leaked=share({"leak"}), agent=share({"agent"}), points={kind: share({kind})[0] for kind in kinds},
        confused=ratio(np.array(confused), ones), preservation=ratio(np.array([one.preservation for one in done]), ones),
        ends=rate_interval([one.outcome != "turn_limit" for one in done], [str(number) for number in range(len(done))]),
        words=ratio(np.array(words), np.array(turns)),
    )  # fmt: skip


def _turns(done: Sequence[Episode]) -> tuple[list[str], list[frozenset[str]]]:
    """For every turn of the users: the number of its dialogue, and the points in which it broke its plan."""
    owners, broken = [], []
    for number, one in enumerate(done):
        points = {turn: frozenset(kinds) for turn, kinds in one.broke}
        count = sum(role == "user" for role, _ in one.turns)
        owners += [str(number)] * count
        broken += [points.get(turn, frozenset()) for turn in range(1, count + 1)]
    return owners, broken


def ratio(above: Floats, below: Floats) -> Interval:
    """The sum of ``above[n]`` over that of ``below[n]`` with its percentile bootstrap interval over the n dialogues."""
    mean = float(above.sum() / below.sum())
    if len(above) < 2:
        return mean, mean, mean
    weights = bootstrap_weights(len(above))
    low, high = np.quantile((weights @ above) / (weights @ below), _TAILS)
    return mean, float(low), float(high)


EMBEDDED = "embedded"
WORDINGS: tuple[Wording, ...] = ("draft", "direction")
TRIED = 6  # dialogues with each wording
_ALIKE = 0.05  # difference in grave breaks per turn that does not decide between wordings
_NO_PROMPT = "n/a"  # of the embedded engine

PlayAll = Callable[[Sequence[Job]], list[Episode]]


@dataclass(frozen=True, slots=True)
class Tried:
    """The results of a wording in the dialogues for the choice: grave breaks per turn, and the mean distance of shown from asked values in
    standard deviations of the design. None if no dialogue completed."""

    wording: Wording
    completed: int
    grave: float | None
    distance: float | None


@dataclass(frozen=True, slots=True)
class Gain:
    """For one behavior: the mean distance of shown from asked values, in standard deviations of the design, without (``before``) and with
    the inverse (``after``); ``gain`` is before - after over pairs of dialogues; ``slope`` and ``slope_before`` are those of the check."""

    before: float
    after: float
    gain: Interval
    slope_before: float
    slope: float


@dataclass(frozen=True, slots=True)
class Check:
    """The gain of the inverse on held-out dials and tasks: by dial, and as the mean over dials (``overall``)."""

    pairs: int
    planned: int
    gains: Mapping[str, Gain]
    overall: Gain
    after: Adherence


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, the data of the fit (``asked[n, d]`` and ``shown[n, d]`` on the scales of the dials ``names``), the adherence of users
    in these dialogues, the results of the wordings, and the check of the inverse (None: not checked)."""

    calibration: Calibration
    names: tuple[str, ...]
    asked: Floats
    shown: Floats
    conduct: Adherence
    tried: tuple[Tried, ...]
    check: Check | None


def calibrate(
    model: str, play: PlayAll, tasks: Mapping[str, Sequence[Task]], domain: Domain, *, dialogues: int = 60, check: int = 20,
    wording: Wording | None = None, seed: int = 0,
) -> Calibrated:  # fmt: skip
    """Calibrate the user that ``play`` plays.

    Args:
        model: its name; "embedded" has no choice of wording.
        play: plays jobs; returns their measured episodes, in order.
        tasks: those of "train" for the fit, those of "test" for the check.
        dialogues, check: numbers of dialogues, at least 4; ``check=0`` skips the check.
        wording: "draft" or "direction"; None lets six dialogues with each decide (see ``better``), which also count for the fit.

    Raises:
        InputError: fewer than four dialogues completed.
    """
    planned = trials(tasks["train"], dialogues, domain, seed, "calibrate")
    first, tried = _chosen(model, play, planned, wording)
    chosen = wording or (first[0] if first else "draft")
    known = first[1] if first else []
    episodes = [*known, *play([Job(trial, chosen) for trial in planned[len(known) :]])]
    asked, shown = _matrices(planned, episodes)
    if len(asked) < FEWEST:
        reason = next((one.reason for one in episodes if one.reason), "none was played")
        raise InputError(f"{len(asked)} of {len(episodes)} dialogues completed, at least {FEWEST} are needed for a line: {reason}")
    names = definitions.features().names
    curves = {name: fit(asked[:, place], shown[:, place]) for place, name in enumerate(names) if asked[:, place].std() > 0}
    calibration = Calibration(model, chosen, _NO_PROMPT if model == EMBEDDED else prompt_digest(chosen), curves)
    behaved = conduct(episodes, [trial.dials for trial in planned])
    checked = _checked(play, trials(tasks["test"], check, domain, seed, "check"), calibration) if check else None
    return Calibrated(calibration, names, asked, shown, behaved, tried, checked)


# --- choice of the wording


def _chosen(
    model: str, play: PlayAll, planned: Sequence[Trial], wording: Wording | None
) -> tuple[tuple[Wording, list[Episode]] | None, tuple[Tried, ...]]:
    """The better wording with its dialogues, and the results of both; None and () if there is no choice."""
    if wording is not None or model == EMBEDDED:
        return None, ()
    few = planned[:TRIED]
    played = play([Job(trial, one) for one in WORDINGS for trial in few])
    parts = {one: played[place * len(few) : (place + 1) * len(few)] for place, one in enumerate(WORDINGS)}
    tried = tuple(_tried(one, few, episodes) for one, episodes in parts.items())
    best = better(*tried)
    return (best.wording, parts[best.wording]), tried


def _tried(wording: Wording, few: Sequence[Trial], episodes: Sequence[Episode]) -> Tried:
    asked, shown = _matrices(few, episodes)
    if not len(asked):
        return Tried(wording, 0, None, None)
    spread = _asked(few).std(axis=0)
    varied = spread > 0
    distance = float((np.abs(shown - asked)[:, varied] / spread[varied]).mean()) if varied.any() else 0.0
    return Tried(wording, len(asked), conduct(episodes, [trial.dials for trial in few]).grave[0], distance)


def better(first: Tried, second: Tried) -> Tried:
    """The better wording: with more completed dialogues; of equals, with fewer grave breaks (invented, leaked or missing facts, the goal
    not said, the agent's words) if they differ by more than 5 in 100 turns; else with shown values closer to the asked ones. On ties the
    first."""
    if first.completed != second.completed:
        return max(first, second, key=lambda one: one.completed)
    if first.grave is None or second.grave is None or first.distance is None or second.distance is None:
        return first
    if abs(first.grave - second.grave) > _ALIKE:
        return first if first.grave < second.grave else second
    return first if first.distance <= second.distance else second


# --- asked and shown


def _matrices(planned: Sequence[Trial], episodes: Sequence[Episode]) -> tuple[Floats, Floats]:
    """Asked and shown of the completed episodes, ``[n, d]`` each, on the dials' scales."""
    done = [(trial, one) for trial, one in zip(planned, episodes, strict=True) if one.state == "completed"]
    return _asked([trial for trial, _ in done]), _scaled([one.fingerprint for _, one in done])


def _asked(planned: Sequence[Trial]) -> Floats:
    names = definitions.features().names
    return _scaled([[trial.dials[name] for name in names] for trial in planned])


def _scaled(rows: Sequence[Sequence[float]]) -> Floats:
    names = definitions.features().names
    values = [[to_scale(name, value) for name, value in zip(names, row, strict=True)] for row in rows]
    return np.array(values, dtype=float).reshape(len(rows), len(names))


# --- the check


def _checked(play: PlayAll, planned: Sequence[Trial], calibration: Calibration) -> Check | None:
    """Play every trial without and with the inverse; None if fewer than two pairs completed."""
    wording = calibration.wording
    played = play([Job(trial, wording, inverse) for inverse in (None, calibration) for trial in planned])
    plain, inverted = played[: len(planned)], played[len(planned) :]
    both = [index for index, pair in enumerate(zip(plain, inverted, strict=True)) if all(one.state == "completed" for one in pair)]
    if len(both) < 2:
        return None
    asked, before = _matrices([planned[index] for index in both], [plain[index] for index in both])
    _, after = _matrices([planned[index] for index in both], [inverted[index] for index in both])
    places = [(name, place) for place, name in enumerate(definitions.features().names) if name in calibration.curves]
    spreads = np.array([calibration.curves[name].spread for name, _ in places])
    chosen = [place for _, place in places]
    missed, left = (np.abs(shown - asked)[:, chosen] / spreads for shown in (before, after))
    lines = [(_slope(asked[:, place], before[:, place]), _slope(asked[:, place], after[:, place])) for place in chosen]
    gains = {name: _gain(missed[:, at], left[:, at], *lines[at]) for at, (name, _) in enumerate(places)}
    overall = _gain(missed.mean(axis=1), left.mean(axis=1), *map(float, np.array(lines).mean(axis=0)))
    return Check(len(both), len(planned), gains, overall, conduct(inverted, [trial.dials for trial in planned]))


def _gain(missed: Floats, left: Floats, slope_before: float, slope: float) -> Gain:
    """The gain from the distances of each pair of dialogues."""
    return Gain(float(missed.mean()), float(left.mean()), paired_difference(list(missed), list(left)), slope_before, slope)


def _slope(asked: Floats, shown: Floats) -> float:
    """The slope of shown against asked values; 0 if the asked values do not vary."""
    centered = asked - asked.mean()
    squares = float((centered**2).sum())
    return float((centered * shown).sum()) / squares if squares > 0 else 0.0


def line_of(calibrated: Calibrated, name: str) -> tuple[Curve, Floats, Floats]:
    """A dial's curve with the asked and shown values of its fit, ``[n]`` each, on the dial's scale."""
    place = calibrated.names.index(name)
    return calibrated.calibration.curves[name], calibrated.asked[:, place], calibrated.shown[:, place]
