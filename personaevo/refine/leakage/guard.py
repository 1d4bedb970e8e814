"""Leakage guard: text of a person's items in a profile, in particular of the items that it will be scored on.

Six kinds of traces are searched, item by item: runs of words, the words of a sentence in another order, names, numbers, rare words, and
habits: signs that few others use (an unusual smiley), and rare words with which the person begins or ends several items (a signature).
Words of the task or the initial profile (``known``) do not count; words that many others use count little or nothing. Case, punctuation,
look-alike letters, endings, pronouns and spelled-out numbers make no difference.

Not detected, as too few words are kept: paraphrases, translations, synonyms, misspellings, irregular forms ("lost" for "lose"),
abbreviations and initials, words reversed, spaced out or encoded, numbers derived by calculation ("half of it"), years in two parts
("nineteen eighty"), ordinals in words, numbers below ten with another unit, single rare words without a capital, and facts that are true
of many people. A low score is therefore no proof of absence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, Literal, NamedTuple

from personaevo import content
from personaevo.errors import ConfigError
from personaevo.refine.leakage.words import BIG, RARE, Background, Evidence, Places, Stems, Text, Word, stem
from personaevo.text import one_line

_WINDOW = 14  # content words: longer sentences are compared in windows of this size
_PLACES = 20  # most positions at which a run is extended
_SHORTEST = 4  # letters of a rare word


@dataclass(frozen=True)
class Trace:
    """Text of an item found in a profile.

    Attributes:
        stems: its words.
        excerpt: its wording in the profile.
        places: numbers of the profile's sentences that contain it.
        length: words of a run.
        familiar: others use it too.
    """

    kind: str
    stems: tuple[str, ...]
    excerpt: str
    places: Places
    length: int = 0
    familiar: bool = False


def traces(profile: Text, item: Text, evidence: Evidence, part: str) -> Iterator[Trace]:
    """All traces of an item of a part of the split ("train", "dev", "test") in a profile.

    A word counted in a run, sentence or name is not counted again as a rare word.
    """
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
    """Longest runs of words in the same order, without overlap.

    Each word beyond the minimum adds 1 to the weight: long runs are no coincidence, whatever their words.
    """
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
    """Length of the longest run from ``start`` on that the other text contains; 0 if it is shorter than ``size``."""
    longest = 0
    for place in theirs.places(size).get(tuple(ours.stems[start : start + size]), [])[:_PLACES]:
        pairs = zip(ours.stems[start:], theirs.stems[place:], strict=False)
        longest = max(longest, sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)))
    return longest


def orders(profile: Text, item: Text, evidence: Evidence, part: str, covered: Stems) -> Iterator[Trace]:
    """Sentences of the item whose words stand in one or two sentences of the profile, or anywhere in it, in any order.

    A trace has nearly all words of the sentence, or most of its content words.
    """
    places = _passages(profile, evidence)
    for words in item.words:
        stems = frozenset(word.stem for word in words)
        found = _all_words(stems, places, evidence, covered) or _content_words(words, places, evidence, part, covered)
        if found:
            carried = frozenset(word.stem for number in found for word in profile.words[number])
            shared = (stems & carried) - covered
            covered |= shared
            yield Trace("order", tuple(sorted(shared)), " … ".join(profile.sentences[number] for number in found), found)


class _Passage(NamedTuple):
    """One or two neighboring sentences of a profile: their numbers, distinct words, and the number of content words."""

    numbers: Places
    words: Stems
    telling: int


def _passages(profile: Text, evidence: Evidence) -> list[_Passage]:
    units = [frozenset(word.stem for word in words) for words in profile.words]
    pairs = [((number, number + 1), units[number] | units[number + 1]) for number in range(len(units) - 1)]
    single: list[tuple[Places, Stems]] = [((number,), unit) for number, unit in enumerate(units)]
    return [_Passage(numbers, words, sum(map(bool, map(evidence.worth, words)))) for numbers, words in (*single, *pairs)]


def _all_words(stems: Stems, places: Sequence[_Passage], evidence: Evidence, covered: Stems) -> Places:
    """The passage that has nearly all words of a sentence, function words included, or that consists almost entirely of them."""
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


def _content_words(words: Sequence[Word], places: Sequence[_Passage], evidence: Evidence, part: str, covered: Stems) -> Places:
    """The passage that has most content words of a sentence, or of a window of a long one."""
    table = evidence.table["order"]
    near, across = _Threshold(table["words"][part], table["worth"][part], table["share"]), _Threshold(**table["across"])
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


class _Threshold(NamedTuple):
    """Minimum number, total weight and share of common words for a trace."""

    words: int
    worth: int
    share: float

    def holds(self, both: Stems, size: int, evidence: Evidence, covered: Stems) -> bool:
        shared = both - covered
        return len(shared) >= self.words and len(both) >= self.share * size and evidence.total(shared) >= self.worth


def names(profile: Text, item: Text, evidence: Evidence) -> Iterator[Trace]:
    """Words with a capital inside a sentence, in the item or the profile; common words only if in both."""
    stems = frozenset(item.stems)
    for key in sorted(stems & frozenset(profile.stems)):
        worth, marks = evidence.worth(key), (key in item.capitals) + (key in profile.capitals)
        if worth and not key.startswith("#") and marks and (worth == RARE or marks == 2):
            yield _of_word("name", key, profile, familiar=worth < RARE)


def rare_words(profile: Text, item: Text, evidence: Evidence, covered: Stems) -> Iterator[Trace]:
    """Words that few people use."""
    for key in sorted((frozenset(item.stems) & frozenset(profile.stems)) - covered):
        if not key.startswith("#") and len(key) >= _SHORTEST and evidence.worth(key) == RARE:
            yield _of_word("rare", key, profile, familiar=False)


def signs(profile: Text, item: Text, evidence: Evidence) -> Iterator[Trace]:
    """Smileys and the like that few others use, unchanged."""
    for sign, places in profile.signs.items():
        worth = evidence.worth(sign)
        if worth and sign in item.signs:
            yield Trace("habit", (sign,), sign[1:], places, familiar=worth < RARE)


def _of_word(kind: str, key: str, profile: Text, *, familiar: bool) -> Trace:
    found = [(number, word) for number, word in profile.flat if word.stem == key]
    return Trace(kind, (key,), found[0][1].text, tuple(sorted({number for number, _ in found})), familiar=familiar)


def numbers(profile: Text, item: Text, evidence: Evidence) -> Iterator[Trace]:
    """Equal numbers, in digits or words: those below ten only with their unit; those that describe manner ("five words") not."""
    manner, money = (frozenset(map(stem, evidence.table["words"][name].split())) for name in ("units", "money"))
    theirs = [word for _, word in item.flat if word.value is not None]
    seen: set[str] = set()
    for number, word in profile.flat:
        if word.value is None or word.unit in manner:
            continue
        key = word.stem if word.value >= BIG or word.value % 1 else f"{word.stem} {word.unit}"
        if key in seen or key in evidence.known.keys or not any(_same_number(word, other, money) for other in theirs):
            continue
        seen.add(key)
        yield Trace("number", (word.stem,), f"{word.text} {word.unit}".strip(), (number,), familiar=0 < evidence.worth(key) < RARE)


def _same_number(one: Word, other: Word, money: Stems) -> bool:
    if one.value != other.value or one.value is None:
        return False
    if one.value < BIG and not one.value % 1:
        return bool(one.unit) and one.unit == other.unit and (one.value > 1 or one.unit in money)
    return not one.unit or not other.unit or (one.unit in money) == (other.unit in money)


Part = Literal["train", "dev", "test"]
Policy = Literal["warn", "redact", "reject"]
ItemTexts = Mapping[Part, Mapping[str, str]]  # the person's text by item id

PARTS: tuple[Part, ...] = ("test", "dev", "train")  # the most serious first
NO_BACKGROUND = Background()
_SHOWN = 80
_ADVISED = 5  # leaks named in an advice
_HABIT = "habit"


@dataclass(frozen=True, slots=True)
class Leak:
    """One leak.

    Attributes:
        kind: "run", "order", "name", "number", "rare" or "habit".
        excerpt: its wording in the *profile* (one line, at most 80 characters, safe to print).
        weight: 0..1.
        sentences: the profile's sentences that contain it, unchanged.
    """

    kind: str
    excerpt: str
    item_id: str
    part: Part
    weight: float
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The leaks of a profile, the heaviest first.

    ``score`` (0..1) is 1 - the product of (1 - weight): 0 if there is none. ``serious``: the score reaches the limit
    (``fitness/refine/leakage.toml``) from which a policy acts; below it a leak is only noted.
    """

    score: float
    leaks: tuple[Leak, ...]
    serious: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a policy.

    Attributes:
        accepted: whether the profile may be used.
        statements: those that are kept.
        removed: those that were left out.
        report: leaks of the kept statements.
        note: for the history.
        advice: for the writer of the next version; "" if nothing was found. It never names the item or part of a leak.
    """

    accepted: bool
    statements: tuple[str, ...]
    removed: tuple[str, ...]
    report: LeakReport
    note: str
    advice: str


def find_leaks(profile_text: str, items: ItemTexts, known: str = "", background: Background = NO_BACKGROUND) -> LeakReport:
    """Find text of ``items`` (part → item id → the person's text) in a profile.

    Args:
        known: texts whose words do not count: task, context and the initial profile.
        background: words of *other* people on the same task (built once with ``Background.of``). Without it, a list of common English
            words decides what is rare.

    Text of several items is one leak, of the most serious part. Time grows with the length of the profile times that of the items.
    """
    table = content.toml("fitness", "refine/leakage.toml")
    profile, evidence = Text.of(profile_text), Evidence(Text.of(known), background, table)
    edges = Counter(key for part in PARTS for text in items.get(part, {}).values() for key in Text.of(text).edges)
    signatures = {key for key, count in edges.items() if count > 1}
    found: dict[tuple[str, tuple[str, ...]], Leak] = {}
    for part in PARTS:
        for item_id, text in items.get(part, {}).items():
            for trace in traces(profile, Text.of(text), evidence, part):
                key = _HABIT if trace.kind == "rare" and trace.stems[0] in signatures else trace.kind
                found.setdefault((key, trace.stems), _leak(replace(trace, kind=key), item_id, part, profile, table))
    leaks = tuple(sorted(found.values(), key=lambda leak: (-leak.weight, leak.kind, leak.excerpt)))
    score = 1.0 - math.prod(1.0 - leak.weight for leak in leaks)
    return LeakReport(score, leaks, score >= table["limit"])


def _leak(trace: Trace, item_id: str, part: Part, profile: Text, table: Mapping[str, Any]) -> Leak:
    longer = table["longer"] * (trace.length - table["run"]["words"][part]) if trace.length else 0.0
    weight = (table["kind"][trace.kind] + longer) * table["part"][part] * (table["familiar"] if trace.familiar else 1.0)
    line = one_line(trace.excerpt)
    excerpt = line if len(line) <= _SHOWN else f"{line[: _SHOWN - 2]} …"
    return Leak(trace.kind, excerpt, item_id, part, min(1.0, weight), tuple(profile.sentences[place] for place in trace.places))


# --- policies


def apply_policy(policy: Policy, statements: Sequence[str], check: Callable[[str], LeakReport]) -> Verdict:
    """Apply a policy to a profile of these statements (one claim each); ``check`` is ``find_leaks`` with all other arguments bound.

    - warn: accept; leaks are noted
    - redact: remove the statements with the heaviest leaks until no serious leak is left, checking again each time; accept the rest, if any
    - reject: accept only if there is no serious leak

    Raises:
        ConfigError: the policy is unknown.
    """
    if policy not in ("warn", "redact", "reject"):
        raise ConfigError(f"leakage policy '{one_line(policy)}': expected warn, redact or reject")
    first = check("\n".join(statements))
    excerpts = "; ".join(f"'{leak.excerpt}'" for leak in first.leaks[:_ADVISED]) if first.serious else ""
    advice = f"Say how the person behaves, not what was said. Leave out: {excerpts}." if excerpts else ""
    if policy == "redact" and first.serious:
        kept, removed, report = _redacted(statements, first, check)
        accepted = bool(kept) and not report.serious
        return Verdict(accepted, kept, removed, report, _note(first, f"{len(removed)} of {len(statements)} statements left out"), advice)
    accepted = policy != "reject" or not first.serious
    return Verdict(accepted, tuple(statements), (), first, _note(first, "accepted" if accepted else "rejected"), advice)


def _redacted(
    statements: Sequence[str], report: LeakReport, check: Callable[[str], LeakReport]
) -> tuple[tuple[str, ...], tuple[str, ...], LeakReport]:
    kept: tuple[str, ...] = tuple(statements)
    removed: tuple[str, ...] = ()
    for _ in statements:
        if not report.serious:
            break
        carried = frozenset(report.leaks[0].sentences)
        bad = tuple(text for text in kept if not carried.isdisjoint(Text.of(text).sentences))
        kept, removed = tuple(text for text in kept if text not in bad), removed + bad
        report = check("\n".join(kept))
    return kept, removed, report


def _note(report: LeakReport, done: str) -> str:
    if not report.leaks:
        return ""
    worst = report.leaks[0]
    more = f" and {len(report.leaks) - 1} more" if len(report.leaks) > 1 else ""
    return f"leak score {report.score:.2f} ({worst.kind} from {worst.part}: '{worst.excerpt}'{more}): {done}"
