"""Asking again: how often, after which pauses, and when not; and what a server's status means for that."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from personaevo.chat import Message, Reply, Usage
from personaevo.errors import ModelError, ModelSetupError, ModelUnavailableError, ReplyError
from personaevo.models import RetryPolicy, parse
from personaevo.models.adapter import label_of
from personaevo.models.refusals import TransientError, UnclearError, local_fault, retry_after, status_error, unreachable, wait, words
from personaevo.models.retry import RetryingModel

ASKED = [Message("user", "hello")]
LABEL = "mutator openai:m at http://host/v1"


class Script:
    """A model that raises what it is given, one after the other, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls: list[dict[str, Any]] = []

    def reply(self, messages: Sequence[Message], **options: Any) -> Reply:
        self.calls.append(options)
        if self.errors:
            raise self.errors.pop(0)
        return Reply("well")


class Event(threading.Event):
    """``stopping`` without time: pauses are written down, and ``ends`` says at which of them the search ends."""

    def __init__(self, ends: int = 0) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._ends = ends

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        return len(self.pauses) == self._ends


def busy(after: float | None = None, *, unreachable: bool = False) -> TransientError:
    return TransientError(f"{LABEL}: status 429", "429", after, unreachable=unreachable)


def retrying(
    model: Script, stopping: threading.Event, policy: RetryPolicy | None = None, notes: list[str] | None = None
) -> RetryingModel:
    noted = list[str]() if notes is None else notes
    return RetryingModel(model, policy or RetryPolicy(), lambda error: noted.append(error.kind), stopping)


def test_asked_again_until_answered() -> None:
    model, stopping, notes = Script(*[busy() for _ in range(5)]), Event(), list[str]()
    assert retrying(model, stopping, notes=notes).reply(ASKED, sample=7).text == "well"
    assert model.calls == [{"schema": None, "sample": 7}] * 6
    assert notes == ["429"] * 5
    assert len(stopping.pauses) == 5


def test_given_up_after_so_many_attempts() -> None:
    model, stopping, notes = Script(*[busy() for _ in range(9)]), Event(), list[str]()
    with pytest.raises(ModelUnavailableError, match=r"mutator openai:m at http://host/v1: status 429 \(6 attempts\)") as caught:
        retrying(model, stopping, notes=notes).reply(ASKED)
    assert not isinstance(caught.value, TransientError)  # nobody outside asks again
    assert (len(model.calls), len(stopping.pauses), notes) == (6, 5, ["429"] * 6)


