"""The agenda-based user simulator (Schatzmann et al. 2007), steered by dials.

The user keeps an agenda (say the goal, give facts, correct, agree, close) and hears the agent's text, nothing else. What it says next
follows from the agenda; *how* it says it follows from the dials: how long the turn is, whether it is a bare acknowledgement, and which
behaviors it shows. Each rate dial is a chance per turn, corrected by what could not be shown before, so that the mean over dialogues is
the dial. A person varies from dialogue to dialogue (``moods``) and from turn to turn (``lengths``, ``tones``); only what was forced is made
up for. Wording is neutral unless a behavior is due. Nothing here knows a reference.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from personaevo import definitions
from personaevo.definitions import Domain, Phrase
from personaevo.measure.fingerprint import REPEAT_RUN_WORDS
from personaevo.records import Task
from personaevo.simulate.facts import count_numbers, facts_of, number_of, spell_out, telegraphic
from personaevo.simulate.hearing import Heard, Hearing
from personaevo.simulate.lengths import SHORT, LengthPlan
from personaevo.simulate.moods import of_one_dialogue
from personaevo.simulate.tones import ACK, BEHAVIORS, Tone
from personaevo.simulate.wording import filled, wording

FOLLOW_LENGTH = ("short_rate", "opening_words", "front_loading", "ack_only_rate")
_ACK_CAN_SHOW = frozenset({"politeness_rate", "emotion_rate", "certainty_rate"})
_LEAST_FILLER = 2  # a turn that is not to be short gets at least so much, should the rest of it be short
_REMINDER_WORDS, _LEAST_REMINDER = 4, 2
_REMINDER_SHAPE = 2.0  # of the gamma by which dialogues differ in how often numbers are given again
_MOST_KEPT = 0.6  # share of dialogues in which small numbers are written as digits, at most
_SLACK = 5  # words that a marker may go beyond a turn's length
_BEFORE_REMINDERS = 2.0  # turns in which no number is given again: there is nothing to remind of, or it is the last
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
        asked_for = resolve(dials)
        self.verbatim = (asked_for["repetition_rate"] or 0.0) > definitions.dials()["repetition_rate"].default
        self.acks_follow = asked_for[ACK] is None
        level = of_one_dialogue(asked_for, rng)
        self._set_manner(level)
        self._plan_numbers(level["identifiers_per_turn"] or 0.0)
        self.used: set[str] = set()
        self.given = dict.fromkeys(self.facts, 0)
        self.sentences: list[str] = []
        self.acknowledged: list[Phrase] = []
        self.asked: set[str] = set()
        self.slack = 0
        self.goal_said = self.goal_known = self.staying = self.leaving = False
        self.outcome = ""

    def _set_manner(self, level: Mapping[str, float | None]) -> None:
        """How this user speaks in this dialogue."""
        persistence = level["persistence"] or 0.0
        self.tone = Tone({name: level[name] or 0.0 for name in BEHAVIORS}, persistence)
        self.extra_facts = level["facts_per_turn"] or 0.0
        self.patience, self.slips = level["patience_turns"] or 1.0, level["slips_per_100_words"] or 0.0
        stated = [self.goal, *self.facts, *self.facts.values(), *map(spell_out, self.facts.values())]
        self.spared = set(" ".join(stated).split()) if self.slips else set()
        self.lengths = LengthPlan(
            level["words_per_turn"] or 1.0, level["verbosity_cv"] or 0.0, level["short_rate"], level["opening_words"],
            level["front_loading"], self.domain.script.get("expected_turns", 8.0), persistence,
        )  # fmt: skip

    # -- the agenda ---------------------------------------------------------------------------------------------------

    def say(self, heard: str | None) -> str | None:
        """The next turn after the agent's text ``heard`` (None at the very start)."""
        if self.leaving:
            return None
        heard_now = self.hearing.understand(heard, self.given)
        self.goal_known = self.goal_said  # only what an earlier turn said can be repeated
        self.asked.update(heard_now.asked)
        self.tone.move(self.rng)
        acks = self.tone.chance(ACK)
        budget = self.lengths.next(self.rng, acks)
        self.slack = 0 if budget <= SHORT else _SLACK
        due = self.tone.due(heard_now.misread is not None, self.lengths.weight())
        bare = self._is_bare(acks, budget, due)
        self.owed_reminders += self.reminders if self.lengths.turns else 0.0
        if self.lengths.turns >= self.patience and not heard_now.closing:
            parts = self._leave("gave_up", "give_up", budget)
        elif self.goal_said and self._is_over(heard_now, due, budget):
            parts = self._leave("completed", "close", budget, bare, due)
        elif bare and not heard_now.asked and heard_now.misread is None and (self.goal_said or self.lengths.turns == 0):
            parts = self._acknowledge(due, budget)
        else:
            if bare and not self.acks_follow:
                self.tone.defer([ACK])
            parts = self._turn(heard_now, budget, due)
        return self._speak(parts)

    def _is_bare(self, acks: float, budget: int, due: set[str]) -> bool:
        """Whether the turn is to be a bare acknowledgement: one of the short turns is, unless its length is set by other dials."""
        if self.acks_follow:  # nobody asked for them: what is due comes first
            return budget < SHORT and due <= _ACK_CAN_SHOW | {"repetition_rate"}
        if not self.lengths.chance:
            return self.tone.draws[ACK] < acks
        return self.lengths.planned_short and self.tone.draws[ACK] * self.lengths.chance < acks

    def _is_over(self, heard: Heard, due: set[str], budget: int) -> bool:
        """Whether it is time to leave: the agent asks if that was all, and there is no more question, or the last one is answered."""
        stays = heard.closing and "info_seeking_rate" in due and budget > SHORT and self.rng.random() < self.domain.script.get("stay", 0.0)
        over = not stays and (heard.closing or (self.staying and not heard.question))
        self.staying = stays
        return over

    def _turn(self, heard: Heard, budget: int, due: set[str]) -> list[Part]:
        """A turn with content: what the agenda asks for, the behaviors that are due, and filler up to the budget."""
        if self.staying:
            return self._dressed([], budget, due)
        room = max(1, budget - sum(self._least_words(name) for name in due))
        alone = budget < SHORT or (budget == SHORT and bool(due))
        core = self._core(heard, room, alone)
        reminders = [] if core and budget <= SHORT else self._remind(budget)  # a short turn has no room for both; they stay owed
        return self._dressed([*core, *reminders], budget, due)

    def _least_words(self, name: str) -> int:
        """What the agenda leaves for a behavior that is due."""
        return REPEAT_RUN_WORDS if name == "repetition_rate" else self.wording[f"marker.{name}"].words[0] + 1

    def _core(self, heard: Heard, budget: int, alone: bool) -> list[Part]:
        """What the agenda asks for; where there are words for one thing only (``alone``), no small talk."""
        if heard.misread is not None:
            return [self._fact(heard.misread, budget, "correct")]
        if self.lengths.turns == 0 and (self.domain.opens == "agent" or budget <= SHORT):
            return [self._phrase("greet", min(budget, 3))]
        if heard.asked:
            return [self._fact(name, max(1, budget // len(heard.asked)), "fact") for name in heard.asked]
        if not self.goal_said:
            self.goal_said = True
            return [self._goal("goal", budget), *self._volunteer(budget)]
        if alone:
            return self._volunteer(budget)
        if heard.question:
            return [self._phrase("affirm", budget), *self._volunteer(budget)]
        return self._volunteer(budget) or [self._phrase("go_on", budget)]

    def _leave(self, outcome: str, purpose: str, budget: int, bare: bool = False, due: set[str] | None = None) -> list[Part]:
        self.leaving, self.outcome = True, outcome
        if bare:
            return self._acknowledge(due or set(), budget)
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

    def _show(self, name: str, room: int) -> list[Part]:
        """The piece of text that shows the behavior, or nothing (then it stays owed) when even the shortest is far too long."""
        if name == "repetition_rate":
            return self._repeat(room)
        bank = self.wording[f"marker.{name}"]
        if bank.words[0] > room + self.slack:
            self.tone.defer([name])
            return []
        most = max(room, bank.words[0])
        phrase = bank.pick(self.rng, max(1, min(most, 10) // 3), most, self.used)
        self.sentences.append(phrase.text)
        return [Part(phrase.text, phrase.words)]

    def _repeat(self, room: int) -> list[Part]:
        """Says again what was said: the goal in other words around it, or, of a user who is to repeat a lot, an earlier sentence."""
        goal_words, most = len(self.goal.split()), room + self.slack
        if self.goal_known and most >= goal_words >= REPEAT_RUN_WORDS:
            return [self._goal("restate", room)]
        earlier = [text for text in self.sentences if REPEAT_RUN_WORDS <= len(text.split()) <= most] if self.verbatim else []
        if not earlier:
            self.tone.defer(["repetition_rate"])
            return []
        text = earlier[int(self.rng.random() * len(earlier))]
        return [Part(text, len(text.split()))]

    def _acknowledge(self, due: set[str], budget: int) -> list[Part]:
        """A bare acknowledgement, with the courtesy or feeling that is due if there is a form of it; what else is due stays owed."""
        shows = frozenset(due & _ACK_CAN_SHOW)
        bank, plain = self.wording.ack(shows), self.wording.ack(frozenset())
        phrase = bank.pick(self.rng, 1, min(budget, SHORT), self.used)
        shown = {*(shows if bank is not plain else ())}
        if "repetition_rate" in due and self.verbatim and self.acknowledged:
            phrase = self.rng.choice(self.acknowledged)
            shown.add("repetition_rate")
        self.tone.defer(due - shown)
        self.acknowledged.append(phrase)
        return [Part(phrase.text, phrase.words)]

    # -- pieces of text ---------------------------------------------------------------------------------------------------

    def _phrase(self, purpose: str, room: int) -> Part:
        phrase = self.wording[purpose].pick(self.rng, max(1, room // 4), max(room, 1), self.used)
        return Part(phrase.text, phrase.words)

    def _goal(self, purpose: str, room: int) -> Part:
        """The goal in words; who has no room for all of them at first leaves out the small ones, from then on."""
        if purpose == "goal" and room < len(self.goal.split()):
            self.goal = telegraphic(self.goal)
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
        if room <= slots and not least:  # any form that has room for more may have the name in it
            return Part(value, slots)
        phrase = bank.pick(self.rng, least, max(room - slots, least), self.used)
        if "{name}" in phrase.text:
            slots += len(name.split())
            if phrase.words + slots > room:
                phrase = bank.pick(self.rng, least, max(room - slots, least), self.used)
        return Part(filled(phrase.text, name=name, value=value), phrase.words + slots)

    def _volunteer(self, room: int) -> list[Part]:
        """Facts that nobody asked for yet, about ``facts_per_turn`` of them."""
        count = int(self.extra_facts + self.rng.random())
        waiting = [name for name, times in self.given.items() if not times]
        if not self.reminders:
            waiting.sort(key=lambda name: count_numbers(self.facts[name]))
        return [self._fact(name, max(2, room // 2), "fact") for name in waiting[:count]]

    # -- numbers ----------------------------------------------------------------------------------------------------------

    def _plan_numbers(self, wanted: float) -> None:
        """By what chance numbers are spelled out or given again, so that there are ``wanted`` of them a turn.

        The facts bring numbers of their own, each said once. In some dialogues a user writes small ones as words, from first to last, and
        some dialogues have many repeated numbers, others none: were all alike, a number said in one turn would be missing in the others.
        """
        self.numbers = [name for name, value in self.facts.items() if count_numbers(value)]
        own = sum(count_numbers(value) for value in self.facts.values())
        codes = sum(count_numbers(spell_out(value)) for value in self.facts.values())
        turns = self.lengths.expected_turns
        self.kept = min(max((wanted * turns - codes) / (own - codes), 0.0), _MOST_KEPT) if own > codes else 1.0
        self.spells = self.rng.random() >= self.kept
        said = codes + self.kept * (own - codes)
        a_turn = max(wanted * turns - said, 0.0) / max(turns - _BEFORE_REMINDERS, 1.0)
        self.reminders = a_turn * self.rng.gammavariate(_REMINDER_SHAPE, 1.0 / _REMINDER_SHAPE)
        self.owed_reminders = 0.0

    def _spelled(self, value: str) -> str:
        return spell_out(value) if self.spells else value

    def _remind(self, budget: int) -> list[Part]:
        """Gives numbers again by the chance that the dial sets, also those that bare turns owe, once it is known what they are about."""
        if not (self.goal_said and self.lengths.turns) or budget < _LEAST_REMINDER or not self.numbers:
            return []
        parts, room = [], min(budget, _REMINDER_WORDS)
        count = int(self.owed_reminders + self.rng.random())
        self.owed_reminders = 0.0
        for _ in range(count):
            name = self.rng.choice(self.numbers)
            if self.given[name]:
                parts.append(self._filled("remind", name, number_of(self.facts[name]), room))
            else:  # said for the first time, it is none of those that are to be given again
                parts.append(self._fact(name, room, "fact"))
                self.owed_reminders += 1.0
        return parts

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
