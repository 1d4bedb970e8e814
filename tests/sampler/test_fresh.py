"""Personas for tasks that the archive has not seen: elite programs in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sampler_cases import FEATURES, a_commit, write

from personaevo.archive import Archive
from personaevo.chat import Message, Reply
from personaevo.errors import ArchiveError, ConfigError, ProgramError
from personaevo.models import Models
from personaevo.programs import make_program
from personaevo.records import Commit, Program, Task
from personaevo.sampler import PersonaSampler, SampledPersona

GOAL = "move my booking to another week"
BROKEN = "AXES = []\ndef generate(task, n, rng, model=None):\n    raise ValueError('not this task')\n"
SAME = "AXES = []\ndef generate(task, n, rng, model=None):\n    return [{'description': 'always the same'} for _ in range(n)]\n"
ASKING = (
    "AXES = []\ndef generate(task, n, rng, model=None):\n"
    "    return [{'description': model.complete('who is number ' + str(i)), 'policy': 'x' * i} for i in range(n)]\n"
)


@pytest.fixture(scope="module")
def sampler(stored_archive: Path) -> Iterator[PersonaSampler]:
    with PersonaSampler(stored_archive) as opened:
        yield opened


def by(source: str, number: int, best_in: int) -> Commit:
    """An elite with this source."""
    commit = a_commit(number, 4, best_in=best_in)
    program: Program = make_program(source)
    assert commit.evaluation is not None
    evaluation = replace(commit.evaluation, program_id=program.id)
    return Commit(replace(commit.candidate, program=program), evaluation, commit.episodes)


def test_personas_come_from_elites(sampler: PersonaSampler) -> None:
    personas = sampler.sample(GOAL, 12)
    owners = {elite.cell: elite.program_id for elite in sampler.elites}
    assert all(owners[persona.cell] == persona.program for persona in personas)
    assert len({persona.id for persona in personas}) == 12
    assert {persona.task for persona in personas} == {"given"}


def test_equal_arguments_give_equal_personas(sampler: PersonaSampler, stored_archive: Path) -> None:
    task = Task(id="any", goal=GOAL, domain=sampler.domain)
    personas = sampler.sample(GOAL, 8, seed=3)
    with PersonaSampler(stored_archive) as other:
        assert other.sample({"goal": GOAL}, 8, seed=3) == personas
    assert _told(sampler.sample(task, 8, seed=3)) == _told(personas)
    assert sampler.sample(GOAL, 3, seed=3) == personas[:3]
    assert _told(sampler.sample(GOAL, 8, seed=4)) != _told(personas)
    assert _told(sampler.sample("cancel my order", 8, seed=3)) != _told(personas)


def _told(personas: list[SampledPersona]) -> list[str]:
    return [persona.model_dump_json(include={"behaviors", "dials", "policy"}) for persona in personas]


def test_nobody_twice(sampler: PersonaSampler) -> None:
    assert len(set(_told(sampler.sample(GOAL, 100)))) == 100


def test_they_are_measured_as_in_the_search(sampler: PersonaSampler) -> None:
    """Dials of words a turn show in what is measured; the text lost case and punctuation like the people's."""
    personas = sampler.sample(GOAL, 40)
    assert all(list(persona.measured) == list(FEATURES) for persona in personas)
    asked = [persona.dials["words_per_turn"] for persona in personas]
    shown = [persona.measured["words_per_turn"] for persona in personas]
    assert np.corrcoef(asked, shown)[0, 1] > 0.5


def test_where_chooses_among_them(sampler: PersonaSampler) -> None:
    personas = sampler.sample(GOAL, 8, where="words_per_turn < 6 and cell in (0, 2) and grim < 0.5")
    assert all(persona.measured["words_per_turn"] < 6 and persona.behaviors["grim"] < 0.5 for persona in personas)
    assert {persona.cell for persona in personas} == {0, 2}
    assert sampler.sample(GOAL, 3, where="words_per_turn < 6 and cell in (0, 2) and grim < 0.5") == personas[:3]
    with pytest.raises(ConfigError, match=r"where: no persona of \d+ matches; 'grim > 2' matches none of them"):
        sampler.sample(GOAL, 1, where="grim > 2")
    with pytest.raises(ConfigError, match=r"'cell == 7' holds in none of the 3 cells that have a program"):
        sampler.sample(GOAL, 1, where="cell == 7")


