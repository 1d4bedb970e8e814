"""Traces of one text in another: runs of words, sentences in another order, names, numbers, rare words, rare signs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

from personaevo import definitions
from personaevo.refine.words import Word, common_stems, function_stems, read, sentences, stem

Known = frozenset[str]
Places = tuple[int, ...]  # numbers of sentences

_RARE, _COMMON, _NOTHING = 3, 1, 0  # what a word is worth as evidence that one text was taken from another
_WINDOW = 14  # words that say something: longer sentences are looked at in pieces of so many
_PLACES = 20  # at which a run is tried to be continued
_SHORTEST = 4  # letters of a rare word
_BIG = 10  # from here on a number says something without what it counts
_MARK = "~"  # before a sign such as a smiley, among words
_LONGEST_MARK = 20
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"
_PUNCTUATION = frozenset(".,;:!?-\u2013\u2014\u2026*/_()<>[]&+=#")


@dataclass(frozen=True)
class Text:
    """A text taken apart: its sentences as they stand, and the words of each."""

    sentences: tuple[str, ...]
    words: tuple[tuple[Word, ...], ...]

    @staticmethod
    @lru_cache(maxsize=256)
    def of(text: str) -> Text:
        """Any text; an empty one has no sentences. The items of a person are looked at for one profile after another: the last are kept."""
        parts = tuple(sentences(text))
        return Text(parts, tuple(tuple(read(part)) for part in parts))

    @cached_property
    def flat(self) -> list[tuple[int, Word]]:
        """All words, with the number of the sentence of each."""
        return [(number, word) for number, words in enumerate(self.words) for word in words]

    @cached_property
    def stems(self) -> list[str]:
        """The stems of all words, in order."""
        return [word.stem for _, word in self.flat]

    @cached_property
    def keys(self) -> Known:
        """The different stems, and numbers with what they count."""
        return frozenset(self.stems) | {_counted(word) for _, word in self.flat if word.value is not None} | frozenset(self.marks)

    @cached_property
    def marks(self) -> Mapping[str, Places]:
        """Signs as they stand, such as smileys, and the numbers of the sentences that hold them."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, sentence in enumerate(self.sentences):
            for mark in dict.fromkeys(_marks(sentence)):
                found[mark].append(number)
        return {mark: tuple(numbers) for mark, numbers in found.items()}

    @cached_property
    def edges(self) -> Known:
        """Stems of the words that a sentence begins or ends with: where people put what they always say."""
        return frozenset(word.stem for words in self.words if words for word in (words[0], words[-1]))

    @cached_property
    def capitals(self) -> Known:
        """Stems of the words with a capital inside a sentence."""
        return frozenset(word.stem for _, word in self.flat if word.capital)

    @cached_property
    def grams(self) -> dict[int, dict[tuple[str, ...], list[int]]]:
        """Places of runs of words, by their number of words: filled when asked for."""
        return {}

    def places(self, size: int) -> Mapping[tuple[str, ...], list[int]]:
        """Where each run of ``size`` stems begins."""
        if size not in self.grams:
            found: dict[tuple[str, ...], list[int]] = defaultdict(list)
            for start in range(len(self.stems) - size + 1):
                found[tuple(self.stems[start : start + size])].append(start)
            self.grams[size] = found
        return self.grams[size]


@dataclass(frozen=True)
class Background:
    """How many of some ``texts`` of *other* people hold each word: what many say is no trace of one."""

    texts: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Background:
        """Count the words of texts, one text a dialogue (or post, or session)."""
        counts: Counter[str] = Counter()
        number = 0
        for number, text in enumerate(texts, 1):  # noqa: B007 - how many there were
            counts.update(Text.of(text).keys)
        return cls(number, counts)

    def share(self, key: str) -> float:
        """Share (0..1) of the texts that hold a stem, or a number with what it counts."""
        return self.counts.get(key, 0) / self.texts if self.texts else 0.0


@dataclass(frozen=True)
class Evidence:
    """What a word is worth as evidence: 0 for function words, for what everybody knows and for what nearly all say, 1 for common words, 3
    for rare ones. ``table`` is that of ``fitness/refine/leakage.toml``."""

    known: Text
    background: Background
    table: Mapping[str, Any]
    _worth: dict[str, int] = field(default_factory=dict, compare=False)

    def share(self, key: str) -> float:
        """As in the background, 0 if that has too few texts to tell."""
        return self.background.share(key) if self.background.texts >= self.table["background"]["texts"] else 0.0

    def worth(self, key: str) -> int:
        """Of a stem, or of a number with what it counts."""
        if key not in self._worth:
            self._worth[key] = self._weigh(key)
        return self._worth[key]

    def _weigh(self, key: str) -> int:
        share = self.share(key)
        if key in self.known.keys or key in function_stems() or share >= self.table["background"]["nothing"]:
            return _NOTHING
        known = key in common_stems() or key in _common_marks() or _small(key)
        return _COMMON if share >= self.table["background"]["familiar"] or known else _RARE

    def total(self, keys: Iterable[str]) -> int:
        """The worth of different words together."""
        return sum(map(self.worth, set(keys)))


