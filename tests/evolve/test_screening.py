"""Searches whose users a model plays: proposals are screened on a stand-in, and dialogues are counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.model_server import ModelServer, person_or_agent
from personaevo.archive import Archive
from personaevo.cli.search import SearchProgress
from personaevo.config import SearchConfig, make_config
from personaevo.evolve.progress import Forecast, Progress, SearchResult, dialogues
from personaevo.evolve.search import search
from personaevo.evolve.state import screens
from tests.once import FEW_PEOPLE

CANDIDATES, SCREEN = 3, 3
Seen = list[Progress]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none-of-your-business")


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer(person_or_agent, keep=20_000) as running:
        yield running


def settings(server: ModelServer, **more: object) -> SearchConfig:
    """A small search whose users the server plays."""
    values: dict[str, Any] = {
        "archive": Path("a.duckdb"), "candidates": CANDIDATES, "task_count": 2, "personas": 2, "test_tasks": 2, "test_personas": 1,
        "finalists": 2, "control_dialogues": 10, "people_draws": 2, "seed": 3, "screen": SCREEN, "jobs": 1, "human": FEW_PEOPLE,
        "models": {"user": f"openai:small@{server.openai_url}"},
    }  # fmt: skip
    return make_config({**values, **more})


@pytest.fixture(scope="module")
def searched(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Path, Seen]:
    """A screened search, its archive, and what it told while it ran."""
    seen: Seen = []
    path = tmp_path_factory.mktemp("screened") / "a.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-none-of-your-business")
        return search(settings(server, archive=path), observe=seen.append), path, seen


# --- screening


def test_the_best_of_each_few_proposals_is_played(searched: tuple[SearchResult, Path, Seen]) -> None:
    with Archive.read(searched[1]) as archive:
        rows = archive.query("SELECT number, program, standing, played FROM screenings WHERE run = 1 ORDER BY rowid")[1]
        programs = {commit.candidate.number: commit.candidate.program.id for commit in archive.commits(1)}
        left_out = archive.summary()["screened"]
    by_number = {number: [row for row in rows if row[0] == number] for number in range(CANDIDATES)}
    assert by_number[0] == []  # the seed program has no rivals
    for number in range(1, CANDIDATES):
        some = by_number[number]
        assert 2 <= len(some) <= SCREEN
        assert [row[1] for row in some if row[3]] == [programs[number]]
        assert max(row[2] for row in some) == next(row[2] for row in some if row[3])
    assert left_out == len(rows) - (CANDIDATES - 1)


def test_parents_are_programs_that_the_model_played(searched: tuple[SearchResult, Path, Seen]) -> None:
    """Most are bred from programs that only the stand-in played; what is recorded are their nearest ancestors among the candidates."""
    with Archive.read(searched[1]) as archive:
        found = [commit.candidate for commit in archive.commits(1)]
        assert archive.disagreements() == []
        archive.verify_digest()
    for candidate in found[1:]:
        assert candidate.parents
        assert set(candidate.parents) <= {other.program.id for other in found[: candidate.number]}


def test_only_the_models_dialogues_are_scored(searched: tuple[SearchResult, Path, Seen], server: ModelServer) -> None:
    """The model said every user turn in the archive; the stand-in's dialogues are nowhere."""
    with Archive.read(searched[1]) as archive:
        said = {text for (text,) in archive.query("SELECT text FROM model_calls WHERE \"role\" = 'user'")[1]}
        episodes = [one for _, some in archive.all_episodes(1) for one in some]
    planned = dialogues(settings(server))
    assert len(episodes) == planned.candidates
    turns = [text for one in episodes for role, text in one.turns if role == "user"]
    assert turns and all(any(text in answer for answer in said) for text in turns)


def test_a_stopped_search_screens_on_alike(searched: tuple[SearchResult, Path, Seen], server: ModelServer) -> None:
    search(settings(server, candidates=2))
    resumed = search(settings(server, resume=True))
    assert resumed.digest == searched[0].digest
    asked = "SELECT number, program, operator, standing, played FROM screenings ORDER BY ALL"
    with Archive.read("a.duckdb") as one, Archive.read(searched[1]) as other:
        assert one.query(asked) == other.query(asked)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, True),
        ({"screen": 1}, False),
        ({"wording": "text"}, False),  # nothing steers these turns: the stand-in would be another user
        ({"models": {}}, False),
        ({"models": {"user": "openai:a", "mutator": "openai:a"}}, False),  # each proposal costs calls
    ],
)
def test_where_proposals_are_screened(server: ModelServer, more: dict[str, object], expected: bool) -> None:
    assert screens(settings(server, **more)) is expected


# --- counting


def test_dialogues_are_counted_while_they_are_played(searched: tuple[SearchResult, Path, Seen], server: ModelServer) -> None:
    planned = dialogues(settings(server))
    assert planned.controls == 20
    outlooks = [one.outlook for one in searched[2] if one.outlook is not None]
    assert len(outlooks) == len(searched[2])
    assert all(one.planned == planned for one in outlooks)
    assert (outlooks[0].played, searched[2][0].done) == (0, 0)
    assert outlooks[0].seconds is not None and 0 < outlooks[0].seconds < 3_600
    counts = [one.played for one in outlooks]
    assert counts == sorted(counts)
    assert planned.controls + planned.candidates <= max(counts) <= planned.all  # a finalist may be known from the search


def test_what_was_timed_is_not_asked_again(searched: tuple[SearchResult, Path, Seen]) -> None:
    with Archive.read(searched[1]) as archive:
        assert archive.query('SELECT count(*) - count(DISTINCT "key") FROM model_calls')[1] == [(0,)]


def test_answers_that_are_known_tell_no_time(searched: tuple[SearchResult, Path, Seen], server: ModelServer) -> None:
    seen: Seen = []
    search(settings(server, replay=searched[1]), observe=seen.append)
    assert seen[0].outlook is not None and seen[0].outlook.seconds is None


# --- showing


def test_the_first_line_tells_what_is_played_and_how_long_it_takes(server: ModelServer, capsys: pytest.CaptureFixture[str]) -> None:
    config = settings(server)
    planned = dialogues(config)

    def at(done: int, played: int) -> Progress:
        return Progress(done, CANDIDATES, None, None, 1, 16, 0, 1.0, outlook=Forecast(planned, 754.0, played))

    with SearchProgress(config) as display:
        for now in (at(0, 0), at(0, planned.all // 2), at(1, planned.all // 2), at(CANDIDATES, planned.all)):
            display(now)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"{planned.all} dialogues are played by models, about 13 min: {planned.controls} to train the judge")
    assert told[1].startswith(f"{planned.all // 2}/{planned.all} dialogues, candidates 0/{CANDIDATES}")
    assert told[2].startswith(f"{planned.all}/{planned.all} dialogues, candidates {CANDIDATES}/{CANDIDATES}, best -, cells 1/16")
