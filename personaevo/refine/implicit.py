"""Implicit profiles: what refinement found out about real people, as others take it: from an archive, a folder or a file.

The term is that of USP (arXiv 2502.18968): profiles that stand behind what people did and that nobody wrote down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from personaevo import definitions
from personaevo.archive import Archive
from personaevo.errors import InputError
from personaevo.readers import files
from personaevo.readers.files import Row
from personaevo.records import Floats, Record
from personaevo.refine import starts
from personaevo.refine.people import stored
from personaevo.refine.profile import Profile
from personaevo.refine.result import Finite, PersonResult

_DUCKDB = b"DUCK"  # at byte 8 of its files
_NOT_USER = "all are of people on the assistant's side; a search is about users"


class _Seen(Record):
    """What a file of a profile says besides the profile."""

    role: Literal["user", "assistant", ""] = "user"
    domain: str = ""
    shown: tuple[Finite, ...] | None = None
    seen: tuple[tuple[Finite, ...], ...] = ()


@dataclass(frozen=True)
class ImplicitProfile:
    """A refined profile and who it belongs to.

    ``shown`` is the mean fingerprint [d] of its role-plays where it was refined in words alone, so that its dials do not tell where the
    person stands. ``seen`` are fingerprints of the person's own dialogues as a reference holds them; without them nobody can tell whether
    the person is among those that are held out. ``domain`` is where they were refined ("" if that is not known).
    """

    profile: Profile
    role: str = "user"
    domain: str = ""
    shown: tuple[float, ...] | None = None
    seen: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, one: PersonResult, domain: str = "") -> ImplicitProfile:
        """That of a person whose refinement is done."""
        assert one.profile is not None
        start = one.outcomes["start"].profile
        in_words = start is not None and start != one.profile and start.dials == one.profile.dials
        return cls(one.profile, one.role, domain, one.outcomes["refined"].shown if in_words else None, one.seen)

    def point(self, typical: Floats) -> Floats | None:
        """Where the person stands among fingerprints [d]: where ``shown``, else at the dials, with what these leave open as it is
        ``typical``. None if there is neither."""
        if self.shown is not None:
            return np.array(self.shown)
        names = definitions.features().names
        known = [self.profile.dials.get(name) for name in names]
        if all(value is None for value in known):
            return None
        return np.array([typical[place] if value is None else value for place, value in enumerate(known)])


def digest(profiles: Sequence[ImplicitProfile]) -> str:
    """A short digest of all that they say."""
    text = repr([(one.profile.id, one.role, one.shown, one.seen) for one in profiles])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def read(path: Path) -> list[ImplicitProfile]:
    """Those of users in an archive of ``refine``, in a folder of ``refine --out`` (its ``*.json``, by name), or in one file.

    Raises:
        InputError: there is none, or a file is not that of a profile.
        ArchiveError: see ``Archive.read`` and ``people.stored``.
    """
    found = _of_folder(path) if path.is_dir() else _of_archive(path) if _is_archive(path) else [_of_file(path)]
    users = [one for one in found if one.role != "assistant"]
    if not users:
        raise InputError(f"{path}: expected refined profiles of users, got {_NOT_USER if found else 'none'}")
    return users


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(12)[8:] == _DUCKDB
    except OSError:
        return False  # whoever reads it says what is wrong


def _of_archive(path: Path) -> list[ImplicitProfile]:
    with Archive.read(path) as archive:
        kept = archive.refinements()
        domain = str((kept.settings() or {}).get("domain", ""))
        return [ImplicitProfile.of(one, domain) for one in stored(kept) if one.state == "done"]


def _of_folder(path: Path) -> list[ImplicitProfile]:
    return [_of_file(file) for file in sorted(path.glob("*.json"))]


def _of_file(path: Path) -> ImplicitProfile:
    profile = starts.read(path)
    data = files.read_bytes(path)
    if not data.lstrip().startswith(b"{"):
        return ImplicitProfile(profile)
    values = files.fields(Row(files.parse(data, path, ""), ""), path)
    more = files.record(_Seen, {name: values[name] for name in _Seen.model_fields if name in values}, Row(values, ""), path)
    width = len(definitions.features().names)
    if any(len(row) != width for row in (*more.seen, *((more.shown,) if more.shown is not None else ()))):
        raise files.fault(path, "", f"fields 'seen' and 'shown': expected fingerprints of {width} numbers; refine the profile again")
    return ImplicitProfile(profile, more.role, more.domain, more.shown, more.seen)


def write(path: Path, one: ImplicitProfile) -> None:
    """Writes the profile as JSON, with what ``read`` takes from it.

    Raises:
        InputError: the file cannot be written.
    """
    starts.write(path, one.profile, {"role": one.role, "domain": one.domain, "shown": one.shown, "seen": one.seen})
