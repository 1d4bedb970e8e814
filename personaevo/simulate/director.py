"""The director: plans what a simulated user does next, turn by turn, from dials and from what it heard.

It is an agenda-based user (Schatzmann et al. 2007) without words: say the goal, give facts, correct, agree, close. *How* follows from the
dials: how long the turn is, whether it is a bare acknowledgement, and which behaviors it shows. Each rate dial is a chance per turn,
corrected by what could not be shown before, so that the mean over dialogues is the dial. A person varies from dialogue to dialogue
(``moods``) and from turn to turn (``lengths``, ``tones``); only what was forced is made up for. The same director steers users that are
worded from templates and users that a language model plays: neither can do what is not in the plan. Nothing here knows a reference.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from personaevo import definitions
from personaevo.definitions import ACK, Domain
from personaevo.measure.fingerprint import REPEAT_RUN_WORDS
from personaevo.records import Task
from personaevo.simulate.facts import count_numbers, facts_of, number_of, spell_out
from personaevo.simulate.hearing import Understanding, Understood
from personaevo.simulate.lengths import SHORT, LengthPlan
from personaevo.simulate.moods import dialogue_levels
from personaevo.simulate.plans import Move, MoveKind, Realization, TurnPlan
from personaevo.simulate.tones import BehaviorDraws
from personaevo.simulate.wording import wording

FOLLOW_LENGTH = ("short_rate", "opening_words", "front_loading", "ack_only_rate")
ACK_CAN_SHOW = frozenset({"politeness_rate", "emotion_rate", "certainty_rate"})
DEFAULT_TURN_LIMIT = 24
_REMINDER_WORDS, _LEAST_REMINDER = 4, 1
_REMINDER_SHAPE = 2.0  # of the gamma by which dialogues differ in how often numbers are given again
_MOST_KEPT = 0.6  # share of dialogues in which small numbers are written as digits, at most
_BEFORE_REMINDERS = 2.0  # turns in which no number is given again: there is nothing to remind of, or it is the last


def resolve(dials: Mapping[str, float]) -> dict[str, float | None]:
    """Every dial's value: as asked for, else the persona-free default. Once ``words_per_turn`` is asked for, the other dials of
    length that are not follow it (None)."""
    follow = FOLLOW_LENGTH if "words_per_turn" in dials else ()
    return {name: dials.get(name, None if name in follow else dial.default) for name, dial in definitions.dials().items()}


class Director:
    """Plans the turns of one user in one dialogue. ``plan(heard)`` gives the next turn's plan, or None once the user has left; ``said``
    tells it how that turn was worded. Without a task it goes by what the agent asks alone. With ``waits`` the user leaves, once
    the goal is said, after so many turns in a row in which the agent asks nothing and is done, or says no more than "ok".

    Attributes ``outcome`` ("completed", "gave_up" or "" while talking), ``goal_said``, ``asked`` (names of facts that were asked for) and
    ``given`` (how often each fact was given) tell how it went.
    """

    def __init__(
        self, task: Task | None, dials: Mapping[str, float], domain: Domain, rng: random.Random, *, waits: int | None = None
    ) -> None:
        self.domain, self.rng, self.waits = domain, rng, waits
        self.blind, self.goal, self.facts = task is None, task.goal.strip() if task else "", facts_of(task) if task else {}
        self.wording = wording(domain)
        self.nlu = Understanding(task, domain)
        asked_for = resolve(dials)
        self.acks_follow = asked_for[ACK] is None
        self.level = dialogue_levels(asked_for, rng)
        self._set_manner(self.level)
        self._plan_numbers(self.level["identifiers_per_turn"] or 0.0)
        self.given = dict.fromkeys(self.facts, 0)
        self.asked: set[str] = set()
        self.goal_said = self.staying = self.leaving = self.helped = False
        self.quiet = 0  # turns in a row with which the agent left it at that
        self.last_turn = int(domain.script.get("turn_limit", DEFAULT_TURN_LIMIT))
        self.outcome = ""

    def _set_manner(self, level: Mapping[str, float | None]) -> None:
        """How this user speaks in this dialogue."""
        persistence = level["persistence"] or 0.0
        self.behavior = BehaviorDraws({name: level[name] or 0.0 for name in definitions.behaviors().names}, persistence)
        self.extra_facts = level["facts_per_turn"] or 0.0
        self.patience = level["patience_turns"] or 1.0
        self.lengths = LengthPlan(
            level["words_per_turn"] or 1.0, level["verbosity_cv"] or 0.0, level["short_rate"], level["opening_words"],
            level["front_loading"], self.domain.script.get("expected_turns", 8.0), persistence,
        )  # fmt: skip

    # -- the agenda ---------------------------------------------------------------------------------------------------

    def plan(self, heard: str | None) -> TurnPlan | None:
        """The plan of the next turn after the agent's text ``heard`` (None at the very start)."""
        if self.leaving:
            return None
        heard_now = self.nlu.understand(heard, self.given)
        self.asked.update(heard_now.asked)
        self._follow(heard_now)
        self.behavior.move(self.rng)
        acks = self.behavior.chance(ACK)
        budget = self.lengths.next(self.rng, acks)
        due = self.behavior.due(heard_now.misread is not None, self.lengths.weight())
        bare = self._is_bare(acks, budget, due)
        self.owed_reminders += self.reminders if self.lengths.turns else 0.0
        if self._is_out_of_patience(heard_now):
            return self._leave("gave_up", "give_up", budget)
        if self.goal_said and self._is_over(heard_now, due, budget):
            return self._leave("completed", "close", budget, bare, due)
        if self.waits is not None and self.quiet >= self.waits:
            return self._leave(*(("completed", "close") if self.helped else ("gave_up", "give_up")), budget)
        if bare and not self._is_asked(heard_now) and (self.goal_said or self.lengths.turns == 0):
            return self._acknowledge(due, budget)
        if bare and not self.acks_follow:
            self.behavior.defer([ACK])
        return self._turn(heard_now, budget, due)

    def said(self, turn: Realization) -> None:
        """Takes notice of how the plan was carried out."""
        self.lengths.said(turn.words)
        self.behavior.defer(turn.unshown)
        for name in turn.given:
            self.given[name] += 1
        self.goal_said |= turn.goal

    def _follow(self, heard: Understood) -> None:
        """Keeps in mind how far the agent is."""
        self.helped |= self.goal_said and heard.done
        self.quiet = self.quiet + 1 if self.goal_said and heard.quiet and (self.helped or heard.brief) else 0

    def _is_asked(self, heard: Understood) -> bool:
        """Whether the agent waits for an answer that "ok" is not."""
        return bool(heard.asked) or heard.misread is not None or (self.blind and heard.wants)

    def _is_out_of_patience(self, heard: Understood) -> bool:
        turns = self.lengths.turns
        return turns >= min(self.patience, self.last_turn - 1) and not (heard.closing and (self.goal_said or turns < self.last_turn - 1))

    def _is_bare(self, acks: float, budget: int, due: set[str]) -> bool:
        """Whether the turn is to be a bare acknowledgement: one of the short turns is, unless its length is set by other dials."""
        if self.acks_follow:  # nobody asked for them: what is due comes first
            return budget < SHORT and due <= ACK_CAN_SHOW | {"repetition_rate"}
        if not self.lengths.chance:
            return self.behavior.draws[ACK] < acks
        return self.lengths.planned_short and self.behavior.draws[ACK] * self.lengths.chance < acks

    def _is_over(self, heard: Understood, due: set[str], budget: int) -> bool:
        """Whether it is time to leave: the agent says goodbye or asks if that was all, and there is no more question, or the last one is
        answered."""
        if heard.farewell:
            return True
        stays = heard.closing and "info_seeking_rate" in due and budget > SHORT and self.rng.random() < self.domain.script.get("stay", 0.0)
        stays = stays and self.lengths.turns < self.last_turn - 1
        over = not stays and (heard.closing or (self.staying and not heard.question))
        self.staying = stays
        return over

    def _turn(self, heard: Understood, budget: int, due: set[str]) -> TurnPlan:
        """A turn with content: what the agenda asks for, and the behaviors that are due."""
        shows = self._in_order(due)
        if self.staying:
            return TurnPlan(budget, (), shows)
        room = max(1, budget - sum(self._least_words(name) for name in due))
        alone = budget < SHORT or (budget == SHORT and bool(due))
        core = self._core(heard, room, alone)
        least = self._least(core) if budget <= SHORT else ()
        reminders = self._remind(budget - sum(move.room for move in least), core)  # those for which there is no room stay owed
        return TurnPlan(budget, (*(least if least and reminders else core), *reminders), shows)

    def _least(self, core: Sequence[Move]) -> tuple[Move, ...]:
        """The same moves with room for no more than they must say: a fact's value, the goal, a word otherwise."""
        said = [self.goal if move.kind == "goal" else move.value or move.kind for move in core]
        return tuple(replace(move, room=len(words.split())) for move, words in zip(core, said, strict=True))

    def _least_words(self, name: str) -> int:
        """What the agenda leaves for a behavior that is due."""
        return REPEAT_RUN_WORDS if name == "repetition_rate" else self.wording[f"marker.{name}"].words[0] + 1

    def _core(self, heard: Understood, budget: int, alone: bool) -> list[Move]:
        """What the agenda asks for; where there are words for one thing only (``alone``), no small talk."""
        if heard.misread is not None:
            return [self._fact(heard.misread, budget, "correct")]
        if self.lengths.turns == 0 and (self.domain.opens == "agent" or budget <= SHORT) and not self._is_asked(heard):
            return [Move("greet", min(budget, 3))]
        if self.blind:
            return self._blind(heard, budget)
        if heard.asked:
            return [self._fact(name, max(1, budget // len(heard.asked)), "fact") for name in heard.asked]
        if not self.goal_said:
            return [Move("goal", budget), *self._volunteer(budget)]
        if alone:
            return self._volunteer(budget)
        if heard.question:
            return [Move("affirm", budget), *self._volunteer(budget)]
        return self._volunteer(budget) or [Move("go_on", budget)]

    def _blind(self, heard: Understood, budget: int) -> list[Move]:
        """What there is to say without a task: the answer to what is asked, and what the user wants."""
        answer = [Move("answer", budget)] if heard.wants and not heard.offers else []
        goal = [Move("goal", budget)] if heard.offers or not self.goal_said else []
        return [*answer, *goal] or [Move("go_on", budget)]

    def _leave(self, outcome: str, kind: MoveKind, budget: int, bare: bool = False, due: set[str] | None = None) -> TurnPlan:
        self.leaving, self.outcome = True, outcome
        if bare:
            return self._acknowledge(due or set(), budget, leaves=True)
        return TurnPlan(budget, (Move(kind, budget),), self._in_order(due or set()), leaves=True)

    def _acknowledge(self, due: set[str], budget: int, *, leaves: bool = False) -> TurnPlan:
        """A bare acknowledgement, with what is due if there is a form of it."""
        return TurnPlan(min(budget, SHORT), (Move("ack", min(budget, SHORT)),), self._in_order(due), leaves)

    def _in_order(self, due: set[str]) -> tuple[str, ...]:
        """The behaviors that are due, in any order but for what repeats, as that takes most room."""
        names = sorted(due)  # a set's order differs between processes
        self.rng.shuffle(names)
        return tuple(sorted(names, key=lambda name: name != "repetition_rate"))

    # -- facts and numbers ----------------------------------------------------------------------------------------------

    def _fact(self, name: str, room: int, kind: MoveKind) -> Move:
        """One fact: always the task's own name and value (small numbers may be spelled out)."""
        value = self.facts[name]
        return Move(kind, room, name, spell_out(value) if self.spells else value)

    def _volunteer(self, room: int) -> list[Move]:
        """Facts that nobody asked for yet, about ``facts_per_turn`` of them."""
        count = int(self.extra_facts + self.rng.random())
        waiting = [name for name, times in self.given.items() if not times]
        if not self.reminders:
            waiting.sort(key=lambda name: count_numbers(self.facts[name]))
        return [self._fact(name, max(2, room // 2), "fact") for name in waiting[:count]]

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

    def _remind(self, budget: int, before: list[Move]) -> list[Move]:
        """Gives numbers again by the chance that the dial sets, also those that bare turns owe, once it is known what they are about."""
        goal_said = self.goal_said or any(move.kind == "goal" for move in before)
        if not (goal_said and self.lengths.turns) or budget < _LEAST_REMINDER or not self.numbers:
            return []
        moves, room = [], min(budget, _REMINDER_WORDS)
        named = {move.name for move in before}
        count = int(self.owed_reminders + self.rng.random())
        self.owed_reminders = 0.0
        for _ in range(count):
            name = self.rng.choice(self.numbers)
            if self.given[name] or name in named:
                moves.append(Move("remind", room, name, number_of(self.facts[name])))
            else:  # said for the first time, it is none of those that are to be given again
                moves.append(self._fact(name, room, "fact"))
                self.owed_reminders += 1.0
            named.add(name)
        return moves
