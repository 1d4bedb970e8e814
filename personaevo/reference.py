"""References: fingerprints of real people in a domain with their provenance, and what only an auditor and the measure of
consistency see: dynamics, habits of typing, and how much dialogues of one person agree. Figures only, no texts.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from personaevo import content, definitions
from personaevo.errors import ContentError, DialoguesWarning, InputError, ReferenceDataError
from personaevo.measure import agreement, dynamics
from personaevo.measure.agreement import Agreement, Ratios
from personaevo.measure.fingerprint import words_of
from personaevo.measure.losses import LOSSES, detect_losses
from personaevo.measure.repeats import repeats
from personaevo.readers import files, read_logs
from personaevo.readers.languages import Language, language_of
from personaevo.records import Dialogue, Floats, Record

MIN_DIALOGUES = 64
MIN_PEOPLE = 20  # half of them are kept aside; of the other half the judge makes five folds, and the table two parts
MIN_USER_TURNS = 2
_TOLD_SHARE = 0.05  # of dialogues in another language
_DIGITS = 4
_FORMAT = 2
_SHARED = (
    "domain", "corpus", "license", "kind", "feature_version", "names", "losses", "counts", "dynamics_names", "agreement",
    "typing_version", "typing_names", "notes",
)  # fmt: skip


class Counts(Record):
    """How many dialogues a reference holds, of how many people (None: not recorded), and how many were left out for lack of user turns."""

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

    ``typing[n, k]`` has one column per name of ``typing_names``: the habits that the text still shows (see ``measure.typing``), NaN where a
    dialogue gives no occasion for one. It is None where the text lost both case and punctuation, and of a file that was built before there
    were habits, or with another version of them.

    ``notes`` say what else was done with the dialogues, or is to be known of them: repeats, languages, turns left out.
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
    notes: tuple[str, ...] = ()
    typing: Floats | None = None
    typing_version: int = 0
    typing_names: tuple[str, ...] = ()

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


def build(
    dialogues: Sequence[Dialogue],
    *,
    domain: str,
    corpus: str,
    license: str,
    ratios: Ratios | None = None,
    notes: Sequence[str] = (),
) -> Reference:
    """Measures a corpus. Values are rounded to 4 significant digits, so that a saved reference equals the built one.

    Dialogues with fewer than two user turns with words are left out and counted; so are, with a note, those in languages
    whose words are not set apart (Chinese, Thai, …) and those that repeat an earlier one, word for word or nearly so: they
    would count twice, and be on both sides of a split. Groups are the dialogues' ``domain`` when that differs. ``ratios``
    (default: the installed ones) serve to estimate agreement where fewer than 30 people have two or more dialogues.
    ``notes`` (those of ``readers.read_logs``) are kept before its own.

    Raises:
        ReferenceDataError: fewer than 64 dialogues remain, or they are of fewer than 20 people as far as that is recorded, or
            people and models are mixed on the user's side.
    """
    long = [dialogue for dialogue in dialogues if sum(map(bool, words_of(dialogue.user_texts()))) >= MIN_USER_TURNS]
    dropped = len(dialogues) - len(long)
    kept, left, told = _usable(long)
    few = [f"{dropped} more have fewer than {MIN_USER_TURNS} user turns with words"] if dropped else []
    _check_size(len(kept), f"{corpus}: ", f" ({'; '.join(few + left)})" if few + left else "")
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
    counts = Counts(dialogues=len(kept), people=len(set(people)) if any(known) else None, dropped=dropped)
    if kind == "human":
        _check_people(counts, f"{corpus}: ")
    groups = tuple(dialogue.domain if several else "" for dialogue in kept)
    values = _frozen([rounded(row) for row in features.measure(texts).values])
    losses = detect_losses(text for turns in texts for text in turns)
    return Reference(
        domain=domain,
        corpus=corpus,
        license=license,
        kind=kind,
        feature_version=features.version,
        names=features.names,
        losses=losses,
        counts=counts,
        values=values,
        groups=groups,
        people=people,
        dynamics=_frozen([rounded(row) for row in dynamics.measure(texts, features, people)]),
        dynamics_names=dynamics.NAMES,
        agreement=_agreement(values, texts, people, groups, ratios) if kind == "human" else None,
        notes=(*notes, *left, *told),
        **_typing_of(texts, losses),
    )


def shown_habits(losses: Sequence[str]) -> tuple[str, ...]:
    """The habits that a reference keeps of text with these losses: none where both case and punctuation are gone."""
    return () if set(losses) >= set(LOSSES) else definitions.typing().usable(losses)


def habits_of(texts: Sequence[Sequence[str]], losses: Sequence[str]) -> Floats:
    """Those habits of dialogues' user turns, ``[n, k]``, NaN where there is no occasion for one."""
    measured = definitions.typing().measure(texts)
    values: Floats = measured.values[:, [measured.names.index(name) for name in shown_habits(losses)]]
    return values


