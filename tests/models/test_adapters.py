"""The real clients of both providers against the example's server over real sockets, through everything that can go wrong."""

from __future__ import annotations

import gc
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from examples.model_server import KINDS
from personaevo.chat import Message, ModelCall, Reply, Usage
from personaevo.errors import BudgetError, ModelError, ModelSetupError, ModelUnavailableError, ReplyError
from personaevo.models import CallSettings, Models, RetryPolicy, parse
from personaevo.models.adapter import LONGEST_REPLY, Adapter, CallOptions, EventLoopThread, TransientError, label_of
from personaevo.models.anthropic_model import AnthropicModel
from personaevo.models.openai_model import OpenAIModel
from personaevo.models.retry import RateLimit
from personaevo.models.wrappers import StructuredModel
from tests.models.server import Fault, ModelServer, Request, always, first, serving
from tests.models.stub import completion, message, stubbed

CANARY = "sk-canary-of-this-test-0815"
ASKED = [Message("system", "be kind " * 100), Message("user", "hello")]
APIS = ("openai", "anthropic")
ADAPTERS: dict[str, type[Adapter]] = {"openai": OpenAIModel, "anthropic": AnthropicModel}


class Part(BaseModel):
    label: str
    weight: float


class Verdict(BaseModel):
    title: str
    parts: list[Part]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted keys, and nothing else of the environment that clients look at."""
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "OPENAI_ORG_ID", *proxies):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)


@pytest.fixture(scope="module")
def loop() -> Iterator[EventLoopThread]:
    made = EventLoopThread()
    yield made
    made.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[ModelServer]:
    with serving(lambda _: "well") as server:
        yield server


def url(server: ModelServer, api: str) -> str:
    return server.openai_url if api == "openai" else server.url


def adapter(server: ModelServer | str, api: str, loop: EventLoopThread, *, seconds: float = 10.0, tokens: int = 500) -> Adapter:
    spec = parse(f"{api}:test@{server if isinstance(server, str) else url(server, api)}")
    return ADAPTERS[api](spec, loop, RateLimit(16), CallOptions(seconds, tokens, label_of("user", spec)))


def loops() -> int:
    """Threads of models; others' may end at any time."""
    return sum(thread.name == "models" for thread in threading.enumerate())


