"""The refinement of one person, from behavior to result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from personaevo import definitions, readers, reference
from personaevo.chat import ChatModel, Role
from personaevo.errors import BudgetError, ConfigError, ModelSetupError, ModelUnavailableError, PersonaevoError
from personaevo.measure.fingerprint import words_of
from personaevo.reference import rounded
from personaevo.refine import features
from personaevo.refine.behavior import Behavior, DialogueItem
from personaevo.refine.common import PlayerBias
from personaevo.refine.controls import curve, outcomes, rounded_row
from personaevo.refine.embedded import EmbeddedAnalyst, EmbeddedPlayer, EmbeddedRefiner
from personaevo.refine.estimate import shrunk
from personaevo.refine.leakage import PARTS, ItemTexts, find_leaks
from personaevo.refine.loop import Case, Roles, refined
from personaevo.refine.model_analyst import ModelAnalyst
from personaevo.refine.model_player import ModelPlayer
from personaevo.refine.model_refiner import ModelRefiner
from personaevo.refine.population import MIN_DIALOGUES, FeatureSpace, Population, of_reference
from personaevo.refine.profile import Profile
from personaevo.refine.result import PersonResult, Settings
from personaevo.refine.scoring import PRIMARY, kind_of
from personaevo.refine.split import Parts, split
from personaevo.refine.starts import Start, from_attributes
from personaevo.refine.words import Background


@dataclass(frozen=True)
class Engine:
    """The players of the roles: each a model, or the embedded engine where that is None.

    Attributes:
        domain: tasks and wording of the embedded player (``definitions.domain``).
        losses: losses of the corpus's text.
        at_once: concurrent requests to the user's model, for one person.
    """

    domain: str = "charity"
    losses: tuple[str, ...] = ()
    user: ChatModel | None = None
    analyst: ChatModel | None = None
    refiner: ChatModel | None = None
    at_once: int = 8

    def embedded(self) -> EmbeddedPlayer:
        """The embedded player of whole dialogues."""
        tasks = readers.read_tasks(definitions.domain_files(self.domain).tasks)
        return EmbeddedPlayer(definitions.domain(self.domain), tasks, self.losses)

    def roles(self, settings: Settings, space: FeatureSpace | None) -> Roles:
        """The roles for one person.

        Raises:
            ConfigError: an embedded role is needed for items other than dialogues.
        """
        player = self.embedded() if self.user is None else ModelPlayer(self.user, self.losses, self.at_once)
        by_model = ModelRefiner(self.refiner, settings.budget) if self.refiner is not None else None
        rewrite = by_model.rewrite_once if by_model is not None else None
        if space is not None:
            refiner = by_model or EmbeddedRefiner(space.population)
            if self.analyst is None:
                return Roles(player, EmbeddedAnalyst(space), refiner, rewrite)
            return Roles(player, ModelAnalyst(self.analyst, settings.form, space), refiner, rewrite)
        if self.user is None or self.analyst is None or by_model is None:
            raise ConfigError("texts and sessions of actions need models: give user, analyst and refiner (--model user=openai:NAME …)")
        return Roles(player, ModelAnalyst(self.analyst, settings.form), by_model, rewrite)


@dataclass(frozen=True)
class RefinementTask:
    """One person to refine, on one side of the dialogue.

    Attributes:
        population: other people on that side; may be missing if there are no dialogues.
        background: word frequencies of other people.
        parts: the split, if not the default one.
        bias: correction of dials that is the same for everyone.
    """

    behavior: Behavior
    role: Role | None
    start: Start
    population: Population | None
    background: Background
    parts: Parts | None = None
    bias: PlayerBias | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Key of its result."""
        return self.behavior.person, self.role or ""