def test_pauses_grow_are_random_and_bounded() -> None:
    patience = RetryPolicy(attempts=9, first_pause=0.5, longest_pause=4.0)
    drawn = []
    for _ in range(200):
        stopping = Event()
        retrying(Script(*[busy() for _ in range(8)]), stopping, patience).reply(ASKED)
        drawn.append(stopping.pauses)
    bounds = [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    for pauses, bound in zip(zip(*drawn, strict=True), bounds, strict=True):
        assert 0.0 <= min(pauses) < 0.2 * bound
        assert 0.8 * bound < max(pauses) <= bound


@pytest.mark.parametrize("after", [0.5, 20.0, 119.0])
def test_a_servers_wish_is_honored(after: float) -> None:
    stopping = Event()
    retrying(Script(busy(after), busy(after)), stopping, RetryPolicy(first_pause=0.01)).reply(ASKED)
    assert len(stopping.pauses) == 2
    assert all(after <= pause <= 1.1 * after for pause in stopping.pauses)


def test_a_wish_that_is_too_long_ends_it() -> None:
    model, stopping = Script(busy(3_600.0)), Event()
    with pytest.raises(ModelUnavailableError, match=r"\(1 attempts; it asks to wait 3600 s\)"):
        retrying(model, stopping).reply(ASKED)
    assert (len(model.calls), stopping.pauses) == (1, [])


def test_an_unreachable_server_is_given_up_sooner() -> None:
    model, stopping = Script(*[busy(unreachable=True) for _ in range(9)]), Event()
    with pytest.raises(ModelUnavailableError, match="4 attempts"):
        retrying(model, stopping, RetryPolicy(attempts=20)).reply(ASKED)
    assert sum(stopping.pauses) <= 0.5 + 1.0 + 2.0
    with pytest.raises(ModelUnavailableError, match="2 attempts"):
        retrying(Script(*[busy(unreachable=True) for _ in range(9)]), Event(), RetryPolicy(attempts=2)).reply(ASKED)


@pytest.mark.parametrize("error", [ModelSetupError("no key"), ReplyError("refused"), ModelUnavailableError("x"), KeyError("bug")])
def test_what_cannot_help_is_not_tried(error: Exception) -> None:
    model, stopping, notes = Script(busy(), error), Event(), list[str]()
    with pytest.raises(type(error)) as caught:
        retrying(model, stopping, notes=notes).reply(ASKED)
    assert caught.value is error
    assert (len(model.calls), notes) == (2, ["429"])


def test_no_more_once_stopping_is_set() -> None:
    model, stopping = Script(*[busy() for _ in range(9)]), Event(ends=2)
    with pytest.raises(ModelUnavailableError, match="not asked again: the search is ending"):
        retrying(model, stopping).reply(ASKED)
    assert len(model.calls) == 2


def test_a_pause_is_cut_short() -> None:
    stopping, caught = threading.Event(), list[Exception]()

    def ask() -> None:
        try:
            retrying(Script(busy(100.0)), stopping).reply(ASKED)
        except ModelUnavailableError as error:
            caught.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    stopping.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(caught) == 1


# --- what a status means

SAID = '{"error": {"message": "something", "code": null}}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, SAID, ModelSetupError, "the key is refused (status 401): 'something'; set OPENAI_API_KEY"),
        (403, SAID, ModelSetupError, "the key may not use it (status 403): 'something'; set OPENAI_API_KEY"),
        (404, SAID, ModelSetupError, "no such model or address (status 404): 'something'; check the name"),
        (402, SAID, ModelSetupError, "the account has no credit (status 402): 'something'; add credit, or choose another model"),
        (400, SAID, UnclearError, "the server refuses the request (status 400): "),
        (422, SAID, UnclearError, "the server refuses the request (status 422): "),
        (418, SAID, UnclearError, "the server refuses the request (status 418): "),
        (301, SAID, UnclearError, "the server refuses the request (status 301): "),
        (400, '{"code": "context_length_exceeded"}', ReplyError, "the prompt is too long for the model"),
        (400, "This model's Maximum Context length is 8192 tokens", ReplyError, "the prompt is too long for the model"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", ReplyError, "the prompt is too long for the model"),
        (500, "context length exceeded", ReplyError, "the prompt is too long for the model"),  # as some servers of one's own say it
        (413, "request_too_large", ReplyError, "the prompt is too long for the model"),
        (413, "", ReplyError, "the prompt is too long for the model"),
        (429, '{"code": "insufficient_quota"}', ModelSetupError, "the account has no credit (status 429): '"),
        (400, "Your credit balance is too low", ModelSetupError, "no credit (status 400): 'Your credit balance is too low'; add credit"),
        (429, SAID, TransientError, "status 429"),
        (429, "Too many tokens, please wait before trying again.", TransientError, "status 429"),
        (408, SAID, TransientError, "status 408"),
        (409, SAID, TransientError, "status 409"),
        (500, "<html>", TransientError, "status 500"),
        (502, "", TransientError, "status 502"),
        (503, SAID, TransientError, "status 503"),
        (504, SAID, TransientError, "status 504"),
        (529, SAID, TransientError, "status 529"),
        (599, SAID, TransientError, "status 599"),
    ],
)
def test_statuses(status: int, body: str, kind: type[ModelError], words: str) -> None:
    error = status_error(LABEL, status, body, {"retry-after": "3"})
    assert type(error) is kind
    assert str(error).startswith(f"{LABEL}: ")
    assert words in str(error)
    if isinstance(error, TransientError):
        assert (error.kind, error.after, error.unreachable) == (str(status), 3.0, False)


def test_a_body_is_told_in_one_short_line() -> None:
    error = str(status_error(LABEL, 400, "line\nline\n" + "x" * 100_000, {}))
    assert "\n" not in error
    assert len(error) < 400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Mon, 99 Foo 2026 99:99:99 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),  # over
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "-1"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "soon"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date() -> None:
    found = retry_after({"retry-after": email.utils.formatdate(time.time() + 600, usegmt=True)})
    assert found is not None
    assert 500 < found <= 600


def test_a_wish_without_end_is_too_long() -> None:
    error = status_error(LABEL, 429, SAID, {"retry-after": "inf"})
    assert isinstance(error, TransientError)
    with pytest.raises(ModelUnavailableError, match="it asks to wait inf s"):
        retrying(Script(error), Event()).reply(ASKED)


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ("openai:gpt-5", "user openai:gpt-5 at api.openai.com"),
        ("anthropic:claude", "user anthropic:claude at api.anthropic.com"),
        ("openai:m@http://host:1/v1", "user openai:m at http://host:1/v1"),
    ],
)
def test_labels_name_role_model_and_address(spec: str, label: str) -> None:
    assert label_of("user", parse(spec)) == label


class ConnectError(Exception):
    pass


