"""Features of a dialogue: the nineteen behaviors of the fingerprint, then the typing habits; and the scale on which they are compared.

A row ``[d]`` has both. A habit without an occasion in a dialogue is NaN: missing.
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
    """Names of all features in column order."""
    return (*definitions.features().names, *definitions.typing().names)


@cache
def fingerprint_size() -> int:
    """Number of columns of the fingerprint; they come first."""
    return len(definitions.features().names)


@cache
def version() -> str:
    """Version of both feature sets; figures of different versions cannot be compared."""
    return f"{definitions.features().version}+{definitions.typing().version}"


@cache
def dials() -> Mapping[str, Dial]:
    """All dials that a profile may have: behavior, then typing."""
    return {**definitions.dials(), **definitions.typing_dials()}


@cache
def units() -> Mapping[str, str]:
    """The unit of each feature, in words."""
    sets = (definitions.features().features, definitions.typing().habits)
    return {one.name: one.unit for some in sets for one in some}


def measured(dialogues: Sequence[Sequence[str]], losses: Sequence[str] = ()) -> Floats:
    """Feature rows ``[n, d]`` of one side's texts in each dialogue, after the losses of the corpus are applied to the text.

    A dialogue without a word is a row of NaN. A habit that the losses remove is NaN everywhere.
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


def fingerprint(texts: Sequence[str], losses: Sequence[str] = ()) -> Floats | None:
    """The feature row [d] of one side's texts in one dialogue; None if there is no word."""
    row: Floats = measured([texts], losses)[0]
    return None if np.isnan(row[0]) else row


def mean_of(rows: Floats) -> Floats:
    """Column means of ``rows[n, d]`` over known values; NaN for a column without one."""
    counts = (~np.isnan(rows)).sum(axis=0)
    mean: Floats = np.divide(np.nansum(rows, axis=0), counts, out=np.full(rows.shape[1], np.nan), where=counts > 0)
    return mean


def widened(rows: Floats) -> Floats:
    """Fingerprints ``[n, 19]`` padded to full rows with NaN; full rows are returned unchanged."""
    missing = len(names()) - rows.shape[1]
    return np.hstack([rows, np.full((len(rows), missing), np.nan)]) if missing else rows


def as_dials(row: Floats) -> dict[str, float]:
    """A row [d], or a fingerprint, as dials clipped to their ranges; NaN and features without a dial are left out."""
    table = dials()
    pairs = zip(names()[: len(row)], row, strict=True)
    return {
        name: float(np.clip(value, table[name].low, table[name].high)) for name, value in pairs if name in table and np.isfinite(value)
    }  # fmt: skip
