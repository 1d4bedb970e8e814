"""Servers as they misbehave in the wild, with the real clients and everything around them: what it costs, what is kept and what is booked.

``answers``: it is got over. ``question``: this question has no answer, and the next has one. ``run``: it is about every question.
``pause``: it is asked again until patience ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from personaevo.chat import ChatModel, Message, ModelCall, Reply
from personaevo.errors import ModelError, ModelSetupError, ModelUnavailableError, ReplyError
from personaevo.evolve.rewrite import Brief, Pair, propose, reflect
from personaevo.evolve.rollout import read
from personaevo.models import Budget, CallSettings, MemoryStore, Models, RetryPolicy, parse
from personaevo.programs import Call, Sandbox
from personaevo.programs.personas import dial_table
from personaevo.programs.source import make_program
from personaevo.records import Episode, PlanItem
from tests.models.stub import Said, Stub, completion, message, stubbed

KEY = "sk-canary-of-these-servers-4711"
ASKED = [Message("system", "be kind"), Message("user", "one"), Message("user", "two")]
QUICK = CallSettings(retry=RetryPolicy(attempts=3, first_pause=0.001, longest_pause=0.002, longest_requested=0.5), seconds=5.0)
HTML = "<html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
Cost = Literal["answers", "question", "run", "pause"]
Says = Callable[[dict[str, Any]], Said]


class Verdict(BaseModel):
    label: str


@dataclass(frozen=True)
class Member:
    """One way to misbehave: how often it is asked, the tokens that are booked, and words of the error or of the answer."""

    name: str
    cost: Cost
    says: Says
    words: str
    asked: int = 1
    booked: int = 0
    api: str = "openai"
    schema: type[BaseModel] | None = None
    settings: str = ""


def error(status: int, text: str, **more: Any) -> Says:
    return lambda _: (status, {"error": {"message": text, **more}})


def unless(refused: Callable[[dict[str, Any]], bool], status: int, text: str, api: str = "openai") -> Says:
    """Refuses what ``refused`` says, and answers all else."""
    good = completion("well") if api == "openai" else message()
    return lambda body: (status, {"error": {"message": text}}) if refused(body) else (200, good)


def about_this(status: int, text: str) -> Says:
    """Refuses every question but "Say OK."."""
    return lambda body: (200, completion("OK")) if body["messages"][-1]["content"] == "Say OK." else (status, {"error": {"message": text}})


def system_of(body: dict[str, Any]) -> Any:
    return next((one["content"] for one in body["messages"] if one["role"] == "system"), None)


def roles_repeat(body: dict[str, Any]) -> bool:
    roles = [one["role"] for one in body["messages"]]
    return any(first == second for first, second in pairwise(roles))


STREAM = "".join(f'data: {{"choices": [{{"delta": {{"content": "{part}"}}}}]}}\n\n' for part in ("we", "ll")) + "data: [DONE]\n\n"
CHANNELS = "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>well"
CONTEXT = "'max_tokens' is too large: 600. This model's maximum context length is 400 tokens and your request has 100 input tokens"
OTHER_NAME = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
DRAFTS = '[1] {"label": "draft"} or {"label": "well"} [2]'
MEMBERS = [
    # filters and refusals
    Member("filter as a status", "question", error(400, "The response was filtered", code="content_filter"), "filtered"),
    Member("filter of a gateway", "question", error(403, "your input was flagged by moderation"), "flagged"),
    Member("filter as a reason", "question", lambda _: (200, completion("", finish="content_filter")), "the model refuses", booked=5),
    Member("SAFETY", "question", lambda _: (200, completion(None, finish="SAFETY")), "the model refuses", booked=5),
    Member("refusal", "question", lambda _: (200, completion(None, message={"refusal": "I cannot help"})), "I cannot help", booked=5),
    Member("refusal of the other", "question", lambda _: (200, message(stop_reason="refusal", content=[])), "refuses", 1, 5, "anthropic"),
    Member("refused for its words", "question", about_this(400, "unprintable token in the prompt"), "unprintable token", asked=2, booked=5),
    Member("prompt too long", "question", error(400, "maximum context length is 4096 tokens"), "the prompt is too long"),
    # nothing in it
    Member("null", "question", lambda _: (200, completion(None)), "without text (3 attempts)", asked=3, booked=15),
    Member("empty parts", "question", lambda _: (200, completion([])), "without text (3 attempts)", asked=3, booked=15),
    Member("tool calls only", "question", lambda _: (200, completion(None, message={"tool_calls": [{}]})), "without text", 3, 15),
    Member("no blocks", "question", lambda _: (200, message(content=[])), "without text", asked=3, booked=15, api="anthropic"),
    Member("no choice", "question", lambda _: (200, completion("x", choices=[])), "without a choice (3 attempts)", asked=3),
    Member("all thought", "question", lambda _: (200, completion("<think>hm", finish="length")), "all 2 tokens went into thinking", 1, 5),
    Member("all reasoning", "question", lambda _: (200, completion("", finish="length", message={"reasoning": "hm"})), "went into", 1, 5),
    # read all the same
    Member("a thought", "answers", lambda _: (200, completion("<think>hm</think>well")), "well", booked=5),
    Member("the end of a thought", "answers", lambda _: (200, completion("hm</think>well")), "well", booked=5),
    Member("channels", "answers", lambda _: (200, completion(CHANNELS)), "well", booked=5),
    Member("parts", "answers", lambda _: (200, completion([{"type": "text", "text": "well"}])), "well", booked=5),
    Member("events", "answers", lambda _: (200, STREAM, {"content-type": "text/event-stream"}), "well", booked=7),
    Member("another type", "answers", lambda _: (200, completion("well"), {"content-type": "text/plain"}), "well", booked=5),
    Member("no usage", "answers", lambda _: (200, completion("well", usage=None)), "well", booked=7),
    Member("half a usage", "answers", lambda _: (200, completion("well", usage={"prompt_tokens": 3})), "well", booked=5),
    Member("no usage of the other", "answers", lambda _: (200, message(usage=None)), "well", booked=7, api="anthropic"),
    Member("input as a text", "answers", lambda _: (200, message(content=[{"type": "tool_use", "input": '{"label": "well"}'}])), "well",
           booked=5, api="anthropic", schema=Verdict),
    Member("drafts", "answers", lambda _: (200, completion(DRAFTS)), "well", booked=5, schema=Verdict),
    # what is left out, once it is refused
    Member("no schema", "answers", unless(lambda body: "response_format" in body, 400, "response_format is not supported"), "twice", 3, 10,
           schema=Verdict),
    Member("no endpoint", "answers", unless(lambda body: "response_format" in body, 404, "No endpoints found for this"), "twice", 3, 10,
           schema=Verdict),
    Member("grammar", "answers", unless(lambda body: "response_format" in body, 500, "failed to parse grammar"), "twice", 3, 10,
           schema=Verdict),
    Member("other name", "answers", unless(lambda body: "max_tokens" in body, 400, OTHER_NAME), "well", 2, 5),
    Member("lower limit", "answers", unless(lambda body: body["max_tokens"] > 256, 400, "max_tokens must be at most 256"), "well", 2, 5),
    Member("what is left", "answers", unless(lambda body: body["max_tokens"] > 300, 400, CONTEXT), "well", 2, 5),
    Member("alternating", "answers", unless(roles_repeat, 400,
           "Conversation roles must alternate user/assistant"), "well", 1, 5),
    Member("no system", "answers", unless(lambda body: system_of(body) is not None, 400, "System role not supported"), "well", 2, 5),
    Member("no role of that name", "answers", unless(lambda body: system_of(body) is not None, 400,
           "Unsupported value: 'messages[0].role' does not support 'system' with this model."), "well", 2, 5),
    Member("system as a text", "answers", unless(lambda body: isinstance(body.get("system"), list), 422,
           "system: Input should be a valid string", "anthropic"), "well", 2, 5, "anthropic"),
    Member("no marks", "answers", unless(lambda body: "cache_control" in str(body), 400, "cache_control: Extra inputs are not permitted",
           "anthropic"), "well", 2, 5, "anthropic"),
    Member("no choice of tools", "answers", unless(lambda body: "tool_choice" in body, 400, "tool_choice is not supported", "anthropic"),
           "twice", 3, 10, "anthropic", schema=Verdict),
    # about every question
    Member("key", "run", error(401, f"Incorrect API key provided: {KEY}"), "the key is refused (status 401): 'Incorrect API key"),
    Member("model", "run", error(404, "The model `x` does not exist"), "no such model or address (status 404): 'The model `x`"),
    Member("credit", "run", error(402, "Insufficient credits"), "the account has no credit (status 402): 'Insufficient credits'"),
    Member("a parameter", "run", error(400, "temperature must be 1"), "refuses the request (status 400): 'temperature must be 1'", asked=2),
    # later, perhaps
    Member("busy", "pause", error(429, "Rate limit reached. Please try again in 1ms."), "status 429: 'Rate limit", asked=3),
    Member("busy for long", "pause", error(429, "Please try again in 7m12s."), "it asks to wait 432 s", asked=1),
    Member("overloaded", "pause", error(529, "Overloaded"), "status 529: 'Overloaded'", asked=3),
    Member("error in a good answer", "pause", lambda _: (200, {"error": {"message": "Provider returned error", "code": 502}}),
           "status 502: 'Provider returned error'", asked=3),
    Member("an error for an answer", "pause", lambda _: (200, {"object": "error", "message": "Engine is dead", "code": 50001}),
           "status 500: 'Engine is dead'", asked=3),
    Member("key in a good answer", "run", lambda _: (200, {"error": {"message": "No auth", "code": 401}}), "(status 401): 'No auth'"),
    Member("broke off", "pause", lambda _: (200, completion("we", finish="error")), "the answer broke off", asked=3, booked=15),
    Member("a page", "pause", lambda _: (200, HTML, {"content-type": "text/html"}), "not of the protocol: '502 Bad Gateway'", asked=3),
    Member("a page with a status", "pause", lambda _: (502, HTML, {"content-type": "text/html"}), "status 502: '502 Bad Gateway'", asked=3),
]  # fmt: skip
COSTS: dict[str, type[ModelError]] = {"question": ReplyError, "run": ModelSetupError, "pause": ModelUnavailableError}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


class Memory(MemoryStore):
    """A store whose calls can be looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[ModelCall] = []

    def put(self, call: ModelCall) -> None:
        self.calls.append(call)
        super().put(call)


