"""Edits of a line, one for each typing habit. An edit keeps the occasions of all habits, so that typing a line twice changes it once.

All edits work on masked text (``veils``) and cannot change what is masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from personaevo.measure.typing import ELLIPSIS, EXCLAMATION, QUESTION, STOP, WORD, Habits, bare, begins_lower, ending, is_lower

SLIPS = "slips_per_100_words"
_MASK = (1 << 64) - 1
_SWAPPED = 2.0  # half of all neighboring letters are in order, and only those are swapped
_PLAIN_WORD = re.compile(rf"(?<![-'\u2019])(?<!{WORD})[^\W\d_]+(?!{WORD}|[-'\u2019])")
_TOKEN = re.compile(rf"\S*{WORD}\S*")
_SAID = re.compile(WORD)
_AFTER_FIRST = " ,.!\u2026"


class Draws:
    """Uniform draws for one line by habit and occasion, independent of their order (SplitMix64; Steele, Lea & Flood 2014)."""

    def __init__(self, keys: Mapping[str, int], line: int) -> None:
        self.keys, self.line = keys, line

    def __call__(self, habit: str, occasion: int = 0) -> float:
        z = ((self.keys[habit] ^ self.line) + (occasion + 1) * 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (z ^ (z >> 31)) / 2.0**64


@dataclass(frozen=True)
class TypingStyle:
    """The typing of one person in one dialogue: the levels of habits, slips per 100 words, and the forms that the person prefers, by habit
    or by the word that they abbreviate. ``ordinary`` words are not names; ``spared`` words are never misspelled."""

    levels: Mapping[str, float]
    slips: float
    favorites: Mapping[str, str]
    habits: Habits
    ordinary: Collection[str]
    spared: Collection[str]

    def typed(self, text: str, draws: Draws) -> str:
        """The masked line as this person types it."""
        for edit in self.edits:
            text = edit(self, text, draws)
        return slipped(text, self.slips, self, draws) if self.slips else text

    @cached_property
    def edits(self) -> Sequence[Callable[[TypingStyle, str, Draws], str]]:
        """The edits of habits that have a level."""
        return [edit for names, edit in _EDITS if any(name in self.levels for name in names)]

    def shows(self, habit: str, draws: Draws, occasion: int = 0) -> bool | None:
        """Whether this occasion of the habit shows it; None if the habit has no level."""
        return draws(habit, occasion) < self.levels[habit] if habit in self.levels else None

    def plain(self, word: str) -> bool:
        """Whether a capitalized word is known not to be a name."""
        low = word.lower().replace("\u2019", "'")
        return low.split("'")[0] in self.ordinary or bare(low) in self.habits.touched

    def each(self, habit: str, pattern: re.Pattern[str], text: str, draws: Draws, change: Callable[[re.Match[str], bool], str]) -> str:
        """The text with every occasion of a pattern changed, in order."""
        number = count()
        return pattern.sub(lambda found: change(found, bool(self.shows(habit, draws, next(number)))), text)


# -- words ---------------------------------------------------------------------------------------------------------------


def like(form: str, model: str) -> str:
    """The form with the capitalization of the word that it replaces; a word in all capitals stays."""
    if len(model) > 1 and model.isupper():
        return model
    return form[:1].upper() + form[1:] if model[:1].isupper() else form[:1].lower() + form[1:]


def _contractions(style: TypingStyle, text: str, draws: Draws) -> str:
    short, long = style.habits.drawn_together

    def change(found: re.Match[str], shown: bool) -> str:
        said = " ".join(found.group().lower().replace("\u2019", "'").split())
        wanted = short.get(said, "") if shown else long.get(said, "")
        return like(wanted, found.group()) if wanted else found.group()

    return style.each("contractions", style.habits.contraction, text, draws, change)


def _abbreviations(style: TypingStyle, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        said = " ".join(found.group().lower().split())
        wanted = style.favorites.get(said, "") if shown else style.habits.whole_words.get(said, "")
        return like(wanted, found.group()) if wanted else found.group()

    return style.each("abbreviations", style.habits.abbreviation, text, draws, change)


def _casual_yes(style: TypingStyle, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        kind = found.lastgroup or ""
        wanted = ("casual_no" if shown else "no") if kind.endswith("no") else ("casual_yes" if shown else "yes")
        start, end = (at - found.start() for at in found.span(kind))
        whole = found.group()
        return whole if kind == wanted else whole[:start] + like(style.favorites[wanted], whole[start:end]) + whole[end:]

    return style.each("casual_yes", style.habits.yes, text, draws, change)


def _short_ok(style: TypingStyle, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        said = found.group()
        if (said.lower() in style.habits.lexicon["ok"]) == shown:
            return said
        if shown:
            return like(style.favorites["ok"], said)
        return style.favorites["okay"].capitalize() if said[0].isupper() and not found.start() else style.favorites["okay"]

    return style.each("short_ok", style.habits.okay, text, draws, change)


def _no_apostrophe(style: TypingStyle, text: str, draws: Draws) -> str:
    def change(found: re.Match[str], shown: bool) -> str:
        said = found.group()
        plain = said.replace("'", "").replace("\u2019", "")
        if shown or plain != said:
            return plain if shown else said
        at = style.habits.apostrophe_places[plain.lower()]
        return f"{plain[:at]}'{plain[at:]}"

    return style.each("no_apostrophe", style.habits.apostrophe, text, draws, change)


# -- additions and omissions ---------------------------------------------------------------------------------------------


def _laughter(style: TypingStyle, text: str, draws: Draws) -> str:
    shown, has = style.shows("laughter", draws), style.habits.laughter.search(text)
    if shown and not has:
        end = style.habits.end.search(text)
        at = end.start("tail") if end else len(text)
        return f"{text[:at]} {style.favorites['laughter']}{text[at:]}"
    return text if shown or not has else _without_laughter(style.habits, text)


def _without_laughter(habits: Habits, text: str) -> str:
    """Remove laughter at the beginning, at the end and between sentences; within a sentence, and as the whole text, it stays."""
    text = habits.laughter_among.sub(_next_begun, text)
    end = habits.end.search(text)
    if end and end["tail"]:
        tail = "".join(face.group() for face in habits.smileys_led.finditer(end["tail"]))
        text = f"{text[: end.start('tail')]}{tail}"
    first = habits.laughter.match(text)
    rest = text[first.end() :].lstrip(_AFTER_FIRST) if first else ""
    return _begun(rest, text) if _SAID.match(rest) else text


def _smileys(style: TypingStyle, text: str, draws: Draws) -> str:
    shown, has = style.shows("smileys", draws), style.habits.smileys.search(text)
    if bool(has) == shown:
        return text
    if shown:
        return f"{text.rstrip()} {style.favorites['own_smileys']}"
    rest = style.habits.smileys_led.sub("", text).strip()
    return rest if _SAID.search(rest) else text


def _first_words(style: TypingStyle, text: str, draws: Draws) -> str:
    shown, has = style.shows("first_words", draws), style.habits.first_word.match(text)
    if shown and not has:
        return _with_first_word(style, text)
    while has and not shown:
        rest = text[has.end() :].lstrip(_AFTER_FIRST)
        if not _SAID.match(rest):
            break
        text = _begun(rest, text)
        has = style.habits.first_word.match(text)
    return text


def _with_first_word(style: TypingStyle, text: str) -> str:
    """The first word takes the line's capital; a possible name keeps its own."""
    found, word = style.habits.first.match(text), style.favorites["first_words"]
    if found is None:
        return f"{word.capitalize()}, {text}"
    said, at = found["word"], found.start("word")
    if not said[0].isupper():
        return f"{word}, {text}"
    lowered = begins_lower(said) is False and style.plain(said)
    return f"{word.capitalize()}, {text[:at]}{said[0].lower() if lowered else said[0]}{text[at + 1 :]}"


