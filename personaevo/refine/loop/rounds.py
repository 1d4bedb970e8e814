"""The refinement loop of one person, and the correction for systematic effects of the player.

The loop:

    play train → analyze → candidates → leakage guard → score → accept the best if it holds on dev (and train) → repeat
    once, at the end: score the result and its controls on test

This is DPRF (arXiv 2510.14205) with a leakage guard and acceptance on behavior that an update was not made from. ``Settings.paper`` is DPRF
as published: scored on the training items, every version taken, the last returned.

The correction: role-plays may deviate from the dials in the same way for everyone (a domain's tasks may bring longer turns than the dial
asks for). One person's role-plays are too few to estimate this; the population's profile shows the same deviation. It is cross-fitted:
people are split in two halves, and each half's correction is estimated and tested on the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from personaevo.errors import BudgetError, ReplyError
from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.items.behavior import DialogueItem, Item, Parts
from personaevo.refine.leakage.guard import LeakReport, apply_policy
from personaevo.refine.loop.scoring import Decision, ScoreSheet, Trial, decide, fingerprint_rows, score_groups, score_items
from personaevo.refine.profile import Profile
from personaevo.refine.records import History, Score, Settings, Stop
from personaevo.refine.roles.base import Analysis, Analyst, Player, Refiner, Refused, RolePlay, dial_targets, moved_dials
from personaevo.refine.roles.population import GROUPS, FeatureSpace, Lineup, Population, shrunk, spread_dials
from personaevo.simulate.turns import seed_of

_MANY = 5  # multiple of the role-plays for one person
_STEPS = 2
_SHARE = 0.25  # of the shortfall corrected in a step; below 1, as people differ from the average
_LEAST = 0.05  # lower bound of a spread dial in a ratio
_ITEM = DialogueItem(id="population", turns=())


@dataclass(frozen=True)
class PlayerBias:
    """Correction of dials that is the same for everyone.

    Attributes:
        offsets: added to dials, in their units.
        factors: multiply spread dials.
        gain: improvement on other people; above ``noise``.
    """

    offsets: Mapping[str, float]
    factors: Mapping[str, float]
    gain: float
    noise: float

    def corrected(self, profile: Profile) -> Profile:
        """The profile with its dials corrected, within their ranges."""
        table = features.dials()
        moves = {name: value + self.offsets[name] for name, value in profile.dials.items() if name in self.offsets}
        moves |= {name: value * self.factors[name] for name, value in profile.dials.items() if name in self.factors}
        return profile.with_dials({name: min(max(value, table[name].low), table[name].high) for name, value in moves.items()})


def estimate_bias(player: Player, others: Population, samples: int, seed: int) -> PlayerBias | None:
    """Estimate the correction on these other people; None if it does not improve on new role-plays against their own dialogues."""
    space = FeatureSpace(others, Parts(()), whole=True)
    start = profile = shrunk(others, space.rows(()))
    no_dialogue = np.full((1, len(features.names())), np.nan)
    for step in range(_STEPS):
        plays = player.play(profile, [_ITEM], _MANY * samples, seed_of(seed, "common", step))
        targets, shown = dial_targets(space, no_dialogue, plays, profile)
        profile = profile.with_dials(moved_dials(profile, targets, shown, _SHARE, others.center))
    held = seed_of(seed, "common", "held")
    before, after = (_sheet(player, one, space, _MANY * samples, held) for one in (start, profile))
    verdict = decide(Trial(before), [Trial(after)], held)
    if not verdict.accepted or verdict.gain is None:
        return None
    spreads = [name for name in spread_dials() if name in start.dials and name in profile.dials]
    factors = {name: max(profile.dials[name], _LEAST) / max(start.dials[name], _LEAST) for name in spreads}
    offsets = {name: profile.dials[name] - value for name, value in start.dials.items() if name not in factors}
    return PlayerBias(offsets, factors, verdict.gain, verdict.noise)


def _sheet(player: Player, profile: Profile, space: FeatureSpace, samples: int, seed: int) -> ScoreSheet:
    """Scores against the dialogues of all people, grouped by person: groups are what is resampled."""
    rows = fingerprint_rows(player.play(profile, [_ITEM], samples, seed))
    points = space.points(space.population.whole)
    owners = np.unique(space.population.people, return_inverse=True)[1] % GROUPS
    return score_groups(rows, [points[owners == group] for group in np.unique(owners)], space)


_EXPECTED = 6  # dialogues in each simulated group, if there is no dev
_TAKEN = "the published protocol takes every version"
_COMMON = "what the engine shows other than asked, with everybody"
_TRIED = "nothing new: the profile as it is, or one that was tried before"


@dataclass(frozen=True)
class Roles:
    """The three roles; ``rewrite`` makes the one-call control (None without a model as refiner)."""

    player: Player
    analyst: Analyst
    refiner: Refiner
    rewrite: Callable[[Profile, Sequence[Item]], Profile | Refused] | None = None


@dataclass(frozen=True)
class Case:
    """All that stays the same while one person is refined.

    Attributes:
        kind: the kind of item that decides (``kind_of``).
        space: features of the person's dialogues; None if dialogues do not decide.
        check: leaks of an update, from any item, beyond the initial profile.
        exposed: all leaks of a profile.
        bias: correction of dials that is the same for everyone.
    """

    parts: Parts
    kind: str
    space: FeatureSpace | None
    roles: Roles
    settings: Settings
    check: Callable[[str], LeakReport]
    exposed: Callable[[str], LeakReport]
    bias: PlayerBias | None = None

    @property
    def expects(self) -> bool:
        """Whether updates are judged by simulated dialogues of the person: if whole dialogues are played and there is no dev."""
        return not self.parts.dev and self.space is not None and self.space.whole

    @cached_property
    def others(self) -> list[Floats] | None:
        """Simulated groups of other items of the person, as points; None if these cannot be simulated."""
        if self.space is None or not self.space.whole:
            return None
        size = _EXPECTED if self.expects else len(self.parts.dev)
        return self.space.others(self.parts.train, size, seed_of(self.settings.seed, "others"))

    @property
    def judged(self) -> tuple[Item, ...]:
        """The items that the result is scored on: test, or train if there is no test."""
        return tuple(item for item in self.parts.test or self.parts.train if item.kind == self.kind)

    @cached_property
    def lineup(self) -> Lineup | None:
        """The person's scored items among those of other people; None if other people have none."""
        if self.space is None:
            return None
        population, typical = self.space.population, None
        if self.space.whole:
            typical = fingerprint_rows(self.played(shrunk(population, self.space.rows(())), self.judged, "judged"))
        return Lineup.of(population, self.space.rows(self.judged), typical)

    @property
    def noise_seed(self) -> int:
        """Seed of the bootstrap."""
        return seed_of(self.settings.seed, "noise")

    def played(self, profile: Profile, items: Sequence[Item], purpose: str) -> list[RolePlay]:
        """Role-plays whose seeds depend only on the purpose ("made" or "judged"): common random numbers for all profiles."""
        chosen = [item for item in items if item.kind == self.kind]
        return self.roles.player.play(profile, chosen, self.settings.samples, seed_of(self.settings.seed, purpose))

    def scored(self, profile: Profile, items: Sequence[Item], purpose: str) -> ScoreSheet:
        """Scores of the profile's role-plays on the items."""
        return score_items(self.kind, items, self.played(profile, items, purpose), self.space)

    def tried(self, profile: Profile) -> Trial:
        """The deciding scores of a profile: on dev, or on train if there is no dev; on simulated dialogues if ``expects``."""
        items = self.parts.dev or self.parts.train
        played = self.played(profile, items, "made")
        others = None
        if self.others is not None and self.space is not None:
            others = score_groups(fingerprint_rows(played), self.others, self.space)
            if self.expects:
                return Trial(others, others)
        return Trial(score_items(self.kind, items, played, self.space), others)


