"""Calibrate models that play users, store calibrations in archives, and load them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from personaevo import definitions, readers
from personaevo.archive import Archive, ReplayStore, StoredCalibration
from personaevo.chat import Store
from personaevo.config import make_config
from personaevo.definitions import prompt
from personaevo.errors import ArchiveError, BudgetError, ConfigError, InputError
from personaevo.model_spec import same_model
from personaevo.models import EMBEDDED, Account, Budget, CallSettings, Models, Spent, parse, read_prices
from personaevo.models.ledger import CHARACTERS_PER_TOKEN, POLICY_TOKENS, TURN_TOKENS, Planned, plan_calls
from personaevo.records import Episode, Task, Wording
from personaevo.renamed import old_names
from personaevo.simulate import calibrate
from personaevo.simulate.calibrate import WORDINGS, Calibrated, Check, Gain, Interval, Job, line_of, play
from personaevo.simulate.curves import FEWEST, Calibration, Curve, prompt_digest
from personaevo.simulate.model_users import system_prompt
from personaevo.simulate.partners import agent_prompt, model_agent
from personaevo.workers import ThreadPool

__all__ = ["CalibrationRun", "CalibrationSettings", "as_object", "calibrate_user", "free_name", "load_calibration", "model_name", "planned"]


def load_calibration(path: str | os.PathLike[str], model: str, wording: Wording | None = None) -> Calibration:
    """The latest calibration of a model, for one ``wording`` or any, that was made with the installed prompts.

    Raises:
        ArchiveError: the file is not an archive.
        ConfigError: it has no such calibration; or the user is not played by a model, or by one without a director.
    """
    if model == calibrate.EMBEDDED:
        raise ConfigError("calibration: it is for users that a model plays; give the model as well (--model user=…), or leave it out")
    if wording is not None and wording not in WORDINGS:
        raise ConfigError(f"calibration: users with the wording '{wording}' have no director; leave one of the two out")
    with Archive.read(path) as archive:
        kept = archive.calibrations()
    of_model = [one for one in kept if same_model(one.model, model)]
    found = [one for one in of_model if one.wording in WORDINGS and (wording is None or one.wording == wording)]
    if not found:
        names = sorted({one.wording for one in of_model} if of_model else {one.model for one in kept})
        others = f"only {', '.join(names)[:200]}" if names else "and none of another model"
        worded = f" with the wording '{wording}'" if wording and of_model else ""
        raise ConfigError(f"archive {path} holds no calibration of {model}{worded}, {others}: make one with 'personaevo calibrate'")
    usable = [one for one in found if one.prompt == prompt_digest(_wording(one))]
    if not usable:
        raise ConfigError(f"archive {path}: {model} was calibrated with other prompts than the installed ones: calibrate it again")
    return calibration_of(max(usable, key=lambda one: one.made or datetime.min))


def model_name(models: Mapping[str, str]) -> str:
    """The name of the user's model in calibrations; "embedded" if there is none. Raises ConfigError if the name is invalid."""
    return str(parse(models.get("user", calibrate.EMBEDDED)))


def calibration_of(kept: StoredCalibration) -> Calibration:
    """A stored calibration, without curves that cannot be inverted or belong to dials that are not installed."""
    curves = {}
    for name, line in kept.dials.items():
        if name in definitions.dials():
            numbers = {key: float(value) for key, value in line.items() if key != "n"}
            curves[name] = Curve(n=int(line["n"]), **numbers)
    return Calibration(kept.model, _wording(kept), kept.prompt, {name: curve for name, curve in curves.items() if curve.usable})


def _wording(kept: StoredCalibration) -> Wording:
    return "direction" if kept.wording == "direction" else "draft"


def as_object(done: Calibrated) -> dict[str, Any]:
    """All measurements. The numbers of a dial, also those ``asked`` and shown (``values``), are on its ``scale``."""
    calibration, behaved = done.calibration, done.conduct
    counts = {one.name: getattr(behaved, one.name) for one in fields(behaved) if one.name not in ("broke", "agent")}
    rates = {name: _interval(value) if isinstance(value, tuple) else value for name, value in counts.items()}
    return {
        "model": calibration.model, "wording": calibration.wording, "prompt": calibration.prompt, "digest": calibration.digest,
        "dials": [_dial(done, name) for name in calibration.curves],
        "breaks": _interval(behaved.broke), "as_agent": _interval(behaved.agent), **rates,
        "tried": [asdict(one) for one in done.tried], "check": None if done.check is None else _check(done.check),
    }  # fmt: skip


