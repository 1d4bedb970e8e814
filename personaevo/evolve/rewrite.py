"""Operators by a language model: new values of dials, a targeted edit, a rewrite, a crossover, and the repair of a failed program.

A ``Brief`` holds the whole input of the model. It is built from results that do not depend on the number of workers, so equal searches send
equal prompts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BaseModel, Field

from personaevo import definitions
from personaevo.chat import ChatModel, Message, Reply
from personaevo.errors import ProgramError, ReplyError
from personaevo.evolve import adjust
from personaevo.evolve.rollout import ModelProposal
from personaevo.judge.objectives import SCORE, steering
from personaevo.judge.scorer import OF_PERSONAS, Gap, in_words
from personaevo.programs import patch
from personaevo.programs.personas import MAX_AXES
from personaevo.programs.source import MAX_BYTES
from personaevo.records import Episode, Evaluation, Program
from personaevo.simulate.templates import filled
from personaevo.text import quoted

ADJUST = "adjust"
WEIGHTS = {ADJUST: 4.0, "edit": 4.0, "rewrite": 2.0, "crossover": 2.0, "repair": 1.0}
_LONGEST_PROGRAM, _LONGEST_DIALOGUE, _LONGEST_REFLECTION, _LONGEST_ERROR = 40_000, 3_000, 3_000, 1_000
_GAPS = 8  # most gaps and remarks in a prompt
ATTEMPTS = 5  # most failed attempts on the parent in a prompt
Examine = Callable[[str], ModelProposal]


class Contrast(BaseModel):
    """One point of the reflector: the behavior of users in the worse conversations, and a change to their generator."""

    worse: str
    change: str


class Reflection(BaseModel):
    """Schema of the reflector's answer."""

    contrasts: Annotated[list[Contrast], Field(min_length=1)]

    def text(self) -> str:
        """A line for each point."""
        return "\n".join(f"- Worse: {one.worse} Change: {one.change}" for one in self.contrasts)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two episodes of one task, and the kind of contrast ("child and parent", "best and worst")."""

    kind: str
    better: Episode
    worse: Episode


@dataclass(frozen=True, slots=True)
class Brief:
    """Input of the mutator. ``attempts`` are earlier changes of the parent that did not help; ``error`` is for a repair."""

    operator: str
    number: int
    parent: Program
    evaluation: Evaluation | None
    gaps: Sequence[Gap] = ()
    pairs: Sequence[Pair] = ()
    mate: Program | None = None
    mate_score: float = 0.0
    inspiration: Sequence[tuple[str, Program]] = ()
    attempts: Sequence[str] = ()
    error: str = ""

    def with_problem(self, problem: str) -> Brief:
        """A copy that reports a problem with the first proposal."""
        return replace(self, attempts=(f"just now: {problem}; propose something else", *self.attempts))

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the parents of the child."""
        return (self.parent.id,) if self.mate is None else (self.parent.id, self.mate.id)


def choose(
    rng: random.Random, *, failed: bool, mates: bool, adjustable: bool = True, tried: Mapping[str, tuple[int, int]] | None = None
) -> str:
    """Draw an operator's name. Repairs need a failed program, crossovers a second program, and adjustments editable axes.

    ``tried`` has the numbers of usable proposals and of all for each operator. The weight of an operator is multiplied by the squared share
    of usable proposals (plus one in both numbers), so operators that the model cannot use become rare.
    """
    known = tried or {}
    able = {
        name: weight * ((known.get(name, (0, 0))[0] + 1) / (known.get(name, (0, 0))[1] + 1)) ** 2
        for name, weight in WEIGHTS.items()
        if (failed or name != "repair") and (mates or name != "crossover") and (adjustable or name != ADJUST)
    }
    return rng.choices(list(able), weights=list(able.values()))[0]


def propose(brief: Brief, mutator: ChatModel, reflector: ChatModel | None, examine: Examine) -> ModelProposal:
    """Ask the mutator for a program. A program that ``examine`` refuses is sent back once with the reason.

    A ReplyError of a model counts as a refusal; other errors are raised.
    """
    try:
        form = adjust.form(brief.parent.source) if brief.operator == ADJUST else None
        messages = question(brief, reflect(brief, reflector))
        refusal = ""
        for _ in range(2):
            reply = mutator.reply(messages, schema=form)
            proposal = _examined(brief, reply, examine)
            if proposal.program is not None:
                return proposal
            refusal = proposal.refusal
            again = _part("again", problem=quoted("problem", refusal, _LONGEST_ERROR))
            messages = [*messages, Message("assistant", reply.text or "(nothing)"), Message("user", again)]
    except ReplyError as error:
        refusal = str(error)
    return ModelProposal(None, refusal)


def reflect(brief: Brief, reflector: ChatModel | None) -> str:
    """The reflector's answer about the pairs; "" without a reflector, without pairs or without a valid answer."""
    if reflector is None or not brief.pairs:
        return ""
    parts = definitions.prompt("reflector", "rules", "question")
    pairs = "\n\n".join(_pair(number, pair) for number, pair in enumerate(brief.pairs, 1))
    asked = filled(parts["question"], gaps=gaps_text(brief.gaps), pairs=pairs)
    try:
        reply = reflector.reply([Message("system", parts["rules"]), Message("user", asked)], schema=Reflection)
    except ReplyError:
        return ""
    reflection: Reflection = reply.parsed
    return reflection.text()[:_LONGEST_REFLECTION]


