"""One dialogue of a user with the agent under test, and what became of it. What breaks in the agent is told apart from all else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Literal

from personaevo.definitions import Domain
from personaevo.errors import ReplyError
from personaevo.records import Agent, Episode, PlanItem, Role, Task
from personaevo.sampler import SampledPersona
from personaevo.simulate.episodes import EpisodeError, MakeAgent, MakeUser, run_episode
from personaevo.simulate.measuring import measured
from personaevo.simulate.partners import AgentFunction, CallableAgent, resolve_agent
from personaevo.text import without_secrets

Ending = Literal["success", "gave up", "turn limit", "agent left", "task not kept", "check failed", "agent failed", "not played"]
Success = Callable[[Episode], bool]

_WHOLE = 1.0 - 1e-9  # all checks of task preservation held


@dataclass(frozen=True, slots=True)
class Talk:
    """One planned dialogue: who the user was (None: persona-free) and how it ended.

    "gave up" and "turn limit" are the user's outcome; "agent left": the agent ended it before the user was content; "task not kept": the
    user was content, but not all checks of task preservation held; "check failed": the caller's own ``success`` said no; "agent failed":
    it raised something, or gave no answer in time (``episode.reason``); "not played": the user's model failed, which tells nothing about
    the agent.
    """

    task: Task
    persona: SampledPersona | None
    episode: Episode
    ending: Ending

    @property
    def id(self) -> str:
        """Task, slot and, for a persona-free user, that it was one."""
        return f"{self.task.id}/{self.episode.item.slot}{'' if self.persona else '/persona-free'}"

    @property
    def success(self) -> bool:
        """Whether the agent served the user."""
        return self.ending == "success"


@dataclass(frozen=True)
class Table:
    """What all dialogues share: the domain, who plays user and agent, what text loses before it is measured, what success is (None: the
    user leaves content with the task kept) and how many seconds a function may take for one answer (None: it sees to that itself). Once
    ``stopping`` is set, dialogues end before the agent's next turn."""

    domain: Domain
    make_user: MakeUser | None
    make_agent: MakeAgent
    losses: tuple[str, ...]
    check: Success | None
    seconds: float | None
    stopping: threading.Event = field(default_factory=threading.Event)

    def play(self, task: Task, persona: SampledPersona | None, item: PlanItem) -> Talk:
        """One dialogue. Errors of the user's model other than a refusal are raised as they are."""
        agent = Watched(self.make_agent(task, item, self.domain), self.seconds, self.stopping)
        try:
            episode = run_episode(task, persona, item, self.domain, make_user=self.make_user, make_agent=lambda *_: agent)
        except ReplyError as error:
            episode = Episode(item=item, state="failed", persona=persona, reason=str(error), fault="infrastructure")
        (episode,) = measured([episode], self.losses)
        return Talk(task, persona, episode, self._ending(episode, agent))

    def _ending(self, episode: Episode, agent: Watched) -> Ending:
        if episode.state == "failed":
            return "agent failed" if agent.failed else "not played"
        if self.check is not None:
            return "success" if self.check(episode) else "check failed"
        if episode.outcome == "completed":
            return "success" if episode.preservation >= _WHOLE else "task not kept"
        return "gave up" if episode.outcome == "gave_up" else "agent left" if agent.left else "turn limit"


class Watched:
    """The agent under test in one dialogue: notes whether it ``left`` or ``failed``, and waits ``seconds`` for an answer at most (None: as
    long as it takes). A function that does not come back is left behind in its thread."""

    def __init__(self, agent: Agent, seconds: float | None, stopping: threading.Event) -> None:
        self._agent, self._seconds, self._stopping = agent, seconds, stopping
        self.left = self.failed = False

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The agent's answer.

        Raises:
            EpisodeError: it failed, or gave no answer in time; or all is being stopped.
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
            except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
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
    """What reports call the agent, what makes it for a dialogue, and the seconds that ``Table`` has to watch over.

    Raises:
        ConfigError: text that is neither module:function nor an http(s) URL, or there is no such function.
    """
    if isinstance(given, str):
        return without_secrets(given), resolve_agent(given, seconds), None if "://" in given else seconds
    name = CallableAgent(given).name
    return name, lambda task, item, domain: CallableAgent(given, name), seconds
