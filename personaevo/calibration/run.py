"""A calibration from a model's name to an archive that holds its curves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from personaevo import definitions, readers
from personaevo.archive import Archive, KeptCalibration, Recording
from personaevo.calibration.report import as_object
from personaevo.config import make_config
from personaevo.crew import Crew
from personaevo.errors import ArchiveError, BudgetError, ConfigError, InputError
from personaevo.models import EMBEDDED, Account, Budget, Conduct, Models, Spent, parse, read_prices
from personaevo.records import Episode, Store, Task, Wording
from personaevo.simulate import calibrate
from personaevo.simulate.curves import FEWEST
from personaevo.simulate.partners import model_agent
from personaevo.simulate.trials import Job, play

ROLES = ("user", "agent")
_CALLS_RUN = 1  # where its answers are kept in an archive: there is no run of a search
_MOST = 10_000

Observe = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """What is to be calibrated.

    Attributes:
        models: "user" to the model, and "agent" to the one that it talks to (default: the scripted agent); "embedded" is the engine itself.
        domain: whose tasks and wording, a name or a folder.
        dialogues: for the fit, at least 4.
        check: pairs of dialogues for the check, at least 2; 0 leaves it out.
        wording: "draft" or "direction"; None: the better of the two.
        seed: of everything random.
        budget, prices: what models may cost, resumed parts included, and a file of prices.
        replay: an archive whose recorded answers take the place of all models.
        at_once: calls at a time.
    """

    models: Mapping[str, str]
    domain: str = "service"
    dialogues: int = 60
    check: int = 20
    wording: Wording | None = None
    seed: int = 0
    budget: Budget = field(default_factory=Budget)
    prices: Path | None = None
    replay: Path | None = None
    at_once: int = 16

    def __post_init__(self) -> None:
        """Raises ConfigError: a role, a number or a wording is not of the expected form."""
        wrong = next((role for role in self.models if role not in ROLES), None)
        if wrong is not None:
            raise ConfigError(f"models: no role {wrong!r:.40} here; roles of a calibration are {', '.join(ROLES)}")
        if "user" not in self.models:
            raise ConfigError("models: expected the user, whose model is to be calibrated: --model user=PROVIDER:NAME")
        if not FEWEST <= self.dialogues <= _MOST:
            raise ConfigError(f"dialogues: expected {FEWEST} to {_MOST:,}, got {self.dialogues}")
        if self.check and not 2 <= self.check <= _MOST:
            raise ConfigError(f"check: expected 0 (none) or 2 to {_MOST:,}, got {self.check}")
        if self.wording is not None and self.wording not in calibrate.WORDINGS:
            raise ConfigError(f"wording: expected {' or '.join(calibrate.WORDINGS)}, got {self.wording!r:.40}; others have no director")

    @cached_property
    def user(self) -> str:
        """The user's model by its name."""
        return str(parse(self.models["user"]))

    @property
    def place(self) -> str:
        """What ``definitions.domain`` finds the domain by."""
        return make_config({"domain": self.domain}).domain_place

    @property
    def dialogues_in_all(self) -> int:
        """For the choice of the wording, the fit and the check."""
        chosen = self.wording is not None or self.user == calibrate.EMBEDDED
        return self.dialogues + (0 if chosen else min(calibrate.TRIED, self.dialogues)) + 2 * self.check


@dataclass(frozen=True)
class Done:
    """What was found, where it is kept, what models did and cost, and how long it took."""

    found: calibrate.Calibrated
    archive: Path
    spending: Mapping[str, Account]
    seconds: float


def free_name() -> Path:
    """``calibration.duckdb`` in the working folder, or the first of ``calibration-2.duckdb``, … that is free."""
    names = (Path(f"calibration{f'-{number}' if number > 1 else ''}.duckdb") for number in range(1, 1_000_000))
    return next(name for name in names if not name.exists())


def tasks_of(place: str) -> dict[str, list[Task]]:
    """The train and test tasks of a domain. Raises InputError: a part has none."""
    path = definitions.domain_files(place).tasks
    tasks = readers.read_tasks(path)
    parts = {split: [task for task in tasks if task.split == split] for split in ("train", "test")}
    for split, found in parts.items():
        if not found:
            raise InputError(f"{path}: no task is marked '{split}': set the field 'split' of some")
    return parts


