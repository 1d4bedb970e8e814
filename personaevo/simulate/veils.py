"""Lines of a turn with all that typing must not touch hidden behind single characters, and shown again afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from personaevo import definitions
from personaevo.measure.habits import ADDRESSED, ODD, VEILED, Habits

_FIRST, _MOST = 0xF0000, 0xFFFE  # private characters, one for each thing that is hidden
_PRIVATE = re.compile(f"[{VEILED}]")


@dataclass(frozen=True, slots=True)
class Line:
    """One veiled line: what stands before it (white space, a placeholder that it addresses), its text, the white space after it, and what
    each veil hides."""

    before: str
    text: str
    after: str
    hidden: tuple[str, ...]

    def shown(self, typed: str) -> str:
        """The typed text with what is hidden in its place."""
        return f"{self.before}{_shown(typed, self.hidden)}{self.after}"


@lru_cache(maxsize=256)
def veiler(protected: tuple[str, ...]) -> Callable[[str], Line | None]:
    """What veils lines: the protected texts, where they stand as words of their own in any case, and tokens that are no plain words. It
    gives None for a line without a word, which nobody types in another way."""
    wanted = sorted({text.strip() for text in protected if text.strip()}, key=lambda text: (-len(text), text))
    kept = re.compile("|".join([*(rf"(?<!\w){re.escape(text)}(?!\w)" for text in wanted), _PRIVATE.pattern]), re.IGNORECASE)
    habits = definitions.typing().patterns
    return lambda line: _veiled(line, kept, habits)


def _veiled(line: str, kept: re.Pattern[str], habits: Habits) -> Line | None:
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
        return None  # more than there are veils
    if not any(map(str.isalnum, body)):
        return None
    text = ODD.sub(token, kept.sub(lambda found: hide(found.group()), body))
    return Line(line[:start], text, line[start + len(body) :], tuple(hidden))


def _shown(text: str, hidden: Sequence[str]) -> str:
    return _PRIVATE.sub(lambda veil: hidden[ord(veil.group()) - _FIRST], text)
