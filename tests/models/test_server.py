"""The example's model server, driven by the real clients of both providers over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

import anthropic
import openai
import pytest
from pydantic import BaseModel, Field

from examples.model_server import KINDS, Counters, Faults, filled, fitted, person_or_agent
from examples.model_server.__main__ import main
from personaevo.text import quoted
from tests.models.server import (
    AGENT,
    KEY,
    USER,
    Fault,
    ModelServer,
    Request,
    always,
    anthropic_client,
    async_anthropic_client,
    async_openai_client,
    first,
    openai_client,
    serving,
)

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = (ROOT / "seeds" / "program.py").read_text(encoding="utf-8")
SYSTEM = "Answer shortly. " * 40


class Part(BaseModel):
    label: Annotated[str, Field(min_length=30, max_length=40)]
    weight: Annotated[float, Field(gt=0, lt=0.5)]


class Verdict(BaseModel):
    kind: Literal["human", "machine"]
    score: Annotated[int, Field(ge=1, le=7)]
    parts: Annotated[list[Part], Field(min_length=2, max_length=3)]
    note: str | None
    before: Verdict | None = None


class Odd(BaseModel):
    even: Annotated[int, Field(ge=11, le=13, multiple_of=4)]
    low: Annotated[float, Field(lt=-5)]
    pair: tuple[int, str]
    table: Annotated[dict[str, float], Field(min_length=1)]
    names: Annotated[set[Literal["a", "b", "c"]], Field(min_length=2)]
    anything: Any = None
    fixed: Literal[3] = 3
    either: Part | list[bool] | int = 1


def request(system: str = "", *messages: tuple[str, str], schema: dict[str, Any] | None = None, seed: int = 0) -> Request:
    return Request(system, messages or (("user", "hello"),), schema, "test", seed=seed)


def by_openai(server: ModelServer, text: str = "hello", *, system: str = SYSTEM, **more: Any) -> Any:
    """The answer of chat completions to one message."""
    with openai_client(server, key=more.pop("key", KEY), seconds=more.pop("seconds", 10.0)) as client:
        return ask(client, text, system=system, **more)


def ask(client: openai.OpenAI, text: str, *, system: str = SYSTEM, **more: Any) -> Any:
    """The same by a client that there is already."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return client.chat.completions.create(**{"model": "test", "messages": messages, **more})


def by_anthropic(server: ModelServer, text: str = "hello", *, system: Any = SYSTEM, **more: Any) -> Any:
    """The answer of messages to one message."""
    messages = [{"role": "user", "content": text}]
    with anthropic_client(server, key=more.pop("key", KEY), seconds=more.pop("seconds", 10.0)) as client:
        return client.messages.create(**{"model": "test", "max_tokens": 5_000, "system": system, "messages": messages, **more})


def tool(schema: dict[str, Any]) -> dict[str, Any]:
    """The options by which Anthropic's models must answer in a form."""
    return {"tools": [{"name": "answer", "input_schema": schema}], "tool_choice": {"type": "tool", "name": "answer"}}


def form(schema: dict[str, Any]) -> dict[str, Any]:
    """The same for OpenAI's."""
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}}


@pytest.fixture(scope="module")
def plain() -> Iterator[ModelServer]:
    """A server that never fails."""
    with serving() as server:
        yield server


# --- good replies


def test_the_brain_gets_what_was_asked_by_either_protocol() -> None:
    heard: list[Request] = []

    def brain(request: Request) -> str:
        heard.append(request)
        return "well"

    with serving(brain) as server:
        assert by_openai(server, "hello", system="be kind").choices[0].message.content == "well"
        assert by_anthropic(server, "hello", system=[{"type": "text", "text": "be kind"}]).content[0].text == "well"
        by_openai(server, messages=[{"role": "developer", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}])
    assert [(one.system, one.messages, one.schema, one.model, one.key, one.api) for one in heard] == [
        ("be kind", (("user", "hello"),), None, "test", KEY, "openai"),
        ("be kind", (("user", "hello"),), None, "test", KEY, "anthropic"),
        ("a", (("user", "b"),), None, "test", KEY, "openai"),
    ]


