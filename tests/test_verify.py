"""Verifying archives: nothing is found in whole ones, every planted damage in others, and what cannot be checked is said."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from examples.model_server import ModelServer, person_or_agent
from personaevo.archive import Archive, compact, sums
from personaevo.archive.rows import digest_text
from personaevo.config import SearchConfig
from personaevo.errors import ArchiveError
from personaevo.evolve import search as search_module
from personaevo.evolve.parts import DEFAULT_PARTS, Parts
from personaevo.evolve.players import Players
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.search import search
from personaevo.verify import Verification, verify
from personaevo.verify import run as run_module
from personaevo.workers import WorkerPool
from tests.once import FEW_PEOPLE

Plant = Callable[[str], Path]
_TABLE_UNCHECKED = "run 1, numbers of the finals and the final table: their dialogues are not stored"


@pytest.fixture(scope="module", autouse=True)
def _trained_once() -> Iterator[None]:
    """What equal settings are measured on is made once for all tests here: it takes seconds, and is the same every time."""
    benches: dict[str, EvaluationSetup] = {}

    def shared(
        config: SearchConfig, workers: WorkerPool, cast: Players | None = None, *_: object, tried: bool = True, parts: Parts = DEFAULT_PARTS
    ) -> EvaluationSetup:
        assert parts == DEFAULT_PARTS
        key = repr(config.recorded())
        if key not in benches:
            benches[key] = prepare(config, workers, cast, tried=tried)
        return benches[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "prepare", shared)
        patch.setattr(search_module, "prepare", shared)
        yield


@pytest.fixture(scope="module")
def whole(_trained_once: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with an ended search over four candidates of six personas in two dialogues each."""
    path = tmp_path_factory.mktemp("whole") / "a.duckdb"
    search(SearchConfig(
        archive=path, candidates=4, task_count=2, personas=3, test_tasks=2, test_personas=2, lag=2, jobs=1, seed=1, control_dialogues=60,
        people_draws=2,
    ))  # fmt: skip
    return path


def change(path: Path, sql: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)


def add_up(path: Path) -> None:
    """Stores the digests that the rows have now, as a careful forger would."""
    with Archive.read(path) as archive:
        wrong = {(one.run, one.number): one.added - one.expected for one in sums.check(archive._database).wrong}
    totals: dict[int, int] = {}
    with duckdb.connect(str(path)) as connection:
        before: dict[int, int] = {}
        for run, number, stored in connection.execute("SELECT run, number, digest FROM candidates ORDER BY seq").fetchall():
            added = int(stored, 16) - before.get(run, 0) + wrong.get((run, number), 0)
            before[run], totals[run] = int(stored, 16), totals.get(run, 0) + added
            connection.execute("UPDATE candidates SET digest = ? WHERE run = ? AND number = ?", [digest_text(totals[run]), run, number])


@pytest.fixture
def plant(whole: Path, tmp_path: Path) -> Plant:
    """A copy of the whole archive, changed by some SQL."""

    def planted(sql: str) -> Path:
        path = tmp_path / "changed.duckdb"
        shutil.copy(whole, path)
        change(path, sql)
        return path

    return planted


def kinds(found: Verification) -> set[str]:
    return {finding.kind for finding in found.findings}


def test_a_whole_archive(whole: Path) -> None:
    found = verify(whole)
    assert found.findings == ()
    assert found.unchecked == (_TABLE_UNCHECKED,)
    assert {name: found.checked[name] for name in ("levels", "controls", "comparisons")} == counts(whole)
    assert {name: number for name, number in found.checked.items() if name not in counts(whole)} == {
        "runs": 1, "candidates": 4, "evaluations": 4, "episodes": 48, "personas": 24, "programs": 4, "fingerprints": 48, "scores": 4,
    }  # fmt: skip


def counts(path: Path) -> dict[str, int]:
    with Archive.read(path) as archive:
        scoring, table = archive.scoring(1), archive.final_table(1)
    found = {"levels": len(scoring.levels), "controls": len(scoring.controls), "comparisons": len(table.comparisons)}
    assert min(found.values()) > 10
    return found


