"""Detects the language of a dialogue, to tell whether features can count its words and find phrases of their lexicons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from personaevo import content
from personaevo.errors import ContentError
from personaevo.measure.fingerprint import words_of

SHARE_OF_LETTERS = 0.2  # of non-Latin letters, from which on a text is in another script; a name or an address has fewer
SHARE_IN_SCRIPT = 0.1  # of these letters in a script, to name its language
SHARE_OF_WORDS = 0.15  # of words among a language's frequent words
MIN_WORDS = 8
_ENGLISH = "English"


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its name. ``counted``: blanks separate its words, so that they can be counted."""

    name: str
    counted: bool


def language_of(texts: Sequence[str]) -> Language | None:
    """The language of the texts of one dialogue; None if it is English or unknown.

    Languages in other scripts are detected if they make up a fifth of the letters; languages in Latin letters if texts of 8 words or more
    have more of their frequent words than of the English ones (see ``fitness/languages.toml``).

    Raises:
        ContentError: the table does not have the expected form.
    """
    joined = "\n".join(texts)
    return (None if joined.isascii() else _by_script(joined)) or _by_words(joined)


def _by_script(text: str) -> Language | None:
    counts = {language: len(pattern.findall(text)) for language, pattern in _scripts()}
    letters, foreign = sum(map(str.isalpha, text)), sum(counts.values())
    if foreign < SHARE_OF_LETTERS * letters or not foreign:
        return None
    return next((language for language, count in counts.items() if count >= SHARE_IN_SCRIPT * foreign), None)


def _by_words(text: str) -> Language | None:
    (words,) = words_of([text])
    if len(words) < MIN_WORDS:
        return None
    counts = {name: sum(word in frequent for word in words) for name, frequent in _words().items()}
    name = max(counts, key=lambda one: (counts[one], one == _ENGLISH))
    return None if name == _ENGLISH or counts[name] < SHARE_OF_WORDS * len(words) else Language(name, counted=True)


@cache
def _scripts() -> tuple[tuple[Language, re.Pattern[str]], ...]:
    try:
        rows = content.toml("fitness", "languages.toml")["script"]
        return tuple((Language(row["name"], counted=row["words"]), re.compile(f"[{row['chars']}]")) for row in rows)
    except (KeyError, TypeError, re.error) as error:
        raise ContentError(f"fitness/languages.toml: expected [[script]] with name, words and chars, got {error}") from None


@cache
def _words() -> dict[str, frozenset[str]]:
    table = content.toml("fitness", "languages.toml").get("words")
    if not isinstance(table, dict) or _ENGLISH not in table:
        raise ContentError("fitness/languages.toml: expected [words] with the frequent words of each language, English among them")
    return {name: frozenset(text.split()) for name, text in table.items()}