def question(brief: Brief, reflection: str) -> list[Message]:
    """The messages for the mutator. Parts that are constant during a search come first, for prompt caches."""
    if brief.operator == ADJUST:
        return _adjusting(brief, reflection)
    asked = [_parent(brief, reflection)]
    if brief.inspiration:
        programs = []
        for cell, program in brief.inspiration:
            plain = "".join(char if char.isalnum() or char in " ,-" else " " for char in cell)[:60].strip() or "some"
            programs.append(_program(f"best at: {plain}", program))
        asked.append(_part("inspiration", programs="\n\n".join(programs)))
    if brief.attempts:
        asked.append(_part("tried", attempts=quoted("attempts", "\n".join(brief.attempts[:ATTEMPTS]))))
    asked.append(_task(brief))
    rules = _part("rules", dials=_dials(), most_axes=str(MAX_AXES), most_bytes=f"{MAX_BYTES:,}")
    return [Message("system", rules), Message("user", "\n\n".join(asked))]


def gaps_text(gaps: Sequence[Gap]) -> str:
    """A line for each gap, in words and numbers."""
    lines = [
        f"- {gap.feature}: people {gap.people_mean:.3g} ({gap.people_sd:.2g}), these users {gap.mean:.3g} ({gap.sd:.2g}): "
        f"{gap.words}"
        for gap in gaps[:_GAPS]
    ]
    return "\n".join(lines) or "- nothing stands out"


def _examined(brief: Brief, reply: Reply, examine: Examine) -> ModelProposal:
    """The program of an answer, or the reason why it is refused."""
    try:
        if brief.operator == ADJUST:
            source = adjust.applied(brief.parent.source, reply.parsed)
        elif brief.operator == "edit":
            source = patch.apply(brief.parent.source, reply.text)
        else:
            source = patch.whole(reply.text)
    except ProgramError as error:
        return ModelProposal(None, str(error))
    return examine(source)


def _dials() -> str:
    """A line for each dial, with its range and meaning."""
    return "\n".join(f"- {dial.name}: {dial.low:g} to {dial.high:g}; {dial.meaning}" for dial in definitions.dials().values())


def _adjusting(brief: Brief, reflection: str) -> list[Message]:
    """The messages for the operator that sets dials; they are short, for small models."""
    parts = definitions.prompt(ADJUST, "rules", "question", "angles")
    tried = quoted("what was tried before", "\n".join(brief.attempts[:ATTEMPTS])) if brief.attempts else ""
    said = quoted("what conversations show", reflection) if reflection else ""
    slots = {
        "axes": quoted("axes", adjust.axes_text(brief.parent.source)), "gaps": gaps_text(brief.gaps),
        "remarks": "\n\n".join(part for part in (said, tried) if part), "angle": _angle(parts["angles"], brief.number),
        "fewest": str(adjust.FEWEST), "most": str(adjust.MOST),
    }  # fmt: skip
    return [Message("system", filled(parts["rules"], dials=_dials())), Message("user", filled(parts["question"], **slots))]


def _angle(listed: str, number: int) -> str:
    """The angle of a candidate from the list in content; they rotate with its number."""
    angles = [line.removeprefix("- ") for line in listed.splitlines() if line.startswith("- ")]
    return angles[number % len(angles)]


def _parent(brief: Brief, reflection: str) -> str:
    """The part of the prompt about the parent. Remarks on means and spreads are left out, since the gaps have them with numbers."""
    found = brief.evaluation.objectives if brief.evaluation else {}
    names = (SCORE, *steering())
    shares = ", ".join(f"{name.replace('_', ' ')} {found[name].value:.2f}" for name in names if name in found) or "not scored yet"
    said = quoted("what conversations show", reflection) if reflection else ""
    remarks = brief.evaluation.remarks if brief.evaluation else ()
    lines = [f"- {in_words(remark)}" for remark in remarks if remark.wanted in OF_PERSONAS]
    return _part(
        "parent", program=_program("program", brief.parent), gaps=gaps_text(brief.gaps), reflection=said, shares=shares,
        remarks="\n".join(lines[:_GAPS]) or "- nothing stands out",
    )  # fmt: skip


def _task(brief: Brief) -> str:
    """The part of the prompt about the operator."""
    angle = _angle(definitions.prompt("mutator", "angles")["angles"], brief.number)
    slots = {"angle": angle, "error": quoted("error", brief.error, _LONGEST_ERROR)}
    if brief.mate is not None:
        slots |= {"mate": _program("second program", brief.mate), "mate_score": f"{brief.mate_score:.2f}"}
    return _part(brief.operator, **slots)


def _pair(number: int, pair: Pair) -> str:
    """Both conversations of a pair as text."""
    parts = []
    for name, episode in (("better", pair.better), ("worse", pair.worse)):
        dialogue = "\n".join(f"{role}: {' '.join(text.split())}" for role, text in episode.turns)
        quote = quoted(f"conversation {number} {name}", dialogue, _LONGEST_DIALOGUE)
        parts.append(f"Pair {number} ({pair.kind}), {name}:\n{quote}")
    return "\n".join(parts)


def _program(label: str, program: Program) -> str:
    return quoted(label, program.source, _LONGEST_PROGRAM)


def _part(name: str, **slots: str) -> str:
    return filled(definitions.prompt("mutator", name)[name], **slots)
