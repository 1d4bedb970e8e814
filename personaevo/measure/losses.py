"""Losses: capital letters and punctuation that a corpus lacks. They are removed from simulated text before it is compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CASE, PUNCTUATION = "case", "punctuation"
LOSSES = (CASE, PUNCTUATION)
_COMMON_MARKS = frozenset(".,?!'-\"")


def detect_losses(texts: Iterable[str]) -> tuple[str, ...]:
    """Return "case" if no text has an upper-case letter, and "punctuation" if none has one of ``. , ? ! ' - "``.

    Texts without a letter or digit give no evidence, so the result is empty.
    """
    joined = "\n".join(texts)
    if not any(map(str.isalnum, joined)):
        return ()
    case = not any(map(str.isupper, joined))
    punctuation = _COMMON_MARKS.isdisjoint(joined)
    return (CASE,) * case + (PUNCTUATION,) * punctuation


def apply_losses(text: str, losses: Sequence[str]) -> str:
    """Apply ``losses`` to a text: "case" makes it lower case, "punctuation" keeps only letters, digits and white space."""
    if CASE in losses:
        text = text.lower()
    if PUNCTUATION in losses:
        text = "".join(char for char in text if char.isalnum() or char.isspace())
    return text
