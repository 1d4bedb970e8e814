"""Words plans from templates: chooses phrases by purpose and length, without repeating one in a dialogue."""

from __future__ import annotations

import itertools
import random
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from personaevo import definitions
from personaevo.definitions import ACK, Domain, Phrase
from personaevo.errors import ContentError
from personaevo.measure.fingerprint import REPEAT_RUN_WORDS
from personaevo.records import Task
from personaevo.simulate.draws import ACK_CAN_SHOW, SHORT
from personaevo.simulate.turns import Move, Realization, TurnPlan, facts_of, spell_out, telegraphic
from personaevo.simulate.typing_edits import swapped

_TRIES = 8
_CHOICE = 8
_SLOT = re.compile(r"\{(\w+)\}")


def filled(text: str, **slots: str) -> str:
    """The text with its slots filled (those not given stay); inserted text is not searched for slots."""
    return _SLOT.sub(lambda slot: slots.get(slot[1], slot[0]), text)


class Bank:
    """Phrases of one purpose, sorted by length for fast lookup."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self.phrases = sorted(phrases, key=lambda phrase: phrase.words)
        self.words = [phrase.words for phrase in self.phrases]
        # the greatest length with a choice of phrases, so that the one longest phrase is not used all the time
        self.longest = max((words for words, count in Counter(self.words).items() if count >= _CHOICE), default=self.words[-1])

    def pick(self, rng: random.Random, least: int, most: int, used: set[str]) -> Phrase:
        """A phrase of ``least`` to ``most`` fixed words whose family is not in ``used``, else one of the nearest length.

        A family is repeated only when all are used.
        """
        stop = bisect_right(self.words, most) or bisect_right(self.words, self.words[0])
        start = min(bisect_left(self.words, least), bisect_left(self.words, self.words[stop - 1]))
        for _ in range(_TRIES):
            phrase = self.phrases[start + int(rng.random() * (stop - start))]
            if phrase.family not in used:
                break
        else:  # the first unused phrase of the range, else the next shorter, else the next longer one
            order = itertools.chain(range(start, stop), range(start - 1, -1, -1), range(stop, len(self.phrases)))
            phrase = next((self.phrases[index] for index in order if self.phrases[index].family not in used), phrase)
        used.add(phrase.family)
        return phrase


class Wording:
    """All phrase banks of one domain's user: ``wording["fact"]``, ``wording["marker.politeness_rate"]``."""

    def __init__(self, domain: Domain) -> None:
        self.banks = {key: Bank(phrases) for key, phrases in domain.user.items()}
        acks: dict[frozenset[str], list[Phrase]] = {}
        for phrase in domain.user["ack"]:
            acks.setdefault(phrase.shows - {ACK}, []).append(phrase)
        if frozenset() not in acks:
            raise ContentError("fitness/domains: [user] ack needs forms that show nothing but an acknowledgement")
        self.acks = {shows: Bank(phrases) for shows, phrases in acks.items()}

    def __getitem__(self, key: str) -> Bank:
        return self.banks[key]

    def ack(self, shows: frozenset[str]) -> Bank:
        """Bare acknowledgements that also show exactly these features (a courtesy, a feeling), or plain ones if there are none."""
        return self.acks.get(shows, self.acks[frozenset()])


@lru_cache(maxsize=8)
def wording(domain: Domain) -> Wording:
    """The user's phrase banks of a domain, built once for each process."""
    return Wording(domain)


