"""Candidates by a language model: from the brief to the program and its dialogues.

Each candidate waits for the mutator in its own thread. Programs are parsed, run and played in worker processes or, if dialogues or programs
call models themselves, in that thread. Proposals are accepted in the order of the candidates' numbers.
"""

from __future__ import annotations

import json
import random
import re
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from personaevo.archive import Archive
from personaevo.chat import ChatModel, Message, Reply
from personaevo.errors import PersonaevoError, WorkerError
from personaevo.evolve import rewrite
from personaevo.evolve.parts import ModelRuntime
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.ranking import Scored
from personaevo.evolve.rewrite import ATTEMPTS, Brief, Examine, Pair
from personaevo.evolve.rollout import TRIED, Examined, ModelProposal, Rollout, examined, roll_out, spoiled, tried, wrong
from personaevo.evolve.select import Population
from personaevo.evolve.state import Programs
from personaevo.judge.objectives import SCORE
from personaevo.models import made_for
from personaevo.programs import Call
from personaevo.programs.shingles import NearDuplicateIndex, shingles
from personaevo.records import Commit, Episode, Program
from personaevo.workers import WorkerPool, Workers

_SAME = "it does the same as the known program {}"
_TOO_ALIKE = 0.99  # similarity of syntax-tree shingles that counts as a duplicate; one changed number in 3 kB gives 0.95
_INSPIRATION = 2  # elites of other cells in a prompt
_PAIRS = 2  # contrasts in a prompt
_RECENT = 2_000  # dialogues that are cached in memory
_KEY = re.compile(r'"([a-z_]{1,30})" *:')
_COUNT = re.compile(r"\bexactly (\d{1,3})\b")


@dataclass(frozen=True, slots=True)
class ModelCandidate:
    """Result of a brief: the program with its episodes, or None and the reason why every proposal was refused."""

    program: Program | None
    reason: str = ""
    episodes: tuple[Episode, ...] = ()


class _Ticket:
    """Synchronization of one pending candidate: ``first`` is the id of its first proposal ("" if refused), ``settled`` is set when its
    result is known."""

    def __init__(self) -> None:
        self.first: Future[str] = Future()
        self.settled = threading.Event()

    def propose(self, proposal: ModelProposal) -> None:
        """Publish the first proposal."""
        self.first.set_result(proposal.program.id if proposal.program is not None else "")

    def end(self) -> None:
        """Mark the candidate as settled."""
        if not self.first.done():
            self.first.set_result("")
        self.settled.set()


class Stub:
    """A stub of the generator's model for dry runs: its answers have the form that the program asks for."""

    def reply(self, messages: Sequence[Message], *, schema: object = None, sample: int = 0) -> Reply:
        """A JSON list with the number of objects and the keys that the prompt mentions, or a few sentences."""
        asked = messages[-1].content
        keys = list(dict.fromkeys(_KEY.findall(asked)))
        if not keys:
            return Reply("You write as people write, in your own words and at your own pace. " * 14)
        count = _COUNT.search(asked)
        return Reply(json.dumps([{key: f"{key} {number}" for key in keys} for number in range(int(count[1]) if count else 1)]))


