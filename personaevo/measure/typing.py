"""Typing habits of the user turns of dialogues: patterns of the places in a text where each habit can show, and their measures.

The patterns are built from lexicons (``fitness/typing.toml``) and search *veiled* text: each address, path, file name and token with a
digit is replaced by the single character ``VEIL``, which counts as a word and which no habit changes. They match line by line, one turn
per line. Measuring and simulated typing share them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from personaevo.errors import ContentError
from personaevo.measure.fingerprint import LOSSES, Fingerprints, rounded
from personaevo.records import Floats

VEIL, SMALL_NUMBER = "\ue000", "\ue001"
VEILED = "\ue000-\uf8ff\U000f0000-\U0010ffff"  # Unicode's private use areas
WORD = rf"[\w{VEILED}]"
_AFTER_WORD = rf"(?<=[\w{VEILED}\"')])"
_APOSTROPHE = "['\u2019]"
_NOT_IN_WORD = rf"(?<![\w'\u2019{VEILED}-])", rf"(?![\w'\u2019{VEILED}-])"
_EMOJI = "[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f?"
ADDRESSED = re.compile(r"^(?:\s*<\w+>+\s*[:,;>]*\s*)+")
_SMALL = re.compile(r"(?<!\S)(?:[2-9]|1[0-2])(?=[.,!?;:)]*(?:\s|$))")
_READ_BARE = ("n't", "I'm", "that's", "there's")
_MARKS = ".,!?;:\u2026'\"\u201c\u201d\u2018\u2019()[]"
ODD = re.compile(r"(?<!\S)(?:[^\s\d/\\_@#=<>|~^*+{}$%&]*[\d/\\_@#=<>|~^*+{}$%&]\S*|\S*?\w\.\w\S*)")


def words(entries: Iterable[str]) -> str:
    """A pattern that matches any of the words or phrases, the longest first, with a straight or a curly apostrophe."""
    found = sorted(entries, key=lambda entry: (-len(entry), entry))
    return "|".join(re.escape(entry).replace(r"\ ", " +").replace("'", _APOSTROPHE) for entry in found)


def whole(pattern: str) -> str:
    """The pattern, limited to whole words."""
    before, after = _NOT_IN_WORD
    return f"{before}(?:{pattern}){after}"


def bare(word: str) -> str:
    """A word without its apostrophe."""
    return word.replace("'", "")


def is_lower(char: str) -> bool | None:
    """Whether a letter is in lower case; None for a character without a one-to-one pair of cases."""
    lower, upper = char.lower(), char.upper()
    if len(lower) != 1 or len(upper) != 1 or lower == upper or lower.upper() != upper or char not in (lower, upper):
        return None
    return char == lower


class Habits:
    """The compiled patterns of one set of lexicons. Patterns of closing marks have the groups ``gap``, ``mark`` and ``tail``."""

    def __init__(self, lexicon: Mapping[str, Any]) -> None:
        self.lexicon = lexicon
        one = {key: words(entries) for key, entries in lexicon.items() if isinstance(entries, list)}
        self.faces = frozenset(lexicon["smileys"])
        faces = "|".join(re.escape(face) for face in sorted(self.faces, key=lambda face: (-len(face), face)))
        self.smiley = rf"(?:(?<!\S)(?:{faces})(?!\S)|{_EMOJI})"
        self.laugh = rf"(?:{whole(one['laughter'])}|{whole('(?:ha){2,}h?|(?:he){2,}|lo{2,}l')})"
        self._set_beginnings_and_ends(one)
        self._set_marks()
        self._set_words(one)
        self.touched = frozenset(self._touched(lexicon))
        self.faces_read = frozenset(re.findall(r"[^\W\d_]+", " ".join(self.faces).lower()))
        self.known = self.touched | self._asking(lexicon)

    def _set_beginnings_and_ends(self, one: Mapping[str, str]) -> None:
        """Compile the patterns for beginnings and ends of lines and sentences."""
        self.tail = rf"(?P<tail>(?: *(?:{self.smiley}|{self.laugh}))*) *$"
        self.end = _compiled(rf"{WORD}[\"'\u201d\u2019)\]]*(?P<gap>(?: (?=[.!?\u2026]))?)(?P<mark>[.!?\u2026]*){self.tail}")
        self.question = _compiled(self._question(self.lexicon))
        word = r"(?P<word>[^\W\d_]+(?:['\u2019][^\W\d_]+)?"
        self.first = _compiled(rf"^[\"'\u201c\u2018(\[]*{word})")
        self.first_word = _compiled(rf"^(?!(?:{one['not_first_words']})\b)(?:{one['first_words']})(?![\w'\u2019-])")
        self.sentence = _compiled(rf"{_AFTER_WORD}(?P<mark>\.|[!?]+)(?P<gap> +)(?! |{self.laugh})(?={word}|\S))")

    def _set_marks(self) -> None:
        """Compile the patterns for punctuation, smileys and laughter within lines."""
        self.smileys, self.laughter = _compiled(self.smiley), _compiled(self.laugh)
        self.smileys_led = re.compile(rf" *{self.smiley}")
        # laughter as a sentence of its own or set off by commas, and the character after it
        self.laughter_among = _compiled(rf"(?:(?<=[.!?\u2026]) *|, *)(?P<said>{self.laugh})(?P<mark>[.!,\u2026]*)(?P<next> +\S|$)")
        self.ellipsis = _compiled(r"(?<!\.)\.{2,}|\u2026")
        self.comma = _compiled(self._comma(self.lexicon))
        self.marks = _compiled(rf"{_AFTER_WORD}(?P<gap> ?)(?P<mark>,|[!?]+)(?=\s|$)")
        self.quotes = _compiled(r"[\"\u201c\u201d]|(?<!\S)'\w")
        self.dashes = _compiled(r"(?<=\w) (?:--?|[\u2013\u2014]) |(?<=\w)--(?=\w)|\u2014")
        self.brackets = _compiled(rf"\((?={WORD})")

    def _set_words(self, one: Mapping[str, str]) -> None:
        """Compile the patterns for words."""
        self.i = _compiled(rf"{_NOT_IN_WORD[0]}(?<!\.)(?:I(?:{_APOSTROPHE}(?:m|ve|ll|d)|m|ve)?)(?![\w'\u2019{VEILED}/-]|\.\w)")
        self.apostrophe = _compiled(whole(words([*self.lexicon["apostrophes"], *map(bare, self.lexicon["apostrophes"])])))
        self.contraction = _compiled(self._contraction(self.lexicon["contractions"]))
        abbreviations = self.lexicon["abbreviations"]
        short = words(form for forms in abbreviations.values() for form in forms)
        self.abbreviation = _compiled(whole(rf"(?P<long>{words(abbreviations)})|(?P<short>{short})"))
        self.yes = _compiled(self._yes(one))
        self.okay = _compiled(whole(f"{one['okay']}|{one['ok']}"))
        self.numbers = _compiled(f"{whole(one['number_words'])}|{SMALL_NUMBER}")
        self.inner = _compiled(r"(?<=[\w,;] )[^\W\d_][^\W\d_'\u2019]+")
        self.letters = _compiled(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")

    @cached_property
    def drawn_together(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Contractions by word pair, and word pairs by contraction (also without its apostrophe), in lower case."""
        pairs = {pair.lower(): short.lower() for pair, short in self.lexicon["contractions"].items()}
        return pairs, {form: pair for pair, short in pairs.items() for form in (short, bare(short))}

    @cached_property
    def whole_words(self) -> Mapping[str, str]:
        """Full words by abbreviation."""
        return {short: word for word, forms in self.lexicon["abbreviations"].items() for short in forms}

    @cached_property
    def apostrophe_places(self) -> Mapping[str, int]:
        """Index of the apostrophe, by the contraction without it."""
        return {bare(word).lower(): word.index("'") for word in self.lexicon["apostrophes"]}

    def _question(self, lexicon: Mapping[str, Any]) -> str:
        """A pattern of turns whose last sentence begins like a question."""
        helps, who, asked = (words(lexicon[f"question_{key}"]) for key in ("helps", "who", "words"))
        helps = f"{helps}|{words(bare(word) for word in lexicon['question_helps'])}"
        fixed = [*lexicon["question_whole"], *(bare(one) for one in lexicon["question_whole"])]
        begin = rf"(?:{helps}) +(?:{who}|[{VEILED}])|(?:{asked}) +(?:{words(lexicon['question_after'])})|{words(fixed)}"
        alone = rf"(?:{asked})(?=[ .!?\u2026]*(?:$|{self.smiley}|{self.laugh}))"
        before = rf"(?:^|(?<=[.!?\u2026]) +)[\"'(]*(?:(?:{words(lexicon['before_question'])}) *[,. ] *)*"
        return rf"{before}(?:(?:{begin})(?![\w'\u2019])|{alone})[^.!?\u2026\n]*[.!?\u2026]*{self.tail}"

    @staticmethod
    def _contraction(pairs: Mapping[str, str]) -> str:
        """A pattern of word pairs and their contractions where either can stand: before another word, and not in an inverted question."""
        short = [*pairs.values(), *(bare(one) for one in pairs.values() if one.endswith(_READ_BARE))]
        follows = rf"(?= +(?!(?:i|you|u|we|they|it|he|she|that|this|there|been|got|had|to)\b)(?:[^\W_]|[{VEILED}]))"
        return rf"{_NOT_IN_WORD[0]}(?:(?P<long>{words(pairs)})|(?P<short>{words(short)})){follows}"

    @staticmethod
    def _comma(lexicon: Mapping[str, Any]) -> str:
        """A pattern of places for a comma, written or not, and (group ``other``) of commas elsewhere, except in lists of numbers."""
        before, after = words(lexicon["comma_before"]), words(lexicon["comma_after"])
        none = rf"(?!(?:{words(lexicon['not_first_words'])})\b)"
        place = rf"{_AFTER_WORD}(?: ?,)?(?= +{none}(?:{before}) +{WORD})|^{none}(?P<opener>{after})(?: ?,)?(?= +{WORD})"
        return rf"{place}|(?P<other>(?<=[\w\"')]) ?,(?= +\S)|(?<=[{VEILED}]) ?,(?= +[^\s{VEILED}]))"

    def _yes(self, one: Mapping[str, str]) -> str:
        """A pattern of words for yes anywhere, and of words for no that begin a turn as an answer."""
        follows = r"(?= *(?:[,.!\u2026]|$)| +(?:thanks|thank|thx|sorry|i|it|that|not|its|we|but|please|just)\b)"
        lead = rf"(?:(?:{one['first_words']}) *[,. ] *)?"
        yes = whole(rf"(?P<yes>{one['yes']})|(?P<casual_yes>{one['casual_yes']})")
        return rf"{yes}|^{lead}(?:(?P<no>{one['no']})|(?P<casual_no>{one['casual_no']})){follows}"

    @staticmethod
    def _touched(lexicon: Mapping[str, Any]) -> Iterable[str]:
        """Words that some habit spells differently, in lower case."""
        lists = ("first_words", "laughter", "yes", "casual_yes", "no", "casual_no", "okay", "ok", "apostrophes")
        tables = (lexicon["contractions"], lexicon["abbreviations"])
        phrases = [*(entry for key in lists for entry in lexicon[key]), *(entry for table in tables for entry in table)]
        phrases += [*lexicon["contractions"].values(), *(form for forms in lexicon["abbreviations"].values() for form in forms)]
        for phrase in phrases:
            yield from (form for word in phrase.lower().split() for form in (word, bare(word)))

    @staticmethod
    def _asking(lexicon: Mapping[str, Any]) -> frozenset[str]:
        """Words that mark questions, places for commas, or numbers."""
        about = ("question", "comma_", "not_first_words", "number")
        lists = [entries for key, entries in lexicon.items() if any(part in key for part in about)]
        return frozenset(form for entries in lists for entry in entries for word in entry.lower().split() for form in (word, bare(word)))

    # -- veiling ------------------------------------------------------------------------------------------------------

    def veil(self, text: str) -> str:
        """Prepare one line for measuring: remove a leading placeholder of the addressee and veil tokens that are not plain words."""
        line = ADDRESSED.sub("", text).strip()
        return ODD.sub(self._veiled, _SMALL.sub(SMALL_NUMBER, line))

    def _veiled(self, found: re.Match[str]) -> str:
        """The veiled form of a token: surrounding marks and smileys stay."""
        token = found.group()
        begin, end = self.core(token)
        return token if token in self.faces or begin == end else f"{token[:begin]}{VEIL}{token[end:]}"

    def core(self, token: str) -> tuple[int, int]:
        """Start and end of a token without the punctuation around it."""
        begin = len(token) - len(token.lstrip(_MARKS))
        return begin, max(begin, len(token.rstrip(_MARKS)))


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE | re.IGNORECASE)


