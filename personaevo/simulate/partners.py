"""Agents that are not scripted: a chat model, a Python function, or an HTTP chat endpoint.

An agent ends the dialogue with an end marker (``[DONE]``, or ``###STOP###`` as in tau2-bench); a function or endpoint also by returning
nothing. A failure of a function or endpoint is an ``EpisodeError`` that names it: the episode fails, the search goes on.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from personaevo.chat import ChatModel, Message, Role
from personaevo.definitions import Domain, prompt
from personaevo.errors import ConfigError
from personaevo.records import Task
from personaevo.simulate.episodes import EpisodeError, MakeAgent
from personaevo.simulate.model_users import Spoken, ask, heard_text, sample_of, without_markers
from personaevo.simulate.templates import filled
from personaevo.text import one_line, quoted, without_secrets

AgentFunction = Callable[[list[dict[str, str]]], object]

MAX_AGENT_TURN = 8_000  # characters of one turn of an agent
MAX_BODY = 1_000_000  # bytes of an endpoint's answer
DEFAULT_TIMEOUT = 60.0
_EXAMPLES = 4
_SHOWN = 300
_MODELS = ("openai", "anthropic")
_FORMS = '{"content": …}, {"reply": …}, {"message": {"content": …}} or {"choices": [{"message": {"content": …}}]}'


class _Partner:
    """Base of agents: after an end marker the agent says nothing more."""

    def __init__(self) -> None:
        self.over = False

    def _said(self, spoken: Spoken) -> str | None:
        self.over = spoken.ended
        return spoken.text or None


# -- a model -------------------------------------------------------------------------------------------------------------------


class ModelAgent(_Partner):
    """An agent played by a chat model, for one dialogue. It knows the setting and the task's group, not the user's goal and facts."""

    def __init__(self, model: ChatModel, task: Task, domain: Domain, *, sample: int = 0) -> None:
        super().__init__()
        self.model, self.sample = model, sample
        self.opening = prompt("agent", "opening")["opening"]
        self.system = Message("system", agent_prompt(task, domain))

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The agent's next turn, or None when it has ended the dialogue.

        Raises:
            EpisodeError: the model said nothing, twice. Its own errors are raised as they are.
        """
        if self.over:
            return None
        messages = [self.system]
        if not turns or turns[0][0] == "assistant":
            messages.append(Message("user", self.opening))
        messages += [Message(role, heard_text(text) if role == "user" else text) for role, text in turns]
        return self._said(ask(self.model, messages, "assistant", self.sample, MAX_AGENT_TURN))


def agent_prompt(task: Task, domain: Domain) -> str:
    """The system prompt of the agent's model: the rules, the setting, and example lines of the domain's scripted agent."""
    parts = prompt("agent", "rules", "task", "opening")
    about = filled(
        parts["task"],
        setting=quoted("setting", " ".join(domain.title.split())),
        group=quoted("group", " ".join(task.group.split()) or "(nothing in particular)"),
        examples=quoted("examples", "\n".join(_examples(domain))),
    )
    return f"{parts['rules']}\n\n{about}"