class ModelProposer:
    """Makes proposals with the mutator's model. ``known`` are all accepted programs; at most ``lag`` candidates are pending."""

    def __init__(
        self, runtime: ModelRuntime, setup: EvaluationSetup, archive: Archive, run_id: int, known: Programs, workers: WorkerPool, lag: int
    ) -> None:
        mutator = runtime.role("mutator")
        assert mutator is not None, "the caller checks this"
        self._mutator, self._reflector = mutator, runtime.role("reflector")
        self._runtime, self._setup, self._archive, self._run_id, self._known = runtime, setup, archive, run_id, known
        self._workers, self._lag = workers if isinstance(workers, Workers) else None, lag
        self._shingles = NearDuplicateIndex(lambda key: shingles(known[key].source))
        self._history = History(usable=dict(rewrite.SMALL_MODEL) if runtime.from_file("mutator") else {})
        self._listed = 0  # number of known programs that are indexed in the shingles
        self._recent: OrderedDict[int, tuple[Episode, ...]] = OrderedDict()
        # Candidates are accepted in the order of their numbers, so that duplicates do not depend on timing.
        self._tickets: dict[int, _Ticket] = {}

    # -- in the search's thread ---------------------------------------------------------------------------------------------

    def tell(self, commit: Commit) -> None:
        """Add a committed candidate, and cache its dialogues for the next briefs."""
        self._history.tell(commit)
        if commit.episodes:
            self._remember(commit.candidate.number, commit.episodes)

    def _remember(self, number: int, episodes: tuple[Episode, ...]) -> tuple[Episode, ...]:
        """Cache the dialogues of a candidate."""
        self._recent[number] = episodes
        self._recent.move_to_end(number)
        while len(self._recent) * len(self._setup.train_plan.items) > _RECENT:
            self._recent.popitem(last=False)
        return episodes

    def _episodes(self, number: int) -> tuple[Episode, ...]:
        """The dialogues of a candidate, from the cache or the archive."""
        known = self._recent.get(number)
        return self._remember(number, self._archive.episodes(self._run_id, number) if known is None else known)

    def begin(self, brief: Brief) -> Future[ModelCandidate]:
        """Start a thread that asks for a program and plays it."""
        self._tickets[brief.number] = _Ticket()
        self._tickets.pop(brief.number - 2 * self._lag, None)  # settled long ago
        return self._runtime.pool.submit(self._develop, brief)

    def brief(self, number: int, count: int, population: Population,
              pick: Callable[[random.Random], Scored | None], rng: random.Random) -> Brief:  # fmt: skip
        """The mutator's input for candidate ``number``, from the first ``count`` commits only; ``population`` holds their programs."""
        self._history.take(count)
        repairable = self._history.repairable
        chosen = pick(rng)
        mate = pick(rng)
        mates = chosen is not None and mate is not None and mate.program_id != chosen.program_id
        parent = self._known[chosen.program_id] if chosen is not None else self._setup.seed_program
        operator = rewrite.choose(
            rng, failed=bool(repairable), mates=mates, adjustable=rewrite.can_adjust(parent.source), tried=self._history.usable
        )  # fmt: skip
        if operator == "repair":
            broken = rng.choice(repairable).candidate
            return Brief("repair", number, broken.program, None, error=broken.reason or "")
        if chosen is None:
            return Brief(operator, number, self._setup.seed_program, None)
        commit = self._history.evaluated[chosen.program_id]
        episodes = self._episodes(commit.candidate.number)
        return Brief(
            operator, number, self._known[chosen.program_id], chosen.evaluation, self._setup.train.gaps(episodes),
            self._pairs(commit, episodes),
            mate=self._known[mate.program_id] if mate is not None and operator == "crossover" else None,
            mate_score=mate.evaluation.objectives["score"].value if mate is not None else 0.0,
            inspiration=self._inspiration(population, chosen, rng), attempts=self._history.attempts(chosen),
        )  # fmt: skip

    def _pairs(self, commit: Commit, episodes: Sequence[Episode]) -> tuple[Pair, ...]:
        """Contrasts for the reflector: child and parent on the same task and slot, and the best and worst episode of a task."""
        if self._reflector is None:
            return ()
        pairs = []
        parent = self._history.evaluated.get(commit.candidate.parents[0]) if commit.candidate.parents else None
        if parent is not None:
            before = {one.item: one for one in self._episodes(parent.candidate.number)}
            both = [(one, before.get(one.item)) for one in episodes]
            pairs += _widest([("child and parent", one, other) for one, other in both if other is not None])
        best: dict[str, Episode] = {}
        for one in sorted(episodes, key=_human):
            best[one.item.task_id] = one
        pairs += _widest([("best and worst", best[one.item.task_id], one) for one in episodes])
        return tuple(pairs[:_PAIRS])

    def _inspiration(self, population: Population, chosen: Scored, rng: random.Random) -> tuple[tuple[str, Program], ...]:
        """Random elites of cells that the parent does not own."""
        names = {cell["cell"]: cell["name"] for cell in self._setup.cells()}
        held = [(cell, owner) for cell, owner in sorted(population.elites.items()) if owner.program_id != chosen.program_id]
        drawn = rng.sample(held, min(_INSPIRATION, len(held)))
        return tuple((names[cell], self._known[owner.program_id]) for cell, owner in drawn)

    # -- in a thread of its own ---------------------------------------------------------------------------------------------

    def _develop(self, brief: Brief) -> ModelCandidate:
        """Ask for a program until it is accepted or refused, and play it unless that was done in the trial."""
        examined: dict[str, Examined] = {}

        def examine(source: str) -> ModelProposal:
            found = self._examine(self._setup.rollout(source, self._setup.train_plan, brief.number))
            if found.proposal.program is not None:
                examined[found.proposal.program.id] = found
            return found.proposal

        proposal = self._proposal(brief, examined, examine)
        if proposal.program is None:
            return ModelCandidate(None, proposal.refusal)
        found = examined[proposal.program.id]
        if found.episodes is not None:
            return ModelCandidate(proposal.program, episodes=found.episodes)
        work = self._setup.rollout(proposal.program.source, self._setup.train_plan, brief.number)
        return ModelCandidate(proposal.program, episodes=roll_out(work))

    def _proposal(self, brief: Brief, examined: Mapping[str, Examined], examine: Examine) -> ModelProposal:
        """The accepted proposal of a candidate, after all earlier candidates are settled."""
        turn = self._tickets[brief.number]
        try:
            with made_for(brief.number):
                proposal = rewrite.propose(brief, self._mutator, self._reflector, examine)
                turn.propose(proposal)
                ahead = self._ahead(brief, proposal, examine)
                before = self._tickets.get(brief.number - 1)
                if before is not None:
                    before.settled.wait()
                return self._new(brief, proposal, ahead, examined, examine)
        finally:
            turn.end()

    def _ahead(self, brief: Brief, proposal: ModelProposal, examine: Examine) -> tuple[str, ModelProposal] | None:
        """A second proposal and the problem of the first, if a pending candidate proposed the same program.

        Asking before the others are settled saves time: sequentially, a generation of equal proposals would take as many calls in a row.
        """
        if proposal.program is None:
            return None
        others = [self._tickets[number] for number in range(brief.number - self._lag + 1, brief.number) if number in self._tickets]
        if proposal.program.id not in self._known and all(other.first.result() != proposal.program.id for other in others):
            return None
        problem = _SAME.format(proposal.program.id)
        with suppress(PersonaevoError):  # if the answer is needed, the call is repeated and raises
            return problem, rewrite.propose(brief.with_problem(problem), self._mutator, None, examine)
        return None

    def _new(
        self, brief: Brief, proposal: ModelProposal, ahead: tuple[str, ModelProposal] | None, examined: Mapping[str, Examined],
        examine: Examine,
    ) -> ModelProposal:  # fmt: skip
        """Accept a proposal if it is new. A proposal too similar to a known program is replaced once, and refused the second time."""
        problem = ""
        for attempt in (brief, None):
            if proposal.program is None:
                return proposal
            problem = self._alike(proposal.program, examined[proposal.program.id].shingles)
            if not problem:
                self._known.add(proposal.program)
                return proposal
            if attempt is not None:
                foreseen = ahead is not None and ahead[0] == problem
                proposal = ahead[1] if ahead and foreseen else rewrite.propose(attempt.with_problem(problem), self._mutator, None, examine)
        return ModelProposal(None, problem)

    def _alike(self, program: Program, own: frozenset[int]) -> str:
        """The problem with a program that is too similar to a known one; "" if it is new."""
        if program.id in self._known:
            return _SAME.format(program.id)
        for key in list(islice(self._known, self._listed, None)):  # programs added since; a resumed search has some already
            self._shingles.add(key, shingles(self._known[key].source))
            self._listed += 1
        near = self._shingles.alike(own, _TOO_ALIKE)
        if near is not None:
            return f"it is nearly the same as the known program {near}"
        self._shingles.add(program.id, own)
        self._listed += 1
        return ""

    def _examine(self, work: Rollout) -> Examined:
        """Parse and test-run a program before any paid dialogue is played."""
        if self._workers is None:
            return examined(work, self._dry_run)
        try:
            found: Examined = self._workers.twice(tried, work)
        except WorkerError as error:
            return replace(examined(work, lambda _: ""), episodes=spoiled(work.plan, str(error)))
        return found

    def _dry_run(self, program: Program) -> str:
        """Run the program with a stub model: the reason of the first failure, "" if there is none."""
        plan = self._setup.train_plan
        model: ChatModel | None = Stub() if self._runtime.players.generator is not None else None
        calls = [Call(task, plan.personas, plan.generate_seed(task.id)) for task in plan.tasks[:TRIED]]
        with self._runtime.players.sandboxes.one() as sandbox:
            return wrong(sandbox.run_many(program.source, calls, model))


