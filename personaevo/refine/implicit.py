"""Implicit profiles: what refinement found out about real people, as others take it: from an archive, a folder or a file.

The term is that of USP (arXiv 2502.18968): profiles that stand behind what people did and that nobody wrote down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from personaevo import definitions, injection
from personaevo.archive import Archive
from personaevo.errors import InputError
from personaevo.readers import files
from personaevo.readers.files import Row
from personaevo.records import Floats, Record
from personaevo.refine import starts
from personaevo.refine.features import as_dials
from personaevo.refine.people import stored
from personaevo.refine.profile import Profile
from personaevo.refine.result import Finite, PersonResult
from personaevo.text import one_line

_DUCKDB = b"DUCK"  # at byte 8 of its files
_NOT_USER = "all are of people on the assistant's side; a search is about users"
_SHOWN = 80
Fingerprint = tuple[Finite, ...]


class ImplicitProfile(Record):
    """A refined profile and who it belongs to.

    Attributes:
        role: the person's side; "" where there were no dialogues.
        domain: where it was refined ("" if that is not known).
        personal: False if nothing was learned of the person: it is the average of the others, or empty.
        shown: the mean fingerprint [d] of its role-plays where it was refined in words alone, so that its dials do not tell where the
            person stands.
        seen: fingerprints [d] of the person's own dialogues as a reference holds them: by these it is known whether the person is held out.
        features: the version of the feature set that both were measured with.
        typing: that of the typing habits that its dials are of (None: it has none).
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
        """That of a person whose refinement is done (``one.state``).

        Raises:
            InputError: the role or the domain is none.
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
        """It without the dials of typing, which a search does not know."""
        typing = definitions.typing_dials()
        dials = {name: value for name, value in self.profile.dials.items() if name not in typing}
        return self.model_copy(update={"profile": Profile(sections=self.profile.sections, dials=dials), "typing": None})

    def problem(self) -> str | None:
        """Why it cannot be used, None if it can: it was measured otherwise, or a claim is no claim (see ``Profile.problems``)."""
        features = definitions.features()
        if self.features != features.version or any(len(row) != len(features.names) for row in (*self.seen, self.shown or features.names)):
            return "its fingerprints ('seen', 'shown') were measured with other features than are installed; refine the profile again"
        if self.typing not in (None, definitions.typing().version):
            return f"its typing habits are of version {self.typing}, installed is {definitions.typing().version}; refine the profile again"
        problems = self.profile.problems(max(1, self.profile.words)) if self.profile.claims else []
        flag = injection.find(" ".join(claim.text for claim in self.profile.claims))
        return problems[0] if problems else f"'{flag.excerpt}' is not about a person ({flag.why})" if flag else None

    def point(self, typical: Floats) -> Floats | None:
        """Where the person stands among fingerprints [d], each within its dial's range: where ``shown``, else at the dials, with what these
        leave open as it is ``typical``. None if there is neither."""
        dials = self.profile.dials if self.shown is None else as_dials(np.array(self.shown))
        known = [dials.get(name) for name in definitions.features().names]
        if all(value is None for value in known):
            return None
        return np.array([typical[place] if value is None else value for place, value in enumerate(known)])


def digest(profiles: Sequence[ImplicitProfile]) -> str:
    """16 hex digits of all that they say, in their order."""
    mark = hashlib.blake2b(digest_size=8)
    for one in profiles:
        mark.update(one.model_dump_json().encode("utf-8", "replace"))
    return mark.hexdigest()


def read(path: Path) -> list[ImplicitProfile]:
    """Those of users in an archive of ``refine``, in a folder of ``refine --out`` (its ``*.json``), or in one file; in an order that does
    not depend on which of these it is.

    Raises:
        InputError: there is none, a file is not that of a profile, or one cannot be used (see ``ImplicitProfile.problem``).
        ArchiveError: see ``Archive.read`` and ``people.stored``.
    """
    found = _of_folder(path) if path.is_dir() else _of_archive(path) if _is_archive(path) else [_of_file(path)]
    users = [one for one in found if one.role != "assistant"]
    if not users:
        raise InputError(f"{path}: expected refined profiles of users, got {_NOT_USER if found else 'none'}")
    return sorted((one.of_behavior() for one in users), key=lambda one: (one.profile.id, one.seen))


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
        done = [one for one in stored(kept) if one.state == "done"]
    try:
        return [_usable(ImplicitProfile.of(one, domain), path, one.person) for one in done]
    except InputError as error:
        raise InputError(f"{path}: a refinement is not what one writes ({error}); restore a copy of the archive") from None


def _of_folder(path: Path) -> list[ImplicitProfile]:
    return [_of_file(file) for file in sorted(path.glob("*.json")) if file.is_file()]


def _of_file(path: Path) -> ImplicitProfile:
    profile, values = starts.read_whole(path)
    fields = {name: values[name] for name in ImplicitProfile.model_fields if name in values and name != "profile"}
    return _usable(files.record(ImplicitProfile, {**fields, "profile": profile}, Row(fields, ""), path), path)


def _usable(one: ImplicitProfile, path: Path, person: str = "") -> ImplicitProfile:
    problem = one.problem()
    if problem is not None:
        whose = f": person '{one_line(person)[:_SHOWN]}'" if person else ""
        raise InputError(f"{path}{whose}: the profile cannot be used: {problem}")
    return one


def write(path: Path, one: ImplicitProfile) -> None:
    """Writes the profile as JSON, with what ``read`` takes from it.

    Raises:
        InputError: the file cannot be written.
    """
    starts.write(path, one.profile, one.model_dump(mode="json", exclude={"profile"}))
