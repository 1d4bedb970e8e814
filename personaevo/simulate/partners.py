"""Agents to talk to that are not scripted: a chat model, a function of the user's own, or an HTTP chat endpoint.

An agent ends the dialogue with an end marker (``[DONE]``, or ``###STOP###`` as in tau2-bench), a function or endpoint also by answering
with nothing. Whatever goes wrong in a user's own agent is an ``EpisodeError`` that names it: it fails the episode, never the search.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import importlib
import inspect
import json
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from personaevo.definitions import Domain, prompt
from personaevo.errors import ConfigError
from personaevo.records import Agent, ChatModel, Message, PlanItem, Role, Task
from personaevo.simulate.episodes import EpisodeError, MakeAgent
from personaevo.simulate.model_users import Spoken, ask, heard_text, sample_of, without_markers
from personaevo.simulate.wording import filled
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
    """What agents share: after an end marker nothing more is said."""

    def __init__(self) -> None:
        self.over = False

    def _said(self, spoken: Spoken) -> str | None:
        self.over = spoken.ended
        return spoken.text or None


# -- a model -------------------------------------------------------------------------------------------------------------------


class ModelAgent(_Partner):
    """An agent played by a chat model, for one dialogue. It is told the setting and the task's group, not what the user wants or knows."""

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
    """The system prompt of the agent's model: the rules, the setting, and what the domain's scripted agent says, for instance."""
    parts = prompt("agent", "rules", "task", "opening")
    about = filled(
        parts["task"],
        setting=quoted("setting", " ".join(domain.title.split())),
        group=quoted("group", " ".join(task.group.split()) or "(nothing in particular)"),
        examples=quoted("examples", "\n".join(_examples(domain))),
    )
    return f"{parts['rules']}\n\n{about}"


