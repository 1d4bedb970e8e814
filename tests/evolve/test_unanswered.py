"""Whole searches in which some questions have no answer: each costs that dialogue or candidate, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from examples.model_server import Fault, ModelServer, Request, person_or_agent
from personaevo.archive import Archive
from personaevo.cli.app import run
from personaevo.config import SearchConfig, make_config
from personaevo.errors import ModelError
from personaevo.evolve.search import search
from tests.once import FEW_PEOPLE

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("mutator", "reflector", "generator", "user", "agent")
KINDS = ("content filter", "empty", "refusal")  # of questions that have no answer


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-none-of-your-business")


def unanswered(one_in: int) -> Callable[[Request, int], Fault | None]:
    """Some questions, by their digests, have never an answer."""

    def rule(request: Request, attempt: int) -> Fault | None:
        number = int(request.digest, 16)
        return Fault(KINDS[number // one_in % len(KINDS)]) if number % one_in == 0 else None

    return rule


def settings(address: str, roles: tuple[str, ...] = ROLES, **more: object) -> SearchConfig:
    values: dict[str, object] = {
        "archive": Path("a.duckdb"), "candidates": 3, "task_count": 2, "personas": 2, "test_tasks": 2, "test_personas": 1, "finalists": 1,
        "control_dialogues": 10, "people_draws": 2, "seed": 3, "model_seconds": 5.0, "program": ROOT / "seeds" / "two_stage.py",
        "models": dict.fromkeys(roles, address), "jobs": 1, "human": FEW_PEOPLE,
    }  # fmt: skip
    return make_config({**values, **more})


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_a_search_ends_all_the_same(api: str) -> None:
    with ModelServer(person_or_agent, fault=unanswered(25)) as server:
        address = f"{api}:small@{server.openai_url if api == 'openai' else server.url}"
        result = search(settings(address, candidates=2))
        more = search(settings(address, resume=True))  # it does not stumble over the same questions
        again = search(settings(address, replay=Path("a.duckdb"), archive=Path("b.duckdb")))
    assert result.problem == more.problem == ""
    assert again.digest == more.digest
    with Archive.read("a.duckdb") as archive:
        refused = archive.query("SELECT DISTINCT \"role\" FROM model_calls WHERE refusal NOT LIKE 'thrown away%'")[1]
        thrown = archive.query("SELECT count(*) FROM model_calls WHERE refusal LIKE 'thrown away%' AND input_tokens > 0")[1][0][0]
        failed = archive.query("SELECT count(*) FROM episodes WHERE state = 'failed' AND reason LIKE '%at http://%'")[1][0][0]
        played = archive.query("SELECT count(*) FROM episodes WHERE state = 'completed'")[1][0][0]
        archive.verify_digest()
    assert {"user", "agent"} <= {role for (role,) in refused}
    assert 0 < failed < played
    assert thrown > 0 or api == "openai"  # of the other protocol an empty answer comes with its tokens


def test_where_no_dialogue_can_be_played_the_reason_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with ModelServer(person_or_agent, fault=lambda _request, _attempt: Fault("content filter")) as server:
        address = f"openai:small@{server.openai_url}"
        with pytest.raises(ModelError, match=r"no dialogue of persona-free users could be played: user openai:small .*the model refuses"):
            search(settings(address, ("user",)))
        assert run(["search", "--model", f"user={address}", "--candidates", "1", "--archive", "c.duckdb"]) == 1
    assert "Error: no dialogue of persona-free users could be played" in capsys.readouterr().err


def test_where_every_proposal_is_refused_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    small = {
        "candidates": 3, "task_count": 2, "personas": 2, "test_tasks": 2, "test_personas": 2, "finalists": 1, "people_draws": 2,
        "control_dialogues": 20, "jobs": 1, "seed": 5,
    }  # fmt: skip
    Path("small.toml").write_text("".join(f"{name} = {value}\n" for name, value in small.items()), encoding="utf-8")
    with ModelServer(person_or_agent, fault=lambda _request, _attempt: Fault("content filter")) as server:
        mutator = f"mutator=anthropic:small@{server.url}"
        assert run(["search", "small.toml", "--human", str(FEW_PEOPLE), "--model", mutator, "--archive", "d.duckdb"]) == 1
    said = capsys.readouterr()
    assert "On held-out tasks and people" in said.out
    assert "Nothing was found: every proposal was refused: mutator anthropic:small at" in said.err
