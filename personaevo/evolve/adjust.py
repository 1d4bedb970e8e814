"""An operator for models that cannot write code: the mutator names dials of axes and their new values, and the syntax tree is edited.

The answer follows a schema that allows only names of the program's axes and of dials, and numbers are clipped to their ranges. The result
is therefore always a valid program.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from personaevo import definitions
from personaevo.errors import ProgramError
from personaevo.evolve import reshape
from personaevo.evolve.genotype import Genotype, genotype_of

FEWEST, MOST = 2, 8  # numbers of changes; a single changed number is too small a step


@lru_cache(maxsize=512)
def able(source: str) -> bool:
    """Whether a program's axes are literals that this operator can edit."""
    return genotype_of(source) is not None


def form(source: str) -> type[BaseModel]:
    """Schema of the answer: ``changes``, each with an axis, a dial, and the dial's values at levels 0 and 1 of the axis.

    Raises:
        ProgramError: the program has no axes that can be edited.
    """
    return _form(tuple(axis["name"] for axis in _genes(source).axes))


@lru_cache(maxsize=64)
def _form(names: tuple[str, ...]) -> type[BaseModel]:
    axes: Any = Literal[names]
    dials: Any = Literal[tuple(definitions.dials())]
    number = Annotated[float, Field(allow_inf_nan=False)]
    change = create_model(
        "Change", axis=(axes, ...), dial=(dials, ...), at_0=(number, ...), at_1=(number, ...)
    )
    changes = Annotated[list[change], Field(min_length=FEWEST, max_length=MOST)]  # type: ignore[valid-type]
    return create_model("Changes", changes=(changes, ...))


def applied(source: str, answer: Any) -> str:
    """Apply the changes of an answer to a program.

    Raises:
        ProgramError: fewer than two numbers change.
    """
    genes = _genes(source)
    by_name = {axis["name"]: axis["dials"] for axis in genes.axes}
    changed = 0
    for one in answer.changes:
        dial, ends = definitions.dials()[one.dial], by_name[one.axis]
        wanted = [reshape.inside(one.at_0, dial), reshape.inside(one.at_1, dial)]
        before = ends.get(one.dial)
        changed += 2 if before is None else sum(old != new for old, new in zip(before, wanted, strict=True))
        ends[one.dial] = wanted
    if changed < FEWEST:
        raise ProgramError(f"the changes set {changed} number{'s' * (changed != 1)} to another value; change two or more")
    return reshape.with_axes(source, genes.axes)


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