def _examples(domain: Domain) -> list[str]:
    """The first words, the questions that a domain words itself, and some of what it informs of (a domain's own wording comes last)."""
    said = domain.agent
    first = said["open" if domain.opens == "agent" else "greet"]
    informs = said["inform"][len(said["inform"]) // 2 :]
    asks = [phrases[0] for key, phrases in said.items() if key.startswith("ask.") and phrases]
    spread = informs[:: max(1, len(informs) // _EXAMPLES)][:_EXAMPLES]
    return [phrase.text for phrase in (first[-1], *asks, *spread) if "{" not in phrase.text]


def model_agent(model: ChatModel) -> MakeAgent:
    """Makes agents played by the model for ``run_episode``."""

    def make(task: Task, item: PlanItem, domain: Domain) -> Agent:
        return ModelAgent(model, task, domain, sample=sample_of(item))

    return make


# -- a function ----------------------------------------------------------------------------------------------------------------


class CallableAgent(_Partner):
    """An agent that is any function, for one dialogue: it gets ``[{"role": "user" | "assistant", "content": text}, …]`` (its own turns are
    the assistant's; empty if it opens) and returns its next turn, or None or blank text to end the dialogue. Of a turn 8,000 characters
    are kept. Episodes may run in several threads, which share the function. ``name`` is what errors call it."""

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
            found = self.function(as_messages(turns))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise EpisodeError(f"the agent {self.name} raised {_named(error)}") from error
        if found is not None and not isinstance(found, str):
            raise EpisodeError(f"the agent {self.name} returned a value of type {type(found).__name__}: expected text, or None to end")
        return self._said(without_markers(found or "", MAX_AGENT_TURN))


def as_messages(turns: Sequence[tuple[Role, str]]) -> list[dict[str, str]]:
    """The dialogue as most chat libraries write it, from the agent's perspective."""
    return [{"role": role, "content": text} for role, text in turns]


def load_callable(text: str) -> AgentFunction:
    """The function that ``module:function`` names; the module is looked for among what is installed, then in the current folder.

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
        sys.path.append(here)  # last, so that it hides nothing installed; it stays, for what the agent imports later
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
    """The exception's type and the beginning of its text, on one line and without keys."""
    try:
        text = _short(str(error))
    except Exception:  # noqa: BLE001 - __str__ is the agent's code too
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _short(text: str) -> str:
    return without_secrets(one_line(text.strip()[: 2 * _SHOWN]))[:_SHOWN]


# -- an endpoint ---------------------------------------------------------------------------------------------------------------


class UrlAgent(_Partner):
    """An agent behind an HTTP chat endpoint, for one dialogue: ``{"messages": […]}`` is posted as JSON (messages as ``CallableAgent`` gets
    them), and the answer's text is taken from ``content``, ``reply``, ``message.content`` or ``choices[0].message.content``; null or blank
    text ends the dialogue. ``timeout`` is in seconds and holds for the whole exchange; an answer may have 1 MB. A login in the address is
    sent as basic authentication. Redirections are not followed, and no proxy is used.

    Raises:
        ConfigError: the address is not an http or https URL, or the timeout is not positive.
    """

    def __init__(self, url: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        super().__init__()
        if not 0 < timeout < threading.TIMEOUT_MAX:
            raise ConfigError(f"agent timeout {timeout!r}: expected a positive number of seconds")
        self.parts, self.timeout = _split(url), timeout
        self.name = without_secrets(url)

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The agent's next turn, or None when it has ended the dialogue.

        Raises:
            EpisodeError: no answer in time, not a successful one, or none of the expected form; says which.
        """
        if self.over:
            return None
        exchange = _Exchange(self.parts, self.timeout, json.dumps({"messages": as_messages(turns)}).encode())
        answer = exchange.answer_within(self.timeout)
        if isinstance(answer, str):
            raise EpisodeError(f"the agent at {self.name} {answer}")
        return self._said(without_markers(self._text(answer), MAX_AGENT_TURN))

    def _text(self, answer: _Answer) -> str:
        if not 200 <= answer.status < 300:
            said = _short(answer.body[: 4 * _SHOWN].decode("utf-8", "replace"))
            status = f"{answer.status} {_short(answer.reason)}".strip()
            raise EpisodeError(f"the agent at {self.name} answered with status {status}: {said or 'no text'}")
        if len(answer.body) > MAX_BODY:
            raise EpisodeError(f"the agent at {self.name} answered with more than {MAX_BODY:,} bytes: expected one turn of a dialogue")
        try:
            found = _content(json.loads(answer.body))
        except (ValueError, RecursionError):
            raise EpisodeError(f"the agent at {self.name} answered with what is not JSON: expected {_FORMS}") from None
        except LookupError:
            raise EpisodeError(f"the agent at {self.name} answered with JSON of another form: expected {_FORMS}") from None
        if found is not None and not isinstance(found, str):
            kind = type(found).__name__
            raise EpisodeError(f"the agent at {self.name} answered with content of type {kind}: expected text, or null to end")
        return found or ""


def _content(body: object) -> object:
    """The text of an answer, or None if it is null. Raises LookupError if there is no place for one."""
    match body:
        case {"content": found} | {"reply": found} | {"message": {"content": found}}:
            return found
        case {"choices": [{"message": {"content": found}}, *_]} if found is not None:  # null here is a refusal or the call of a tool
            return found
    raise LookupError


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"agent '{_short(url)}': expected an address such as http://localhost:8000/chat")
    return parts


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reason: str
    body: bytes


class _Exchange(threading.Thread):
    """One request in a thread of its own: whatever it waits for (a name, a handshake, a body that drips), the caller waits no longer than
    it was told to."""

    def __init__(self, parts: SplitResult, timeout: float, body: bytes) -> None:
        super().__init__(daemon=True, name="agent request")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "personaevo"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        self.body = body
        self.socket: Any = None
        self.answer: _Answer | str = "gave no answer"

    def answer_within(self, seconds: float) -> _Answer | str:
        """The answer, or what became of it instead."""
        self.start()
        self.join(seconds)
        if not self.is_alive():
            return self.answer
        self._hang_up()
        return f"gave no whole answer within {seconds:g} seconds"

    def run(self) -> None:
        """Fetches the answer; what fails is told of in words."""
        try:
            self.connection.connect()
            self.socket = self.connection.sock
            self.connection.request("POST", self.target, self.body, self.headers)
            response = self.connection.getresponse()
            self.answer = _Answer(response.status, response.reason, response.read(MAX_BODY + 1))
        except TimeoutError:
            self.answer = "did not answer in time"
        except OSError as error:
            self.answer = f"cannot be reached ({_named(error)}): start it, or correct the address"
        except (http.client.HTTPException, ValueError) as error:
            self.answer = f"does not speak HTTP as expected ({_named(error)})"
        finally:
            self.connection.close()

    def _hang_up(self) -> None:
        """Lets the thread end: what it reads now is at its end."""
        if self.socket is not None:
            with contextlib.suppress(OSError):  # closed in the meantime
                self.socket.shutdown(socket.SHUT_RDWR)


# -- choosing ------------------------------------------------------------------------------------------------------------------


def resolve_agent(text: str, timeout: float = DEFAULT_TIMEOUT) -> MakeAgent:
    """Makes agents for ``run_episode`` from ``module:function`` or an http(s) URL; a module is imported at once. ``timeout`` is in seconds
    and holds for one turn of an endpoint; a function is waited for.

    Raises:
        ConfigError: the text has neither form, or there is no such function: see ``load_callable`` and ``UrlAgent``.
    """
    if "://" in text:
        UrlAgent(text, timeout)
        return lambda task, item, domain: UrlAgent(text, timeout)
    function = load_callable(text)
    return lambda task, item, domain: CallableAgent(function, text)
