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
from personaevo.measure.coverage import Cells, Standard, tessellate
from personaevo.measure.density import sample
from personaevo.programs.edit import with_literal
from personaevo.programs.personas import MAX_TEXT
from personaevo.records import Floats
from personaevo.reference import Reference
from personaevo.refine import implicit
from personaevo.refine.implicit import ImplicitProfile
from personaevo.refine.profile import Profile
from personaevo.text import one_line

SEATS = 12  # profiles in the seed program: half of the axes that a program may have, so that there is room to add and to join
_ENDS = (0.5, 1.5)  # how far an axis goes from the average to its profile: to half the way, and half the way beyond
_LESS_WORDS = 20
_LEAST_CELLS = 0.5


@dataclass(frozen=True)
class Profiles:
    """What a search makes of refined profiles: the ``source`` of the program that it begins with, and ``cells`` around where these people
    stand, with their names (None: they make too few). ``used`` says in a few words what became of them, for the archive; ``notes`` tell
    whoever began it who is left out, and what else there is to know."""

    source: str
    used: str
    cells: Cells | None
    cell_names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def load(config: SearchConfig, steering: Reference, held_out: Reference) -> Profiles | None:
    """What the search makes of the profiles given; None if none are.

    Raises:
        InputError, ArchiveError: see ``implicit.read``; also if all are profiles of people who are held out.
    """
    if config.profiles is None:
        return None
    found = implicit.read(config.profiles)
    kept_back = {tuple(row) for row in held_out.values.tolist()}
    usable = [one for one in found if kept_back.isdisjoint(one.seen)]
    if not usable:
        raise InputError(f"{config.profiles}: all {len(found)} profiles are of people who are held out; give more, or another --seed")
    typical = steering.values.mean(axis=0)
    places = [one.point(typical) for one in usable]
    points = np.array([typical if place is None else place for place in places])
    source = seed_source([one.profile for one in usable], Standard.of(steering.values), points, config.seed)
    cells = _cells(config, steering.values, points[[place is not None for place in places]])
    where = "the people's dialogues" if cells is None else "them"
    used = f"{len(usable)} of {len(found)} ({len(found) - len(usable)} are of held-out people); cells around {where}"
    return Profiles(source, used, cells, () if cells is None else _names(cells, steering.values), _notes(config, found, usable, cells))


def _cells(config: SearchConfig, people: Floats, points: Floats) -> Cells | None:
    """Cells around the profiles; None if they do not make half as many as are wanted."""
    if len(np.unique(points, axis=0)) < 2 * config.cells:
        return None
    cells = tessellate(people, config.cells, config.seed, points)
    return cells if len(cells) >= _LEAST_CELLS * config.cells else None


def _names(cells: Cells, people: Floats) -> tuple[str, ...]:
    """After the mean of the dialogues in each, since the profiles themselves all lie near the average."""
    points, assigned = cells.standard(people), cells.assign(people)
    return tuple(named(np.array([points[assigned == cell].mean(axis=0) for cell in range(len(cells))]), cells.standard))


def _notes(
    config: SearchConfig, found: Sequence[ImplicitProfile], usable: Sequence[ImplicitProfile], cells: Cells | None
) -> tuple[str, ...]:
    notes = []
    if len(usable) < len(found):
        notes.append(f"{len(found) - len(usable)} of {len(found)} profiles are of people who are held out, and are not used")
    unknown = sum(not one.seen for one in usable)
    if unknown:
        notes.append(f"{unknown} profiles do not tell whose dialogues they were made from: these people may be among the held-out ones")
    elsewhere = sorted({Path(one.domain).name for one in usable} - {"", config.domain})
    if elsewhere:
        notes.append(f"profiles were refined in the domain {', '.join(map(one_line, elsewhere))}, this search is in {config.domain}")
    if cells is None:
        notes.append(
            f"{len(usable)} profiles do not make {config.cells} cells (at least {2 * config.cells} different ones would): "
            "the cells are those of the people's dialogues"
        )
    return tuple(notes)


# --- the program that a search begins with


def seed_source(profiles: Sequence[Profile], standard: Standard, points: Floats, seed: int) -> str:
    """A persona program with a kind of people for each profile, or for a sample by density of twelve in which rare ones are included.

    A kind has one axis: its level says how marked the person is, from half way between the average of all profiles and the person's own
    to as far beyond. Dials that a profile leaves open are left to the simulator.

    Args:
        standard: the scale of distances between ``points[n, d]``, where the people stand.
    """
    places = standard(points)
    chosen = sample(places, SEATS, np.random.default_rng(seed))
    spread = places.std(axis=0)
    names = named(((places - places.mean(axis=0)) / np.where(spread > 0, spread, 1.0))[list(chosen)], standard)
    middle = center(profiles)
    values = {
        "AXES": [_axis(name, profiles[index], middle) for name, index in zip(names, chosen, strict=True)],
        "LEVELS": {name: [0.0, 1.0] for name in names},
        "KINDS": [{"share": _tidy(share), "axes": [name]} for name, share in zip(names, chosen.values(), strict=True)],
    }
    source = (content.root("seeds") / "profiles.py").read_text(encoding="utf-8")
    for name, value in values.items():
        source = with_literal(source, name, value)
    return source


def center(profiles: Sequence[Profile]) -> dict[str, float]:
    """Each dial's mean over the profiles that set it."""
    names = {name: None for profile in profiles for name in profile.dials}
    return {name: float(np.mean([profile.dials[name] for profile in profiles if name in profile.dials])) for name in names}


def _axis(name: str, profile: Profile, middle: Mapping[str, float]) -> dict[str, object]:
    table = definitions.dials()
    ends = {
        dial: [_tidy(float(np.clip(middle[dial] + far * (value - middle[dial]), table[dial].low, table[dial].high))) for far in _ENDS]
        for dial, value in profile.dials.items()
    }
    return {"name": name, "definition": _said(profile), "low": "", "high": "", "dials": ends}


def _said(profile: Profile) -> str:
    """The claims as one paragraph, the latest left out where they are longer than a program's text may be."""
    budget = profile.words
    while len(said := " ".join(claim.text for claim in profile.claims)) > MAX_TEXT:
        budget -= _LESS_WORDS
        profile = profile.within(budget)[0]
    return said


def _tidy(value: float) -> float:
    """Three significant digits, so that programs stay readable."""
    return float(f"{value:.3g}")
