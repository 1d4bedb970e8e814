"""Operators by a model: new values of dials, a targeted edit, a rewrite, a crossover of two programs, the repair of one that failed.

A *brief* holds all that the model is told; it is made of results that are the same for any number of workers, so equal searches ask equal
questions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BaseModel, Field

from personaevo import definitions
from personaevo.errors import ProgramError, ReplyError
from personaevo.evolve import adjust
from personaevo.evolve.history import ATTEMPTS
from personaevo.evolve.trial import Proposal
from personaevo.judge.objectives import SCORE, steering
from personaevo.judge.reflection import OF_PERSONAS, Gap, in_words
from personaevo.programs import patch
from personaevo.programs.personas import MAX_AXES
from personaevo.programs.source import MAX_BYTES
from personaevo.records import ChatModel, Episode, Evaluation, Message, Program, Remark, Reply
from personaevo.simulate.wording import filled
from personaevo.text import quoted

ADJUST = "adjust"
WEIGHTS = {ADJUST: 4.0, "edit": 4.0, "rewrite": 2.0, "crossover": 2.0, "repair": 1.0}
_LONGEST_PROGRAM, _LONGEST_DIALOGUE, _LONGEST_REFLECTION, _LONGEST_ERROR = 40_000, 3_000, 3_000, 1_000
_GAPS = 8
Examine = Callable[[str], Proposal]


class Contrast(BaseModel):
    """One point of the reflector: what users of the worse conversations do, and what their generator should change."""

    worse: str
    change: str


class Reflection(BaseModel):
    """The form of the reflector's answer."""

    contrasts: Annotated[list[Contrast], Field(min_length=1)]

    def text(self) -> str:
        """A line for each point."""
        return "\n".join(f"- Worse: {one.worse} Change: {one.change}" for one in self.contrasts)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two episodes of one task, and what they stand for ("child and parent", "best and worst")."""

    kind: str
    better: Episode
    worse: Episode


@dataclass(frozen=True, slots=True)
class Brief:
    """What the mutator is told. ``attempts`` say what was tried on the parent and did not help; ``error`` is for a repair."""

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

    def told(self, problem: str) -> Brief:
        """The same, where a first proposal was no news."""
        return replace(self, attempts=(f"just now: {problem}; propose something else", *self.attempts))

    @property
    def parents(self) -> tuple[str, ...]:
        """The ids of the programs that the child comes from."""
        return (self.parent.id,) if self.mate is None else (self.parent.id, self.mate.id)


def choose(
    rng: random.Random, *, failed: bool, mates: bool, adjustable: bool = True, tried: Mapping[str, tuple[int, int]] | None = None
) -> str:
    """An operator's name; repairs need something that failed, crossovers a second program, new values of dials axes that can be edited.

    ``tried`` has, for each operator, how many of its proposals could be used and how many there were: an operator is chosen less, the
    less this model can use it (its weight times the square of the share that could be used, with one more that could).
    """
    known = tried or {}
    able = {
        name: weight * ((known.get(name, (0, 0))[0] + 1) / (known.get(name, (0, 0))[1] + 1)) ** 2
        for name, weight in WEIGHTS.items()
        if (failed or name != "repair") and (mates or name != "crossover") and (adjustable or name != ADJUST)
    }
    return rng.choices(list(able), weights=list(able.values()))[0]


def propose(brief: Brief, mutator: ChatModel, reflector: ChatModel | None, examine: Examine) -> Proposal:
    """Ask for a program. One that cannot be used is sent back once, with the reason; ``examine`` a source to know that (``read`` it, say,
    and run it).

    Errors of the models go through, but for a ReplyError: that is a refusal.
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
    return Proposal(None, refusal)


def reflect(brief: Brief, reflector: ChatModel | None) -> str:
    """What the reflector makes of the pairs; "" without one, without pairs or without an answer that can be used: then the gaps are all the
    reflection there is."""
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
    """The messages for the mutator: what is the same for a whole search first."""
    if brief.operator == ADJUST:
        return _adjusting(brief, reflection)
    asked = [_parent(brief, reflection)]
    if brief.inspiration:
        programs = "\n\n".join(_program(f"best at: {_plain(cell)}", program) for cell, program in brief.inspiration)
        asked.append(_part("inspiration", programs=programs))
    if brief.attempts:
        asked.append(_part("tried", attempts=quoted("attempts", "\n".join(brief.attempts[:ATTEMPTS]))))
    asked.append(_task(brief))
    return [Message("system", _rules()), Message("user", "\n\n".join(asked))]


