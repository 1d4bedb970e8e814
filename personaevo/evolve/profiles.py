"""Refined profiles in a search: they define the seed program and the centers of the cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personaevo import content, definitions
from personaevo.config import SearchConfig
from personaevo.errors import InputError
from personaevo.evolve.genotype import tidy
from personaevo.measure.cells import Cells, Described, Standard, sample, tessellate
from personaevo.programs.edit import with_literal
from personaevo.records import Floats
from personaevo.reference import Reference
from personaevo.refine.loop import refined_profiles
from personaevo.refine.loop.refined_profiles import ImplicitProfile
from personaevo.refine.profile import Profile
from personaevo.text import one_line

PROFILES_USED = "profiles_used"  # setting of a run: the numbers of used profiles and cells
SEATS = 12  # kinds of people in the seed program: half of the largest number of axes, so that operators can add and join axes
_ENDS = (0.5, 1.5)  # end points of an axis, as multiples of the profile's distance from the average
_LONGEST = 1_500  # bytes of a profile's claims in the program; twelve take a quarter of the largest program size
_LEAST_SPREAD = 1e-3  # in standard deviations of people
_FEWEST = 4  # least number of different profiles, for two cells
_ALIKE = 3  # decimal digits, in standard deviations of people, for comparing points of profiles


@dataclass(frozen=True)
class Profiles:
    """Inputs of a search from refined profiles.

    Attributes:
        source: seed program.
        cells: cells around the profiles, with ``cell_names``; None if there would be too few.
        inputs: settings of the run: a digest of the profiles, and a description of their use.
        notes: warnings for the user.
    """

    source: str
    cells: Cells | None
    cell_names: tuple[str, ...]
    inputs: Mapping[str, str]
    notes: tuple[str, ...] = ()


def load(config: SearchConfig, steering: Reference, held_out: Reference) -> Profiles | None:
    """Load the profiles that the settings name; None if they name none.

    Raises:
        InputError, ArchiveError: see ``implicit.read``; InputError also if no profile with content is of a person who is not held out.
    """
    if config.profiles is None:
        return None
    found = refined_profiles.read(config.profiles)
    usable = not_held_out(found, held_out)
    if not any(one.personal for one in usable):
        held = f"{len(found) - len(usable)} are of people who are held out, the others have no content"
        raise InputError(f"{config.profiles}: none of {len(found)} profiles can be used: {held}; give more, or another --seed")
    cells = _cells(config, steering.values, _places(usable, steering.values))
    where = "cells around the people's dialogues" if cells is None else f"{len(cells)} cells around them"
    inputs = {
        "profiles_digest": refined_profiles.digest(found),
        PROFILES_USED: f"{len(usable)} of {len(found)} ({len(found) - len(usable)} are of held-out people); {where}",
    }
    names: tuple[str, ...] = ()
    if cells is not None:  # named by the mean of the dialogues in each, since the profiles are all close to the average
        points, assigned = cells.standard(steering.values), cells.assign(steering.values)
        means = np.array([points[assigned == cell].mean(axis=0) for cell in range(len(cells))])
        names = tuple(named(means, cells.standard))
    notes = _notes(config, found, usable, cells, steering)
    return Profiles(seed_source(usable, steering.values, config.seed), cells, names, inputs, notes)


def not_held_out(found: Sequence[ImplicitProfile], held_out: Reference) -> list[ImplicitProfile]:
    """The profiles of people without a held-out dialogue."""
    rows = {tuple(row) for row in held_out.values.tolist()}
    return [one for one in found if rows.isdisjoint(one.seen)]


def _places(usable: Sequence[ImplicitProfile], people: Floats) -> Floats:
    """Points ``[n, d]`` of the profiles in feature space; all profiles without content share one point."""
    typical = people.mean(axis=0)
    found: dict[bool, list[Floats]] = {True: [], False: []}
    for one in usable:
        point = one.point(typical)
        found[one.personal] += [point] if point is not None else []
    average = [np.mean(found[False], axis=0)] if found[False] else []
    return np.array([*found[True], *average]).reshape(-1, len(typical))


def _cells(config: SearchConfig, people: Floats, places: Floats) -> Cells | None:
    """Cells around the profiles, at most one for two different profiles; None if there are fewer than half of the configured number."""
    different = len(np.unique(Standard.of(people)(places).round(_ALIKE), axis=0))
    if different < max(config.cells, _FEWEST):
        return None
    cells = tessellate(people, min(config.cells, different // 2), config.seed, places)
    return cells if len(cells) >= config.cells // 2 else None


def _notes(
    config: SearchConfig, found: Sequence[ImplicitProfile], usable: Sequence[ImplicitProfile], cells: Cells | None, steering: Reference
) -> tuple[str, ...]:
    """Warnings about the use of the profiles."""
    notes = []
    if len(usable) < len(found):
        notes.append(f"{len(found) - len(usable)} of {len(found)} profiles are of people who are held out, and are not used")
    known = {tuple(row) for row in steering.values.tolist()}
    unknown = sum(known.isdisjoint(one.seen) for one in usable)
    if unknown:
        people = f"the people of {unknown} of {len(usable)} profiles"
        notes.append(f"the reference has no data of {people}: if it has them in another form, they may be among the held-out ones")
    elsewhere = sorted({Path(one.domain).name for one in usable} - {"", config.domain})
    if elsewhere:
        notes.append(f"profiles were refined in the domain {', '.join(map(one_line, elsewhere))}, this search is in {config.domain}")
    if cells is None:
        notes.append(
            f"{len(usable)} profiles give too few cells (at least {config.cells} different ones are needed, with people near them): "
            "the cells are those of the people's dialogues"
        )
    return tuple(notes)


# --- the seed program


def seed_source(usable: Sequence[ImplicitProfile], people: Floats, seed: int) -> str:
    """A persona program with a kind of people for each profile, or for a stratified sample of twelve that includes rare ones.

    A kind has one axis. Its levels range from half the distance between the average of all profiles and the profile to one and a half
    times the distance, with dials clipped to their ranges. All profiles without content form one kind, the average. Dials that a profile
    does not set are left to the simulator.

    Args:
        people: fingerprints ``[n, d]`` of the people that steer; they standardize the distances between profiles.
    """
    personal = [one for one in usable if one.personal]
    typical, share = people.mean(axis=0), len(personal) / len(usable)
    points = [one.point(typical) for one in personal]
    standard = Standard.of(people)
    places = standard(np.array([typical if point is None else point for point in points]).reshape(-1, len(typical)))
    chosen = sample(places, SEATS - (share < 1), np.random.default_rng(seed))
    names = named(_deviations(places)[np.array(list(chosen), dtype=int)], standard)
    middle = center([one.profile for one in usable])
    kinds = [(name, personal[index].profile, part * share) for name, (index, part) in zip(names, chosen.items(), strict=True)]
    kinds += [("like most", Profile(dials=middle), 1 - share)] if share < 1 else []
    source = (content.root("seeds") / "profiles.py").read_text(encoding="utf-8")
    values = {
        "AXES": [_axis(name, profile, middle) for name, profile, _ in kinds],
        "LEVELS": {name: [0.0, 1.0] for name, _, _ in kinds},
        "KINDS": [{"share": tidy(part), "axes": [name]} for name, _, part in kinds],
    }
    for name, value in values.items():
        source = with_literal(source, name, value)
    return source


def _deviations(places: Floats) -> Floats:
    """Deviations from the mean of all, in standard deviations of the points themselves; 0 in constant columns."""
    spread = places.std(axis=0)
    marks: Floats = np.divide(places - places.mean(axis=0), spread, out=np.zeros_like(places), where=spread > _LEAST_SPREAD)
    return marks


def center(profiles: Sequence[Profile]) -> dict[str, float]:
    """Each dial's mean over the profiles that set it."""
    names = {name: None for profile in profiles for name in profile.dials}
    return {name: float(np.mean([profile.dials[name] for profile in profiles if name in profile.dials])) for name in names}


