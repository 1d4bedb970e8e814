"""Contract tests for user-defined parts of a search. Each raises ``ContractError`` with the first problem, and returns what it observed.

    from personaevo import testing

    def test_my_users():
        testing.check_users(MyUsers())
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from personaevo import definitions, readers, reference
from personaevo.chat import ChatModel, Message, Reply
from personaevo.config import DEFAULT_DOMAIN
from personaevo.content import root
from personaevo.errors import PersonaevoError
from personaevo.evolve.parts import make_parts
from personaevo.evolve.ranking import Scored
from personaevo.evolve.recombine import Operator, Parents
from personaevo.evolve.select import Population, Selection
from personaevo.executors import Carried
from personaevo.judge.discriminator import Judge, Negatives, train
from personaevo.judge.objectives import Objective, Played
from personaevo.judge.scorer import Scorer
from personaevo.measure.cells import Described, Descriptors, tessellate
from personaevo.measure.energy import Space
from personaevo.models import MemoryStore, Models, parse
from personaevo.programs.source import make_program
from personaevo.records import Episode, Estimate, Evaluation, Floats, Persona, PlanItem
from personaevo.simulate.episodes import MakeAgent, MakeUser, measured, run_episode
from personaevo.simulate.own_users import AgentSimulator, UserSimulator, own_agents, own_users, part_id
from personaevo.simulate.partners import AgentFunction

_DIALOGUES = 4
_TRIES = 20
_ROWS = 200
_CLOSE = 1e-9


class ContractError(PersonaevoError, AssertionError):
    """A part does not fulfil its interface."""


def check_users(simulator: UserSimulator, domain: str = DEFAULT_DOMAIN) -> list[Episode]:
    """Test a user simulator: play dialogues with the scripted agent, without and with a persona, each twice. Returns the episodes.

    Raises:
        ContractError: it has no id or ``start``, fails, says nothing, or differs for equal arguments.
    """
    _formed(users=simulator)
    return _checked_episodes(domain, f"users {simulator.id}", make_user=own_users(simulator))


def check_agent(agent: AgentSimulator | AgentFunction, domain: str = DEFAULT_DOMAIN) -> list[Episode]:
    """Test an agent: play dialogues of embedded users with it, each twice. Returns the episodes.

    Raises:
        ContractError: it is not an agent, fails, or differs for equal arguments.
    """
    _formed(agent=agent)
    return _checked_episodes(domain, f"agent {part_id(agent)}", make_agent=own_agents(agent))


def check_judge(judge: Judge, domain: str = DEFAULT_DOMAIN) -> Floats:
    """Test a judge: train it on people against others, whose behaviors are shuffled between people and a standard deviation higher.
    Returns its scores of the training data.

    Raises:
        ContractError: scores are not one number from 0 to 1 per row, or are all equal; a second training differs; it cannot be sent to a
            worker process.
    """
    _formed(judge=judge)
    values, people = _mixed(domain)
    weights = np.ones(len(values))
    trained = judge.train(values, people, weights, 0)
    found = _scores(trained.score(values), len(values), judge.id)
    _need(float(np.ptp(found)) > 0, f"judge {judge.id} gives every dialogue the score {found[0]:.3g}: it tells nothing")
    again = _scores(judge.train(values, people, weights, 0).score(values), len(values), judge.id)
    _need(_alike(found, again), f"judge {judge.id} scores otherwise when it is trained again on the same: seed whatever it draws")
    sent: Any = _sent(trained, f"what judge {judge.id} trains")
    _need(_alike(found, _scores(sent.score(values), len(values), judge.id)), f"judge {judge.id} scores otherwise in another process")
    return found


def check_descriptors(descriptors: Descriptors, domain: str = DEFAULT_DOMAIN) -> Floats:
    """Test descriptors: measure people with them. Returns their coordinates ``[n, k]``.

    Raises:
        ContractError: coordinates are not finite or not one for each name, a row depends on the others, or no coordinate varies.
    """
    _formed(descriptors=descriptors)
    values, people = _mixed(domain)
    rows = values[people == 1]
    space = _tried(lambda: Described.of(descriptors, rows), f"descriptors {descriptors.id}")
    _need(bool(space.standard.kept.any()), f"descriptors {descriptors.id}: all people have the same coordinates")
    found = np.asarray(descriptors.measure(rows), dtype=float)
    few = np.asarray(descriptors.measure(rows[:3]), dtype=float)
    _need(_alike(found[:3], few), f"descriptors {descriptors.id}: a dialogue's coordinates depend on which others are measured with it")
    _sent(descriptors, f"descriptors {descriptors.id}")
    return found


def check_operator(operator: Operator) -> list[str]:
    """Test an operator: apply it to the installed seed program, with a mate, several times. Returns the children's sources.

    Raises:
        ContractError: it returns neither a source nor None, differs for equal seeds, or never makes another program.
    """
    source = (root("seeds") / "program.py").read_text(encoding="utf-8")
    name, parent = part_id(operator), make_program(source)
    found = []
    for seed in range(_TRIES):
        child, again = (operator(Parents(source, source), random.Random(seed)) for _ in range(2))
        _need(child is None or isinstance(child, str), f"operator {name} returned {child!r:.80}: expected a source, or None")
        _need(child == again, f"operator {name} makes another child of equal parents and an equal generator: draw from rng alone")
        found += [] if child is None else [child]
    programs = [_tried(lambda one=one: make_program(one), f"operator {name}") for one in found]  # type: ignore[misc]
    _need(any(one.id != parent.id for one in programs), f"operator {name} made no other program of the seed program in {_TRIES} tries")
    return found


def check_selection(selection: Selection) -> list[str]:
    """Test a selection: let it choose from a population of twelve. Returns the chosen ids.

    Raises:
        ContractError: it chooses something that is not a member, or differs for equal generators.
    """
    _formed(selection=selection)
    members = {f"p{number}": _scored(number) for number in range(12)}
    population = Population(lambda ids: [members[one] for one in ids])
    for one in members.values():
        population.add(one)
    found = []
    for seed in range(_TRIES):
        chosen, again = (selection.choose(population, dict.fromkeys(range(4), 0.25), random.Random(seed)) for _ in range(2))
        member = members.get(getattr(chosen, "program_id", "")) == chosen
        _need(member, f"selection {selection.id} returned {chosen!r:.80}: expected a member of the population")
        _need(chosen == again, f"selection {selection.id} chooses otherwise with an equal generator: draw from rng alone")
        found.append(chosen.program_id)
    return found


def check_objective(objective: Objective, episodes: Sequence[Episode] = (), domain: str = DEFAULT_DOMAIN) -> Floats:
    """Test an objective on dialogues (default: some of the embedded engine). Returns its value under each weighting.

    Raises:
        ContractError: it is not an ``Objective``, its name is taken, or its values are not one finite number for each weighting.
    """
    _formed(objectives=[objective])
    given = list(episodes) or list(measured(_episodes(domain), ()))
    played = Played.of([replace(one, p_human=0.5, cell=0) for one in given], np.zeros(len(definitions.features().names)))
    scorer = _scorer(domain)
    found: Floats = np.asarray(_tried(lambda: objective.raw(played, scorer), f"objective {objective.name}"), dtype=float)
    fine = found.shape == played.weights.shape[:1] and bool(np.isfinite(found).all())
    _need(fine, f"objective {objective.name}: expected finite numbers of shape {played.weights.shape[:1]}, got shape {found.shape}")
    if objective.role == "steers":
        level = _tried(lambda: objective.level(scorer, len(given)), f"objective {objective.name}")
        _need(level is not None, f"objective {objective.name} steers: it needs a level")
    _sent(objective, f"objective {objective.name}")
    return found


def check_model(model: ChatModel) -> Reply:
    """Test a model: ask one question. Returns the answer.

    Raises:
        ContractError: it has no ``reply``, raises an exception, returns neither text nor a ``Reply``, or says nothing.
    """
    _formed(models={"user": model})
    with Models({"user": parse(f"own:{part_id(model)}")}, MemoryStore(), own={"user": model}) as models:
        asked = models.role("user")
        assert asked is not None, "it was given"
        found: Reply = _tried(lambda: asked.reply([Message("system", "You are a customer."), Message("user", "How can I help?")]), "model")
    _need(bool(found.text.strip()), f"model {part_id(model)} said nothing")
    return found


# --- helpers


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise ContractError(what)


def _tried(act: Callable[[], Any], who: str) -> Any:
    try:
        return act()
    except ContractError:
        raise
    except Exception as error:
        raise ContractError(f"{who}: {error}" if isinstance(error, PersonaevoError) else f"{who} raised {error!r:.200}") from error


def _formed(**given: Any) -> None:
    wanted = ("users", "agent", "judge", "objectives", "operators", "selection", "models", "descriptors")
    _tried(lambda: make_parts(*(given.get(name) for name in wanted)), "a part")


def _checked_episodes(domain: str, who: str, **players: Any) -> list[Episode]:
    found, again = _episodes(domain, **players), _episodes(domain, **players)
    for one in found:
        _need(one.state == "completed", f"{who}: a dialogue failed: {one.reason}")
    _need(found == again, f"{who} played otherwise with equal tasks, personas and seeds: seed whatever is drawn")
    return found


def _episodes(domain: str, make_user: MakeUser | None = None, make_agent: MakeAgent | None = None) -> list[Episode]:
    ground, tasks = definitions.domain(domain), readers.read_tasks(definitions.domain_files(domain).tasks)[: _DIALOGUES // 2]
    persona = Persona(id="tested", description="Someone in a hurry.", dials={"words_per_turn": 5.0, "pushback_rate": 0.2})
    plan = [(task, who, PlanItem(task.id, 0, seed)) for task in tasks for seed, who in ((1, None), (2, persona))]
    return [run_episode(task, who, item, ground, make_user=make_user, make_agent=make_agent) for task, who, item in plan]


def _mixed(domain: str) -> tuple[Floats, Floats]:
    """Fingerprints of people and of as many others, whose behaviors are each that of a random person plus a standard deviation; and 1.0
    for people, 0.0 for others."""
    people = reference.load(definitions.domain_files(domain).reference).values[:_ROWS]
    rng = np.random.default_rng(0)
    others = np.column_stack([rng.permutation(column) + column.std() for column in people.T])
    return np.vstack([people, others]), np.repeat([1.0, 0.0], len(people))


def _scorer(domain: str) -> Scorer:
    """A scorer with the people of the domain's reference and a judge trained against the others of ``_mixed``."""
    values, is_people = _mixed(domain)
    people, others = values[is_people == 1], values[is_people == 0]
    names = [str(number) for number in range(len(people))]
    judge = train(people, names, {"mixed": Negatives(others, tuple(names))})
    return Scorer("train", judge, tessellate(people), Space.of(people), people, others, names=definitions.features().names)


def _scores(found: Any, rows: int, name: str) -> Floats:
    values = np.asarray(found, dtype=float)
    fine = values.shape == (rows,) and bool(((values >= 0) & (values <= 1)).all())
    _need(fine, f"judge {name}: expected {rows} numbers from 0 to 1, got shape {values.shape}")
    return values


def _alike(first: Floats, second: Floats) -> bool:
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=0, atol=_CLOSE, equal_nan=True))


def _sent(part: Any, who: str) -> Any:
    """The part after pickling for a worker process."""
    return _tried(lambda: pickle.loads(pickle.dumps(Carried(part))).part, f"{who} cannot be sent to a worker process")


def _scored(number: int) -> Scored:
    names = ("score", "human_likeness", "coverage", "consistency")
    found = {name: Estimate((number * step % 12) / 12, 0.02, 0.5) for name, step in zip(names, (1, 5, 7, 11), strict=True)}
    return Scored(f"p{number}", Evaluation(f"p{number}", "train", 20, 20, found))
