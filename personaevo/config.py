"""Settings of a search, validated once: from Python, a TOML file or the command line."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from personaevo.errors import ConfigError
from personaevo.model_spec import parse, with_settings
from personaevo.records import CheckedModel, Tier, Wording, shown

DEFAULT_DOMAIN = "service"
DEFAULT_OPERATORS: Mapping[str, float] = {
    "follow_remarks": 12.0,
    "change_number": 3.0,
    "change_distribution": 3.0,
    "spread_personas": 1.0,
    "change_mood": 1.0,
    "change_kinds": 0.5,
    "cross": 2.0,
    "join": 0.5,
    "add_axis": 0.7,
    "switch_scaffold": 0.4,
    "couple": 0.3,
    "rewrite_axis": 0.2,
    "drop_axis": 0.1,
}

# Where a model plays users, every dialogue costs calls: the default plan has at most 150 dialogues in all. Consistency needs at least two
# personas for each task.
PLAN_WITH_MODELS: Mapping[str, int] = {
    "candidates": 8, "task_count": 2, "personas": 2, "finalists": 1, "test_tasks": 4, "test_personas": 2, "control_dialogues": 10,
}  # fmt: skip

# Where a model writes programs: of 16 concurrent calls a lag of 4 keeps 3 busy and one of 16 keeps 8, for a score lower by .06 (standard
# error .05) after 100 candidates; longer lags cost more (benchmarks/lag.py).
LAG_WITH_MUTATOR = 16

MAX_BYTES = 10_000  # of a settings file; the time to parse TOML grows with the square of the nesting

# Settings that decide where and how fast a search runs, not its results: a resumed run may change them.
NOT_RECORDED = (
    "domain_folder", "archive", "jobs", "backend", "scheduler", "resume", "candidates", "sandbox", "max_usd", "max_tokens", "max_calls",
    "prices", "replay", "at_once", "per_minute", "model_seconds", "calibration",
)  # fmt: skip
ROLES = ("mutator", "generator", "reflector", "user", "agent")
LATER = ("judge",)  # roles that are not implemented yet
REFINE_ROLES = ("user", "analyst", "refiner")  # of a refinement


def _model_text(role: object, given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    settings = dict(given)
    model = settings.pop("model", None)
    if not isinstance(model, str):
        raise ValueError(f"models.{role}: expected model = \"openai:NAME\" in the table, in addition to settings such as temperature")
    return with_settings(model, settings)


def _without_nul(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("a path has no NUL character")
    return path


def _shows(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a name has no control characters")
    return name


def _has_roles(models: dict[str, str]) -> dict[str, str]:
    for role in models:
        if role in LATER:
            raise ValueError(f"the role {role} is not implemented yet; roles are {', '.join(ROLES)}")
        if role in REFINE_ROLES and role not in ROLES:
            raise ValueError(f"the role {role} is one of 'personaevo refine'; roles of a search are {', '.join(ROLES)}")
        if role not in ROLES:
            raise ValueError(f"no such role as {role!r:.40}; roles are {', '.join(ROLES)}")
    return {role: text for role, text in sorted(models.items()) if text != "embedded"}


_File = Annotated[Path, AfterValidator(_without_nul)]
_Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_shows)]


class SearchConfig(CheckedModel):
    """The settings of a search.

    Attributes:
        domain: an installed domain ("service", "charity", "camping"), or the path of a folder that ``domain new`` wrote: anything
            with a slash. The folder's name is then the domain's.
        domain_folder: that folder, absolute; None for an installed domain. Follows from ``domain``.
        tasks, human: files to use instead of the domain's own tasks and people (see ``readers``).
        archive: the DuckDB file to write; None picks a free name in the working folder.
        program: persona program to start from, instead of the domain's own (or of that made from ``profiles``).
        profiles: refined profiles: an archive of ``personaevo refine``, a folder of ``refine --out``, or one file. The search starts from
            a program made of them, and its cells are made around them; held-out people are excluded.
        candidates: number of programs proposed, the seed program included. Where a model plays users, the defaults of this and the five
            settings below are smaller (``PLAN_WITH_MODELS``).
        task_count, personas: each candidate is scored on ``task_count`` tasks with ``personas`` personas each, in two dialogues each.
        finalists: number of the best that are scored again, on ``test_tasks`` tasks with ``test_personas`` personas each, to pick the best.
        test_tasks, test_personas: the same for the final table, on held-out tasks and people.
        people_draws: number of bootstrap samples of people for the intervals of the final table; with each, a judge is trained and
            ``generate`` calls are resampled 50 times.
        lag: candidate k is bred from the results of candidates up to k - lag; also the number evaluated at once. The default where a model
            writes programs is ``LAG_WITH_MUTATOR``.
        selection: "evolve", or "random" (random parents, no remarks: the control).
        operators: weights of the operators of ``evolve.recombine``.
        preservation_floor: programs below this task preservation cannot be parents, elites or best.
        jobs: worker processes; None is one per processor. Results do not depend on it.
        backend, scheduler: where the command line plays dialogues: "loky" (worker processes), "dask" or "ray", on the cluster at that
            address or on this machine; from Python give ``search`` an ``executor`` (see ``backends``). Results do not depend on it.
        seed: of everything random.
        sandbox: the tier in which programs run; results do not depend on it ("wasm" is another Python, which may differ).
        models: role → "openai:NAME", "anthropic:NAME", each with "@URL" for another server, or "local:FILE.gguf"; the other roles
            are embedded. Request settings may follow, as in "openai:NAME;temperature=0.7" (``model_spec.with_settings``); in a
            file this may be a table, ``[models.user]`` with ``model`` and the settings.
        agent: the agent that users talk to, instead of the embedded one or a model: "module:function" or an HTTP address.
        wording: how a model plays a persona: it rewords a "draft" of each of the director's turns, or follows one "direction" a turn, or
            gets the persona's "text" once and no director.
        calibration: an archive of ``personaevo calibrate`` with the user's model: the director then corrects what it asks for, so that the
            dials are shown. The default of ``wording`` is that of the calibration. A run records the digest of its curves, not the file.
        overlay: the place of a persona in the prompt of a user that a model plays: "after" the task or "before" it.
        control_dialogues: dialogues of each kind of negatives that the judge is trained against, for train and test each; None is 200.
            Where a model plays, one set serves both.
        screen: programs bred for each candidate. Where a model plays users, a generation evolves on the embedded engine as a surrogate of
            this model, and the model plays only its best. 1 plays everything.
        max_usd, max_tokens, max_calls: limits of what models may cost in all, resumed parts included; the search stops in order before.
        prices: a file of prices that overrides ``archive/prices.toml``.
        replay: an archive whose recorded answers replace all models.
        at_once, per_minute: concurrent calls, and calls a minute, for each address.
        model_seconds: time limit of one answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: _Name = DEFAULT_DOMAIN
    domain_folder: _File | None = None
    tasks: _File | None = None
    human: _File | None = None
    program: _File | None = None
    profiles: _File | None = None
    archive: _File | None = None
    candidates: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    task_count: Annotated[int, Field(ge=2, le=1000)] = 10
    personas: Annotated[int, Field(ge=1, le=100)] = 5
    finalists: Annotated[int, Field(ge=1, le=1000)] = 5
    test_tasks: Annotated[int, Field(ge=2, le=1000)] = 20
    test_personas: Annotated[int, Field(ge=1, le=100)] = 5
    people_draws: Annotated[int, Field(ge=2, le=1000)] = 20
    cells: Annotated[int, Field(ge=2, le=256)] = 16
    lag: Annotated[int, Field(ge=1, le=1024)] = 4
    selection: Literal["evolve", "random"] = "evolve"
    operators: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_OPERATORS))
    preservation_floor: Annotated[float, Field(ge=0, le=1)] = 0.9
    jobs: Annotated[int, Field(ge=1, le=1024)] | None = None
    backend: Literal["loky", "dask", "ray"] = "loky"
    scheduler: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_shows)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    sandbox: Tier = "kernel"
    models: Annotated[dict[str, str], AfterValidator(_has_roles)] = Field(default_factory=dict)
    agent: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_shows)] | None = None
    wording: Wording = "draft"
    calibration: _File | None = None
    overlay: Literal["after", "before"] = "after"
    control_dialogues: Annotated[int, Field(ge=10, le=100_000)] | None = None
    screen: Annotated[int, Field(ge=1, le=1000)] = 40
    max_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    max_calls: Annotated[int, Field(ge=0)] | None = None
    prices: _File | None = None
    replay: _File | None = None
    at_once: Annotated[int, Field(ge=1, le=1024)] = 16
    per_minute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    model_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0
    resume: bool = False

    @model_validator(mode="after")
    def _has_one_agent(self) -> SearchConfig:
        if self.agent is not None and "agent" in self.models:
            raise ValueError("the agent is given twice, as a model and by 'agent'; leave one out")
        return self

    @model_validator(mode="after")
    def _has_its_own_archive(self) -> SearchConfig:
        if self.profiles is not None and self.archive is not None and self.profiles.resolve() == self.archive.resolve():
            raise ValueError("the archive to write is also that of the profiles; give another")
        return self

    @model_validator(mode="before")
    @classmethod
    def _plan_with_models(cls, values: Any) -> Any:
        """Smaller defaults where a model plays users, and a longer lag where a model writes programs."""
        models = values.get("models") if isinstance(values, dict) else None
        asked = {role for role, model in models.items() if model != "embedded"} if isinstance(models, Mapping) else set()
        written = {"lag": LAG_WITH_MUTATOR} if "mutator" in asked else {}
        return {**written, **(PLAN_WITH_MODELS if "user" in asked else {}), **values} if asked else values

    @model_validator(mode="before")
    @classmethod
    def _models_of_tables(cls, values: Any) -> Any:
        """A table ``{model = "...", temperature = 0.7}`` as the model's text with its settings."""
        models = values.get("models") if isinstance(values, dict) else None
        if not isinstance(models, Mapping):
            return values
        return {**values, "models": {role: _model_text(role, one) for role, one in models.items()}}

    @model_validator(mode="before")
    @classmethod
    def _split_domain(cls, values: Any) -> Any:
        given = values.get("domain") if isinstance(values, dict) else None
        if not isinstance(given, str | Path) or os.sep not in str(given):
            return values
        folder = Path(os.path.abspath(given))  # not resolve(): a link may have the wanted name
        return {**values, "domain": folder.name, "domain_folder": folder}

    error_type: ClassVar[type[Exception]] = ConfigError

    @classmethod
    def to_error(cls, error: ValidationError) -> ConfigError:
        """The error that names the setting."""
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        if not name:  # settings that exclude each other
            return ConfigError(reason)
        if first["type"] != "extra_forbidden":
            return ConfigError(f"setting {name!r:.80}: {reason.lower()}, got {shown(first.get('input'))}")
        known = [field for field in cls.model_fields if field != "domain_folder"]
        close = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean '{close[0]}'?" if close else f"settings are: {', '.join(known)}"
        return ConfigError(f"unknown setting {name!r:.80}; {hint}")

    @property
    def domain_place(self) -> str:
        """The domain as ``definitions.domain`` takes it, valid in any process and working folder."""
        return self.domain if self.domain_folder is None else str(self.domain_folder)

    def recorded(self) -> dict[str, Any]:
        """The settings that decide the results, as plain JSON-able values; model files by name and content, not by folder."""
        settings = self.model_dump(mode="json", exclude=set(NOT_RECORDED))
        return {**settings, "models": {role: str(parse(text)) for role, text in self.models.items()}}


def make_config(values: Mapping[str, Any]) -> SearchConfig:
    """A validated configuration.

    Raises:
        ConfigError: an unknown setting, a wrong type or a value out of range, in one line.
    """
    return SearchConfig(**values)


def read_config(path: Path) -> dict[str, Any]:
    """The settings of a TOML file, not yet validated.

    Raises:
        ConfigError: the file is missing, larger than 10 kB or is not TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"configuration file {path} has more than {MAX_BYTES:,} bytes; give a file of settings")
        return tomllib.loads(data.decode())
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigError(f"configuration file {path}: {reason}; give an existing TOML file") from None
    except RecursionError:
        raise ConfigError(f"configuration file {path} is nested too deeply; settings are plain values and one table of them") from None
    except ValueError as error:  # not TOML, not UTF-8, or an integer of more digits than Python reads
        raise ConfigError(f"configuration file {path} is not TOML: {error}") from None