def _next_begun(found: re.Match[str]) -> str:
    set_off = found.group().startswith(",") and found["mark"] == ","
    following = found["next"].upper() if found["said"][0].isupper() else found["next"]
    return ("," if set_off else "") + (following if len(following) == len(found["next"]) else found["next"])


def _begun(rest: str, before: str) -> str:
    """The rest of a line, capitalized if the line was."""
    return rest[0].upper() + rest[1:] if before[0].isupper() and is_lower(rest[0]) else rest


# -- marks ---------------------------------------------------------------------------------------------------------------


def _ellipses(style: TypingStyle, text: str, draws: Draws) -> str:
    """Add dots at the end of a statement, else between two sentences; or replace dots by a mark."""
    shown, habits = style.shows("ellipses", draws), style.habits
    if bool(habits.ellipsis.search(text)) == shown:
        return text
    if not shown:
        return _without_dots(habits, text)
    end = habits.end.search(text)
    if end and ending(end["mark"]) != QUESTION and not habits.question.search(text):
        return f"{text[: end.start('gap')]}...{text[end.end('mark') :]}"
    between = habits.sentence.search(text)
    return f"{text[: between.start('mark')]}...{text[between.end('mark') :]}" if between else text


def _without_dots(habits: Habits, text: str) -> str:
    """Replace dots by a full stop or a comma."""
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


