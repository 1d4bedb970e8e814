"""What refinement sees of a dialogue: the nineteen behaviors of the fingerprint, then how the person types.

A row ``[d]`` has both. A habit that a dialogue gave no occasion for is NaN: it says nothing of the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from personaevo import definitions
from personaevo.definitions import Dial
from personaevo.measure.fingerprint import words_of
from personaevo.measure.losses import apply_losses
from personaevo.records import Floats


@cache
def names() -> tuple[str, ...]:
    """The names of all, in the order of columns."""
    return (*definitions.features().names, *definitions.typing().names)


@cache
def plain() -> int:
    """How many of them, from the first on, are the fingerprint's."""
    return len(definitions.features().names)


@cache
def version() -> str:
    """Of both sets together: figures of other versions cannot be compared."""
    return f"{definitions.features().version}+{definitions.typing().version}"


@cache
def dials() -> Mapping[str, Dial]:
    """All dials that a profile may have: those of behavior, then those of typing."""
    return {**definitions.dials(), **definitions.typing_dials()}


@cache
def units() -> Mapping[str, str]:
    """What the figure of each is, in words."""
    sets = (definitions.features().features, definitions.typing().habits)
    return {one.name: one.unit for some in sets for one in some}


def measured(dialogues: Sequence[Sequence[str]], losses: Sequence[str] = ()) -> Floats:
    """Rows ``[n, d]`` of what one side says in each dialogue, after the text lost what the corpus lost.

    A dialogue without a word is a row of NaN; so is a habit that the losses leave no trace of.
    """
    heard = [[apply_losses(text, losses) for text in texts] for texts in dialogues]
    found = np.full((len(heard), len(names())), np.nan)
    spoken = [index for index, texts in enumerate(heard) if any(words_of(texts))]
    if spoken:
        said = [heard[index] for index in spoken]
        habits = definitions.typing().measure(said).values
        usable = set(definitions.typing().usable(losses))
        lost = [name not in usable for name in definitions.typing().names]
        habits = np.where(lost, np.nan, habits)
        found[spoken] = np.hstack([definitions.features().measure(said).values, habits])
    return found


def mean_of(rows: Floats) -> Floats:
    """The mean of each column of ``rows[n, d]`` over what is known; NaN where nothing is."""
    counts = (~np.isnan(rows)).sum(axis=0)
    mean: Floats = np.divide(np.nansum(rows, axis=0), counts, out=np.full(rows.shape[1], np.nan), where=counts > 0)
    return mean


def widened(rows: Floats) -> Floats:
    """Fingerprints ``[n, 19]`` as rows of which no habit is known; rows stay as they are."""
    missing = len(names()) - rows.shape[1]
    return np.hstack([rows, np.full((len(rows), missing), np.nan)]) if missing else rows


def as_dials(row: Floats) -> dict[str, float]:
    """A row [d], or a fingerprint, as dials, each within its range; what is NaN or has no dial is left out."""
    table = dials()
    pairs = zip(names()[: len(row)], row, strict=True)
    return {
        name: float(np.clip(value, table[name].low, table[name].high)) for name, value in pairs if name in table and np.isfinite(value)
    }  # fmt: skip
