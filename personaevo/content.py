"""Content files: the folders ``seeds``, ``fitness`` and ``archive`` of a checkout or an installation."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from personaevo.errors import ArchiveError, ContentError

_PACKAGE = Path(__file__).resolve().parent


def root(name: str) -> Path:
    """The content folder ``name``: the packaged copy if there is one (a wheel), else the folder next to the package (a checkout).

    Raises:
        ContentError: neither exists.
    """
    for folder in (_PACKAGE / "_content" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise ContentError(f"content folder '{name}' is missing next to {_PACKAGE}: reinstall personaevo")


def archives() -> dict[str, Path]:
    """The packaged archives by name: one search result for each installed domain, built by ``python -m benchmarks.package_archives``."""
    return {path.stem: path for path in sorted((root("archive") / "packaged").glob("*.duckdb"))}


def archive_file(given: str) -> Path:
    """The file of an archive: as given, or packaged under that name.

    Raises:
        ArchiveError: it looks like a name, and no packaged archive has it.
    """
    path, packaged = Path(given), archives()
    if path.is_file():
        return path
    if given in packaged:
        return packaged[given]
    if path.name == given and not path.suffix:
        known = ", ".join(packaged) or "none here"
        raise ArchiveError(f"archive '{given}': there is no such file, and no packaged archive of that name (packaged: {known})")
    return path


@cache
def toml(folder: str, name: str) -> dict[str, Any]:
    """The parsed TOML file ``name`` of a content folder.

    Raises:
        ContentError: the file is missing or is not TOML.
    """
    return read_toml(root(folder) / name)


def read_toml(path: Path) -> dict[str, Any]:
    """The parsed TOML file at ``path``, which need not be installed content.

    Raises:
        ContentError: the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ContentError(f"{path} is missing: expected a TOML file") from None
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, too deep, or an integer of too many digits
        raise ContentError(f"{path} is not readable as TOML: {error}") from None