def everything(error: BaseException) -> str:
    """All that could be printed of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)


# --- good replies


@pytest.mark.parametrize("api", APIS)
def test_a_reply_with_its_usage(plain: ModelServer, loop: EventLoopThread, api: str) -> None:
    model = adapter(plain, api, loop)
    first_one = model.reply(ASKED)
    assert first_one.text == "well"
    assert not first_one.cut
    assert first_one.usage == Usage(202, 1, 0)
    later = model.reply([*ASKED, Message("assistant", "yes?"), Message("user", "more")])
    assert later.usage.cached_tokens == 192  # whole blocks of the beginning
    assert later.usage.input_tokens > later.usage.cached_tokens


@pytest.mark.parametrize("api", APIS)
def test_what_is_sent(plain: ModelServer, loop: EventLoopThread, api: str) -> None:
    turns = [Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("user", "d")]
    adapter(plain, api, loop, tokens=77).reply([*ASKED[:1], *turns], schema=Verdict, sample=5)
    path, body = plain.counters.bodies[-1]
    assert (body["model"], body["max_tokens"]) == ("test", 77)
    if api == "openai":
        assert path == "/v1/chat/completions"
        said = [(turn["role"], turn["content"]) for turn in body["messages"]]
        assert said == [("system", ASKED[0].content), ("user", "a"), ("assistant", "b"), ("user", "c\n\nd")]
        form = body["response_format"]["json_schema"]
        assert (form["strict"], form["name"], form["schema"]["required"]) == (True, "Verdict", ["title", "parts"])
    else:
        assert path == "/v1/messages"
        assert body["system"] == [{"type": "text", "text": ASKED[0].content, "cache_control": {"type": "ephemeral"}}]
        assert [(turn["role"], turn["content"]) for turn in body["messages"]] == [("user", "a"), ("assistant", "b"), ("user", "c\n\nd")]
        assert body["tool_choice"] == {"type": "tool", "name": "answer"}
        assert body["tools"][0]["input_schema"]["additionalProperties"] is False


def test_anthropic_wants_a_user_first(plain: ModelServer, loop: EventLoopThread) -> None:
    adapter(plain, "anthropic", loop).reply([Message("assistant", "hi"), Message("user", "hello")])
    assert [turn["role"] for turn in plain.counters.bodies[-1][1]["messages"]] == ["user", "assistant", "user"]
    adapter(plain, "anthropic", loop).reply(ASKED[:1])
    assert plain.counters.bodies[-1][1]["messages"] == [{"role": "user", "content": "Begin."}]


@pytest.mark.parametrize("api", APIS)
def test_half_characters_are_sent_as_something(plain: ModelServer, loop: EventLoopThread, api: str) -> None:
    assert adapter(plain, api, loop).reply([Message("user", "a\ud800b")]).text == "well"


@pytest.mark.parametrize("api", APIS)
def test_a_structured_reply(plain: ModelServer, loop: EventLoopThread, api: str) -> None:
    with serving() as server:
        reply = StructuredModel(adapter(server, api, loop), "user m").reply(ASKED, schema=Verdict)
        assert isinstance(reply.parsed, Verdict)
        assert Verdict.model_validate_json(reply.text) == reply.parsed


@pytest.mark.parametrize("api", APIS)
def test_an_answer_at_its_limit_is_cut(loop: EventLoopThread, api: str) -> None:
    with serving(lambda _: "x" * 1_000) as server:
        reply = adapter(server, api, loop, tokens=10).reply(ASKED)
    assert (reply.cut, len(reply.text)) == (True, 40)


@pytest.mark.parametrize("api", APIS)
def test_an_endless_answer_is_refused(loop: EventLoopThread, api: str) -> None:
    with serving(lambda _: "x" * (LONGEST_REPLY + 1)) as server, pytest.raises(ReplyError, match="an answer of 250,001 characters"):
        adapter(server, api, loop, tokens=10**6).reply(ASKED)


# --- every fault

LINES: dict[str, tuple[type[ModelError], str]] = {
    "429": (TransientError, "status 429"),
    "429 retry-after": (TransientError, "status 429"),
    "429 quota": (ModelSetupError, "the account has no credit"),
    "500": (TransientError, "status 500"),
    "529": (TransientError, "status 5[02][39]"),
    "reset": (TransientError, r"cannot be reached \("),
    "hang": (TransientError, "no answer within 0.3 s"),
    "broken body": (TransientError, "a reply that is not of the protocol"),
    "empty": (TransientError, "a reply without"),
    "refusal": (ReplyError, "the model refuses"),
    "content filter": (ReplyError, "the model refuses: 'content_filter'|the model refuses: 'refusal'"),
    "401": (ModelSetupError, "the key is refused"),
    "400 context": (ReplyError, "the prompt is too long"),
    "404 model": (ModelSetupError, "there is no such model or address"),
    "drip": (TransientError, "no answer within 0.3 s"),
}
KINDS_OF: dict[str, str] = {
    "429": "429", "429 retry-after": "429", "500": "500", "reset": "connection", "hang": "timeout", "drip": "timeout",
    "broken body": "broken reply", "empty": "empty reply",
}  # fmt: skip


def test_every_fault_is_tried() -> None:
    assert set(LINES) | {"truncated", "wrong schema"} == set(KINDS)


@pytest.mark.parametrize("schema", [None, Verdict])
@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("api", APIS)
def test_faults(loop: EventLoopThread, api: str, kind: str, schema: type[BaseModel] | None) -> None:
    seconds = 0.3 if kind in ("hang", "drip") else 10.0
    expected, words = LINES[kind]
    with serving(fault=always(kind)) as server:
        model = adapter(server, api, loop, seconds=seconds)
        with pytest.raises(ModelError, match=words) as caught:
            model.reply(ASKED, schema=schema)
        asked = sum(server.counters.requests.values())
    error = caught.value
    assert type(error) is expected
    assert str(error).startswith(f"user {api}:test at {url(server, api)}: ")
    assert "\n" not in str(error)
    assert CANARY not in everything(error)
    assert asked == 1  # the client itself tries nothing again
    if isinstance(error, TransientError):
        assert error.kind == KINDS_OF.get(kind, error.kind)
        assert error.after == (0.05 if kind == "429 retry-after" else None)
        assert not error.unreachable


@pytest.mark.parametrize("api", APIS)
def test_a_drip_ends_by_the_deadline_in_all(loop: EventLoopThread, api: str) -> None:
    with serving(fault=always("drip", seconds=0.02)) as server:  # a byte every 20 ms: no pause is long
        begun = time.monotonic()
        with pytest.raises(TransientError, match=r"no answer within 0\.4 s"):
            adapter(server, api, loop, seconds=0.4).reply(ASKED)
        assert time.monotonic() - begun >= 0.4
        # The call is really gone, not only its caller.
        end = time.monotonic() + 10
        while server.counters.in_flight and time.monotonic() < end:
            time.sleep(0.01)
        assert server.counters.in_flight == 0


@pytest.mark.parametrize("kind", ["truncated", "wrong schema"])
@pytest.mark.parametrize("api", APIS)
def test_what_is_not_of_the_form_is_asked_once_more(loop: EventLoopThread, api: str, kind: str) -> None:
    with serving(fault=always(kind)) as server:
        with pytest.raises(ReplyError, match="not of the form asked for, twice") as caught:
            StructuredModel(adapter(server, api, loop), "user m").reply(ASKED, schema=Verdict)
        assert sum(server.counters.requests.values()) == 2
        assert CANARY not in everything(caught.value)
    with serving(fault=lambda request, _attempt: None if request.own else Fault(kind)) as server:  # the corrected question is another
        assert StructuredModel(adapter(server, api, loop), "user m").reply(ASKED, schema=Verdict).parsed


@pytest.mark.parametrize("api", APIS)
def test_truncated_text_is_cut(loop: EventLoopThread, api: str) -> None:
    with serving(lambda _: "a long answer", fault=always("truncated")) as server:
        reply = adapter(server, api, loop).reply(ASKED)
    assert reply.cut
    assert "a long answer".startswith(reply.text)


@pytest.mark.parametrize("api", APIS)
def test_nothing_listens(loop: EventLoopThread, api: str) -> None:
    with serving() as server:
        pass
    with pytest.raises(TransientError, match=r"cannot be reached \(") as caught:
        adapter(server, api, loop).reply(ASKED)
    assert caught.value.unreachable
    assert CANARY not in everything(caught.value)


# --- servers that are odd: a stub that says what it is told to


def no_schemas(body: dict[str, Any]) -> tuple[int, Any]:
    if "response_format" in body:
        return 400, {"error": {"message": "response_format of type json_schema is not supported"}}
    return 200, completion('Here: {"title": "x", "parts": []}')


def test_a_server_without_schemas_is_asked_without_from_then_on(loop: EventLoopThread) -> None:
    with stubbed(no_schemas) as stub:
        model = StructuredModel(adapter(stub.url, "openai", loop), "user m")
        for _ in range(3):
            assert model.reply(ASKED, schema=Verdict).parsed == Verdict(title="x", parts=[])
        assert ["response_format" in body for body in stub.bodies] == [True, False, False, False]


def test_sixteen_find_out_at_the_same_time_that_there_are_no_schemas(loop: EventLoopThread) -> None:
    together = threading.Barrier(16)

    def says(body: dict[str, Any]) -> tuple[int, Any]:
        if "response_format" in body:
            together.wait(10)
        return no_schemas(body)

    with stubbed(says) as stub:
        model = adapter(stub.url, "openai", loop)
        asked = [[Message("user", f'"response_format" {number}')] for number in range(16)]
        with ThreadPoolExecutor(16) as pool:
            assert len(list(pool.map(lambda messages: model.reply(messages, schema=Verdict), asked))) == 16
        assert len(stub.bodies) == 32


def test_a_server_that_refuses_everything_is_not_asked_for_ever(loop: EventLoopThread) -> None:
    with stubbed(lambda _: (400, {"error": {"message": "response_format? I know no schema"}})) as stub:
        with pytest.raises(ModelSetupError, match="the server refuses the request"):
            adapter(stub.url, "openai", loop).reply(ASKED, schema=Verdict)
        assert len(stub.bodies) == 3  # with a schema, without, and another question
        with pytest.raises(ModelSetupError):
            adapter(stub.url, "openai", loop).reply(ASKED)
        assert len(stub.bodies) == 5


def test_another_refusal_does_not_end_schemas(loop: EventLoopThread) -> None:
    with stubbed(lambda _: (400, {"error": {"message": "temperature must be 1"}})) as stub:
        model = adapter(stub.url, "openai", loop)
        for _ in range(2):
            with pytest.raises(ModelSetupError, match="temperature must be 1"):
                model.reply(ASKED, schema=Verdict)
        assert ["response_format" in body for body in stub.bodies] == [True, False] * 2  # the other question has no schema


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500])
@pytest.mark.parametrize("api", APIS)
def test_a_key_that_the_server_repeats_is_not_passed_on(loop: EventLoopThread, api: str, status: int) -> None:
    body = {"error": {"message": f"bad key {CANARY} in 'Bearer {CANARY}'" + "x" * 150 + CANARY, "type": "x"}}
    with stubbed(lambda _: (status, body)) as stub, pytest.raises(ModelError) as caught:
        adapter(stub.url, api, loop).reply(ASKED)
    assert CANARY not in everything(caught.value)
    assert CANARY[:12] not in everything(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        "", "<html>", "null", "[]", "3", '"text"', "{}", '{"choices": null}', '{"choices": [{}]}', '{"choices": [null]}',
        '{"content": null}',
        '{"content": [{"type": "text"}], "usage": null}', "[" * 100_000, '{"choices": [{"message": "text"}]}', "\ufeff{}",
        completion(None), completion({"text": 1}), completion("x", choices=[]), message(content=[]), message(content=3),
        message(content=[{"type": "text", "text": None}]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("api", APIS)
def test_whatever_comes_back_is_no_reply_but_an_error_of_ours(loop: EventLoopThread, api: str, said: Any) -> None:
    with stubbed(lambda _: (200, said)) as stub, pytest.raises(ModelError) as caught:
        adapter(stub.url, api, loop, seconds=20.0).reply(ASKED)
    assert str(caught.value).startswith(f"user {api}:test at {stub.url}: ")
    assert "\n" not in str(caught.value)
    assert CANARY not in everything(caught.value)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (completion(["parts"]), "parts"), (completion([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "ab"),
        (completion([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "b"}]), "b"), (completion(""), ""),
        (completion("<think>hm</think>x"), "x"), (completion("x", usage=3), "x"), (completion("x", object="text_completion"), "x"),
        ('data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: {"choices": [{"delta": {"content": "b"}}]}\n\ndata: [DONE]\n\n', "ab"),
    ],
)  # fmt: skip
def test_what_servers_send_in_their_own_way_is_read(loop: EventLoopThread, said: Any, text: str) -> None:
    with stubbed(lambda _: (200, said)) as stub:
        assert adapter(stub.url, "openai", loop).reply(ASKED).text == text


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (message(content="text"), "text"), (message(content=[{"type": "tool_use", "input": '{"a": 1}'}]), '{"a": 1}'),
        (message(content=[{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "x"}]), "x"), (message(usage=None), "well"),
    ],
)
def test_what_servers_like_anthropics_send_is_read(loop: EventLoopThread, said: Any, text: str) -> None:
    with stubbed(lambda _: (200, said)) as stub:
        assert adapter(stub.url, "anthropic", loop).reply(ASKED).text == text


IN, OUT = 269, 1  # tokens that ASKED and "x" are estimated to have: three bytes each


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage(IN, OUT, 0, True)),
        ({"prompt_tokens": 5}, Usage(5, OUT, 0, True)),
        ({"prompt_tokens": None, "completion_tokens": 2}, Usage(IN, 2, 0, True)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(5, 2, 5)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {}}, Usage(5, 2, 0)),
        ({"prompt_tokens": -5, "completion_tokens": 2}, Usage(IN, 2, 0, True)),
        ({"prompt_tokens": "5", "completion_tokens": 2}, Usage(IN, 2, 0, True)),
        ({"prompt_tokens": 5, "completion_tokens": 1e300}, Usage(5, OUT, 0, True)),
        ({"prompt_tokens": True, "completion_tokens": 1}, Usage(IN, 1, 0, True)),
    ],
)
def test_usage_that_is_not_reported_in_full(loop: EventLoopThread, usage: Any, expected: Usage) -> None:
    with stubbed(lambda _: (200, completion("x", usage=usage))) as stub:
        assert adapter(stub.url, "openai", loop).reply(ASKED).usage == expected


# --- keys


@pytest.mark.parametrize("api", APIS)
def test_the_key_comes_from_the_environment(plain: ModelServer, loop: EventLoopThread, api: str) -> None:
    plain.counters.keys.clear()
    adapter(plain, api, loop).reply(ASKED)
    assert any(CANARY in value for _, value in plain.counters.keys)


@pytest.mark.parametrize("api", APIS)
def test_without_a_key(loop: EventLoopThread, plain: ModelServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, api: str) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))  # where Anthropic's client looks for a login
    assert adapter(plain, api, loop).reply(ASKED).text == "well"  # a server of one's own needs none
    spec = parse(f"{api}:test")
    model = ADAPTERS[api](spec, loop, RateLimit(16), CallOptions(10.0, 10, label_of("user", spec)))
    with pytest.raises(ModelSetupError, match=rf"^user {api}:test at api\.{api}\.com: there is no key; set {api.upper()}_API_KEY$"):
        model.reply(ASKED)


def test_a_broken_login_of_the_client_is_not_tried_again(loop: EventLoopThread, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "missing"))
    with pytest.raises(ModelSetupError, match="there is no key; set ANTHROPIC_API_KEY"):
        AnthropicModel(parse("anthropic:m"), loop, RateLimit(16), CallOptions(10.0, 10, "user m")).reply(ASKED)


# --- the loop and the whole


def test_a_closed_loop_is_an_error_and_no_hang(plain: ModelServer) -> None:
    loop = EventLoopThread()
    model = adapter(plain, "openai", loop)
    assert model.reply(ASKED).text == "well"
    loop.close()
    with pytest.raises(BudgetError, match="the search is ending"):
        model.reply(ASKED)


@pytest.mark.parametrize("api", APIS)
def test_nothing_is_left_open(api: str) -> None:
    """Warnings are errors here, and those of sockets and coroutines come when they are collected."""
    before = loops()
    with serving(lambda _: "well") as server:
        loop = EventLoopThread()
        model = adapter(server, api, loop)
        model.reply(ASKED)
        loop.close()
        del model, loop
        gc.collect()
    assert loops() == before


class Memory:
    def __init__(self) -> None:
        self.calls: dict[str, ModelCall] = {}

    def get(self, key: str) -> Reply | None:
        return self.calls[key].reply if key in self.calls else None

    def put(self, call: ModelCall) -> None:
        self.calls[call.key] = call


QUICK = CallSettings(retry=RetryPolicy(first_pause=0.001, longest_pause=0.01), seconds=5.0)


@pytest.mark.parametrize("kind", ["429", "429 retry-after", "500", "529", "reset", "broken body", "empty"])
@pytest.mark.parametrize("api", APIS)
def test_through_everything_a_fault_is_got_over_and_paid_once(api: str, kind: str) -> None:
    store = Memory()
    with serving(fault=first(kind, times=2)) as server:
        with Models({"user": parse(f"{api}:test@{url(server, api)}")}, store, conduct=QUICK) as models:
            user = models.role("user")
            assert user is not None
            reply = user.reply(ASKED, schema=Verdict)
            assert isinstance(reply.parsed, Verdict)
            assert user.reply(ASKED, schema=Verdict) == reply
            account = models.ledger.accounts()["user"]
        assert server.counters.answered.total() == 1
    booked = account.spent.calls - 1  # an empty answer was paid for too, where it comes with its tokens
    assert (booked in (0, 2 * (kind == "empty")), account.known, account.failures.total()) == (True, 1, 2)
    assert len(store.calls) == 1 + booked
    assert CANARY not in repr(store.calls)


def test_a_dead_server_is_told_within_seconds() -> None:
    with serving() as server:
        pass
    with Models({"mutator": parse(f"openai:test@{server.openai_url}")}, Memory()) as models:
        mutator = models.role("mutator")
        assert mutator is not None
        begun = time.monotonic()
        with pytest.raises(ModelUnavailableError, match=rf"^mutator openai:test at {server.openai_url}: cannot be reached .*4 attempts"):
            mutator.reply(ASKED)
        assert time.monotonic() - begun < 10  # 3.5 at most, on a quiet machine
        assert models.ledger.accounts()["mutator"].failures == {"connection": 4}


def test_stopping_cuts_calls_under_way_short() -> None:
    with serving(fault=lambda _request, _attempt: Fault("hang")) as server:
        models = Models({"user": parse(f"openai:test@{server.openai_url}")}, Memory())
        user = models.role("user")
        assert user is not None
        caught: list[BaseException] = []

        def ask(number: int) -> None:
            try:
                user.reply(ASKED, sample=number)
            except BudgetError as error:
                caught.append(error)

        threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(4)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 10
        while server.counters.in_flight < 4 and time.monotonic() < end:
            time.sleep(0.005)
        models.stop(0.05)
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
    assert ["the search is ending" in str(error) for error in caught] == [True] * 4


@pytest.mark.parametrize("api", APIS)
def test_at_most_so_many_at_once_reach_the_server(api: str) -> None:
    def brain(request: Request) -> str:
        return request.heard

    with (
        serving(brain, latency_seconds=0.02) as server,
        Models({"user": parse(f"{api}:test@{url(server, api)}")}, Memory(), conduct=CallSettings(at_once=5)) as models,
    ):
        user = models.role("user")
        assert user is not None
        with ThreadPoolExecutor(16) as pool:
            texts = list(pool.map(lambda number: user.reply([Message("user", f"say {number}")]).text, range(40)))
        assert texts == [f"say {number}" for number in range(40)]
        assert server.counters.most_in_flight == 5