def _human(episode: Episode) -> float:
    """P(human) of an episode, -1 if it has none."""
    return episode.p_human if episode.p_human is not None else -1.0


def _widest(pairs: Sequence[tuple[str, Episode, Episode]]) -> list[Pair]:
    """The pair with the largest difference in P(human), ordered as better and worse; empty if no pair differs."""
    found = [
        Pair(kind, *((one, other) if _human(one) >= _human(other) else (other, one)))
        for kind, one, other in pairs
        if one.turns and other.turns and _human(one) != _human(other)
    ]
    return sorted(found, key=lambda pair: _human(pair.worse) - _human(pair.better))[:1]


@dataclass
class History:
    """Index of candidates: ``evaluated`` by program id (the latest), failed programs that are ``repairable``, and for each operator the
    numbers of its usable proposals and of all (``usable``)."""

    evaluated: dict[str, Commit] = field(default_factory=dict)
    repairable: list[Commit] = field(default_factory=list)
    usable: dict[str, tuple[int, int]] = field(default_factory=dict)
    _children: dict[str, list[Commit]] = field(default_factory=dict)
    _told: deque[Commit] = field(default_factory=deque)
    _taken: int = 0

    def tell(self, commit: Commit) -> None:
        """Queue the next commit for ``take``."""
        self._told.append(Commit(commit.candidate, commit.evaluation))

    def take(self, count: int) -> None:
        """Index the first ``count`` commits, if they are not yet. ``count`` must not decrease."""
        while self._taken < count:
            self._take(self._told.popleft())
            self._taken += 1

    def _take(self, commit: Commit) -> None:
        candidate = commit.candidate
        used, tried = self.usable.get(candidate.operator, (0, 0))
        self.usable[candidate.operator] = used + (candidate.state == "evaluated"), tried + 1
        if candidate.state == "evaluated":
            self.evaluated[candidate.program.id] = commit
        elif candidate.state == "failed" and candidate.fault == "program" and commit.evaluation:
            self.repairable.append(commit)
        if candidate.state != "duplicate":
            for parent in candidate.parents:
                self._children.setdefault(parent, []).append(commit)

    def attempts(self, parent: Scored) -> tuple[str, ...]:
        """A line for each of the latest children of a parent that did not score better, the latest first."""
        score = parent.evaluation.objectives[SCORE].value
        told = (_told(one, score) for one in reversed(self._children.get(parent.program_id, [])))
        return tuple(islice((one for one in told if one), ATTEMPTS))


def _told(child: Commit, score: float) -> str:
    """The outcome of a child as a line; "" if it scored better."""
    operator, evaluation = child.candidate.operator, child.evaluation
    if evaluation is None or child.candidate.state == "failed":
        return f"{operator}: failed, {child.candidate.reason}"
    if evaluation.objectives[SCORE].value > score:
        return ""
    worst = ", ".join(f"{remark.feature} {remark.wanted}" for remark in evaluation.remarks[:3])
    return f"{operator}: score {evaluation.objectives[SCORE].value:.2f}; people then show: {worst}"
