"""What the text of a corpus lost (capital letters, punctuation); simulated text loses the same before comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CASE, PUNCTUATION = "case", "punctuation"
LOSSES = (CASE, PUNCTUATION)
_COMMON_MARKS = frozenset(".,?!'-\"")


def detect_losses(texts: Iterable[str]) -> tuple[str, ...]:
    """What all the texts together lack: "case" when no letter is upper case, "punctuation" when none of ``. , ? ! ' -
    "`` occurs.

    Texts without any letter or digit tell nothing and lose nothing.
    """
    joined = "\n".join(texts)
    if not any(map(str.isalnum, joined)):
        return ()
    case = not any(map(str.isupper, joined))
    punctuation = _COMMON_MARKS.isdisjoint(joined)
    return (CASE,) * case + (PUNCTUATION,) * punctuation


def apply_losses(text: str, losses: Sequence[str]) -> str:
    """``text`` after the same losses: "case" makes it lower case, "punctuation" deletes whatever is not a letter, a
    digit or white space.
    """
    if CASE in losses:
        text = text.lower()
    if PUNCTUATION in losses:
        text = "".join(char for char in text if char.isalnum() or char.isspace())
    return text
