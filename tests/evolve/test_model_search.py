"""Whole searches with models, over real sockets and with the real clients, against the loopback server."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.model_server import Fault, Faults, ModelServer, person_or_agent
from personaevo.archive import Archive
from personaevo.config import SearchConfig, make_config
from personaevo.errors import BudgetError, ConfigError, ModelError, ModelSetupError, ModelUnavailableError, PersonaevoError
from personaevo.evolve import controls
from personaevo.evolve.progress import SearchResult
from personaevo.evolve.search import search
from tests.once import FEW_PEOPLE

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"OPENAI_API_KEY": "sk-proj-c4n4ryAAAAAAAAAAAAAA", "ANTHROPIC_API_KEY": "sk-ant-c4n4ryBBBBBBBBBBBB"}
PRICES = '[[price]]\nmodel = "*@*"\ninput = 1.0\noutput = 4.0\ncached = 0.1\n'
Run = Callable[..., SearchResult]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer(person_or_agent, keep=20_000) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_it_was(server: ModelServer) -> Iterator[None]:
    yield
    server.fault = None
    server.latency_seconds = 0.0


def settings(server: ModelServer, **more: object) -> SearchConfig:
    """Every role by a model, on both providers; small."""
    openai, anthropic = f"openai:small@{server.openai_url}", f"anthropic:large@{server.url}"
    values: dict[str, object] = {
        "archive": Path("here.duckdb"), "candidates": 4, "task_count": 2, "personas": 1, "test_tasks": 2, "test_personas": 1,
        "finalists": 1, "control_dialogues": 10, "people_draws": 2, "seed": 0, "model_seconds": 5.0, "lag": 2, "jobs": 1,
        "human": FEW_PEOPLE, "program": ROOT / "seeds" / "two_stage.py",
        "models": {"mutator": anthropic, "reflector": openai, "generator": anthropic, "user": openai, "agent": anthropic},
    }  # fmt: skip
    return make_config({**values, **more})


@pytest.fixture(scope="module")
def undisturbed(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Path]:
    """The search as it is when nothing happens, and its archive."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        path = tmp_path_factory.mktemp("undisturbed") / "a.duckdb"
        return search(settings(server, archive=path)), path


def calls(path: Path) -> list[tuple[str, int]]:
    """Each role's answers in an archive."""
    with Archive.read(path) as archive:
        return archive.query('SELECT "role", count(*)::INTEGER FROM model_calls GROUP BY 1 ORDER BY 1')[1]  # type: ignore[return-value]


def test_every_role_is_played_by_its_model(undisturbed: tuple[SearchResult, Path]) -> None:
    result, path = undisturbed
    assert [role for role, _ in calls(path)] == ["agent", "generator", "mutator", "reflector", "user"]
    with Archive.read(path) as archive:
        archive.verify_digest()
        commits = archive.commits(1)
        episodes = archive.episodes(1, 0)
        assert archive.query("SELECT count(DISTINCT candidate) FROM model_calls WHERE \"role\" = 'mutator'")[1] == [(3,)]
    assert len(commits) == 4
    assert {commit.candidate.operator for commit in commits} - {"seed"} <= {"adjust", "edit", "rewrite", "crossover", "repair"}
    assert sum(commit.candidate.state == "evaluated" for commit in commits) >= 3
    assert all(one.state == "completed" and 60 <= len(one.persona.policy.split()) <= 150 for one in episodes if one.persona)
    assert {role: one.spent.calls for role, one in result.spending.items()} == dict(calls(path))
    assert result.spending["user"].spent.cached_tokens > 0


@pytest.mark.slow
def test_nothing_is_paid_for_twice(server: ModelServer, undisturbed: tuple[SearchResult, Path]) -> None:
    """An equal search in the same archive's answers asks nothing, and faults cost only attempts."""
    result, path = undisturbed
    with Archive.read(path) as archive:
        assert archive.query('SELECT count(*) - count(DISTINCT "key") FROM model_calls')[1] == [(0,)]
    before = server.counters.answered.total()
    server.fault = Faults({"429": 0.06, "429 retry-after": 0.04, "500": 0.05, "hang": 0.005}, seed=1)
    again = search(settings(server, model_seconds=1.0))
    assert again.digest == result.digest
    assert calls(Path("here.duckdb")) == calls(path)
    asked = sum(one.spent.calls for one in again.spending.values())
    failures = sum((one.failures for one in again.spending.values()), Counter[str]())
    late = server.counters.answered.total() - before - asked  # answers that came when nobody waited for them any more
    assert 0 <= late <= failures["timeout"]
    assert failures.keys() >= {"429", "500", "timeout"}


