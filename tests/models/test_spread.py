"""One model at several addresses: where calls go, what a server costs that fails, and what the model is called meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import pytest

from examples.model_server import Fault, ModelServer
from personaevo.archive import Archive
from personaevo.chat import ChatModel, Message, Reply
from personaevo.cli.shared import models_of
from personaevo.config import SearchConfig, make_config
from personaevo.errors import BudgetError, ConfigError, ModelSetupError, ModelUnavailableError
from personaevo.evolve.search import search
from personaevo.model_spec import ModelSpec, parse, same_model, with_settings
from personaevo.models import Budget, CallSettings, MemoryStore, Models, RetryPolicy
from personaevo.models.ledger import Price, price_of
from personaevo.models.refusals import TransientError
from personaevo.models.retry import EMPTY, Endpoint, EndpointPool, LoadBalancer, RateLimit
from tests.models.server import always, serving
from tests.once import FEW_PEOPLE

A, B, C = "http://a:8000/v1", "http://b:8000/v1", "http://c:8000/v1"
QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.05)
ASKED = [Message("user", "hello")]


# --- how it is named


def test_addresses_stand_behind_the_name() -> None:
    spec = parse(f"openai:small@{A},{B};temperature=0.5")
    assert [str(one) for one in spec.places] == [f"openai:small@{A};temperature=0.5", f"openai:small@{B};temperature=0.5"]
    assert str(spec) == "openai:small@several;temperature=0.5"
    assert parse(f"openai:small@{A}, {B}/").urls == (A, B)


def test_the_model_is_the_same_wherever_it_is() -> None:
    here, there = parse(f"openai:small@{A},{B}"), parse(f"openai:small@{C},{A}")
    assert (here, str(here)) == (there, str(there))
    assert parse(str(here)) == here
    assert parse(str(here)).places == ()
    others = ("openai:small", f"openai:other@{A},{B}", f"anthropic:small@{A},{B}", f"openai:small@{A},{B};seed=1", f"openai:small@{A}")
    assert all(parse(text) != here for text in others)


def test_one_address_is_named_as_ever() -> None:
    spec = parse(f"openai:small@{A}")
    assert spec == ModelSpec("openai", "small", A)
    assert str(spec) == f"openai:small@{A}"
    assert spec.places == (spec,)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (f"openai:small@{A}", "openai:small@several", True), ("openai:small@several", f"openai:small@{B}", True),
        (f"openai:small@{A};seed=1", "openai:small@several;seed=1", True), (f"openai:small@{A}", f"openai:small@{B}", False),
        ("openai:small", "openai:small@several", False), (f"openai:small@{A}", "openai:large@several", False),
        (f"openai:small@{A};seed=1", "openai:small@several", False), ("openai:small;user=a@b", "openai:small;user=a@several", False),
    ],
)  # fmt: skip
def test_when_two_recorded_models_are_the_same(one: str, other: str, same: bool) -> None:
    assert same_model(one, other) is same_model(other, one) is same


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"openai:small@{A},openai:large@{B}", "two models are given for one role"),
        (f"openai:small@{A},openai:small@{B}", "two models are given for one role"),
        (f"openai:small@{A},openai/small@{B}", "two models are given for one role"),
        (f"openai:small@{A},{A}/", "is given twice"),
        (f"openai:small@{A},", "model address ''"),
        (f"openai:small@{A},b:8000", "model address 'b:8000'"),
        (f"openai:small@{A},several", "model address 'several'"),
        (f"openai:small@{A},http://user:secret@b/v1", "holds a login or a query"),
    ],
)
def test_mistakes_are_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_role_that_is_given_twice_is_told() -> None:
    with pytest.raises(click.UsageError, match="--model user is given twice"):
        models_of([f"user=openai:small@{A}", f"user=openai:small@{B}"], [])
    assert models_of([f"user=openai:small@{A},{B}"], ["user.seed=1"]) == {"user": f"openai:small@{A},{B};seed=1"}


def test_a_name_without_addresses_cannot_be_asked() -> None:
    spec = parse("openai:small@several")
    with Models({"user": spec}, MemoryStore(), offline=True) as models:
        assert models.role("user") is not None
    why = "to call it, give its addresses after the @"
    with Models({"user": spec}, MemoryStore()) as models, pytest.raises(ModelSetupError, match=why):
        models.role("user")


def test_settings_go_along(tmp_path: Path) -> None:
    text = with_settings(f"openai:small@{A},{B}", {"temperature": 0.5})
    config = make_config({"models": {"user": {"model": f"openai:small@{A},{B}", "temperature": 0.5}}, "archive": tmp_path / "a.duckdb"})
    assert config.models["user"] == text
    assert config.recorded()["models"] == {"user": "openai:small@several;temperature=0.5"}


def test_a_price_is_for_all_addresses() -> None:
    spec = parse(f"openai:small@{A},{B}")
    one, two = Price(model=f"openai:small@{A}", input=1, output=1), Price(model="openai:small@*", input=2, output=2)
    assert price_of([two], spec) == two
    assert price_of([], spec) is None
    for prices in ([one], [one, two]):
        with pytest.raises(ConfigError, match="its addresses have different prices"):
            price_of(prices, spec)


# --- where calls go, by a clock that stands still


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A model that does what it is told: each entry is an error or None, the last holds on."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes, self.calls = list(outcomes), 0

    def reply(self, messages: Sequence[Message], **_: Any) -> Reply:
        self.calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if outcome is not None:
            raise outcome
        return Reply("well")


def failing(kind: str = "500", after: float | None = None, *, refused: bool = False) -> TransientError:
    return TransientError(f"status {kind}", kind, after, unreachable=refused)


def spread(*models: Scripted, clock: Clock | None = None) -> tuple[LoadBalancer, list[Endpoint], list[str]]:
    notes: list[str] = []
    places = [Endpoint(RateLimit(4), 4) for _ in models]
    made: list[tuple[Endpoint, ChatModel]] = list(zip(places, models, strict=True))
    pool = EndpointPool(120.0, clock or Clock())
    return LoadBalancer(made, pool, lambda error: notes.append(error.kind), "user m at 2 addresses"), places, notes


def test_equal_addresses_share_equally() -> None:
    one, two = Scripted(None), Scripted(None)
    model, _, notes = spread(one, two)
    for _ in range(10):
        model.reply(ASKED)
    assert (one.calls, two.calls, notes) == (5, 5, [])


def test_the_one_with_the_fewest_under_way_is_taken() -> None:
    first, second = Endpoint(RateLimit(9), 9, busy=3), Endpoint(RateLimit(9), 9, busy=1)
    places = EndpointPool(120.0)
    assert [places.take([first, second]) for _ in range(4)] == [second, second, first, second]
    assert (first.busy, second.busy) == (4, 4)


def test_a_failure_is_handed_to_another_and_noted() -> None:
    one, two = Scripted(failing(), None), Scripted(None)
    model, places, notes = spread(one, two)
    assert [model.reply(ASKED).text for _ in range(4)] == ["well"] * 4
    assert (notes, [place.busy for place in places]) == (["500"], [0, 0])
    assert not any(place.away for place in places)


def test_what_no_address_answers_is_the_callers() -> None:
    model, places, notes = spread(Scripted(failing("500")), Scripted(failing("503")))
    with pytest.raises(TransientError, match="status 503; its other addresses do not answer either"):
        model.reply(ASKED)
    assert (notes, [place.busy for place in places]) == (["500"], [0, 0])  # the last one is noted by whoever asks again


def test_one_that_refuses_connections_is_away_at_once_and_tried_later() -> None:
    clock = Clock()
    one, two = Scripted(failing("connection", refused=True)), Scripted(None)
    model, _, _ = spread(one, two, clock=clock)
    tries = []
    for _ in range(400):
        model.reply(ASKED)
        tries.append(one.calls)
        clock.now += 0.5
    # tried at 0, 1, 3, 7, 15, 31, 63 s, and then once a minute
    assert tries[-1] == 9
    one.outcomes = [None]
    clock.now += 60.0
    before = one.calls
    for _ in range(4):
        model.reply(ASKED)
    assert one.calls == before + 2  # it shares again


def test_one_failure_or_two_do_not_send_it_away() -> None:
    one, two = Scripted(failing(), failing(), None, failing(), failing(), None), Scripted(None)
    model, places, _ = spread(one, two)
    for _ in range(12):
        model.reply(ASKED)
    assert one.calls == 8
    assert not places[0].away


def test_a_server_that_always_fails_is_away_after_three() -> None:
    one, two = Scripted(failing()), Scripted(None)
    model, places, _ = spread(one, two)
    for _ in range(20):
        model.reply(ASKED)
    assert (one.calls, places[0].away) == (3, 1.0)


def test_calls_that_fail_together_count_once() -> None:
    place = Endpoint(RateLimit(16), 16)
    for _ in range(16):
        place.fail(failing("connection", refused=True), 100.0)
    assert (place.away, place.until) == (1.0, 101.0)


def test_a_rest_is_for_the_address_that_asks_for_it() -> None:
    clock = Clock()
    one, two = Scripted(failing("429", 10.0), None), Scripted(None)
    model, _, _ = spread(one, two, clock=clock)
    for _ in range(6):
        model.reply(ASKED)
    assert (one.calls, two.calls) == (1, 6)
    clock.now += 10.0
    model.reply(ASKED)
    assert one.calls == 2


def test_all_want_a_rest() -> None:
    """The caller is told how long; nobody is asked before."""
    clock = Clock()
    one, two = Scripted(failing("429", 300.0)), Scripted(failing("429", 200.0))
    model, _, _ = spread(one, two, clock=clock)
    for _ in range(2):
        with pytest.raises(TransientError) as caught:
            model.reply(ASKED)
        assert (caught.value.kind, caught.value.after) == ("429", 200.0)
    assert (one.calls, two.calls) == (1, 1)


def test_a_short_rest_is_waited_for() -> None:
    one, two = Endpoint(RateLimit(4), 4), Endpoint(RateLimit(4), 4)
    places = EndpointPool(120.0)
    for place in (one, two):
        places.note(place, failing("429", 0.2))
    begun = time.monotonic()
    assert places.take([one, two]) is not None
    assert time.monotonic() - begun >= 0.15


def test_an_empty_answer_is_no_fault_of_the_server() -> None:
    one, two = Scripted(failing(EMPTY)), Scripted(failing(EMPTY))
    model, places, notes = spread(one, two)
    for _ in range(8):
        with pytest.raises(TransientError, match=EMPTY):
            model.reply(ASKED)
    assert (one.calls, two.calls, notes, [place.away for place in places]) == (4, 4, [], [0.0, 0.0])


def test_what_cannot_help_is_not_handed_on() -> None:
    one, two = Scripted(ModelSetupError("no such model")), Scripted(None)
    model, places, _ = spread(one, two)
    with pytest.raises(ModelSetupError):
        model.reply(ASKED)
    assert (two.calls, places[0].busy) == (0, 0)


def test_where_all_are_away_each_is_tried() -> None:
    one, two = Scripted(failing("connection", refused=True)), Scripted(failing("connection", refused=True))
    model, _, _ = spread(one, two)
    for _ in range(3):
        with pytest.raises(TransientError) as caught:
            model.reply(ASKED)
        assert caught.value.unreachable
    assert (one.calls, two.calls) == (3, 3)


def test_who_waits_for_a_place_is_sent_away_at_the_end() -> None:
    place, places = Endpoint(RateLimit(1), 1, busy=1), EndpointPool(120.0)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(places.take, [place]) for _ in range(2)]
        places.close()
        assert [type(one.exception(10)) for one in waiting] == [BudgetError] * 2


def test_a_place_that_becomes_free_is_given_on() -> None:
    place, places = Endpoint(RateLimit(1), 1), EndpointPool(120.0)
    assert places.take([place]) is place
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(places.take, [place])
        assert not waiting.done()
        places.leave(place)
        assert waiting.result(10) is place


# --- over sockets


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key-4711")


@contextmanager
def servers(*latencies: float) -> Iterator[list[ModelServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(latency_seconds=seconds)) for seconds in latencies]


def at(*some: ModelServer) -> str:
    return "openai:small@" + ",".join(server.openai_url for server in some)


def ask_all(models: Models, count: int, threads: int, begun: Callable[[int], object] = lambda _: None) -> list[str]:
    model = models.role("user")
    assert model is not None

    def ask(number: int) -> str:
        begun(number)
        return model.reply([Message("system", "You are the user."), Message("user", f"question {number}")]).text

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, range(count)))


def served(server: ModelServer) -> int:
    return server.counters.answered.total()


def test_the_fast_one_takes_the_greater_share() -> None:
    with (
        servers(0.02, 0.3) as (fast, slow),
        Models({"user": parse(at(fast, slow))}, MemoryStore(), conduct=CallSettings(at_once=4)) as models,
    ):
        assert models.at_once("user") == 8
        ask_all(models, 60, 8)
        assert served(fast) + served(slow) == 60
        assert served(fast) > 2 * served(slow) > 0


def test_at_once_is_for_each_address() -> None:
    with servers(0.1, 0.1) as (one, two), Models({"user": parse(at(one, two))}, MemoryStore(), conduct=CallSettings(at_once=3)) as models:
        ask_all(models, 24, 24)
        assert [server.counters.most_in_flight for server in (one, two)] == [3, 3]


def test_roles_share_the_places_of_an_address() -> None:
    with servers(0.1, 0.1) as (one, two):
        chosen = {"user": parse(at(one, two)), "agent": parse(at(one))}
        with Models(chosen, MemoryStore(), conduct=CallSettings(at_once=3)) as models, ThreadPoolExecutor(1) as pool:
            agent = models.role("agent")
            assert agent is not None
            pool.submit(lambda: [agent.reply([Message("user", str(number))]) for number in range(6)])
            ask_all(models, 24, 24)
        assert [server.counters.most_in_flight for server in (one, two)] == [3, 3]
        assert served(two) >= served(one) - 6


def test_a_server_that_dies_midway_hands_its_calls_to_the_other_and_may_come_back() -> None:
    with (
        servers(0.02, 0.02) as (one, two),
        Models({"user": parse(at(one, two))}, MemoryStore(), conduct=CallSettings(4, retry=QUICK)) as models,
    ):
        texts = ask_all(models, 80, 8, lambda number: one.stop() if number == 40 else None)
        assert (len(texts), all(texts)) == (80, True)
        before = served(one)
        one.start()
        time.sleep(1.1)  # it is away for a second
        ask_all(models, 140, 8)
        assert served(one) > before + 5
        assert models.ledger.total().calls == 80 + 140 - 80  # the first eighty are known
        assert models.ledger.accounts()["user"].failures["connection"] >= 1


def test_a_server_that_fails_for_long_is_left_alone() -> None:
    with (
        servers(0.0, 0.01) as (one, two),
        Models({"user": parse(at(one, two))}, MemoryStore(), conduct=CallSettings(2, retry=QUICK)) as models,
    ):
        one.fault = always("500")
        ask_all(models, 40, 4)
        assert served(two) >= 40
        assert models.ledger.accounts()["user"].failures["500"] <= 8


def test_when_all_are_away_it_ends_as_with_one() -> None:
    with (
        servers(0.0, 0.0) as (one, two),
        Models({"user": parse(at(one, two))}, MemoryStore(), conduct=CallSettings(2, retry=QUICK)) as models,
    ):
        ask_all(models, 4, 2)
        one.stop()
        two.stop()
        with pytest.raises(ModelUnavailableError, match=r"user openai:small at http://127.0.0.1:\d+/v1: cannot be reached.*\(4 attempts\)"):
            ask_all(models, 5, 1)


def test_the_budget_is_one() -> None:
    budget = Budget(calls=7)
    with servers(0.01, 0.01) as (one, two), Models({"user": parse(at(one, two))}, MemoryStore(), budget=budget) as models:
        with pytest.raises(BudgetError, match="--max-calls 7"):
            ask_all(models, 30, 8)
        assert served(one) + served(two) == 7


def test_a_wish_for_a_rest_keeps_from_that_server_only() -> None:
    with (
        servers(0.0, 0.0) as (one, two),
        Models({"user": parse(at(one, two))}, MemoryStore(), conduct=CallSettings(2, retry=QUICK)) as models,
    ):
        one.fault = lambda _request, _attempt: Fault("429 retry-after", 30.0)
        begun = time.monotonic()
        ask_all(models, 20, 1)
        assert time.monotonic() - begun < 10
        assert models.ledger.accounts()["user"].failures["429"] == 1
        assert served(two) == 20


def test_answers_are_kept_for_the_model_and_found_from_other_servers() -> None:
    """Kept at one address, asked at two; and kept at two, asked at one or at others."""
    with servers(0.0, 0.0, 0.0, 0.0) as (one, two, three, four):
        for kept, first, *others in (
            (MemoryStore(), at(one), at(two, one)), (MemoryStore(), at(three, four), at(four, three), at(three), at(one, two)),
        ):  # fmt: skip
            paid = []
            for text in (first, *others):
                with Models({"user": parse(text)}, kept) as models:
                    ask_all(models, 3, 1)
                    paid.append(models.ledger.total().calls)
            assert paid == [3, *(0 for _ in others)]


def test_answers_of_other_models_are_not_taken() -> None:
    kept = MemoryStore()
    with servers(0.0, 0.0) as (one, two):
        for text in (at(one), at(two), at(one) + ";seed=1", at(one, two) + ";seed=2", at(one).replace("small", "large")):
            with Models({"user": parse(text)}, kept) as models:
                ask_all(models, 3, 1)
                assert models.ledger.total().calls == 3


# --- whole searches


def settings(user: str, archive: str, **more: object) -> SearchConfig:
    values: dict[str, object] = {
        "archive": Path(archive), "candidates": 2, "task_count": 2, "personas": 1, "test_tasks": 2, "test_personas": 1, "finalists": 1,
        "control_dialogues": 10, "people_draws": 2, "screen": 2, "at_once": 4, "models": {"user": user},
        "jobs": 1, "human": FEW_PEOPLE,
    }  # fmt: skip
    return make_config({**values, **more})


def test_a_search_is_the_same_at_one_server_and_at_two_of_which_one_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with servers(0.0, 0.0, 0.0) as (one, two, three):
        alone = search(settings(at(one), "alone.duckdb"))
        end = threading.Event()

        def dies() -> None:
            while served(three) < 100 and not end.is_set():
                time.sleep(0.005)
            three.stop()

        watcher = threading.Thread(target=dies)
        watcher.start()
        together = search(settings(at(two, three), "together.duckdb"))
        end.set()
        watcher.join()
        assert together.digest == alone.digest
        assert served(three) >= 100
        assert together.spending["user"].spent.calls == alone.spending["user"].spent.calls
        one.stop()
        two.stop()
        again = search(settings(at(two, one), "again.duckdb", replay=Path("together.duckdb")))  # from other servers; none is there
        assert again.digest == alone.digest
        two.start()
        grown = search(settings(at(two, one), "alone.duckdb", resume=True, candidates=4))
        assert (grown.candidates, grown.digest != alone.digest) == (4, True)
    with Archive.read("alone.duckdb") as archive:
        assert archive.run().settings["models"] == {"user": f"openai:small@{one.openai_url}"}
