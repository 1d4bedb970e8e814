"""References: fingerprints of real people in a domain, with their provenance.

A reference holds figures only, no texts. Beside the fingerprints it has what only an auditor and the measure of consistency use: dynamics,
habits of typing, and how much dialogues of one person agree. Its file is JSON lines: a header and one line per dialogue.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from personaevo import content, definitions
from personaevo.errors import ContentError, DialoguesWarning, InputError, ReferenceDataError
from personaevo.measure import dynamics
from personaevo.measure.agreement import Agreement
from personaevo.readers import files, read_logs
from personaevo.records import Record
from personaevo.reference.build import (
    Counts,
    Reference,
    build,
    check_people,
    check_size,
    frozen,
    habits_of,
    installed_ratios,
    rounded,
    shown_habits,
    split,
)

__all__ = [
    "Counts", "Reference", "build", "habits_of", "installed_ratios", "load", "packaged", "read", "rounded", "save", "shown_habits", "split",
]  # fmt: skip


_FORMAT = 2
_IN_HEADER = (
    "domain", "corpus", "license", "kind", "feature_version", "names", "losses", "counts", "dynamics_names", "agreement",
    "typing_version", "typing_names", "notes",
)  # fmt: skip
_PLAYED = "the users of all {:,} dialogues were played by models, not by people: what is called people or humans from here on are these"


class _Header(Record):
    """First line of a reference file."""

    reference: Literal[2]
    domain: str
    corpus: str
    license: str
    kind: Literal["human", "llm"]
    feature_version: int
    names: tuple[str, ...]
    losses: tuple[Literal["case", "punctuation"], ...]
    counts: Counts
    dynamics_names: tuple[str, ...]
    agreement: Agreement | None
    typing_version: int = 0
    typing_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Line(Record):
    """Every further line: one dialogue."""

    person: str = Field(min_length=1)
    group: str
    values: tuple[float, ...]
    dynamics: tuple[float, ...]
    typing: tuple[float | None, ...] = ()


def save(reference: Reference, path: str | Path) -> None:
    """Write JSON lines: a header, then one line per dialogue. ``load`` returns the same values, digit for digit."""
    header = _Header.model_validate({"reference": _FORMAT, **{name: getattr(reference, name) for name in _IN_HEADER}})
    typing = [()] * len(reference) if reference.typing is None else reference.typing.tolist()
    rows = zip(reference.people, reference.groups, reference.values.tolist(), reference.dynamics.tolist(), typing, strict=True)
    lines = [
        header.model_dump(exclude_defaults=True),
        *(
            {"person": person, "group": group, "values": _json_numbers(values), "dynamics": _json_numbers(course)}
            | ({"typing": _json_numbers(habits)} if habits else {})
            for person, group, values, course, habits in rows
        ),
    ]
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    draft = Path(f"{path}.new")  # a full disk must not destroy an existing file
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{path}: the reference cannot be written: {error.strerror or error}") from None


def _json_numbers(values: Sequence[float]) -> list[float | int | None]:
    """As numbers of JSON, which has no NaN."""
    return [None if math.isnan(value) else int(value) if value.is_integer() else value for value in values]


def load(path: str | Path) -> Reference:
    """Read a file that ``save`` wrote.

    Raises:
        InputError: the file cannot be read or is not a reference.
        ReferenceDataError: it is of an older format, was measured with another feature set, or is too small.
    """
    path = Path(path)
    rows = files.lines(files.read_bytes(path), path)
    header = _header(next(rows), path)
    widths = {"values": len(header.names), "dynamics": len(header.dynamics_names), "typing": len(header.typing_names)}
    lines = list(_lines(rows, widths, path))
    check_size(len(lines), f"{path}: ")
    said = header.counts.dialogues
    if len(lines) != said:
        raise InputError(f"{path}: expected {said} dialogues as its header says, got {len(lines)}; fetch or build it again")
    current = (header.typing_version, header.typing_names) == (definitions.typing().version, shown_habits(header.losses))
    return Reference(
        **{name: getattr(header, name) for name in _IN_HEADER},
        values=frozen([line.values for line in lines]),
        groups=tuple(line.group for line in lines),
        people=tuple(line.person for line in lines),
        dynamics=frozen([line.dynamics for line in lines]),
        typing=frozen(np.array([line.typing for line in lines], dtype=float)) if current and header.typing_names else None,
    )


def read(path: str | Path, *, domain: str) -> Reference:
    """Read people from a file: a built reference, or dialogues (see ``readers.read_logs``), which are measured now. Each note on them is a
    ``DialoguesWarning``.

    Raises:
        InputError, ReferenceDataError: it is neither, too small, or of fewer than 20 people or tasks.
    """
    path = Path(path)
    if path.is_file() and files.read_bytes(path).lstrip().startswith(b'{"reference":'):
        found = load(path)
    else:
        logs = read_logs(path)
        found = build(logs.dialogues, domain=domain, corpus=path.name, license="as the file given", notes=logs.notes)
    check_people(found.counts, f"{path}: ")
    played = () if found.kind == "human" else (_PLAYED.format(found.counts.dialogues),)
    for note in (*played, *found.notes):
        warnings.warn(f"{path.name}: {note}", DialoguesWarning, stacklevel=2)
    return found


def _header(row: files.Row, path: Path) -> _Header:
    fields = files.fields(row, path)
    if fields.get("reference") == 1:
        lacks = "it lacks dynamics and agreement"
        raise ReferenceDataError(f"{path}: of format 1, {lacks}: rebuild it with 'personaevo reference build'")
    try:
        header = _Header.model_validate(fields)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        problem = f"field '{field}': expected the header of a reference; make one with 'personaevo reference build'"
        raise files.fault(path, row.where, problem) from None
    installed = definitions.features()
    if (header.feature_version, header.names) != (installed.version, installed.names):
        have = f"{path}: measured with feature set {header.feature_version} ({len(header.names)} features)"
        want = f"installed is {installed.version} ({len(installed.names)})"
        raise ReferenceDataError(f"{have}, {want}: rebuild it with 'personaevo reference build'")
    if header.dynamics_names != dynamics.NAMES:
        raise ReferenceDataError(f"{path}: measured with other dynamics: rebuild it with 'personaevo reference build'")
    return header


def _lines(rows: Iterator[files.Row], widths: Mapping[str, int], path: Path) -> Iterator[_Line]:
    for row in rows:
        line = files.record(_Line, files.fields(row, path), row, path)
        for field, width in widths.items():
            numbers = getattr(line, field)
            known = [number for number in numbers if number is not None]
            if len(numbers) != width or not all(map(math.isfinite, known)):
                given = f"expected {width} finite numbers, got {files.short(list(numbers))}"
                raise files.fault(path, row.where, f"field '{field}': {given}")
        yield line


def packaged(domain_name: str) -> Reference:
    """The installed reference of a domain ("taubench_llm" for the simulator's defaults).

    Raises:
        ContentError: none is installed under that name.
    """
    folder = content.root("fitness") / "references"
    installed = {path.stem: path for path in sorted(folder.glob("*.jsonl"))}
    if domain_name not in installed:
        names = ", ".join(installed) or "none"
        raise ContentError(f"no reference for domain '{domain_name}': installed are {names}; build one with 'personaevo reference build'")
    return load(installed[domain_name])
