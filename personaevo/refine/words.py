"""Words as the leakage guard compares them: what disguises a word (case, look-alikes, endings, numbers spelled out) is taken away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from typing import Any

from personaevo import content, injection

_PLAIN = re.compile(r"[^\W_]+")
_END = re.compile(r"(?<=[.!?])(?<!\.\.\.)(?<!\b(?:St|Mr|Ms|Dr)\.)(?<!\bMrs\.)\s+|(?<=[.!?][\"')\]\u201d\u2019])\s+|\n+")
_TOKEN = re.compile(
    r"(?:(?P<sign>[$\u20ac\u00a3])\s?)?(?P<digits>\d+(?:[.,]\d+)*)(?P<tail>\s?%|[^\W\d_]+)?|(?P<word>[^\W_]+(?:['\u2019\u02bc][^\W_]+)*)"
)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SIGNS = {"$": "dollar", "\u20ac": "euro", "\u00a3": "pound", "%": "percent"}
_TIMES = {"k": 1e3, "m": 1e6}
_ENDINGS = {"ied": "y", "ily": "y", "tion": "t", "ing": "", "ed": "", "ly": ""}
_EACH = frozenset({"a", "an", "each", "every", "per"})
_LONGEST = 12  # digits: more are a code, not an amount

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SMALL = {word: float(value) for value, word in enumerate(_ONES)} | {word: 20.0 + 10 * index for index, word in enumerate(_TENS)}
_LARGE = {"dozen": 12.0, "hundred": 100.0, "thousand": 1e3, "million": 1e6}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    ``stem`` is what it is compared by: folded, without its ending; persons of pronouns are made one ("my" is "your"), and a number is "#"
    with its value, in digits or spelled out. ``value`` is that number; ``unit`` the stem of what it counts or is measured in, "" if
    nothing follows. ``capital`` tells that it begins with a capital although its sentence does not begin with it.
    """

    text: str
    stem: str
    value: float | None = None
    unit: str = ""
    capital: bool = False


def plain_words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case."""
    return _PLAIN.findall(text.lower())


def sentences(text: str) -> list[str]:
    """The sentences of a text as they stand: parted at line breaks and after full stops, question and exclamation marks."""
    return [part for part in map(str.strip, _END.split(text)) if part]


def read(sentence: str) -> list[Word]:
    """The words of one sentence."""
    seen = "".join(char for char in unicodedata.normalize("NFKC", sentence) if unicodedata.category(char) != "Cf")
    words = _numbers(list(_words(seen)))
    shouted = sum(word.text.isupper() for word in words) > len(words) / 2
    counted = [replace(word, unit=word.unit or _unit(words, index)) if word.value is not None else word for index, word in enumerate(words)]
    return [replace(word, capital=word.capital and index > 0 and not shouted) for index, word in enumerate(counted)]


@cache
def stem(word: str) -> str:
    """What is left of a word in lower case without its ending: plural, -ing, -ed, -ion, -ly and a last e go. Light on purpose: "lost" and
    "lose" stay two words."""
    word = re.sub(r"['\u2019\u02bc]s?$|['\u2019\u02bc]", "", word)
    if len(word) < 4 or not word.isalpha():
        return word
    word = _singular(word)
    ending = next((ending for ending in _ENDINGS if word.endswith(ending)), "")
    rest = word.removesuffix(ending)
    if ending and len(rest) > 2 and any(char in "aeiouy" for char in rest):
        word = rest + _ENDINGS[ending]
        if ending in ("ing", "ed") and rest[-1] == rest[-2] and rest[-1] not in "lsze":  # stopped, but not telling
            word = rest[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ses", "xes", "zes", "ches", "shes")) and len(word) > 4:
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _words(text: str) -> Iterator[Word]:
    for match in _TOKEN.finditer(text):
        token = match["word"]
        if token is None:
            yield _digits(match)
        else:
            low = _low(token)
            yield Word(token, _table()["persons"].get(low) or stem(low), None, "", token[0].isupper())


def _low(token: str) -> str:
    low = token.lower() if token.isascii() else injection.folded(token)
    return low.replace("\u2019", "'").replace("\u02bc", "'")


def _digits(match: re.Match[str]) -> Word:
    digits, tail = match["digits"], (match["tail"] or "").strip().lower()
    plain = digits.replace(",", "") if _GROUPED.fullmatch(digits) else digits.replace(",", ".")
    if plain.count(".") > 1 or len(plain) > _LONGEST:  # a date, a version, a telephone number
        return Word(match[0], "".join(char for char in match[0].lower() if char.isalnum()))
    value = float(plain) * _TIMES.get(tail, 1.0)
    return _number(match[0], value, _SIGNS.get(match["sign"] or tail, "" if tail in _TIMES else stem(tail)))


def _number(text: str, value: float, unit: str = "") -> Word:
    return Word(text, f"#{value:.10g}", value, unit)


def _numbers(words: Sequence[Word]) -> list[Word]:
    """The words with each number that is spelled out made one."""
    made: list[Word] = []
    index = 0
    while index < len(words):
        used, value = _spelled([_low(word.text) for word in words[index : index + 10]])
        if used:
            made.append(_number(" ".join(word.text for word in words[index : index + used]), value))
        index += used or 1
        if not used:
            made.append(words[index - 1])
    return made


def _spelled(words: Sequence[str]) -> tuple[int, float]:
    """How many of the first words spell one number, and its value: "two hundred and fifty people" gives (4, 250)."""
    total, part, used, below = 0.0, 0.0, 0, 100.0  # below: of what the next word must be smaller, as 5 after 20, but not 20 after 5
    for index, word in enumerate(words):
        if word in _SMALL and _SMALL[word] < below:
            part, below = part + _SMALL[word], 10.0 if _SMALL[word] >= 20 else 0.0
        elif word in _LARGE:
            part = max(part, 1.0) * _LARGE[word]
            total, part = (total + part, 0.0) if _LARGE[word] > 100 else (total, part)
            below = 100.0
        elif word == "and" and used and below == 100.0 and index + 1 < len(words) and words[index + 1] in _SMALL:
            continue
        else:
            break
        used = index + 1
    return used, total + part


def _unit(words: Sequence[Word], index: int) -> str:
    """What the number counts: the next word that is not a function word, of the two that follow ("25 a month" does not say)."""
    following = takewhile(lambda one: one not in _EACH, (word.stem for word in words[index + 1 : index + 3] if word.value is None))
    return next((one for one in following if one not in function_stems()), "")


@cache
def function_stems() -> frozenset[str]:
    """Stems of the words that say nothing by themselves ("the", "would")."""
    return frozenset(map(stem, _table()["function"].split())) | frozenset(_table()["persons"].values())


@cache
def common_stems() -> frozenset[str]:
    """Stems of common English words, and of those in which manner is described."""
    return frozenset(stem(word) for name in ("common", "manner") for word in _table()[name].split())


def _table() -> dict[str, Any]:
    table: dict[str, Any] = content.toml("fitness", "refine/leakage.toml")["words"]
    return table