def test_users_that_models_played_are_not_tried_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.duckdb", [a_commit(0, 4, best_in=0)], models={"user": "openai:any"})
    with PersonaSampler(path) as sampler:
        assert [persona.measured for persona in sampler.sample(GOAL, 2)] == [{}, {}]
        with pytest.raises(ConfigError, match="'words_per_turn < 100' matches none of them"):
            sampler.sample(GOAL, 1, where="words_per_turn < 100")
        assert sampler.sample(GOAL, 1, where="patience_turns > 0")


def test_a_changed_program_is_not_run(stored_archive: Path) -> None:
    with PersonaSampler(stored_archive) as sampler:
        sampler._sources = {program: f"{source}\nMORE = 1\n" for program, source in sampler._sources.items()}
        with pytest.raises(ArchiveError, match="has another source than that: it was changed"):
            sampler.sample(GOAL, 1)


def test_a_program_of_one_persona_repeats_it(tmp_path: Path) -> None:
    with PersonaSampler(write(tmp_path / "a.duckdb", [by(SAME, 0, 0)])) as sampler:
        assert {persona.description for persona in sampler.sample(GOAL, 7)} == {"always the same"}


def test_a_failing_program_is_passed_over(tmp_path: Path) -> None:
    broken = by(BROKEN, 0, 0)
    with PersonaSampler(write(tmp_path / "a.duckdb", [broken, a_commit(1, 4, best_in=1)])) as sampler:
        personas = sampler.sample(GOAL, 20)
        assert broken.candidate.program.id not in {persona.program for persona in personas}
        assert sampler.sample(GOAL, 4) == personas[:4]
        assert sampler.sample("task two", 4)  # what is stored needs no program
    with (
        PersonaSampler(write(tmp_path / "b.duckdb", [broken])) as sampler,
        pytest.raises(ProgramError, match=r"every program of the archive fails on 'move my booking.*not this task"),
    ):
        sampler.sample(GOAL, 2)


class Answers:
    """A model that says who it was asked for."""

    def reply(self, messages: list[Message], *, schema: object = None, sample: int = 0) -> Reply:
        return Reply(f"a person, answer to {messages[-1].content!r}")


class OneModel(Models):
    """Models whose generator is scripted."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def role(self, name: str) -> Answers:  # type: ignore[override]
        self.asked.append(name)
        return Answers()


def test_programs_may_ask_a_model(tmp_path: Path) -> None:
    path = write(tmp_path / "a.duckdb", [by(ASKING, 0, 0)])
    with PersonaSampler(path) as sampler, pytest.raises(ProgramError, match=r"it asks a model: give it one \(models=, --model generator="):
        sampler.sample(GOAL, 1)
    models = OneModel()
    with PersonaSampler(path, models=models) as sampler:
        assert sampler.sample(GOAL, 3)[0].description.startswith("a person, answer to 'who is number ")
    assert models.asked == ["generator"]


def test_an_archive_of_a_real_search(finished_archive: Path) -> None:
    with PersonaSampler(finished_archive) as sampler:
        personas = sampler.sample(GOAL, 8, where="words_per_turn < 12")
        assert all(persona.measured["words_per_turn"] < 12 for persona in personas)
        stored, everybody = ({persona.id for persona in sampler.sample(n=n)} for n in (30, 500))
    assert len(stored) == min(30, len(everybody))  # those whose dialogues lie outside all cells are not drawn
    with Archive.read(finished_archive) as archive:
        evolved = next(row.program_id for row in archive.final_table(1).rows if row.row == "evolved")
        elites = {elite.program_id for elite in archive.elites()}
    assert {persona.program for persona in sampler.sample(n=100)} <= elites | {evolved}
