"""The personas that can be sampled, with their measurements as columns for ``where``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from personaevo import definitions
from personaevo.archive import Member
from personaevo.errors import ConfigError
from personaevo.records import Episode, Floats, Persona
from personaevo.text import one_line
from personaevo.where import Where

_OWN_NAMES: Mapping[str, type] = {
    "cell": int, "cell_name": str, "task": str, "outcome": str, "p_human": float, "preservation": float,
}  # fmt: skip


def measured(episode: Episode) -> dict[str, float]:
    """An episode's fingerprint by feature; empty if it has none, or one of another feature set than the installed one."""
    names = definitions.features().names
    return dict(zip(names, episode.fingerprint, strict=True)) if len(episode.fingerprint) == len(names) else {}


class Pool:
    """Personas of one archive. ``members[i]`` is number i; ``cell_names`` maps cells to names."""

    def __init__(self, members: Sequence[Member], cell_names: Mapping[int, str]) -> None:
        self.members = members
        self.cell_names = cell_names

    def __len__(self) -> int:
        return len(self.members)

    @cached_property
    def cells(self) -> Any:
        """The cell of each persona."""
        return np.array([member.episode.cell for member in self.members], dtype=int)

    @cached_property
    def tasks(self) -> Any:
        """The task of each persona."""
        return np.array([member.episode.item.task_id for member in self.members], dtype=object)

    @cached_property
    def alike(self) -> Any:
        """For each persona the number of the first one that differs only in the id: related programs make equal personas."""
        first: dict[object, int] = {}
        numbers = []
        for number, persona in enumerate(map(_persona, self.members)):
            asked = tuple(sorted(persona.behaviors.items())), tuple(sorted(persona.dials.items()))
            numbers.append(first.setdefault((persona.description, persona.policy, asked), number))
        return np.array(numbers, dtype=int)

    @cached_property
    def failed(self) -> Any:
        """Whether the agent failed each persona: the user left without success, or the task was not preserved."""
        episodes = [member.episode for member in self.members]
        return np.array([episode.outcome != "completed" or episode.preservation < 1.0 for episode in episodes], dtype=bool)

    @cached_property
    def human_like(self) -> Any:
        """Whether the judge classifies each as human (P(human) of at least ½)."""
        return np.array([(member.episode.p_human or 0.0) >= 0.5 for member in self.members], dtype=bool)

    @cached_property
    def kinds(self) -> Mapping[str, type]:
        """The names that ``where`` may use, with types. The first meaning of a name applies: own names, features, dials, behaviors."""
        axes = {name for member in self.members for name in _persona(member).behaviors if name.isidentifier()}
        named = [*definitions.features().names, *definitions.dials(), *sorted(axes)]
        return {**_OWN_NAMES, **{name: float for name in named if name not in _OWN_NAMES}}

    @cached_property
    def columns(self) -> Mapping[str, Any]:
        """A column of values for each name; missing values are NaN or None."""
        features = definitions.features().names
        shown = [member.episode.fingerprint for member in self.members]
        shown = [values if len(values) == len(features) else (np.nan,) * len(features) for values in shown]
        values = np.array(shown, dtype=float).reshape(len(self), len(features))
        asked = [name for name, kind in self.kinds.items() if kind is not str and name not in features and name not in _OWN_NAMES]
        return {**dict(zip(features, values.T, strict=True)), **{name: self._requested(name) for name in asked}, **self._own()}

    def _requested(self, name: str) -> Floats:
        """The value of a dial or a behavior of each persona."""
        dial = name in definitions.dials()
        found = [(persona.dials if dial else persona.behaviors).get(name, np.nan) for persona in map(_persona, self.members)]
        return np.array(found, dtype=float)

    def _own(self) -> dict[str, Any]:
        episodes = [member.episode for member in self.members]
        done = [episode.state == "completed" for episode in episodes]
        return {
            "cell": self.cells.astype(float),
            "cell_name": np.array([self.cell_names.get(int(cell)) for cell in self.cells], dtype=object),
            "task": self.tasks,
            "outcome": np.array([episode.outcome or None for episode in episodes], dtype=object),
            "p_human": np.array([np.nan if episode.p_human is None else episode.p_human for episode in episodes], dtype=float),
            "preservation": np.where(done, [episode.preservation for episode in episodes], np.nan),
        }

    def matching(self, where: Where) -> Any:
        """Which personas fulfil a condition for certain."""
        return where.mask(self.columns, len(self))

    def no_match(self, where: Where, considered: Any) -> ConfigError:
        """The error for a condition that none of the personas ``considered`` fulfils; it names the parts that none fulfils."""
        count = int(considered.sum())
        columns = {name: values[considered] for name, values in self.columns.items()}
        parts = where.parts(columns, count)
        never = [f"'{one_line(text)}'" for text, matches in parts if not matches]
        alone = ", ".join(f"'{one_line(text)}' {matches:,}" for text, matches in parts)
        why = f"{' and '.join(never)} matches none of them" if never else f"each part matches some ({alone}), but none matches all"
        return ConfigError(f"where: no persona of {count:,} matches; {why}: ask for less")


def _persona(member: Member) -> Persona:
    persona = member.episode.persona
    assert persona is not None  # a population has no other members
    return persona
