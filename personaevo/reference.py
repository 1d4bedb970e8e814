"""References: fingerprints of real people in a domain with their provenance, and what only an auditor and the measure of
consistency see: dynamics, and how much dialogues of one person agree. Figures only, no texts.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from personaevo import content, definitions
from personaevo.errors import ContentError, InputError, ReferenceDataError
from personaevo.measure import agreement, dynamics
from personaevo.measure.agreement import Agreement, Ratios
from personaevo.measure.fingerprint import words_of
from personaevo.measure.losses import detect_losses
from personaevo.readers import files, read_dialogues
from personaevo.records import Dialogue, Floats, Record

MIN_DIALOGUES = 64
MIN_USER_TURNS = 2
_DIGITS = 4
_FORMAT = 2
_SHARED = (
    "domain", "corpus", "license", "kind", "feature_version", "names", "losses", "counts", "dynamics_names", "agreement",
)  # fmt: skip


class Counts(Record):
    """How many dialogues a reference holds, of how many people (None: not recorded), and how many were left out."""

    dialogues: int
    people: int | None
    dropped: int


@dataclass(frozen=True)
class Reference:
    """Fingerprints ``values[n, d]`` of n dialogues, one column per feature of ``names``, and where they come from.

    ``groups`` has one entry per dialogue (the kind of task; "" where the corpus has one kind only), ``people`` an
    opaque id ("p0", "p1", …) of who is on the user's side: a person; in a corpus of kind "llm" the task, since trials
    of a task are not independent. Where neither is known every dialogue has its own.

    ``dynamics[n, k]`` has one column per name of ``dynamics_names`` (see ``measure.dynamics``). ``agreement`` is that of all
    people of the corpus, of a half (``split``) too; None for a corpus of kind "llm", and where there is nothing to tell it from.
    """

    domain: str
    corpus: str
    license: str
    kind: Literal["human", "llm"]
    feature_version: int
    names: tuple[str, ...]
    losses: tuple[str, ...]
    counts: Counts
    values: Floats
    groups: tuple[str, ...]
    people: tuple[str, ...]
    dynamics: Floats
    dynamics_names: tuple[str, ...]
    agreement: Agreement | None

    def __len__(self) -> int:
        return len(self.people)

    @property
    def digest(self) -> str:
        """A short digest of the fingerprints: what a run records of the people it was measured against."""
        return hashlib.blake2b(repr((self.values.tolist(),)).encode(), digest_size=8).hexdigest()


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


class _Line(Record):
    """Every further line: one dialogue."""

    person: str = Field(min_length=1)
    group: str
    values: tuple[float, ...]
    dynamics: tuple[float, ...]


def build(
    dialogues: Sequence[Dialogue], *, domain: str, corpus: str, license: str, ratios: Ratios | None = None
) -> Reference:
    """Measures a corpus. Values are rounded to 4 significant digits, so that a saved reference equals the built one.

    Dialogues with fewer than two user turns with words are left out and counted. Groups are the dialogues' ``domain``
    when that differs. ``ratios`` (default: the installed ones) serve to estimate agreement where fewer than 30 people have two
    or more dialogues.

    Raises:
        ReferenceDataError: fewer than 64 dialogues remain, or people and models are mixed on the user's side.
    """
    kept = [dialogue for dialogue in dialogues if sum(map(bool, words_of(dialogue.user_texts()))) >= MIN_USER_TURNS]
    dropped = len(dialogues) - len(kept)
    _check_size(
        len(kept),
        f"{corpus}: ",
        f" ({dropped} more have fewer than {MIN_USER_TURNS} user turns with words)" if dropped else "",
    )
    kinds = {"human" if dialogue.user_kind == "human" else "llm" for dialogue in kept}
    if len(kinds) > 1:
        raise ReferenceDataError(
            f"{corpus}: dialogues of people and of models are mixed (user_kind); build one reference for each"
        )
    kind: Literal["human", "llm"] = "human" if kinds == {"human"} else "llm"
    features = definitions.features()
    texts = [dialogue.user_texts() for dialogue in kept]
    several = len({dialogue.domain for dialogue in kept}) > 1
    known = [_person(dialogue, kind) for dialogue in kept]
    people = _opaque(known)
    groups = tuple(dialogue.domain if several else "" for dialogue in kept)
    values = _frozen([rounded(row) for row in features.measure(texts).values])
    return Reference(
        domain=domain,
        corpus=corpus,
        license=license,
        kind=kind,
        feature_version=features.version,
        names=features.names,
        losses=detect_losses(text for turns in texts for text in turns),
        counts=Counts(dialogues=len(kept), people=len(set(people)) if any(known) else None, dropped=dropped),
        values=values,
        groups=groups,
        people=people,
        dynamics=_frozen([rounded(row) for row in dynamics.measure(texts, features, people)]),
        dynamics_names=dynamics.NAMES,
        agreement=_agreement(values, texts, people, groups, ratios) if kind == "human" else None,
    )


def rounded(row: Iterable[float]) -> tuple[float, ...]:
    """A fingerprint (or dynamics) as references hold it: 4 significant digits."""
    return tuple(float(f"{value:.{_DIGITS}g}") for value in row)


def _agreement(
    values: Floats, texts: Sequence[Sequence[str]], people: Sequence[str], groups: Sequence[str], ratios: Ratios | None
) -> Agreement | None:
    """From people with several dialogues if there are enough, else from halves of dialogues, else None."""
    twice = agreement.retest(agreement.centered(values, groups), people, agreement.varying(values))
    if twice.people >= agreement.MIN_PEOPLE:
        return agreement.retested(twice)
    halved = agreement.odd_even_of(texts, people, groups, definitions.features())
    if halved.people < agreement.MIN_PEOPLE:
        return None
    return agreement.estimated(halved, ratios or installed_ratios())


def installed_ratios() -> Ratios:
    """What agreement is estimated with (``fitness/references/agreement.toml``).

    Raises:
        ContentError: the file is missing or does not have the expected form.
    """
    try:
        return Ratios.model_validate(content.toml("fitness", "references/agreement.toml"))
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise ContentError(f"fitness/references/agreement.toml: field '{field}' is missing or no number") from None


def _check_size(size: int, where: str, more: str = "") -> None:
    if size < MIN_DIALOGUES:
        why = "fewer cannot fill the cells and leave people to compare with"
        raise ReferenceDataError(
            f"{where}got {size} dialogues{more}, at least {MIN_DIALOGUES} are needed, since {why}; give more dialogues"
        )


def _person(dialogue: Dialogue, kind: str) -> str | None:
    return dialogue.user_id or (dialogue.task if kind == "llm" else None)


def _opaque(known: Sequence[str | None]) -> tuple[str, ...]:
    """Ids "p0", "p1", … in order of appearance; an unknown person is a new one."""
    ids: dict[object, str] = {}
    return tuple(ids.setdefault(person or index, f"p{len(ids)}") for index, person in enumerate(known))


def _frozen(rows: Sequence[Sequence[float]]) -> Floats:
    values = np.array(rows, dtype=np.float64)
    values.setflags(write=False)
    return values


def save(reference: Reference, path: str | Path) -> None:
    """Writes JSON lines: a header, then one line per dialogue. ``load`` gives the same values back, digit for digit."""
    header = _Header.model_validate({"reference": _FORMAT, **{name: getattr(reference, name) for name in _SHARED}})
    rows = zip(
        reference.people, reference.groups, reference.values.tolist(), reference.dynamics.tolist(), strict=True
    )
    lines = [
        header.model_dump(),
        *(
            {"person": person, "group": group, "values": list(map(_plain, values)), "dynamics": list(map(_plain, course))}
            for person, group, values, course in rows
        ),
    ]
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    draft = Path(f"{path}.new")  # a full disk must not cost the file that was there
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{path}: the reference cannot be written: {error.strerror or error}") from None


def _plain(value: float) -> float | int:
    return int(value) if value.is_integer() else value


def load(path: str | Path) -> Reference:
    """Reads what ``save`` wrote.

    Raises:
        InputError: the file cannot be read or is not a reference.
        ReferenceDataError: it is of an older format, was measured with another feature set, or is too small.
    """
    path = Path(path)
    rows = files.lines(files.read_bytes(path), path)
    header = _header(next(rows), path)
    lines = list(_lines(rows, {"values": len(header.names), "dynamics": len(header.dynamics_names)}, path))
    _check_size(len(lines), f"{path}: ")
    if len(lines) != header.counts.dialogues:
        said = header.counts.dialogues
        raise InputError(
            f"{path}: expected {said} dialogues as its header says, got {len(lines)}; fetch or build it again"
        )
    return Reference(
        **{name: getattr(header, name) for name in _SHARED},
        values=_frozen([line.values for line in lines]),
        groups=tuple(line.group for line in lines),
        people=tuple(line.person for line in lines),
        dynamics=_frozen([line.dynamics for line in lines]),
    )


def read(path: str | Path, *, domain: str) -> Reference:
    """People from a file: a built reference, or dialogues that are measured now.

    Raises:
        InputError, ReferenceDataError: it is neither, or too small.
    """
    path = Path(path)
    if path.is_file() and _is_reference(path):
        return load(path)
    return build(read_dialogues(path), domain=domain, corpus=path.name, license="as the file given")


def _is_reference(path: Path) -> bool:
    first = files.read_bytes(path).lstrip().split(b"\n", 1)[0]
    return first.startswith(b'{"reference":')


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
            if len(numbers) != width or not all(map(math.isfinite, numbers)):
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
        have = f"no reference for domain '{domain_name}': installed are {names}"
        raise ContentError(f"{have}; build one with 'personaevo reference build'")
    return load(installed[domain_name])


def split(reference: Reference, seed: int) -> tuple[Reference, Reference]:
    """Two halves without a person in common: one for the search, one held out. Each group is halved; equal seeds give
    equal halves.

    A person belongs to the group of their first dialogue. ``counts.dropped`` of both halves stays that of the whole.
    """
    group_of: dict[str, str] = {}
    for person, group in zip(reference.people, reference.groups, strict=True):
        group_of.setdefault(person, group)
    ordered = sorted(group_of, key=lambda person: (group_of[person], _rank(person, seed), person))
    held_out = frozenset(ordered[1::2])
    rows = np.array([person in held_out for person in reference.people], dtype=bool)
    return _part(reference, ~rows), _part(reference, rows)


def _rank(person: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n{person}".encode()).digest()


def _part(reference: Reference, rows: Any) -> Reference:
    values, course = reference.values[rows], reference.dynamics[rows]
    values.setflags(write=False)
    course.setflags(write=False)
    people = tuple(person for person, kept in zip(reference.people, rows, strict=True) if kept)
    known = None if reference.counts.people is None else len(set(people))
    return replace(
        reference,
        values=values,
        dynamics=course,
        people=people,
        groups=tuple(group for group, kept in zip(reference.groups, rows, strict=True) if kept),
        counts=Counts(dialogues=len(people), people=known, dropped=reference.counts.dropped),
    )
