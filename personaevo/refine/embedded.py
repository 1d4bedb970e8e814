"""Player, analyst and refiner without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from personaevo import content
from personaevo.definitions import Domain
from personaevo.errors import ConfigError, ReplyError
from personaevo.records import Floats, PlanItem, Task
from personaevo.refine import features
from personaevo.refine.aims import dial_targets, moved_dials, supporting_items
from personaevo.refine.behavior import DialogueItem, Item
from personaevo.refine.differences import differences_text, measured_differences
from personaevo.refine.population import FeatureSpace, Population
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.roles import Analysis, Refused, RolePlay
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.seeds import seed_of

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
