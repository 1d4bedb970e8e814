"""The search loop: ask for a program, evaluate it, commit it to the archive.

    for each candidate k:
        ask       breed a program from the results of candidates up to k - lag
        evaluate  run it in the sandbox, play its episodes (in a worker), score them
        tell      commit programs, scores, episodes and personas in one transaction, in the order of asking; fast candidates are
                  committed in groups

All randomness is seeded by (run seed, candidate, purpose), so the result does not depend on the number of workers, and a search that was
killed resumes to the same result.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.errors import ProgramError
from personaevo.evolve.develop import ModelCandidate, ModelProposer
from personaevo.evolve.parts import DEFAULT_PARTS, ModelRuntime, Parts
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.progress import Progress, ProgressReporter, SearchResult
from personaevo.evolve.ranking import AUDITOR_SEES, BEST, Scored
from personaevo.evolve.recombine import Operator, Parents, breed
from personaevo.evolve.rollout import roll_out, spoiled, worth_another_try
from personaevo.evolve.select import Population
from personaevo.evolve.state import State, Surrogate, screens
from personaevo.evolve.table import final_table, likeliest, play_finals, winner
from personaevo.programs.source import make_program
from personaevo.records import Candidate, Commit, Episode, FinalTable, Program, Remark, Screened
from personaevo.simulate.turns import seed_of
from personaevo.workers import LOST_TWICE, LostError, WorkerPool

_BREEDING_TRIES = 10
_OF_PLAYED = 0.5  # share of parents of screened proposals that the model played, once there are any
SEED_OPERATOR = "seed"
_GATHER_SECONDS, _LONGEST_SECONDS = 0.05, 0.25  # a wait longer than the first flushes the archive; at the latest after the second
Value = TypeVar("Value")


@dataclass
class PendingCandidate:
    """A candidate that is not committed yet. ``future`` is None for a duplicate, which is not run. For a candidate that a model writes,
    ``program`` is its parent until ``developed`` is done."""

    number: int
    program: Program
    parents: tuple[str, ...]
    operator: str
    future: Future[tuple[Episode, ...]] | None
    developed: Future[ModelCandidate] | None = None
    screened: tuple[Screened, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A possible candidate: program, parents and operators."""

    program: Program
    parents: tuple[str, ...]
    operator: str


def _bred(
    parent: Program, parents: Parents, weights: Mapping[str, float], rng: random.Random, table: Mapping[str, Operator]
) -> tuple[Program, str]:
    """A child and its operators' names; the parent itself if the child is not a valid program (too large, say)."""
    source, operator = breed(parents, weights, rng, table)
    try:
        return make_program(source), operator
    except ProgramError:
        return parent, operator