def of(member: Member, stub: Stub) -> str:
    return f"{member.api}:test@{stub.url}{'/v1' if member.api == 'openai' else ''}{member.settings}"


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_what_it_costs(member: Member) -> None:
    store = Memory()
    with stubbed(member.says) as stub, Models({"user": parse(of(member, stub))}, store, conduct=QUICK) as models:
        user = models.role("user")
        assert user is not None
        if member.cost == "answers" and member.words != "twice":
            reply: Reply = user.reply(ASKED, schema=member.schema)
            assert (reply.parsed.label if member.schema else reply.text) == member.words
        else:
            with pytest.raises(COSTS.get(member.cost, ReplyError)) as caught:
                user.reply(ASKED, schema=member.schema)
            assert member.words in str(caught.value)
            assert "\n" not in str(caught.value) and KEY not in str(caught.value)
        account = models.ledger.accounts().get("user")
        asked = len(stub.bodies)
    assert asked == member.asked
    spent = account.spent if account is not None else None
    assert (spent.tokens if spent is not None else 0) == member.booked
    paid = sum(call.reply.usage.input_tokens + call.reply.usage.output_tokens for call in store.calls)
    assert paid == member.booked  # what is booked is kept too: a search that goes on knows it


PROGRAM = """AXES = []


def generate(task, n, rng, model=None):
    return [{"description": model.complete("Who is it?")} for _ in range(n)]
"""
BRIEF = Brief("rewrite", 1, make_program(PROGRAM), None, pairs=(Pair("best and worst", *[Episode(PlanItem("t", 0, 1), "completed")] * 2),))
CALL = Call({"goal": "book a table", "facts": {}, "context": "", "domain": "service"}, 1, 1)


