"""Facts in text: spelling out small numbers, and finding a fact's value in a turn."""

from __future__ import annotations

import re

from personaevo.records import Task

_SPELLED = dict(zip(
    map(str, range(13)),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), strict=True,
))  # fmt: skip
_SMALL = frozenset(("a", "an", "the", "my", "our", "your", "to", "for", "of", "on", "in", "at", "some", "that", "is", "are", "this"))
_WORD = re.compile(r"\S+")


def facts_of(task: Task) -> dict[str, str]:
    """The task's facts whose name and value are not blank."""
    return {name: value for name, value in task.facts.items() if name.strip() and value.strip()}


def has_digit(word: str) -> bool:
    """Whether the word holds a digit."""
    return not word.isalpha() and any(map(str.isdigit, word))


def count_numbers(text: str) -> int:
    """The number of words with a digit."""
    return sum(map(has_digit, text.split()))


def spell_out(value: str) -> str:
    """The value with whole numbers up to twelve as words ("5 bags" gives "five bags", "007" stays)."""
    words = value.split()
    spelled = [_SPELLED.get(word, word) for word in words]
    return value if spelled == words else " ".join(spelled)


def telegraphic(text: str) -> str:
    """The text without function words ("move my flight to the evening" gives "move flight evening"); the whole text if it has no others."""
    return " ".join(word for word in text.split() if word.lower() not in _SMALL) or text


def number_of(value: str) -> str:
    """The value's first number with the word after it ("10 dollars each fall" gives "10 dollars"); empty if it has none."""
    words = value.split()
    for index, word in enumerate(words):
        if has_digit(word):
            return " ".join([word, *(following for following in words[index + 1 : index + 2] if following.isalpha())])
    return ""


def mentions(text: str, value: str) -> bool:
    """Whether ``text`` (lower case) has the value as whole words, in digits or spelled out."""
    low = value.lower()
    return _has_words(text, low) or _has_words(text, spell_out(low))


def _has_words(text: str, words: str) -> bool:
    """Whether the words occur in the text without a letter or digit directly before or after them."""
    at = text.find(words)
    while at >= 0:
        end = at + len(words)
        if not text[max(at - 1, 0) : at].isalnum() and not text[end : end + 1].isalnum():
            return True
        at = text.find(words, at + 1)
    return False


def numbers_in(text: str) -> set[str]:
    """The words of the text with a digit, without outer punctuation, in lower case."""
    return {word.strip(".,;:!?()\"'").lower() for word in _WORD.findall(text) if has_digit(word)} if has_digit(text) else set()