@dataclass(frozen=True)
class Trace:
    """Something of an item in a profile: the kind, its words (stems), how the profile puts it, the numbers of the profile's sentences that
    carry it, and the length of a run. ``familiar``: others say it too."""

    kind: str
    stems: tuple[str, ...]
    excerpt: str
    places: Places
    length: int = 0
    familiar: bool = False


def traces(profile: Text, item: Text, evidence: Evidence, part: str) -> Iterator[Trace]:
    """All traces of an item of a part of the split ("train", "dev", "test") in a profile; no word is counted both in a run (or sentence)
    and as a rare word."""
    covered: set[str] = set()
    for trace in runs(profile, item, evidence, part):
        covered |= set(trace.stems)
        yield trace
    for trace in orders(profile, item, evidence, part, frozenset(covered)):
        covered |= set(trace.stems)
        yield trace
    yield from numbers(profile, item, evidence)
    for trace in names(profile, item, evidence):
        covered |= set(trace.stems)
        yield trace
    yield from rare_words(profile, item, evidence, frozenset(covered))
    yield from signs(profile, item, evidence)


def runs(profile: Text, item: Text, evidence: Evidence, part: str) -> Iterator[Trace]:
    """Longest runs of words in the same order, none overlapping another. Each word beyond the fewest is worth 1 too: long runs are no
    accident, whatever their words."""
    size, least = evidence.table["run"]["words"][part], evidence.table["run"]["worth"][part]
    start = 0
    while start <= len(profile.stems) - size:
        length = _longest(profile, start, item, size)
        stems = profile.stems[start : start + length]
        worth = evidence.total(stems) + length - size
        if length and worth >= least and _longest(profile, start, evidence.known, size) < length:
            chosen = profile.flat[start : start + length]
            excerpt = " ".join(word.text for _, word in chosen)
            yield Trace("run", tuple(stems), excerpt, tuple(sorted({number for number, _ in chosen})), length)
            start += length
        else:
            start += 1


def _longest(ours: Text, start: int, theirs: Text, size: int) -> int:
    """How many words from ``start`` on stand somewhere in the other text in the same order; 0 if fewer than ``size``."""
    places = theirs.places(size).get(tuple(ours.stems[start : start + size]), [])
    return max((_common_length(ours.stems, start, theirs.stems, place) for place in places[:_PLACES]), default=0)


def _common_length(ours: Sequence[str], start: int, theirs: Sequence[str], place: int) -> int:
    limit = min(len(ours) - start, len(theirs) - place)
    return next((length for length in range(limit) if ours[start + length] != theirs[place + length]), limit)


def orders(profile: Text, item: Text, evidence: Evidence, part: str, covered: Known) -> Iterator[Trace]:
    """Sentences of the item whose words are together in one or two sentences of the profile, or over all of it, in whatever order: nearly
    all of its words, or most of those that say something."""
    places = _places(profile, evidence)
    for words in item.words:
        stems = frozenset(word.stem for word in words)
        found = _all_words(stems, places, evidence, covered) or _telling_words(words, places, evidence, part, covered)
        if found:
            carried = frozenset(word.stem for number in found for word in profile.words[number])
            shared = (stems & carried) - covered
            covered |= shared
            yield Trace("order", tuple(sorted(shared)), " … ".join(profile.sentences[number] for number in found), found)


class _Place(NamedTuple):
    """One or two neighboring sentences of a profile: their numbers, their different words, and how many of these say something."""

    numbers: Places
    words: Known
    telling: int


def _places(profile: Text, evidence: Evidence) -> list[_Place]:
    units = [frozenset(word.stem for word in words) for words in profile.words]
    pairs = [((number, number + 1), units[number] | units[number + 1]) for number in range(len(units) - 1)]
    single: list[tuple[Places, Known]] = [((number,), unit) for number, unit in enumerate(units)]
    return [_Place(numbers, words, sum(map(bool, map(evidence.worth, words)))) for numbers, words in (*single, *pairs)]


def _all_words(stems: Known, places: Sequence[_Place], evidence: Evidence, covered: Known) -> Places:
    """Where a sentence stands with nearly all of its words, function words too, or where nearly all words are from it."""
    table = evidence.table["order"]["whole"]
    if len(stems - covered) < table["words"]:
        return ()
    for place in places:
        short, long = sorted((len(stems), len(place.words)))
        shared = stems & place.words
        alike = table["words"] <= short and long <= 2 * short and len(shared) >= table["share"] * short
        if alike and len(shared & evidence.known.keys) < table["share"] * len(shared):
            return place.numbers
    return ()