def calibrate_user(request: Request, archive: Path | None = None, observe: Observe | None = None) -> Done:
    """Measures how a model plays what it is asked, and keeps that in an archive (None: a free name in the working folder).

    All answers are kept in the archive as they come: one that was stopped goes on where it was when it is called again with the same
    arguments, and asks nothing twice. ``observe`` is called with (dialogues played, planned).

    Raises:
        ConfigError, InputError: something given cannot be used, or too few dialogues completed.
        ModelError, BudgetError: the model cannot be asked (any more); what it answered is in the archive.
        ArchiveError: see ``Archive``; or the archive holds a search or refined profiles.
    """
    began = time.monotonic()
    domain, tasks = definitions.domain(request.place), tasks_of(request.place)
    path = archive or free_name()
    with ExitStack() as stack:
        stack.callback(Archive.remove_if_empty, path)  # a calibration that came to nothing leaves nothing
        kept = stack.enter_context(Archive.create_or_open(path))
        if kept.runs() or kept.refinements().settings():
            raise ArchiveError(f"archive {path} holds a search or refined profiles: give another file for the calibration")
        table = stack.enter_context(_Table(request, kept, observe or (lambda *_: None)))
        found = calibrate.calibrate(
            request.user, table.play, tasks, domain, dialogues=request.dialogues, check=request.check, wording=request.wording,
            seed=request.seed,
        )  # fmt: skip
        _keep(kept, found)
        return Done(found, path, table.models.ledger.accounts(), time.monotonic() - began)


def _keep(archive: Archive, found: calibrate.Calibrated) -> None:
    """Adds the calibration, unless it is what the archive holds already."""
    of, report = found.calibration, as_object(found)
    if not any((one.model, one.report) == (of.model, report) for one in archive.calibrations()):
        archive.add_calibration(KeptCalibration(of.model, of.wording, of.prompt, {k: asdict(v) for k, v in of.curves.items()}, report))


class _Table:
    """Plays dialogues, many at a time where models are asked. A context manager: when it ends with a BudgetError, calls under way are
    waited for and kept; with any other error they are cut short."""

    def __init__(self, request: Request, archive: Archive, observe: Observe) -> None:
        self._request, self._observe = request, observe
        self._domain = definitions.domain(request.place)
        self._stack = ExitStack()
        self._calls = archive.calls()
        self._played, self._lock = 0, threading.Lock()
        self.models = Models(
            {role: parse(text) for role, text in request.models.items()}, self._store(), prices=read_prices(request.prices),
            budget=request.budget, before={role: Spent(*sums) for role, sums in self._calls.sums(_CALLS_RUN).items()},
            conduct=Conduct(request.at_once), offline=request.replay is not None,
        )  # fmt: skip
        self._asks = any(parse(text) != EMBEDDED for text in request.models.values())
        self._crew = Crew(max(map(self.models.at_once, ROLES)), 1, self._look)
        self._user, agent = self.models.role("user"), self.models.role("agent")
        self._make_agent = None if agent is None else model_agent(agent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.models.stop(Conduct().seconds if isinstance(error, BudgetError) else 0.0)
            self._crew.stop(kill=kind is not None)
        finally:
            self._stack.close()
            self._calls.flush(_CALLS_RUN)

    def play(self, jobs: Sequence[Job]) -> list[Episode]:
        """The episodes of the jobs, in order."""
        if not self._asks:
            found = [self._one(job) for job in jobs]
            self._look()
            return found
        episodes: list[Episode] = self._crew.map(self._one, jobs)
        self._look()
        return episodes

    def _one(self, job: Job) -> Episode:
        episode = play(job, self._domain, self._user, self._make_agent)
        with self._lock:
            self._played += 1
        return episode

    def _look(self) -> None:
        """Now and then, in the archive's thread: writes down what came, and says how far it is."""
        self._calls.flush(_CALLS_RUN)
        self._observe(self._played, self._request.dialogues_in_all)

    def _store(self) -> Store:
        if self._request.replay is None:
            return self._calls
        recording = self._stack.enter_context(Archive.read(self._request.replay))
        return Recording(self._calls, recording.calls())
