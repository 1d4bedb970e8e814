"""A cache in the user's cache folder: the judges of a search's start, and the rows of the final table that searches share.

The key of an entry covers all of its inputs, the code included, so that no entry of another version is used. An entry that cannot be read
or written is computed again; the folder can be deleted at any time. Entries are pickles: only those are read that this user wrote and that
no other user can change.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from personaevo import content

_MOST = 24  # entries; the least recently used are deleted first
_LIBRARIES = ("numpy", "scipy", "scikit-learn")
_FOLDER_MODE = 0o700
Made = TypeVar("Made")
_BYTES, _ALL_BYTES = 64 * 2**20, 256 * 2**20  # limits of an entry (real ones have 4 to 30 MB) and of all


def folder() -> Path | None:
    """The cache folder: ``personaevo/starts`` in XDG_CACHE_HOME or ``~/.cache``; None without a home folder."""
    try:
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "personaevo" / "starts"
    except RuntimeError:
        return None


def size() -> tuple[int, int]:
    """The number of entries, and their bytes in all."""
    sizes = [file.stat().st_size for file in _entries()]
    return len(sizes), sum(sizes)


def load(key: str) -> Any:
    """The value stored under a key; None if it is missing, unreadable or not trusted."""
    place = folder()
    if place is None:
        return None
    file = place / f"{key}.pickle"
    try:
        if not (_own(place) and _own(file)) or file.stat().st_size > _BYTES:
            return None
        found = pickle.loads(file.read_bytes())
        os.utime(file)  # for deletion by last use
    except Exception:  # noqa: BLE001 - truncated, or of a library that is gone: computed again
        return None
    return found


def made(key: str, kind: type[Made], make: Callable[[], Made]) -> Made:
    """The value stored under a key if it is of this type; else compute and store it."""
    found = load(key)
    if isinstance(found, kind):
        return found
    value = make()
    store(key, value)
    return value


def store(key: str, value: Any) -> None:
    """Store a value under a key, if it can be written and is not too large."""
    place, value_bytes = folder(), pickle.dumps(value, protocol=5)
    if place is None or len(value_bytes) > _BYTES:
        return
    draft = ""
    try:
        place.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place, delete=False) as file:  # readable by this user alone
            draft = file.name
            file.write(value_bytes)
        os.replace(draft, place / f"{key}.pickle")
        entries = _entries()
        sizes = accumulate(entry.stat().st_size for entry in entries)
        for index, (entry, size) in enumerate(zip(entries, sizes, strict=True)):
            if index >= _MOST or size > _ALL_BYTES:
                entry.unlink()
    except OSError:
        with suppress(OSError):
            Path(draft).unlink()


def key_of(*parts: object) -> str:
    """A key for a value computed from these plain values (identified by their ``repr``) by this code and these libraries."""
    return hashlib.blake2b(repr((_made_by(), parts)).encode(), digest_size=16).hexdigest()


@cache
def _made_by() -> str:
    """The versions of interpreter and libraries, the machine type, and a digest of the package's code and content."""
    from importlib import metadata  # noqa: PLC0415 - slow to import, and few commands use the cache

    digest = hashlib.blake2b(digest_size=16)
    package = Path(__file__).resolve().parent
    files = [*package.rglob("*.py"), *(file for name in ("seeds", "fitness") for file in content.root(name).rglob("*") if file.is_file())]
    for file in sorted(files):
        if "__pycache__" not in file.parts:
            digest.update(f"{file.name} {file.stat().st_size} ".encode())
            digest.update(file.read_bytes())
    versions = [platform.python_version(), platform.machine(), *(metadata.version(name) for name in _LIBRARIES)]
    return f"{versions} {digest.hexdigest()}"


def _entries() -> list[Path]:
    """All entries, the most recently used first."""
    place = folder()
    with suppress(OSError):
        return sorted(place.glob("*.pickle"), key=lambda file: -file.stat().st_mtime) if place is not None else []
    return []


def _own(path: Path) -> bool:
    """Whether only this user can write the file or folder; True on Windows, which has no owner to check."""
    if not hasattr(os, "getuid"):
        return True
    found = path.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