_LEAST_FILLER = 2  # words of filler, at least, for a long turn whose other parts are short
_SLACK = 5  # words by which a marker may exceed a turn's length
_STOPS = ".?!,"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a turn, with its number of words."""

    text: str
    words: int


class Templates:
    """Words the plans of one dialogue from the domain's phrases, without saying anything twice in the same form.

    ``slips`` are typing slips per 100 words; ``echoes``: this user may repeat a bare acknowledgement; ``verbatim``: it repeats whole
    sentences.
    """

    def __init__(
        self, task: Task, domain: Domain, rng: random.Random, *, slips: float = 0.0, verbatim: bool = False, echoes: bool = False
    ) -> None:
        self.rng, self.slips, self.verbatim, self.echoes = rng, slips, verbatim, echoes
        self.goal, facts = task.goal.strip(), facts_of(task)
        self.wording = wording(domain)
        self.given = dict.fromkeys(facts, 0)
        stated = [self.goal, *facts, *facts.values(), *map(spell_out, facts.values())]
        self.spared = set(" ".join(stated).split()) if slips else set()
        self.used: set[str] = set()
        self.sentences: list[str] = []
        self.acknowledged: list[Phrase] = []
        self.unshown: list[str] = []
        self.goal_said = self.goal_known = False
        self.slack = 0

    def say(self, plan: TurnPlan, heard: str | None) -> Realization:
        """The plan in words; templates ignore ``heard``."""
        self.goal_known = self.goal_said  # only text of an earlier turn can be repeated
        self.unshown, self.slack = [], 0 if plan.words <= SHORT else _SLACK
        parts = self._acknowledge(plan) if plan.bare else self._dressed(list(map(self._worded, plan.moves)), plan)
        parts = [part for part in parts if part.text.strip()] or [self._phrase("go_on", SHORT)]
        goal = any(move.kind == "goal" for move in plan.moves)
        self.goal_said |= goal
        words = sum([part.words for part in parts])
        return Realization(self._joined(parts), words, plan.facts, goal, tuple(self.unshown))

    def _worded(self, move: Move) -> Part:
        if move.kind == "goal":
            return self._goal("goal", move.room)
        if move.kind == "remind":
            return self._filled(move)
        if move.name:
            self.given[move.name] += 1
            return self._filled(move)
        return self._phrase(move.kind, move.room)

    def _dressed(self, parts: list[Part], plan: TurnPlan) -> list[Part]:
        """The parts, the due behaviors, and filler up to the length."""
        words = sum([part.words for part in parts])
        for name in plan.shows:
            shown = self._show(name, plan.words - words)
            parts += shown
            words += sum([part.words for part in shown])
        return parts + self._fill(max(plan.words - words, _LEAST_FILLER if words <= SHORT < plan.words else 0))

    # -- behaviors that are due -----------------------------------------------------------------------------------------

    def _show(self, name: str, room: int) -> list[Part]:
        """A text that shows the behavior, or nothing (it stays owed) if even the shortest is far too long."""
        if name == "repetition_rate":
            return self._repeat(room)
        bank = self.wording[f"marker.{name}"]
        if bank.words[0] > room + self.slack:
            self.unshown.append(name)
            return []
        most = max(room, bank.words[0])
        phrase = bank.pick(self.rng, max(1, min(most, 10) // 3), most, self.used)
        self.sentences.append(phrase.text)
        return [Part(phrase.text, phrase.words)]

    def _repeat(self, room: int) -> list[Part]:
        """A repetition: the goal in a different phrase, or, for a user who repeats often, an earlier sentence."""
        goal_words, most = len(self.goal.split()), room + self.slack
        if self.goal_known and most >= goal_words >= REPEAT_RUN_WORDS:
            return [self._goal("restate", room)]
        earlier = [text for text in self.sentences if REPEAT_RUN_WORDS <= len(text.split()) <= most] if self.verbatim else []
        if not earlier:
            self.unshown.append("repetition_rate")
            return []
        text = earlier[int(self.rng.random() * len(earlier))]
        return [Part(text, len(text.split()))]

    def _acknowledge(self, plan: TurnPlan) -> list[Part]:
        """A bare acknowledgement, with a due courtesy or feeling if it has such a form; other due behaviors stay owed."""
        shows = ACK_CAN_SHOW.intersection(plan.shows)
        bank, plain = self.wording.ack(shows), self.wording.ack(frozenset())
        phrase = bank.pick(self.rng, plan.words, plan.words, self.used)
        shown = {*(shows if bank is not plain else ())}
        if "repetition_rate" in plan.shows and self.echoes and self.acknowledged:
            phrase = self.rng.choice(self.acknowledged)
            shown.add("repetition_rate")
        self.unshown += [name for name in plan.shows if name not in shown]
        self.acknowledged.append(phrase)
        return [Part(phrase.text, phrase.words)]

    # -- pieces of text ---------------------------------------------------------------------------------------------------

    def _phrase(self, purpose: str, room: int) -> Part:
        least = room if room <= SHORT else room // 4  # a short turn must match its length: there is no filler of one word
        phrase = self.wording[purpose].pick(self.rng, max(1, least), max(room, 1), self.used)
        return Part(phrase.text, phrase.words)

    def _goal(self, purpose: str, room: int) -> Part:
        """The goal in words; if the first statement has no room for all of them, function words are dropped from then on."""
        if purpose == "goal" and room < len(self.goal.split()):
            self.goal = telegraphic(self.goal)
        words = len(self.goal.split())
        phrase = self.wording[purpose].pick(self.rng, 0, max(room - words, 0), self.used)
        return Part(filled(phrase.text, goal=self.goal), phrase.words + words)

    def _filled(self, move: Move) -> Part:
        """A phrase with the fact's value, and with its name if there is room; a bare value is not said twice."""
        bank, least = self.wording[move.kind], int(self.given[move.name] > 1)
        slots = len(move.value.split())
        if move.room <= slots and not least:  # longer forms may have the name in them
            return Part(move.value, slots)
        phrase = bank.pick(self.rng, least, max(move.room - slots, least), self.used)
        if "{name}" in phrase.text:
            slots += len(move.name.split())
            if phrase.words + slots > move.room:
                phrase = bank.pick(self.rng, least, max(move.room - slots, least), self.used)
        return Part(filled(phrase.text, name=move.name, value=move.value), phrase.words + slots)

    def _fill(self, room: int) -> list[Part]:
        parts: list[Part] = []
        bank = self.wording["filler"]
        while room >= bank.words[0]:
            words = room if room <= bank.longest else self.rng.randint(min(5, bank.longest), bank.longest)
            phrase = bank.pick(self.rng, words, words, self.used)
            parts.append(Part(phrase.text, phrase.words))
            self.sentences.append(phrase.text)
            room -= phrase.words
        return parts

    def _joined(self, parts: list[Part]) -> str:
        """The parts as one turn, with slips."""
        *first, last = [part.text for part in parts]
        last = last if last[-1] in _STOPS else f"{last}."
        text = " ".join([*(one if one[-1] in _STOPS else one + ("." if len(one) > 12 else ",") for one in first), last])
        return self._slip(text) if self.slips else text

    def _slip(self, text: str) -> str:
        """Swap two inner letters of some plain words, never in words of the task."""
        words = text.split(" ")
        plain = [index for index, word in enumerate(words) if len(word) > 3 and word.isalpha() and word not in self.spared]
        chance = self.slips / 100.0 * len(words) / max(len(plain), 1)
        for index in plain:
            if self.rng.random() < chance:
                word = words[index]
                at = 1 + int(self.rng.random() * (len(word) - 2))
                words[index] = swapped(word, at)
        return " ".join(words)


def templates_for(task: Task, domain: Domain, rng: random.Random, dials: Mapping[str, float], slips: float) -> Templates:
    """The templates of a user with these dials; ``slips`` is the level of that dial in this dialogue."""
    dial = definitions.dials()["repetition_rate"]
    verbatim = dials.get(dial.name, dial.default) > dial.default
    return Templates(task, domain, rng, slips=slips, verbatim=verbatim, echoes=dial.name in dials)
