"""What was made once and can be made again: the judges of a search's start, and the rows of the final table that it shares with others,
kept in the user's cache folder.

Every entry is named by all that it was made from, the code included, so nothing of another version is ever taken for this one's. Whatever
cannot be read or written is made anew; the folder can be deleted at any time. Entries are pickles: only those are read that this user
wrote and nobody else can change.
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
from importlib import metadata
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from personaevo import content

_MOST = 24  # entries; those not used for longest go first
_LIBRARIES = ("numpy", "scipy", "scikit-learn")
_FOLDER_MODE = 0o700
Made = TypeVar("Made")
_BYTES, _ALL_BYTES = 64 * 2**20, 256 * 2**20  # of an entry, of which real ones have 4 to 30 MB, and of all


def folder() -> Path | None:
    """Where entries are kept: ``personaevo/starts`` in XDG_CACHE_HOME or ``~/.cache``; None without a home."""
    try:
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "personaevo" / "starts"
    except RuntimeError:
        return None


def size() -> tuple[int, int]:
    """How many entries there are, and their bytes."""
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
        os.utime(file)  # in use
    except Exception:  # noqa: BLE001 - cut short, or of a library that is gone: made anew
        return None
    return found


def made(key: str, kind: type[Made], make: Callable[[], Made]) -> Made:
    """The value kept under a key if it is one of this kind; else it is made, and kept."""
    found = load(key)
    if isinstance(found, kind):
        return found
    value = make()
    store(key, value)
    return value


def store(key: str, value: Any) -> None:
    """Keep a value under a key, if that can be done and it is not too large."""
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
        for old in _superfluous():
            old.unlink()
    except OSError:
        with suppress(OSError):
            Path(draft).unlink()


def key_of(*parts: object) -> str:
    """A key for what is made from these plain values (their ``repr`` says all) by this code and these libraries."""
    return hashlib.blake2b(repr((_made_by(), parts)).encode(), digest_size=16).hexdigest()


@cache
def _made_by() -> str:
    """The interpreter, the machine's kind, the libraries' versions, and a digest of the package's code and content."""
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
    """All entries, the last used first."""
    place = folder()
    with suppress(OSError):
        return sorted(place.glob("*.pickle"), key=lambda file: -file.stat().st_mtime) if place is not None else []
    return []


def _superfluous() -> list[Path]:
    """Entries beyond the number or the size that is kept, those not used for longest."""
    entries = _entries()
    sizes = accumulate(file.stat().st_size for file in entries)
    return [file for index, (file, size) in enumerate(zip(entries, sizes, strict=True)) if index >= _MOST or size > _ALL_BYTES]


def _own(path: Path) -> bool:
    """Whether only this user can write the file or folder. Windows has no owner to look at: there the answer is yes."""
    if not hasattr(os, "getuid"):
        return True
    found = path.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
