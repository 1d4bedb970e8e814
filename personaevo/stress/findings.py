"""Evaluate the dialogues of a stress test (likeness to people, success by kind of user and by behavior), and print the report."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from personaevo import definitions
from personaevo.chat import Role
from personaevo.judge.discriminator import FOLDS, Negatives, train
from personaevo.measure.fingerprint import Feature
from personaevo.measure.stats import benjamini_hochberg
from personaevo.records import Floats
from personaevo.reference import Reference
from personaevo.stress.result import CellRate, Contrast, Difference, Likeness, Rate, StressDialogue, StressResult
from personaevo.text import one_line

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


STANDS_OUT = 0.05  # adjusted p-value up to which a behavior is marked
_FIGURES = 34  # width of the columns of a rate
_CONTRAST = 40  # width of the columns of a contrast
_BEGINNING, _END = 4, 6  # turns of a dialogue to show
_LEAST_SHOWN = 6  # behaviors; more if more stand out
_MOST_REASONS = 4


def stress_text(result: StressResult, width: int = 100) -> str:
    """The whole report; no line is longer than ``width`` (at least 60). Texts of archive, agent and tasks are put on one line each."""
    width = max(60, width)
    rows = [_rate_line(f"  {one_line(one.name) or f'cell {one.cell}'}", one.success, width) for one in result.cells]
    cells = "\n".join([_rate_head("By kind of user", width), *rows])
    parts = [_head(result, width), _overall(result, width), _endings(result, width), cells, _behaviors(result, width)]
    parts += [_wrapped(f"Note: {one_line(note)}.", width) for note in result.notes]
    parts += [_dialogue(talk, width) for talk in result.to_read]
    return "\n\n".join(part for part in parts if part)


def _head(result: StressResult, width: int) -> str:
    settings = result.settings
    users = f"{settings['tasks']} tasks x {settings['personas']} personas from {settings['archive']}"
    how = f"strategy {settings['strategy']}, seed {settings['seed']}, users {settings['user']}"
    where = f", where {settings['where']}" if settings["where"] else ""
    return _wrapped(one_line(f"{result.agent} under {users} ({how}{where})"), width)


def _overall(result: StressResult, width: int) -> str:
    rows = [("personas", result.success)]
    if result.human_like is not None and result.human_like.dialogues:
        rows.append(("  of them human-like", result.human_like))
    if result.persona_free is not None:
        rows.append(("persona-free", result.persona_free))
    lines = [_rate_head("", width), *(_rate_line(name, rate, width) for name, rate in rows)]
    if result.difference is not None:
        low, mean, high = (_points(value) for value in (result.difference.low, result.difference.mean, result.difference.high))
        lines.append(f"{'difference':{width - _FIGURES}}{f'{mean} %':>9}{f'[{low}, {high}]':>13}")
    if result.likeness is not None:
        like = result.likeness
        told = f"P(human): people {like.people:.2f}, personas {like.personas:.2f}, persona-free {like.persona_free:.2f}."
        lines.append(_wrapped(told, width))
    method = "Intervals: 95 %; dialogues about one task count as dependent (Wilson's interval at the effective number of dialogues)."
    return "\n".join([*lines, _wrapped(method, width)])


def _rate_head(name: str, width: int) -> str:
    return f"{name:{width - _FIGURES}}{'success':>9}{'interval':>13}{'dialogues':>12}"


def _rate_line(name: str, rate: Rate, width: int) -> str:
    counts = f"{rate.successes}/{rate.dialogues}"
    if rate.mean is None or rate.low is None or rate.high is None:
        return f"{_cut(name, width - _FIGURES)}{'-':>9}{'not played':>13}{counts:>12}"
    interval = f"[{_percent(rate.low)}, {_percent(rate.high)}]"
    return f"{_cut(name, width - _FIGURES)}{_percent(rate.mean) + ' %':>9}{interval:>13}{counts:>12}"


def _endings(result: StressResult, width: int) -> str:
    ours, theirs = result.endings(result.talks), result.endings(result.control)
    heading = "How they ended"
    free = f"{'persona-free':>14}" if theirs else ""
    lines = [f"{heading:{width - 25}}{'personas':>11}{free}"]
    for ending in dict.fromkeys([*ours, *theirs]):
        control = f"{theirs.get(ending, 0):>14}" if theirs else ""
        lines.append(f"  {ending:{width - 27}}{ours.get(ending, 0):>11}{control}")
    reasons = list(result.failures.items())
    lines += [_wrapped(f"{count} x {one_line(reason)}", width, "    ") for reason, count in reasons[:_MOST_REASONS]]
    if len(reasons) > _MOST_REASONS:
        lines.append(f"    and {len(reasons) - _MOST_REASONS} other reasons")
    return "\n".join(lines)


def _behaviors(result: StressResult, width: int) -> str:
    """Each behavior from the side on which the agent fails more, the lowest p-value first."""
    if not result.behaviors:
        return _wrapped("By behavior: too few users differ enough to compare.", width)
    found = result.behaviors
    if not any(one.difference.mean for one in found):
        return "By behavior: no difference, all dialogues had the same result."
    marked = [one for one in found if one.q <= STANDS_OUT]
    first = width - _CONTRAST
    lines = [f"{'With users who are':{first}}{'most so':>8}{'least so':>9}{'difference':>19}"]
    lines += [_contrast_line(one, first) for one in found[: max(_LEAST_SHOWN, len(marked))]]
    more = f" The other {len(found) - len(lines) + 1} are in --json." if len(found) > len(lines) - 1 else ""
    chance = len(found) * STANDS_OUT
    told = (
        "Compares the thirds of users with the most and the least of a behavior, as measured before or else requested. * significant "
        f"({len(marked)} of {len(found)}; Benjamini-Hochberg, {STANDS_OUT:.0%}); uncorrected, {chance:.1f} would be by chance. "
        f"Behaviors are correlated: an effect of one may be due to another.{more}"
    )
    return "\n".join([*lines, _wrapped(told, width)])


def _contrast_line(one: Contrast, first: int) -> str:
    """The difference as a loss of success: if success rises with the behavior, the line describes the opposite behavior."""
    sides, loss = (one.low, one.high), one.difference
    words = one.low_words
    if loss.mean <= 0:
        sides, words = (one.high, one.low), one.high_words
    else:
        loss = replace(loss, mean=-loss.mean, low=-loss.high, high=-loss.low)
    with_them, others = (_percent(side.mean or 0.0) + " %" for side in sides)
    interval = f"[{_points(loss.low)}, {_points(loss.high)}]"
    mark = " *" if one.q <= STANDS_OUT else ""
    name = f"  {words} ({one.feature})"
    return f"{_cut(name if len(name) < first else f'  {words}', first)}{with_them:>8}{others:>9}{_points(loss.mean):>6}{interval:>13}{mark}"


def _dialogue(talk: StressDialogue, width: int) -> str:
    """A dialogue to read: its user, task, ending, first and last turns."""
    p = talk.episode.p_human
    who = (talk.persona.cell_name if talk.persona else "") or "persona-free"
    like = "" if p is None else f", P(human) {p:.2f}"
    lines = [_wrapped(f"{one_line(talk.id)}: {talk.ending.upper()}. {one_line(who)}{like}; wants to {one_line(talk.task.goal)}", width)]
    turns = [_turn(role, text, width) for role, text in talk.episode.turns]
    if len(turns) > _BEGINNING + _END + 1:
        turns[_BEGINNING:-_END] = [f"  … {len(turns) - _BEGINNING - _END} turns"]
    why = [_wrapped(f"  {one_line(talk.episode.reason)}", width)] if talk.episode.reason else []
    return "\n".join([*lines, *turns, *why])


def _turn(role: Role, text: str, width: int) -> str:
    speaker = f"  {'user' if role == 'user' else 'agent':6}"
    return textwrap.fill(one_line(text), width, initial_indent=speaker, subsequent_indent=" " * 8) or speaker


def _wrapped(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=f"{indent}  ")


def _cut(text: str, width: int) -> str:
    """The text cut or padded to exactly ``width`` characters, the last one a blank."""
    return f"{text if len(text) < width else text[: width - 2] + '…':{width}}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _points(share: float) -> str:
    return f"{100 * share:+.0f}"
