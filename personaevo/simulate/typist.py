"""The typing surface: one seeded step after wording, the same for templates and models, that types a turn as its dials say.

Typing changes how something is written and not what is said. What the task is about (facts, codes, names, numbers) is veiled before and
unveiled after; a habit without a dial stays as the wording has it. Each habit is decided occasion by occasion, by draws that depend on the
seed, the turn, the line and the occasion alone, so that a text typed twice is the text typed once. How typing changes a line is in
``strokes``, what it must not reach in ``veils``; here is what a person and a dialogue bring along.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from personaevo import content, definitions
from personaevo.records import Task
from personaevo.simulate.facts import facts_of, spell_out
from personaevo.simulate.seeds import seed_of
from personaevo.simulate.strokes import SLIPS, Draws, Hand
from personaevo.simulate.veils import veiler

SWING = "typing_swing"
_FORMS = ("first_words", "laughter", "own_smileys", "casual_yes", "casual_no", "yes", "no", "okay", "ok")
_LATER = 0.2  # how often later sentences begin with a protected text, for each time that turns do
_SETTLES = 8  # passes within which a line comes to rest; one that does not stays as it was
_WORD = re.compile(r"(?<![\w'{-])[a-z]+(?![\w'}-])")
_BREAK = re.compile(r"(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])")


class Typist:
    """Types the turns of one dialogue. Equal dials, seeds, protected texts and turns give equal results.

    Args:
        dials: those of typing count (``definitions.typing_dials``), and typing slips per 100 words. The level of each habit is drawn once,
            around its dial, by the dial ``typing_swing``.
        seed: of the dialogue.
        protected: texts that stay as they are wherever they stand (see ``protected_by``). Codes, addresses, file names and whatever holds
            a digit do anyway.
        values_first: the share of turns that begin with a protected text. They keep their case, and the others make up for it (later
            sentences, of which fewer do, too).
    """

    def __init__(self, dials: Mapping[str, float], seed: int, protected: Sequence[str] = (), *, values_first: float = 0.0) -> None:
        swing = dials.get(SWING, definitions.typing_dials()[SWING].default)
        asked = {name: dials[name] for name in definitions.typing_dials() if name in dials and name != SWING}
        levels = {name: _drawn(value, swing, seed_of(seed, SWING, name)) for name, value in asked.items()}
        for name, share in (("lower_start", values_first), ("lower_sentence", _LATER * values_first)):
            if name in levels and protected:
                levels[name] = _of_the_others(levels[name], protected, share)
        spared = frozenset(" ".join(protected).lower().split())
        self._hand = Hand(levels, dials.get(SLIPS, 0.0), _favorites(dials), definitions.typing().patterns, ordinary(), spared)
        self._veil = veiler(tuple(protected))
        self._keys = {name: seed_of(seed, "typing", name) for name in (*levels, SLIPS)}

    @property
    def levels(self) -> Mapping[str, float]:
        """The level of each habit in this dialogue."""
        return self._hand.levels

    def type(self, text: str, turn: int) -> str:
        """The text of a turn (numbered by the caller) as this user types it; each of its lines is typed like a message of its own.

        Typed again for the same turn, it stays as it is. What has no word, and a line that does not come to rest, is left alone.
        """
        if not (self.levels or self._hand.slips):
            return text
        pieces = _BREAK.split(text)
        return "".join(piece if at % 2 else self._typed(piece, turn, at // 2) for at, piece in enumerate(pieces))

    def _typed(self, text: str, turn: int, number: int) -> str:
        draws = Draws(self._keys, seed_of(turn, number))
        typed = text
        for _ in range(_SETTLES):
            line = self._veil(typed)
            if line is None:
                return text
            before, typed = typed, line.shown(self._hand.typed(line.text, draws))
            if typed == before:
                return typed
        return text


def types(dials: Mapping[str, float]) -> bool:
    """Whether a dial of typing is set, so that there is something to type."""
    return any(name in dials for name in definitions.typing_dials() if name != SWING)


def typist_for(dials: Mapping[str, float], seed: int, task: Task | None, *, values_first: float = 0.0) -> Typist | None:
    """The typist of a user's dialogue, or None if no typing dial is set, in which case the text stays as it was worded."""
    return Typist(dials, seed, protected_by(task), values_first=values_first) if types(dials) else None


def protected_by(task: Task | None) -> tuple[str, ...]:
    """What of a task nobody types in another way: the values of its facts, spelled out too, and the names and codes in its goal and
    context (words with a capital that are no ordinary words)."""
    if task is None:
        return ()
    values = facts_of(task).values()
    stated = " ".join([task.goal, task.context, *task.facts]).split()
    bare = (word.strip(".,!?;:'\"()[]\u2019\u201c\u201d") for word in stated)
    names = (word for word in bare if any(map(str.isupper, word)) and word.lower() not in ordinary() and word != "I")
    return tuple(dict.fromkeys([*values, *map(spell_out, values), *names]))


def _drawn(mean: float, swing: float, seed: int) -> float:
    """A share with that mean; two occasions in a dialogue correlate by ``swing`` (beta-binomial)."""
    if not (0.0 < mean < 1.0) or swing <= 0.0:
        return mean
    total = 1.0 / swing - 1.0
    return random.Random(seed).betavariate(mean * total, (1.0 - mean) * total)


def _of_the_others(level: float, protected: Sequence[str], share: float) -> float:
    """How much of a level other turns must show where a share of all begins with a protected text, which keeps its case."""
    lower, upper = (share * sum(map(has, (text[:1] for text in protected))) / len(protected) for has in (str.islower, str.isupper))
    return min(max((level - lower) / (1.0 - lower - upper), 0.0), 1.0)


def _favorites(dials: Mapping[str, float]) -> Mapping[str, str]:
    """The forms that this person prefers, by what they stand for: they follow from the dials, and so are the same in all dialogues."""
    known = definitions.typing_dials()
    return _forms_of(json.dumps(sorted((name, value) for name, value in dials.items() if name in known)))


@lru_cache(maxsize=1_024)
def _forms_of(person: str) -> Mapping[str, str]:
    table = definitions.typing().lexicon
    forms = {key: table[key] for key in _FORMS} | table["abbreviations"]
    return {key: _one_of(entries, random.Random(seed_of(person, key))) for key, entries in forms.items()}


def _one_of(entries: Sequence[str], rng: random.Random) -> str:
    """One of the entries, the first ones more often than the last."""
    return entries[int(rng.random() ** 2 * len(entries))]


@cache
def ordinary() -> frozenset[str]:
    """Words that are no names: those that the installed domains and lexicons write in lower case."""
    domains = sorted((content.root("fitness") / "domains").glob("*.toml"))
    texts = [*(path.read_text(encoding="utf-8") for path in domains), json.dumps(content.toml("fitness", "typing.toml")["lexicon"])]
    texts += [phrase for feature in definitions.features().features for phrase in feature.lexicon]
    return frozenset(word for text in texts for word in _WORD.findall(text))