NOTHING, STOP, EXCLAMATION, ELLIPSIS, QUESTION = range(5)  # kinds of turn endings


@dataclass(frozen=True)
class Habit:
    """One habit as defined in content; ``range`` is the range of its dial, None if simulated typing cannot produce it."""

    name: str
    needs: tuple[str, ...]
    unit: str
    meaning: str
    range: tuple[float, float] | None


@dataclass(frozen=True)
class HabitSet:
    """A versioned list of habits, ready to measure."""

    version: int
    habits: tuple[Habit, ...]
    lexicon: Mapping[str, Any]

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> HabitSet:
        """Build the set from the parsed ``typing.toml``.

        Raises:
            ContentError: a habit lacks a key, needs something other than case or punctuation, or has no measure.
        """
        found = []
        for row in table.get("habit", []):
            try:
                span = tuple(row["range"]) if "range" in row else None
                habit = Habit(row["name"], tuple(row["needs"]), row["unit"], row["meaning"], span)
            except KeyError as error:
                raise ContentError(f"typing.toml: habit {row.get('name', '?')!r} lacks the key {error}") from None
            if habit.name not in _MEASURES:
                raise ContentError(f"typing.toml: habit {habit.name!r} has no measure; known are {', '.join(_MEASURES)}")
            if not set(habit.needs) <= set(LOSSES):
                raise ContentError(f"typing.toml: {habit.name!r} needs {', '.join(habit.needs)}; expected of {', '.join(LOSSES)}")
            found.append(habit)
        return cls(int(table["version"]), tuple(found), table["lexicon"])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the habits in column order."""
        return tuple(habit.name for habit in self.habits)

    def usable(self, losses: Sequence[str]) -> tuple[str, ...]:
        """The habits that are measurable in text without case or punctuation (``losses``), in column order."""
        return tuple(habit.name for habit in self.habits if not set(habit.needs).intersection(losses))

    @cached_property
    def patterns(self) -> Habits:
        """The compiled patterns of these lexicons."""
        return Habits(self.lexicon)

    def measure(self, dialogues: Sequence[Sequence[str]]) -> Fingerprints:
        """Measure the user turns of each dialogue: ``values[n, k]``, four significant digits, NaN without an occasion.

        Args:
            dialogues: the user turns of each dialogue in order; blank ones do not count, and a dialogue without any gives NaN.
        """
        text = Lines(self.patterns, dialogues)
        columns = [_share(*_MEASURES[name](text)) for name in self.names]
        return Fingerprints(self.names, np.column_stack(columns) if columns else np.empty((len(dialogues), 0)))


def _share(shown: Floats, occasions: Floats) -> Floats:
    """Rounded quotient of counts, NaN where there are no occasions."""
    found = np.full(len(occasions), np.nan)
    np.divide(shown, occasions, out=found, where=occasions > 0)
    known = occasions > 0
    found[known] = rounded(found[known])
    return found


Counts = tuple[Floats, Floats]


class Lines:
    """The turns of many dialogues as one text, with counts of matches by dialogue. Each line of a turn counts as a turn."""

    def __init__(self, patterns: Habits, dialogues: Sequence[Sequence[str]]) -> None:
        self.patterns, self.size = patterns, len(dialogues)
        said = ((number, line) for number, turns in enumerate(dialogues) for turn in turns for line in turn.splitlines())
        owned = [(number, veiled) for number, line in said if (veiled := patterns.veil(line))]
        self.owner = np.array([number for number, _ in owned], dtype=int)
        self.text = "\n".join(line for _, line in owned)
        self.starts = np.array([0, *accumulate(len(line) + 1 for _, line in owned)], dtype=int)

    def lines_of(self, found: Sequence[int]) -> Any:
        """Index of the line that holds each position."""
        return np.searchsorted(self.starts, np.asarray(found, dtype=int), side="right") - 1

    def count(self, lines: Any) -> Floats:
        """Number of these lines in each dialogue."""
        return np.bincount(self.owner[lines], minlength=self.size).astype(float)

    def by_turn(self, pattern: re.Pattern[str]) -> Counts:
        """Number of turns in which the pattern occurs, and of all turns."""
        seen = np.unique(self.lines_of([match.start() for match in pattern.finditer(self.text)]))
        return self.count(seen), self.count(slice(None))

    def by_match(self, pattern: re.Pattern[str], shown: Callable[[re.Match[str]], bool | None]) -> Counts:
        """Number of matches for which ``shown`` is true, and of all matches for which it is not None."""
        found = [(match.start(), one) for match in pattern.finditer(self.text) if (one := shown(match)) is not None]
        yes = self.lines_of([start for start, one in found if one])
        return self.count(yes), self.count(self.lines_of([start for start, _ in found]))

    @cached_property
    def ends(self) -> tuple[Any, Any, Any]:
        """Turns that end in a word (and marks): their indices, kinds of ending, and whether they are phrased as questions."""
        found = [(match.start(), ending(match["mark"])) for match in self.patterns.end.finditer(self.text)]
        lines, first = np.unique(self.lines_of([start for start, _ in found]), return_index=True)
        asked = self.lines_of([match.end("tail") for match in self.patterns.question.finditer(self.text)])
        return lines, np.array([kind for _, kind in found], dtype=int)[first], np.isin(lines, asked)

    def of_ends(self, shown: int, among: Sequence[int], *, question: bool) -> Counts:
        """Number of turns with the ending ``shown``, and with one of ``among``; of questions or of all other turns."""
        lines, kinds, asked = self.ends
        occasions = np.isin(kinds, among) & (asked if question else ~asked)
        return self.count(lines[occasions & (kinds == shown)]), self.count(lines[occasions])


def ending(mark: str) -> int:
    """The kind of ending of these closing marks."""
    if "?" in mark:
        return QUESTION
    if "!" in mark:
        return EXCLAMATION
    if "\u2026" in mark or len(mark) > 1:
        return ELLIPSIS
    return STOP if mark else NOTHING


def begins_lower(word: str) -> bool | None:
    """Whether an initial word is in lower case; None for I and its contractions, words in capitals, and scripts without case."""
    if word[:1] in "Ii" and word[1:].replace("\u2019", "").replace("'", "").lower() in {"", "m", "ve", "ll", "d"}:
        return None
    return None if any(map(str.isupper, word[1:])) else is_lower(word[:1])


def _word_length(text: Lines) -> Counts:
    """Letters and number of the words that no habit respells."""
    touched = text.patterns.touched | text.patterns.faces_read
    found = [match for match in text.patterns.letters.finditer(text.text) if match.group().lower() not in touched]
    lines = text.lines_of([match.start() for match in found])
    letters = np.zeros(text.size)
    np.add.at(letters, text.owner[lines], [len(match.group()) for match in found])
    return letters, text.count(lines)


_MEASURES: Mapping[str, Callable[[Lines], Counts]] = {
    "lower_start": lambda text: text.by_match(text.patterns.first, lambda found: begins_lower(found["word"])),
    "lower_sentence": lambda text: text.by_match(text.patterns.sentence, lambda found: begins_lower(found["word"])),
    "lower_i": lambda text: text.by_match(text.patterns.i, lambda found: found.group()[0] == "i"),
    "full_stop": lambda text: text.of_ends(STOP, (NOTHING, STOP), question=False),
    "exclamation": lambda text: text.of_ends(EXCLAMATION, (NOTHING, STOP, EXCLAMATION), question=False),
    "question_mark": lambda text: text.of_ends(QUESTION, range(5), question=True),
    "ellipses": lambda text: text.by_turn(text.patterns.ellipsis),
    "smileys": lambda text: text.by_turn(text.patterns.smileys),
    "laughter": lambda text: text.by_turn(text.patterns.laughter),
    "no_apostrophe": lambda text: text.by_match(text.patterns.apostrophe, lambda found: not {"'", "\u2019"}.intersection(found.group())),
    "contractions": lambda text: text.by_match(text.patterns.contraction, lambda found: bool(found["short"])),
    "commas": lambda text: text.by_match(text.patterns.comma, lambda found: None if found["other"] else "," in found.group()),
    "quotes": lambda text: text.by_turn(text.patterns.quotes),
    "dashes": lambda text: text.by_turn(text.patterns.dashes),
    "brackets": lambda text: text.by_turn(text.patterns.brackets),
    "abbreviations": lambda text: text.by_match(text.patterns.abbreviation, lambda found: bool(found["short"])),
    "casual_yes": lambda text: text.by_match(text.patterns.yes, lambda found: bool(found["casual_yes"] or found["casual_no"])),
    "short_ok": lambda text: text.by_match(text.patterns.okay, lambda found: found.group().lower() in text.patterns.lexicon["ok"]),
    "first_words": lambda text: text.by_turn(text.patterns.first_word),
    "capitals": lambda text: text.by_match(text.patterns.inner, lambda found: found.group()[0].isupper()),
    "digits": lambda text: text.by_match(text.patterns.numbers, lambda found: len(found.group()) == 1),
    "word_length": _word_length,
    "double_space": lambda text: text.by_match(text.patterns.sentence, lambda found: len(found["gap"]) > 1),
    "space_before_mark": lambda text: text.by_match(text.patterns.marks, lambda found: bool(found["gap"])),
}
