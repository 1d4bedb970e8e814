"""The typing surface: a seeded step after wording that types a turn according to the typing dials, with the task's content masked.

Typing changes the writing and not the meaning. Content of the task (facts, codes, names, numbers) is masked before and restored after; a
habit without a dial stays as worded. Each occasion of a habit is decided by a draw that depends on the seed, the turn, the line and the
occasion alone, so that typing a text twice equals typing it once.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from personaevo import content, definitions
from personaevo.measure.typing import ADDRESSED, ODD, VEILED, Habits
from personaevo.records import Task
from personaevo.simulate.turns import facts_of, seed_of, spell_out
from personaevo.simulate.typing_edits import SLIPS, Draws, TypingStyle

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


SWING = "typing_swing"
_FORMS = ("first_words", "laughter", "own_smileys", "casual_yes", "casual_no", "yes", "no", "okay", "ok")
_LATER = 0.2  # rate at which later sentences begin with a protected text, relative to turns
_MOST_PASSES = 8  # until a line is stable; a line that is not stays as it was
_WORD = re.compile(r"(?<![\w'{-])[a-z]+(?![\w'}-])")
_BREAK = re.compile(r"(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])")


class Typist:
    """Types the turns of one dialogue. Equal dials, seeds, protected texts and turns give equal results.

    Args:
        dials: only those of typing (``definitions.typing_dials``) and slips per 100 words count. The level of each habit is drawn once
            around its dial, with the spread of the dial ``typing_swing``.
        seed: of the dialogue.
        protected: texts that stay unchanged (see ``protected_by``). Codes, addresses, file names and words with a digit always do.
        values_first: the share of turns that begin with a protected text. They keep their case, and the other turns compensate for it (so
            do later sentences, of which fewer begin so).
    """

    def __init__(self, dials: Mapping[str, float], seed: int, protected: Sequence[str] = (), *, values_first: float = 0.0) -> None:
        swing = dials.get(SWING, definitions.typing_dials()[SWING].default)
        asked = {name: dials[name] for name in definitions.typing_dials() if name in dials and name != SWING}
        levels = {name: _drawn(value, swing, seed_of(seed, SWING, name)) for name, value in asked.items()}
        for name, share in (("lower_start", values_first), ("lower_sentence", _LATER * values_first)):
            if name in levels and protected:  # compensate for turns that begin with a protected text, which keeps its case
                firsts = [text[:1] for text in protected]
                lower, upper = (share * sum(map(has, firsts)) / len(protected) for has in (str.islower, str.isupper))
                levels[name] = min(max((levels[name] - lower) / (1.0 - lower - upper), 0.0), 1.0)
        spared = frozenset(" ".join(protected).lower().split())
        self._style = TypingStyle(levels, dials.get(SLIPS, 0.0), _favorites(dials), definitions.typing().patterns, ordinary(), spared)
        self._mask = masker(tuple(protected))
        self._keys = {name: seed_of(seed, "typing", name) for name in (*levels, SLIPS)}

    @property
    def levels(self) -> Mapping[str, float]:
        """The level of each habit in this dialogue."""
        return self._style.levels

    def type(self, text: str, turn: int) -> str:
        """The text of a turn (numbered by the caller) as this user types it; each line is typed like a separate message.

        A second pass for the same turn changes nothing. A line without a word, or one that is not stable after several passes, stays.
        """
        if not (self.levels or self._style.slips):
            return text
        pieces = _BREAK.split(text)
        return "".join(piece if at % 2 else self._typed(piece, turn, at // 2) for at, piece in enumerate(pieces))

    def _typed(self, text: str, turn: int, number: int) -> str:
        draws = Draws(self._keys, seed_of(turn, number))
        typed = text
        for _ in range(_MOST_PASSES):
            line = self._mask(typed)
            if line is None:
                return text
            before, typed = typed, line.shown(self._style.typed(line.text, draws))
            if typed == before:
                return typed
        return text


def types(dials: Mapping[str, float]) -> bool:
    """Whether a dial of typing is set, so that there is something to type."""
    return any(name in dials for name in definitions.typing_dials() if name != SWING)


def typist_for(dials: Mapping[str, float], seed: int, task: Task | None, *, values_first: float = 0.0) -> Typist | None:
    """The typist of a user's dialogue; None if no typing dial is set: the text then stays as worded."""
    return Typist(dials, seed, protected_by(task), values_first=values_first) if types(dials) else None


def protected_by(task: Task | None) -> tuple[str, ...]:
    """The texts of a task that typing must not change: the values of its facts, also spelled out, and the names and codes in its goal and
    context (capitalized words that are not ordinary words)."""
    if task is None:
        return ()
    values = facts_of(task).values()
    stated = " ".join([task.goal, task.context, *task.facts]).split()
    bare = (word.strip(".,!?;:'\"()[]\u2019\u201c\u201d") for word in stated)
    names = (word for word in bare if any(map(str.isupper, word)) and word.lower() not in ordinary() and word != "I")
    return tuple(dict.fromkeys([*values, *map(spell_out, values), *names]))


def _drawn(mean: float, swing: float, seed: int) -> float:
    """A beta-binomial share with that mean, where two occasions in a dialogue correlate by ``swing``."""
    if not (0.0 < mean < 1.0) or swing <= 0.0:
        return mean
    total = 1.0 / swing - 1.0
    return random.Random(seed).betavariate(mean * total, (1.0 - mean) * total)


def _favorites(dials: Mapping[str, float]) -> Mapping[str, str]:
    """The forms that this person prefers, by what they replace; they follow from the dials, so that all dialogues share them."""
    known = definitions.typing_dials()
    return _forms_of(json.dumps(sorted((name, value) for name, value in dials.items() if name in known)))


@lru_cache(maxsize=1_024)
def _forms_of(person: str) -> Mapping[str, str]:
    """A random form of each kind, earlier ones in the lexicon more often."""
    table, forms = definitions.typing().lexicon, {}
    for key, entries in ({key: table[key] for key in _FORMS} | table["abbreviations"]).items():
        forms[key] = entries[int(random.Random(seed_of(person, key)).random() ** 2 * len(entries))]
    return forms


@cache
def ordinary() -> frozenset[str]:
    """Words that are not names: those that the installed domains and lexicons write in lower case."""
    domains = sorted((content.root("fitness") / "domains").glob("*.toml"))
    texts = [*(path.read_text(encoding="utf-8") for path in domains), json.dumps(content.toml("fitness", "typing.toml")["lexicon"])]
    texts += [phrase for feature in definitions.features().features for phrase in feature.lexicon]
    return frozenset(word for text in texts for word in _WORD.findall(text))
