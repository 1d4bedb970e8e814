"""One person from behavior to result: the split, who plays, the loop, and the scores at the end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from personaevo import definitions, readers
from personaevo.errors import ConfigError
from personaevo.measure.fingerprint import words_of
from personaevo.records import ChatModel, Role
from personaevo.reference import rounded
from personaevo.refine import controls, features, leakage
from personaevo.refine.behavior import Behavior, DialogueItem
from personaevo.refine.common import Common
from personaevo.refine.embedded import EmbeddedAnalyst, EmbeddedPlayer, EmbeddedRefiner
from personaevo.refine.estimate import shrunk
from personaevo.refine.loop import Case, Roles, refined
from personaevo.refine.model_analyst import ModelAnalyst
from personaevo.refine.model_player import ModelPlayer
from personaevo.refine.model_refiner import ModelRefiner
from personaevo.refine.population import Population, Yardstick
from personaevo.refine.profile import Profile
from personaevo.refine.result import PersonResult, Settings
from personaevo.refine.scoring import PRIMARY, kind_of
from personaevo.refine.split import Parts, split
from personaevo.refine.starts import from_attributes
from personaevo.refine.traces import Background

StartWord = Literal["shrinkage", "population", "attributes", "nothing"]
Start = Profile | StartWord


@dataclass(frozen=True)
class Engine:
    """Who plays the roles: each a model, or the embedded engine where that is None.

    Attributes:
        domain: whose tasks and wording the embedded player uses (``definitions.domain``).
        losses: what the text of the people's corpus lost.
        at_once: questions to the user's model at a time, for one person.
    """

    domain: str = "charity"
    losses: tuple[str, ...] = ()
    user: ChatModel | None = None
    analyst: ChatModel | None = None
    refiner: ChatModel | None = None
    at_once: int = 8

    def embedded(self) -> EmbeddedPlayer:
        """The player of whole dialogues."""
        tasks = readers.read_tasks(definitions.domain_files(self.domain).tasks)
        return EmbeddedPlayer(definitions.domain(self.domain), tasks, self.losses)

    def roles(self, settings: Settings, yardstick: Yardstick | None) -> Roles:
        """The roles for one person.

        Raises:
            ConfigError: an embedded role is wanted for what is no dialogue.
        """
        player = self.embedded() if self.user is None else ModelPlayer(self.user, self.losses, self.at_once)
        refiner = ModelRefiner(self.refiner, settings.budget) if self.refiner is not None else None
        if yardstick is None and (self.user is None or self.analyst is None or refiner is None):
            raise ConfigError("texts and sessions of actions need models: give user, analyst and refiner (--model user=openai:NAME …)")
        analyst = ModelAnalyst(self.analyst, settings.form, yardstick) if self.analyst is not None else _measuring(yardstick)
        return Roles(player, analyst, refiner or _moving(yardstick), refiner.rewrite_once if refiner is not None else None)


def _measuring(yardstick: Yardstick | None) -> EmbeddedAnalyst:
    assert yardstick is not None  # looked at before
    return EmbeddedAnalyst(yardstick)


def _moving(yardstick: Yardstick | None) -> EmbeddedRefiner:
    assert yardstick is not None
    return EmbeddedRefiner(yardstick.population)


@dataclass(frozen=True)
class Work:
    """One person to refine: what they did, on which side, from which start, among whom. ``population`` may be missing where there are no
    dialogues. ``parts`` is the split, where it is not the usual one; ``common`` what is taken into account for everybody."""

    behavior: Behavior
    role: Role | None
    start: Start
    population: Population | None
    background: Background
    parts: Parts | None = None
    common: Common | None = None

    @property
    def key(self) -> tuple[str, str]:
        """As of its result."""
        return self.behavior.person, self.role or ""


def case_of(engine: Engine, settings: Settings, work: Work) -> tuple[Case, Profile]:
    """What stays the same while the person is refined, and the start.

    Raises:
        ConfigError: other people are needed and there are too few, a role cannot be embedded, or the start is unusable.
        InputError: see ``split.split``.
    """
    # Measured updates aim at what statistics expect of the person and are judged by it: nothing need be kept back from it.
    measured = engine.user is None and engine.refiner is None
    parts = work.parts or split(work.behavior, settings.seed, role=work.role, dev=not measured)
    if settings.paper:
        parts = Parts(parts.train, fit_only=parts.fit_only, notes=(*parts.notes, "the published protocol: all scores are in-sample"))
    kind = kind_of(parts.train, parts.dev, parts.test)
    yardstick = None
    if kind == "dialogue":
        if work.population is None:
            raise ConfigError(f"too few dialogues of other people as {work.role}: expected at least 20; give more people (--people)")
        yardstick = Yardstick(work.population, parts, engine.losses, whole=engine.user is None)
    start = _start(work, yardstick, parts, settings)
    told = "\n".join(item.context for part in (parts.train, parts.dev, parts.test) for item in part)
    exposed = partial(leakage.find, items=_texts(parts), known=told, background=work.background)
    check = partial(leakage.find, items=_texts(parts), known=f"{start.text()}\n{told}", background=work.background)
    return Case(parts, kind, yardstick, engine.roles(settings, yardstick), settings, check, exposed, work.common), start


def _texts(parts: Parts) -> leakage.Items:
    return {part: parts.texts()[part] for part in leakage.PARTS}


def _start(work: Work, yardstick: Yardstick | None, parts: Parts, settings: Settings) -> Profile:
    if isinstance(work.start, Profile):
        return work.start
    if work.start == "attributes":
        return from_attributes(work.behavior.attributes).within(settings.budget)[0]
    if yardstick is None or work.start == "nothing":
        return Profile()
    return shrunk(yardstick.population, yardstick.rows(parts.train if work.start == "shrinkage" else ()))


def refine_person(engine: Engine, settings: Settings, work: Work) -> PersonResult:
    """Refines the profile of one person; equal arguments (and answers of models) give equal results.

    Raises:
        ConfigError, InputError: see ``case_of``.
        ModelError, BudgetError: a model cannot be asked; a budget that ends in the loop ends only the loop.
    """
    case, start = case_of(engine, settings, work)
    history, stop, reason = refined(case, start)
    why = (reason,) if reason else ()
    profile = history.current.profile
    items = case.judged
    measure, higher = PRIMARY[case.kind]
    rows = case.yardstick.rows(items) if case.yardstick is not None else ()
    found = controls.outcomes(case, start, profile, items)
    return PersonResult(
        person=work.behavior.person, role=work.role or "", stop=stop, fit_only=case.parts.fit_only, in_sample=not case.parts.test,
        measure=measure, higher=higher, items=tuple(item.id for item in items), notes=(*case.parts.notes, *work.behavior.notes, *why),
        profile=profile, history=history, outcomes=found, targets=tuple(map(controls.stored, rows)), seen=seen(work),
        features=features.version() if case.kind == "dialogue" else "", curve=controls.curve(case),
    )  # fmt: skip


def seen(work: Work) -> tuple[tuple[float, ...], ...]:
    """Fingerprints of the person's whole dialogues on that side, rounded as a reference holds them."""
    said = [item.texts() for item in work.behavior.items if isinstance(item, DialogueItem) and item.role == work.role]
    spoken = [texts for texts in said if any(words_of(texts))]
    return tuple(map(rounded, definitions.features().measure(spoken).values))