@dataclass(frozen=True)
class _Candidate:
    """A candidate version; if there is a ``problem`` it cannot be used, and ``profile`` is as far as it got."""

    profile: Profile
    problem: str = ""
    note: str = ""
    advice: str = ""


def refined(case: Case, start: Profile) -> tuple[History, Stop, str]:
    """Refine a profile: all versions from the initial one on, the reason for stopping, and a note on it ("" if there is none).

    The last kept version is the result. A refused answer is in the history as a rejected version that equals its parent, with the reason.
    """
    history = History.begun(start)
    idle = 0
    try:
        history = _without_bias(case, history)
        for _ in range(case.settings.rounds):
            before = len(history.kept)
            history, fresh = _round(case, history)
            if not fresh:
                return history, "converged", ""
            idle = 0 if len(history.kept) > before else idle + 1
            if idle >= case.settings.patience:
                return history, "patience", ""
    except BudgetError as error:
        return history, "budget", str(error)
    except ReplyError as error:
        return history, "analysis", str(error)
    return history, "rounds", ""


def _without_bias(case: Case, history: History) -> History:
    """Apply the correction of the player's bias unless it makes this person's profile worse beyond chance."""
    start = history.current.profile
    if case.bias is None or case.settings.paper or not case.expects:
        return history
    profile = case.bias.corrected(start)
    if profile.id == start.id:
        return history
    verdict = decide(case.tried(start), [case.tried(profile)], case.noise_seed)
    accepted = verdict.gain is not None and verdict.gain > -verdict.noise
    reason = f"gain on other people {case.bias.gain:.3f}, more than {case.bias.noise:.3f} that chance may bring"
    reason += f"; {verdict.reason('what is expected of the person')}"
    return history.added(profile, accepted=accepted, why=_COMMON, reason=reason)


