"""What stands around a model: answers that are known, paid for once, in the form asked for; and the models of a whole search."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel

from personaevo.chat import ChatModel, Message, ModelCall, Reply, Usage
from personaevo.errors import BudgetError, ConfigError, ModelError, ReplyError
from personaevo.models import Budget, CallSettings, Ledger, Models, Spent, made_for, parse
from personaevo.models.adapter import Adapter, ProviderReply
from personaevo.models.ledger import Price
from personaevo.models.retry import RateLimit
from personaevo.models.wrappers import CachedModel, CallRecords, KeyLocks, OfflineModel, Question, StructuredModel

PRICE = Price(model="m", input=1.0, output=1.0)
ASKED = [Message("system", "be kind"), Message("user", "hello")]


class Part(BaseModel):
    label: str


class Other(BaseModel):
    label: int


class Memory:
    """A store in memory."""

    def __init__(self) -> None:
        self.calls: dict[str, ModelCall] = {}
        self.puts: list[ModelCall] = []

    def get(self, key: str) -> Reply | None:
        return self.calls[key].reply if key in self.calls else None

    def put(self, call: ModelCall) -> None:
        self.puts.append(call)
        self.calls[call.key] = call


class Scripted:
    """A model that gives its answers one after the other, and fails when there is none left."""

    def __init__(self, *said: str | Reply | Exception) -> None:
        self._said = list(said)
        self.asked: list[tuple[list[Message], dict[str, Any]]] = []

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        self.asked.append((list(messages), {"schema": schema, "sample": sample}))
        said = self._said.pop(0)
        if isinstance(said, Exception):
            raise said
        return Reply(said, usage=Usage(10, 5, 2)) if isinstance(said, str) else said


def paid(
    model: ChatModel, books: CallRecords | None = None, *, role: str = "user", name: str = "openai:m", tokens: int = 100
) -> CachedModel:
    return CachedModel(model, role, name, output_tokens=tokens, price=PRICE, records=books or CallRecords(Ledger(), Memory()))


# --- CachedModel


def test_known_answers_are_not_asked() -> None:
    store, ledger = Memory(), Ledger()
    model = Scripted("first")
    first = paid(model, CallRecords(ledger, store)).reply(ASKED)
    again = paid(Scripted(), CallRecords(ledger, store)).reply(ASKED)  # one that would fail
    assert first == again == Reply("first", usage=Usage(10, 5, 2), cost=15 / 1e6)
    assert (len(model.asked), len(store.puts)) == (1, 1)
    account = ledger.accounts()["user"]
    assert (account.spent.calls, account.spent.usd, account.known) == (1, 15 / 1e6, 1)


def test_what_was_asked_reaches_the_model() -> None:
    model = Scripted("x")
    paid(model).reply(ASKED, schema=Part, sample=3)
    assert model.asked == [(ASKED, {"schema": Part, "sample": 3})]


def test_equal_questions_at_the_same_time_are_paid_once() -> None:
    store, ledger, calls = Memory(), Ledger(), list[str]()
    start, release = threading.Barrier(16), threading.Event()

    class Slow:
        def reply(self, messages: Sequence[Message], **_: Any) -> Reply:
            calls.append(messages[-1].content)
            release.wait(0.05)
            return Reply(f"to {messages[-1].content}", usage=Usage(1, 1))

    model = paid(Slow(), CallRecords(ledger, store))

    def ask(number: int) -> str:
        start.wait(10)
        return model.reply([Message("user", f"question {number % 2}")]).text

    with ThreadPoolExecutor(16) as pool:
        texts = list(pool.map(ask, range(16)))
    assert texts == ["to question 0", "to question 1"] * 8
    assert sorted(calls) == ["question 0", "question 1"]
    account = ledger.accounts()["user"]
    assert (account.spent.calls, account.known, len(store.puts)) == (2, 14, 2)


def test_after_an_error_the_next_one_asks_itself() -> None:
    store = Memory()
    model = paid(Scripted(ModelError("away"), "well"), CallRecords(Ledger(), store))
    with pytest.raises(ModelError):
        model.reply(ASKED)
    assert store.puts == []
    assert model.reply(ASKED).text == "well"


def test_a_refusal_is_an_answer() -> None:
    """It is booked with what it took, kept, and not asked for again."""
    store, ledger = Memory(), Ledger()
    model = paid(Scripted(ReplyError("refused", Usage(7, 2))), CallRecords(ledger, store))
    for _ in range(2):
        with pytest.raises(ReplyError, match="refused"):
            model.reply(ASKED)
    account = ledger.accounts()["user"]
    assert (account.spent.calls, account.spent.tokens, account.known) == (1, 9, 1)
    assert [call.reply.refusal for call in store.puts] == ["refused"]


BASE: dict[str, Any] = {"model": "openai:m", "messages": ASKED, "schema": Part, "sample": 0, "output_tokens": 100}


@pytest.mark.parametrize(
    "other",
    [
        {"model": "openai:n"}, {"model": "anthropic:m"}, {"model": "openai:m@http://host"}, {"schema": None}, {"schema": Other},
        {"sample": 1}, {"output_tokens": 101}, {"messages": ASKED[1:]}, {"messages": ASKED[::-1]},
        {"messages": [*ASKED, Message("user", "")]},
        {"messages": [Message("user", "be kind"), Message("user", "hello")]}, {"messages": [Message("system", "be kindhello")]},
    ],
)  # fmt: skip
def test_whatever_matters_makes_another_key(other: dict[str, Any]) -> None:
    assert Question(**BASE).key() != Question(**BASE | other).key()


def test_equal_questions_have_equal_keys() -> None:
    class Again(BaseModel):
        label: str

    Again.__name__ = "Part"
    key = Question(**BASE).key()
    assert key == Question(**BASE | {"messages": tuple(Message(one.role, one.content) for one in ASKED)}).key()
    assert key == Question(**BASE | {"schema": Again}).key()  # its form counts, not its class
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")


@pytest.mark.parametrize("content", ["", "plain", "ünïcödé 😀", "\ud800 half a character", "x" * 100_000])
def test_no_question_costs_more_than_what_is_held(content: str) -> None:
    most = Question("m", [Message("user", content)], None, 0, 70).upper_bound()
    assert most.input_tokens >= len(content.encode("utf-8", "surrogatepass"))
    assert most.output_tokens == 70
    assert Question("m", [Message("user", content)], Part, 0, 70).upper_bound().input_tokens > most.input_tokens
    assert Question("m", [Message("user", content)], None, 0, 70).key()


def test_cost_is_booked_and_kept() -> None:
    store, ledger = Memory(), Ledger()
    paid(Scripted("x"), CallRecords(ledger, store), role="agent", name="anthropic:m").reply(ASKED)
    call = store.puts[0]
    assert (call.role, call.model, call.candidate) == ("agent", "anthropic:m", None)
    assert call.key == Question("anthropic:m", ASKED, None, 0, 100).key()
    assert call.reply.cost == pytest.approx(15e-6)
    assert ledger.accounts()["agent"].spent == Spent(1, 10, 2, 5, 15 / 1e6, call.seconds)
    assert call.seconds >= 0


def test_a_call_that_could_exceed_the_budget_is_not_asked() -> None:
    model, store = Scripted("x"), Memory()
    books = CallRecords(Ledger(Budget(tokens=100)), store)
    with pytest.raises(BudgetError):
        paid(model, books, tokens=100).reply(ASKED)
    assert (model.asked, store.puts) == ([], [])
    assert paid(model, books, tokens=50).reply(ASKED).text == "x"


def test_known_answers_need_no_budget() -> None:
    store = Memory()
    paid(Scripted("x"), CallRecords(Ledger(), store)).reply(ASKED)
    assert paid(Scripted(), CallRecords(Ledger(Budget(calls=0, usd=0.0)), store)).reply(ASKED).text == "x"


def test_calls_are_noted_as_made_for_a_candidate() -> None:
    store = Memory()
    model = paid(Scripted(*"abcdef"), CallRecords(Ledger(), store))
    in_thread: list[Reply] = []

    def ask(sample: int) -> None:
        in_thread.append(model.reply(ASKED, sample=sample))

    def thread(run: Callable[[], Any]) -> None:
        started = threading.Thread(target=run)
        started.start()
        started.join()

    ask(0)
    with made_for(7):
        ask(1)
        with made_for(8):
            ask(2)
            thread(lambda: ask(3))  # a thread of its own is for nobody
            context = contextvars.copy_context()
            thread(lambda: context.run(ask, 4))  # one that takes the context along is for the same
        ask(5)
    assert [call.candidate for call in store.puts] == [None, 7, 8, None, 8, 7]
    assert len(in_thread) == 6


def test_made_for_ends_with_an_error() -> None:
    store = Memory()
    with pytest.raises(KeyError), made_for(7):
        raise KeyError
    paid(Scripted("x"), CallRecords(Ledger(), store)).reply(ASKED)
    assert store.puts[0].candidate is None


def test_threads_have_candidates_of_their_own() -> None:
    store, start = Memory(), threading.Barrier(8)

    class Echo:
        def reply(self, messages: Sequence[Message], **_: Any) -> Reply:
            return Reply(messages[-1].content)

    model = paid(Echo(), CallRecords(Ledger(), store))

    def ask(number: int) -> None:
        with made_for(number):
            start.wait(10)
            model.reply([Message("user", str(number))])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert {call.reply.text: call.candidate for call in store.puts} == {str(number): number for number in range(8)}


def test_keys_are_forgotten() -> None:
    keys, inside = KeyLocks(), [0, 0, 0]

    def enter(number: int) -> None:
        with keys.locked(str(number)):
            inside[number] += 1
            assert inside[number] == 1
            inside[number] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, [0, 1, 2] * 100))
    assert not keys._waiting


# --- StructuredModel


def test_without_a_schema_nothing_is_added() -> None:
    model = Scripted("free text")
    assert StructuredModel(model, "user m").reply(ASKED, sample=2) == Reply("free text", usage=Usage(10, 5, 2))
    assert model.asked == [(ASKED, {"schema": None, "sample": 2})]


def test_an_answer_is_parsed() -> None:
    model = Scripted('Sure: {"label": "x",}')
    reply = StructuredModel(model, "user m").reply(ASKED, schema=Part, sample=2)
    assert reply.parsed == Part(label="x")
    assert reply.usage == Usage(10, 5, 2)
    messages, options = model.asked[0]
    assert messages[:2] == ASKED  # the stable part first
    assert messages[2].role == "user"
    assert json.loads(messages[2].content.partition("\n")[2])["required"] == ["label"]
    assert options == {"schema": Part, "sample": 2}


def test_one_corrective_retry() -> None:
    model = Scripted('{"label": 5}', '{"label": "x"}')
    assert StructuredModel(model, "user m").reply(ASKED, schema=Part, sample=2).parsed == Part(label="x")
    first, second = model.asked
    assert second[0][:3] == first[0]
    assert second[0][3] == Message("assistant", '{"label": 5}')
    assert second[0][4].role == "user"
    assert "label: input should be a valid string" in second[0][4].content
    assert second[1] == first[1]


def test_an_answer_that_was_cut_off_shall_be_shorter() -> None:
    model = Scripted(Reply('{"label": "very lo', cut=True), '{"label": "x"}')
    assert StructuredModel(model, "user m").reply(ASKED, schema=Part).parsed == Part(label="x")
    assert "cut off" in model.asked[1][0][-1].content


def test_an_empty_answer_is_no_empty_message() -> None:
    model = Scripted("", '{"label": "x"}')
    StructuredModel(model, "user m").reply(ASKED, schema=Part)
    assert model.asked[1][0][3].content == "(nothing)"


def test_a_reply_error_after_two() -> None:
    model = Scripted("no", '{"label": 5}', '{"label": "x"}')
    with pytest.raises(ReplyError, match=r"^user m: the answer is not of the form asked for, twice: label: input should be"):
        StructuredModel(model, "user m").reply(ASKED, schema=Part)
    assert len(model.asked) == 2


def test_both_answers_are_paid_and_known() -> None:
    store, ledger = Memory(), Ledger()
    made = StructuredModel(paid(Scripted("no", '{"label": "x"}'), CallRecords(ledger, store)), "user m").reply(ASKED, schema=Part)
    assert (ledger.total().calls, len(store.puts)) == (2, 2)
    known = StructuredModel(paid(OfflineModel("user m"), CallRecords(ledger, store)), "user m").reply(ASKED, schema=Part)
    assert known == made
    assert ledger.accounts()["user"].known == 2


# --- OfflineModel, Models


def test_offline_there_are_only_known_answers() -> None:
    with pytest.raises(ModelError, match=r"^user m: the recording holds no answer") as caught:
        OfflineModel("user m").reply(ASKED)
    assert type(caught.value) is ModelError


class Fake(Adapter):
    """An adapter that is never asked over a network; all that were made are in ``made``, and their gates in ``gates``."""

    made: list[Fake] = []  # noqa: RUF012 - emptied by the fixture
    gates: list[RateLimit] = []  # noqa: RUF012

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        Fake.made.append(self)
        Fake.gates.append(self._limit)

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        return Reply('{"label": "x"}', usage=Usage(10, 5))

    def _client(self) -> Any: ...

    async def _ask(self, messages: Sequence[Message], schema: type[BaseModel] | None, sample: int) -> Any: ...

    def answer(self, body: Mapping[str, Any]) -> ProviderReply:
        raise NotImplementedError


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> list[RateLimit]:
    """Adapters are fakes, and the gates that they get are noted."""
    Fake.made.clear()
    Fake.gates.clear()
    monkeypatch.setattr("personaevo.models.openai_model.OpenAIModel", Fake)
    monkeypatch.setattr("personaevo.models.anthropic_model.AnthropicModel", Fake)
    return Fake.gates


def loops() -> int:
    """Threads of models; others' may end at any time."""
    return sum(thread.name == "models" for thread in threading.enumerate())


