"""The agenda-based user simulator (Schatzmann et al. 2007), steered by dials.

The user keeps an agenda (say the goal, give facts, correct, agree, close) and hears the agent's text, nothing else. What it says next
follows from the agenda; *how* it says it follows from the dials: how long the turn is, whether it is a bare acknowledgement, and which
behaviors it shows. Each rate dial is a chance per turn, corrected by what could not be shown before, so that the dialogue's mean is
the dial. Wording is neutral unless a behavior is due. Nothing here knows a reference.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from personaevo import definitions
from personaevo.definitions import Domain, Phrase
from personaevo.measure.fingerprint import EXCLUSIVE, REPEAT_RUN_WORDS
from personaevo.records import Task
from personaevo.simulate.facts import count_numbers, facts_of, number_of, spell_out
from personaevo.simulate.hearing import Heard, Hearing
from personaevo.simulate.lengths import SHORT, LengthPlan
from personaevo.simulate.wording import filled, wording

FREE = (
    "politeness_rate", "formality_rate", "identity_confusion_rate", "uncertainty_rate", "certainty_rate", "emotion_rate", "accusatory_rate",
    "pivot_rate",
)  # fmt: skip
REACTIVE = frozenset({"pushback_rate", "emotion_rate", "accusatory_rate", "pivot_rate"})
FOLLOW_LENGTH = ("short_rate", "opening_words", "front_loading", "ack_only_rate")
_ACK_CAN_SHOW = frozenset({"politeness_rate", "emotion_rate", "certainty_rate"})
_AFTER_A_MISTAKE = 3.0
_MARKER_WORDS = 2  # what the agenda leaves for each behavior that is due
_LEAST_FILLER = 2  # a turn that is not to be short gets at least so much, should the rest of it be short
_REMINDER_WORDS = 4
_STOPS = ".?!,"


def resolve(dials: Mapping[str, float]) -> dict[str, float | None]:
    """Every dial's value: as asked for, else the persona-free default. Once ``words_per_turn`` is asked for, the other dials of
    length that are not follow it (None)."""
    follow = FOLLOW_LENGTH if "words_per_turn" in dials else ()
    return {name: dials.get(name, None if name in follow else dial.default) for name, dial in definitions.dials().items()}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the turn being built, with its number of words."""

    text: str
    words: int


