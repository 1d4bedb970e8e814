"""Typing habits of the user turns of dialogues: patterns of the places in a text where each habit can show, and their measures.

The patterns are built from lexicons (``fitness/typing.toml``) and search *veiled* text: each address, path, file name and token with a
digit is replaced by the single character ``VEIL``, which counts as a word and which no habit changes. They match line by line, one turn
per line. Measuring and simulated typing share them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

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
