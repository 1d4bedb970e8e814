"""Small crowds of people with manners of their own, and scripted roles for the loop."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from personaevo import definitions
from personaevo.readers import read_tasks
from personaevo.records import Persona, PlanItem, Turn
from personaevo.refine import features
from personaevo.refine.items.behavior import Behavior, DialogueItem, Item, split
from personaevo.refine.leakage.guard import NO_BACKGROUND
from personaevo.refine.loop.person import Engine, RefinementTask
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.records import Settings
from personaevo.refine.roles.base import Analysis, Refused, RolePlay
from personaevo.refine.roles.population import Corpus, Population
from personaevo.simulate.episodes import run_episode

WORDS = "rain moss lamp river cloud stone bread candle winter garden paper silver window morning letter".split()
QUICK = Settings(samples=6, seed=1)
ENGINE = Engine()


def said(length: int, rng: random.Random) -> str:
    """A turn of about so many words."""
    return " ".join(rng.choice(WORDS) for _ in range(max(1, length + rng.randint(-1, 1))))


def dialogue(identity: str, length: int, rng: random.Random, turns: int = 9, role: str = "user") -> DialogueItem:
    """The person says about ``length`` words a turn, the other side always the same."""
    other = "assistant" if role == "user" else "user"
    made = [turn for _ in range(turns) for turn in (Turn(role=role, content=said(length, rng)), Turn(role=other, content="go on"))]
    return DialogueItem(id=identity, turns=tuple(made), role=role)


def person(name: str, length: int, count: int = 2) -> Behavior:
    """Somebody with ``count`` dialogues who always writes about ``length`` words a turn."""
    rng = random.Random(name)
    return Behavior(person=name, items=tuple(dialogue(f"{name}-{number}", length, rng) for number in range(count)))


@cache
def simulated(name: str, count: int = 2) -> Behavior:
    """Somebody with a manner drawn by name, who talks as the simulator does: what is true of them can be found out by it."""
    rng, dials = random.Random(name), definitions.dials()
    manner = {one: rng.choice([0.1, 0.9]) for one in ("words_per_turn", "politeness_rate", "uncertainty_rate", "emotion_rate")}
    own = {one: dials[one].low + share * (min(dials[one].high, 30.0) - dials[one].low) for one, share in manner.items()}
    domain, tasks = definitions.domain("charity"), read_tasks(definitions.domain_files("charity").tasks)
    while True:  # until no two items say the same long run of words: such items are no two units
        items = []
        for number in range(count):
            task = tasks[rng.randrange(len(tasks))]
            plan = PlanItem(task.id, 0, rng.getrandbits(60))
            turns = run_episode(task, Persona(id=name, description=name, dials=own), plan, domain).turns
            items.append(DialogueItem(id=f"{name}-{number}", turns=tuple(Turn(role=role, content=text) for role, text in turns)))
        made = Behavior(person=name, items=tuple(items))
        if count < 2 or not any("overlap" in note for note in split(made, 0).notes):
            return made


def crowd(people: int = 12, count: int = 2) -> tuple[Behavior, ...]:
    """Corpus with different manners."""
    return tuple(simulated(f"p{number:02}", count) for number in range(people))


def population(values: int = 40) -> Population:
    """Others with normal fingerprints around the dials' defaults."""
    rng = np.random.default_rng(1)
    dials = [definitions.dials()[name] for name in definitions.features().names]
    rows = np.array([[np.clip(dial.default + rng.normal() * 0.1, dial.low, dial.high) for dial in dials] for _ in range(values)])
    return Population(rows, rows, rows)


def work(behavior: Behavior, people: Sequence[Behavior] = (), start: Profile | str = "shrinkage") -> RefinementTask:
    """Somebody among others."""
    others = Corpus(people).others(behavior.person, "user") if people else population()
    return RefinementTask(behavior, "user", start, others, NO_BACKGROUND)  # type: ignore[arg-type]


@dataclass
class Plays:
    """A player whose role-plays show what ``fingerprint`` says of the profile, plus noise that is equal for equal seed and sample."""

    spread: float = 0.05
    asked: list[tuple[str, int]] = field(default_factory=list)

    def play(self, profile: Profile, items: Sequence[Item], samples: int, seed: int) -> list[RolePlay]:
        self.asked.append((profile.id, seed))
        names, dials = features.names(), features.dials()
        default = [dials[name].default if name in dials else np.nan for name in names]
        shown = np.array([profile.dials.get(name, value) for name, value in zip(names, default, strict=True)])
        found = []
        for item in items:
            for sample in range(samples):
                noise = np.random.default_rng([seed % 2**32, sample]).normal(size=len(names)) * self.spread
                found.append(RolePlay(item.id, sample, fingerprint=shown + noise))
        return found


@dataclass
class Says:
    """An analyst that always says the same."""

    text: str = "- it writes too much"
    targets: dict[str, float] = field(default_factory=dict)

    def analyze(self, profile: Profile, items: Sequence[Item], role_plays: Sequence[RolePlay]) -> Analysis:
        return Analysis(self.text, self.targets, tuple(item.id for item in items))


@dataclass
class Offers:
    """A refiner that makes the given answers, one list a call; the last one again and again."""

    rounds: list[list[Profile | Refused]]
    advice: list[str] = field(default_factory=list)

    def refine(self, profile: Profile, analysis: Analysis, count: int, advice: str = "") -> list[Profile | Refused]:
        self.advice.append(advice)
        return self.rounds[min(len(self.advice), len(self.rounds)) - 1]


def claiming(text: str, **dials: float) -> Profile:
    """A profile of one claim and some dials."""
    return Profile(dials=dials).updated("communication", Claim(text=text, sources=("a",), since=1))
