"""The loop of one person.

    play train → analyze → candidates → leakage guard → score → accept the best only if it holds on dev (and train) → again
    and once, at the end: score what is returned, and its controls, on test

This is DPRF (arXiv 2510.14205) with a leakage guard and acceptance on what an update was not made from. ``Settings.paper`` is DPRF as
published: scored on what the profile is made from, every version taken, the last returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from personaevo.errors import BudgetError, ReplyError
from personaevo.records import Floats
from personaevo.refine import leakage
from personaevo.refine.accept import Decision, Trial, decide
from personaevo.refine.behavior import Item
from personaevo.refine.common import Common
from personaevo.refine.estimate import shrunk
from personaevo.refine.leakage import LeakReport
from personaevo.refine.population import Yardstick
from personaevo.refine.profile import Profile
from personaevo.refine.recognition import Lineup
from personaevo.refine.result import Settings, Stop
from personaevo.refine.roles import Analysis, Analyst, Performance, Player, Refiner, Refused
from personaevo.refine.scoring import Sheet, against, rows_of, sheet
from personaevo.refine.split import Parts
from personaevo.refine.versions import History, Score
from personaevo.simulate.seeds import seed_of

_EXPECTED = 6  # dialogues in each group of what is expected of the person, where nothing was kept back
_TAKEN = "the published protocol takes every version"
_COMMON = "what the engine shows other than asked, with everybody"
_TRIED = "nothing new: the profile as it is, or one that was tried before"


@dataclass(frozen=True)
class Roles:
    """Who plays, analyzes and refines; ``rewrite`` makes the one-call control (None: no model refines)."""

    player: Player
    analyst: Analyst
    refiner: Refiner
    rewrite: Callable[[Profile, Sequence[Item]], Profile | Refused] | None = None


@dataclass(frozen=True)
class Case:
    """One person, as far as it stays the same while their profile is refined. ``kind`` of item decides (``scoring.kind_of``); ``check``
    finds what an update carries over from any of the person's items and the start did not have; ``exposed`` all that a profile does;
    ``common`` is what the engine shows other than asked with everybody."""

    parts: Parts
    kind: str
    yardstick: Yardstick | None
    roles: Roles
    settings: Settings
    check: Callable[[str], LeakReport]
    exposed: Callable[[str], LeakReport]
    common: Common | None = None

    @property
    def expects(self) -> bool:
        """Whether updates are judged by what is expected of the person: of whole dialogues, where nothing was kept back."""
        return not self.parts.dev and self.yardstick is not None and self.yardstick.whole

    @cached_property
    def others(self) -> list[Floats] | None:
        """Groups of what other items of the person may be, as points; None where nothing says what these are like."""
        if self.yardstick is None or not self.yardstick.whole:
            return None
        size = _EXPECTED if self.expects else len(self.parts.dev)
        return self.yardstick.others(self.parts.train, size, seed_of(self.settings.seed, "others"))

    @property
    def judged(self) -> tuple[Item, ...]:
        """The items that the result is scored on: test, or train where there is none."""
        return tuple(item for item in self.parts.test or self.parts.train if item.kind == self.kind)

    @cached_property
    def lineup(self) -> Lineup | None:
        """Those items among other people's; None where nobody else has any."""
        if self.yardstick is None:
            return None
        population, typical = self.yardstick.population, None
        if self.yardstick.whole:
            typical = rows_of(self.played(shrunk(population, self.yardstick.rows(())), self.judged, "judged"))
        return Lineup.of(population, self.yardstick.rows(self.judged), typical)

    @property
    def noise_seed(self) -> int:
        """Of what re-sampling brings."""
        return seed_of(self.settings.seed, "noise")

    def played(self, profile: Profile, items: Sequence[Item], purpose: str) -> list[Performance]:
        """Role-plays, with seeds that depend on the purpose ("made" or "judged") alone: common random numbers for all profiles."""
        chosen = [item for item in items if item.kind == self.kind]
        return self.roles.player.play(profile, chosen, self.settings.samples, seed_of(self.settings.seed, purpose))

    def scored(self, profile: Profile, items: Sequence[Item], purpose: str) -> Sheet:
        """How near its role-plays come to the person."""
        return sheet(self.kind, items, self.played(profile, items, purpose), self.yardstick)

    def tried(self, profile: Profile) -> Trial:
        """What decides on the profile: its score on dev, or on train where there is none; of whole dialogues, on those expected then."""
        items = self.parts.dev or self.parts.train
        played = self.played(profile, items, "made")
        others = against(rows_of(played), self.others, self.yardstick) if self.others is not None and self.yardstick is not None else None
        if self.expects and others is not None:
            return Trial(others, others)
        return Trial(sheet(self.kind, items, played, self.yardstick), others)


@dataclass(frozen=True)
class _Candidate:
    """A new version, or why it cannot be one: then ``profile`` is what it was made of as far as there is something."""

    profile: Profile
    problem: str = ""
    note: str = ""
    advice: str = ""


def refined(case: Case, start: Profile) -> tuple[History, Stop, str]:
    """All versions from the start on, why it ended, and a note on that ("" if there is nothing to say). The last one kept is the result.

    A refused answer stands in the history as a rejected version that is its parent unchanged, with the reason.
    """
    history = History.begun(start)
    idle = 0
    try:
        history = _in_common(case, history)
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