def test_a_dict_of_the_brain_is_the_reply_as_it_is() -> None:
    with serving(lambda _: {"free": [1]}) as server:
        assert json.loads(by_openai(server).choices[0].message.content) == {"free": [1]}
        assert by_anthropic(server, **tool({"type": "object", "properties": {"x": {"type": "string"}}})).content[0].input == {"free": [1]}


def test_structured_replies_of_openai(plain: ModelServer) -> None:
    with openai_client(plain) as client:
        choice = client.chat.completions.parse(
            model="test", messages=[{"role": "user", "content": "judge"}], response_format=Verdict
        ).choices[0]
    assert isinstance(choice.message.parsed, Verdict)
    assert choice.finish_reason == "stop"


def test_json_object_of_openai(plain: ModelServer) -> None:
    text = by_openai(plain, "judge", response_format={"type": "json_object"}).choices[0].message.content
    assert json.loads(text).keys() == {"text"}


def test_a_tool_that_must_be_used(plain: ModelServer) -> None:
    reply = by_anthropic(plain, "judge", **tool(Verdict.model_json_schema()))
    assert reply.stop_reason == "tool_use"
    assert (reply.content[0].type, reply.content[0].name) == ("tool_use", "answer")
    Verdict.model_validate(reply.content[0].input)


def test_a_tool_that_may_be_used_is_not(plain: ModelServer) -> None:
    reply = by_anthropic(plain, "judge", tools=tool(Verdict.model_json_schema())["tools"])
    assert (reply.stop_reason, reply.content[0].type) == ("end_turn", "text")


def test_structured_replies_of_anthropic_without_a_tool(plain: ModelServer) -> None:
    with anthropic_client(plain) as client:
        messages: Any = [{"role": "user", "content": "judge"}]
        reply = client.messages.parse(model="test", max_tokens=5_000, messages=messages, output_format=Verdict)
    assert isinstance(reply.parsed_output, Verdict)  # although this client tells the bounds in descriptions only
    assert reply.stop_reason == "end_turn"


@pytest.mark.parametrize("model", [Part, Verdict, Odd])
@pytest.mark.parametrize("seed", range(20))
def test_filled_schemas_are_valid_small_and_the_same_again(model: type[BaseModel], seed: int) -> None:
    schema = model.model_json_schema()
    value = filled(schema, Random(seed))
    model.model_validate_json(json.dumps(value))
    assert value == filled(schema, Random(seed))
    assert len(json.dumps(value)) < 3_000


def test_filled_schemas_end_also_where_no_value_can() -> None:
    endless = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]}}}
    circle = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    for schema in (endless, circle, {"allOf": [{"type": "integer"}, {"minimum": 5, "maximum": 5}]}, {"type": ["null", "boolean"]}):
        json.dumps(filled(schema, Random(1)))
    assert filled({"allOf": [{"type": "integer"}, {"minimum": 5, "maximum": 5}]}, Random(1)) == 5


def test_what_the_brain_says_stands_where_a_reply_belongs() -> None:
    schema = {"type": "object", "properties": {"reply": {"type": "string"}, "mood": {"enum": ["good"]}}}
    dice = Random(1)
    assert fitted(schema, "hello", dice) == {"reply": "hello", "mood": "good"}
    assert fitted(schema, '{"reply": "x"}', dice) == {"reply": "x"}
    short = {"type": "object", "properties": {"reply": {"type": "string", "maxLength": 3}}}
    assert len(fitted(short, "hello", dice)["reply"]) == 3


