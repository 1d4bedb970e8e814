"""Refined profiles in an archive, a folder or a file; as input of a search they are called implicit profiles.

The term is from USP (arXiv 2502.18968): profiles inferred from behavior, which no one wrote down.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from personaevo import definitions, injection
from personaevo.archive import Archive, RefinedPerson, Refinements
from personaevo.errors import ArchiveError, ConfigError, InputError, PersonaevoError
from personaevo.readers import files
from personaevo.readers.files import Row
from personaevo.records import Floats, Record
from personaevo.refine.features import as_dials
from personaevo.refine.loop.initial_profile import read_whole, write_profile
from personaevo.refine.profile import Profile
from personaevo.refine.records import Finite, PersonResult, Settings
from personaevo.text import one_line

_DUCKDB = b"DUCK"  # at byte 8 of its files
_NOT_USER = "only people on the assistant's side; a search needs users"
_SHOWN = 80
Fingerprint = tuple[Finite, ...]


class ImplicitProfile(Record):
    """A refined profile and its person.

    Attributes:
        role: the person's side; "" if there were no dialogues.
        domain: domain of the refinement ("" if unknown).
        personal: False if the profile has nothing personal: it equals the others' average, or is empty.
        shown: mean fingerprint [d] of its role-plays, if only its claims were refined, so that its dials do not locate the person.
        seen: fingerprints [d] of the person's dialogues as in a reference; used to detect held-out people.
        features: version of the feature set of both.
        typing: version of the typing habits of its dials (None: it has none).
    """

    profile: Profile
    role: Literal["user", "assistant", ""] = "user"
    domain: Annotated[str, Field(max_length=200)] = ""
    personal: bool = True
    shown: Fingerprint | None = None
    seen: tuple[Fingerprint, ...] = ()
    features: int = Field(default_factory=lambda: definitions.features().version)
    typing: int | None = None

    @classmethod
    def of(cls, one: PersonResult, domain: str = "") -> ImplicitProfile:
        """The profile of a finished result.

        Raises:
            InputError: role or domain is invalid.
        """
        refined, start, average = (one.outcomes.get(name) for name in ("refined", "start", "population"))
        assert one.profile is not None and refined is not None and start is not None and start.profile is not None
        in_words = start.profile != one.profile and start.profile.dials == one.profile.dials
        personal = one.profile not in (Profile(), average.profile if average is not None else None)
        shown = refined.shown if in_words else None
        typing = definitions.typing().version if set(one.profile.dials) & set(definitions.typing_dials()) else None
        said: dict[str, Any] = {
            "role": one.role, "domain": domain, "personal": personal, "shown": shown, "seen": one.seen, "typing": typing,
        }  # fmt: skip
        return cls(profile=one.profile, **said)

    def of_behavior(self) -> ImplicitProfile:
        """A copy without typing dials, which a search does not have."""
        typing = definitions.typing_dials()
        dials = {name: value for name, value in self.profile.dials.items() if name not in typing}
        return self.model_copy(update={"profile": Profile(sections=self.profile.sections, dials=dials), "typing": None})

    def problem(self) -> str | None:
        """Why it cannot be used, None if it can: other feature versions, or an invalid claim (see ``Profile.problems``)."""
        features = definitions.features()
        if self.features != features.version or any(len(row) != len(features.names) for row in (*self.seen, self.shown or features.names)):
            return "its fingerprints ('seen', 'shown') were measured with other features than are installed; refine the profile again"
        if self.typing not in (None, definitions.typing().version):
            return f"its typing habits are of version {self.typing}, installed is {definitions.typing().version}; refine the profile again"
        problems = self.profile.problems(max(1, self.profile.words)) if self.profile.claims else []
        flag = injection.find(" ".join(claim.text for claim in self.profile.claims))
        return problems[0] if problems else f"'{flag.excerpt}' is not about a person ({flag.why})" if flag else None

    def point(self, typical: Floats) -> Floats | None:
        """The person's place among fingerprints [d], within the dials' ranges: ``shown``, else the dials, with ``typical`` values for
        open ones.

        None if there is neither.
        """
        dials = self.profile.dials if self.shown is None else as_dials(np.array(self.shown))
        known = [dials.get(name) for name in definitions.features().names]
        if all(value is None for value in known):
            return None
        return np.array([typical[place] if value is None else value for place, value in enumerate(known)])


def digest(profiles: Sequence[ImplicitProfile]) -> str:
    """16 hex digits over all profiles, in their order."""
    mark = hashlib.blake2b(digest_size=8)
    for one in profiles:
        mark.update(one.model_dump_json().encode("utf-8", "replace"))
    return mark.hexdigest()


def read(path: Path) -> list[ImplicitProfile]:
    """Read the users' profiles from an archive of ``refine``, a folder of ``refine --out`` (its ``*.json``), or one file.

    The order does not depend on which of these it is.

    Raises:
        InputError: there is none, a file is not a profile, or one cannot be used (see ``ImplicitProfile.problem``).
        ArchiveError: see ``Archive.read`` and ``stored``.
    """
    if path.is_dir():
        found = [_of_file(file) for file in sorted(path.glob("*.json")) if file.is_file()]
    else:
        found = _of_archive(path) if _is_archive(path) else [_of_file(path)]
    users = [one for one in found if one.role != "assistant"]
    if not users:
        raise InputError(f"{path}: expected refined profiles of users, got {_NOT_USER if found else 'none'}")
    return sorted((one.of_behavior() for one in users), key=lambda one: (one.profile.id, one.seen))


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(12)[8:] == _DUCKDB
    except OSError:
        return False  # reading it as a file reports the error


def _of_archive(path: Path) -> list[ImplicitProfile]:
    with Archive.read(path) as archive:
        store = archive.refinements()
        domain = str((store.settings() or {}).get("domain", ""))
        done = [one for one in stored(store) if one.state == "done"]
    try:
        return [_usable(ImplicitProfile.of(one, domain), path, one.person) for one in done]
    except InputError as error:
        raise InputError(f"{path}: a refinement has an invalid form ({error}); restore a copy of the archive") from None


def _of_file(path: Path) -> ImplicitProfile:
    profile, values = read_whole(path)
    fields = {name: values[name] for name in ImplicitProfile.model_fields if name in values and name != "profile"}
    return _usable(files.record(ImplicitProfile, {**fields, "profile": profile}, Row(fields, ""), path), path)


def _usable(one: ImplicitProfile, path: Path, person: str = "") -> ImplicitProfile:
    problem = one.problem()
    if problem is not None:
        whose = f": person '{one_line(person)[:_SHOWN]}'" if person else ""
        raise InputError(f"{path}{whose}: the profile cannot be used: {problem}")
    return one


def write(path: Path, one: ImplicitProfile) -> None:
    """Write the profile as JSON, in the form of ``read``.

    Raises:
        InputError: the file cannot be written.
    """
    write_profile(path, one.profile, one.model_dump(mode="json", exclude={"profile"}))


def open_folder(folder: Path) -> Path:
    """Create the folder for profiles if it is missing.

    Raises:
        InputError: it cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: expected a folder to write profiles to: {error.strerror or error}; give another") from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: expected a folder that can be written to; give another")
    return folder


