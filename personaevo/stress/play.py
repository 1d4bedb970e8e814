"""Dialogues with the agent under test, and the result of a stress test. Failures of the agent are distinguished from all others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Literal

from personaevo.chat import Agent, Role
from personaevo.definitions import Domain
from personaevo.errors import ReplyError
from personaevo.records import Episode, PlanItem, Task
from personaevo.sampler import SampledPersona
from personaevo.simulate.episodes import EpisodeError, MakeAgent, MakeUser, run_episode
from personaevo.simulate.measuring import measured
from personaevo.simulate.partners import AgentFunction, CallableAgent, resolve_agent
from personaevo.text import without_secrets

Ending = Literal["success", "gave up", "turn limit", "agent left", "task not kept", "check failed", "agent failed", "not played"]
Success = Callable[[Episode], bool]

_WHOLE = 1.0 - 1e-9  # all checks of task preservation held


@dataclass(frozen=True, slots=True)
class StressDialogue:
    """One planned dialogue: its user (None: persona-free) and its ending.

    "gave up" and "turn limit" are the user's outcome; "agent left": the agent ended it before the user was content; "task not kept": the
    user was content, but not all checks of task preservation passed; "check failed": the caller's ``success`` returned False; "agent
    failed": it raised an exception, or gave no answer in time (``episode.reason``); "not played": the user's model failed, which says
    nothing about the agent.
    """

    task: Task
    persona: SampledPersona | None
    episode: Episode
    ending: Ending

    @property
    def id(self) -> str:
        """Task, slot and, for a persona-free user, a mark."""
        return f"{self.task.id}/{self.episode.item.slot}{'' if self.persona else '/persona-free'}"

    @property
    def success(self) -> bool:
        """Whether the agent served the user."""
        return self.ending == "success"


@dataclass(frozen=True)
class DialogueRunner:
    """The settings shared by all dialogues: the domain, factories of user and agent, the losses applied to text before it is measured, the
    success check (None: the user leaves content and the task is preserved) and the seconds that a function may take for one answer (None:
    the agent has its own timeout). Once ``stopping`` is set, dialogues end before the agent's next turn."""

    domain: Domain
    make_user: MakeUser | None
    make_agent: MakeAgent
    losses: tuple[str, ...]
    check: Success | None
    seconds: float | None
    stopping: threading.Event = field(default_factory=threading.Event)

    def play(self, task: Task, persona: SampledPersona | None, item: PlanItem) -> StressDialogue:
        """Play one dialogue. Errors of the user's model pass through, except a ReplyError, which makes it "not played"."""
        agent = WatchedAgent(self.make_agent(task, item, self.domain), self.seconds, self.stopping)
        try:
            episode = run_episode(task, persona, item, self.domain, make_user=self.make_user, make_agent=lambda *_: agent)
        except ReplyError as error:
            episode = Episode(item=item, state="failed", persona=persona, reason=str(error), fault="infrastructure")
        (episode,) = measured([episode], self.losses)
        return StressDialogue(task, persona, episode, self._ending(episode, agent))

    def _ending(self, episode: Episode, agent: WatchedAgent) -> Ending:
        if episode.state == "failed":
            return "agent failed" if agent.failed else "not played"
        if self.check is not None:
            return "success" if self.check(episode) else "check failed"
        if episode.outcome == "completed":
            return "success" if episode.preservation >= _WHOLE else "task not kept"
        return "gave up" if episode.outcome == "gave_up" else "agent left" if agent.left else "turn limit"


class WatchedAgent:
    """The agent under test in one dialogue: records whether it ``left`` or ``failed``, and waits at most ``seconds`` for an answer (None:
    no limit). A function that does not return is abandoned in its thread."""

    def __init__(self, agent: Agent, seconds: float | None, stopping: threading.Event) -> None:
        self._agent, self._seconds, self._stopping = agent, seconds, stopping
        self.left = self.failed = False

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The agent's answer.

        Raises:
            EpisodeError: it failed, gave no answer in time, or the test is being stopped.
        """
        if self._stopping.is_set():
            raise EpisodeError("stopped")
        try:
            said = self._agent.reply(turns) if self._seconds is None else self._within(self._seconds, tuple(turns))
        except EpisodeError:
            self.failed = True
            raise
        self.left = said is None
        return said

    def _within(self, seconds: float, turns: tuple[tuple[Role, str], ...]) -> str | None:
        answers: SimpleQueue[tuple[str | None, BaseException | None]] = SimpleQueue()

        def answer() -> None:
            try:
                answers.put((self._agent.reply(turns), None))
            except BaseException as error:  # noqa: BLE001  (raised again in the waiting thread)
                answers.put((None, error))

        threading.Thread(target=answer, daemon=True, name="agent under test").start()
        try:
            said, error = answers.get(timeout=seconds)
        except Empty:
            raise EpisodeError(f"the agent gave no answer within {seconds:g} seconds") from None
        if error is not None:
            raise error
        return said


def agent_of(given: AgentFunction | str, seconds: float) -> tuple[str, MakeAgent, float | None]:
    """The agent's name in reports, its factory, and the timeout that ``DialogueRunner`` must enforce (None: the agent does).

    Raises:
        ConfigError: a text that is neither module:function nor an http(s) URL, or there is no such function.
    """
    if isinstance(given, str):
        return without_secrets(given), resolve_agent(given, seconds), None if "://" in given else seconds
    name = CallableAgent(given).name
    return name, lambda task, item, domain: CallableAgent(given, name), seconds
