"""Fingerprints of dialogues, and text preparation: losses (case, punctuation) of a corpus, and repeated dialogues.

A fingerprint holds nineteen features of the user turns of a dialogue, measured for many dialogues in one pass. The features are those of
USI (arXiv 2603.11245) and PPol (arXiv 2605.12894), groups D1 (style), D2 (disclosure), D3 (clarification) and D4 (reaction to errors).
Their definitions and lexicons are content (``fitness/features.toml``). Text is lower-cased and stripped of punctuation first, so that
corpora with and without case and punctuation compare. Values have four significant digits, as references store them; with more, a judge
could separate a simulated 1/6 from a person's .1667.
"""

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