def _typing_of(texts: Sequence[Sequence[str]], losses: Sequence[str]) -> dict[str, Any]:
    names = shown_habits(losses)
    if not names:
        return {}
    return {"typing": _frozen(habits_of(texts, losses)), "typing_version": definitions.typing().version, "typing_names": names}


def _usable(dialogues: Sequence[Dialogue]) -> tuple[list[Dialogue], list[str], list[str]]:
    """The dialogues that can be measured and are no repeats; what is said of the others, and of those whose language has other words."""
    spoken = [language_of(dialogue.user_texts()) for dialogue in dialogues]
    uncounted = Counter(language.name for language in spoken if language is not None and not language.counted)
    left = [
        f"{count} more are in {name}, whose words are not set apart by blanks, so that they cannot be counted"
        for name, count in uncounted.most_common()
    ]
    counted = [(one, language) for one, language in zip(dialogues, spoken, strict=True) if language is None or language.counted]
    first = repeats([dialogue.user_texts() for dialogue, _ in counted])
    if repeated := sum(index is not None for index in first):
        left.append(f"{repeated} more repeat an earlier dialogue, word for word or nearly so")
    kept = [one for one, index in zip(counted, first, strict=True) if index is None]
    return [dialogue for dialogue, _ in kept], left, _foreign([language for _, language in kept])


def _foreign(spoken: Sequence[Language | None]) -> list[str]:
    """What is to be known of dialogues in languages that the lexicons are not of, where there are more than a few."""
    names = Counter(language.name for language in spoken if language is not None)
    count = sum(names.values())
    if count < _TOLD_SHARE * len(spoken) or not count:
        return []
    shown = ", ".join(f"{name} ({number})" for name, number in names.most_common(3)) + ", …" * (len(names) > 3)
    why = "the lexicons of the features are English, so that courtesies, questions, objections and the like are not found in them"
    return [f"{count} of {len(spoken)} dialogues are not in English but in {shown}: {why}"]


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


def _check_people(counts: Counts, where: str) -> None:
    if counts.people is not None and counts.people < MIN_PEOPLE:
        whose = "a single person" if counts.people == 1 else f"{counts.people} people"
        raise ReferenceDataError(
            f"{where}{counts.dialogues} dialogues of {whose} (by user_id, or task where models play): too few people to keep some aside,"
            f" at least {MIN_PEOPLE} are needed; give dialogues of more, or leave user_id out if it does not tell people apart"
        )


def _person(dialogue: Dialogue, kind: str) -> str | None:
    return dialogue.user_id or (dialogue.task if kind == "llm" else None)


def _opaque(known: Sequence[str | None]) -> tuple[str, ...]:
    """Ids "p0", "p1", … in order of appearance; an unknown person is a new one."""
    ids: dict[object, str] = {}
    return tuple(ids.setdefault(person or index, f"p{len(ids)}") for index, person in enumerate(known))


