"""Whom a sentence speaks to: deciding that it is in the second person, and putting it into the second person.

Decided by words, not by grammar (``fitness/refine/profile.toml`` lists them): a claim must name "you" or be an imperative with a known
verb, have no narrator ("I", "my") and not begin with somebody else ("The user …", "She …"). What is in quotation marks does not count.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from personaevo import content

TO_NOBODY = "speaks to nobody"  # a problem
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
_QUOTED = re.compile(r"\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|\u2018[^\u2019\n]*\u2019(?!\w)|(?<!\w)'(?:[^'\n]|'(?=\w))*'(?!\w)")
_PARTS = re.compile(r"[,;:()\u2013\u2014]|(?<=\s)-(?=\s)")
_LATIN = re.compile(r"\b(?:[Ii]\.[Ee]\.|World War I\b)")
_NARRATOR = re.compile(
    r"\b(?:I (?P<often>\w+ly|often|always|never|also|just|still) (?P<be>am|was)|I am|I was|am I|was I"
    r"|I['\u2019](?:m|ve|d|ll)|I|me|my|myself)\b",
    re.IGNORECASE,
)
_TURNED = {
    "i am": "you are", "i was": "you were", "am i": "are you", "was i": "were you", "i'm": "you're", "i've": "you've", "i'd": "you'd",
    "i'll": "you'll", "i": "you", "me": "you", "my": "your", "myself": "yourself",
}  # fmt: skip


def problem(sentence: str) -> str | None:
    """Why the sentence is not in the second person; None if it is."""
    bare = _QUOTED.sub(" ", _LATIN.sub(" ", sentence))
    words = _words(bare)
    narrator = next((word for word in words if word in _listed("first")), None)
    if narrator is not None:
        return f"speaks of itself ('{narrator}')"
    if " ".join(words[:1]) in _listed("others") or " ".join(words[:2]) in _listed("others"):
        return f"speaks of somebody else ('{' '.join(words[:2])}')"
    if not _listed("you").isdisjoint(words) or any(map(_commands, _PARTS.split(bare))):
        return None
    return TO_NOBODY


def addressed(sentence: str) -> str:
    """The sentence in the second person: as it stands if it is, else with the narrator turned into "you" ("I am …" becomes "You are …"), a
    person by kind made one ("A nurse who …" becomes "You are a nurse who …"), and if that does not help, as what is said of the reader."""
    for made in (sentence, _from_narrator(sentence), _from_kind(sentence)):
        if problem(made) is None:
            return made
    return str(_table()["said"]).replace("{text}", _from_narrator(sentence))


def _from_narrator(sentence: str) -> str:
    parts, end = [], 0
    for kept in re.finditer(f"{_QUOTED.pattern}|{_LATIN.pattern}", sentence):
        parts += [_NARRATOR.sub(_turned, sentence[end : kept.start()]), kept[0]]
        end = kept.end()
    made = "".join([*parts, _NARRATOR.sub(_turned, sentence[end:])])
    return made[:1].upper() + made[1:] if sentence[:1].isupper() else made


def _turned(match: re.Match[str]) -> str:
    if match["be"]:
        return f"you {match['often']} {'are' if match['be'].lower() == 'am' else 'were'}"
    made = _TURNED.get(match[0].lower().replace("\u2019", "'"), match[0])  # "İ" is no narrator, but equal to one for the expression
    return made.capitalize() if match[0][0] in "AM" else made


def _from_kind(sentence: str) -> str:
    words = _words(sentence)
    return f"You are {sentence[:1].lower()}{sentence[1:]}" if words and words[0] in _listed("nouns") else sentence


def _commands(part: str) -> bool:
    """Whether the part of a sentence begins with an imperative."""
    rest = (word for word in _words(part) if word not in _listed("before") and not word.endswith("ly"))
    return next(rest, "") in _verbs()


def _words(text: str) -> list[str]:
    return [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]


def _table() -> dict[str, Any]:
    return content.toml("fitness", "refine/profile.toml")


@cache
def _listed(name: str) -> frozenset[str]:
    return frozenset(_table()["address"][name])


@cache
def _verbs() -> frozenset[str]:
    return frozenset(_table()["address"]["imperatives"].split())