def _round(case: Case, history: History) -> tuple[History, bool]:
    """One round; also whether it had a candidate that was not tried before."""
    parent = history.current
    analysis = case.roles.analyst.analyze(parent.profile, case.parts.train, case.played(parent.profile, case.parts.train, "made"))
    candidates = _candidates(case, parent.profile, analysis, {version.profile.id for version in history.versions})
    history = _taken(history, candidates, analysis) if case.settings.paper else _judged(case, history, candidates, analysis)
    return history, any(one.problem != _TRIED for one in candidates)


def _judged(case: Case, history: History, candidates: Sequence[_Candidate], analysis: Analysis) -> History:
    """Score the usable candidates and accept the best if it holds."""
    parent = history.current
    usable = [one for one in candidates if not one.problem]
    if not usable:
        return _added(history, candidates, analysis, parent.number)
    before = case.tried(parent.profile)
    trials = [case.tried(one.profile) for one in usable]
    best, accepted, why = _best(case, parent.profile, usable, decide(before, trials, case.noise_seed))
    current, scored = before.sheet, {id(one): trial.sheet for one, trial in zip(usable, trials, strict=True)}
    for one in candidates:
        if one.problem:
            history = _added(history, [one], analysis, parent.number)
            continue
        found = {f"dev.{current.measure}": _score(scored[id(one)]), f"parent.dev.{current.measure}": _score(current)}
        reason = "; ".join(filter(None, (why if one is best else "another candidate is nearer", one.note)))
        taken = accepted and one is best
        history = history.added(one.profile, accepted=taken, parent=parent.number, why=analysis.text, reason=reason, scores=found)
    return history


