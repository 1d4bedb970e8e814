"""Many people: failures stay alone, results do not depend on who refinement_tasks when, and a killed refinement goes on to the same end."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

import personaevo as pe
from personaevo.archive import Archive, RefinedPerson, merge
from personaevo.errors import ArchiveError, BudgetError, ConfigError, InputError
from personaevo.refine.items.behavior import Behavior, TextItem
from personaevo.refine.items.reading import read_people
from personaevo.refine.loop import run as module
from personaevo.refine.loop.initial_profile import read_profile, start_of
from personaevo.refine.loop.refined_profiles import stored, to_row, write_profiles
from personaevo.refine.loop.run import Cohort, attempt, refine_all, refine_people, refine_profile, refinement_tasks
from personaevo.refine.profile import Profile
from personaevo.refine.records import PersonResult, Settings
from personaevo.verify import verify
from tests.refine.refine_cases import ENGINE, QUICK, crowd, person

PEOPLE = crowd(20)
ROOT = Path(__file__).resolve().parents[2]
FEW = QUICK.model_copy(update={"samples": 3, "rounds": 1})


def write(folder: Path, some: tuple[Behavior, ...] = PEOPLE) -> Path:
    """A folder with a file for each."""
    folder.mkdir()
    for one in some:
        items = [{"id": item.id, "turns": [turn.model_dump() for turn in item.turns]} for item in one.items]  # type: ignore[union-attr]
        (folder / f"{one.person}.json").write_text(json.dumps({"person": one.person, "items": items}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory) -> tuple[PersonResult, Path]:
    """One refined person, and the archive. Copy it to change it."""
    path = tmp_path_factory.mktemp("refined") / "a.duckdb"
    return refine_people(PEOPLE[:1], others_known=PEOPLE, settings=FEW, archive=path).results[0], path


def digests(path: Path) -> dict[tuple[str, str], str]:
    with Archive.read(path) as archive:
        return {one.key: one.digest for one in stored(archive.refinements())}


# --- who is refined


def test_everybody_is_refined_on_each_side_with_two_dialogues() -> None:
    turned = [item.model_copy(update={"id": f"a{item.id}", "role": "assistant"}) for item in PEOPLE[1].items]
    both = PEOPLE[0].model_copy(update={"items": (*PEOPLE[0].items, *turned)})
    one = PEOPLE[2].model_copy(update={"items": PEOPLE[2].items[:1]})
    texts = Behavior(person="t", items=(TextItem(id="t1", text="Well."), TextItem(id="t2", text="No.")))
    found = refinement_tasks(Cohort((both, one, texts, *PEOPLE[3:13])), ENGINE, FEW)
    assert [work.role for work in found[:4]] == ["user", "assistant", "user", None]
    assert found[0].population is not None and found[1].population is None  # nobody else was the assistant


def test_of_too_few_the_reference_takes_the_place() -> None:
    (alone,) = refinement_tasks(Cohort(PEOPLE[:1]), ENGINE, FEW)
    assert alone.population is not None and len(alone.population.whole) > 100
    among = refinement_tasks(Cohort(PEOPLE[:1], others=PEOPLE), ENGINE, FEW)[0].population
    assert among is not None and len(among.whole) == 38  # not the person's own


# --- running


def test_results_do_not_depend_on_the_processes() -> None:
    found = refinement_tasks(Cohort(PEOPLE), ENGINE, FEW)
    one = refine_all(ENGINE, FEW, found[:3], None, 1)
    seen: list[tuple[int, int]] = []
    two = refine_all(ENGINE, FEW, found[2::-1], None, 2, lambda done, planned: seen.append((done, planned)))
    assert [a.digest for a in one] == [b.digest for b in two] and seen[0] == (0, 3) and seen[-1] == (3, 3)
    assert [a.person for a in one] == sorted(a.person for a in one)


def test_one_failure_does_not_lose_the_others(tmp_path: Path) -> None:
    texts = Behavior(person="q", items=(TextItem(id="t1", text="Well."), TextItem(id="t2", text="No.")))
    done = refine_people((*PEOPLE[:3], texts), others_known=PEOPLE, settings=FEW, archive=tmp_path / "a.duckdb")
    states = {one.person: one.state for one in done.results}
    assert states == {"p00": "done", "p01": "done", "p02": "done", "q": "failed"}
    failed = done.results[-1]
    assert "texts and sessions of actions need models" in failed.reason and done.summary.failed == 1
    assert digests(tmp_path / "a.duckdb")["q", ""] == failed.digest


def test_a_budget_that_ends_loses_nothing_that_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def poor(*given: object) -> PersonResult:
        one = attempt(*given)  # type: ignore[arg-type]
        return one.model_copy(update={"stop": "budget", "notes": ("spent",)}) if one.person == "p02" else one

    monkeypatch.setattr(module, "attempt", poor)
    path = tmp_path / "a.duckdb"
    with pytest.raises(BudgetError, match="spent"):
        refine_people(PEOPLE[:4], others_known=PEOPLE, settings=FEW, archive=path)
    assert [key[0] for key in digests(path)] == ["p00", "p01"]
    monkeypatch.undo()
    done = refine_people(PEOPLE[:4], others_known=PEOPLE, settings=FEW, archive=path, resume=True)
    assert len(done.results) == 4


def test_a_resumed_refinement_has_the_settings_it_had(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    first = refine_people(PEOPLE[:2], others_known=PEOPLE, settings=FEW, archive=path)
    again = refine_people(PEOPLE[:2], others_known=PEOPLE, settings=FEW, archive=path, resume=True)
    assert first.results == again.results and first.summary == again.summary
    with pytest.raises(ConfigError, match="holds a refinement already: go on with it by --resume"):
        refine_people(PEOPLE[:2], others_known=PEOPLE, settings=FEW, archive=path)
    with pytest.raises(ConfigError, match="'samples' was 3 and is 4"):
        refine_people(PEOPLE[:2], others_known=PEOPLE, settings=FEW.model_copy(update={"samples": 4}), archive=path, resume=True)
    with pytest.raises(ConfigError, match="'behavior' was"):
        refine_people(PEOPLE[:3], others_known=PEOPLE[3:], settings=FEW, archive=path, resume=True)
    assert verify(path).findings == ()


@pytest.mark.parametrize(("change", "told"), [
    ("UPDATE refined SET record = replace(record, 'rounds', 'patience')", "was changed since it was written"),
    ("UPDATE refined SET record = '{}'", "has an invalid form"),
    ("UPDATE refined SET person = 'somebody'", "was changed since it was written"),
    ("UPDATE refined SET profile = '0123456789abcdef'", "was changed since it was written"),
    ("UPDATE refined SET record = '[]'", "holds a value of 'record'"),
])  # fmt: skip
def test_a_changed_archive_is_found_out(refined: tuple[PersonResult, Path], tmp_path: Path, change: str, told: str) -> None:
    path = tmp_path / "a.duckdb"
    shutil.copy(refined[1], path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(change)
    with Archive.read(path) as archive, pytest.raises(ArchiveError, match=told):
        stored(archive.refinements())
    assert {finding.kind for finding in verify(path).findings} <= {"refined", "value"} and verify(path).findings


def test_a_profile_that_was_never_scored_is_found_out(refined: tuple[PersonResult, Path], tmp_path: Path) -> None:
    """Whoever changes a record with care changes its digest as well."""
    path = tmp_path / "a.duckdb"
    one = refined[0]
    assert one.profile is not None
    better = one.model_copy(update={"profile": one.profile.with_dials({"words_per_turn": 9.0})})
    with Archive.create_or_open(path) as archive:
        archive.refinements().begin({})
        archive.refinements().add(to_row(better))
        with pytest.raises(ArchiveError, match="is not the one that was scored"):
            stored(archive.refinements())
    assert [finding.kind for finding in verify(path).findings] == ["refined"]


def test_what_was_not_a_setting_yet_had_its_default(refined: tuple[PersonResult, Path], tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    shutil.copy(refined[1], path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE refinement SET settings = json_merge_patch(settings, '{\"measures\": null}')")
    assert refine_people(PEOPLE[:1], others_known=PEOPLE, settings=FEW, archive=path, resume=True).results == (refined[0],)


def test_from_python_with_what_is_at_hand(tmp_path: Path) -> None:
    starts_file = tmp_path / "start.json"
    starts_file.write_text('{"dials": {"words_per_turn": 5}}', encoding="utf-8")
    one = refine_profile(str(starts_file), PEOPLE[0], others_known=PEOPLE, settings={"samples": 3, "rounds": 1})
    assert one.history is not None and one.history.versions[0].profile.dials == {"words_per_turn": 5.0}
    with pytest.raises(ConfigError, match="setting 'samples' of a refinement"):
        refine_profile("nothing", PEOPLE[0], settings={"samples": 1})
    with pytest.raises(ConfigError, match=r"expected a profile \(or text, or file\) and .*, got NoneType and dict"):
        refine_profile(None, {})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"none\.json: no such file"):
        refine_profile("none.json", PEOPLE[0])
    with pytest.raises(ConfigError, match="expected words, got none"):
        start_of(" ")


def test_as_many_texts_as_dialogues_are_a_user() -> None:
    """What decides is the dialogue, so others are needed on that side."""
    mixed = Behavior(person="m", items=(PEOPLE[0].items[0], TextItem(id="t", text="A text."), TextItem(id="u", text="Another.")))
    assert refinement_tasks(Cohort((mixed, *PEOPLE[:3])), ENGINE)[0].role is None
    even = Behavior(person="m", items=(PEOPLE[0].items[0], TextItem(id="t", text="A text.")))
    assert refinement_tasks(Cohort((even, *PEOPLE[:3])), ENGINE)[0].role == "user"


def test_the_archive_keeps_a_person_once(tmp_path: Path) -> None:
    one = RefinedPerson("p", "user", "done", None, {}, "0" * 32)
    with Archive.create_or_open(tmp_path / "a.duckdb") as archive:
        archive.refinements().begin({})
        archive.refinements().add(one)
        with pytest.raises(ArchiveError, match="one is refined once"):
            archive.refinements().add(one)
        with pytest.raises(ArchiveError, match="holds a refinement already"):
            archive.refinements().begin({})
        assert archive.refinements().people() == [one]
    Archive.remove_if_empty(tmp_path / "a.duckdb")
    assert (tmp_path / "a.duckdb").exists()
    merge(tmp_path / "b.duckdb", [tmp_path / "a.duckdb"])
    with Archive.read(tmp_path / "b.duckdb") as merged:
        assert merged.refinements().people() == [one]


_SCRIPT = """
import sys
from pathlib import Path
from personaevo.refine.items.reading import read_people
from personaevo.refine.records import Settings
from personaevo.refine.loop.run import refine_people
settings = Settings(samples=3, rounds=1, seed=1)
refine_people(
    read_people(sys.argv[1]), settings=settings, archive=sys.argv[2], resume=Path(sys.argv[2]).exists(), jobs=int(sys.argv[3]),
    observe=lambda done, planned: print(done, flush=True),
)
"""


def kill(folder: Path, path: Path, jobs: int, after: int) -> None:
    """Runs a refinement in a process of its own, which is killed when so many are reported as done."""
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT, str(folder), str(path), str(jobs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= after:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("people", "jobs", "kills"), [(6, 1, (2,)), pytest.param(20, 2, (4, 11), marks=pytest.mark.slow)])
def test_a_killed_refinement_goes_on_to_the_same_profiles(tmp_path: Path, people: int, jobs: int, kills: tuple[int, ...]) -> None:
    folder = write(tmp_path / "people", PEOPLE[:people])
    undisturbed = refine_people(read_people(folder), settings=FEW, archive=tmp_path / "whole.duckdb")
    path = tmp_path / "killed.duckdb"
    for after in kills:
        kill(folder, path, jobs, after)
        assert after <= len(_patiently(path)) < people
    resumed = refine_people(read_people(folder), settings=FEW, archive=path, resume=True, jobs=jobs)
    assert resumed.results == undisturbed.results
    assert digests(path) == digests(tmp_path / "whole.duckdb") and len(digests(path)) == people


def _patiently(path: Path) -> dict[tuple[str, str], str]:
    """What is there once the killed one's workers are gone."""
    for _ in range(50):
        try:
            with Archive.create_or_open(path) as archive:
                return {one.key: one.digest for one in stored(archive.refinements())}
        except ArchiveError:
            time.sleep(0.1)
    raise AssertionError("the archive stays busy")


