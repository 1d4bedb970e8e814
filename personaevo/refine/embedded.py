"""The roles without a model: the agenda-based simulator plays, what was measured says what differs, and dials are moved.

Shrinkage is the heart of it: one dialogue says little about a person, and copying it outright is worse than the average person. What is
aimed at is therefore what statistics expect of the person (``estimate``), and dials are moved by what role-plays fall short of it: they do
not show exactly what dials ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from personaevo import content
from personaevo.definitions import Domain
from personaevo.errors import ConfigError, ReplyError
from personaevo.records import Floats, PlanItem, Task
from personaevo.refine import features
from personaevo.refine.aims import aims, evidence, moved
from personaevo.refine.behavior import DialogueItem, Item
from personaevo.refine.differences import differences_text, measured_differences
from personaevo.refine.population import Population, Yardstick
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.roles import Analysis, Performance, Refused
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.seeds import seed_of

SHARES = (0.6, 0.3, 0.15)  # of what role-plays fall short by
_SECTION = "communication"


class EmbeddedPlayer:
    """Whole dialogues of its own with the scripted agent, about the domain's tasks in turn.

    What is played depends on dials, seed and sample alone, never on the words of a profile or the item: it is played once and kept. Sample
    i of two profiles has the same task and the same random numbers.
    """

    def __init__(self, domain: Domain, tasks: Sequence[Task], losses: tuple[str, ...] = ()) -> None:
        self._domain, self._tasks, self._losses = domain, tuple(tasks), losses
        self._known: dict[tuple[tuple[tuple[str, float], ...], int, int], list[Floats | None]] = {}

    def play(self, profile: Profile, items: Sequence[Item], samples: int, seed: int) -> list[Performance]:
        """See ``roles.Player``.

        Raises:
            ConfigError: an item is no dialogue.
        """
        if not all(isinstance(item, DialogueItem) for item in items):
            raise ConfigError("texts and sessions of actions are played by a model only: give one, such as --model user=openai:NAME")
        key = (tuple(profile.dials.items()), seed, samples)
        if key not in self._known:
            self._known[key] = self._fingerprints(profile, samples, seed)
        shown = self._known[key]
        return [Performance(item.id, sample, fingerprint=shown[sample]) for item in items for sample in range(samples)]

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
    """What the person shows against what the role-plays show, measured."""

    def __init__(self, yardstick: Yardstick) -> None:
        self._yardstick = yardstick

    def analyze(self, profile: Profile, items: Sequence[Item], performances: Sequence[Performance]) -> Analysis:
        """The greatest differences in words and numbers; the targets are what is expected of the person (``aims``).

        Raises:
            ReplyError: no dialogue has a word of the person, or no role-play came to its end.
        """
        person = self._yardstick.rows(items)
        found = measured_differences(performances, person, self._yardstick.population.standard)
        if not found:
            raise ReplyError("measured analysis: there are no fingerprints of dialogues to compare")
        sources = tuple(item.id for item in items if isinstance(item, DialogueItem))
        targets, shown = aims(self._yardstick, person, performances, profile)
        return Analysis(differences_text(found), targets, sources, shown, evidence(self._yardstick, items))


class EmbeddedRefiner:
    """Candidates whose dials are moved by what role-plays fall short of the targets: the first by 60 % of it, the next by 30 %, …

    A dial that the profile leaves open is moved from what was shown without it. What the person does most differently from people is said
    in a few sentences, each with the items that show it.
    """

    def __init__(self, population: Population, shares: Sequence[float] = SHARES) -> None:
        self._population, self._shares = population, tuple(shares)

    def refine(self, profile: Profile, analysis: Analysis, count: int, advice: str = "") -> list[Profile | Refused]:
        """See ``roles.Refiner``; at most as many candidates as there are shares. Advice is about words and changes nothing."""
        if not analysis.targets:
            return [Refused("the analysis names no targets: only a model can refine from words")]
        said = _said(profile, self._claims(analysis))
        moves = (moved(profile, analysis.targets, analysis.shown, share, self._population.center) for share in self._shares[:count])
        return [said.with_dials(dials) for dials in moves]

    def _claims(self, analysis: Analysis) -> list[Claim]:
        """The sentences that most items support, of equally many in the order of the analysis."""
        table = _table()
        worth = sorted(analysis.evidence.items(), key=lambda pair: -len(pair[1]))[: table["most"]]
        texts = [(table["more" if name.startswith("+") else "less"].get(name[1:]), items) for name, items in worth]
        return [Claim(text=text, sources=items) for text, items in texts if text]


def _said(profile: Profile, claims: Sequence[Claim]) -> Profile:
    """The profile with these claims in place of those that were made the same way before."""
    table = _table()
    ours = {*table["more"].values(), *table["less"].values()}
    kept = tuple(claim for claim in profile.sections[_SECTION] if claim.text not in ours or not claim.sources)
    known = {claim.text for claim in kept}
    since = 1 + max((claim.since for claim in profile.claims), default=0)
    return profile.updated(
        _SECTION, *kept, *(claim.model_copy(update={"since": since}) for claim in claims if claim.text not in known)
    )


def _table() -> Mapping[str, Any]:
    return content.toml("fitness", "refine/manner.toml")
