"""Start of a search: the archive's path, and the run to resume or a new one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.errors import ArchiveError
from personaevo.evolve.names import AUDITOR_SEES
from personaevo.evolve.parts import OWN_PARTS
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.profiles import PROFILES_USED
from personaevo.judge.objectives import SCORING, scoring_of
from personaevo.model_spec import same_model
from personaevo.records import Run


def check_place(path: Path, *, resume: bool) -> None:
    """Check the archive's path before the preparation, so that a mistake is reported at once."""
    if path.exists() and not resume:
        raise ArchiveError(f"archive {path} exists: add --resume to continue its search, or give another --archive")
    if resume and not path.exists():
        raise ArchiveError(f"archive {path} does not exist: nothing to resume; leave --resume out to begin a search")
    if resume:  # before opening it for writing, which would migrate an old archive
        runs: Sequence[Run] = ()
        with suppress(ArchiveError), Archive.read(path) as archive:
            runs = archive.runs()
        _check_scoring(path, runs)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ArchiveError(f"archive {path} cannot be created: {path.parent} is not a writable folder; give another --archive")


def _check_scoring(path: Path, runs: Sequence[Run]) -> None:
    """Raise ArchiveError if the last run has another version of the scoring."""
    made_by = scoring_of(runs[-1].settings) if runs else SCORING
    if made_by != SCORING:
        raise ArchiveError(
            f"archive {path} was scored by scoring {made_by}, this personaevo scores by {SCORING}: it can be shown and verified, "
            "but not resumed; begin another archive"
        )


def free_name(domain: str) -> Path:
    """The first unused name among ``service.duckdb``, ``service-2.duckdb``, … in the working folder."""
    names = (Path(f"{domain}.duckdb" if number == 1 else f"{domain}-{number}.duckdb") for number in range(1, 1_000_000))
    return next(name for name in names if not name.exists())


def begin(archive: Archive, config: SearchConfig, setup: EvaluationSetup) -> Run:
    """The run to resume, or a new one.

    Raises:
        ArchiveError: the archive's run has other settings, tasks, people or another seed program, or lacks required dialogues.
    """
    wanted = {"calibration_digest": None, OWN_PARTS: None} | config.recorded() | setup.inputs
    runs = archive.runs()
    if not runs:
        run = archive.begin_run(wanted, setup.cells(), setup.scoring())
        archive.publish_snapshot()
        return run
    settings = runs[-1].settings
    _check_scoring(archive.path, runs)
    _check_settings(archive, settings, wanted)
    if "mutator" in config.models and archive.pruned(runs[-1].id):
        raise ArchiveError(
            f"archive {archive.path} lacks dialogues that the mutator would be shown, left out by 'archive compact --elites': "
            "resume the archive as it was before, or begin another"
        )
    return runs[-1]


def _check_settings(archive: Archive, settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise ArchiveError at the first setting that differs from the recorded one."""
    name = next((name for name, value in wanted.items() if not _as_before(name, settings.get(name), value)), None)
    if name == OWN_PARTS:
        theirs, ours = ({} if one is None else one for one in (settings.get(name), wanted[name]))
        raise ArchiveError(
            f"archive {archive.path} was made with the parts {theirs or 'of personaevo alone'}, now they are {ours or 'none'}: "
            "resume with the same ones, or begin another archive"
        )
    if name is not None:
        raise ArchiveError(
            f"archive {archive.path} was made with {name} = {settings.get(name)!r}, now it is {wanted[name]!r}: "
            "resume with the same settings and files, or begin another archive"
        )


def _as_before(name: str, recorded: Any, wanted: Any) -> bool:
    """Whether a setting is compatible with the recorded one."""
    if name == "models" and isinstance(recorded, Mapping) and recorded.keys() == wanted.keys():
        return all(same_model(recorded[role], wanted[role]) for role in wanted)
    return bool(recorded == wanted) or name in (PROFILES_USED, AUDITOR_SEES)  # neither steers