class SearchLoop:
    """A running search."""

    def __init__(
        self, config: SearchConfig, setup: EvaluationSetup, workers: WorkerPool, archive: Archive, run_id: int,
        watch: ProgressReporter, started: float, runtime: ModelRuntime | None = None, parts: Parts = DEFAULT_PARTS,
    ) -> None:  # fmt: skip
        self.config, self.setup, self.workers, self.archive, self.run_id = config, setup, workers, archive, run_id
        self.watch, self.started, self.parts = watch, started, parts
        self.operators = parts.operator_table
        self.resumed = 0
        self._flushed = started
        self.runtime = runtime
        rewrites = runtime is not None and runtime.role("mutator") is not None
        held = config.candidates if rewrites else 4 * config.lag  # a mutator's threads read sources too, and an archive has one reader
        self.state = State(setup.floors, held, archive.sources, self._evaluated, config.finalists)
        self.proposer: ModelProposer | None = None
        if runtime is not None and rewrites:
            self.proposer = ModelProposer(runtime, setup, archive, run_id, self.state.asked, workers, config.lag)
        self.masses = dict(enumerate(map(float, setup.train.cells.masses)))
        self.surrogate = Surrogate(setup) if screens(config) else None

    def _evaluated(self, programs: Sequence[str]) -> list[Scored]:
        """Committed programs with their evaluations."""
        found = self.archive.evaluated(self.run_id, programs)
        return [Scored(one.candidate.program.id, one.evaluation) for one in found if one.evaluation is not None]

    def resume(self) -> None:
        """Restore the state from the archive."""
        whole = self.proposer is not None or self.surrogate is not None
        for commit in self.state.resume(self.archive, self.run_id, self.config.lag, whole=whole):
            if self.proposer is not None:
                self.proposer.tell(commit)
        self.resumed = self.state.count
        if self.surrogate is not None:  # its population is rebuilt by the same deterministic choices
            for number in range(1, self.resumed):
                self._proposal(number)
        if self.runtime is not None:
            self.runtime.players.played.add(self.state.episodes)

    def loop(self) -> None:
        """Ask, evaluate, tell, until all candidates are committed."""
        pending: deque[PendingCandidate] = deque()
        number = self.state.count
        try:
            while pending or number < self.config.candidates:
                while number < self.config.candidates and number < self.state.count + self.config.lag:
                    pending.append(self.ask(number))
                    number += 1
                self.tell(self.evaluate(pending))
                self.watch.committed(self.progress(), self.runtime.players.played.number if self.runtime is not None else 0)
        finally:
            self._flush()

    # -- ask --------------------------------------------------------------------------------------------------------------

    def ask(self, number: int) -> PendingCandidate:
        """Breed the candidate's program and, unless its normalized source is known, start its episodes."""
        if self.proposer is not None and number > 0:
            return self._written(number, self.proposer)
        proposal, screened = self._proposal(number)
        program = proposal.program
        known = program.id in self.state.asked
        if known:
            program = self.state.asked[program.id]
        else:
            self.state.asked.add(program)
        future = None if known else self._play(program, number)
        return PendingCandidate(number, program, proposal.parents, proposal.operator, future, screened=screened)

    def _written(self, number: int, proposer: ModelProposer) -> PendingCandidate:
        """Start a candidate that a model writes."""
        up_to = number - self.config.lag
        population = self.state.parents(up_to)
        rng = random.Random(seed_of(self.config.seed, number, "brief"))
        brief = proposer.brief(number, max(up_to + 1, 0), population, lambda rng: self._chosen(population, rng), rng)
        return PendingCandidate(number, brief.parent, brief.parents, brief.operator, None, proposer.begin(brief))

    def _proposal(self, number: int) -> tuple[Proposal, tuple[Screened, ...]]:
        """The candidate's program, and the proposals that it was selected from on the surrogate."""
        if number == 0:
            return Proposal(self.setup.seed_program, (), SEED_OPERATOR), ()
        rng = random.Random(seed_of(self.config.seed, number, "breed"))
        population = self.state.parents(number - self.config.lag)
        if self.surrogate is None:
            return self._new(population, rng, self.state.asked), ()
        return self._screened(self.surrogate, population, rng)

    def _screened(self, surrogate: Surrogate, played: Population, rng: random.Random) -> tuple[Proposal, tuple[Screened, ...]]:
        """Breed a generation on the surrogate, from parents that the model ``played`` and parents on the surrogate, and select the best."""
        proposals: dict[str, Proposal] = {}
        standings: dict[str, float] = {}
        for _ in range(self.config.screen):
            population = played if len(played) and rng.random() < _OF_PLAYED else surrogate.population
            one = self._new(population, rng, {key: bred.program for key, bred in surrogate.known.items()})
            if one.program.id not in surrogate.known:
                standings[one.program.id] = surrogate.play(one.program, one.parents)
                proposals[one.program.id] = one
        news = {key: value for key, value in standings.items() if value not in surrogate.chosen} or standings or {one.program.id: 0.0}
        best = max(news, key=lambda key: news[key])  # the earlier one on ties
        surrogate.chose(best)
        chosen = replace(proposals.get(best, one), parents=surrogate.known[best].parents)
        return chosen, tuple(Screened(key, one.operator, standings[key], key == best) for key, one in proposals.items())

    def _new(self, population: Population, rng: random.Random, known: Mapping[str, Program]) -> Proposal:
        """Breed a child from possible parents among the ``known`` programs. It is a known program only if every try gives one."""
        for _ in range(_BREEDING_TRIES):
            (parent, remarks), (mate, _) = self._parent(population, rng, known), self._parent(population, rng, known)
            program, operator = _bred(parent, Parents(parent.source, mate.source, remarks), self.config.operators, rng, self.operators)
            if program.id not in known:
                break
        mated = mate.id != parent.id and not {"cross", "join"}.isdisjoint(operator.split("+"))
        return Proposal(program, (parent.id, mate.id) if mated else (parent.id,), operator)

    def _parent(self, population: Population, rng: random.Random, known: Mapping[str, Program]) -> tuple[Program, Sequence[Remark]]:
        """A parent and the judge's remarks on it. Random selection gives no remarks; before there are results it is the seed program."""
        chosen = self._chosen(population, rng)
        if chosen is None:
            return self.setup.seed_program, ()
        return known[chosen.program_id], () if self.config.selection == "random" else chosen.evaluation.remarks

    def _chosen(self, population: Population, rng: random.Random) -> Scored | None:
        """Select a parent; None from an empty population."""
        if not len(population):
            return None
        if self.config.selection == "random":
            return population.by_chance(rng)
        own = self.parts.selection
        return population.choose(self.masses, rng) if own is None else own.choose(population, self.masses, rng)

    def _play(self, program: Program, candidate: int) -> Future[tuple[Episode, ...]]:
        """Start the episodes of a program on the train plan."""
        return self.workers.submit(roll_out, self.setup.rollout(program.source, self.setup.train_plan, candidate))

    # -- evaluate ---------------------------------------------------------------------------------------------------------

    def evaluate(self, pending: deque[PendingCandidate]) -> Commit:
        """Wait for the oldest candidate, score it and remove it from the queue."""
        asked = pending[0]
        refused = self._settled(asked) if asked.developed is not None else ""
        if refused:
            commit = Commit(Candidate(asked.number, asked.program, asked.parents, asked.operator, "failed", refused, "program"))
        elif asked.future is None:
            reason = "same program as an earlier candidate"
            candidate = Candidate(asked.number, asked.program, asked.parents, asked.operator, "duplicate", reason)
            commit = Commit(candidate, screened=asked.screened)
        else:
            commit = self._scored(asked, self._episodes(pending))
        pending.popleft()
        return commit

    def _result(self, future: Future[Value]) -> Value:
        """Wait for a future's result. The archive is flushed before a long wait."""
        if not wait([future], timeout=_GATHER_SECONDS).done:
            self._flush()
        if self.runtime is not None:
            self.runtime.pool.wait(future)
        found: Value = self.workers.result(future)
        return found

    def _settled(self, asked: PendingCandidate) -> str:
        """Wait for the program of a model, and assign it to the candidate; returns the reason of a refusal, or ""."""
        assert asked.developed is not None
        developed = self._result(asked.developed)
        if developed.program is None:
            return developed.reason
        asked.program, asked.future = developed.program, Future()
        asked.future.set_result(developed.episodes)
        return ""

    def _episodes(self, pending: deque[PendingCandidate]) -> tuple[Episode, ...]:
        """The oldest candidate's episodes. After a time limit or the loss of a worker they are played once more, alone."""
        asked = pending[0]
        assert asked.future is not None
        try:
            episodes = self._result(asked.future)
            if not worth_another_try(episodes):
                return episodes
        except LostError:
            for other in list(pending)[1:]:
                future = other.future
                lost = future is not None and (future.cancelled() or (future.done() and future.exception() is not None))
                if lost and other.developed is None:
                    other.future = self._play(other.program, other.number)
        wait([other.future for other in pending if other.future is not None and other is not asked])
        try:
            again: tuple[Episode, ...] = self.workers.result(self._play(asked.program, asked.number))
            return again
        except LostError:
            return spoiled(self.setup.train_plan, LOST_TWICE)

    def _scored(self, asked: PendingCandidate, episodes: Sequence[Episode]) -> Commit:
        """The commit of a candidate from its episodes."""
        evaluation, judged = self.setup.score(asked.program.id, episodes)
        failure = next((one for one in judged if one.state == "failed"), None)
        candidate = Candidate(
            asked.number, asked.program, asked.parents, asked.operator, "evaluated" if evaluation.completed else "failed",
            failure.reason if failure else None, failure.fault if failure else None,
        )  # fmt: skip
        return Commit(candidate, evaluation, judged, asked.screened)

    # -- tell -------------------------------------------------------------------------------------------------------------

    def tell(self, commit: Commit) -> None:
        """Add a commit to the archive and to the state."""
        self.archive.add(self.run_id, commit)
        self.state.tell(commit)
        if self.proposer is not None:
            self.proposer.tell(commit)
        if time.monotonic() - self._flushed > _LONGEST_SECONDS:
            self._flush()

    def _flush(self) -> None:
        """Write pending commits and model answers to disk."""
        self._flushed = time.monotonic()
        self.archive.flush()
        if self.runtime is not None:
            self.runtime.flush()

    def progress(self) -> Progress:
        """The current progress."""
        population = self.state.held
        best = population.best if self.surrogate is None else next(iter(self._best(1)), None)
        seconds = time.monotonic() - self.started
        held = len(population.elites)
        done, planned, cells = self.state.count, self.config.candidates, len(self.masses)
        spent = self.runtime.models.ledger.total() if self.runtime is not None else None
        return Progress(done, planned, best, population.expected, held, cells, self.state.episodes, seconds, spent)

    # -- the end ----------------------------------------------------------------------------------------------------------

    def table(self) -> FinalTable:
        """The final table: the archive's if it is up to date, else that of new finals."""
        stored = self.archive.final_table(self.run_id)
        if stored.rows and self.state.count == self.resumed:
            return stored
        # the best programs of the search; the seed program if none holds the floors
        finalists = [self.state.asked[scored.program_id] for scored in self._best(self.config.finalists)] or [self.setup.seed_program]
        finals = play_finals(self.setup, self.workers, finalists) if len(finalists) > 1 else []
        self.state.episodes += sum(one.planned for one in finals)
        best = self.state.asked[winner(finals, self.setup.floors).program_id] if finals else finalists[0]
        table = final_table(self.setup, self.workers, best)
        self.archive.write_table(self.run_id, table, finals)
        return table

    def _best(self, count: int) -> list[Scored]:
        """The ``count`` best programs."""
        if self.surrogate is None:
            return self.state.held.top(count)
        return likeliest(self.state.held.members, count, self.surrogate.evaluations)

    def result(self, path: Path, archive: Archive, table: FinalTable) -> SearchResult:
        """The result of the search with its final table."""
        seconds = time.monotonic() - self.started
        best = self.state.asked[next(row.program_id for row in table.rows if row.program_id and row.row == BEST)]
        digest = archive.digest(self.run_id)
        spending = self.runtime.models.ledger.accounts() if self.runtime is not None else {}
        done = self.state.count, self.state.episodes
        sees = self.setup.inputs.get(AUDITOR_SEES, "")
        return SearchResult(
            path, self.config.seed, *done, seconds, digest, best, table.rows, table.comparisons, spending, self._problem(), sees
        )

    def _problem(self) -> str:
        """The reason if the search found nothing; else ""."""
        reasons = self.state.reasons
        if not self.state.played:
            return f"no dialogue of a candidate was played: {reasons.get(False) or reasons.get(True) or 'no reason is known'}"
        if self.state.count > 1 and self.proposer is not None and not self.state.bred:
            return f"every proposal was refused: {reasons.get(True, 'no reason is known')}"
        return ""