def _telling_words(words: Sequence[Word], places: Sequence[_Place], evidence: Evidence, part: str, covered: Known) -> Places:
    """Where most of those words of a sentence, or of a piece of a long one, stand that say something."""
    table = evidence.table["order"]
    near, across = _Asked(table["words"][part], table["worth"][part], table["share"]), _Asked(**table["across"])
    everything = frozenset().union(*(place.words for place in places))
    stems = [key for key in dict.fromkeys(word.stem for word in words) if evidence.worth(key)]
    for start in range(0, max(len(stems) - _WINDOW // 2, 1), _WINDOW // 2):
        piece = frozenset(stems[start : start + _WINDOW])
        if len((piece & everything) - covered) < near.words:
            continue
        for place in places:
            if near.holds(piece & place.words, min(len(piece), place.telling), evidence, covered):
                return place.numbers
        if across.holds(piece & everything, len(piece), evidence, covered):
            shared = (piece & everything) - covered
            return tuple(place.numbers[0] for place in places if len(place.numbers) == 1 and not place.words.isdisjoint(shared))
    return ()


class _Asked(NamedTuple):
    """From how many words on, worth how much, and being which share of a sentence, words in common are a trace."""

    words: int
    worth: int
    share: float

    def holds(self, both: Known, size: int, evidence: Evidence, covered: Known) -> bool:
        shared = both - covered
        return len(shared) >= self.words and len(both) >= self.share * size and evidence.total(shared) >= self.worth


def names(profile: Text, item: Text, evidence: Evidence) -> Iterator[Trace]:
    """Words with a capital inside a sentence, here or there; common words only if they have it on both sides."""
    stems = frozenset(item.stems)
    for key in sorted(stems & frozenset(profile.stems)):
        worth, marks = evidence.worth(key), (key in item.capitals) + (key in profile.capitals)
        if worth and not key.startswith("#") and marks and (worth == _RARE or marks == 2):
            yield _of_word("name", key, profile, familiar=worth < _RARE)


def rare_words(profile: Text, item: Text, evidence: Evidence, covered: Known) -> Iterator[Trace]:
    """Words that few use."""
    for key in sorted((frozenset(item.stems) & frozenset(profile.stems)) - covered):
        if not key.startswith("#") and len(key) >= _SHORTEST and evidence.worth(key) == _RARE:
            yield _of_word("rare", key, profile, familiar=False)


def signs(profile: Text, item: Text, evidence: Evidence) -> Iterator[Trace]:
    """Smileys and the like that few others use, as they stand: habits that name a person."""
    for mark, places in profile.marks.items():
        worth = evidence.worth(mark)
        if worth and mark in item.marks:
            yield Trace("habit", (mark,), mark.removeprefix(_MARK), places, familiar=worth < _RARE)


def _marks(sentence: str) -> Iterator[str]:
    """Pieces between blanks that are more signs than letters, without mere punctuation."""
    for piece in sentence.split():
        token = piece.strip(_QUOTES)
        signs_of = [char for char in token if not char.isalnum()]
        if 2 <= len(token) <= _LONGEST_MARK and 2 * len(signs_of) >= len(token) and not set(token) <= _PUNCTUATION - set("()<>[]=/*_"):
            yield f"{_MARK}{token}"


@cache
def _common_marks() -> Known:
    return frozenset(f"{_MARK}{smiley}" for smiley in definitions.typing().lexicon["smileys"])


def _of_word(kind: str, key: str, profile: Text, *, familiar: bool) -> Trace:
    found = [(number, word) for number, word in profile.flat if word.stem == key]
    return Trace(kind, (key,), found[0][1].text, tuple(sorted({number for number, _ in found})), familiar=familiar)


def numbers(profile: Text, item: Text, evidence: Evidence) -> Iterator[Trace]:
    """Equal numbers, in digits or spelled out. Those below ten only with what they count; those that describe manner ("five words") not."""
    manner, money = (frozenset(map(stem, evidence.table["words"][name].split())) for name in ("units", "money"))
    theirs = [word for _, word in item.flat if word.value is not None]
    seen: set[str] = set()
    for number, word in profile.flat:
        if word.value is None or word.unit in manner:
            continue
        key = word.stem if word.value >= _BIG or word.value % 1 else _counted(word)
        if key in seen or key in evidence.known.keys or not any(_same_number(word, other, money) for other in theirs):
            continue
        seen.add(key)
        yield Trace("number", (word.stem,), f"{word.text} {word.unit}".strip(), (number,), familiar=0 < evidence.worth(key) < _RARE)


def _same_number(one: Word, other: Word, money: Known) -> bool:
    if one.value != other.value or one.value is None:
        return False
    if one.value < _BIG and not one.value % 1:
        return bool(one.unit) and one.unit == other.unit and (one.value > 1 or one.unit in money)
    return not one.unit or not other.unit or (one.unit in money) == (other.unit in money)


def _counted(word: Word) -> str:
    return f"{word.stem} {word.unit}"


def _small(key: str) -> bool:
    return key.startswith("#") and " " not in key and float(key[1:]) < _BIG