@pytest.mark.slow
def test_fifty_candidates_under_faults(server: ModelServer) -> None:
    """A tenth of all attempts meets 429, a twentieth 500, two in a hundred hang; up to the tenth attempt, as searches before this one have
    asked the same."""
    calm = search(settings(server, candidates=50))
    server.fault = Faults({"429": 0.05, "429 retry-after": 0.05, "500": 0.05, "hang": 0.02}, seed=2, most=9)
    stormy = search(settings(server, candidates=50, archive=Path("storm.duckdb"), model_seconds=1.0))
    assert stormy.digest == calm.digest
    assert calls(Path("storm.duckdb")) == calls(Path("here.duckdb"))
    failures = sum((one.failures for one in stormy.spending.values()), Counter[str]())
    assert failures.keys() == {"429", "500", "timeout"}
    asked = sum(one.spent.calls for one in stormy.spending.values())
    assert 0.10 < failures.total() / (asked + failures.total()) < 0.25


def test_replayed_with_the_network_off(undisturbed: tuple[SearchResult, Path], server: ModelServer) -> None:
    result, path = undisturbed
    server.stop()
    try:
        replayed = search(settings(server, replay=path))
    finally:
        server.start()
    assert replayed.digest == result.digest
    assert all(one.spent.calls == 0 and one.known > 0 for one in replayed.spending.values())
    assert sum(count for _, count in calls(Path("here.duckdb"))) == sum(count for _, count in calls(path))  # it is a recording too


def test_replay_of_another_search_is_told(undisturbed: tuple[SearchResult, Path], server: ModelServer) -> None:
    with pytest.raises(ModelError, match="the recording holds no answer to this question"):
        search(settings(server, replay=undisturbed[1], seed=4))
    assert not Path("here.duckdb").exists()


def test_stopped_by_its_budget_and_by_a_server_that_dies_it_comes_to_the_same_end(
    undisturbed: tuple[SearchResult, Path], server: ModelServer
) -> None:
    """A budget is never exceeded and can be raised; a server that dies ends the search in order; nothing is paid for twice."""
    result, _ = undisturbed
    Path("prices.toml").write_text(PRICES)
    with pytest.raises(BudgetError, match=r"the next call could exceed --max-usd 0.05: 0\.\d+ are spent"):
        search(settings(server, prices=Path("prices.toml"), max_usd=0.05))
    with Archive.read("here.duckdb") as archive:
        spent, before = archive.query("SELECT sum(cost), count(*) FROM model_calls")[1][0]
    assert 0.02 < spent <= 0.05
    more = {"prices": Path("prices.toml"), "max_usd": 100.0, "resume": True}
    with _dying(server, 100) as died:
        place = r"^(user openai:small|agent anthropic:large|generator anthropic:large) at http://127\.0\.0\.1:\d+(/v1)?: cannot be reached"
        with pytest.raises(ModelUnavailableError, match=place):
            search(settings(server, **more))
        assert time.monotonic() - died[0] < 20
    assert sum(count for _, count in calls(Path("here.duckdb"))) >= before + 90
    raised = search(settings(server, **more))
    assert raised.digest == result.digest
    assert sum(one.spent.calls for one in raised.spending.values()) == sum(one.spent.calls for one in result.spending.values())
    assert sum(one.spent.usd for one in raised.spending.values()) > 0.05


@contextmanager
def _dying(server: ModelServer, answers: int) -> Iterator[list[float]]:
    """The server stops after so many more answers, and is there again at the end; when it did."""
    end, died = server.counters.answered.total() + answers, list[float]()

    def watch() -> None:
        while server.counters.answered.total() < end:
            time.sleep(0.002)
        died.append(time.monotonic())
        server.stop()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield died
    finally:
        watcher.join()
        server.start()


def test_nobody_there(server: ModelServer) -> None:
    models = {"user": "openai:small@http://127.0.0.1:9/v1"}
    with pytest.raises(ModelUnavailableError, match=r"user openai:small at http://127.0.0.1:9/v1: cannot be reached"):
        search(settings(server, models=models, program=None))
    assert not Path("here.duckdb").exists()


@pytest.mark.parametrize(("kind", "words"), [("401", "the key is refused"), ("404 model", "there is no such model")])
def test_what_cannot_succeed_is_asked_once(server: ModelServer, kind: str, words: str) -> None:
    server.fault = lambda request, attempt: Fault(kind)
    before = sum(server.counters.requests.values())
    with pytest.raises(ModelSetupError, match=words):
        search(settings(server, models={"mutator": f"openai:small@{server.openai_url}"}, program=None))
    assert sum(server.counters.requests.values()) - before <= 4  # those under way at the same time


