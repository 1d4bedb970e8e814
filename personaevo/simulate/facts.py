"""Facts in text: spelling small numbers out, and finding a fact in what was said."""

from __future__ import annotations

import re

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORD = re.compile(r"\S+")


def has_digit(word: str) -> bool:
    """Whether the word holds a digit."""
    return any(map(str.isdigit, word))


def count_numbers(text: str) -> int:
    """Words of the text that hold a digit."""
    return sum(map(has_digit, text.split()))


def spell_out(value: str) -> str:
    """The value with whole numbers up to twelve as words."""
    return " ".join(_NUMBERS[int(word)] if word.isdecimal() and int(word) < len(_NUMBERS) else word for word in value.split())


def number_of(value: str) -> str:
    """The value's first number with the word it counts ("10 dollars each fall" gives "10 dollars"); empty if it has none."""
    words = value.split()
    for index, word in enumerate(words):
        if has_digit(word):
            return " ".join([word, *(following for following in words[index + 1 : index + 2] if following.isalpha())])
    return ""


def mentions(text: str, value: str) -> bool:
    """Whether ``text`` (lower case) states the value, in digits or spelled out."""
    low = value.lower()
    return low in text or spell_out(low) in text


def numbers_in(text: str) -> set[str]:
    """The words of the text that hold a digit, bare of outer punctuation, in lower case."""
    return {word.strip(".,;:!?()\"'").lower() for word in _WORD.findall(text) if has_digit(word)}
