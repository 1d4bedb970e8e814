"""Controls of a refinement, and the refinement of one person from behavior to result.

Played once, at the end, on the test items with the same seeds: the initial profile, shrinkage alone, the population, the average person, a
one-call rewrite, padding, and the ground truth. Computed without playing: a constant dialogue (the mean of the refined profile's), other
people's real dialogues, the person's own other dialogues (the ceiling), and other people's refined profiles (when all people are done).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np

from personaevo import content, definitions, readers, reference
from personaevo.chat import ChatModel, Role
from personaevo.errors import BudgetError, ConfigError, ModelSetupError, ModelUnavailableError, PersonaevoError
from personaevo.measure import energy
from personaevo.measure.energy import energy_scores
from personaevo.measure.fingerprint import words_of
from personaevo.records import Floats
from personaevo.reference import rounded
from personaevo.refine import features
from personaevo.refine.features import Scale, as_dials
from personaevo.refine.items.behavior import Behavior, DialogueItem, Item, Parts, split
from personaevo.refine.leakage.guard import PARTS, ItemTexts, find_leaks
from personaevo.refine.leakage.words import Background
from personaevo.refine.loop.initial_profile import Start, from_attributes
from personaevo.refine.loop.rounds import Case, PlayerBias, Roles, refined
from personaevo.refine.loop.scoring import PRIMARY, distance_measures, fingerprint_rows, kind_of, score_items, secondary_measures
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.records import LearningCurvePoint, Outcome, PersonResult, Settings
from personaevo.refine.roles.base import EmbeddedAnalyst, EmbeddedPlayer, EmbeddedRefiner, Refused
from personaevo.refine.roles.model_player import ModelPlayer
from personaevo.refine.roles.model_refiner import ModelAnalyst, ModelRefiner
from personaevo.refine.roles.population import MIN_DIALOGUES, FeatureSpace, Population, average, of_reference, shrunk
from personaevo.simulate.turns import seed_of

CURVE = (1, 2, 3, 5)  # numbers of items in the learning curve
_MOST_TRUTH = 20_000  # characters of ground truth in a profile
_SAMPLED = 300  # dialogues that represent those of all others


def outcomes(case: Case, start: Profile, profile: Profile, items: Sequence[Item]) -> dict[str, Outcome]:
    """Outcomes of the refined profile and its controls on ``items``, by name."""
    refined, rows = _scored(case, profile, items)
    found = {"refined": refined.model_copy(update={"rows": tuple(map(rounded_row, rows))}), "start": outcome(case, start, items)}
    if case.space is not None:
        population = case.space.population
        found["shrinkage"] = outcome(case, shrunk(population, case.space.rows(case.parts.train)), items)
        found["population"] = outcome(case, shrunk(population, case.space.rows(())), items)
        found["average"] = outcome(case, average(population), items)
        found |= _computed(case, case.space, rows, items)
    found["rewrite"] = _rewritten(case, start, items)
    found["padding"] = outcome(case, padded(start, profile.words), items)
    found["truth"] = outcome(case, with_truth(case, start, items), items)
    return found


def outcome(case: Case, profile: Profile, items: Sequence[Item]) -> Outcome:
    """Play and score one profile on ``items``."""
    return _scored(case, profile, items)[0]


def _scored(case: Case, profile: Profile, items: Sequence[Item]) -> tuple[Outcome, Floats]:
    """The outcome of a profile, and the feature rows ``[n, d]`` of its dialogues."""
    leak = case.exposed(profile.text()).score
    none = np.empty((0, len(features.names())))
    try:
        played = case.played(profile, items, "judged")
    except BudgetError as error:
        return Outcome(profile=profile, leak=leak, reason=str(error)), none
    found = score_items(case.kind, items, played, case.space)
    others = secondary_measures(case.kind, played, case.settings.measures)
    rows = fingerprint_rows(played) if case.kind == "dialogue" else None
    if rows is None or case.space is None:
        return Outcome(profile=profile, values=tuple(found.values()), beside=others, leak=leak), none
    points = case.space.points(rows)
    shown = tuple(map(float, rows[:, : features.fingerprint_size()].mean(axis=0)))
    others |= distance_measures(points, case.space.rows(items), case.space)
    known = _recognition(case, points)
    return Outcome(profile=profile, values=tuple(found.values()), beside=others, leak=leak, shown=shown, **known), rows


def _recognition(case: Case, points: Floats, *, real: bool = False) -> dict[str, Any]:
    found = case.lineup
    return {} if found is None else {"recognized": found.recognized(points, real=real), "nearer": found.nearer(points)}


def rounded_row(row: Floats) -> tuple[float | None, ...]:
    """A row [d] as results store it: four significant digits, None for missing values."""
    return tuple(None if np.isnan(value) else float(f"{value:.4g}") for value in row)


def _computed(case: Case, space: FeatureSpace, rows: Floats, items: Sequence[Item]) -> dict[str, Outcome]:
    """The controls that are not profiles, as points ``[k, d]`` in place of simulated dialogues."""
    truths = space.points(space.rows(items))
    own = space.points(space.rows([*case.parts.train, *case.parts.dev]))
    whole = space.population.whole
    sampled = space.points(whole[:: max(1, -(-len(whole) // _SAMPLED))])
    found: dict[str, Outcome] = {"crowd": Outcome(values=tuple(map(float, energy.energy_scores(sampled, truths))))}
    if len(rows):
        mean = space.points(rows).mean(axis=0, keepdims=True)
        found["constant"] = Outcome(values=tuple(map(float, energy.energy_scores(mean, truths))), **_recognition(case, mean))
    if case.parts.test and len(own):
        found["own"] = Outcome(values=tuple(map(float, energy.own_score(own, truths))), **_recognition(case, own, real=True))
    else:
        found["own"] = Outcome(reason="there is no other dialogue of the person")
    return found


def curve(case: Case) -> tuple[LearningCurvePoint, ...]:
    """Learning curve: shrinkage alone from the first 1, 2, 3 and 5 items, as far as there are so many, if whole dialogues are played."""
    space = case.space
    if space is None or not space.whole or not case.parts.test:
        return ()
    rows = space.rows(case.parts.train)
    return tuple(_curve_point(case, space, rows, count) for count in CURVE if count <= len(rows))


def _curve_point(case: Case, space: FeatureSpace, rows: Floats, count: int) -> LearningCurvePoint:
    """From fewer items by half as many role-plays, which the score is no worse for on average."""
    whole, items = count == len(rows), case.judged
    profile = shrunk(space.population, rows[:count])
    samples = case.settings.samples if whole else max(2, case.settings.samples // 2)
    played = case.roles.player.play(profile, items, samples, seed_of(case.settings.seed, "judged"))
    shown = fingerprint_rows(played)
    known = case.lineup.recognized(space.points(shown)) if shown is not None and case.lineup is not None else None
    return LearningCurvePoint(items=count, value=score_items(case.kind, items, played, space).value, recognized=known)


def _rewritten(case: Case, start: Profile, items: Sequence[Item]) -> Outcome:
    if case.roles.rewrite is None:
        return Outcome(reason="a rewrite in one call needs a model that refines")
    try:
        made = case.roles.rewrite(start, case.parts.train)
    except BudgetError as error:
        return Outcome(reason=str(error))
    return Outcome(reason=made.reason) if isinstance(made, Refused) else outcome(case, made, items)


def padded(start: Profile, words: int) -> Profile:
    """The profile with sentences of no content appended up to about ``words`` words."""
    claims: list[Claim] = []
    for sentence in cycle(content.toml("fitness", "refine/padding.toml")["sentences"]):
        if start.words + sum(claim.words for claim in claims) >= words:
            break
        claims.append(Claim(text=sentence))
    return start.updated("background", *start.sections["background"], *claims)


def with_truth(case: Case, start: Profile, items: Sequence[Item]) -> Profile:
    """The profile with the test items themselves pasted in, as text and as dials: an upper bound."""
    pasted, left = [], _MOST_TRUTH
    for text in (text for item in items for text in item.texts()):
        if left <= 0:
            break
        pasted.append(Claim(text=text[:left]))
        left -= len(text)
    profile = start.updated("knowledge", *start.sections["knowledge"], *pasted)
    rows = case.space.rows(items) if case.space is not None else ()
    if isinstance(rows, tuple) or not len(rows):
        return profile
    return profile.with_dials(as_dials(features.mean_of(rows)))


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


_PEERS = 10  # other people whose profiles represent those of all
_NO_PEER = "another person's profile needs a second person on the same side"

Key = tuple[str, str]
PlayOther = Callable[[RefinementTask, PersonResult], Outcome]


def peer_outcomes(results: Sequence[PersonResult], found: Sequence[RefinementTask], play: PlayOther | None = None) -> dict[Key, dict[str,
Outcome]]:
    """Scores of other people's refined profiles on each person's items: "other", the mean over ten of them, and "shuffled", that of one, a
    permutation that gives everyone another's profile.

    If role-plays were whole dialogues of their own, the stored rows are scored; else ``play`` plays the one profile.
    """
    works = {work.key: work for work in found}
    circles: dict[tuple[str, str], list[PersonResult]] = {}
    order = {one.key: hashlib.blake2b("\x1f".join(one.key).encode("utf-8", "replace"), digest_size=16).digest() for one in results}
    for one in sorted(results, key=lambda one: order[one.key]):
        if one.profile is not None:
            circles.setdefault((one.role, one.measure), []).append(one)
    made: dict[Key, dict[str, Outcome]] = {}
    for one in results:
        circle = circles.get((one.role, one.measure), [])
        place = next((place for place, peer in enumerate(circle) if peer.key == one.key), None)
        if place is None or len(circle) < 2:
            made[one.key] = dict.fromkeys(("other", "shuffled"), Outcome(reason=_NO_PEER))
            continue
        peers = [circle[(place + step) % len(circle)] for step in range(1, min(_PEERS, len(circle) - 1) + 1)]
        if play is not None:
            made[one.key] = dict.fromkeys(("other", "shuffled"), play(works[one.key], peers[0]))
        else:
            made[one.key] = _stored_scores(works[one.key], one, peers)
    return made


def _stored_scores(work: RefinementTask, one: PersonResult, peers: Sequence[PersonResult]) -> dict[str, Outcome]:
    """Scores of the stored rows of the peers' dialogues, on the person's own scale."""
    plays = [rows for peer in peers if (rows := peer.outcomes["refined"].rows)]
    if work.population is None or not plays or not one.targets:
        return dict.fromkeys(("other", "shuffled"), Outcome(reason="no role-play has a fingerprint"))
    scale = Scale.of(work.population.whole, work.population.people)  # not ``population.scale``, which would stay in memory for every person
    truths = scale.points(np.array(one.targets, dtype=float))
    values = np.array([energy_scores(scale.points(np.array(rows, dtype=float)), truths) for rows in plays])
    means: Mapping[str, list[float]] = {"other": values.mean(axis=0).tolist(), "shuffled": values[0].tolist()}
    return {name: Outcome(values=tuple(row)) for name, row in means.items()}