def _frozen(rows: Sequence[Sequence[float]] | Floats) -> Floats:
    values = np.array(rows, dtype=np.float64)
    values.setflags(write=False)
    return values


def save(reference: Reference, path: str | Path) -> None:
    """Writes JSON lines: a header, then one line per dialogue. ``load`` gives the same values back, digit for digit."""
    header = _Header.model_validate({"reference": _FORMAT, **{name: getattr(reference, name) for name in _SHARED}})
    typing = [()] * len(reference) if reference.typing is None else reference.typing.tolist()
    rows = zip(reference.people, reference.groups, reference.values.tolist(), reference.dynamics.tolist(), typing, strict=True)
    lines = [
        header.model_dump(exclude_defaults=True),
        *(
            {"person": person, "group": group, "values": _plain(values), "dynamics": _plain(course)}
            | ({"typing": _plain(habits)} if habits else {})
            for person, group, values, course, habits in rows
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


def _plain(values: Sequence[float]) -> list[float | int | None]:
    """As numbers of JSON, which has no NaN."""
    return [None if math.isnan(value) else int(value) if value.is_integer() else value for value in values]


def load(path: str | Path) -> Reference:
    """Reads what ``save`` wrote.

    Raises:
        InputError: the file cannot be read or is not a reference.
        ReferenceDataError: it is of an older format, was measured with another feature set, or is too small.
    """
    path = Path(path)
    rows = files.lines(files.read_bytes(path), path)
    header = _header(next(rows), path)
    widths = {"values": len(header.names), "dynamics": len(header.dynamics_names), "typing": len(header.typing_names)}
    lines = list(_lines(rows, widths, path))
    _check_size(len(lines), f"{path}: ")
    if len(lines) != header.counts.dialogues:
        said = header.counts.dialogues
        raise InputError(
            f"{path}: expected {said} dialogues as its header says, got {len(lines)}; fetch or build it again"
        )
    current = (header.typing_version, header.typing_names) == (definitions.typing().version, shown_habits(header.losses))
    return Reference(
        **{name: getattr(header, name) for name in _SHARED},
        values=_frozen([line.values for line in lines]),
        groups=tuple(line.group for line in lines),
        people=tuple(line.person for line in lines),
        dynamics=_frozen([line.dynamics for line in lines]),
        typing=_frozen(np.array([line.typing for line in lines], dtype=float)) if current and header.typing_names else None,
    )


_PLAYED = "the users of all {:,} dialogues were played by models, not by people: what is called people or humans from here on are these"


def read(path: str | Path, *, domain: str) -> Reference:
    """People from a file: a built reference, or dialogues (see ``readers.read_logs``) that are measured now. What is to be known of them
    is a ``DialoguesWarning``.

    Raises:
        InputError, ReferenceDataError: it is neither, too small, or of fewer than 20 people or tasks.
    """
    path = Path(path)
    if path.is_file() and _is_reference(path):
        found = load(path)
    else:
        logs = read_logs(path)
        found = build(logs.dialogues, domain=domain, corpus=path.name, license="as the file given", notes=logs.notes)
    _check_people(found.counts, f"{path}: ")
    played = () if found.kind == "human" else (_PLAYED.format(found.counts.dialogues),)
    for note in (*played, *found.notes):
        warnings.warn(f"{path.name}: {note}", DialoguesWarning, stacklevel=2)
    return found


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
    habits = None if reference.typing is None else reference.typing[rows]
    for kept in (values, course, *(() if habits is None else (habits,))):
        kept.setflags(write=False)
    people = tuple(person for person, kept in zip(reference.people, rows, strict=True) if kept)
    known = None if reference.counts.people is None else len(set(people))
    return replace(
        reference,
        values=values,
        dynamics=course,
        typing=habits,
        people=people,
        groups=tuple(group for group, kept in zip(reference.groups, rows, strict=True) if kept),
        counts=Counts(dialogues=len(people), people=known, dropped=reference.counts.dropped),
    )
