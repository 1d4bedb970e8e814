"""User-defined simulators of users and agents: objects with one method. An error in one fails its dialogue only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from personaevo import records
from personaevo.chat import Agent, Role
from personaevo.definitions import Domain
from personaevo.measure.fingerprint import words_of
from personaevo.records import Episode, PlanItem, Task
from personaevo.simulate.directions import Persona
from personaevo.simulate.director import DEFAULT_TURN_LIMIT
from personaevo.simulate.episodes import EpisodeError, MakeAgent, MakeUser, User, preservation
from personaevo.simulate.model_users import MAX_TURN, ObservedUser, Spoken, without_markers
from personaevo.simulate.partners import MAX_AGENT_TURN, AgentFunction, CallableAgent
from personaevo.simulate.turns import spoken_numbers
from personaevo.text import one_line, without_secrets

_SHOWN = 300  # characters of an error


class SimulatedUser(Protocol):
    """One user in one dialogue."""

    def reply(self, heard: str | None) -> str | None:
        """The next turn after the agent's text (None at the very start); None once the user has left. ``[DONE]`` marks the last turn,
        ``[DONE: hopeless]`` that the user gives up."""
        ...


@runtime_checkable
class UserSimulator(Protocol):
    """Plays the users of a search, in several threads at a time. ``id`` is recorded: change it whenever the behavior changes."""

    id: str

    def start(self, task: Task, persona: Persona | None, seed: int) -> SimulatedUser:
        """A user for one dialogue; without a persona the simulator's default user. Equal arguments must give equal users."""
        ...


@runtime_checkable
class AgentSimulator(Protocol):
    """Plays the agents of a search, one for each dialogue, in several threads at a time. ``id`` is recorded."""

    id: str

    def start(self, task: Task, seed: int) -> Agent:
        """An agent for one dialogue. Equal arguments must give equal agents."""
        ...


def own_users(simulator: UserSimulator) -> MakeUser:
    """A factory of the simulator's users, for ``run_episode``."""

    def make(task: Task, persona: records.Persona | None, item: PlanItem, domain: Domain) -> User:
        whole = None if persona is None else Persona.model_construct(**dict(persona))
        user = _guarded(f"the user simulator {simulator.id}", lambda: simulator.start(task, whole, item.seed))
        return OwnUser(user, task, domain, simulator.id)

    return make


def own_agents(given: AgentSimulator | AgentFunction) -> MakeAgent:
    """A factory of agents, for ``run_episode``: an object starts one for each dialogue, a function serves all (see ``CallableAgent``)."""
    if not isinstance(given, AgentSimulator):
        return lambda _task, _item, _domain: CallableAgent(given, part_id(given))

    def make(task: Task, item: PlanItem, domain: Domain) -> Agent:
        agent = _guarded(f"the agent {given.id}", lambda: given.start(task, item.seed))
        return _OwnAgent(agent, given.id)

    return make


def part_id(given: Any) -> str:
    """The recorded name of a user-defined part: its ``id``, else the name of the function or class."""
    found = getattr(given, "id", None)
    return found if isinstance(found, str) and found else str(getattr(given, "__qualname__", type(given).__qualname__))


class OwnUser(ObservedUser):
    """Adapts a user-defined user to ``run_episode``."""

    def __init__(self, user: SimulatedUser, task: Task, domain: Domain, name: str) -> None:
        super().__init__(task, domain)
        self.user, self.name = user, name

    def say(self, heard: str | None) -> str | None:
        """The next turn after the agent's text ``heard`` (None at the very start).

        Raises:
            EpisodeError: the user raised something, or returned something that is not text.
        """
        if self.outcome:
            return None
        self.hears(heard)
        spoken = _spoken(f"the user simulator {self.name}", lambda: self.user.reply(heard), MAX_TURN)
        if spoken.ended or not spoken.text:
            self.outcome = "gave_up" if spoken.hopeless else "completed"
        self.says(spoken.text)
        return spoken.text or None


def played(task: Task, persona: records.Persona | None, item: PlanItem, domain: Domain, turns: Sequence[tuple[Role, str]]) -> Episode:
    """The episode of a dialogue played outside of personaevo; a failed one if no turn of the user has a word. It counts as completed by the
    user unless it has as many turns as the domain allows."""
    user = ObservedUser(task, domain)
    heard: str | None = None
    for role, text in turns:
        if role == "assistant":
            heard = text
        else:
            user.hears(heard)
            user.says(text)
    said = [text for role, text in turns if role == "user"]
    if not any(words_of(said)):
        return Episode(item, "failed", tuple(turns), persona=persona, reason="the user left without a word", fault="infrastructure")
    user.outcome = "completed" if len(said) < int(domain.script.get("turn_limit", DEFAULT_TURN_LIMIT)) else ""
    kept = preservation(task, user, turns, spoken_numbers)
    return Episode(item, "completed", tuple(turns), user.outcome or "turn_limit", preservation=kept, persona=persona)


class _OwnAgent:
    def __init__(self, agent: Agent, name: str) -> None:
        self.agent, self.name, self.over = agent, name, False

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The agent's next turn, or None when it has ended the dialogue. Raises EpisodeError as ``OwnUser.say`` does."""
        if self.over:
            return None
        spoken = _spoken(f"the agent {self.name}", lambda: self.agent.reply(turns), MAX_AGENT_TURN)
        self.over = spoken.ended
        return spoken.text or None


def _guarded(who: str, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except (KeyboardInterrupt, EpisodeError):
        raise
    except BaseException as error:
        said = without_secrets(one_line(str(error)[: 2 * _SHOWN]))[:_SHOWN]
        raise EpisodeError(f"{who} raised {type(error).__name__}{': ' if said else ''}{said}") from error


def _spoken(who: str, act: Callable[[], Any], longest: int) -> Spoken:
    found = _guarded(who, act)
    if found is not None and not isinstance(found, str):
        raise EpisodeError(f"{who} returned a value of type {type(found).__name__}: expected text, or None to end")
    return without_markers(found or "", longest)