# --- in Python


def test_refine_profile_from_python(tmp_path: Path) -> None:
    known = pe.refine_profile("population", PEOPLE[1], others_known=PEOPLE, settings=FEW)
    assert known.person == "p01" and isinstance(known.profile, Profile)
    file = write(tmp_path / "one", PEOPLE[1:2]) / "p01.json"
    assert refine_profile("population", file, others_known=PEOPLE, settings=FEW).digest == known.digest
    told = refine_profile("She never says more than she must.", PEOPLE[1], others_known=PEOPLE, settings=FEW)
    assert told.history is not None and told.history.versions[0].profile.claims[0].text.startswith("This is said of you: She")
    with pytest.raises(InputError, match="person 't': texts and sessions"):
        refine_profile("nothing", Behavior(person="t", items=(TextItem(id="t1", text="Well."),)))
    assert start_of("nothing") == "nothing"


def test_arguments_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one person"):
        refine_people([])
    with pytest.raises(ConfigError, match="expected the archive"):
        refine_people(PEOPLE[:1], resume=True)
    with pytest.raises(ConfigError, match="no role 'judge' here; roles of a refinement are user, analyst, refiner"):
        refine_people(PEOPLE[:1], models={"judge": "openai:x"})
    with pytest.raises(ConfigError, match="unknown domain 'nowhere'"):
        refine_people(PEOPLE[:1], domain="nowhere")


def test_profiles_are_written_one_a_person(tmp_path: Path) -> None:
    done = refine_people(PEOPLE[:2], others_known=PEOPLE, settings=FEW)
    files = write_profiles(done.results, tmp_path / "out")
    assert [path.name for path in files] == ["p00.user.json", "p01.user.json"]
    assert [read_profile(path) for path in files] == [one.profile for one in done.results]
    sly = done.results[0].model_copy(update={"person": "../p/00"})
    assert write_profiles([sly], tmp_path / "out") == [tmp_path / "out" / "___p_00.user.json"]
    alike = write_profiles([sly, sly.model_copy(update={"person": "../P.00"})], tmp_path / "out")  # one file where case does not count
    assert len({path.name.casefold() for path in alike}) == 2 and all(path.exists() for path in alike)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a folder to write profiles to: .*; give another"):
        write_profiles(done.results, tmp_path / "file")


def test_a_person_without_a_mark_of_their_own_fails_alone() -> None:
    assert attempt(ENGINE, Settings(samples=2), refinement_tasks(Cohort((person("solo", 5),)), ENGINE)[0]).state == "done"
