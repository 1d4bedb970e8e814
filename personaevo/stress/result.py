"""The result of a stress test, as records and as plain values for ``--json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from personaevo.measure.rates import rate_difference, rate_interval
from personaevo.stress.play import Ending, StressDialogue


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