def test_usage_of_openai(plain: ModelServer) -> None:
    usage = by_openai(plain).usage
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (-(-len(f"{SYSTEM}\n\nhello") // 4), 0)
    assert usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    turns = [{"role": "system", "content": SYSTEM}, *({"role": role, "content": "hm"} for role in ("user", "assistant", "user"))]
    later = by_openai(plain, messages=turns).usage
    assert later.prompt_tokens_details.cached_tokens == 128


def test_usage_of_anthropic(plain: ModelServer) -> None:
    marked = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    later = [{"role": role, "content": "hm"} for role in ("user", "assistant", "user")]
    unmarked, new, old = (
        by_anthropic(plain).usage,
        by_anthropic(plain, system=marked).usage,
        by_anthropic(plain, system=marked, messages=later).usage,
    )
    assert (unmarked.cache_creation_input_tokens, unmarked.cache_read_input_tokens) == (0, 0)
    assert (new.cache_creation_input_tokens, new.cache_read_input_tokens) == (128, 0)
    assert (old.cache_creation_input_tokens, old.cache_read_input_tokens) == (0, 128)
    assert unmarked.input_tokens == new.input_tokens + 128


def test_replies_end_at_the_most_tokens() -> None:
    with serving(lambda _: "word " * 100) as server:
        choice = by_openai(server, max_completion_tokens=5).choices[0]
        assert (choice.finish_reason, len(choice.message.content)) == ("length", 20)
        assert by_openai(server, max_tokens=5).choices[0].finish_reason == "length"
        reply = by_anthropic(server, max_tokens=5)
        assert (reply.stop_reason, len(reply.content[0].text), reply.usage.output_tokens) == ("max_tokens", 20, 5)


def test_replies_depend_on_prompt_and_seed_only() -> None:
    asked = [f"judge {number}" for number in range(5)]
    schema = Verdict.model_json_schema()

    def values(server: ModelServer, texts: list[str], **more: Any) -> dict[str, Any]:
        with openai_client(server, key=more.pop("key", KEY)) as client:
            return {text: json.loads(ask(client, text, **form(schema), **more).choices[0].message.content) for text in texts}

    with serving() as one, serving() as two, serving(seed=1) as other:
        here = values(one, asked)
        assert values(two, asked[::-1], model="another", key="another-key") == here
        assert values(one, asked) == here
        assert values(other, asked) != here
        assert len({json.dumps(value) for value in here.values()}) > 1
        assert by_anthropic(two, asked[0], **tool(schema)).content[0].input == here[asked[0]]
        assert by_openai(one).model_dump() == by_openai(two).model_dump()


def test_lists_models(plain: ModelServer) -> None:
    with serving(models={"b", "a"}) as server, openai_client(server) as chat, anthropic_client(server) as messages:
        assert [model.id for model in chat.models.list()] == ["a", "b"]
        assert [model.id for model in messages.models.list()] == ["a", "b"]
        assert (chat.models.retrieve("a").id, messages.models.retrieve("b").id) == ("a", "b")
        with pytest.raises(openai.NotFoundError):
            chat.models.retrieve("c")
        with pytest.raises(anthropic.NotFoundError, match="model: c"):
            messages.models.retrieve("c")


def test_models_that_are_not_known_are_refused() -> None:
    with serving(models={"known"}) as server:
        assert by_openai(server, model="known").model == "known"
        with pytest.raises(openai.NotFoundError, match="`unknown` does not exist") as caught:
            by_openai(server, model="unknown")
        assert caught.value.code == "model_not_found"
        with pytest.raises(anthropic.NotFoundError, match="model: unknown"):
            by_anthropic(server, model="unknown")


# --- faults

ERRORS: list[tuple[str, type[Exception], int, str, type[Exception], int, str]] = [
    ("429", openai.RateLimitError, 429, "rate_limit_exceeded", anthropic.RateLimitError, 429, "rate_limit_error"),
    ("429 retry-after", openai.RateLimitError, 429, "rate_limit_exceeded", anthropic.RateLimitError, 429, "rate_limit_error"),
    ("429 quota", openai.RateLimitError, 429, "insufficient_quota", anthropic.BadRequestError, 400, "credit balance is too low"),
    ("500", openai.InternalServerError, 500, "server_error", anthropic.InternalServerError, 500, "api_error"),
    ("529", openai.InternalServerError, 503, "overloaded", anthropic.InternalServerError, 529, "overloaded_error"),
    ("401", openai.AuthenticationError, 401, "invalid_api_key", anthropic.AuthenticationError, 401, "authentication_error"),
    ("400 context", openai.BadRequestError, 400, "context_length_exceeded", anthropic.BadRequestError, 400, "prompt is too long"),
    ("404 model", openai.NotFoundError, 404, "model_not_found", anthropic.NotFoundError, 404, "not_found_error"),
]


@pytest.mark.parametrize(("kind", "chat", "status", "says", "_a", "_b", "_c"), ERRORS, ids=[row[0] for row in ERRORS])
def test_errors_of_openai(kind: str, chat: type[openai.APIStatusError], status: int, says: str, _a: Any, _b: Any, _c: Any) -> None:
    with serving(fault=first(kind, seconds=0.25)) as server:
        with pytest.raises(chat) as caught:
            by_openai(server)
        assert caught.value.status_code == status
        assert says in json.dumps(caught.value.body)
        assert caught.value.response.headers.get("retry-after") == ("0.25" if kind == "429 retry-after" else None)
        assert isinstance(caught.value.body, dict)
        assert caught.value.body.keys() == {"message", "type", "param", "code"}
        assert by_openai(server).choices[0].finish_reason == "stop"
        assert server.counters.faults == {kind: 1}
        assert server.counters.statuses == {status: 1, 200: 1}


@pytest.mark.parametrize(("kind", "_a", "_b", "_c", "messages", "status", "says"), ERRORS, ids=[row[0] for row in ERRORS])
def test_errors_of_anthropic(
    kind: str, _a: Any, _b: Any, _c: Any, messages: type[anthropic.APIStatusError], status: int, says: str
) -> None:
    with serving(fault=first(kind, seconds=0.25)) as server:
        with pytest.raises(messages, match=says) as caught:
            by_anthropic(server)
        assert caught.value.status_code == status
        assert caught.value.response.headers.get("retry-after") == ("0.25" if kind == "429 retry-after" else None)
        assert isinstance(caught.value.body, dict)
        assert caught.value.body.keys() == {"type", "error"}
        assert by_anthropic(server).stop_reason == "end_turn"
        assert server.counters.faults == {kind: 1}


def test_a_refused_key_is_told_in_full() -> None:
    with serving(fault=always("401")) as server:
        with pytest.raises(openai.AuthenticationError, match=KEY):
            by_openai(server)
        with pytest.raises(anthropic.AuthenticationError, match=KEY):
            by_anthropic(server)


def test_a_reset_connection_is_a_reset() -> None:
    with serving(fault=first("reset")) as server:
        with pytest.raises(openai.APIConnectionError) as caught:
            by_openai(server)
        assert "reset" in str(caught.value.__cause__).lower()
        with pytest.raises(anthropic.APIConnectionError) as other:
            by_anthropic(server, "another")
        assert "reset" in str(other.value.__cause__).lower()
        assert by_openai(server).choices[0].message.content
        assert by_anthropic(server, "another").content[0].text


def test_a_hang_lasts_until_the_client_gives_up() -> None:
    with serving(fault=first("hang")) as server:
        with pytest.raises(openai.APITimeoutError):
            by_openai(server, seconds=0.2)
        with pytest.raises(anthropic.APITimeoutError):
            by_anthropic(server, "another", seconds=0.2)
        assert by_openai(server).choices[0].message.content
        assert eventually(lambda: server.counters.in_flight == 0)
        assert server.counters.busy >= 0.2


def test_a_drip_outlives_the_timeouts_of_clients() -> None:
    with serving(lambda _: "hm", fault=always("drip", seconds=0.001)) as server:
        began = time.monotonic()
        assert by_openai(server, seconds=0.3).choices[0].message.content == "hm"
        assert time.monotonic() - began > 0.3
        assert by_anthropic(server, seconds=0.3).content[0].text == "hm"


def test_truncated_replies() -> None:
    schema = Verdict.model_json_schema()
    with serving(fault=always("truncated")) as server:
        choice = by_openai(server, **form(schema)).choices[0]
        assert choice.finish_reason == "length"
        with pytest.raises(json.JSONDecodeError):
            json.loads(choice.message.content)
        reply = by_anthropic(server, **tool(schema))
        assert reply.stop_reason == "max_tokens"
        assert reply.content[0].input.keys() < Verdict.model_fields.keys()
        with openai_client(server) as client, pytest.raises(openai.LengthFinishReasonError):
            client.chat.completions.parse(model="test", messages=[{"role": "user", "content": "judge"}], response_format=Verdict)


def test_a_broken_body_is_no_json() -> None:
    with serving(fault=always("broken body")) as server:
        with pytest.raises(json.JSONDecodeError):
            by_openai(server)
        with pytest.raises(json.JSONDecodeError):
            by_anthropic(server)


def test_empty_replies() -> None:
    with serving(fault=always("empty")) as server:
        assert by_openai(server).choices == []
        assert by_anthropic(server).content == []


def test_refusals() -> None:
    with serving(fault=always("refusal")) as server:
        message = by_openai(server, **form(Verdict.model_json_schema())).choices[0].message
        assert message.content is None
        assert message.refusal.startswith("I'm sorry")
        reply = by_anthropic(server, **tool(Verdict.model_json_schema()))
        assert (reply.stop_reason, reply.content[0].type) == ("refusal", "text")
    with serving(fault=always("content filter")) as server:
        assert by_openai(server).choices[0].finish_reason == "content_filter"
        assert by_anthropic(server).stop_reason == "refusal"


def test_a_wrong_schema_is_json_of_another_shape() -> None:
    schema = Verdict.model_json_schema()
    with serving(fault=always("wrong schema")) as server:
        choice = by_openai(server, **form(schema)).choices[0]
        assert (choice.finish_reason, json.loads(choice.message.content).keys()) == ("stop", {"unexpected"})
        reply = by_anthropic(server, **tool(schema))
        assert (reply.stop_reason, reply.content[0].input.keys()) == ("tool_use", {"unexpected"})


def test_every_kind_of_fault_is_tested() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert {kind for kind in KINDS if f'"{kind}"' not in text} == set()


def test_drawn_faults_are_repeatable_and_leave_a_way_out() -> None:
    rates = {"429": 0.10, "500": 0.05, "hang": 0.02}
    asked = [request("", ("user", f"question {number}")) for number in range(3_000)]
    drawn = [Faults(rates, seed=3)(one, 1) for one in asked]
    assert drawn == [Faults(rates, seed=3)(one, 1) for one in asked]
    assert drawn != [Faults(rates, seed=4)(one, 1) for one in asked]
    assert drawn != [Faults(rates, seed=3)(one, 2) for one in asked]
    shares = {kind: sum(fault == Fault(kind) for fault in drawn) / len(asked) for kind in rates}
    assert shares == pytest.approx(rates, abs=0.02)
    certain = Faults({"500": 1.0}, most=2)
    assert [certain(asked[0], attempt) is None for attempt in range(1, 7)] == [False, False, True] * 2


@pytest.mark.parametrize("rates", [{"418": 0.1}, {"429": -0.1}, {"429": 0.7, "500": 0.7}])
def test_faults_that_cannot_be_are_refused(rates: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Faults(rates)


def test_attempts_are_counted_by_prompt() -> None:
    seen: list[tuple[str, int]] = []

    def rule(request: Request, attempt: int) -> None:
        seen.append((request.heard, attempt))

    with serving(fault=rule) as server:
        for text in ("a", "b", "a"):
            by_openai(server, text)
        by_anthropic(server, "a")  # the same prompt by another protocol
    assert seen == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]


# --- many at once, counters, end and return


async def _sixteen(server: ModelServer, count: int) -> list[str]:
    async with async_openai_client(server) as chat, async_anthropic_client(server) as messages:
        gate = asyncio.Semaphore(16)

        async def ask(number: int) -> str:
            turns: Any = [{"role": "user", "content": f"question {number // 2}"}]
            async with gate:
                if number % 2:
                    return str((await chat.chat.completions.create(model="test", messages=turns)).choices[0].message.content)
                reply: Any = await messages.messages.create(model="test", max_tokens=500, messages=turns)
                return str(reply.content[0].text)

        return await asyncio.gather(*map(ask, range(count)))


def test_sixteen_at_once() -> None:
    with serving(latency_seconds=0.25) as server:
        texts = asyncio.run(_sixteen(server, 48))
        assert texts[::2] == texts[1::2]
        assert len(set(texts)) > 15
        counters = server.counters
        assert counters.most_in_flight == 16
        assert counters.in_flight == 0
        assert counters.busy >= 48 * 0.249
        assert 0 < counters.utilization(16) <= 1
        assert counters.requests == {"/v1/chat/completions": 24, "/v1/messages": 24}
        assert set(counters.answered.values()) == {2}


def test_busy_is_requests_times_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    counters = Counters(10)
    with pytest.raises(ValueError, match="no request was served"):
        counters.utilization(1)
    with counters.serving("/a"):
        clock[0] = 101.0
        with counters.serving("/b"):
            clock[0] = 103.0
            assert counters.busy == 5.0
        clock[0] = 104.0
    clock[0] = 200.0
    assert counters.busy == 6.0
    assert (counters.first, counters.last, counters.most_in_flight) == (100.0, 104.0, 2)
    assert counters.utilization(3) == pytest.approx(0.5)


def test_bodies_and_keys_are_remembered() -> None:
    with serving(keep=3) as server:
        for number in range(4):
            by_openai(server, f"question {number}")
        by_anthropic(server, "the last", key="another")
        counters = server.counters
        assert [(path, body["messages"][-1]["content"]) for path, body in counters.bodies] == [
            ("/v1/chat/completions", "question 2"), ("/v1/chat/completions", "question 3"), ("/v1/messages", "the last"),
        ]  # fmt: skip
        # Clients of Anthropic's send the key in the one header or the other, by their version.
        others = {("authorization", "Bearer another"): 1}, {("x-api-key", "another"): 1}
        assert any(counters.keys == {("authorization", f"Bearer {KEY}"): 4} | other for other in others)
        raw(server, post(b"{}", headers="connection: close\r\nX-API-Key: planted\r\n"))
        assert counters.keys["x-api-key", "planted"] == 1


def test_latency_is_for_good_replies() -> None:
    with serving(latency_seconds=60, fault=first("500")) as server:
        with pytest.raises(openai.InternalServerError):
            by_openai(server)
        server.latency_seconds = 0.1
        by_openai(server)
        assert server.counters.busy >= 0.099


def test_dies_and_comes_back_on_the_same_port() -> None:
    with serving() as server, openai_client(server) as client:
        before, url = ask(client, "hello"), server.url
        server.stop()
        with pytest.raises(openai.APIConnectionError):
            ask(client, "hello")
        server.stop()  # nothing happens
        server.start()
        assert server.url == url
        assert ask(client, "hello") == before
        with pytest.raises(RuntimeError, match="running already"):
            server.start()


def test_stops_at_once_with_hung_requests() -> None:
    failures: list[type[Exception]] = []

    def wait() -> None:
        try:
            by_openai(server)
        except openai.APIConnectionError as error:
            failures.append(type(error))

    before = threading.active_count()
    with serving(fault=always("hang")) as server:
        threads = [threading.Thread(target=wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert eventually(lambda: server.counters.in_flight == 4)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 3.0  # some milliseconds; what hangs would last until the clients give up, after 10 seconds
        for thread in threads:
            thread.join(5)
    assert failures == [openai.APIConnectionError] * 4
    assert threading.active_count() == before


def test_a_port_in_use_is_said_at_the_start(plain: ModelServer) -> None:
    with pytest.raises(OSError, match="in use"):
        ModelServer(port=plain.port).start()


def test_a_brain_that_fails_is_a_500_that_says_so() -> None:
    def brain(_: Request) -> str:
        raise KeyError("no thought")

    with serving(brain) as server:
        with pytest.raises(openai.InternalServerError, match="no thought"):
            by_openai(server)
        with pytest.raises(anthropic.InternalServerError, match="no thought"):
            by_anthropic(server)


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within some seconds."""
    end = time.monotonic() + 5
    while not holds() and time.monotonic() < end:
        time.sleep(0.005)
    return holds()


# --- what is asked wrongly


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "every role"),
        ({"model": ""}, "model parameter"),
        ({"stream": True}, "one piece only"),
    ],
)
def test_bad_requests(plain: ModelServer, more: dict[str, Any], says: str) -> None:
    with pytest.raises(openai.BadRequestError, match=says):
        by_openai(plain, **more)
    with pytest.raises(anthropic.BadRequestError, match=says):
        by_anthropic(plain, **more)


def test_bad_requests_of_anthropic(plain: ModelServer) -> None:
    with pytest.raises(anthropic.BadRequestError, match="tool 'other' not found"):
        by_anthropic(plain, **{**tool({"type": "object"}), "tool_choice": {"type": "tool", "name": "other"}})
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        by_anthropic(plain, extra_body={"max_tokens": None})


def raw(server: ModelServer, sent: bytes) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def post(body: bytes, *, path: str = "/v1/chat/completions", headers: str = "connection: close\r\n") -> bytes:
    return f"POST {path} HTTP/1.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"POST /v1/messages HTTP/1.1\r\ncontent-length: many\r\n\r\n", 400),
        (b"POST /v1/messages HTTP/1.1\r\ncontent-length: -5\r\n\r\n", 413),
        (b"POST /v1/messages HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        (b"POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000 + b"\r\n", 400),
        (post(b"{"), 400),
        (post(b"[1]"), 400),
        (post(b"\xff\xfe"), 400),
        (post(b"[" * 100_000), 400),
        (post(b"{}"), 400),
        (post(b"{}", path="/v1/embeddings"), 404),
        (post(b'{"model": "x", "messages": [{"role": "user"}], "response_format": 3}'), 500),
        (b"GET /v1/chat/completions HTTP/1.1\r\nconnection: close\r\n\r\n", 404),
        (b"GET /v1/models?limit=5 HTTP/1.1\r\nconnection: close\r\n\r\n", 200),
    ],
)
def test_whatever_is_sent_gets_an_answer(plain: ModelServer, sent: bytes, status: int) -> None:
    reply = raw(plain, sent)
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    json.loads(reply.partition(b"\r\n\r\n")[2])


def test_connections_are_kept_and_requests_may_follow_each_other_at_once(plain: ModelServer) -> None:
    body = b'{"model": "test", "messages": [{"role": "user", "content": "hello"}]}'
    reply = raw(plain, post(body, headers="") * 2 + post(body))
    assert reply.count(b"HTTP/1.1 200 OK") == 3
    assert reply.count(b"connection: keep-alive") == 2


def test_half_a_request_harms_nobody(plain: ModelServer) -> None:
    with socket.create_connection(("127.0.0.1", plain.port), timeout=5) as connection:
        connection.sendall(post(b"{}" * 100)[:-50])
    assert by_openai(plain).choices


# --- the brain


def test_user_and_agent_talk_until_the_user_is_done() -> None:
    facts = {"booking reference": "R7K2QD", "new travel date": "May 14"}
    block = quoted("facts", "\n".join(f"{name}: {value}" for name, value in facts.items()))
    user = f"{USER}\nSay [DONE] at the end.\n\n{quoted('goal', 'change the date of a flight')}\n{block}\n\nBe as friendly as you are."
    turns: list[tuple[str, str]] = []  # as (who, text)
    for _ in range(12):
        seen = [("assistant" if who == "user" else "user", text) for who, text in turns] or [("user", "Write first.")]
        turns.append(("user", str(person_or_agent(request(user, *seen)))))
        if "[DONE]" in turns[-1][1]:
            break
        seen = [("user" if who == "user" else "assistant", text) for who, text in turns]
        turns.append(("agent", str(person_or_agent(request(AGENT, *seen)))))
    said = " ".join(text for who, text in turns if who == "user")
    assert "change the date of a flight" in turns[0][1]
    assert turns[-1][1].endswith("[DONE]")
    assert all(value in said for value in facts.values())
    assert 3 <= sum(who == "user" for who, _ in turns) <= 9
    assert any("?" in text for who, text in turns if who == "agent")


def test_the_agent_says_goodbye_with_the_marker_of_its_prompt() -> None:
    last = [("user", "hi"), ("assistant", "hello"), ("user", "no thanks, that's all")]
    assert person_or_agent(request(AGENT, *last)) == "You're welcome. Goodbye!"
    assert person_or_agent(request(f"{AGENT} End with ###STOP###", *last)) == "You're welcome. Goodbye! ###STOP###"


def test_the_user_gives_up_when_told_to() -> None:
    turns = [
        ("user", "hm?"),
        ("assistant", "my phone is broken"),
        ("user", "[Stage direction] Your patience is over. Write one last message."),
    ]
    assert str(person_or_agent(request(USER, *turns))).endswith("[DONE]")


def test_a_terse_persona_says_less() -> None:
    open_, terse = (str(person_or_agent(request(f"{USER}\ngoal: get a refund\n{more}"))) for more in ("", "Say as little as possible."))
    assert len(terse) < len(open_)


PROMPTS: list[Callable[[str], str]] = [
    lambda program: quoted("your program", program, 20_000),
    lambda program: f"```python\n{program}```\n",
    lambda program: quoted("another", program.replace("0.4", "0.9"), 20_000) + "\n" + quoted("the parent", program, 20_000),
]


def numbers(source: str) -> list[str]:
    return re.findall(r"\d+\.\d+", source)


@pytest.mark.parametrize("shown", PROMPTS)
@pytest.mark.parametrize("seed", range(5))
def test_rewrites_a_program_by_a_block(shown: Callable[[str], str], seed: int) -> None:
    reply = str(person_or_agent(request("Answer with search/replace blocks.", ("user", shown(PROGRAM)), seed=seed)))
    block = re.search(r"(?s)<<<<<<< SEARCH\n(.*)\n=======\n(.*)\n>>>>>>> REPLACE", reply)
    assert block is not None
    assert PROGRAM.count(block[1]) >= 1
    assert f"\n{PROGRAM}".count(f"\n{block[1]}\n") == 1
    check_changed(PROGRAM.replace(block[1], block[2]))


@pytest.mark.parametrize("shown", PROMPTS)
def test_rewrites_a_whole_program(shown: Callable[[str], str]) -> None:
    reply = str(person_or_agent(request("Answer with the whole program.", ("user", shown(PROGRAM)))))
    block = re.search(r"(?s)```python\n(.*)\n```", reply)
    assert block is not None
    check_changed(block[1])


def check_changed(source: str) -> None:
    """Valid, and one number is another."""
    compile(source, "program", "exec")
    assert sum(old != new for old, new in zip(numbers(PROGRAM), numbers(source), strict=True)) == 1


def test_a_broken_program_gets_a_number_changed_too() -> None:
    broken = "AXES = [0.5\ndef generate(task, n, rng, model=None):\n    return (\n"
    reply = person_or_agent(request("Repair it; search/replace blocks.", ("user", quoted("your program", broken))))
    assert "<<<<<<< SEARCH\nAXES = [0.5\n=======" in str(reply)


@pytest.mark.parametrize("text", ["", "hello", "search/replace", "whole program ```python\ndef generate(): pass\n```", "\ud800"])
def test_any_prompt_gets_words(text: str) -> None:
    assert person_or_agent(request("", ("user", text)))


# --- the script


def test_runs_as_a_script() -> None:
    command = [sys.executable, "-m", "examples.model_server", "--port", "0", "--faults", "500=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:(\d+)/v1", said)
        assert address is not None, said
        with openai.OpenAI(
            base_url=address[0], api_key="any", max_retries=3, http_client=openai.DefaultHttpxClient(trust_env=False)
        ) as client:
            assert client.models.list().data
        process.send_signal(signal.SIGINT)
        assert "1 requests, 0 answered, 0 faults" in process.stdout.read()
        assert process.wait(5) == 0


def test_the_script_says_what_is_wrong(plain: ModelServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", str(plain.port)]) == 1
    assert "choose another with --port" in capsys.readouterr().out
    for bad in ("418=0.1", "429=lots", "429"):
        with pytest.raises(SystemExit):
            main(["--faults", bad])
        assert "expected KIND=RATE" in capsys.readouterr().err
