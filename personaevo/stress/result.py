"""Dialogues with the agent under test, and the result of a stress test. Failures of the agent are distinguished from all others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Literal

from personaevo.chat import Agent, Role
from personaevo.definitions import Domain
from personaevo.errors import ReplyError
from personaevo.measure.stats import rate_difference, rate_interval
from personaevo.records import Episode, PlanItem, Task
from personaevo.sampler import SampledPersona
from personaevo.simulate.episodes import EpisodeError, MakeAgent, MakeUser, measured, run_episode
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


@dataclass(frozen=True, slots=True)
class Rate:
    """The success rate with its 95 % interval (see ``measure.rates``), over ``dialogues`` of the ``planned`` ones; None if none was
    played."""

    mean: float | None
    low: float | None
    high: float | None
    successes: int
    dialogues: int
    planned: int

    @classmethod
    def of(cls, talks: Sequence[StressDialogue]) -> Rate:
        """The rate over the played dialogues."""
        played = [talk for talk in talks if talk.ending != "not played"]
        if not played:
            return cls(None, None, None, 0, 0, len(talks))
        success = [talk.success for talk in played]
        mean, low, high = rate_interval(success, [talk.task.id for talk in played])
        return cls(mean, low, high, sum(success), len(played), len(talks))


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two success rates with its 95 % interval and two-sided p-value (not adjusted)."""

    mean: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, first: Sequence[StressDialogue], second: Sequence[StressDialogue]) -> Difference | None:
        """``first`` minus ``second``; None if no dialogue of one side was played."""
        ours, theirs = ([talk for talk in side if talk.ending != "not played"] for side in (first, second))
        if not ours or not theirs:
            return None
        sides = [([talk.success for talk in side], [talk.task.id for talk in side]) for side in (ours, theirs)]
        return cls(*rate_difference(*sides[0], *sides[1]))


@dataclass(frozen=True, slots=True)
class CellRate:
    """Success with one kind of user, a cell of the archive."""

    cell: int
    name: str
    success: Rate


@dataclass(frozen=True, slots=True)
class Contrast:
    """Success with users who show much of a behavior (``high``: values from ``high_from``) and little (``low``: up to ``low_to``).

    ``q`` is the p-value of the difference adjusted for all behaviors compared (Benjamini-Hochberg).
    """

    feature: str
    high_words: str
    low_words: str
    low_to: float
    high_from: float
    low: Rate
    high: Rate
    difference: Difference
    q: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """Mean P(human) of people (out of fold), of the personas' dialogues and of the persona-free ones (out of fold)."""

    people: float
    personas: float
    persona_free: float


@dataclass(frozen=True)
class StressResult:
    """The result of running an agent with a population of users.

    ``talks`` are the dialogues with personas, ``control`` the persona-free ones on the same tasks (empty if left out). ``difference`` is
    personas minus persona-free, ``human_like`` the success with users that the judge classifies as human (P >= 1/2). ``behaviors`` are
    sorted by the p-value of their difference. ``to_read`` are the worst dialogues and a good one. ``notes`` say what could not be measured,
    and why.
    """

    agent: str
    settings: Mapping[str, Any]
    talks: tuple[StressDialogue, ...]
    control: tuple[StressDialogue, ...]
    cells: tuple[CellRate, ...]
    behaviors: tuple[Contrast, ...]
    likeness: Likeness | None
    to_read: tuple[StressDialogue, ...]
    notes: tuple[str, ...] = ()

    @property
    def success(self) -> Rate:
        """The success rate with the personas."""
        return Rate.of(self.talks)

    @property
    def persona_free(self) -> Rate | None:
        """The success rate with the persona-free users."""
        return Rate.of(self.control) if self.control else None

    @property
    def difference(self) -> Difference | None:
        """The rate with personas minus the persona-free rate."""
        return Difference.of(self.talks, self.control)

    @property
    def human_like(self) -> Rate | None:
        """The success rate with personas whose dialogue the judge classifies as human; None without a judge."""
        return None if self.likeness is None else Rate.of([talk for talk in self.talks if (talk.episode.p_human or 0.0) >= 0.5])

    def endings(self, talks: Sequence[StressDialogue]) -> dict[Ending, int]:
        """The number of dialogues by ending, the most frequent first."""
        return dict(Counter(talk.ending for talk in talks).most_common())

    @property
    def failures(self) -> dict[str, int]:
        """The agent's error messages with all users, and how often each occurred."""
        broken = (talk.episode.reason or "" for talk in (*self.talks, *self.control) if talk.ending == "agent failed")
        return dict(Counter(broken).most_common())

    def dialogues(self) -> list[dict[str, Any]]:
        """All dialogues as JSON rows that ``readers.read_dialogues`` and ``--human`` read, with further fields."""
        return [row_of(talk) for talk in (*self.talks, *self.control)]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, with only the dialogues ``to_read``: what ``stress --json`` prints.

        ``{"agent", "settings", "personas", "persona_free", "human_like": {"mean", "low", "high", "successes", "dialogues", "planned"},
        "difference": {"mean", "low", "high", "p"}, "likeness", "endings": {"personas", "persona_free": {ending: times}},
        "agent_failures": {reason: times}, "cells": [{"cell", "name", "success"}], "behaviors": [{"feature", "high_words", "low_words",
        "low_to", "high_from", "low", "high", "difference", "q"}], "to_read": [rows as in ``dialogues``], "notes"}``; values that
        were not measured are None.
        """
        return {
            "agent": self.agent,
            "settings": dict(self.settings),
            "personas": asdict(self.success),
            "persona_free": asdict(self.persona_free) if self.persona_free else None,
            "difference": asdict(self.difference) if self.difference else None,
            "human_like": asdict(self.human_like) if self.human_like else None,
            "likeness": asdict(self.likeness) if self.likeness else None,
            "endings": {"personas": self.endings(self.talks), "persona_free": self.endings(self.control)},
            "agent_failures": self.failures,
            "cells": [asdict(one) for one in self.cells],
            "behaviors": [asdict(one) for one in self.behaviors],
            "to_read": [row_of(talk) for talk in self.to_read],
            "notes": list(self.notes),
        }


def row_of(talk: StressDialogue) -> dict[str, Any]:
    """One dialogue as a row of ``StressResult.dialogues``."""
    persona, episode = talk.persona, talk.episode
    return {
        "id": talk.id,
        "turns": [{"role": role, "content": text} for role, text in episode.turns],
        "source": "personaevo stress",
        "domain": talk.task.domain,
        "task": talk.task.id,
        "user_kind": "simulated",
        "user_id": f"{talk.task.id}/{persona.id}" if persona else None,
        "success": talk.success,
        "ending": talk.ending,
        "outcome": episode.outcome,
        "reason": episode.reason,
        "fault": episode.fault,
        "seed": episode.item.seed,
        "preservation": episode.preservation if episode.state == "completed" else None,
        "p_human": episode.p_human,
        "persona": persona.model_dump(mode="json", include={"id", "description", "behaviors", "dials", "policy"}) if persona else None,
        "program": persona.program if persona else None,
        "cell": persona.cell if persona else None,
        "cell_name": persona.cell_name if persona else None,
    }