def specs(**texts: str) -> dict[str, Any]:
    return {role: parse(text) for role, text in texts.items()}


def test_roles(gates: list[RateLimit]) -> None:
    store = Memory()
    with Models(specs(user="openai:m", agent="embedded", mutator="anthropic:n@http://host"), store, prices=[PRICE]) as models:
        assert models.role("agent") is None
        assert models.role("reflector") is None
        user, mutator = models.role("user"), models.role("mutator")
        assert user is not None
        assert mutator is not None
        assert models.role("user") is user
        assert mutator.reply(ASKED, schema=Part).parsed == Part(label="x")
        assert user.reply(ASKED).text == '{"label": "x"}'
        assert set(models.ledger.accounts()) == {"user", "mutator"}
    assert [(call.role, call.model) for call in store.puts] == [("mutator", "anthropic:n@http://host"), ("user", "openai:m")]
    assert [(str(one.spec), one.terms.label) for one in Fake.made] == [
        ("openai:m", "user openai:m at api.openai.com"), ("anthropic:n@http://host", "mutator anthropic:n at http://host"),
    ]  # fmt: skip


def test_without_any_model_there_is_no_thread(gates: list[RateLimit]) -> None:
    before = loops()
    with Models(specs(user="embedded"), Memory()) as models:
        assert models.role("user") is None
        assert loops() == before