def case_of(engine: Engine, settings: Settings, task: RefinementTask) -> tuple[Case, Profile]:
    """The case of a task, and the initial profile.

    Raises:
        ConfigError: there are too few other people, a role cannot be embedded, or the initial profile cannot be used.
        InputError: see ``split``.
    """
    # Measured updates are made from and judged by the posterior of the person, so they need no dev items.
    measured = engine.user is None and engine.refiner is None
    parts = task.parts or split(task.behavior, settings.seed, role=task.role, dev=not measured)
    if settings.paper:
        parts = Parts(parts.train, fit_only=parts.fit_only, notes=(*parts.notes, "the published protocol: all scores are in-sample"))
    kind = kind_of(parts.train, parts.dev, parts.test)
    space = None
    if kind == "dialogue":
        if task.population is None:
            raise ConfigError(f"too few dialogues of other people as {task.role}: expected at least 20; give more people (--people)")
        space = FeatureSpace(task.population, parts, engine.losses, whole=engine.user is None)
    start = _start(task, space, parts, settings)
    contexts = "\n".join(item.context for part in (parts.train, parts.dev, parts.test) for item in part)
    texts: ItemTexts = {part: parts.texts()[part] for part in PARTS}
    exposed = partial(find_leaks, items=texts, known=contexts, background=task.background)
    check = partial(find_leaks, items=texts, known=f"{start.text()}\n{contexts}", background=task.background)
    return Case(parts, kind, space, engine.roles(settings, space), settings, check, exposed, task.bias), start


def _start(task: RefinementTask, space: FeatureSpace | None, parts: Parts, settings: Settings) -> Profile:
    if isinstance(task.start, Profile):
        return task.start
    if task.start == "attributes":
        return from_attributes(task.behavior.attributes).within(settings.budget)[0]
    if space is None or task.start == "nothing":
        return Profile()
    return shrunk(space.population, space.rows(parts.train if task.start == "shrinkage" else ()))


def refine_person(engine: Engine, settings: Settings, task: RefinementTask) -> PersonResult:
    """Refine the profile of one person; equal arguments (and model answers) give equal results.

    Raises:
        ConfigError, InputError: see ``case_of``.
        ModelError, BudgetError: a model cannot be called; a budget that runs out during the loop only ends the loop.
    """
    case, start = case_of(engine, settings, task)
    history, stop, reason = refined(case, start)
    why = (reason,) if reason else ()
    profile, items = history.current.profile, case.judged
    measure, higher = PRIMARY[case.kind]
    rows = case.space.rows(items) if case.space is not None else ()
    found = outcomes(case, start, profile, items)
    return PersonResult(
        person=task.behavior.person, role=task.role or "", stop=stop, fit_only=case.parts.fit_only, in_sample=not case.parts.test,
        measure=measure, higher=higher, items=tuple(item.id for item in items), notes=(*case.parts.notes, *task.behavior.notes, *why),
        profile=profile, history=history, outcomes=found, targets=tuple(map(rounded_row, rows)), seen=seen(task),
        features=features.version() if case.kind == "dialogue" else "", curve=curve(case),
    )  # fmt: skip


def seen(task: RefinementTask) -> tuple[tuple[float, ...], ...]:
    """Fingerprints of the person's whole dialogues on that side, rounded as in a reference."""
    said = [item.texts() for item in task.behavior.items if isinstance(item, DialogueItem) and item.role == task.role]
    spoken = [texts for texts in said if any(words_of(texts))]
    return tuple(map(rounded, definitions.features().measure(spoken).values))


def attempt(engine: Engine, settings: Settings, task: RefinementTask) -> PersonResult:
    """The person's result; an error concerning only this person gives a failed one. Errors of models and budgets are raised."""
    try:
        return refine_person(engine, settings, task)
    except (BudgetError, ModelSetupError, ModelUnavailableError):
        raise
    except PersonaevoError as error:
        person, role = task.key
        return PersonResult(person=person, role=role, state="failed", reason=str(error))


def reference_population(engine: Engine) -> Population | None:
    """The users of the domain's reference; None if there is none, or it is too small."""
    path = definitions.domain_files(engine.domain).reference
    if not path.exists():
        return None
    known = reference.load(path)
    if len(known) < MIN_DIALOGUES:
        return None
    habits = np.full((len(known), len(definitions.typing().names)), np.nan)
    if known.typing is not None:
        habits[:, [definitions.typing().names.index(name) for name in known.typing_names]] = known.typing
    return of_reference(np.hstack([known.values, habits]), np.unique(known.people, return_inverse=True)[1])
