"""Sampling personas from an archive."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from personaevo.archive import Archive, Elite
from personaevo.errors import ArchiveError, ConfigError, InputError, ProgramError
from personaevo.programs import program_id
from personaevo.records import Persona, Task
from personaevo.sampler import PersonaSampler, _draw

GOAL = "move my booking to another week"


@pytest.fixture(scope="module")
def sampler(finished_archive: Path) -> PersonaSampler:
    return PersonaSampler(finished_archive)


def test_personas_come_from_elites(sampler: PersonaSampler) -> None:
    personas = sampler.sample(GOAL, 12)
    owners = {elite.cell: elite.program_id for elite in sampler.elites}
    assert len(personas) == 12
    assert all(owners[persona.cell] == persona.program for persona in personas)
    assert len({persona.id for persona in personas}) == 12


def test_equal_arguments_give_equal_personas(sampler: PersonaSampler, finished_archive: Path) -> None:
    task = Task(id="any", goal=GOAL, domain=sampler.domain)
    personas = sampler.sample(GOAL, 8, seed=3)
    assert PersonaSampler(finished_archive).sample({"goal": GOAL}, 8, seed=3) == personas
    assert sampler.sample(task, 8, seed=3) == personas
    assert sampler.sample(GOAL, 3, seed=3) == personas[:3]
    assert sampler.sample(GOAL, 8, seed=4) != personas
    assert sampler.sample("cancel my order", 8, seed=3) != personas


def test_no_repetition_before_the_pool_is_used_up(sampler: PersonaSampler) -> None:
    personas = sampler.sample(GOAL, 200)
    assert len({persona.model_dump_json(include={"behaviors", "dials", "policy"}) for persona in personas}) == 200


def test_a_changed_program_is_not_run(finished_archive: Path) -> None:
    sampler = PersonaSampler(finished_archive)
    sampler._sources = {program: f"{source}\nMORE = 1\n" for program, source in sampler._sources.items()}
    with pytest.raises(ArchiveError, match="has another source than that: it was changed"):
        sampler.sample(GOAL, 1)


def test_a_program_of_one_persona_repeats_it(finished_archive: Path) -> None:
    sampler = PersonaSampler(finished_archive)
    same = "AXES = []\ndef generate(task, n, rng, model=None):\n    return [{'description': 'always the same'} for _ in range(n)]\n"
    sampler.elites, sampler._sources = _all_made_by(sampler, same)
    assert {persona.description for persona in sampler.sample(GOAL, 7)} == {"always the same"}


def test_cells_are_drawn_as_people_fill_them() -> None:
    elites = [_elite(cell, mass) for cell, mass in enumerate((0.5, 0.3, 0.2))]
    human = Counter(elite.cell for elite in _draw(elites, 100, 0, "human"))
    assert [abs(human[cell] - count) <= 2 for cell, count in enumerate((50, 30, 20))] == [True] * 3
    uniform = Counter(elite.cell for elite in _draw(elites, 99, 0, "uniform"))
    assert all(abs(uniform[cell] - 33) <= 2 for cell in range(3))


def test_a_failing_program_is_passed_over(finished_archive: Path) -> None:
    sampler = PersonaSampler(finished_archive)
    broken = "AXES = []\ndef generate(task, n, rng, model=None):\n    raise ValueError('not this task')\n"
    id_of_broken = program_id(broken)
    first = sampler.elites[0].program_id
    elites = tuple(replace(elite, program_id=id_of_broken) if elite.program_id == first else elite for elite in sampler.elites)
    if len({elite.program_id for elite in elites}) > 1:
        sampler.elites, sampler._sources = elites, {**sampler._sources, id_of_broken: broken}
        assert id_of_broken not in {persona.program for persona in sampler.sample(GOAL, 20)}
    sampler.elites, sampler._sources = _all_made_by(sampler, broken)
    with pytest.raises(ProgramError, match=r"every program of the archive fails on 'move my booking.*not this task"):
        sampler.sample(GOAL, 2)


def _all_made_by(sampler: PersonaSampler, source: str) -> tuple[tuple[Elite, ...], dict[str, str]]:
    program = program_id(source)
    return tuple(replace(elite, program_id=program) for elite in sampler.elites), {program: source}


def test_wrong_arguments(sampler: PersonaSampler) -> None:
    with pytest.raises(InputError, match="expected 1 to 100,000 personas, got 0"):
        sampler.sample(GOAL, 0)
    with pytest.raises(InputError, match="field 'goal'"):
        sampler.sample("  ", 1)
    with pytest.raises(InputError, match="field 'facts'"):
        sampler.sample({"goal": GOAL, "facts": 3}, 1)
    with pytest.raises(ConfigError, match="expected one of human, uniform, got 'hard'"):
        sampler.sample(GOAL, 1, strategy="hard")  # type: ignore[arg-type]


def test_archive_without_elites(tmp_path: Path) -> None:
    with Archive.create_or_open(tmp_path / "new.duckdb") as archive:
        archive.begin_run({"domain": "service"}, [])
    with pytest.raises(ArchiveError, match="holds no elite yet"):
        PersonaSampler(tmp_path / "new.duckdb")


def test_overlay_keeps_the_prompt() -> None:
    persona = Persona(id="p", description="someone terse", policy="Write little.")
    text = persona.overlay("You want a refund of $3.\n")
    assert text.startswith("You want a refund of $3.\n\n")
    assert text.endswith("someone terse\nWrite little.\n")
    assert persona.overlay("").startswith("Manner: ")


def _elite(cell: int, mass: float) -> Elite:
    return Elite(cell, f"cell {cell}", mass, 0, f"program {cell}", 0.1, 1.0, 0.0, 1.0)