def of_role(role: str, model: ChatModel, box: Sandbox) -> str:
    """What a role makes of one question: the reason why nothing came of it, "" if something did."""
    if role == "mutator":
        return propose(BRIEF, model, None, read).refusal
    if role == "reflector":
        return "" if reflect(BRIEF, model) else "no reflection"
    return box.run_many(PROGRAM, [CALL], model)[0].reason or ""


@pytest.mark.parametrize("role", ["mutator", "reflector", "generator"])
def test_what_it_costs_other_roles(role: str) -> None:
    """A question without an answer costs the proposal, the reflection or the program, with the server's words; nothing else."""
    with Sandbox(dial_table()) as box:
        for member in MEMBERS:
            with stubbed(member.says) as stub, Models({role: parse(of(member, stub))}, Memory(), conduct=QUICK) as models:
                model = models.role(role)
                assert model is not None
                if member.cost in ("run", "pause"):
                    with pytest.raises(COSTS[member.cost]) as caught:
                        of_role(role, model, box)
                    said = str(caught.value)
                else:
                    said = of_role(role, model, box)
                    assert member.cost == "answers" or said, member.name
                if role != "reflector" and member.cost != "answers":
                    assert member.words in said, member.name
                assert "\n" not in said and KEY not in said, member.name
                if role == "generator" and member.cost == "answers" and not member.schema:
                    assert said == "", member.name


def test_there_are_forty_members() -> None:
    assert len(MEMBERS) >= 40
    assert len({member.name for member in MEMBERS}) == len(MEMBERS)


def test_limits_hold_against_the_bill() -> None:
    """Answers that are thrown away are on the bill; the next attempt is not made where it could exceed the limit."""
    with stubbed(lambda _: (200, completion("we", finish="error", usage={"prompt_tokens": 900, "completion_tokens": 100}))) as stub:
        with Models({"user": parse(f"openai:m@{stub.url}/v1")}, Memory(), budget=Budget(None, 2_500, None), conduct=QUICK) as models:
            user = models.role("user")
            assert user is not None
            with pytest.raises(Exception, match="could exceed --max-tokens"):
                user.reply(ASKED)
            assert models.ledger.total().tokens <= 2_500
        assert len(stub.bodies) == 2


def test_a_user_comes_first_where_roles_must_alternate() -> None:
    def says(body: dict[str, Any]) -> Said:
        roles = [one["role"] for one in body["messages"] if one["role"] != "system"]
        good = roles[0] == "user" and not roles_repeat(body)
        return (200, completion("well")) if good else (400, {"error": {"message": "Conversation roles must alternate user/assistant/…"}})

    with stubbed(says) as stub, Models({"user": parse(f"openai:m@{stub.url}/v1")}, Memory(), conduct=QUICK) as models:
        user = models.role("user")
        assert user is not None
        asked = [Message("system", "x"), Message("assistant", "hello"), Message("user", "hi")]
        assert [user.reply(asked, sample=sample).text for sample in range(2)] == ["well", "well"]
        assert len(stub.bodies) == 3  # learned once