def _in_common(case: Case, history: History) -> History:
    """With what holds for other people taken into account, unless it does this person harm beyond chance."""
    start = history.current.profile
    if case.common is None or case.settings.paper or not case.expects or case.common.applied(start).id == start.id:
        return history
    profile = case.common.applied(start)
    verdict = decide(case.tried(start), [case.tried(profile)], case.noise_seed)
    accepted = verdict.gain is not None and verdict.gain > -verdict.noise
    reason = f"gain on other people {case.common.gain:.3f}, more than {case.common.noise:.3f} that chance may bring"
    reason += f"; {verdict.reason('what is expected of the person')}"
    return history.added(profile, accepted=accepted, why=_COMMON, reason=reason)


def _round(case: Case, history: History) -> tuple[History, bool]:
    """One round; and whether there was a candidate that had not been tried."""
    parent = history.current
    analysis = case.roles.analyst.analyze(parent.profile, case.parts.train, case.played(parent.profile, case.parts.train, "made"))
    candidates = _candidates(case, parent.profile, analysis, {version.profile.id for version in history.versions})
    history = _taken(history, candidates, analysis) if case.settings.paper else _judged(case, history, candidates, analysis)
    return history, any(one.problem != _TRIED for one in candidates)


def _judged(case: Case, history: History, candidates: Sequence[_Candidate], analysis: Analysis) -> History:
    """Scores the usable candidates and takes the best if it holds."""
    parent = history.current
    usable = [one for one in candidates if not one.problem]
    if not usable:
        return _added(history, candidates, analysis, parent.number)
    before = case.tried(parent.profile)
    trials = [case.tried(one.profile) for one in usable]
    best, accepted, why = _best(case, parent.profile, usable, decide(before, trials, case.noise_seed))
    now, scored = before.sheet, {id(one): trial.sheet for one, trial in zip(usable, trials, strict=True)}
    for one in candidates:
        if one.problem:
            history = _added(history, [one], analysis, parent.number)
            continue
        found = {f"dev.{now.measure}": _score(scored[id(one)]), f"parent.dev.{now.measure}": _score(now)}
        reason = "; ".join(filter(None, (why if one is best else "another candidate is nearer", one.note)))
        taken = accepted and one is best
        history = history.added(one.profile, accepted=taken, parent=parent.number, why=analysis.text, reason=reason, scores=found)
    return history


def _best(case: Case, parent: Profile, usable: Sequence[_Candidate], decision: Decision) -> tuple[_Candidate | None, bool, str]:
    """The best candidate, whether it is accepted, and why.

    It must hold on dev, and on what it was made from as well: an update that is nearer to dev alone came from a wrong analysis, by luck.
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
    """The first usable candidate, whatever it is worth."""
    parent = history.current.number
    for one in candidates:
        if not one.problem:
            reason = "; ".join(filter(None, (_TAKEN, one.note)))
            return history.added(one.profile, accepted=True, parent=parent, why=analysis.text, reason=reason)
        history = _added(history, [one], analysis, parent)
    return history


def _added(history: History, refused: Sequence[_Candidate], analysis: Analysis, parent: int) -> History:
    """With those that are refused; what was tried before does not stand there twice."""
    for one in refused:
        if one.problem != _TRIED:
            history = history.added(one.profile, accepted=False, parent=parent, why=analysis.text, reason=one.problem)
    return history


def _score(found: Sheet) -> Score:
    known = [value for value in found.values() if value is not None]
    return Score(value=found.value, n=len(known)) if known else Score(value=None, reason="nothing could be measured")


# --- candidates


def _candidates(case: Case, profile: Profile, analysis: Analysis, tried: set[str]) -> list[_Candidate]:
    """The refiner's answers, looked at; those that carry text over are asked for once more, with the advice to leave that out."""
    count = 1 if case.settings.paper else case.settings.candidates
    made = _looked_at(case, profile, case.roles.refiner.refine(profile, analysis, count), tried)
    advised = [one for one in made if one.advice]
    if advised and case.settings.leaks != "warn":
        again = case.roles.refiner.refine(profile, analysis, len(advised), advised[0].advice)
        known = tried | {one.profile.id for one in made}
        made += [one for one in _looked_at(case, profile, again, known) if one.problem != _TRIED]
    return made


def _looked_at(case: Case, parent: Profile, answers: Sequence[Profile | Refused], tried: set[str]) -> list[_Candidate]:
    found: list[_Candidate] = []
    seen = set(tried)
    for answer in answers:
        one = _Candidate(parent, f"refused: {answer.reason}") if isinstance(answer, Refused) else _guarded(case, answer, seen)
        seen.add(one.profile.id)
        found.append(one)
    return found


def _guarded(case: Case, profile: Profile, tried: set[str]) -> _Candidate:
    """Within its budget, without a problem, and without what the leakage guard removes."""
    profile, dropped = profile.within(case.settings.budget)
    if profile.id in tried:
        return _Candidate(profile, _TRIED)
    problems = profile.problems(case.settings.budget)
    if problems:
        return _Candidate(profile, f"refused: {problems[0]}")
    texts = [claim.text for claim in profile.claims]
    verdict = leakage.apply(case.settings.leaks, texts, case.check) if texts else None
    if verdict is None:
        return _Candidate(profile)
    note = "; ".join(filter(None, (f"{len(dropped)} claims over the budget left out" if dropped else "", verdict.note)))
    if not verdict.accepted:
        return _Candidate(profile, f"refused: {note}", advice=verdict.advice)
    kept = _without(profile, verdict.removed)
    if verdict.removed and kept.id in tried:
        return _Candidate(kept, f"refused: {note}; nothing new is left", advice=verdict.advice)
    return _Candidate(kept, note=note, advice=verdict.advice)


def _without(profile: Profile, texts: Sequence[str]) -> Profile:
    gone = set(texts)
    for name, claims in profile.sections.items():
        profile = profile.updated(name, *(claim for claim in claims if claim.text not in gone))
    return profile