def _examples(domain: Domain) -> list[str]:
    """An opening line, the questions that the domain words itself, and some statements (a domain's own wording comes last in each list)."""
    said = domain.agent
    first = said["open" if domain.opens == "agent" else "greet"]
    informs = said["inform"][len(said["inform"]) // 2 :]
    asks = [phrases[0] for key, phrases in said.items() if key.startswith("ask.") and phrases]
    spread = informs[:: max(1, len(informs) // _EXAMPLES)][:_EXAMPLES]
    return [phrase.text for phrase in (first[-1], *asks, *spread) if "{" not in phrase.text]


def model_agent(model: ChatModel) -> MakeAgent:
    """A factory of agents played by the model, for ``run_episode``."""
    return lambda task, item, domain: ModelAgent(model, task, domain, sample=sample_of(item))


# -- a function ----------------------------------------------------------------------------------------------------------------


class CallableAgent(_Partner):
    """An agent that is a function, for one dialogue.

    The function gets ``[{"role": "user" | "assistant", "content": text}, …]`` (its own turns are the assistant's; the list is empty if the
    agent opens) and returns its next turn, or None or blank text to end the dialogue. A turn is cut at 8,000 characters. Episodes may run
    in several threads, which share the function. Errors call it ``name``.
    """

    def __init__(self, function: AgentFunction, name: str = "") -> None:
        super().__init__()
        self.function = function
        self.name = name or getattr(function, "__qualname__", type(function).__name__)

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The agent's next turn, or None when it has ended the dialogue.

        Raises:
            EpisodeError: the function raised something, or returned something that is not text.
        """
        if self.over:
            return None
        try:
            found = self.function([{"role": role, "content": text} for role, text in turns])
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise EpisodeError(f"the agent {self.name} raised {_named(error)}") from error
        if found is not None and not isinstance(found, str):
            raise EpisodeError(f"the agent {self.name} returned a value of type {type(found).__name__}: expected text, or None to end")
        return self._said(without_markers(found or "", MAX_AGENT_TURN))


def load_callable(text: str) -> AgentFunction:
    """Import the function that ``module:function`` names, from the installed modules or else the current folder.

    Raises:
        ConfigError: the text has another form, the module cannot be imported, or it has no such function.
    """
    module, _, path = text.partition(":")
    names = [*module.split("."), *path.split(".")]
    if not all(name.isidentifier() for name in names):
        hint = f"; for a model write --model agent={text}" if module in _MODELS else ""
        raise ConfigError(f"agent '{_short(text)}': expected module:function, such as my_agent:answer, or an http(s) URL{hint}")
    found: Any = _module(module, text)
    for name in path.split("."):
        if not hasattr(found, name):
            raise ConfigError(f"agent '{text}': the module '{module}' has no '{path}': give the name of a function in it")
        found = getattr(found, name)
    if not callable(found):
        raise ConfigError(f"agent '{text}': '{path}' is a value of type {type(found).__name__}: expected a function of the messages")
    if inspect.iscoroutinefunction(found):
        raise ConfigError(f"agent '{text}': '{path}' is asynchronous: give a function that runs it, such as with asyncio.run")
    return found  # type: ignore[no-any-return]


def _module(name: str, text: str) -> object:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that it hides nothing installed; it stays, for later imports of the agent
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            where = "neither in the current folder nor installed"
            raise ConfigError(f"agent '{text}': the module '{error.name}' is {where}: start where its file is, or install it") from None
        raise ConfigError(f"agent '{text}': importing '{name}' raised {_named(error)}: correct the module") from error


def _named(error: BaseException) -> str:
    """The exception's type and the beginning of its text, on one line and without secrets."""
    try:
        text = _short(str(error))
    except Exception:  # noqa: BLE001 - __str__ is the agent's code too
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _short(text: str) -> str:
    return without_secrets(one_line(text.strip()[: 2 * _SHOWN]))[:_SHOWN]


# -- an endpoint ---------------------------------------------------------------------------------------------------------------


class UrlAgent(_Partner):
    """An agent behind an HTTP chat endpoint, for one dialogue.

    ``{"messages": […]}`` is posted as JSON, with messages as ``CallableAgent`` gets them. The text of the answer is taken from ``content``,
    ``reply``, ``message.content`` or ``choices[0].message.content``; null or blank text ends the dialogue. ``timeout`` is in seconds and
    limits the whole exchange. An answer may have 1 MB. A login in the address is sent as basic authentication. Redirects are not followed,
    and no proxy is used.

    Raises:
        ConfigError: the address is not an http or https URL, or the timeout is not positive.
    """

    def __init__(self, url: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        super().__init__()
        if not 0 < timeout < threading.TIMEOUT_MAX:
            raise ConfigError(f"agent timeout {timeout!r}: expected a positive number of seconds")
        _check_url(url)
        self.url, self.timeout = url, timeout
        self.name = without_secrets(url)

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The agent's next turn, or None when it has ended the dialogue.

        Raises:
            EpisodeError: no answer in time, an error status, or an answer of another form; says which.
        """
        if self.over:
            return None
        body = {"messages": [{"role": role, "content": text} for role, text in turns]}
        answer = _Exchange(self.url, json.dumps(body).encode(), self.timeout).answer()
        try:
            return self._said(without_markers(_text(answer), MAX_AGENT_TURN))
        except _AnswerError as error:
            raise EpisodeError(f"the agent at {self.name} {error}") from None


class _AnswerError(Exception):
    """An endpoint gave no usable answer; the message completes "the agent at URL …"."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reason: str
    body: bytes


def _text(answer: _Answer | _AnswerError) -> str:
    """The agent's turn in an answer, "" for null. Raises _AnswerError."""
    if isinstance(answer, _AnswerError):
        raise answer
    if not 200 <= answer.status < 300:
        said = _short(answer.body[: 4 * _SHOWN].decode("utf-8", "replace"))
        raise _AnswerError(f"answered with status {f'{answer.status} {_short(answer.reason)}'.strip()}: {said or 'no text'}")
    if len(answer.body) > MAX_BODY:
        raise _AnswerError(f"answered with more than {MAX_BODY:,} bytes: expected one turn of a dialogue")
    try:
        found = _content(json.loads(answer.body))
    except (ValueError, RecursionError):
        raise _AnswerError(f"answered with what is not JSON: expected {_FORMS}") from None
    except LookupError:
        raise _AnswerError(f"answered with JSON of another form: expected {_FORMS}") from None
    if found is not None and not isinstance(found, str):
        raise _AnswerError(f"answered with content of type {type(found).__name__}: expected text, or null to end")
    return found or ""


def _content(body: object) -> object:
    """The text of an answer, or None if it is null. Raises LookupError if the JSON has none of the expected forms."""
    match body:
        case {"content": found} | {"reply": found} | {"message": {"content": found}}:
            return found
        case {"choices": [{"message": {"content": found}}, *_]} if found is not None:  # null here is a refusal or a tool call
            return found
    raise LookupError


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"agent '{_short(url)}': expected an address such as http://localhost:8000/chat")


class _Exchange(threading.Thread):
    """One POST request in a daemon thread.

    The HTTP client limits each single operation only. With a thread the caller waits no longer than the timeout, whatever the request is
    stuck in: a name lookup, a TLS handshake, headers or a body that drip.
    """

    def __init__(self, url: str, body: bytes, timeout: float) -> None:
        import httpx2  # noqa: PLC0415 - takes 0.2 s, and few searches have an agent at an address; here, before the timeout runs

        super().__init__(daemon=True, name="agent request")
        self.http, self.url, self.body, self.timeout = httpx2, url, body, timeout
        self.given_up = False
        self.result: _Answer | _AnswerError = _AnswerError("gave no answer")

    def answer(self) -> _Answer | _AnswerError:
        """Send the request and return the answer, or the reason why there is none."""
        self.start()
        self.join(self.timeout)
        if not self.is_alive():
            return self.result
        self.given_up = True
        return _AnswerError(f"gave no whole answer within {self.timeout:g} seconds")

    def run(self) -> None:
        """Run the request; a failure becomes the result."""
        try:
            self.result = self._post()
        except self.http.TimeoutException:
            self.result = _AnswerError("did not answer in time")
        except self.http.NetworkError as error:
            self.result = _AnswerError(f"cannot be reached ({_named(_root_cause(error))}): start it, or correct the address")
        except (self.http.HTTPError, self.http.InvalidURL, ValueError) as error:
            self.result = _AnswerError(f"does not speak HTTP as expected ({_named(error)})")

    def _post(self) -> _Answer:
        headers = {
            "Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "personaevo",
        }  # fmt: skip
        secure = urlsplit(self.url).scheme == "https"  # else no TLS context is loaded
        with (
            self.http.Client(timeout=self.timeout, trust_env=False, verify=secure) as client,
            client.stream("POST", self.url, content=self.body, headers=headers) as response,
        ):
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                if self.given_up or len(body) > MAX_BODY:
                    break
            return _Answer(response.status_code, response.reason_phrase, bytes(body[: MAX_BODY + 1]))


def _root_cause(error: BaseException) -> BaseException:
    """The operating system's error behind that of the HTTP client."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


# -- choosing ------------------------------------------------------------------------------------------------------------------


def resolve_agent(text: str, timeout: float = DEFAULT_TIMEOUT) -> MakeAgent:
    """A factory of agents for ``run_episode``, from ``module:function`` or an http(s) URL. A module is imported at once. ``timeout`` is in
    seconds and limits one turn of an endpoint; a function has no limit.

    Raises:
        ConfigError: the text has neither form, or the function does not exist (see ``load_callable`` and ``UrlAgent``).
    """
    if "://" in text:
        UrlAgent(text, timeout)
        return lambda task, item, domain: UrlAgent(text, timeout)
    function = load_callable(text)
    return lambda task, item, domain: CallableAgent(function, text)