def _best(case: Case, parent: Profile, usable: Sequence[_Candidate], decision: Decision) -> tuple[_Candidate | None, bool, str]:
    """The best candidate, whether it is accepted, and why.

    It must hold on dev and also on train: a gain on dev alone is likely to be luck.
    """
    expected = "what is expected of the person" if case.expects else "train, as there is no dev"
    why = decision.reason("dev" if case.parts.dev else expected)
    if decision.best is None:
        return None, False, why
    best = usable[decision.best]
    if not decision.accepted or not case.parts.dev:
        return best, decision.accepted, why
    now, then = (case.scored(profile, case.parts.train, "made") for profile in (parent, best.profile))
    made_from = decide(Trial(now), [Trial(then)], case.noise_seed)
    return best, made_from.accepted, why if made_from.accepted else f"{why}; but {made_from.reason('train')}"


def _taken(history: History, candidates: Sequence[_Candidate], analysis: Analysis) -> History:
    """Accept the first usable candidate, whatever its score (the published protocol)."""
    parent = history.current.number
    for one in candidates:
        if not one.problem:
            reason = "; ".join(filter(None, (_TAKEN, one.note)))
            return history.added(one.profile, accepted=True, parent=parent, why=analysis.text, reason=reason)
        history = _added(history, [one], analysis, parent)
    return history


def _added(history: History, refused: Sequence[_Candidate], analysis: Analysis, parent: int) -> History:
    """Add refused candidates to the history, except those that were tried before."""
    for one in refused:
        if one.problem != _TRIED:
            history = history.added(one.profile, accepted=False, parent=parent, why=analysis.text, reason=one.problem)
    return history


def _score(found: ScoreSheet) -> Score:
    known = [value for value in found.values() if value is not None]
    return Score(value=found.value, n=len(known)) if known else Score(value=None, reason="nothing could be measured")


# --- candidates


def _candidates(case: Case, profile: Profile, analysis: Analysis, tried: set[str]) -> list[_Candidate]:
    """The refiner's candidates, checked; those with leaks are requested once more, with advice to leave these out."""
    count = 1 if case.settings.paper else case.settings.candidates
    made = _checked(case, profile, case.roles.refiner.refine(profile, analysis, count), tried)
    advised = [one for one in made if one.advice]
    if advised and case.settings.leaks != "warn":
        again = case.roles.refiner.refine(profile, analysis, len(advised), advised[0].advice)
        known = tried | {one.profile.id for one in made}
        made += [one for one in _checked(case, profile, again, known) if one.problem != _TRIED]
    return made


def _checked(case: Case, parent: Profile, answers: Sequence[Profile | Refused], tried: set[str]) -> list[_Candidate]:
    found: list[_Candidate] = []
    seen = set(tried)
    for answer in answers:
        one = _Candidate(parent, f"refused: {answer.reason}") if isinstance(answer, Refused) else _guarded(case, answer, seen)
        seen.add(one.profile.id)
        found.append(one)
    return found


def _guarded(case: Case, profile: Profile, tried: set[str]) -> _Candidate:
    """Cut to the budget, checked for problems, and with leaks removed by the leakage guard."""
    profile, dropped = profile.within(case.settings.budget)
    if profile.id in tried:
        return _Candidate(profile, _TRIED)
    problems = profile.problems(case.settings.budget)
    if problems:
        return _Candidate(profile, f"refused: {problems[0]}")
    texts = [claim.text for claim in profile.claims]
    if not texts:
        return _Candidate(profile)
    verdict = apply_policy(case.settings.leaks, texts, case.check)
    note = "; ".join(filter(None, (f"{len(dropped)} claims over the budget left out" if dropped else "", verdict.note)))
    if not verdict.accepted:
        return _Candidate(profile, f"refused: {note}", advice=verdict.advice)
    kept = profile
    for name, claims in profile.sections.items():
        kept = kept.updated(name, *(claim for claim in claims if claim.text not in verdict.removed))
    if verdict.removed and kept.id in tried:
        return _Candidate(kept, f"refused: {note}; nothing new is left", advice=verdict.advice)
    return _Candidate(kept, note=note, advice=verdict.advice)