def write_profiles(results: Sequence[PersonResult], folder: Path, domain: str = "") -> list[Path]:
    """Write the refined profile of each person (and side) to ``PERSON.ROLE.json``; ``domain`` is that of the refinement.

    Characters not allowed in a file's name become "_"; if two people then have the same name, a hash of the person is appended.

    Returns:
        The files.

    Raises:
        InputError: a file cannot be written.
    """
    open_folder(folder)
    done = [one for one in results if one.profile is not None]
    plain = {one.key: "".join(char if char.isalnum() or char in "-_" else "_" for char in one.person)[:100] for one in done}
    people: dict[str, set[str]] = {}
    for one in done:
        people.setdefault(plain[one.key].casefold(), set()).add(one.person)
    written = []
    for one in done:
        name = plain[one.key]
        if len(people[name.casefold()]) > 1:
            name += f"-{hashlib.blake2b(one.person.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"
        written.append(folder / f"{'.'.join(filter(None, (name, one.role)))}.json")
        write(written[-1], ImplicitProfile.of(one, domain))
    return written


# --- the archive


def begun(store: Refinements, settings: dict[str, Any], *, resume: bool) -> None:
    """Begin a refinement, or continue one with the same settings.

    Raises:
        ConfigError: there is one already and ``resume`` is False, or its settings differ.
    """
    known = store.settings()
    if known is None:
        store.begin(settings)
    elif not resume:
        raise ConfigError("the archive holds a refinement already: go on with it by --resume, or give another --archive")
    else:
        known = {**Settings().model_dump(mode="json"), **known}  # settings added since it began had their defaults
        other = next((name for name in sorted({*known, *settings}) if known.get(name) != settings.get(name)), None)
        if other is not None:
            was, given = known.get(other), settings.get(other)
            raise ConfigError(f"--resume: '{other}' was {was!r:.80} and is {given!r:.80}; settings of a resumed refinement cannot change")


def stored(store: Refinements) -> list[PersonResult]:
    """The stored results.

    Raises:
        ArchiveError: see ``result``.
    """
    return [result(row) for row in store.people()]


def result(row: RefinedPerson) -> PersonResult:
    """The result in a row of the archive.

    Raises:
        ArchiveError: it has an invalid form, was changed, or its profile differs from the one that was scored.
    """
    try:
        one = PersonResult.model_validate(row.record)
    except (ValidationError, PersonaevoError):
        raise ArchiveError(f"the refinement of {row.person!r:.80} in the archive has an invalid form; restore a copy") from None
    if replace(to_row(one), record=row.record) != row:
        raise ArchiveError(f"the refinement of {row.person!r:.80} in the archive was changed since it was written; restore a copy")
    if one.history and not one.history.current.profile == one.profile == one.outcomes["refined"].profile:
        raise ArchiveError(f"the refined profile of {row.person!r:.80} in the archive is not the one that was scored; restore a copy")
    return one


def to_row(one: PersonResult) -> RefinedPerson:
    """A result as a row of the archive."""
    profile = one.profile.id if one.profile is not None else None
    return RefinedPerson(one.person, one.role, one.state, profile, one.model_dump(mode="json"), one.digest)
