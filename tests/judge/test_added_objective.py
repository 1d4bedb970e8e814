"""Adding an objective is adding a file: scorer, final table, the archive's commands, diff and verify find it there and name none."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest
from judge_cases import NAMES, episodes, evaluated, failing, pairs, scorer

from personaevo.archive import Archive
from personaevo.cli.app import run
from personaevo.config import SearchConfig
from personaevo.evolve.progress import SearchResult
from personaevo.evolve.search import search
from personaevo.judge import objectives
from personaevo.verify import verify
from personaevo.views import layout
from personaevo.views.elites import summary_view
from tests.once import FEW_PEOPLE

FILE = '''
"""How often users ask."""

from personaevo.judge.objectives import Objective, mean_over_dialogues


def asked(episode):
    said = [text for role, text in episode.turns if role == "user"]
    return sum("?" in text for text in said) / max(len(said), 1)


OBJECTIVE = Objective(
    name="asked_turns", meaning="share of user turns with a question mark", needs="dialogue", raw=mean_over_dialogues(asked), order=50,
)
'''
NAME = "asked_turns"


@pytest.fixture(scope="module", autouse=True)
def _added(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The file lies beside the others while the tests of this module run."""
    folder = tmp_path_factory.mktemp("objectives")
    (folder / "asked_turns.py").write_text(FILE, encoding="utf-8")

    def forget() -> None:
        importlib.invalidate_caches()
        objectives._installed.cache_clear()
        sys.modules.pop(f"{objectives.__name__}.asked_turns", None)
        scorer.cache_clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objectives, "__path__", [*objectives.__path__, str(folder)])
        forget()
        yield
    forget()


@pytest.fixture(scope="module")
def searched(_added: None, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return search(SearchConfig(
        archive=tmp_path_factory.mktemp("searched") / "a.duckdb", candidates=3, task_count=2, personas=2, test_tasks=2, test_personas=2,
        finalists=1, lag=1, jobs=1, seed=1, control_dialogues=20, people_draws=2, human=FEW_PEOPLE,
    ))  # fmt: skip


def told(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == 0
    return " ".join(capsys.readouterr().out.split())


def test_it_is_listed_and_changes_the_digest() -> None:
    assert objectives.shown()[-1] == NAME
    assert NAME not in objectives.steering()
    assert objectives.meanings()[NAME] == "share of user turns with a question mark"
    with_it, less = objectives.scoring_digest(), tuple(one for one in objectives.objectives() if one.name != NAME)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objectives, "objectives", lambda: less)
        assert objectives.scoring_digest() != with_it
    assert objectives.scoring_digest() == with_it


def test_the_scorer_measures_it() -> None:
    played = episodes(pairs(6, 1))
    found = evaluated(failing(played, {0})).objectives
    assert found[NAME].value == found[NAME].raw == 0.0  # nothing was said
    assert len(found[NAME].replicates) == 6
    assert set(found) == set(objectives.shown())
    assert len(NAMES) == scorer().people.shape[1]


def test_a_search_keeps_it_of_every_program_and_row(searched: SearchResult) -> None:
    with Archive.read(searched.archive) as archive:
        commits, table, scoring = archive.commits(1), archive.final_table(1), archive.scoring(1)
        by_hand = [
            sum("?" in text for role, text in one.turns if role == "user") / sum(role == "user" for role, _ in one.turns)
            for one in archive.episodes(1, 0)
        ]  # fmt: skip
    assert commits[0].evaluation is not None
    assert commits[0].evaluation.objectives[NAME].value == pytest.approx(sum(by_hand) / len(by_hand))
    assert 0 < commits[0].evaluation.objectives[NAME].value < 1
    assert {row.row for row in table.rows if NAME not in row.measures} == {"humans"}  # of whom figures are known and no turns
    assert table.compared("seed_program", NAME) is not None
    assert scoring.rules[NAME] == ("beside", "more", None, 1)


def test_commands_show_it(searched: SearchResult, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(searched.archive)
    assert "asked" in told("archive", "show", path, searched.best.id, capsys=capsys)
    assert NAME in told("archive", "show", path, searched.best.id, "--json", capsys=capsys)
    with Archive.read(searched.archive) as archive:
        programs = [commit.candidate.program.id for commit in archive.commits(1) if commit.evaluation]
        page = layout.as_text(summary_view(archive), 250)
    assert "asked turns" in " ".join(page.split())
    assert NAME in told("archive", "diff", path, programs[0], programs[1], "--json", capsys=capsys)


def test_verify_checks_it(searched: SearchResult) -> None:
    found = verify(searched.archive)
    assert found.findings == ()
    assert found.checked["scores"] >= 3


def test_its_view_is_in_the_archive(searched: SearchResult) -> None:
    """Views iterate over what is stored too: whatever is measured can be asked for by its name."""
    with Archive.read(searched.archive) as archive:
        _, rows = archive.query(f"SELECT count(*)::INTEGER FROM objectives WHERE objective = '{NAME}'")
    assert rows[0][0] >= 3
