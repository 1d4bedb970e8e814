"""Words of a text as the leakage guard compares them, and how many other people use each.

Case, look-alike letters, endings and spelled-out numbers are normalized away.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from typing import Any

from personaevo import content, definitions, injection

_END = re.compile(r"(?<=[.!?])(?<!\.\.\.)(?<!\b(?:St|Mr|Ms|Dr)\.)(?<!\bMrs\.)\s+|(?<=[.!?][\"')\]\u201d\u2019])\s+|\n+")
_TOKEN = re.compile(
    r"(?:(?P<sign>[$\u20ac\u00a3])\s?)?(?P<digits>\d+(?:[.,]\d+)*)(?P<tail>\s?%|[^\W\d_]+)?|(?P<word>[^\W_]+(?:['\u2019\u02bc][^\W_]+)*)"
)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SIGNS = {"$": "dollar", "\u20ac": "euro", "\u00a3": "pound", "%": "percent"}
_TIMES = {"k": 1e3, "m": 1e6}
_ENDINGS = {"ied": "y", "ily": "y", "tion": "t", "ing": "", "ed": "", "ly": ""}
_EACH = frozenset({"a", "an", "each", "every", "per"})
RARE, _COMMON, _NOTHING = 3, 1, 0  # weight of a word as evidence that one text was taken from another
BIG = 10  # smaller numbers are evidence only with their unit
_LONGEST = 12  # digits of an amount; longer ones are codes
_LONGEST_SIGN = 20
_SIGN_PREFIX = "~"  # marks a sign such as a smiley among words
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"
_PUNCTUATION = frozenset(".,;:!?-\u2013\u2014\u2026*/_()<>[]&+=#")

Stems = frozenset[str]
Places = tuple[int, ...]  # numbers of sentences

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SMALL = {word: float(value) for value, word in enumerate(_ONES)} | {word: 20.0 + 10 * index for index, word in enumerate(_TENS)}
_LARGE = {"dozen": 12.0, "hundred": 100.0, "thousand": 1e3, "million": 1e6}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    Attributes:
        stem: normalized form for comparison: folded, without its ending; pronouns of all persons are equal ("my" is "your"), and a
            number is "#" with its value, whether in digits or words.
        value: the number.
        unit: stem of what the number counts or is measured in; "" if nothing follows.
        capital: it begins with a capital inside its sentence.
    """

    text: str
    stem: str
    value: float | None = None
    unit: str = ""
    capital: bool = False


@dataclass(frozen=True)
class Text:
    """A text split into sentences, and the words of each."""

    sentences: tuple[str, ...]
    words: tuple[tuple[Word, ...], ...]

    @staticmethod
    @lru_cache(maxsize=256)
    def of(text: str) -> Text:
        """Parse a text; an empty one has no sentences. Cached: the items of a person are compared with one profile after another."""
        parts = tuple(split_sentences(text))
        return Text(parts, tuple(tuple(read_words(part)) for part in parts))

    @cached_property
    def flat(self) -> list[tuple[int, Word]]:
        """All words, each with the number of its sentence."""
        return [(number, word) for number, words in enumerate(self.words) for word in words]

    @cached_property
    def stems(self) -> list[str]:
        """The stems of all words, in order."""
        return [word.stem for _, word in self.flat]

    @cached_property
    def keys(self) -> Stems:
        """The distinct stems, numbers with their units, and signs."""
        counted = (f"{word.stem} {word.unit}" for _, word in self.flat if word.value is not None)
        return frozenset(self.stems) | frozenset(counted) | frozenset(self.signs)

    @cached_property
    def signs(self) -> Mapping[str, Places]:
        """Signs such as smileys, unchanged, with the numbers of the sentences that contain them.

        A sign is a piece between blanks with at least as many signs as letters that is not mere punctuation.
        """
        found: dict[str, list[int]] = defaultdict(list)
        plain = _PUNCTUATION - set("()<>[]=/*_")
        for number, sentence in enumerate(self.sentences):
            tokens = dict.fromkeys(piece.strip(_QUOTES) for piece in sentence.split())
            for token in tokens:
                signs = sum(not char.isalnum() for char in token)
                if 2 <= len(token) <= _LONGEST_SIGN and 2 * signs >= len(token) and not set(token) <= plain:
                    found[f"{_SIGN_PREFIX}{token}"].append(number)
        return {sign: tuple(numbers) for sign, numbers in found.items()}

    @cached_property
    def edges(self) -> Stems:
        """Stems of the first and last word of each sentence, where signature phrases stand."""
        return frozenset(word.stem for words in self.words if words for word in (words[0], words[-1]))

    @cached_property
    def capitals(self) -> Stems:
        """Stems of the words with a capital inside a sentence."""
        return frozenset(word.stem for _, word in self.flat if word.capital)

    @cached_property
    def grams(self) -> dict[int, dict[tuple[str, ...], list[int]]]:
        """Index of runs of words by their length; filled by ``places``."""
        return {}

    def places(self, size: int) -> Mapping[tuple[str, ...], list[int]]:
        """Start positions of each run of ``size`` stems."""
        if size not in self.grams:
            found: dict[tuple[str, ...], list[int]] = defaultdict(list)
            for start in range(len(self.stems) - size + 1):
                found[tuple(self.stems[start : start + size])].append(start)
            self.grams[size] = found
        return self.grams[size]


