"""Where a profile starts from: nothing, text, attributes or a persona; and profiles in files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from personaevo.errors import ConfigError, InputError
from personaevo.programs.persona_text import sentences
from personaevo.readers import files
from personaevo.readers.files import Row
from personaevo.records import Persona
from personaevo.refine import address, attributes
from personaevo.refine.profile import SECTIONS, Claim, Profile

MAX_CHARS = 100_000
_TITLE = 60  # characters
_FIRST = next(iter(SECTIONS))  # where text without a heading goes
_BULLET = re.compile(r"^\s*(?:[-*\u2022\u2013]|\(?\d{1,2}[.)])\s+")
_MARKS = re.compile(r"^#{1,6}\s+|\*\*")
_TITLED = re.compile(r"#{1,6}\s.*|\*\*[^*]+\*\*:?")
_SENTENCES = re.compile(
    r"(?<=[.!?])(?<!\b[A-Za-z]\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bMrs\.)(?<!\bvs\.)(?<!\betc\.)\s+"
    r"|(?<=[.!?][\"'\u201d\u2019)])\s+(?=[A-Z\"\u201c])"
)


def from_nothing() -> Profile:
    """A profile that says nothing."""
    return Profile()


def parsed(text: str) -> Profile:
    """The sentences of a text as claims, as they stand.

    A line that is a heading ("## Goals", "Goals:", "How you talk:") says to which section the sentences after it belong; without one, and
    after a heading that no section has, they are background. Marks of lists are left out.

    Raises:
        ConfigError: the text has over 100,000 characters.
    """
    if len(text) > MAX_CHARS:
        raise ConfigError(f"the text of a profile: expected at most {MAX_CHARS:,} characters, got {len(text):,}; shorten it")
    found: dict[str, list[Claim]] = {name: [] for name in SECTIONS}
    for section, sentence in _sentences(text):
        found[section].append(Claim(text=sentence))
    return _profile(found)


def from_text(text: str) -> Profile:
    """As ``parsed``, with each sentence put into the second person (see ``address.addressed``)."""
    sections = parsed(text).sections
    return _profile({name: [Claim(text=address.addressed(claim.text)) for claim in claims] for name, claims in sections.items()})


def from_attributes(given: Mapping[str, Any], scales: Mapping[str, Sequence[float]] | None = None) -> Profile:
    """What is known of a person beforehand (see ``attributes.sentences``).

    Raises:
        ConfigError: an attribute is of the wrong type or fits no scale.
    """
    found: dict[str, list[Claim]] = {name: [] for name in SECTIONS}
    for section, sentence in attributes.sentences(given, scales):
        found[section].append(Claim(text=sentence))
    return _profile(found)


def from_persona(persona: Persona) -> Profile:
    """A persona of an archive: its description is background, its policy communication (where it has no headings of its own), its dials
    stay dials: sentences that only say them are left out.

    Raises:
        ConfigError: a dial is unknown or out of range, or a text has over 100,000 characters.
    """
    bare = Profile(dials=persona.dials)
    policy = persona.policy
    for sentence in sentences():
        policy = policy.replace(sentence, "")
    said = from_text(f"{persona.description}\n{SECTIONS['communication'].heading}:\n{policy}")
    return said.with_dials(bare.dials)


def _profile(found: Mapping[str, Sequence[Claim]]) -> Profile:
    return Profile(sections={name: tuple(claims) for name, claims in found.items()})


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    section = _FIRST
    for line in text.splitlines():
        rest = _BULLET.sub("", line).strip()
        bare = _MARKS.sub("", rest).strip()
        name, colon, after = bare.partition(":")
        named = _headings().get(" ".join(name.lower().split()))
        titled = not after.strip() and len(bare) <= _TITLE and (_TITLED.fullmatch(rest) or (colon and address.problem(name)))
        if titled or (named and (colon or not after)):
            section, bare = named or _FIRST, after.strip()
        yield from ((section, part) for part in _SENTENCES.split(bare) if any(map(str.isalnum, part)))


@cache
def _headings() -> dict[str, str]:
    """What a heading may say, in lower case, and the section that it means."""
    return {
        name.lower(): section.name for section in SECTIONS.values() for name in (section.name, section.heading, *section.also)
    }


# --- in files


def read(path: str | Path) -> Profile:
    """The profile in a file: one that ``write`` wrote (or a hand wrote: ``{"sections": {"goals": ["You want …"]}, "dials": {…}}``), the
    attributes of a person (``{"attributes": {…}}``, with ``scales`` if need be), one persona (as ``sample --json`` prints them), or text.

    Raises:
        InputError: the file cannot be read, or holds nothing of the kind.
    """
    return read_whole(path)[0]


def read_whole(path: str | Path) -> tuple[Profile, Mapping[str, Any]]:
    """The profile as ``read`` finds it, and all fields of its file (none if it is text). Raises as ``read``."""
    path = Path(path)
    data = files.read_bytes(path)
    try:
        if not data.lstrip().startswith((b"{", b"[")):
            return from_text(data.decode("utf-8")), {}
        row = Row(files.parse(data, path, ""), "")
        return _from_json(row, path), files.fields(row, path)
    except ConfigError as error:
        raise files.fault(path, "", str(error)) from None
    except UnicodeDecodeError as error:
        raise files.fault(path, "", f"expected UTF-8 text, got the byte 0x{data[error.start]:02x} at offset {error.start}") from None


def _from_json(row: Row, path: Path) -> Profile:
    values = files.fields(row, path)
    if "sections" in values:
        return files.record(Profile, values, row, path)
    if isinstance(values.get("attributes"), dict):
        scales = values.get("scales") or {}
        if not isinstance(scales, dict) or not all(_ends(ends) for ends in scales.values()):
            raise files.fault(path, "", f"field 'scales': expected {{\"traits\": [1, 5]}} or the like, got {files.short(scales)}")
        return from_attributes(values["attributes"], scales)
    if "description" in values or "policy" in values:
        return from_persona(files.record(Persona, {"id": "given", "description": "", **values}, row, path))
    if isinstance(values.get("personas"), list) and len(values["personas"]) == 1:
        return _from_json(files.entries(row, "personas", path)[0], path)
    if "dials" in values:
        return files.record(Profile, values, row, path)
    expected = "expected a profile (sections, dials), the attributes of a person (attributes) or one persona (description, policy)"
    raise files.fault(path, "", f"{expected}, got the keys {files.short(sorted(values)[:8])}")


def _ends(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(end) in (int, float) for end in value)


def write(path: str | Path, profile: Profile, beside: Mapping[str, Any] | None = None) -> None:
    """Writes the profile as JSON, with what else is to stand ``beside`` it; ``read`` gives an equal profile back.

    Raises:
        InputError: the file cannot be written.
    """
    text = json.dumps({"id": profile.id, **(beside or {}), **profile.told()}, ensure_ascii=False, indent=1)
    draft = Path(f"{path}.new")  # a full disk must not cost the file that was there
    try:
        draft.write_text(f"{text}\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{path}: the profile cannot be written: {error.strerror or error}") from None
