"""Refined profiles in a search: the program it begins with, and the places that its cells are made around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personaevo import content, definitions
from personaevo.config import SearchConfig
from personaevo.errors import InputError
from personaevo.evolve.cell_names import named
from personaevo.measure.cells import Cells, Standard, tessellate
from personaevo.measure.density import sample
from personaevo.programs.edit import with_literal
from personaevo.records import Floats
from personaevo.reference import Reference
from personaevo.refine import implicit
from personaevo.refine.implicit import ImplicitProfile
from personaevo.refine.profile import Profile
from personaevo.text import one_line

PROFILES_USED = "profiles_used"  # the setting under which a run tells what became of them
SEATS = 12  # kinds of people in the seed program: half of the axes that a program may have, so that there is room to add and to join
_ENDS = (0.5, 1.5)  # how far an axis goes from the average to its profile: to half the way, and half the way beyond
_LONGEST = 1_500  # bytes of a profile's words in the program: twelve of them take a quarter of what a program may have
_LEAST_SPREAD = 1e-3  # standard deviations of people
_FEWEST = 4  # different profiles, for two cells
_ALIKE = 3  # digits, in standard deviations of people, up to which two profiles stand at one place


@dataclass(frozen=True)
class Profiles:
    """What a search makes of refined profiles.

    Attributes:
        source: the program that it begins with.
        cells: cells around where these people stand, with ``cell_names``; None if they make too few.
        inputs: for the run's settings: a digest of the profiles, and in words what became of them.
        notes: what whoever began the search should be told.
    """

    source: str
    cells: Cells | None
    cell_names: tuple[str, ...]
    inputs: Mapping[str, str]
    notes: tuple[str, ...] = ()


def load(config: SearchConfig, steering: Reference, held_out: Reference) -> Profiles | None:
    """What the search makes of the profiles given; None if none are.

    Raises:
        InputError, ArchiveError: see ``implicit.read``; also if none is left that says something of a person who is not held out.
    """
    if config.profiles is None:
        return None
    found = implicit.read(config.profiles)
    usable = not_held_out(found, held_out)
    if not any(one.personal for one in usable):
        held = f"{len(found) - len(usable)} are of people who are held out, nothing was learned of the others"
        raise InputError(f"{config.profiles}: no profile of {len(found)} is of use: {held}; give more, or another --seed")
    cells = _cells(config, steering.values, _places(usable, steering.values))
    where = "cells around the people's dialogues" if cells is None else f"{len(cells)} cells around them"
    inputs = {
        "profiles_digest": implicit.digest(found),
        PROFILES_USED: f"{len(usable)} of {len(found)} ({len(found) - len(usable)} are of held-out people); {where}",
    }
    names = () if cells is None else _names(cells, steering.values)
    notes = _notes(config, found, usable, cells, steering)
    return Profiles(seed_source(usable, steering.values, config.seed), cells, names, inputs, notes)


def not_held_out(found: Sequence[ImplicitProfile], held_out: Reference) -> list[ImplicitProfile]:
    """Those of whom no dialogue is held out."""
    rows = _rows(held_out)
    return [one for one in found if rows.isdisjoint(one.seen)]


def _rows(people: Reference) -> set[tuple[float, ...]]:
    return {tuple(row) for row in people.values.tolist()}


def _places(usable: Sequence[ImplicitProfile], people: Floats) -> Floats:
    """Where those stand ``[n, d]`` that stand anywhere; those of whom nothing was learned all at one place."""
    typical = people.mean(axis=0)
    found: dict[bool, list[Floats]] = {True: [], False: []}
    for one in usable:
        point = one.point(typical)
        found[one.personal] += [point] if point is not None else []
    average = [np.mean(found[False], axis=0)] if found[False] else []
    return np.array([*found[True], *average]).reshape(-1, len(typical))


def _cells(config: SearchConfig, people: Floats, places: Floats) -> Cells | None:
    """Cells around the profiles, one for two different ones at most; None if they do not make half as many as are wanted."""
    different = len(np.unique(Standard.of(people)(places).round(_ALIKE), axis=0))
    if different < max(config.cells, _FEWEST):
        return None
    cells = tessellate(people, min(config.cells, different // 2), config.seed, places)
    return cells if len(cells) >= config.cells // 2 else None


def _names(cells: Cells, people: Floats) -> tuple[str, ...]:
    """After the mean of the dialogues in each, since the profiles themselves all lie near the average."""
    points, assigned = cells.standard(people), cells.assign(people)
    return tuple(named(np.array([points[assigned == cell].mean(axis=0) for cell in range(len(cells))]), cells.standard))


def _notes(
    config: SearchConfig, found: Sequence[ImplicitProfile], usable: Sequence[ImplicitProfile], cells: Cells | None, steering: Reference
) -> tuple[str, ...]:
    notes = []
    if len(usable) < len(found):
        notes.append(f"{len(found) - len(usable)} of {len(found)} profiles are of people who are held out, and are not used")
    known = _rows(steering)
    unknown = sum(known.isdisjoint(one.seen) for one in usable)
    if unknown:
        whom = f"the people of {unknown} of {len(usable)} profiles"
        notes.append(f"the reference does not know {whom}: if they are in it in another form, they may be among the held-out ones")
    elsewhere = sorted({Path(one.domain).name for one in usable} - {"", config.domain})
    if elsewhere:
        notes.append(f"profiles were refined in the domain {', '.join(map(one_line, elsewhere))}, this search is in {config.domain}")
    if cells is None:
        notes.append(
            f"too few cells can be made around {len(usable)} profiles (at least {config.cells} different ones are needed, with people near "
            "them): the cells are those of the people's dialogues"
        )
    return tuple(notes)


# --- the program that a search begins with


def seed_source(usable: Sequence[ImplicitProfile], people: Floats, seed: int) -> str:
    """A persona program with a kind of people for each profile, or for a sample by density of twelve in which rare ones are included.

    A kind has one axis: its level says how marked the person is, from half way between the average of all profiles and the person's own
    to as far beyond, each dial within its range. All of whom nothing was learned are one kind, the average. Dials that a profile leaves
    open are left to the simulator.

    Args:
        people: fingerprints ``[n, d]`` of the people that steer: the scale of distances between profiles.
    """
    personal = [one for one in usable if one.personal]
    typical, share = people.mean(axis=0), len(personal) / len(usable)
    points = [one.point(typical) for one in personal]
    standard = Standard.of(people)
    places = standard(np.array([typical if point is None else point for point in points]).reshape(-1, len(typical)))
    chosen = sample(places, SEATS - (share < 1), np.random.default_rng(seed))
    names = named(_marks(places)[np.array(list(chosen), dtype=int)], standard)
    middle = center([one.profile for one in usable])
    kinds = [(name, personal[index].profile, part * share) for name, (index, part) in zip(names, chosen.items(), strict=True)]
    kinds += [("like most", Profile(dials=middle), 1 - share)] if share < 1 else []
    source = (content.root("seeds") / "profiles.py").read_text(encoding="utf-8")
    values = {
        "AXES": [_axis(name, profile, middle) for name, profile, _ in kinds],
        "LEVELS": {name: [0.0, 1.0] for name, _, _ in kinds},
        "KINDS": [{"share": _tidy(part), "axes": [name]} for name, _, part in kinds],
    }
    for name, value in values.items():
        source = with_literal(source, name, value)
    return source


def _marks(places: Floats) -> Floats:
    """How far each is from the mean of all, in their own standard deviations, as all lie near the average; 0 where they are alike."""
    spread = places.std(axis=0)
    marks: Floats = np.divide(places - places.mean(axis=0), spread, out=np.zeros_like(places), where=spread > _LEAST_SPREAD)
    return marks


def center(profiles: Sequence[Profile]) -> dict[str, float]:
    """Each dial's mean over the profiles that set it."""
    names = {name: None for profile in profiles for name in profile.dials}
    return {name: float(np.mean([profile.dials[name] for profile in profiles if name in profile.dials])) for name in names}


def _axis(name: str, profile: Profile, middle: Mapping[str, float]) -> dict[str, object]:
    table = definitions.dials()
    ends = {
        dial: [_tidy(float(np.clip(middle[dial] + far * (value - middle[dial]), table[dial].low, table[dial].high))) for far in _ENDS]
        for dial, value in profile.dials.items() if dial in table  # how somebody types is not searched
    }  # fmt: skip
    return {"name": name, "definition": _said(profile), "low": "", "high": "", "dials": ends}


def _said(profile: Profile) -> str:
    """The claims as one paragraph; where they are too long, those that came latest are left out."""
    room, kept = _LONGEST, []
    for place, claim in sorted(enumerate(profile.claims), key=lambda pair: pair[1].since):
        size = len(claim.text.encode()) + 1
        if size > room:
            break
        room -= size
        kept.append((place, claim.text))
    return " ".join(text for _, text in sorted(kept))


def _tidy(value: float) -> float:
    """Three significant digits, so that programs stay readable."""
    return float(f"{value:.3g}")