def gaps_text(gaps: Sequence[Gap]) -> str:
    """Behaviors in words and numbers, a line each."""
    lines = [
        f"- {gap.feature}: people {gap.people_mean:.3g} ({gap.people_sd:.2g}), these users {gap.mean:.3g} ({gap.sd:.2g}): "
        f"{gap.words}"
        for gap in gaps[:_GAPS]
    ]
    return "\n".join(lines) or "- nothing stands out"


def _source(brief: Brief, reply: Reply) -> str:
    if brief.operator == ADJUST:
        return adjust.applied(brief.parent.source, reply.parsed)
    return patch.apply(brief.parent.source, reply.text) if brief.operator == "edit" else patch.whole(reply.text)


def _examined(brief: Brief, reply: Reply, examine: Examine) -> Proposal:
    """The program that an answer comes to, or what is wrong with it."""
    try:
        source = _source(brief, reply)
    except ProgramError as error:
        return Proposal(None, str(error))
    return examine(source)


def _rules() -> str:
    dials = "\n".join(f"- {dial.name}: {dial.low:g} to {dial.high:g}; {dial.meaning}" for dial in definitions.dials().values())
    return _part("rules", dials=dials, most_axes=str(MAX_AXES), most_bytes=f"{MAX_BYTES:,}")


def _adjusting(brief: Brief, reflection: str) -> list[Message]:
    """The messages for the operator that sets dials: short, as models that need it read little."""
    parts = definitions.prompt(ADJUST, "rules", "question", "angles")
    dials = "\n".join(f"- {dial.name}: {dial.low:g} to {dial.high:g}; {dial.meaning}" for dial in definitions.dials().values())
    tried = quoted("what was tried before", "\n".join(brief.attempts[:ATTEMPTS])) if brief.attempts else ""
    said = quoted("what conversations show", reflection) if reflection else ""
    slots = {
        "axes": quoted("axes", adjust.axes_text(brief.parent.source)), "gaps": gaps_text(brief.gaps),
        "remarks": "\n\n".join(part for part in (said, tried) if part), "angle": _angle(parts["angles"], brief.number),
        "fewest": str(adjust.FEWEST), "most": str(adjust.MOST),
    }  # fmt: skip
    return [Message("system", filled(parts["rules"], dials=dials)), Message("user", filled(parts["question"], **slots))]


def _angle(listed: str, number: int) -> str:
    angles = [line.removeprefix("- ") for line in listed.splitlines() if line.startswith("- ")]
    return angles[number % len(angles)]


def _parent(brief: Brief, reflection: str) -> str:
    found = brief.evaluation.objectives if brief.evaluation else {}
    names = (SCORE, *steering())
    shares = ", ".join(f"{name.replace('_', ' ')} {found[name].value:.2f}" for name in names if name in found) or "not scored yet"
    said = quoted("what conversations show", reflection) if reflection else ""
    remarks = _remarks(brief.evaluation.remarks if brief.evaluation else ())
    program = _program("program", brief.parent)
    return _part("parent", program=program, gaps=gaps_text(brief.gaps), reflection=said, shares=shares, remarks=remarks)


def _remarks(remarks: Sequence[Remark]) -> str:
    """What the judge says of personas and of couplings, a line each; means and spreads are said with their numbers."""
    said = [f"- {in_words(remark)}" for remark in remarks if remark.wanted in OF_PERSONAS]
    return "\n".join(said[:_GAPS]) or "- nothing stands out"


def _task(brief: Brief) -> str:
    angle = _angle(definitions.prompt("mutator", "angles")["angles"], brief.number)
    slots = {"angle": angle, "error": quoted("error", brief.error, _LONGEST_ERROR)}
    if brief.mate is not None:
        slots |= {"mate": _program("second program", brief.mate), "mate_score": f"{brief.mate_score:.2f}"}
    return _part(brief.operator, **slots)


def _pair(number: int, pair: Pair) -> str:
    return "\n".join(
        f"Pair {number} ({pair.kind}), {name}:\n" + quoted(f"conversation {number} {name}", _dialogue(episode), _LONGEST_DIALOGUE)
        for name, episode in (("better", pair.better), ("worse", pair.worse))
    )


def _dialogue(episode: Episode) -> str:
    return "\n".join(f"{role}: {' '.join(text.split())}" for role, text in episode.turns)


def _program(label: str, program: Program) -> str:
    return quoted(label, program.source, _LONGEST_PROGRAM)


def _plain(cell: str) -> str:
    """A cell's name as a label may have it."""
    return "".join(char if char.isalnum() or char in " ,-" else " " for char in cell)[:60].strip() or "some"


def _part(name: str, **slots: str) -> str:
    return filled(definitions.prompt("mutator", name)[name], **slots)