def test_the_thread_ends_with_the_block(gates: list[RateLimit]) -> None:
    before = loops()
    with Models(specs(user="openai:m"), Memory()) as models:
        models.role("user")
        assert loops() == before + 1
    assert loops() == before
    models.stop(0.0)  # nothing happens


def test_models_of_one_endpoint_share_a_gate(gates: list[RateLimit]) -> None:
    chosen = specs(user="openai:a@http://h/v1", agent="openai:b@http://h/v1/", mutator="openai:a", generator="anthropic:a@http://h/v1")
    with Models(chosen, Memory(), conduct=CallSettings(at_once=3)) as models:
        for role in chosen:
            models.role(role)
    user, agent, mutator, generator = gates
    assert user is agent
    assert len({id(user), id(mutator), id(generator)}) == 3
    assert user._places._value == 3


def test_equal_questions_of_two_roles_are_paid_by_the_first(gates: list[RateLimit]) -> None:
    """Of different lengths they are different questions."""
    store = Memory()
    with Models(specs(user="openai:m", agent="openai:m"), store) as models:
        for role in ("user", "agent"):
            model = models.role(role)
            assert model is not None
            model.reply(ASKED)
    assert len(store.puts) == 2


@pytest.mark.parametrize("model", ["openai:unheard-of", "openai:gpt-5@http://localhost:1/v1"])
def test_a_limit_in_dollars_needs_prices(model: str) -> None:
    chosen = specs(agent="embedded", user=model)
    prices = [Price(model="openai:gpt-5*", input=1, output=1)]
    with pytest.raises(ConfigError, match="--max-usd needs the price of user openai:") as caught:
        Models(chosen, Memory(), prices=prices, budget=Budget(usd=1.0))
    assert "--prices FILE" in str(caught.value)
    Models(chosen, Memory(), prices=prices, budget=Budget(tokens=1))
    Models(chosen, Memory(), prices=prices, budget=Budget(usd=1.0), offline=True)
    Models(chosen, Memory(), prices=[Price(model=model, input=0, output=0)], budget=Budget(usd=1.0))


