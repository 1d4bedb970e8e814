"""The director: plans each turn of a simulated user from dials and from the agent's text.

It is an agenda-based user (Schatzmann et al. 2007) without wording: say the goal, give facts, correct, agree, close. The dials set the
manner: the length of a turn, whether it is a bare acknowledgement, and the behaviors that it shows. Each rate dial is a chance per turn,
corrected for behaviors that could not be shown before, so that the mean over dialogues equals the dial. A person varies between dialogues
(``moods``) and between turns (``lengths``, ``tones``); only forced deviations are compensated. The same director controls users worded from
templates and users that a language model plays. No reference data are used.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from personaevo import definitions
from personaevo.definitions import ACK, Domain
from personaevo.measure.fingerprint import REPEAT_RUN_WORDS
from personaevo.records import Task
from personaevo.simulate.draws import ACK_CAN_SHOW, SHORT, BehaviorDraws, LengthPlan, dialogue_levels
from personaevo.simulate.templates import wording
from personaevo.simulate.turns import (
    Move,
    MoveKind,
    Realization,
    TurnPlan,
    Understanding,
    Understood,
    count_numbers,
    facts_of,
    number_of,
    spell_out,
)

FOLLOW_LENGTH = ("short_rate", "opening_words", "front_loading", "ack_only_rate")
DEFAULT_TURN_LIMIT = 24
_REMINDER_WORDS, _LEAST_REMINDER = 4, 1
_REMINDER_SHAPE = 2.0  # of the gamma by which dialogues differ in how often numbers are given again
_MOST_KEPT = 0.6  # share of dialogues in which small numbers are written as digits, at most
_BEFORE_REMINDERS = 2.0  # turns in which no number is given again: the first and the last


def resolve(dials: Mapping[str, float]) -> dict[str, float | None]:
    """Every dial's value: as given, else the persona-free default. If ``words_per_turn`` is given, length dials that are not given follow
    it (None)."""
    follow = FOLLOW_LENGTH if "words_per_turn" in dials else ()
    return {name: dials.get(name, None if name in follow else dial.default) for name, dial in definitions.dials().items()}


class Director:
    """Plans the turns of one user in one dialogue. ``plan(heard)`` returns the next turn's plan, or None once the user has left; ``said``
    reports the realization of that turn. Without a task it reacts to the agent's requests alone. With ``waits`` the user leaves, once
    the goal is said, after so many consecutive turns in which the agent asks nothing and is done, or says no more than "ok".

    State: ``outcome`` ("completed", "gave_up" or "" while talking), ``goal_said``, ``asked`` (names of facts that were asked for) and
    ``given`` (how often each fact was given).
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
        self.level = level = dialogue_levels(asked_for, rng)
        persistence = level["persistence"] or 0.0
        self.behavior = BehaviorDraws({name: level[name] or 0.0 for name in definitions.behaviors().names}, persistence)
        self.extra_facts, self.patience = level["facts_per_turn"] or 0.0, level["patience_turns"] or 1.0
        self.lengths = LengthPlan(
            level["words_per_turn"] or 1.0, level["verbosity_cv"] or 0.0, level["short_rate"], level["opening_words"],
            level["front_loading"], domain.script.get("expected_turns", 8.0), persistence,
        )  # fmt: skip
        self._plan_numbers(level["identifiers_per_turn"] or 0.0)
        self.given = dict.fromkeys(self.facts, 0)
        self.asked: set[str] = set()
        self.goal_said = self.staying = self.leaving = self.helped = False
        self.quiet = 0  # consecutive turns of the agent that need no answer
        self.last_turn = int(domain.script.get("turn_limit", DEFAULT_TURN_LIMIT))
        self.outcome = ""

    # -- the agenda ---------------------------------------------------------------------------------------------------

    def plan(self, heard: str | None) -> TurnPlan | None:
        """The plan of the next turn after the agent's text ``heard`` (None at the very start)."""
        if self.leaving:
            return None
        heard_now = self.nlu.understand(heard, self.given)
        self.asked.update(heard_now.asked)
        self.helped |= self.goal_said and heard_now.done
        self.quiet = self.quiet + 1 if self.goal_said and heard_now.quiet and (self.helped or heard_now.brief) else 0
        self.behavior.move(self.rng)
        acks = self.behavior.chance(ACK)
        budget = self.lengths.next(self.rng, acks)
        due = self.behavior.due(heard_now.misread is not None, self.lengths.weight())
        bare = self._is_bare(acks, budget, due)
        self.owed_reminders += self.reminders if self.lengths.turns else 0.0
        turns = self.lengths.turns
        if turns >= min(self.patience, self.last_turn - 1) and not (heard_now.closing and (self.goal_said or turns < self.last_turn - 1)):
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
        """Record the realization of the plan."""
        self.lengths.said(turn.words)
        self.behavior.defer(turn.unshown)
        for name in turn.given:
            self.given[name] += 1
        self.goal_said |= turn.goal

    def _is_asked(self, heard: Understood) -> bool:
        """Whether the agent expects an answer other than "ok"."""
        return bool(heard.asked) or heard.misread is not None or (self.blind and heard.wants)

    def _is_bare(self, acks: float, budget: int, due: set[str]) -> bool:
        """Whether the turn is a bare acknowledgement: a share of the short turns, unless other dials fix the turn's length."""
        if self.acks_follow:  # the dial is not given: other due behaviors take precedence
            return budget < SHORT and due <= ACK_CAN_SHOW | {"repetition_rate"}
        if not self.lengths.chance:
            return self.behavior.draws[ACK] < acks
        return self.lengths.planned_short and self.behavior.draws[ACK] * self.lengths.chance < acks

    def _is_over(self, heard: Understood, due: set[str], budget: int) -> bool:
        """Whether the user leaves: the agent says goodbye, or asks if that was all and the user has no further question."""
        if heard.farewell:
            return True
        stays = heard.closing and "info_seeking_rate" in due and budget > SHORT and self.rng.random() < self.domain.script.get("stay", 0.0)
        stays = stays and self.lengths.turns < self.last_turn - 1
        over = not stays and (heard.closing or (self.staying and not heard.question))
        self.staying = stays
        return over

    def _turn(self, heard: Understood, budget: int, due: set[str]) -> TurnPlan:
        """A turn with content: the moves of the agenda, and the due behaviors."""
        shows = self._in_order(due)
        if self.staying:
            return TurnPlan(budget, (), shows)
        needed = (REPEAT_RUN_WORDS if name == "repetition_rate" else self.wording[f"marker.{name}"].words[0] + 1 for name in due)
        room = max(1, budget - sum(needed))
        alone = budget < SHORT or (budget == SHORT and bool(due))
        core = self._core(heard, room, alone)
        least: tuple[Move, ...] = ()
        if budget <= SHORT:  # the same moves with the fewest words possible: a fact's value, the goal, a single word otherwise
            texts = [self.goal if move.kind == "goal" else move.value or move.kind for move in core]
            least = tuple(replace(move, room=len(text.split())) for move, text in zip(core, texts, strict=True))
        reminders = self._remind(budget - sum(move.room for move in least), core)  # others stay owed
        return TurnPlan(budget, (*(least if least and reminders else core), *reminders), shows)

    def _core(self, heard: Understood, budget: int, alone: bool) -> list[Move]:
        """The moves of the agenda; no small talk if the turn has words for one move only (``alone``)."""
        if heard.misread is not None:
            return [self._fact(heard.misread, budget, "correct")]
        if self.lengths.turns == 0 and (self.domain.opens == "agent" or budget <= SHORT) and not self._is_asked(heard):
            return [Move("greet", min(budget, 3))]
        if self.blind:
            answer = [Move("answer", budget)] if heard.wants and not heard.offers else []
            goal = [Move("goal", budget)] if heard.offers or not self.goal_said else []
            return [*answer, *goal] or [Move("go_on", budget)]
        if heard.asked:
            return [self._fact(name, max(1, budget // len(heard.asked)), "fact") for name in heard.asked]
        if not self.goal_said:
            return [Move("goal", budget), *self._volunteer(budget)]
        if alone:
            return self._volunteer(budget)
        if heard.question:
            return [Move("affirm", budget), *self._volunteer(budget)]
        return self._volunteer(budget) or [Move("go_on", budget)]

    def _leave(self, outcome: str, kind: MoveKind, budget: int, bare: bool = False, due: set[str] | None = None) -> TurnPlan:
        self.leaving, self.outcome = True, outcome
        if bare:
            return self._acknowledge(due or set(), budget, leaves=True)
        return TurnPlan(budget, (Move(kind, budget),), self._in_order(due or set()), leaves=True)

    def _acknowledge(self, due: set[str], budget: int, *, leaves: bool = False) -> TurnPlan:
        """A bare acknowledgement, with the due behaviors that have such a form."""
        return TurnPlan(min(budget, SHORT), (Move("ack", min(budget, SHORT)),), self._in_order(due), leaves)

    def _in_order(self, due: set[str]) -> tuple[str, ...]:
        """The due behaviors in random order; a repetition comes first, as it is the longest."""
        if len(due) < 2:
            return tuple(due)
        names = sorted(due)  # a set's order differs between processes
        self.rng.shuffle(names)
        return tuple(sorted(names, key=lambda name: name != "repetition_rate"))

    # -- facts and numbers ----------------------------------------------------------------------------------------------

    def _fact(self, name: str, room: int, kind: MoveKind) -> Move:
        """A move that gives a fact with the task's name and value (small numbers may be spelled out)."""
        value = self.facts[name]
        return Move(kind, room, name, spell_out(value) if self.spells else value)

    def _volunteer(self, room: int) -> list[Move]:
        """Facts that were not given yet, about ``facts_per_turn`` of them."""
        count = int(self.extra_facts + self.rng.random())
        waiting = [name for name, times in self.given.items() if not times]
        if not self.reminders:
            waiting.sort(key=lambda name: self.counts[name])
        return [self._fact(name, max(2, room // 2), "fact") for name in waiting[:count]]

    def _plan_numbers(self, wanted: float) -> None:
        """Set the chances that numbers are spelled out or given again, so that there are ``wanted`` numbers per turn.

        The facts have numbers, each said once. In some dialogues a user writes small ones as words throughout, and dialogues differ in how
        many numbers they repeat: if all were alike, a number said in one turn would be missing in the others.
        """
        self.counts = {name: count_numbers(value) for name, value in self.facts.items()}
        self.numbers = [name for name, count in self.counts.items() if count]
        own = sum(self.counts.values())
        codes = sum(count_numbers(spell_out(self.facts[name])) for name in self.numbers)
        turns = self.lengths.expected_turns
        self.kept = min(max((wanted * turns - codes) / (own - codes), 0.0), _MOST_KEPT) if own > codes else 1.0
        self.spells = self.rng.random() >= self.kept
        said = codes + self.kept * (own - codes)
        a_turn = max(wanted * turns - said, 0.0) / max(turns - _BEFORE_REMINDERS, 1.0)
        self.reminders = a_turn * self.rng.gammavariate(_REMINDER_SHAPE, 1.0 / _REMINDER_SHAPE)
        self.owed_reminders = 0.0

    def _remind(self, budget: int, before: list[Move]) -> list[Move]:
        """Reminders of numbers at the rate of the dial, including those owed by bare turns, once the goal is said."""
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
            else:  # said for the first time: not a reminder
                moves.append(self._fact(name, room, "fact"))
                self.owed_reminders += 1.0
            named.add(name)
        return moves
