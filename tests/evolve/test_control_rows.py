"""Controls and negatives: made-up populations, fixed negative programs, and what a judge is trained against."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from evolve_cases import small

from personaevo import definitions, reference
from personaevo.errors import ContentError
from personaevo.evolve import controls
from personaevo.evolve.controls import (
    NegativeWork,
    completed_negatives,
    dialogues_per_kind,
    negative_kinds,
    negative_programs,
    negative_records,
    negative_works,
    negatives_digest,
)
from personaevo.evolve.prepare import load_tasks
from personaevo.evolve.rollout import Rollout, make_plan
from personaevo.programs import Call, Sandbox
from personaevo.programs.personas import dial_table
from personaevo.records import Episode, Floats, PlanItem, Task

TASKS = [Task(id=f"t{number}", goal="go") for number in range(4)]
DOMAINS = definitions.domain_names()


def people() -> Floats:
    return reference.packaged("service").values


def plan(**changes: int) -> object:
    return make_plan(TASKS, at_most=4, personas=3, purpose="test", **{"seed": 1, **changes})


# -- controls ------------------------------------------------------------------------------------------------------------------


def test_one_persona_for_each_place_of_the_plan() -> None:
    for name in controls.CONTROLS:
        made = controls.personas(name, people(), plan())  # type: ignore[arg-type]
        assert list(made) == plan().slots  # type: ignore[attr-defined]
        assert len({one.id for one in made.values()}) == 12
        assert made == controls.personas(name, people(), plan())  # type: ignore[arg-type]
        assert all("_" not in one.description for one in made.values())
        for one in made.values():
            assert set(one.dials) == set(definitions.features().names)
            assert all(definitions.dials()[dial].low <= value <= definitions.dials()[dial].high for dial, value in one.dials.items())
    assert controls.personas("independent", people(), plan()) != controls.personas("independent", people(), plan(seed=2))  # type: ignore[arg-type]


def test_what_each_control_is() -> None:
    values, rng = np.random.default_rng(1).normal(size=(50, 4)) @ np.triu(np.ones((4, 4))), np.random.default_rng(2)
    made = {name: make(values, 50, rng) for name, make in controls.CONTROLS.items()}
    assert (made["average_person"] == values.mean(axis=0)).all()
    assert sorted(map(tuple, made["copied_people"])) == sorted(map(tuple, values))
    assert np.sort(made["independent"], axis=0) == pytest.approx(np.sort(values, axis=0))
    assert abs(np.corrcoef(made["independent"].T)[0, 1]) < 0.5 < np.corrcoef(values.T)[0, 1]
    assert made["caricatures"].mean(axis=0) == pytest.approx(values.mean(axis=0))
    assert made["caricatures"].std(axis=0) == pytest.approx(2 * values.std(axis=0))


def test_a_person_is_a_row_drawn_toward_the_mean() -> None:
    """As much of the variance is left as lies between persons, every mean stays, and so does who is beyond whom."""
    values, names = people(), definitions.features().names
    found = controls.persons(values, 0.16)
    assert found.mean(axis=0) == pytest.approx(values.mean(axis=0), rel=1e-9, abs=1e-12)
    for index, name in enumerate(names):
        log = definitions.dials()[name].scale == "log"
        row, person = (np.log(part[:, index]) if log else part[:, index] for part in (values, found))
        assert person.std() == pytest.approx(0.4 * row.std(), abs=1e-9)
        assert (np.argsort(person, kind="stable") == np.argsort(row, kind="stable")).all() or np.ptp(row) == 0 or log
    assert controls.persons(values, 1.0) == pytest.approx(values)
    assert np.ptp(controls.persons(values, 0.0), axis=0) == pytest.approx(0.0, abs=1e-9)


def test_copied_people_are_persons_and_what_the_judge_is_trained_against_are_rows() -> None:
    def spread(name: str, agreement: float | None = None) -> float:
        wide = make_plan(TASKS, at_most=4, personas=100, seed=1, purpose="test")
        return float(np.std([one.dials["short_rate"] for one in controls.personas(name, people(), wide, agreement).values()]))

    rows = people()[:, definitions.features().names.index("short_rate")].std()
    assert spread("copied_people", 0.25) == pytest.approx(0.5 * rows, rel=0.1)
    assert 0.35 * rows < spread("copied_people") < 0.55 * rows  # what other corpora show is assumed: .21
    assert spread("independent") == pytest.approx(rows, rel=0.1)


def test_everybody_is_taken_before_anybody_is_taken_again() -> None:
    values = np.arange(10.0)[:, None]
    times = Counter(controls.copied_people(values, 25, np.random.default_rng(1)).ravel().tolist())
    assert set(times.values()) == {2, 3}
    assert len(set(controls.copied_people(values, 7, np.random.default_rng(1)).ravel())) == 7


def test_rows_and_negatives_are_controls() -> None:
    assert set(controls.ROWS) <= set(controls.CONTROLS)
    assert set(controls.NEGATIVES) <= set(controls.CONTROLS)
    assert "copied_people" not in controls.NEGATIVES  # people's own behavior is not what a judge should tell from people


# -- negative programs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_has_ten_negative_programs_that_run(domain: str) -> None:
    found = negative_programs(domain)
    assert len(found) == len({one.id for one in found}) == 10
    task = {"goal": "change my seat", "facts": {"name": "Ann"}, "context": "", "domain": domain}
    with Sandbox(dial_table()) as box:
        for one in found:
            result = box.run_many(one.source, [Call(task, 4, 1)])[0]
            assert result.ok, result.reason
            assert len(result.made) == 4


def test_a_domain_without_any_has_none_and_a_broken_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Place:
        negatives = tmp_path / "negatives"

    monkeypatch.setattr(definitions, "domain_files", lambda _: Place)
    assert negative_programs("anywhere") == []
    Place.negatives.mkdir()
    (Place.negatives / "01.py").write_text("AXES = [", encoding="utf-8")
    with pytest.raises(ContentError, match=r"01\.py: not a negative program of domain 'anywhere' .*: restore or remove it"):
        negative_programs("anywhere")


def test_kinds_and_how_many_of_each() -> None:
    config = small(Path("unused.duckdb"))
    assert negative_kinds(config, models=False) == {
        "persona_free": 20, "average_person": 20, "caricatures": 20, "independent": 20, "programs": 200,
    }  # fmt: skip
    assert negative_kinds(config, models=True) == {"persona_free": 20, "average_person": 20}
    free = config.model_copy(update={"control_dialogues": None})
    assert dialogues_per_kind(free, models=False) == 200
    assert dialogues_per_kind(free, models=True) == 60
    assert negatives_digest(config, models=False) != negatives_digest(config, models=True)
    assert negatives_digest(config, models=False) != negatives_digest(config.model_copy(update={"domain": "charity"}), models=False)


@pytest.mark.parametrize("models", [False, True])
def test_what_is_played_is_what_is_said(models: bool) -> None:
    """One dialogue of each persona, other seeds for train and test, as many as are recorded."""
    config = small(Path("unused.duckdb"))
    tasks = load_tasks(config)["train"]
    make = Rollout(None, make_plan(tasks, at_most=1, personas=1, seed=0, purpose=""), "service", (), "kernel")
    works = {purpose: negative_works(config, make, people(), tasks, purpose, models=models) for purpose in ("train", "test")}
    planned = Counter[str]()
    for one in works["train"]:
        planned[one.kind] += len(one.rollout.plan.items)
        assert one.rollout.candidate is None
        assert (one.rollout.source is not None) == (one.kind == "programs")
        assert (one.rollout.personas is not None) == (one.kind in controls.NEGATIVES)
        if one.kind != "programs":
            assert len(one.rollout.plan.slots) == len(one.rollout.plan.items)
    assert planned == negative_kinds(config, models=models)
    seeds = [{item.seed for one in some for item in one.rollout.plan.items} for some in works.values()]
    assert seeds[0].isdisjoint(seeds[1])


def test_completed_dialogues_are_gathered_by_kind_and_kept() -> None:
    rollout = Rollout(None, plan(), "service", (), "kernel")  # type: ignore[arg-type]
    works = [NegativeWork(kind, rollout) for kind in ("persona_free", "programs", "programs", "caricatures")]
    done = [Episode(PlanItem(f"t{number}", 0, number), "completed", fingerprint=(float(number), 1.0)) for number in range(3)]
    lost = Episode(PlanItem("t9", 0, 9), "failed", reason="no", fault="program")
    found = completed_negatives(works, [[done[0], lost], [done[1]], [done[2]], [lost]])
    assert {kind: some.tasks for kind, some in found.items()} == {"persona_free": ("t0",), "programs": ("t1", "t2")}
    assert found["programs"].values.tolist() == [[1.0, 1.0], [2.0, 1.0]]
    kept = negative_records("test", found)
    assert [(one.split, one.kind, one.task_id, one.fingerprint) for one in kept][1] == ("test", "programs", "t1", (1.0, 1.0))
