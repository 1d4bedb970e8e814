"""The files to read: a file, several files, or those of a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from personaevo.errors import InputError
from personaevo.readers import files, tau2
from personaevo.readers.tables import PARQUET, TEXT

MAX_FILES = 10_000
ENDINGS = (".json", ".jsonl", ".ndjson", *TEXT, PARQUET)


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, or the folder of a run of τ²-bench (``is_run``). ``name`` distinguishes it from the others ("" for a single one);
    ``in_folder``: it was found in a folder, not named itself."""

    path: Path
    name: str
    in_folder: bool
    is_run: bool


def sources(given: str | Path | Iterable[str | Path]) -> list[Source]:
    """The files to read, each once; those of a folder recursively and sorted by name.

    In a folder, files count that end in .json, .jsonl, .ndjson, .csv, .tsv or .parquet, also with .gz, .bz2 or .xz, and do not begin
    with "."; a run of τ²-bench is one source.

    Raises:
        InputError: no file is given, over 10,000 files, or a folder without such files.
    """
    paths = [Path(given)] if isinstance(given, str | os.PathLike) else [Path(one) for one in given]
    if not paths:
        raise InputError("dialogues: expected a file, several files or a folder, got none")
    found: dict[Path, tuple[Path, bool]] = {}
    for path in (one.parent if tau2.is_head(one) else one for one in paths):
        within = list(islice(_within(path), MAX_FILES + 1)) if path.is_dir() else [path]
        if not within:
            logs = f"a folder with files of dialogues ({', '.join(ENDINGS)}, also {', '.join(files.PACKED)})"
            run = f"a folder of τ²-bench results with {tau2.RESULTS} or simulations/*.json"
            raise files.fault(path, "", f"expected a file, {logs} or {run}, got a folder without")
        if len(within) > MAX_FILES:
            raise files.fault(path, "", f"expected at most {MAX_FILES:,} files, got more; join them")
        for each in within:
            found.setdefault(each.resolve(), (each, each != path))
    names = _names(list(found), paths[0].resolve() if len(paths) == 1 else None)
    return [Source(path, names[real], inside, path.is_dir()) for real, (path, inside) in found.items()]


def _names(paths: list[Path], folder: Path | None) -> dict[Path, str]:
    """A name for each of several paths, relative to the given folder or their common one; without the suffix if it is unique so."""
    if len(paths) == 1:
        return {paths[0]: ""}
    base = folder or Path(os.path.commonpath([path.parent for path in paths]))
    whole = {path: path.relative_to(base) for path in paths}
    counts = Counter(name.with_suffix("") for name in whole.values())
    return {path: str(name if counts[name.with_suffix("")] > 1 else name.with_suffix("")) for path, name in whole.items()}


def _within(folder: Path) -> Iterator[Path]:
    """The files in a folder, recursively, or the folder itself if it is a run."""
    try:
        if tau2.is_run(folder):
            yield folder
            return
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            if path.is_dir() and not path.is_symlink():
                yield from _within(path)
            elif path.is_file() and files.ending(path) in ENDINGS:
                yield path
    except OSError as error:
        raise files.fault(folder, "", f"expected a readable folder: {error.strerror or error}") from None