def _axis(name: str, profile: Profile, middle: Mapping[str, float]) -> dict[str, object]:
    """The axis of one profile."""
    table = definitions.dials()
    ends = {
        dial: [tidy(float(np.clip(middle[dial] + far * (value - middle[dial]), table[dial].low, table[dial].high))) for far in _ENDS]
        for dial, value in profile.dials.items() if dial in table  # typing habits are not searched
    }  # fmt: skip
    return {"name": name, "definition": _said(profile), "low": "", "high": "", "dials": ends}


def _said(profile: Profile) -> str:
    """The claims as one paragraph; if they are too long, the latest ones are left out."""
    room, kept = _LONGEST, []
    for place, claim in sorted(enumerate(profile.claims), key=lambda pair: pair[1].since):
        size = len(claim.text.encode()) + 1
        if size > room:
            break
        room -= size
        kept.append((place, claim.text))
    return " ".join(text for _, text in sorted(kept))


_MARKED = 0.7  # least distance from people's mean, in standard deviations, of a feature in a name
_WORDS = 3


def named(places: Floats, standard: Standard | Described) -> list[str]:
    """A unique name for each of ``places[n, kept columns]`` (standardized), from its one to three most distinctive features."""
    if isinstance(standard, Described):
        ends = [(f"low {name}", f"high {name}") for name in standard.names]
    else:
        features = zip(definitions.features().features, standard.kept, strict=True)
        ends = [(one.low, one.high) for one, kept in features if kept]
    names: list[str] = []
    for place in places:
        order = np.argsort(-np.abs(place), kind="stable")[:_WORDS]
        words = [ends[i][int(place[i] > 0)] for i in order if abs(place[i]) >= _MARKED]
        names.append(", ".join(words) or "average")
    return [name if names.count(name) == 1 else f"{name} ({names[: index + 1].count(name)})" for index, name in enumerate(names)]