@dataclass(frozen=True)
class Background:
    """Document frequencies of words in ``texts`` texts of *other* people: a word that many use identifies no one."""

    texts: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Background:
        """Count the words of texts, one text per dialogue (or post, or session)."""
        counts: Counter[str] = Counter()
        number = 0
        for number, text in enumerate(texts, 1):  # noqa: B007 - the number of texts
            counts.update(Text.of(text).keys)
        return cls(number, counts)

    def share(self, key: str) -> float:
        """Share (0..1) of the texts that contain a stem, or a number with its unit."""
        return self.counts.get(key, 0) / self.texts if self.texts else 0.0


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, unchanged: split at line breaks and after full stops, question and exclamation marks."""
    return [part for part in map(str.strip, _END.split(text)) if part]


def read_words(sentence: str) -> list[Word]:
    """The words of one sentence."""
    seen = "".join(char for char in unicodedata.normalize("NFKC", sentence) if unicodedata.category(char) != "Cf")
    words = _numbers(list(_words(seen)))
    shouted = sum(word.text.isupper() for word in words) > len(words) / 2
    units = [word.unit or _unit(words[index + 1 :]) if word.value is not None else "" for index, word in enumerate(words)]
    counted = [replace(word, unit=unit) for word, unit in zip(words, units, strict=True)]
    return [replace(word, capital=word.capital and index > 0 and not shouted) for index, word in enumerate(counted)]


@cache
def stem(word: str) -> str:
    """A word in lower case without its ending: plural, -ing, -ed, -ion, -ly and a final e are removed.

    A light stemmer on purpose: "lost" and "lose" stay two words.
    """
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
    return Word(match[0], f"#{value:.10g}", value, _SIGNS.get(match["sign"] or tail, "" if tail in _TIMES else stem(tail)))


def _numbers(words: Sequence[Word]) -> list[Word]:
    """The words with each spelled-out number joined to one word."""
    made: list[Word] = []
    index = 0
    while index < len(words):
        used, value = _spelled([_low(word.text) for word in words[index : index + 10]])
        if used:
            made.append(Word(" ".join(word.text for word in words[index : index + used]), f"#{value:.10g}", value))
        index += used or 1
        if not used:
            made.append(words[index - 1])
    return made


def _spelled(words: Sequence[str]) -> tuple[int, float]:
    """Number of leading words that spell one number, and its value: "two hundred and fifty people" gives (4, 250)."""
    total, part, used, below = 0.0, 0.0, 0, 100.0  # below: bound of the next word, so that 5 may follow 20, but not 20 a 5
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


def _unit(following: Sequence[Word]) -> str:
    """The unit of a number: the first of the next two words that is not a function word ("25 a month" has none)."""
    for word in following[:2]:
        if word.value is None and word.stem in _EACH:
            break
        if word.value is None and word.stem not in function_stems():
            return word.stem
    return ""


@cache
def function_stems() -> frozenset[str]:
    """Stems of function words ("the", "would")."""
    return frozenset(map(stem, _table()["function"].split())) | frozenset(_table()["persons"].values())


@cache
def common_stems() -> frozenset[str]:
    """Stems of common English words, and of words that describe manner."""
    return frozenset(stem(word) for name in ("common", "manner") for word in _table()[name].split())


@cache
def common_signs() -> Stems:
    """Common smileys, as keys of a text."""
    return frozenset(f"{_SIGN_PREFIX}{smiley}" for smiley in definitions.typing().lexicon["smileys"])


def _table() -> dict[str, Any]:
    table: dict[str, Any] = content.toml("fitness", "refine/leakage.toml")["words"]
    return table


@dataclass(frozen=True)
class Evidence:
    """Weights of words as evidence.

    0 for function words, for words of ``known`` and for words of nearly all others, 1 for common words, 3 for rare ones. ``table`` is
    ``fitness/refine/leakage.toml``.
    """

    known: Text
    background: Background
    table: Mapping[str, Any]
    _worth: dict[str, int] = field(default_factory=dict, compare=False)

    def share(self, key: str) -> float:
        """As in the background; 0 if that has too few texts for an estimate."""
        return self.background.share(key) if self.background.texts >= self.table["background"]["texts"] else 0.0

    def worth(self, key: str) -> int:
        """Weight of a stem, or of a number with its unit."""
        if key not in self._worth:
            share = self.share(key)
            small = key.startswith("#") and " " not in key and float(key[1:]) < BIG
            common = share >= self.table["background"]["familiar"] or key in common_stems() or key in common_signs() or small
            nothing = key in self.known.keys or key in function_stems() or share >= self.table["background"]["nothing"]
            self._worth[key] = _NOTHING if nothing else _COMMON if common else RARE
        return self._worth[key]

    def total(self, keys: Iterable[str]) -> int:
        """Total weight of the distinct keys."""
        return sum(map(self.worth, set(keys)))
