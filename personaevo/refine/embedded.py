"""The roles without a model: the agenda-based simulator plays, the fingerprint says what differs, and dials are moved.

Shrinkage is the heart of it: one dialogue says little about a person, and copying it outright is worse than the average person. A dial
moves only a share of the way from the population's mean toward what the person showed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from personaevo import content, definitions
from personaevo.definitions import Domain
from personaevo.errors import ConfigError, ReplyError
from personaevo.records import Floats, PlanItem, Task
from personaevo.refine.behavior import DialogueItem, Item
from personaevo.refine.differences import differences_text, measured_differences
from personaevo.refine.population import Population, Yardstick, as_dials
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.roles import Analysis, Performance, Refused
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.measuring import measured
from personaevo.simulate.seeds import seed_of

SHARES = (0.1, 0.2, 0.3)  # of the way, from one dialogue
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
        found = measured(episodes, self._losses)
        return [np.array(one.fingerprint) if one.state == "completed" else None for one in found]


class EmbeddedAnalyst:
    """What the person shows against what the role-plays show, measured."""

    def __init__(self, yardstick: Yardstick) -> None:
        self._yardstick = yardstick

    def analyze(self, profile: Profile, items: Sequence[Item], performances: Sequence[Performance]) -> Analysis:
        """The greatest differences in words and numbers; the targets are the person's mean fingerprint.

        Raises:
            ReplyError: no dialogue has a word of the person, or no role-play came to its end.
        """
        person = self._yardstick.rows(items)
        found = measured_differences(performances, person, self._yardstick.standard)
        if not found:
            raise ReplyError("measured analysis: there are no fingerprints of dialogues to compare")
        sources = tuple(item.id for item in items if isinstance(item, DialogueItem))
        return Analysis(differences_text(found), as_dials(person.mean(axis=0)), sources)


class EmbeddedRefiner:
    """Candidates whose dials are moved from the population's mean toward the targets: the first by 10 % of the way, the next by 20 %, …

    From n dialogues it is n s / (1 + (n - 1) s) of the way, s being that share (Spearman-Brown). What the person does most differently is
    added in up to three sentences.
    """

    def __init__(self, population: Population, shares: Sequence[float] = SHARES) -> None:
        self._population, self._shares = population, tuple(shares)

    def refine(self, profile: Profile, analysis: Analysis, count: int, advice: str = "") -> list[Profile | Refused]:
        """See ``roles.Refiner``; at most as many candidates as there are shares. Advice is about words and changes nothing."""
        if not analysis.targets:
            return [Refused("the analysis names no targets: only a model can refine from words")]
        center, dialogues = self._population.center, max(1, len(analysis.sources))
        said = _said(profile, self._claims(analysis))
        made: list[Profile | Refused] = []
        for share in self._shares[:count]:
            weight = dialogues * share / (1 + (dialogues - 1) * share)
            moved = {name: center[name] + weight * (value - center[name]) for name, value in analysis.targets.items() if name in center}
            made.append(said.with_dials(moved))
        return made

    def _claims(self, analysis: Analysis) -> list[Claim]:
        table = _table()
        standard = self._population.standard
        names = np.array(definitions.features().names)[standard.kept]
        columns = zip(names, standard.mean, standard.sd, strict=True)
        far = {str(name): (analysis.targets[name] - mean) / sd for name, mean, sd in columns if name in analysis.targets}
        worth = sorted((name for name in far if abs(far[name]) >= table["worth"]), key=lambda name: (-abs(far[name]), name))
        texts = [table["more" if far[name] > 0 else "less"][name] for name in worth[: table["most"]]]
        return [Claim(text=text, sources=analysis.sources) for text in texts]


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