_SCORE = "objectives['score']"
_DIGEST = {"digest"}
DAMAGES = {
    "a changed source": (
        "UPDATE programs SET source = source || chr(10) || 'MORE = 1' WHERE id IN (SELECT program FROM candidates WHERE number = 2)",
        {"digest", "program"},
    ),
    "a changed score": (
        "UPDATE evaluations SET objectives = map_concat(objectives, MAP {'score': {'value': 0.99::DOUBLE, "
        f"'se': {_SCORE}.se, 'raw': {_SCORE}.raw}}}}) WHERE number = 2",
        {"digest", "score"},
    ),
    "a changed standard error": (
        f"UPDATE evaluations SET objectives = map_concat(objectives, MAP {{'score': {{'value': {_SCORE}.value, "
        f"'se': {_SCORE}.se / 2, 'raw': {_SCORE}.raw}}}}) WHERE number = 2",
        {"digest", "score"},
    ),
    "a changed score in a cell": (
        "UPDATE evaluations SET cells = list_transform(cells, lambda c: {'cell': c.cell, 'share': c.share, 'score': 1.0, 'se': 0.0}) "
        "WHERE number = 2",
        {"digest", "score"},
    ),
    "a changed fingerprint": (
        "UPDATE episodes SET fingerprint = list_transform(fingerprint, lambda x: x + 0.01) WHERE number = 2 AND slot = 1",
        {"digest", "fingerprint", "score", "p_human"},
    ),
    "a fingerprint of another length": (
        "UPDATE episodes SET fingerprint = fingerprint[:5] WHERE number = 2 AND slot = 1", {"digest", "fingerprint"},
    ),
    "a changed p_human": ("UPDATE episodes SET p_human = 0.5 WHERE number = 2 AND slot = 1", {"digest", "p_human"}),
    "a changed cell": ("UPDATE episodes SET cell = (cell + 1) % 16 WHERE number = 2 AND slot = 1", {"digest", "cell"}),
    "a cell that is none": ("UPDATE episodes SET cell = 16 WHERE number = 2 AND slot = 1", {"digest", "cell"}),
    "a changed turn": (
        "UPDATE episodes SET turns = list_transform(turns, lambda t: {'role': t.role, 'content': t.content || ' no way'}) "
        "WHERE number = 2 AND slot = 1",
        {"digest", "fingerprint"},
    ),
    "a changed dial": (
        "UPDATE personas SET dials = map_concat(dials, MAP {'words_per_turn': 3.0::DOUBLE}) WHERE number = 2 AND slot = 1", _DIGEST,
    ),
    "a changed preservation": ("UPDATE episodes SET preservation = 0.25 WHERE number = 2", {"digest", "score"}),
    "a missing parent": ("UPDATE candidates SET parents = ['0123456789abcdef'] WHERE number = 2", {"digest", "parent"}),
    "a parent that came later": (
        "UPDATE candidates SET parents = [(SELECT program FROM candidates WHERE number = 3)] WHERE number = 2", {"digest", "parent"},
    ),
    "a missing persona": ("DELETE FROM personas WHERE number = 2 AND slot = 1", {"digest", "persona"}),
    "a persona too many": (
        "INSERT INTO personas SELECT * REPLACE ('more' AS id) FROM personas WHERE number = 2 AND slot = 1", {"digest", "persona"},
    ),
    "a deleted episode": (
        "DELETE FROM episodes WHERE rowid = (SELECT min(rowid) FROM episodes WHERE number = 2)",
        {"digest", "counts", "episode", "score"},
    ),
    "an episode too many": (
        "INSERT INTO episodes SELECT * REPLACE (7 AS slot, 1 AS seed, NULL AS persona) FROM episodes WHERE number = 2 LIMIT 1",
        {"digest", "counts", "episode"},
    ),
    "an episode twice": ("INSERT INTO episodes SELECT * FROM episodes WHERE number = 2 LIMIT 1", {"digest", "counts", "episode"}),
    "an episode of another seed": ("UPDATE episodes SET seed = 1 WHERE number = 2 AND slot = 1", {"digest", "episode"}),
    "a failure with values": (
        "UPDATE episodes SET state = 'failed', reason = 'x', fault = 'program' WHERE number = 2 AND slot = 1",
        {"digest", "episode", "counts"},
    ),
    "a number twice": ("UPDATE candidates SET number = 2 WHERE number = 3", {"digest", "candidate"}),
    "a missing candidate": ("DELETE FROM candidates WHERE number = 1", {"digest", "candidate", "orphan", "program"}),
    "wrong counts": ("UPDATE evaluations SET completed = completed - 1 WHERE number = 2", {"digest", "counts"}),
    "a state that is not so": ("UPDATE candidates SET state = 'duplicate' WHERE number = 2", {"digest", "state", "orphan"}),
    "an evaluation of an unknown program": (
        "UPDATE candidates SET program = '0123456789abcdef' WHERE number = 2", {"digest", "program"},
    ),
    "an evaluation of nothing": ("UPDATE evaluations SET number = 17 WHERE number = 2", {"digest", "orphan", "evaluation"}),
    "a changed mass": (
        "UPDATE runs SET cells = replace(cells::VARCHAR, '\"mass\":0.0', '\"mass\":0.1')", {"cell"},
    ),
    "a changed name of a cell": ("UPDATE runs SET cells = replace(cells::VARCHAR, '\"name\":\"', '\"name\":\"very ')", {"cell"}),
    "an unknown program in the final table": (
        "UPDATE final_tables SET program = '0123456789abcdef' WHERE \"row\" = 'evolved'", {"final table"},
    ),
    "another program in the final table": (
        "UPDATE final_tables SET program = (SELECT max(program) FROM candidates WHERE program NOT IN (SELECT program FROM final_tables "
        "WHERE program IS NOT NULL)) WHERE \"row\" = 'evolved'",
        {"final table"},
    ),
    "another seed program in the final table": (
        "UPDATE final_tables SET program = (SELECT max(program) FROM candidates WHERE number = 3) WHERE \"row\" = 'seed_program'",
        {"final table"},
    ),
    "answers of models for no run": (
        "INSERT INTO model_calls SELECT repeat('0', 32), 7, 'user', 'x', NULL, 'hello', false, 1, 0, 1, 0, 1, NULL, false", {"model call"},
    ),
    "a changed digest": ("UPDATE candidates SET digest = repeat('0', 32) WHERE number = 2", _DIGEST),
    "a wrong note of the schema": ("INSERT INTO migrations VALUES (1, '0001_events_and_views')", {"version"}),
    "a schema that it has not": ("DELETE FROM migrations WHERE number > 1", {"file"}),
    "a schema that nobody knows": ("INSERT INTO migrations VALUES (99, '0099_later')", {"file"}),
    "a value that no search writes": ("UPDATE episodes SET p_human = 2 WHERE number = 2", {"value"}),
    "a setting that no search has": ("UPDATE runs SET settings = '{\"personas\": 0}'", {"value"}),
    "another share of people's": ("UPDATE levels SET people = people * 1.5 WHERE objective = 'coverage'", {"scoring"}),
    "another share of nobody's": ("UPDATE levels SET zero = zero + 0.1 WHERE split = 'test'", {"scoring"}),
    "a missing level": ("DELETE FROM levels WHERE rowid = (SELECT max(rowid) FROM levels)", {"scoring"}),
    "a level of nothing": ("INSERT INTO levels SELECT * REPLACE ('luck' AS objective) FROM levels LIMIT 1", {"scoring"}),
    "a level twice": ("INSERT INTO levels SELECT * FROM levels LIMIT 1", {"scoring"}),
    "a lower floor": ("UPDATE rules SET floor = 0.1 WHERE \"role\" = 'holds'", {"scoring"}),
    "another role": ("UPDATE rules SET \"role\" = 'beside' WHERE objective = 'consistency'", {"scoring"}),
    "a missing rule": ("DELETE FROM rules WHERE objective = 'overlap'", {"scoring", "final table"}),
    "a rule twice": ("INSERT INTO rules SELECT * FROM rules LIMIT 1", {"scoring"}),
    "what nobody was scored by": ("INSERT INTO rules SELECT * REPLACE (7 AS run) FROM rules LIMIT 1", {"scoring"}),
    "a changed control": (
        "UPDATE controls SET fingerprint = list_transform(fingerprint, lambda x: x + 0.01) WHERE rowid = 11", {"scoring"},
    ),
    "a control of another task": ("UPDATE controls SET task = 'x' WHERE rowid = 11", {"scoring"}),
    "a control less": ("DELETE FROM controls WHERE rowid = 11", {"scoring"}),
    "a control of another kind": ("UPDATE controls SET kind = 'angels' WHERE rowid = 11", {"scoring"}),
    "a changed value without a call": (
        "UPDATE evaluations SET replicates = map_concat(replicates, MAP {'coverage': [0.5::DOUBLE, 0.6::DOUBLE]}) WHERE number = 2",
        {"score"},
    ),
    "no values without a call": ("UPDATE evaluations SET replicates = NULL WHERE number = 2", {"score"}),
    "a better difference": ("UPDATE comparisons SET mean = mean + 1e-6, high = high + 1 WHERE against = 'average_person'", {"final table"}),
    "a missing difference": ("DELETE FROM comparisons WHERE against = 'average_person' AND objective = 'score'", {"final table"}),
    "a difference of nothing": ("INSERT INTO comparisons SELECT * REPLACE ('nobody' AS against) FROM comparisons LIMIT 1", {"final table"}),
    "a difference of another row": ("UPDATE comparisons SET \"row\" = 'seed_program' WHERE position = 0", {"final table"}),
    "an interval upside down": ("UPDATE comparisons SET low = high + 1 WHERE position = 0", {"final table"}),
    "a row of another name": ("UPDATE final_tables SET \"row\" = 'average_humans' WHERE \"row\" = 'average_person'", {"final table"}),
    "a missing row": ("DELETE FROM final_tables WHERE \"row\" = 'average_person'", {"final table"}),
    "a score that does not follow": (
        "UPDATE final_tables SET measures = map_concat(measures, MAP {'score': {'mean': 0.95::DOUBLE, 'low': 0.9::DOUBLE, "
        "'high': 1::DOUBLE, 'raw': 0.95::DOUBLE, 'completed': 8, 'planned': 8}}) WHERE \"row\" = 'evolved'",
        {"final table"},
    ),
    "another score in the finals": (
        f"UPDATE finals SET objectives = map_concat(objectives, MAP {{'score': {{'value': 0.99::DOUBLE, 'se': {_SCORE}.se, "
        f"'raw': {_SCORE}.raw}}}})",
        {"score"},
    ),
    "remarks of another judge": ("UPDATE evaluations SET remarks = [] WHERE number = 0", {"remarks"}),
}  # fmt: skip


