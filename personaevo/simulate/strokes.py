"""How typing changes a line, habit by habit. A change keeps the occasions of its own habit and of the others: typed again, a line stays.

All of it works on veiled text (``veils``), so that nothing here can reach what is veiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from personaevo.measure.habits import WORD, Habits, bare, is_lower
from personaevo.measure.typing import ELLIPSIS, EXCLAMATION, QUESTION, STOP, begins_lower, ending

SLIPS = "slips_per_100_words"
_MASK = (1 << 64) - 1
_SWAPPED = 2.0  # half of all neighboring letters are in order, and only those are swapped
_PLAIN_WORD = re.compile(rf"(?<![-'\u2019])(?<!{WORD})[^\W\d_]+(?!{WORD}|[-'\u2019])")
_TOKEN = re.compile(rf"\S*{WORD}\S*")
_SAID = re.compile(WORD)
_AFTER_FIRST = " ,.!\u2026"


class Draws:
    """Uniform draws of one line by habit and occasion: the same at every time (SplitMix64; Steele, Lea & Flood 2014)."""

    def __init__(self, keys: Mapping[str, int], line: int) -> None:
        self.keys, self.line = keys, line

    def __call__(self, habit: str, occasion: int = 0) -> float:
        z = ((self.keys[habit] ^ self.line) + (occasion + 1) * 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (z ^ (z >> 31)) / 2.0**64


@dataclass(frozen=True)
class Hand:
    """How one person types in one dialogue: the level of each habit that has one, slips per 100 words, and the forms that this person
    prefers, by what they stand for (a habit, or a word that can be abbreviated). ``ordinary`` are words that are no names, ``spared`` those
    that are never misspelled."""

    levels: Mapping[str, float]
    slips: float
    favorites: Mapping[str, str]
    habits: Habits
    ordinary: Collection[str]
    spared: Collection[str]

    def typed(self, text: str, draws: Draws) -> str:
        """The veiled line as this person types it."""
        for stroke in self.strokes:
            text = stroke(self, text, draws)
        return slipped(text, self.slips, self, draws) if self.slips else text

    @cached_property
    def strokes(self) -> Sequence[Callable[[Hand, str, Draws], str]]:
        """Those of habits that have a level."""
        return [stroke for names, stroke in _STROKES if any(name in self.levels for name in names)]

    def shows(self, habit: str, draws: Draws, occasion: int = 0) -> bool | None:
        """Whether this occasion of the habit shows it; None where it stays as it is."""
        return draws(habit, occasion) < self.levels[habit] if habit in self.levels else None

    def plain(self, word: str) -> bool:
        """Whether a word that begins with a capital is no name, as far as is known."""
        low = word.lower().replace("\u2019", "'")
        return low.split("'")[0] in self.ordinary or bare(low) in self.habits.touched

    def each(self, habit: str, pattern: re.Pattern[str], text: str, draws: Draws, change: Callable[[re.Match[str], bool], str]) -> str:
        """The text with every occasion of a pattern changed, in the order in which they stand."""
        number = count()
        return pattern.sub(lambda found: change(found, bool(self.shows(habit, draws, next(number)))), text)


# -- words ---------------------------------------------------------------------------------------------------------------


def like(form: str, model: str) -> str:
    """The form with a capital or none, as the word has that it stands for; of a word all in capitals nothing is taken."""
    if len(model) > 1 and model.isupper():
        return model
    return form[:1].upper() + form[1:] if model[:1].isupper() else form[:1].lower() + form[1:]


def _contractions(hand: Hand, text: str, draws: Draws) -> str:
    short, long = hand.habits.drawn_together

    def change(found: re.Match[str], shown: bool) -> str:
        said = " ".join(found.group().lower().replace("\u2019", "'").split())
        wanted = short.get(said, "") if shown else long.get(said, "")
        return like(wanted, found.group()) if wanted else found.group()

    return hand.each("contractions", hand.habits.contraction, text, draws, change)


def _abbreviations(hand: Hand, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        said = " ".join(found.group().lower().split())
        wanted = hand.favorites.get(said, "") if shown else hand.habits.whole_words.get(said, "")
        return like(wanted, found.group()) if wanted else found.group()

    return hand.each("abbreviations", hand.habits.abbreviation, text, draws, change)


def _casual_yes(hand: Hand, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        kind = found.lastgroup or ""
        wanted = ("casual_no" if shown else "no") if kind.endswith("no") else ("casual_yes" if shown else "yes")
        start, end = (at - found.start() for at in found.span(kind))
        whole = found.group()
        return whole if kind == wanted else whole[:start] + like(hand.favorites[wanted], whole[start:end]) + whole[end:]

    return hand.each("casual_yes", hand.habits.yes, text, draws, change)


def _short_ok(hand: Hand, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        said = found.group()
        if (said.lower() in hand.habits.lexicon["ok"]) == shown:
            return said
        if shown:
            return like(hand.favorites["ok"], said)
        return hand.favorites["okay"].capitalize() if said[0].isupper() and not found.start() else hand.favorites["okay"]

    return hand.each("short_ok", hand.habits.okay, text, draws, change)


def _no_apostrophe(hand: Hand, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        said = found.group()
        plain = said.replace("'", "").replace("\u2019", "")
        if shown or plain != said:
            return plain if shown else said
        at = hand.habits.apostrophe_places[plain.lower()]
        return f"{plain[:at]}'{plain[at:]}"

    return hand.each("no_apostrophe", hand.habits.apostrophe, text, draws, change)


def _lower_i(hand: Hand, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        return ("i" if shown else "I") + found.group()[1:]

    return hand.each("lower_i", hand.habits.i, text, draws, change)


# -- what is added and left out ------------------------------------------------------------------------------------------


def _laughter(hand: Hand, text: str, draws: Draws) -> str:
    shown, has = hand.shows("laughter", draws), hand.habits.laughter.search(text)
    if shown and not has:
        end = hand.habits.end.search(text)
        at = end.start("tail") if end else len(text)
        return f"{text[:at]} {hand.favorites['laughter']}{text[at:]}"
    return text if shown or not has else _without_laughter(hand.habits, text)


def _without_laughter(habits: Habits, text: str) -> str:
    """Laughter at the beginning, at the end and between sentences goes; within one it is a word like others, alone it is all there is."""
    text = habits.laughter_among.sub(_next_begun, text)
    end = habits.end.search(text)
    if end and end["tail"]:
        tail = "".join(face.group() for face in habits.smileys_led.finditer(end["tail"]))
        text = f"{text[: end.start('tail')]}{tail}"
    first = habits.laughter.match(text)
    rest = text[first.end() :].lstrip(_AFTER_FIRST) if first else ""
    return _begun(rest, text) if _SAID.match(rest) else text


def _smileys(hand: Hand, text: str, draws: Draws) -> str:
    shown, has = hand.shows("smileys", draws), hand.habits.smileys.search(text)
    if bool(has) == shown:
        return text
    if shown:
        return f"{text.rstrip()} {hand.favorites['own_smileys']}"
    rest = hand.habits.smileys_led.sub("", text).strip()
    return rest if _SAID.search(rest) else text


def _first_words(hand: Hand, text: str, draws: Draws) -> str:
    shown, has = hand.shows("first_words", draws), hand.habits.first_word.match(text)
    if shown and not has:
        return _with_first_word(hand, text)
    while has and not shown:
        rest = text[has.end() :].lstrip(_AFTER_FIRST)
        if not _SAID.match(rest):
            break
        text = _begun(rest, text)
        has = hand.habits.first_word.match(text)
    return text


def _with_first_word(hand: Hand, text: str) -> str:
    """The word takes over how the line begins; what is a name, or may be one, keeps its capital."""
    found, word = hand.habits.first.match(text), hand.favorites["first_words"]
    if found is None:
        return f"{word.capitalize()}, {text}"
    said, at = found["word"], found.start("word")
    if not said[0].isupper():
        return f"{word}, {text}"
    lowered = begins_lower(said) is False and hand.plain(said)
    return f"{word.capitalize()}, {text[:at]}{said[0].lower() if lowered else said[0]}{text[at + 1 :]}"


def _next_begun(found: re.Match[str]) -> str:
    set_off = found.group().startswith(",") and found["mark"] == ","
    following = found["next"].upper() if found["said"][0].isupper() else found["next"]
    return ("," if set_off else "") + (following if len(following) == len(found["next"]) else found["next"])


def _begun(rest: str, before: str) -> str:
    """What is left of a line, begun with a capital if the line did."""
    return rest[0].upper() + rest[1:] if before[0].isupper() and is_lower(rest[0]) else rest


# -- marks ---------------------------------------------------------------------------------------------------------------


def _ellipses(hand: Hand, text: str, draws: Draws) -> str:
    shown, has = hand.shows("ellipses", draws), hand.habits.ellipsis.search(text)
    if bool(has) == shown:
        return text
    return _trailing_off(hand.habits, text) if shown else _stopped(hand.habits, text)


def _trailing_off(habits: Habits, text: str) -> str:
    """Dots at the end of a statement, else between two sentences."""
    end = habits.end.search(text)
    if end and ending(end["mark"]) != QUESTION and not habits.question.search(text):
        return f"{text[: end.start('gap')]}...{text[end.end('mark') :]}"
    between = habits.sentence.search(text)
    return f"{text[: between.start('mark')]}...{text[between.end('mark') :]}" if between else text


def _stopped(habits: Habits, text: str) -> str:
    """A full stop or a comma in the place of dots."""
    end = habits.end.search(text)
    last = end.start("mark") if end else len(text)

    def change(found: re.Match[str]) -> str:
        rest = text[found.end() :]
        following = rest.lstrip()
        if found.start() >= last or not following:
            return "." if not following[:1] or following[:1] not in ".!?\u2026" else ""
        before = text[: found.start()].rstrip()
        if not _SAID.search(before[-1:]) or not _SAID.match(following):
            return ""
        return ("." if following[0].isupper() else ",") + ("" if rest[0].isspace() else " ")

    return habits.ellipsis.sub(change, text).strip()


def _commas(hand: Hand, text: str, draws: Draws) -> str:
    def change(found: re.Match[str]) -> str:
        word = len(_TOKEN.findall(text, 0, found.end()))
        shown, written = hand.shows("commas", draws, word), "," in found.group()
        opener = found["opener"] or ""
        return found.group() if shown == written else opener if written else f"{opener},"

    return hand.habits.comma.sub(change, text)


def _closing(hand: Hand, text: str, draws: Draws) -> str:
    """How the line ends: as a question, else with an exclamation mark, else with a full stop or without a mark."""
    end = hand.habits.end.search(text)
    if end is None:
        return text
    kind, mark = ending(end["mark"]), end["mark"]
    if hand.habits.question.search(text):
        shown = hand.shows("question_mark", draws)
        wanted = mark if shown is None or (kind == QUESTION) == shown else "?" if shown else ""
    elif kind in (QUESTION, ELLIPSIS):
        wanted = mark
    else:
        loud, stops = hand.shows("exclamation", draws), hand.shows("full_stop", draws)
        wanted = mark if loud is None or (kind == EXCLAMATION) == loud else "!" if loud else "."
        if ending(wanted) != EXCLAMATION and stops is not None:
            wanted = "." if stops else ""
    gap = end["gap"] if ending(wanted) in (QUESTION, EXCLAMATION) else end["gap"] if wanted == mark and kind != STOP else ""
    return f"{text[: end.start('gap')]}{gap}{wanted}{text[end.end('mark') :]}"


def _double_space(hand: Hand, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        return found["mark"] + ("  " if shown else " ")

    return hand.each("double_space", hand.habits.sentence, text, draws, change)


def _space_before_mark(hand: Hand, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        return (" " if shown else "") + found["mark"]

    return hand.each("space_before_mark", hand.habits.marks, text, draws, change)


# -- case ----------------------------------------------------------------------------------------------------------------


def _lower_start(hand: Hand, text: str, draws: Draws) -> str:
    found = hand.habits.first.match(text)
    return _begins(hand, text, found, hand.shows("lower_start", draws)) if found else text


def _lower_sentence(hand: Hand, text: str, draws: Draws) -> str:
    for number, found in enumerate([*hand.habits.sentence.finditer(text)]):  # case changes no place
        text = _begins(hand, text, found, hand.shows("lower_sentence", draws, number))
    return text


def _begins(hand: Hand, text: str, found: re.Match[str], lower: bool | None) -> str:
    """The text with the word that was found begun in lower case or with a capital; what may be a name keeps its capital."""
    word, at = found["word"], found.start("word")
    now = begins_lower(word)
    if now is None or now == lower or (lower and not hand.plain(word)):
        return text
    return f"{text[:at]}{word[0].lower() if lower else word[0].upper()}{text[at + 1 :]}"


# -- slips ---------------------------------------------------------------------------------------------------------------


def swapped(word: str, at: int) -> str:
    """The word with the letters at ``at`` and after it in each other's place."""
    return f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"