def _dial(done: Calibrated, name: str) -> dict[str, Any]:
    curve, asked, shown = line_of(done, name)
    low, high = curve.interval
    return {
        "dial": name, "scale": definitions.dials()[name].scale, **asdict(curve), "slope_low": low, "slope_high": high,
        "middle": curve.middle, "verdict": curve.verdict,
        "asked": [round(float(value), 4) for value in asked], "values": [round(float(value), 4) for value in shown],
    }  # fmt: skip


def _check(check: Check) -> dict[str, Any]:
    return {
        "pairs": check.pairs, "planned": check.planned, "overall": _gain(check.overall),
        "dials": [{"dial": name, **_gain(gain)} for name, gain in check.gains.items()],
        "breaks": _interval(check.after.broke), "preservation": _interval(check.after.preservation),
    }  # fmt: skip


def _gain(gain: Gain) -> dict[str, Any]:
    return {**asdict(gain), "gain": _interval(gain.gain)}


def _interval(value: Interval) -> dict[str, float]:
    return dict(zip(("mean", "low", "high"), value, strict=True))


ROLES = ("user", "agent")
_CALLS_RUN = 1  # the run number under which an archive without a search stores the answers
_MOST = 10_000

Observe = Callable[[int, int], None]


@dataclass(frozen=True)
class CalibrationSettings:
    """The settings of a calibration.

    Attributes:
        models: "user" → the model to calibrate, and "agent" → its partner (default: the scripted agent); "embedded" is the embedded engine.
        domain: the domain of tasks and wording, a name or a folder.
        dialogues: dialogues for the fit, at least 4.
        check: pairs of dialogues for the check, at least 2; 0 for no check.
        wording: "draft" or "direction"; None: the better of the two.
        seed: the random seed.
        budget, prices: the spending limits, resumed parts included, and a price file.
        replay: an archive whose recorded answers replace all models.
        at_once: concurrent calls.
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
        """Raises ConfigError for an invalid role, number or wording."""
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
        """The name of the user's model."""
        return str(parse(self.models["user"]))

    @property
    def place(self) -> str:
        """The domain's name or folder, for ``definitions.domain``."""
        return make_config({"domain": self.domain}).domain_place

    @property
    def dialogues_in_all(self) -> int:
        """The number of dialogues to choose the wording, to fit and to check."""
        chosen = self.wording is not None or self.user == calibrate.EMBEDDED
        return self.dialogues + (0 if chosen else min(calibrate.TRIED, self.dialogues)) + 2 * self.check


@dataclass(frozen=True)
class CalibrationRun:
    """The result of a calibration, the archive that has it, the costs of models by role, and the duration."""

    found: calibrate.Calibrated
    archive: Path
    spending: Mapping[str, Account]
    seconds: float


def free_name() -> Path:
    """``calibration.duckdb`` in the working folder, or the first unused one of ``calibration-2.duckdb``, …."""
    names = (Path(f"calibration{f'-{number}' if number > 1 else ''}.duckdb") for number in range(1, 1_000_000))
    return next(name for name in names if not name.exists())


def tasks_of(place: str) -> dict[str, list[Task]]:
    """The train and test tasks of a domain. Raises InputError if there are none of a split."""
    path = definitions.domain_files(place).tasks
    tasks = readers.read_tasks(path)
    parts = {split: [task for task in tasks if task.split == split] for split in ("train", "test")}
    for split, found in parts.items():
        if not found:
            raise InputError(f"{path}: no task is marked '{split}': set the field 'split' of some")
    return parts


def calibrate_user(request: CalibrationSettings, archive: Path | None = None, observe: Observe | None = None) -> CalibrationRun:
    """Measure how a model plays the requested dials, and store the result in an archive (None: an unused name in the working folder).

    All answers are stored in the archive as they arrive: a calibration that was stopped resumes when it is called again with the same
    arguments, without repeating calls. ``observe`` is called with (dialogues played, planned).

    Raises:
        ConfigError, InputError: an argument is invalid, or too few dialogues completed.
        ModelError, BudgetError: the model cannot be asked (any more); its answers so far are in the archive.
        ArchiveError: see ``Archive``; or the archive has a search or refined profiles.
    """
    began = time.monotonic()
    domain, tasks = definitions.domain(request.place), tasks_of(request.place)
    path = archive or free_name()
    with ExitStack() as stack:
        stack.callback(Archive.remove_if_empty, path)  # a calibration without results leaves no file
        kept = stack.enter_context(Archive.create_or_open(path))
        if kept.runs() or kept.refinements().settings():
            raise ArchiveError(f"archive {path} holds a search or refined profiles: give another file for the calibration")
        player = stack.enter_context(_DialoguePlayer(request, kept, observe or (lambda *_: None)))
        found = calibrate.calibrate(
            request.user, player.play, tasks, domain, dialogues=request.dialogues, check=request.check, wording=request.wording,
            seed=request.seed,
        )  # fmt: skip
        of, report = found.calibration, as_object(found)
        if not any((one.model, one.report) == (of.model, report) for one in kept.calibrations()):
            curves = {name: asdict(curve) for name, curve in of.curves.items()}
            kept.add_calibration(StoredCalibration(of.model, of.wording, of.prompt, curves, report))
        return CalibrationRun(found, path, player.models.ledger.accounts(), time.monotonic() - began)


