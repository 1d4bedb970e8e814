"""The typing surface: a seeded step after wording that types a turn according to the typing dials, with the task's content masked.

Typing changes the writing and not the meaning. Content of the task (facts, codes, names, numbers) is masked before and restored after; a
habit without a dial stays as worded. Each occasion of a habit is decided by a draw that depends on the seed, the turn, the line and the
occasion alone, so that typing a text twice equals typing it once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from personaevo import definitions
from personaevo.measure.habits import ADDRESSED, ODD, VEILED, Habits

_FIRST, _MOST = 0xF0000, 0xFFFE  # private characters, one for each masked part
_PRIVATE = re.compile(f"[{VEILED}]")


@dataclass(frozen=True, slots=True)
class Line:
    """One masked line: its prefix (white space, a placeholder that it addresses), its text, the white space after it, and the masked
    parts."""

    before: str
    text: str
    after: str
    hidden: tuple[str, ...]

    def shown(self, typed: str) -> str:
        """The typed text with the masked parts restored."""
        return f"{self.before}{_shown(typed, self.hidden)}{self.after}"


@lru_cache(maxsize=256)
def masker(protected: tuple[str, ...]) -> Callable[[str], Line | None]:
    """A function that masks lines: the protected texts, as whole words in any case, and tokens that are not plain words. It returns None
    for a line without a word, which has no typing variants."""
    longest_first = sorted({text.strip() for text in protected if text.strip()}, key=lambda text: (-len(text), text))
    kept = re.compile("|".join([*(rf"(?<!\w){re.escape(text)}(?!\w)" for text in longest_first), _PRIVATE.pattern]), re.IGNORECASE)
    habits = definitions.typing().patterns
    return lambda line: _masked(line, kept, habits)


def _masked(line: str, kept: re.Pattern[str], habits: Habits) -> Line | None:
    addressed = ADDRESSED.match(line)
    start = addressed.end() if addressed else len(line) - len(line.lstrip())
    body = line[start:].rstrip()
    hidden: list[str] = []

    def hide(text: str) -> str:
        hidden.append(text)
        return chr(_FIRST + len(hidden) - 1)

    def token(found: re.Match[str]) -> str:
        whole = found.group()
        begin, end = habits.core(whole)
        return whole if whole in habits.faces or begin == end else f"{whole[:begin]}{hide(_shown(whole[begin:end], hidden))}{whole[end:]}"

    if len(body) > _MOST and len(kept.findall(body)) + len(body.split()) > _MOST:
        return None  # more parts than private characters
    if not any(map(str.isalnum, body)):
        return None
    text = ODD.sub(token, kept.sub(lambda found: hide(found.group()), body))
    return Line(line[:start], text, line[start + len(body) :], tuple(hidden))


def _shown(text: str, hidden: Sequence[str]) -> str:
    return _PRIVATE.sub(lambda mask: hidden[ord(mask.group()) - _FIRST], text)