def slipped(text: str, slips: float, hand: Hand, draws: Draws) -> str:
    """Swaps two inner letters of some plain words that stand in the order of the alphabet: swapped, they are not, and stay."""
    plain = [found for found in _PLAIN_WORD.finditer(text) if _can_slip(found.group(), hand)]
    chance = _SWAPPED * slips / 100.0 * len(_TOKEN.findall(text)) / max(len(plain), 1)
    for number, found in enumerate(plain):
        word = found.group()
        at = 1 + int(draws(SLIPS, 2 * number + 1) * (len(word) - 2))
        if draws(SLIPS, 2 * number) < chance and word[at] < word[at + 1]:
            text = f"{text[: found.start()]}{swapped(word, at)}{text[found.end() :]}"
    return text


def _can_slip(word: str, hand: Hand) -> bool:
    """Ordinary words that no habit knows: names and what may be one are never misspelled."""
    low = word.lower()
    return len(word) > 3 and word[1:] == low[1:] and low in hand.ordinary and low not in hand.spared and low not in hand.habits.known


_STROKES: tuple[tuple[tuple[str, ...], Callable[[Hand, str, Draws], str]], ...] = (
    (("contractions",), _contractions),
    (("abbreviations",), _abbreviations),
    (("casual_yes",), _casual_yes),
    (("short_ok",), _short_ok),
    (("laughter",), _laughter),
    (("smileys",), _smileys),
    (("first_words",), _first_words),
    (("ellipses",), _ellipses),
    (("commas",), _commas),
    (("no_apostrophe",), _no_apostrophe),
    (("question_mark", "exclamation", "full_stop"), _closing),
    (("double_space",), _double_space),
    (("space_before_mark",), _space_before_mark),
    (("lower_sentence",), _lower_sentence),
    (("lower_start",), _lower_start),
    (("lower_i",), _lower_i),
)