IN_ROWS = (
    "a cell that is none", "a parent that came later", "a persona too many", "an episode twice", "a failure with values",
    "a missing candidate", "a state that is not so", "an evaluation of nothing", "answers of models for no run", "a changed digest",
    "an unknown program in the final table", "a level twice", "a rule twice", "what nobody was scored by",
)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in DAMAGES if name not in IN_ROWS])
def test_planted_damage_is_found(plant: Plant, name: str) -> None:
    sql, expected = DAMAGES[name]
    found = verify(plant(sql))
    assert expected <= kinds(found), found.findings
    assert all(finding.where and finding.found and finding.expected for finding in found.findings)


@pytest.mark.parametrize("name", IN_ROWS)
def test_what_does_not_fit_together_is_found_without_scores(plant: Plant, name: str) -> None:
    sql, expected = DAMAGES[name]
    with Archive.read(plant(sql)) as archive:
        assert expected - {"episode"} <= {finding.kind for finding in archive.disagreements()}


FORGED = ("a changed score", "a changed standard error", "a changed fingerprint", "a changed p_human", "a changed turn")


@pytest.mark.parametrize("name", FORGED)
def test_a_forger_who_adds_up_the_digests_is_found_too(plant: Plant, name: str) -> None:
    sql, expected = DAMAGES[name]
    path = plant(sql)
    add_up(path)
    with Archive.read(path) as archive:
        archive.verify_digest()
    found = verify(path)
    assert expected - _DIGEST <= kinds(found)
    assert "digest" not in kinds(found)
    assert all("candidate 2" in finding.where for finding in found.findings)


