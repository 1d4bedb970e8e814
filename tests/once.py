"""Made once for all processes of a test run: trained judges, the dialogues they are trained against, cells, the schema of an empty archive,
archives of small searches, the role-plays of refinement and the features of many dialogues.

Each has what the package makes under a key of everything that it is made from; only making it a second time is left out. Tests of the
judge, the cells and the schema import the functions themselves, and worker processes that a search starts train for themselves.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personaevo import cache
from personaevo.archive import schema
from personaevo.archive.database import Database
from personaevo.config import SearchConfig
from personaevo.definitions import Domain
from personaevo.errors import ArchiveError
from personaevo.evolve import controls
from personaevo.evolve.controls import ScorerBuilder
from personaevo.evolve.prepare import input_digests
from personaevo.evolve.search import search
from personaevo.judge.discriminator import train
from personaevo.judge.uncertainty import tell_apart
from personaevo.measure.cells import tessellate
from personaevo.refine import features
from personaevo.refine.profile import Profile
from personaevo.refine.roles.base import EmbeddedPlayer

_MANY = 20  # dialogues: fewer are measured in no time
FEW_PEOPLE = Path(__file__).parent / "data" / "few_people.jsonl"  # every eighth of the first 1,024 people of service
TRAINED = True  # set to False where it matters that equal judges are trained again
VARIABLE = "PERSONAEVO_TESTS_SHARE"  # names the folder, in all processes of a run


class Shelf:
    """Values in a folder that processes share. The first to need one makes it; others that need it wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def value(self, key: str, make: Callable[[], Any]) -> Any:
        """A copy of the value under this key."""
        return pickle.loads(self.file(key, lambda path: path.write_bytes(pickle.dumps(make()))).read_bytes())

    def file(self, key: str, write: Callable[[Path], object]) -> Path:
        """The file under this key, for reading alone."""
        path = self.folder / key
        with (self.folder / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                draft = self.folder / f"{key}.draft"
                write(draft)
                os.replace(draft, path)
        return path


def shelf() -> Shelf:
    """The one of this run."""
    return Shelf(Path(os.environ[VARIABLE]))


def archive_of(**settings: Any) -> Path:
    """The archive of an ended search with these settings, for reading alone. Copy it to change it."""
    return shelf().file(f"{key_of('archive', settings)}.duckdb", lambda draft: search(SearchConfig(archive=draft, **settings)))


def key_of(*parts: object) -> str:
    """A key for these values: arrays bit by bit, other values by their ``repr``."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        _add(digest, part)
    return digest.hexdigest()


def _add(digest: Any, value: object) -> None:
    if isinstance(value, np.ndarray):
        digest.update(f"array {value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value):
        digest.update(f"{type(value).__name__} {len(fields(value))}".encode())
        for field in fields(value):
            _add(digest, getattr(value, field.name))
    elif isinstance(value, Mapping):
        _add(digest, list(value.items()))
    elif isinstance(value, tuple | list):
        digest.update(f"list {len(value)}".encode())
        for one in value:
            _add(digest, one)
    elif isinstance(value, frozenset):
        _add(digest, sorted(map(repr, value)))  # their order differs from process to process
    else:
        digest.update(f"{value!r};".encode())


def install(patch: pytest.MonkeyPatch) -> None:
    """Put the shared ones in place of ours, in this process."""
    for function in (train, tell_apart):
        _replace(patch, function, _shared(function))
    _replace(patch, tessellate, _tessellated)
    patch.setattr(cache, "_MOST", 1_000)  # what one process keeps, another must not throw away
    patch.setattr(cache, "_ALL_BYTES", 2**33)
    patch.setattr(ScorerBuilder, "_negatives", _negatives(ScorerBuilder._negatives))
    patch.setattr(EmbeddedPlayer, "_fingerprints", _remembered(EmbeddedPlayer._fingerprints, _playing))
    patch.setattr(features, "measured", _remembered(features.measured, _measuring))
    patch.setattr(Database, "create", classmethod(_create(Database.create.__func__)))  # type: ignore[attr-defined]


def _replace(patch: pytest.MonkeyPatch, function: Callable[..., Any], other: Callable[..., Any]) -> None:
    """In every module of the package that has the function."""
    for name, module in list(sys.modules.items()):
        if name.startswith("personaevo."):
            for attribute, value in list(vars(module).items()):
                if value is function:
                    patch.setattr(module, attribute, other)


def _shared(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def found(*given: Any, judge: Any = None, **named: Any) -> Any:
        if judge is None and len(given) == 5:  # the last argument of ``train``
            *given, judge = given  # type: ignore[assignment]
        if judge is not None or not TRAINED:
            return function(*given, judge=judge, **named)
        return shelf().value(key_of(function.__name__, given, named), lambda: function(*given, **named))

    return found


def _tessellated(people: Any, *given: Any, descriptors: Any = None, **named: Any) -> Any:
    """The cells of these people. Own descriptors may be anything, and measure anew."""
    if descriptors is not None:
        return tessellate(people, *given, descriptors=descriptors, **named)
    return shelf().value(key_of("cells", people, given, named), lambda: tessellate(people, *given, **named))


def _negatives(made: Callable[[ScorerBuilder], Any]) -> Callable[[ScorerBuilder], Any]:
    """Those that the embedded engine plays."""

    def found(making: ScorerBuilder) -> Any:
        if making.players is not None:
            return made(making)
        config, people = making.config, making.people
        inputs = input_digests(config, dict(making.tasks), people), controls.negatives_digest(config, models=False)
        key = key_of("negatives", inputs, people.losses, making.steering.values, config.seed, config.control_dialogues, config.sandbox)
        return shelf().value(key, lambda: made(making))

    return found


def _remembered(made: Callable[..., Any], key: Callable[..., str | None]) -> Callable[..., Any]:
    """The results of all processes, by ``key`` of the arguments; without a key (None) the result is made each time."""
    known: dict[str, Any] = {}

    @wraps(made)
    def found(*given: Any, **named: Any) -> Any:
        place = key(*given, **named)
        if place is None:
            return made(*given, **named)
        if place not in known:
            known[place] = shelf().value(place, lambda: made(*given, **named))
        return copy(known[place])

    return found


_DOMAINS: dict[int, tuple[Domain, str]] = {}  # each with its key; kept, so that no other gets its number


def _playing(player: EmbeddedPlayer, profile: Profile, samples: int, seed: int) -> str:
    domain = player._domain
    if id(domain) not in _DOMAINS:
        _DOMAINS[id(domain)] = domain, key_of(domain)
    return key_of("plays", _DOMAINS[id(domain)][1], player._tasks, player._losses, profile.dials, samples, seed)


def _measuring(dialogues: Sequence[Sequence[str]], losses: Sequence[str] = ()) -> str | None:
    return key_of("measured", [list(texts) for texts in dialogues], list(losses)) if len(dialogues) >= _MANY else None


def _create(made: Callable[[type[Database], Path], None]) -> Callable[[type[Database], Path], None]:
    """An empty archive is a copy of the first one; where it cannot be written, the real one is tried, and says why."""

    def create(cls: type[Database], path: Path) -> None:
        if cls is not Database:
            made(cls, path)
            return
        try:
            key = key_of("empty", [file.read_bytes() for file in schema.migrations()])
            shutil.copyfile(shelf().file(key, lambda draft: made(cls, draft)), path)
        except (OSError, ArchiveError):
            with suppress(OSError):
                path.unlink()
            made(cls, path)

    return create
