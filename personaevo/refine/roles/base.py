"""The roles of a refinement: their interfaces and records, and their embedded implementation, which needs no model.

A player acts out a profile, an analyst says where it differs from the person, and a refiner rewrites it. Each is embedded or a model's
(``--model user=… analyst=… refiner=…``); the loop treats both alike. Embedded, the agenda-based simulator plays, the analysis is measured,
and the refiner moves dials. One dialogue is weak evidence on a person, and copying it is worse than the population's mean. Targets are
therefore posterior expectations, and dials are moved by the shortfall of the role-plays, which do not show exactly the values of the dials.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from personaevo import content
from personaevo.definitions import Domain
from personaevo.errors import ConfigError, ReplyError
from personaevo.measure.cells import Standard
from personaevo.records import Floats, PlanItem, Task
from personaevo.refine import features
from personaevo.refine.features import Posterior, Scale
from personaevo.refine.items.behavior import Action, Context, DialogueItem, Item
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.roles.population import FeatureSpace, Population
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.turns import seed_of


@dataclass(frozen=True, slots=True)
class Response:
    """The role-player's answer at one moment; ``did`` is None, with the ``reason``, if there was no usable one."""

    context: Context
    did: str | Action | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RolePlay:
    """One role-play of one item.

    ``responses`` answer the item's contexts one by one (empty if a whole dialogue of its own was played). ``fingerprint`` [d] is the
    feature row of the text (``features.measured``), None if there was no text.
    """

    item_id: str
    sample: int
    responses: tuple[Response, ...] = ()
    fingerprint: Floats | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """The differences between role-plays of a profile and the person.

    Attributes:
        text: the analysis, for the refiner and for reports.
        targets: dials with the value that is expected of the person.
        sources: ids of the training items that it was made from.
        shown: dials with the value that the role-plays show, where measured.
        evidence: ids of the items that show a behavior more (+) or less (-) than people do, by the behavior's name with that sign in front.
    """

    text: str
    targets: dict[str, float]
    sources: tuple[str, ...]
    shown: dict[str, float] = field(default_factory=dict)
    evidence: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer of the refiner that is not a usable profile, with the reason."""

    reason: str


class Player(Protocol):
    """Acts out a profile.

    Equal arguments give equal role-plays; with the same ``seed``, two profiles are compared on common random numbers.
    """

    def play(self, profile: Profile, items: Sequence[Item], samples: int, seed: int) -> list[RolePlay]:
        """Play each item ``samples`` times; ordered by item, then by sample. A failed answer is a response without ``did``."""
        ...


class Analyst(Protocol):
    """Compares role-plays of the training items with what the person did there."""

    def analyze(self, profile: Profile, items: Sequence[Item], role_plays: Sequence[RolePlay]) -> Analysis:
        """Describe the differences. Raises ReplyError if a model's answer is unusable."""
        ...


class Refiner(Protocol):
    """Rewrites a profile from the analysis alone: the person's behavior is never shown to it."""

    def refine(self, profile: Profile, analysis: Analysis, count: int, advice: str = "") -> list[Profile | Refused]:
        """Make ``count`` candidates; ``advice`` names the fault of earlier ones (such as a leak)."""
        ...


