"""Operators by a language model: new values of dials, a targeted edit, a rewrite, a crossover, and the repair of a failed program.

A ``Brief`` holds the whole input of the model. It is built from results that do not depend on the number of workers, so equal searches send
equal prompts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from personaevo import definitions
from personaevo.chat import ChatModel, Message, Reply
from personaevo.errors import ProgramError, ReplyError
from personaevo.evolve import genotype
from personaevo.evolve.genotype import Genotype, genotype_of
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
# Proposals (usable ones, all) that are assumed of a model that is loaded from a file, until its own proposals are counted. With
# Qwen2.5-Coder-1.5B 7 of 7 adjustments, whose form the server enforces, were usable, and none of 8 edits and 5 rewrites.
SMALL_MODEL: Mapping[str, tuple[int, int]] = dict.fromkeys(("edit", "rewrite", "crossover", "repair"), (0, 3))
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
        form = changes_schema(brief.parent.source) if brief.operator == ADJUST else None
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
            source = apply_changes(brief.parent.source, reply.parsed)
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
        "axes": quoted("axes", axes_text(brief.parent.source)), "gaps": gaps_text(brief.gaps),
        "remarks": "\n\n".join(part for part in (said, tried) if part), "angle": _angle(parts["angles"], brief.number),
        "fewest": str(FEWEST), "most": str(MOST),
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


FEWEST, MOST = 2, 8  # numbers of changes; a single changed number is too small a step


@lru_cache(maxsize=512)
def can_adjust(source: str) -> bool:
    """Whether a program's axes are literals that this operator can edit."""
    return genotype_of(source) is not None


def changes_schema(source: str) -> type[BaseModel]:
    """Schema of the answer: ``changes``, each with an axis, a dial, and the dial's values at levels 0 and 1 of the axis.

    Raises:
        ProgramError: the program has no axes that can be edited.
    """
    return _changes_schema(tuple(axis["name"] for axis in _genes(source).axes))


@lru_cache(maxsize=64)
def _changes_schema(names: tuple[str, ...]) -> type[BaseModel]:
    axes: Any = Literal[names]
    dials: Any = Literal[tuple(definitions.dials())]
    number = Annotated[float, Field(allow_inf_nan=False)]
    change = create_model(
        "Change", axis=(axes, ...), dial=(dials, ...), at_0=(number, ...), at_1=(number, ...)
    )
    changes = Annotated[list[change], Field(min_length=FEWEST, max_length=MOST)]  # type: ignore[valid-type]
    return create_model("Changes", changes=(changes, ...))


def apply_changes(source: str, answer: Any) -> str:
    """Apply the changes of an answer to a program.

    Raises:
        ProgramError: fewer than two numbers change.
    """
    genes = _genes(source)
    by_name = {axis["name"]: axis["dials"] for axis in genes.axes}
    changed = 0
    for one in answer.changes:
        dial, ends = definitions.dials()[one.dial], by_name[one.axis]
        wanted = [genotype.inside(one.at_0, dial), genotype.inside(one.at_1, dial)]
        before = ends.get(one.dial)
        changed += 2 if before is None else sum(old != new for old, new in zip(before, wanted, strict=True))
        ends[one.dial] = wanted
    if changed < FEWEST:
        raise ProgramError(f"the changes set {changed} number{'s' * (changed != 1)} to another value; change two or more")
    return genotype.with_axes(source, genes.axes)


def axes_text(source: str) -> str:
    """The program's axes for the question: a line for each dial, with its values at levels 0 and 1."""
    lines = []
    for axis in _genes(source).axes:
        lines.append(f"axis {axis['name']}")
        lines += [f"  {name}: {ends[0]:g} at 0, {ends[1]:g} at 1" for name, ends in axis["dials"].items()] or ["  (no dials)"]
    return "\n".join(lines)


def _genes(source: str) -> Genotype:
    """The genotype of a program; raises ProgramError if its axes are not literals."""
    genes = genotype_of(source)
    if genes is None:
        raise ProgramError("the program's axes are not said as literals; this operator cannot edit it")
    return genes