@pytest.mark.parametrize(
    ("cause", "nothing_there", "reason"),
    [
        (ConnectError("All connection attempts failed"), True, "All connection attempts failed"),
        (OSError(111, "Connection refused"), True, "refused"),
        (OSError(104, "Connection reset by peer"), False, "reset by peer"),
        (ValueError(""), False, "ValueError"),
        (ValueError("one\ntwo" + "x" * 1_000), False, r"\(one\)"),
    ],
)
def test_unreachable(cause: Exception, nothing_there: bool, reason: str) -> None:
    outer = RuntimeError("Connection error.")
    outer.__cause__ = cause
    error = unreachable(LABEL, outer)
    assert error.unreachable is nothing_there
    assert error.kind == "connection"
    with pytest.raises(TransientError, match=reason):
        raise error
    assert len(str(error)) < 300


def test_what_an_attempt_took_is_told() -> None:
    heard: list[TransientError] = []
    model = RetryingModel(Script(TransientError("m", "empty reply", usage=Usage(3, 1))), RetryPolicy(), heard.append, Event())
    assert model.reply(ASKED).text
    assert [error.usage for error in heard] == [Usage(3, 1)]


def test_a_question_without_an_answer_is_no_failure_of_the_server() -> None:
    model = retrying(Script(*[TransientError("user m: a reply without text", "empty reply") for _ in range(9)]), Event())
    with pytest.raises(ReplyError, match=r"a reply without text \(3 attempts\)"):
        model.reply(ASKED)


# --- the server's own words


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"message": "Too many requests", "type": "x"}}', "'Too many requests'"),
        ('{"error": "model is loading"}', "'model is loading'"),
        ('{"detail": [{"loc": ["body"], "msg": "field required"}]}', "'field required'"),
        ('{"message": "no"}', "'no'"),
        ('[{"error": {"message": "quota"}}]', "'quota'"),
        ("<html><body><h1>502 Bad Gateway</h1>\n<hr>nginx</body></html>", "'502 Bad Gateway nginx'"),
        ("plain\nwords", "'plain words'"),
        ("", ""),
        ("{}", "'{}'"),
        ("[" * 50_000, repr("[" * 200)),
        ('{"error": {"message": "Incorrect API key provided: sk-proj-abcdefghijklmnop."}}', "'Incorrect API key provided: (key).'"),
        ('{"error": {"message": "bad header Bearer abc.def.ghi"}}', "'bad header Bearer (key)'"),
    ],
)
def test_words(body: str, said: str) -> None:
    assert words(body) == said


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ("Please try again in 20s.", 20.0),
        ("Rate limit reached. Please try again in 6.5s. Visit", 6.5),
        ("Please try again in 1m20s", 80.0),
        ("try again in 350ms", 0.35),
        ('{"error": {"details": [{"retryDelay": "34s"}]}}', 34.0),
        ('{"retry_after": 12}', 12.0),
        ("Retry after 5 seconds", 5.0),
        ("please wait 3 minutes", 180.0),
        ("wait for a while", None),
        ("status 429", None),
        ("", None),
    ],
)
def test_a_pause_that_the_body_asks_for(body: str, seconds: float | None) -> None:
    assert wait({}, body) == (None if seconds is None else pytest.approx(seconds))
    assert wait({"retry-after": "1"}, body) == 1.0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"error": {"code": "content_filter", "message": "The response was filtered"}}'),
        (400, "triggered Azure OpenAI's content management policy"),
        (403, "Your chosen model requires moderation and your input was flagged"),
        (400, '{"error": {"message": "Invalid prompt: your prompt was flagged as potentially violating our usage policy"}}'),
        (400, '{"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}'),
    ],
)
def test_a_filter_is_about_this_question(status: int, body: str) -> None:
    error = status_error(LABEL, status, body, {})
    assert type(error) is ReplyError
    assert "the server refuses this question: " in str(error)


# --- faults of this machine


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("Using SOCKS proxy, but the 'socksio' package is not installed."), "a SOCKS proxy is set"),
        (ValueError("Unknown scheme for proxy URL URL('ftp://h')"), "a proxy address"),
        (RuntimeError("Illegal header value b'Bearer sk-secret\\n'"), "the API key contains an invalid character"),
        (UnicodeEncodeError("ascii", "Bearer ü", 7, 8, "ordinal not in range"), "the API key contains an invalid character"),
        (FileNotFoundError(2, "No such file or directory"), "a certificate file is missing"),
    ],
)
def test_faults_here_are_told_without_what_they_hold(error: Exception, said: str) -> None:
    found = local_fault(LABEL, error)
    assert type(found) is ModelSetupError
    assert said in str(found)
    assert "secret" not in str(found)


def test_other_errors_are_no_faults_here() -> None:
    assert local_fault(LABEL, RuntimeError("something")) is None