@pytest.mark.parametrize("limit", [{"max_calls": 60}, {"max_tokens": 30_000}])
def test_other_budgets(server: ModelServer, limit: dict[str, int]) -> None:
    with pytest.raises(BudgetError, match=next(iter(limit)).replace("_", "-")):
        search(settings(server, **limit))
    with Archive.read("here.duckdb") as archive:
        count, tokens = archive.query("SELECT count(*), sum(input_tokens + output_tokens) FROM model_calls")[1][0]
    assert 0 < count <= limit.get("max_calls", 10**9)
    assert tokens <= limit.get("max_tokens", 10**9)


def test_a_budget_in_dollars_needs_prices(server: ModelServer) -> None:
    with pytest.raises(ConfigError, match="--max-usd needs the price of"):
        search(settings(server, max_usd=1.0))
    assert not Path("here.duckdb").exists()


def test_keys_are_nowhere(undisturbed: tuple[SearchResult, Path], server: ModelServer) -> None:
    """The server says the key in its refusals; it is in no error, and in no byte of an archive."""
    server.fault = lambda request, attempt: Fault("401")
    with pytest.raises(PersonaevoError) as caught:
        search(settings(server))
    assert "c4n4ry" not in str(caught.value)
    for path in (undisturbed[1], *Path().iterdir()):
        assert b"c4n4ry" not in path.read_bytes()
    assert any("c4n4ry" in value for _, value in server.counters.keys)  # they did get there


def test_a_refusing_mutator_spoils_only_candidates(server: ModelServer) -> None:
    models = {"mutator": f"openai:small@{server.openai_url}"}
    server.fault = lambda request, attempt: Fault("refusal")
    result = search(settings(server, models=models, program=None, candidates=4))
    with Archive.read("here.duckdb") as archive:
        states = [(commit.candidate.state, commit.candidate.reason or "") for commit in archive.commits(1)]
    assert [state for state, _ in states] == ["evaluated", "failed", "failed", "failed"]
    assert all("the model refuses" in reason for _, reason in states[1:])
    assert {row.program_id for row in result.table if row.program_id} == {result.best.id}


def test_an_agent_of_ones_own(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.py").write_text("def talk(messages):\n    return 'Done. Anything else?' if len(messages) > 1 else 'What is it about?'\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    search(settings(server, models={}, agent="mine:talk", program=None, candidates=2))
    with Archive.read("here.duckdb") as archive:
        said = {text for one in archive.episodes(1, 0) for role, text in one.turns if role == "assistant"}
    assert said <= {"Done. Anything else?", "What is it about?"}


def test_refusals_are_kept_and_paid_for_once(server: ModelServer) -> None:
    """A refusal is an answer too: it is in the books, and a replay meets it again with the network off."""
    models = {"mutator": f"openai:small@{server.openai_url}", "user": f"anthropic:large@{server.url}"}
    small: dict[str, object] = {"models": models, "program": None, "candidates": 4}
    server.fault = Faults({"refusal": 0.1}, seed=4)
    first = search(settings(server, **small))
    with Archive.read("here.duckdb") as archive:
        roles = archive.query('SELECT DISTINCT "role" FROM model_calls WHERE refusal IS NOT NULL ORDER BY 1')[1]
        failed = archive.query("SELECT count(*) FROM episodes WHERE reason LIKE '%the model refuses%'")[1][0][0]
    assert roles
    assert failed > 0
    server.fault = None
    server.stop()
    try:
        again = search(settings(server, replay=Path("here.duckdb"), archive=Path("again.duckdb"), **small))
    finally:
        server.start()
    assert again.digest == first.digest
    assert all(one.spent.calls == 0 for one in again.spending.values())


def test_two_stages_with_the_embedded_user(server: ModelServer) -> None:
    """Only the programs ask a model; users and agent are the embedded ones."""
    result = search(settings(server, models={"generator": f"openai:small@{server.openai_url}"}, candidates=3))
    assert [role for role, _ in calls(Path("here.duckdb"))] == ["generator"]
    with Archive.read("here.duckdb") as archive:
        episodes = archive.episodes(1, 0)
        assert archive.commits(1)[0].candidate.state == "evaluated"
    assert all(one.state == "completed" for one in episodes)
    assert {row.row for row in result.table} == {"humans", "persona_free", *controls.ROWS, "seed_program", "evolved"}
