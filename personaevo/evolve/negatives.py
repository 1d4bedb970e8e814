"""Negatives for training the judge: simulated populations that resemble people, played on the run's tasks.

With the embedded engine these are the persona-free simulator, the average person, caricatures, independent marginals, and the domain's
ten negative programs, which are fixed content (``fitness/negatives``) and never programs of the run. If dialogues cost calls, only the
persona-free simulator and the average person are used, with the same dialogues for both halves of the people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personaevo import definitions
from personaevo.config import SearchConfig
from personaevo.errors import ContentError, ProgramError
from personaevo.evolve.controls import NEGATIVES, personas
from personaevo.evolve.names import FREE
from personaevo.evolve.plan import Plan, make_plan
from personaevo.evolve.rollout import Rollout
from personaevo.judge.discriminator import Negatives
from personaevo.programs.source import make_program
from personaevo.records import Control, Episode, Floats, Program, Task

_DIALOGUES, _DIALOGUES_OF_MODELS = 200, 60  # dialogues of each kind, with the embedded engine and with models
_PROGRAM_TASKS, _PROGRAM_PERSONAS = 5, 4  # for each negative program


@dataclass(frozen=True)
class NegativeWork:
    """A work item: a kind of negatives and its roll-out."""

    kind: str
    rollout: Rollout


def negative_programs(place: str) -> list[Program]:
    """The negative programs of a domain in the order of file names; empty if the domain has none.

    Raises:
        ContentError: a file cannot be read or is no persona program.
    """
    folder = definitions.domain_files(place).negatives
    found = []
    for path in sorted(folder.glob("*.py")) if folder.is_dir() else ():
        try:
            found.append(make_program(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, ProgramError) as error:
            raise ContentError(f"{path}: not a negative program of domain '{place}' ({error}): restore or remove it") from None
    return found


def dialogues_per_kind(config: SearchConfig, *, models: bool) -> int:
    """Number of dialogues of each kind; ``models`` tells whether each costs calls."""
    return config.control_dialogues or (_DIALOGUES_OF_MODELS if models else _DIALOGUES)


def negative_kinds(config: SearchConfig, *, models: bool) -> dict[str, int]:
    """Planned dialogues of each kind for one half of the people, as recorded with a run."""
    count = dialogues_per_kind(config, models=models)
    if models:
        return {FREE: count, "average_person": count}
    own = len(negative_programs(config.domain_place))
    found = {FREE: count, **dict.fromkeys(NEGATIVES, count)}
    return found | ({"programs": own * _PROGRAM_TASKS * _PROGRAM_PERSONAS} if own else {})


def negatives_digest(config: SearchConfig, *, models: bool) -> str:
    """Digest of the negative programs that are played."""
    ids = [] if models else [program.id for program in negative_programs(config.domain_place)]
    return hashlib.blake2b(repr(ids).encode(), digest_size=8).hexdigest()


def negative_works(
    config: SearchConfig, make: Rollout, people: Floats, tasks: Sequence[Task], purpose: str, *, models: bool
) -> list[NegativeWork]:
    """NegativeWork items for one half of the people. ``make`` is a roll-out that provides domain, losses, tier and players."""
    count = dialogues_per_kind(config, models=models)
    plan = _plan(config, tasks, count, f"control {purpose}")
    found = [NegativeWork(FREE, make.of(None, plan))]
    for name in ("average_person",) if models else NEGATIVES:
        own = _plan(config, tasks, count, f"control {purpose} {name}")
        found.append(NegativeWork(name, make.of(None, own, personas(name, people, own))))
    if models:
        return found
    for index, program in enumerate(negative_programs(config.domain_place)):
        few = make_plan(
            tasks, at_most=_PROGRAM_TASKS, personas=_PROGRAM_PERSONAS, seed=config.seed, purpose=f"negative {purpose} {index}", dialogues=1
        )
        found.append(NegativeWork("programs", make.of(program.source, few)))
    return found


def _plan(config: SearchConfig, tasks: Sequence[Task], count: int, purpose: str) -> Plan:
    """A plan of about ``count`` dialogues, one per persona."""
    some = min(len(tasks), count)
    return make_plan(tasks, at_most=some, personas=max(1, count // some), seed=config.seed, purpose=purpose, dialogues=1)


def completed_negatives(planned: Sequence[NegativeWork], played: Sequence[Sequence[Episode]]) -> dict[str, Negatives]:
    """The completed dialogues by kind; kinds without any are left out."""
    by_kind: dict[str, list[Episode]] = {}
    for work, episodes in zip(planned, played, strict=True):
        by_kind.setdefault(work.kind, []).extend(one for one in episodes if one.state == "completed")
    return {
        kind: Negatives(np.array([one.fingerprint for one in some]), tuple(one.item.task_id for one in some))
        for kind, some in by_kind.items() if some
    }  # fmt: skip


def negative_records(split: str, negatives: Mapping[str, Negatives]) -> list[Control]:
    """The negatives as records of the archive."""
    return [
        Control(split, kind, task, tuple(map(float, values)))
        for kind, some in negatives.items() for task, values in zip(some.tasks, some.values, strict=True)
    ]  # fmt: skip