class _DialoguePlayer:
    """Plays dialogues, concurrently if models are asked. A context manager: after a BudgetError, running calls are awaited and stored;
    after any other error they are cancelled."""

    def __init__(self, request: CalibrationSettings, archive: Archive, observe: Observe) -> None:
        self._request, self._observe = request, observe
        self._domain = definitions.domain(request.place)
        self._stack = ExitStack()
        self._calls = archive.calls()
        self._played, self._lock = 0, threading.Lock()
        self.models = Models(
            {role: parse(text) for role, text in request.models.items()}, self._store(), prices=read_prices(request.prices),
            budget=request.budget, before={role: Spent(*sums) for role, sums in self._calls.sums(_CALLS_RUN).items()},
            conduct=CallSettings(request.at_once), offline=request.replay is not None,
        )  # fmt: skip
        self._asks = any(parse(text) != EMBEDDED for text in request.models.values())
        self._crew = ThreadPool(max(map(self.models.at_once, ROLES)), 1, self._store_and_report)
        self._user, agent = self.models.role("user"), self.models.role("agent")
        self._make_agent = None if agent is None else model_agent(agent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.models.stop(CallSettings().seconds if isinstance(error, BudgetError) else 0.0)
            self._crew.stop(kill=kind is not None)
        finally:
            self._stack.close()
            self._calls.flush(_CALLS_RUN)

    def play(self, jobs: Sequence[Job]) -> list[Episode]:
        """The episodes of the jobs, in order."""
        episodes: list[Episode] = self._crew.map(self._play_one, jobs) if self._asks else [self._play_one(job) for job in jobs]
        self._store_and_report()
        return episodes

    def _play_one(self, job: Job) -> Episode:
        episode = play(job, self._domain, self._user, self._make_agent)
        with self._lock:
            self._played += 1
        return episode

    def _store_and_report(self) -> None:
        """Write new answers to the archive and report progress; called regularly in the archive's thread."""
        self._calls.flush(_CALLS_RUN)
        self._observe(self._played, self._request.dialogues_in_all)

    def _store(self) -> Store:
        if self._request.replay is None:
            return self._calls
        recording = self._stack.enter_context(Archive.read(self._request.replay))
        return ReplayStore(self._calls, recording.calls())


_ASKED_AGAIN = 1.25  # calls for a turn: one that breaks its plan is repeated once


def planned(request: CalibrationSettings) -> list[Planned]:
    """An estimate for each role played by a model, with dialogues of the domain's usual length, four characters a token and an empty cache.

    Raises:
        InputError, ConfigError: as the calibration itself, for its settings and files.
    """
    domain = definitions.domain(request.place)
    task = tasks_of(request.place)["train"][0]
    turns = request.dialogues_in_all * float(domain.script.get("expected_turns", 8.0))
    heard = TURN_TOKENS * float(domain.script.get("expected_turns", 8.0))
    before = {
        "draft": sum(map(len, prompt("reword").values())) / CHARACTERS_PER_TOKEN + 2 * TURN_TOKENS,
        "direction": len(system_prompt(task, None, domain)) / CHARACTERS_PER_TOKEN + POLICY_TOKENS + 2 * heard,
    }
    worded = max(before[one] for one in ((request.wording,) if request.wording is not None else WORDINGS))
    agent = len(agent_prompt(task, domain)) / CHARACTERS_PER_TOKEN + heard
    each = {"user": (round(turns * _ASKED_AGAIN), worded), "agent": (round(turns), agent)}
    asked = [(role, model) for role, model in request.models.items() if parse(model) != EMBEDDED]
    return [plan_calls(role, model, request.prices, *each[role], TURN_TOKENS) for role, model in asked]

__getattr__ = old_names(__name__)