def test_all_disagreements_are_told_and_each_where_it_is(plant: Plant) -> None:
    path = plant("UPDATE episodes SET p_human = 0.5 WHERE number IN (1, 3) AND slot = 0")
    found = verify(path)
    assert [finding.where for finding in found.findings if finding.kind == "digest"] == ["run 1, candidate 1", "run 1, candidate 3"]
    wrong = [finding.where for finding in found.findings if finding.kind == "p_human"]
    assert len(wrong) == len(set(wrong)) == 8  # two dialogues of two personas each: the seed tells them apart


def test_a_file_that_is_no_archive_is_damage_but_a_missing_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.duckdb").write_bytes(b"nothing" * 1000)
    assert kinds(verify(tmp_path / "a.duckdb")) == {"file"}
    with pytest.raises(ArchiveError, match="does not exist"):
        verify(tmp_path / "b.duckdb")


# --- what cannot be checked


def settings(**values: object) -> str:
    return f"UPDATE runs SET settings = json_merge_patch(settings, '{json.dumps(values)}')"


@pytest.mark.parametrize(("sql", "words"), [
    (settings(human="gone.jsonl"), "run 1, fingerprints and scores: gone.jsonl: no such file"),
    (settings(domain="clinic"), "run 1, fingerprints and scores: unknown domain 'clinic'"),
    (settings(features_digest="0"), "run 1, fingerprints: it was made with other features than are installed"),
    (settings(domain_digest="0", tasks_digest="0"), "run 1, scores: it was made with other tasks and domain than are installed"),
    (settings(scoring="1"), "run 1, scores: made by scoring 1, this personaevo scores by"),
    (settings(scoring="77"), "run 1, scores: made by scoring 77, this personaevo scores by"),
    (settings(scoring_digest="0"), "run 1, scores: it was made with other objectives than are installed"),
    (settings(negatives_digest="0"), "run 1, scores: it was made with other negatives than are installed"),
    (settings(agent="spy_module:talk"), "run 1, scores: its agent spy_module:talk would have to play again"),
])  # fmt: skip
def test_what_is_not_at_hand_is_said_and_is_no_damage(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, words: str
) -> None:
    (tmp_path / "spy_module.py").write_text("def talk(messages):\n    return 'hello'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = verify(plant(sql))
    assert {finding.kind for finding in found.findings} <= ({"final table", "score"} if '"scoring"' in sql else set())
    assert any(why.startswith(words) for why in found.unchecked)
    assert "scores" not in found.checked
    assert "spy_module" not in sys.modules


def test_fingerprints_are_checked_though_scores_cannot_be(plant: Plant) -> None:
    path = plant(settings(domain_digest="0"))
    assert verify(path).checked["fingerprints"] == 48
    change(path, DAMAGES["a changed fingerprint"][0])
    assert kinds(verify(path)) == {"digest", "fingerprint"}


def test_a_compacted_archive(plant: Plant, tmp_path: Path) -> None:
    path = tmp_path / "elites.duckdb"
    without = plant("UPDATE rules SET floor = 2 WHERE floor IS NOT NULL; DELETE FROM holders")  # nobody holds it: there is no elite
    done = compact(without, path, elites=True)
    change(path, "UPDATE rules SET floor = 0.9 WHERE floor IS NOT NULL")
    change(path, "INSERT INTO holders SELECT * FROM elites_anew")
    found = verify(path)
    assert found.findings == ()
    left_out = done.episodes // 12
    assert left_out >= 2  # all but the seed program and the best
    assert f"run 1, scores of {left_out} of 4 evaluations: compact left their episodes out" in found.unchecked
    change(path, "UPDATE pruned SET digest = repeat('1', 32)")
    assert kinds(verify(path)) == {"digest"}


def test_while_it_is_written(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "writing.duckdb"
    shutil.copy(whole, path)
    with Archive.create_or_open(path):
        assert verify(path).findings == ()


@pytest.mark.slow
def test_a_search_with_models_is_checked_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its control dialogues are played again from the answers that it kept."""
    monkeypatch.setattr(search_module, "prepare", prepare)  # nothing is shared with what verifies
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    path = tmp_path / "models.duckdb"
    with ModelServer(person_or_agent, keep=10) as server:
        search(SearchConfig(
            archive=path, candidates=2, task_count=2, personas=1, test_tasks=2, test_personas=1, finalists=1, control_dialogues=20, seed=3,
            people_draws=2, human=FEW_PEOPLE,
            models={"user": f"openai:small@{server.openai_url}"},
        ))  # fmt: skip
    forgetful = tmp_path / "forgetful.duckdb"
    shutil.copy(path, forgetful)
    change(forgetful, "DELETE FROM model_calls")
    found = verify(forgetful)
    assert found.findings == ()
    assert any("the recording holds no answer" in why for why in found.unchecked)
    found = verify(path)
    assert found.findings == ()
    assert found.checked["scores"] == 2