def _commas(style: TypingStyle, text: str, draws: Draws) -> str:
    def change(found: re.Match[str]) -> str:
        word = len(_TOKEN.findall(text, 0, found.end()))
        shown, written = style.shows("commas", draws, word), "," in found.group()
        opener = found["opener"] or ""
        return found.group() if shown == written else opener if written else f"{opener},"

    return style.habits.comma.sub(change, text)


def _closing(style: TypingStyle, text: str, draws: Draws) -> str:
    """The final mark: of a question, else an exclamation mark, else a full stop or none."""
    end = style.habits.end.search(text)
    if end is None:
        return text
    kind, mark = ending(end["mark"]), end["mark"]
    if style.habits.question.search(text):
        shown = style.shows("question_mark", draws)
        wanted = mark if shown is None or (kind == QUESTION) == shown else "?" if shown else ""
    elif kind in (QUESTION, ELLIPSIS):
        wanted = mark
    else:
        loud, stops = style.shows("exclamation", draws), style.shows("full_stop", draws)
        wanted = mark if loud is None or (kind == EXCLAMATION) == loud else "!" if loud else "."
        if ending(wanted) != EXCLAMATION and stops is not None:
            wanted = "." if stops else ""
    gap = end["gap"] if ending(wanted) in (QUESTION, EXCLAMATION) else end["gap"] if wanted == mark and kind != STOP else ""
    return f"{text[: end.start('gap')]}{gap}{wanted}{text[end.end('mark') :]}"


# -- case ----------------------------------------------------------------------------------------------------------------


def _lower_start(style: TypingStyle, text: str, draws: Draws) -> str:
    found = style.habits.first.match(text)
    return _begins(style, text, found, style.shows("lower_start", draws)) if found else text


def _lower_sentence(style: TypingStyle, text: str, draws: Draws) -> str:
    for number, found in enumerate([*style.habits.sentence.finditer(text)]):  # case changes no place
        text = _begins(style, text, found, style.shows("lower_sentence", draws, number))
    return text


def _begins(style: TypingStyle, text: str, found: re.Match[str], lower: bool | None) -> str:
    """The text with the found word in lower case or capitalized; a possible name keeps its capital."""
    word, at = found["word"], found.start("word")
    now = begins_lower(word)
    if now is None or now == lower or (lower and not style.plain(word)):
        return text
    return f"{text[:at]}{word[0].lower() if lower else word[0].upper()}{text[at + 1 :]}"


# -- slips ---------------------------------------------------------------------------------------------------------------


def swapped(word: str, at: int) -> str:
    """The word with the letters at ``at`` and ``at + 1`` swapped."""
    return f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"


def slipped(text: str, slips: float, style: TypingStyle, draws: Draws) -> str:
    """Swap two inner letters of some plain words. Only letters in alphabetical order are swapped, so that a second pass changes nothing."""
    plain = [found for found in _PLAIN_WORD.finditer(text) if _can_slip(found.group(), style)]
    chance = _SWAPPED * slips / 100.0 * len(_TOKEN.findall(text)) / max(len(plain), 1)
    for number, found in enumerate(plain):
        word = found.group()
        at = 1 + int(draws(SLIPS, 2 * number + 1) * (len(word) - 2))
        if draws(SLIPS, 2 * number) < chance and word[at] < word[at + 1]:
            text = f"{text[: found.start()]}{swapped(word, at)}{text[found.end() :]}"
    return text


def _can_slip(word: str, style: TypingStyle) -> bool:
    """Whether a word may be misspelled: an ordinary word of no habit, and not a possible name."""
    low = word.lower()
    return len(word) > 3 and word[1:] == low[1:] and low in style.ordinary and low not in style.spared and low not in style.habits.known


_EDITS: tuple[tuple[tuple[str, ...], Callable[[TypingStyle, str, Draws], str]], ...] = (
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
    (("double_space",), lambda style, text, draws: style.each(
        "double_space", style.habits.sentence, text, draws, lambda found, shown: found["mark"] + ("  " if shown else " "))),
    (("space_before_mark",), lambda style, text, draws: style.each(
        "space_before_mark", style.habits.marks, text, draws, lambda found, shown: (" " if shown else "") + found["mark"])),
    (("lower_sentence",), _lower_sentence),
    (("lower_start",), _lower_start),
    (("lower_i",), lambda style, text, draws: style.each(
        "lower_i", style.habits.i, text, draws, lambda found, shown: ("i" if shown else "I") + found.group()[1:])),
)  # fmt: skip
