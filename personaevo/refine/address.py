"""Profiles of people: claims in the second person in typed sections, and dials of the embedded simulator.

The grammatical person of a sentence is decided by word lists, not by a parser (``fitness/refine/profile.toml``): a claim must contain
"you" or begin with a known imperative, must have no first person ("I", "my"), and must not begin with a third person ("The user …",
"She …"). Text in quotation marks does not count.
"""

from __future__ import annotations

import re
from functools import cache

from personaevo import content

NO_ADDRESSEE = "has neither 'you' nor a known imperative"  # a problem
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
_QUOTED = re.compile(r"\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|\u2018[^\u2019\n]*\u2019(?!\w)|(?<!\w)'(?:[^'\n]|'(?=\w))*'(?!\w)")
_PARTS = re.compile(r"[,;:()\u2013\u2014]|(?<=\s)-(?=\s)")
_NOT_FIRST_PERSON = re.compile(r"\b(?:[Ii]\.[Ee]\.|World War I\b)")
_FIRST_PERSON = re.compile(
    r"\b(?:I (?P<often>\w+ly|often|always|never|also|just|still) (?P<be>am|was)|I am|I was|am I|was I"
    r"|I['\u2019](?:m|ve|d|ll)|I|me|my|myself)\b",
    re.IGNORECASE,
)
_SECOND_PERSON = {
    "i am": "you are", "i was": "you were", "am i": "are you", "was i": "were you", "i'm": "you're", "i've": "you've", "i'd": "you'd",
    "i'll": "you'll", "i": "you", "me": "you", "my": "your", "myself": "yourself",
}  # fmt: skip


def second_person_problem(sentence: str) -> str | None:
    """Why the sentence is not in the second person; None if it is."""
    bare = _QUOTED.sub(" ", _NOT_FIRST_PERSON.sub(" ", sentence))
    words = _words(bare)
    first = next((word for word in words if word in _listed("first")), None)
    if first is not None:
        return f"is in the first person ('{first}')"
    if " ".join(words[:1]) in _listed("others") or " ".join(words[:2]) in _listed("others"):
        return f"is in the third person ('{' '.join(words[:2])}')"
    if not _listed("you").isdisjoint(words) or any(map(_is_imperative, _PARTS.split(bare))):
        return None
    return NO_ADDRESSEE


def in_second_person(sentence: str) -> str:
    """Put a sentence into the second person.

    Tried in order: the sentence as it stands, the first person replaced by "you" ("I am …" becomes "You are …"), a kind of person
    addressed ("A nurse who …" becomes "You are a nurse who …"). If none of these has an addressee, the sentence is wrapped as reported
    speech about the reader.
    """
    words = _words(sentence)
    of_kind = f"You are {sentence[:1].lower()}{sentence[1:]}" if words and words[0] in _listed("nouns") else sentence
    rewritten = _without_first_person(sentence)
    for made in (sentence, rewritten, of_kind):
        if second_person_problem(made) is None:
            return made
    template: str = content.toml("fitness", "refine/profile.toml")["said"]
    return template.replace("{text}", rewritten)


def _without_first_person(sentence: str) -> str:
    parts, end = [], 0
    for kept in re.finditer(f"{_QUOTED.pattern}|{_NOT_FIRST_PERSON.pattern}", sentence):
        parts += [_FIRST_PERSON.sub(_replacement, sentence[end : kept.start()]), kept[0]]
        end = kept.end()
    made = "".join([*parts, _FIRST_PERSON.sub(_replacement, sentence[end:])])
    return made[:1].upper() + made[1:] if sentence[:1].isupper() else made


def _replacement(match: re.Match[str]) -> str:
    if match["be"]:
        return f"you {match['often']} {'are' if match['be'].lower() == 'am' else 'were'}"
    made = _SECOND_PERSON.get(match[0].lower().replace("\u2019", "'"), match[0])  # the expression takes "İ" for "I"; the table does not
    return made.capitalize() if match[0][0] in "AM" else made


def _is_imperative(part: str) -> bool:
    """Whether a clause begins with an imperative."""
    rest = (word for word in _words(part) if word not in _listed("before") and not word.endswith("ly"))
    return next(rest, "") in _listed("imperatives")


def _words(text: str) -> list[str]:
    return [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]


@cache
def _listed(name: str) -> frozenset[str]:
    """A word list of the content; imperatives are listed there as one text."""
    words = content.toml("fitness", "refine/profile.toml")["address"][name]
    return frozenset(words.split() if isinstance(words, str) else words)
