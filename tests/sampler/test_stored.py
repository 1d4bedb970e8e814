"""Sampling stored personas: whose they are, what each strategy draws, and that nobody comes twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sampler_cases import CELLS, FEATURES, TASKS, a_commit, write

from personaevo.archive import Archive, Member
from personaevo.errors import ArchiveError, ConfigError, InputError
from personaevo.records import Persona, Task
from personaevo.sampler import PersonaSampler, SampledPersona
from personaevo.sampler.pool import Pool, weigh

ALL = 160  # four programs, two tasks, twenty slots


def test_personas_are_those_of_the_elites_and_the_best(stored: PersonaSampler, stored_archive: Path) -> None:
    with Archive.read(stored_archive) as archive:
        episodes = {
            (commit.candidate.program.id, one.item.task_id, one.persona.id): one
            for commit in archive.commits(1) for one in archive.episodes(1, commit.candidate.number) if one.persona
        }  # fmt: skip
        programs = [commit.candidate.program.id for commit in archive.commits(1)]
    personas = stored.sample(n=ALL)
    assert {persona.program for persona in personas} == set(programs[:4])
    for persona in personas:
        episode = episodes[persona.program, persona.task, persona.id.split("-")[-1]]
        assert episode.persona is not None
        assert persona.cell == episode.cell
        assert persona.cell_name == CELLS[persona.cell]["name"]
        assert persona.measured == dict(zip(FEATURES, episode.fingerprint, strict=True))
        assert persona.model_copy(update={"id": episode.persona.id}).model_dump(include=set(Persona.model_fields)) == (
            episode.persona.model_dump()
        )
        assert persona.archive == str(stored_archive)


def test_nobody_twice_before_all_were_drawn(stored: PersonaSampler) -> None:
    twice = [persona.id for persona in stored.sample(n=2 * ALL)]
    assert len(set(twice[:ALL])) == len(set(twice[ALL:])) == ALL
    assert len({persona.id for persona in stored.sample(TASKS[0], n=ALL // 2)}) == ALL // 2


def test_a_shorter_sample_begins_a_longer_one(stored: PersonaSampler, stored_archive: Path) -> None:
    long = stored.sample(n=100, seed=3)
    assert stored.sample(n=7, seed=3) == long[:7]
    assert PersonaSampler(stored_archive).sample(None, 100, seed=3) == long
    assert stored.sample(n=7, seed=4) != long[:7]
    assert stored.sample(TASKS[0], n=7, seed=3) != stored.sample(TASKS[1], n=7, seed=3)


def test_strategies_draw_cells(stored: PersonaSampler) -> None:
    human = Counter(persona.cell for persona in stored.sample(n=60))
    assert [abs(human[cell] - count) <= 2 for cell, count in enumerate((30, 18, 12))] == [True] * 3
    uniform = Counter(persona.cell for persona in stored.sample(n=60, strategy="uniform"))
    assert all(abs(uniform[cell] - 20) <= 2 for cell in range(3))


def test_hard_draws_users_with_whom_the_agent_fails(stored: PersonaSampler) -> None:
    hard = stored.sample(n=ALL, strategy="hard")
    slots = [int(persona.id.split("-p")[-1]) for persona in hard]
    assert not any(slot % 7 == 0 for slot in slots[:128])  # classified as human: 17 of 20 slots, 136 personas
    assert len({persona.id for persona in hard}) == 136
    early = [slot % 5 == 0 for slot in slots[:12]]
    assert all(early)  # each cell has eight or more that were failed


def test_hard_pulls_cells_of_few_episodes_to_the_rest() -> None:
    """One failed dialogue does not make a cell the hardest there is."""
    one, many = a_commit(0, 1, cells=(0,)), a_commit(1, 20, cells=(1,))
    pool = Pool([Member("any", episode) for episode in (one.episodes[0], *many.episodes)], {})
    assert (pool.failed.sum(), len(pool)) == (1 + 8, 1 + 40)
    share = 10 / 43
    shares = weigh(pool, np.ones(len(pool), dtype=bool), "hard", {})
    assert shares == {0: pytest.approx((1 + 2 * share) / 3), 1: pytest.approx((8 + 2 * share) / 42)}
    assert shares[0] < 0.5


def test_tasks_of_the_archive_are_recognized(stored: PersonaSampler) -> None:
    by_id = stored.sample(TASKS[0], n=5)
    goals = stored.goals()
    known = Task(
        id="my own name", goal=goals[TASKS[0]], domain="service",
        facts={"booking reference": "R7K2QD", "new travel date": "May 14", "reason for the change": "a family wedding"},
        context="Booked a short trip with Norvale Air weeks ago. The date has to move since a cousin set a wedding on the same weekend.",
    )  # fmt: skip
    assert stored.sample(known, n=5) == by_id
    assert stored.sample({"id": TASKS[1], "goal": "whatever"}, n=5) == stored.sample(TASKS[1], n=5)  # whose content nobody knows
    assert {persona.task for persona in stored.sample({"id": TASKS[0], "goal": "something else"}, n=1)} == {TASKS[0]}
    assert all(persona.id.count("-") == 3 for persona in stored.sample({"id": TASKS[0], "goal": "something else"}, n=3))  # made, not stored


def test_personas_alike_are_one(tmp_path: Path) -> None:
    twin = a_commit(0, 20)
    other = a_commit(1, 20, best_in=1)
    path = write(tmp_path / "twins.duckdb", [twin, type(other)(other.candidate, other.evaluation, twin.episodes)], best=0)
    personas = PersonaSampler(path).sample(n=40)
    assert len({persona.description for persona in personas}) == 40


def test_what_a_persona_gives(stored: PersonaSampler) -> None:
    persona = stored.sample(n=1)[0]
    assert SampledPersona.model_validate(json.loads(json.dumps(persona.to_dict()))) == persona
    prompt = "You want a refund of $3 for order 77.\n"
    assert persona.overlay(prompt).startswith(prompt.rstrip())
    assert persona.overlay(prompt).endswith(f"{persona.description}\nBe brief.\n")
    assert persona.overlay("").startswith("Manner: ")


def test_wrong_arguments(stored: PersonaSampler, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected 1 to 100,000 personas, got 0"):
        stored.sample(n=0)
    with pytest.raises(InputError, match="field 'goal'"):
        stored.sample("  ", 1)
    with pytest.raises(InputError, match="field 'facts'"):
        stored.sample({"goal": "x", "facts": 3}, 1)
    with pytest.raises(ConfigError, match="expected one of human, uniform, hard, got 'best'"):
        stored.sample(n=1, strategy="best")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="where: expected text such as 'words_per_turn < 6', got a value of type int"):
        stored.sample(n=1, where=3)  # type: ignore[arg-type]
    with pytest.raises(ArchiveError, match="no packaged archive of that name"):
        PersonaSampler("nobody")
    with pytest.raises(ArchiveError, match="does not exist"):
        PersonaSampler(tmp_path / "nothing.duckdb")


def test_archive_without_elites(tmp_path: Path) -> None:
    with Archive.create_or_open(tmp_path / "new.duckdb") as archive:
        archive.begin_run({"domain": "service"}, [])
    with pytest.raises(ArchiveError, match="holds no elite yet"):
        PersonaSampler(tmp_path / "new.duckdb")


def test_nobody_is_taken_for_a_person(tmp_path: Path) -> None:
    commit = a_commit(0, 1, best_in=0)  # slot 0 alone
    sampler = PersonaSampler(write(tmp_path / "a.duckdb", [commit]))
    with pytest.raises(ConfigError, match=r"strategy hard: none of the 2 personas is classified as human"):
        sampler.sample(n=1, strategy="hard")