REPORTED = 0.25  # least difference that is reported, in standard deviations of the population
LARGE = 1.0
MOST_REPORTED = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature: means of the person's dialogues, the role-plays and the population, in the feature's unit.

    ``gap`` is person less role-plays, in standard deviations of the population.
    """

    feature: str
    person: float
    played: float
    typical: float
    gap: float


def measured_differences(role_plays: Sequence[RolePlay], person: Floats, population: Standard) -> list[Difference]:
    """Differences in all features that vary in the population and are known on both sides, the largest first.

    Args:
        role_plays: those without a fingerprint do not count.
        person: rows ``[m, d]`` of the person's dialogues.
        population: mean and standard deviation of many people, see ``Standard.of``.

    Returns:
        The differences; empty if either side has no fingerprint.
    """
    played = [one.fingerprint for one in role_plays if one.fingerprint is not None]
    if not played or not len(person):
        return []
    names = np.array(features.names()[: person.shape[1]])[population.kept]
    ours, theirs = features.mean_of(person)[population.kept], features.mean_of(np.array(played))[population.kept]
    gaps = (ours - theirs) / population.sd
    columns = zip(names, ours, theirs, population.mean, gaps, strict=True)
    found = [Difference(str(name), *map(float, figures)) for name, *figures in columns if np.isfinite(figures[-1])]
    return sorted(found, key=lambda one: -abs(one.gap))


def differences_text(differences: Sequence[Difference]) -> str:
    """The largest differences in words and numbers, one line each; those below a quarter of a standard deviation are left out."""
    units = features.units()
    lines = []
    for one in [one for one in differences if abs(one.gap) >= REPORTED][:MOST_REPORTED]:
        figures = f"the person {one.person:.3g}, the role-play {one.played:.3g}, people on average {one.typical:.3g}"
        much, more = "much " if abs(one.gap) >= LARGE else "", "more" if one.gap > 0 else "less"
        lines.append(f"- {one.feature} ({units[one.feature]}): {figures}: the person shows {much}{more} of it than the role-play")
    return "\n".join(lines) or "- nothing stands out"


_SPREADS = {"mood_swing": False, "typing_swing": True}  # spread dials, and whether they are about typing
_MOST = 1.0  # largest change of a spread at a time, in its logarithm
_FEWEST = 3  # dialogues from which a spread is measured
_STILL = 0.05  # lower bound of a spread, so that one of 0 can grow


def dial_targets(
    space: FeatureSpace, person: Floats, role_plays: Sequence[RolePlay], profile: Profile
) -> tuple[dict[str, float], dict[str, float]]:
    """Targets by dial, and the value shown of each, in the dials' units; both empty if no role-play has a fingerprint.

    The shortfall of role-plays against the posterior of the person's rows ``person[m, d]`` is measured in normal scores; one score is a
    standard deviation of people. Spread dials are set as a whole, by the ratio of expected to shown variation between dialogues.
    """
    rows = [one.fingerprint for one in role_plays if one.fingerprint is not None]
    if not rows or not len(person):
        return {}, {}
    scale = space.population.scale
    posterior, played = scale.posterior(person), np.array(rows)
    scores = scale.scores(played)
    mean, known = features.mean_of(scores), features.mean_of(played)[scale.scores.kept]
    table = features.dials()
    shown = {name: float(value) for name, value in zip(scale.names, known, strict=True) if name in table and np.isfinite(value)}
    short = dict(zip(scale.names, _shrunk_toward_zero(posterior.mean - mean, scores) * scale.scores.sd, strict=True))
    targets = {name: min(max(value + float(short[name]), table[name].low), table[name].high) for name, value in shown.items()}
    for name, asked, wanted in _spreads(scale, posterior, scores, profile):
        shown[name], targets[name] = asked, wanted
    return targets, shown


def moved_dials(
    profile: Profile, targets: Mapping[str, float], shown: Mapping[str, float], share: float, center: Mapping[str, float]
) -> dict[str, float]:
    """The dials with a target, moved by ``share`` of the shortfall of the role-plays, within range.

    A dial that the profile leaves open starts from the value shown, else from the population's ``center``.
    """
    table, found = features.dials(), {}
    for name, target in targets.items():
        if name in table:
            asked = profile.dials.get(name, shown.get(name, center.get(name, table[name].default)))
            value = asked + share * (target - shown.get(name, asked))
            found[name] = min(max(value, table[name].low), table[name].high)
    return found


def _shrunk_toward_zero(short: Floats, scores: Floats) -> Floats:
    """The shortfall, less its sampling error over so few role-plays (James-Stein rule, feature by feature)."""
    counts = np.maximum((~np.isnan(scores)).sum(axis=0), 1)
    chance = features.mean_of((scores - features.mean_of(scores)) ** 2) / counts
    left: Floats = short * np.maximum(1.0 - chance / np.maximum(short**2, 1e-12), 0.0)
    return left


def _spreads(scale: Scale, posterior: Posterior, scores: Floats, profile: Profile) -> Iterator[tuple[str, float, float]]:
    """Each spread dial with its value in the profile and its target, from the features that have dials."""
    table, typed = features.dials(), np.array([name not in features.names()[: features.fingerprint_size()] for name in scale.names])
    steered = np.array([name in table for name in scale.names]) & ((~np.isnan(scores)).sum(axis=0) >= _FEWEST) & (scale.weights > 0)
    for name, of_typing in _SPREADS.items():
        chosen = (typed == of_typing) & steered
        if name not in table or not chosen.any():
            continue
        asked = profile.dials.get(name, table[name].default)
        shown = np.sqrt(features.mean_of((scores[:, chosen] - features.mean_of(scores[:, chosen])) ** 2))
        ratios = np.log(np.maximum(posterior.sd[chosen], _STILL) / np.maximum(shown, _STILL))
        ratio = float(np.clip(np.average(ratios, weights=scale.weights[chosen]), -_MOST, _MOST))
        yield name, asked, float(np.clip(max(asked, _STILL) * np.exp(ratio), table[name].low, table[name].high))


def supporting_items(space: FeatureSpace, items: Sequence[Item]) -> dict[str, tuple[str, ...]]:
    """Behaviors that the person is expected to show more (+) or less (-) of than people, by at least the content's ``worth``.

    The most marked first; each with the ids of the items that show it themselves.
    """
    scale, worth = space.population.scale, content.toml("fitness", "refine/manner.toml")["worth"]
    rows = [(item.id, row) for item in items if (row := space.of(item)) is not None]
    if not rows:
        return {}
    scores = scale.scores(np.array([row for _, row in rows]))
    expected = scale.components.posterior(scores).mean
    found = {}
    for place in np.argsort(-np.abs(expected), kind="stable"):
        side = np.sign(expected[place])
        own = tuple(name for (name, _), score in zip(rows, scores[:, place], strict=True) if score * side >= worth)
        if abs(expected[place]) >= worth and own:
            found[f"{'+' if side > 0 else '-'}{scale.names[place]}"] = own
    return found


SHARES = (0.6, 0.3, 0.15)  # of the shortfall by which each candidate moves dials
_SECTION = "communication"


class EmbeddedPlayer:
    """Plays whole dialogues of its own with the scripted agent, about the domain's tasks in turn.

    A dialogue depends on dials, seed and sample alone, never on the profile's words or the item, so results are cached. Sample i of two
    profiles has the same task and the same random numbers.
    """

    def __init__(self, domain: Domain, tasks: Sequence[Task], losses: tuple[str, ...] = ()) -> None:
        self._domain, self._tasks, self._losses = domain, tuple(tasks), losses
        self._known: dict[tuple[tuple[tuple[str, float], ...], int, int], list[Floats | None]] = {}

    def play(self, profile: Profile, items: Sequence[Item], samples: int, seed: int) -> list[RolePlay]:
        """See ``Player``.

        Raises:
            ConfigError: an item is not a dialogue.
        """
        if not all(isinstance(item, DialogueItem) for item in items):
            raise ConfigError("texts and sessions of actions are played by a model only: give one, such as --model user=openai:NAME")
        key = (tuple(profile.dials.items()), seed, samples)
        if key not in self._known:
            self._known[key] = self._fingerprints(profile, samples, seed)
        shown = self._known[key]
        return [RolePlay(item.id, sample, fingerprint=shown[sample]) for item in items for sample in range(samples)]

    def _fingerprints(self, profile: Profile, samples: int, seed: int) -> list[Floats | None]:
        persona = profile.persona()
        episodes = []
        for sample in range(samples):
            task = self._tasks[sample % len(self._tasks)]
            item = PlanItem(task.id, 0, seed_of(seed, sample, "refine"))
            episodes.append(run_episode(task, persona, item, self._domain))
        done = [one for one in episodes if one.state == "completed"]
        rows = iter(features.measured([[text for role, text in one.turns if role == "user"] for one in done], self._losses))
        return [next(rows) if one.state == "completed" else None for one in episodes]


class EmbeddedAnalyst:
    """Measured differences between the person and the role-plays."""

    def __init__(self, space: FeatureSpace) -> None:
        self._space = space

    def analyze(self, profile: Profile, items: Sequence[Item], role_plays: Sequence[RolePlay]) -> Analysis:
        """The largest differences in words and numbers; targets are posterior expectations of the person (``dial_targets``).

        Raises:
            ReplyError: no dialogue has a word of the person, or no role-play was completed.
        """
        person = self._space.rows(items)
        found = measured_differences(role_plays, person, self._space.population.standard)
        if not found:
            raise ReplyError("measured analysis: there are no fingerprints of dialogues to compare")
        sources = tuple(item.id for item in items if isinstance(item, DialogueItem))
        targets, shown = dial_targets(self._space, person, role_plays, profile)
        return Analysis(differences_text(found), targets, sources, shown, supporting_items(self._space, items))


class EmbeddedRefiner:
    """Candidates with dials moved by a share of the role-plays' shortfall: the first by 60 %, the next by 30 %, …

    A dial that the profile leaves open starts from the value shown without it. The person's most marked differences from people are
    added as a few claims, each with the supporting items.
    """

    def __init__(self, population: Population, shares: Sequence[float] = SHARES) -> None:
        self._population, self._shares = population, tuple(shares)

    def refine(self, profile: Profile, analysis: Analysis, count: int, advice: str = "") -> list[Profile | Refused]:
        """See ``Refiner``; at most as many candidates as there are shares. Advice concerns wording and changes nothing."""
        if not analysis.targets:
            return [Refused("the analysis names no targets: only a model can refine from words")]
        described = _with_claims(profile, analysis)
        moves = (moved_dials(profile, analysis.targets, analysis.shown, share, self._population.center) for share in self._shares[:count])
        return [described.with_dials(dials) for dials in moves]

def _with_claims(profile: Profile, analysis: Analysis) -> Profile:
    """The profile with claims from the analysis in place of earlier claims of this kind.

    These are the sentences with the most supporting items; of equally many, in the order of the analysis.
    """
    table: Mapping[str, Any] = content.toml("fitness", "refine/manner.toml")
    best = sorted(analysis.evidence.items(), key=lambda pair: -len(pair[1]))[: table["most"]]
    texts = [(table["more" if name.startswith("+") else "less"].get(name[1:]), items) for name, items in best]
    ours = {*table["more"].values(), *table["less"].values()}
    kept = tuple(claim for claim in profile.sections[_SECTION] if claim.text not in ours or not claim.sources)
    known = {claim.text for claim in kept}
    since = 1 + max((claim.since for claim in profile.claims), default=0)
    made = [Claim(text=text, sources=items, since=since) for text, items in texts if text]
    return profile.updated(_SECTION, *kept, *(claim for claim in made if claim.text not in known))