def test_what_was_spent_before_counts(gates: list[RateLimit]) -> None:
    with Models(specs(user="openai:m"), Memory(), budget=Budget(calls=5), before={"agent": Spent(5)}) as models:
        user = models.role("user")
        assert user is not None
        with pytest.raises(BudgetError, match="--max-calls 5"):
            user.reply(ASKED)


def test_offline_models_answer_from_the_store_only(gates: list[RateLimit]) -> None:
    store = Memory()
    chosen = specs(user="openai:m")
    with Models(chosen, store) as models:
        user = models.role("user")
        assert user is not None
        made = user.reply(ASKED, schema=Part)
    before = loops()
    with Models(chosen, store, offline=True) as models:
        user = models.role("user")
        assert user is not None
        assert user.reply(ASKED, schema=Part) == made
        with pytest.raises(ModelError, match=r"user openai:m at api\.openai\.com: the recording holds no answer"):
            user.reply(ASKED, schema=Part, sample=1)
        assert loops() == before
        assert models.ledger.total() == Spent()
    assert len(Fake.made) == 1


def test_stopped_nothing_new_is_asked(gates: list[RateLimit]) -> None:
    with Models(specs(user="openai:m"), Memory()) as models:
        user = models.role("user")
        assert user is not None
        user.reply(ASKED)
        models.stop(0.0)
        assert user.reply(ASKED).text == '{"label": "x"}'  # known
        with pytest.raises(BudgetError, match="the search is ending"):
            user.reply(ASKED, sample=1)