class AgendaUser:
    """One user in one dialogue. ``say(heard)`` gives the next turn, or None once the user has left.

    Attributes ``outcome`` ("completed", "gave_up" or "" while talking), ``goal_said``, ``asked`` (names of facts that were asked for) and
    ``given`` (how often each fact was given) tell how it went.
    """

    def __init__(self, task: Task, dials: Mapping[str, float], domain: Domain, rng: random.Random) -> None:
        self.domain, self.rng = domain, rng
        self.goal, self.facts = task.goal.strip(), facts_of(task)
        self.wording = wording(domain.name)
        self.hearing = Hearing(task, domain)
        level = resolve(dials)
        self.verbatim = (level["repetition_rate"] or 0.0) > definitions.dials()["repetition_rate"].default
        self.rates = {name: level[name] or 0.0 for name in (*FREE, *EXCLUSIVE, "ack_only_rate", "repetition_rate")}
        self.identifiers, self.extra_facts = level["identifiers_per_turn"] or 0.0, level["facts_per_turn"] or 0.0
        self.patience, self.slips = level["patience_turns"] or 1.0, level["slips_per_100_words"] or 0.0
        stated = [self.goal, *self.facts, *self.facts.values(), *map(spell_out, self.facts.values())]
        self.spared = set(" ".join(stated).split()) if self.slips else set()
        self.lengths = LengthPlan(
            level["words_per_turn"] or 1.0, level["verbosity_cv"] or 0.0, level["short_rate"], level["opening_words"],
            level["front_loading"], domain.script.get("expected_turns", 8.0),
        )  # fmt: skip
        self.acks_follow = level["ack_only_rate"] is None
        self.owed = dict.fromkeys(self.rates, 0.0)
        self.used: set[str] = set()
        self.given = dict.fromkeys(self.facts, 0)
        self.sentences: list[str] = []
        self.acknowledged: list[Phrase] = []
        self.asked: set[str] = set()
        self.digits = self.slack = 0
        self.goal_said = self.leaving = False
        self.outcome = ""

    # -- the agenda ---------------------------------------------------------------------------------------------------

    def say(self, heard: str | None) -> str | None:
        """The next turn after the agent's text ``heard`` (None at the very start)."""
        if self.leaving:
            return None
        heard_now = self.hearing.understand(heard, self.given)
        self.asked.update(heard_now.asked)
        budget = self.lengths.next(self.rng)
        self.slack = 0 if budget <= SHORT else 2
        due = self._due(heard_now.misread is not None)
        bare = "ack_only_rate" in due or (self.acks_follow and budget < SHORT)
        if self.lengths.turns >= self.patience and not heard_now.closing:
            parts = self._leave("gave_up", "give_up", budget)
        elif heard_now.closing and self.goal_said:
            parts = self._leave("completed", "close", budget, bare, due)
        elif bare and not heard_now.asked and heard_now.misread is None and (self.goal_said or self.lengths.turns == 0):
            parts = self._acknowledge(due)
        else:
            self._defer(due, {"ack_only_rate"})
            parts = self._turn(heard_now, budget, due)
        return self._speak(parts)

    def _turn(self, heard: Heard, budget: int, due: set[str]) -> list[Part]:
        """A turn with content: what the agenda asks for, the behaviors that are due, and filler up to the budget."""
        room = max(1, budget - _MARKER_WORDS * len(due))
        return self._dressed([*self._core(heard, room), *self._remind(budget)], budget, due)

    def _core(self, heard: Heard, budget: int) -> list[Part]:
        if heard.misread is not None:
            return [self._fact(heard.misread, budget, "correct")]
        if self.lengths.turns == 0 and (self.domain.opens == "agent" or budget <= SHORT):
            return [self._phrase("greet", min(budget, 3))]
        if heard.asked:
            return [self._fact(name, max(1, budget // len(heard.asked)), "fact") for name in heard.asked]
        if not self.goal_said:
            self.goal_said = True
            return [self._goal("goal", budget), *self._volunteer(budget)]
        if heard.question:
            return [self._phrase("affirm", budget), *self._volunteer(budget)]
        return self._volunteer(budget) or [self._phrase("go_on", budget)]

    def _leave(self, outcome: str, purpose: str, budget: int, bare: bool = False, due: set[str] | None = None) -> list[Part]:
        self.leaving, self.outcome = True, outcome
        if bare:
            return self._acknowledge(due or set())
        return self._dressed([self._phrase(purpose, budget)], budget, due or set())

    def _dressed(self, parts: list[Part], budget: int, due: set[str]) -> list[Part]:
        """The parts, the behaviors that are due (what repeats first, as it takes most room, the rest in any order), and filler."""
        names = sorted(due)  # a set's order differs between processes
        self.rng.shuffle(names)
        for name in sorted(names, key=lambda name: name != "repetition_rate"):
            parts += self._show(name, budget - sum(part.words for part in parts))
        words = sum(part.words for part in parts)
        return parts + self._fill(max(budget - words, _LEAST_FILLER if words <= SHORT < budget else 0))

    # -- behaviors that are due -----------------------------------------------------------------------------------------

    def _due(self, mistake: bool) -> set[str]:
        """Draws the behaviors of this turn. What a mistake brings forward, and what could not be shown, is settled later."""
        due = set()
        for name in (*FREE, "ack_only_rate", "repetition_rate"):
            if self.rng.random() < self._chance(name, mistake):
                due.add(name)
        draw = self.rng.random()
        for name in EXCLUSIVE:
            draw -= self._chance(name, mistake)
            if draw < 0:
                due.add(name)
                break
        return due

    def _chance(self, name: str, mistake: bool) -> float:
        rate = self.rates[name]
        wanted = rate * _AFTER_A_MISTAKE if mistake and name in REACTIVE else rate + self.owed[name]
        chance = min(max(wanted, 0.0), 1.0)
        self.owed[name] += rate - chance
        return chance

    def _defer(self, due: set[str], names: set[str]) -> None:
        for name in due & names:
            due.discard(name)
            self.owed[name] += 1.0

    def _show(self, name: str, room: int) -> list[Part]:
        """The piece of text that shows the behavior, or nothing (then it stays owed) when even the shortest is far too long."""
        if name == "repetition_rate":
            return self._repeat(room)
        bank = self.wording[f"marker.{name}"]
        if bank.words[0] > room + self.slack:
            self.owed[name] += 1.0
            return []
        most = max(room, bank.words[0])
        phrase = bank.pick(self.rng, max(1, min(most, 10) // 3), most, self.used)
        self.sentences.append(phrase.text)
        return [Part(phrase.text, phrase.words)]

    def _repeat(self, room: int) -> list[Part]:
        """Says again what was said: the goal in other words around it, or, of a user who is to repeat a lot, an earlier sentence."""
        goal_words = len(self.goal.split())
        if self.goal_said and room >= goal_words >= REPEAT_RUN_WORDS:
            return [self._goal("restate", room)]
        earlier = [text for text in self.sentences if REPEAT_RUN_WORDS <= len(text.split()) <= room] if self.verbatim else []
        if not earlier:
            self.owed["repetition_rate"] += 1.0
            return []
        text = earlier[int(self.rng.random() * len(earlier))]
        return [Part(text, len(text.split()))]

    def _acknowledge(self, due: set[str]) -> list[Part]:
        """A bare acknowledgement, with the courtesy or feeling that is due if there is a form of it; what else is due stays owed."""
        shows = frozenset(due & _ACK_CAN_SHOW)
        bank, plain = self.wording.ack(shows), self.wording.ack(frozenset())
        phrase = bank.pick(self.rng, 1, SHORT, self.used)
        shown = {"ack_only_rate", *(shows if bank is not plain else ())}
        if "repetition_rate" in due and self.acknowledged:
            phrase = self.rng.choice(self.acknowledged)
            shown.add("repetition_rate")
        self._defer(due, due - shown)
        self.acknowledged.append(phrase)
        return [Part(phrase.text, phrase.words)]

    # -- pieces of text ---------------------------------------------------------------------------------------------------

    def _phrase(self, purpose: str, room: int) -> Part:
        phrase = self.wording[purpose].pick(self.rng, max(1, room // 4), max(room, 1), self.used)
        return Part(phrase.text, phrase.words)

    def _goal(self, purpose: str, room: int) -> Part:
        words = len(self.goal.split())
        phrase = self.wording[purpose].pick(self.rng, 0, max(room - words, 0), self.used)
        return Part(filled(phrase.text, goal=self.goal), phrase.words + words)

    def _fact(self, name: str, room: int, purpose: str) -> Part:
        """One fact in words: always the task's own name and value (small numbers may be spelled out)."""
        self.given[name] += 1
        return self._filled(purpose, name, self._spelled(self.facts[name]), room)

    def _filled(self, purpose: str, name: str, value: str, room: int) -> Part:
        """A phrase of the purpose with the fact's value, and its name where there is room for it; a bare value is not said twice."""
        bank, least = self.wording[purpose], int(self.given[name] > 1)
        slots = len(value.split())
        phrase = bank.pick(self.rng, least, max(room - slots, least), self.used)
        if "{name}" in phrase.text:
            slots += len(name.split())
            if phrase.words + slots > room:
                phrase = bank.pick(self.rng, least, max(room - slots, least), self.used)
        return Part(filled(phrase.text, name=name, value=value), phrase.words + slots)

    def _spelled(self, value: str) -> str:
        """The value as it is, or with small whole numbers as words when fewer numbers are wanted than were given."""
        if self.digits + count_numbers(value) > self._wanted_digits() + 0.5:
            value = spell_out(value)
        self.digits += count_numbers(value)
        return value

    def _volunteer(self, room: int) -> list[Part]:
        """Facts that nobody asked for yet, about ``facts_per_turn`` of them."""
        count = int(self.extra_facts + self.rng.random())
        waiting = [name for name, times in self.given.items() if not times]
        if self._wanted_digits() < self.digits:
            waiting.sort(key=lambda name: count_numbers(self.facts[name]))
        return [self._fact(name, max(2, room // 2), "fact") for name in waiting[:count]]

    def _wanted_digits(self) -> float:
        """Numbers that are to have been given by the end of this turn."""
        return self.identifiers * (self.lengths.turns + 1)

    def _remind(self, budget: int) -> list[Part]:
        """Gives a number, or gives it again, when fewer were given than the dial asks for (once it is known what it is about)."""
        if not (self.goal_said and self.lengths.turns) or budget <= SHORT or self._wanted_digits() + 0.5 < self.digits + self.rng.random():
            return []
        numbers = [name for name, value in self.facts.items() if count_numbers(value)]
        if not numbers:
            return []
        name = self.rng.choice(numbers)
        if not self.given[name]:
            return [self._fact(name, _REMINDER_WORDS, "fact")]
        self.digits += 1
        return [self._filled("remind", name, number_of(self.facts[name]), _REMINDER_WORDS)]

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

    def _speak(self, parts: list[Part]) -> str:
        """Joins the pieces, slips included, and keeps count."""
        parts = [part for part in parts if part.text.strip()] or [self._phrase("go_on", SHORT)]
        self.lengths.said(sum(part.words for part in parts))
        *first, last = [part.text for part in parts]
        text = " ".join([*(one if one[-1] in _STOPS else one + ("." if len(one) > 12 else ",") for one in first), _ended(last)])
        return self._slip(text) if self.slips else text

    def _slip(self, text: str) -> str:
        """Swaps two inner letters of some plain words; what the task is about is never misspelled."""
        words = text.split(" ")
        plain = [index for index, word in enumerate(words) if len(word) > 3 and word.isalpha() and word not in self.spared]
        chance = self.slips / 100.0 * len(words) / max(len(plain), 1)
        for index in plain:
            if self.rng.random() < chance:
                word = words[index]
                at = 1 + int(self.rng.random() * (len(word) - 2))
                words[index] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return " ".join(words)


def _ended(text: str) -> str:
    """The text with a full stop, unless it ends with a mark of its own."""
    return text if text[-1] in _STOPS else f"{text}."
