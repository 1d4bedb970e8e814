"""The benefit of refined profiles to a search: from the domain's seed program, from profiles, and from averages.

    python -m benchmarks.profiles --profiles ARCHIVE|FOLDER [--domain charity] [--seeds 1,2,3,4,5] [--candidates 100] [--jobs 2]

All searches use the same cells, those of the reference's dialogues, and the same judge, on held-out tasks and people; profiles of held-out
people are left out. Two controls separate the effect of single profiles: the average of the same profiles, and the mean of the reference's
people used for steering, each as a single kind of people. The last search is ``search --profiles`` as it is, with cells around the
profiles.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from personaevo import reference
from personaevo.config import SearchConfig, make_config
from personaevo.evolve import profiles
from personaevo.evolve.prepare import load_people
from personaevo.evolve.progress import SearchResult
from personaevo.evolve.search import search
from personaevo.measure.stats import paired_difference
from personaevo.refine.features import as_dials
from personaevo.refine.loop import refined_profiles
from personaevo.refine.profile import Profile

CONTROLS = ("domain", "mean of people", "average")
ROWS = ("seed_program", "evolved")


def main() -> None:
    """Print each seed's held-out scores, and means and paired differences over the seeds."""
    options = _options()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    found: dict[str, list[SearchResult]] = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            config = make_config({"domain": options.domain, "seed": seed, "candidates": options.candidates, "jobs": options.jobs})
            for name, changed in _configs(config, options.profiles, Path(folder)).items():
                found.setdefault(name, []).append(search(changed.model_copy(update={"archive": Path(folder) / f"{name}.duckdb"})))
        print(_line(f"{options.domain} {seed}", {name: _scores(results[-1]) for name, results in found.items()}), flush=True)
    means = {name: np.mean([_scores(result) for result in results], axis=0).tolist() for name, results in found.items()}
    print(_line(f"== mean of {len(seeds)} seeds (seed program → evolved)", means))
    for start in CONTROLS if len(seeds) > 1 else ():
        for place, row in enumerate(ROWS):
            ours, theirs = ([_scores(result)[place] for result in found[name]] for name in ("profiles", start))
            mean, low, high = paired_difference(ours, theirs)
            print(f"   {row} from profiles above that from {start} by {mean:+.3f} [{low:+.3f}, {high:+.3f}]")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=Path, required=True)
    parser.add_argument("--domain", default="charity")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def _configs(config: SearchConfig, path: Path, folder: Path) -> dict[str, SearchConfig]:
    """The searches by their start."""
    steering, held_out = reference.split(load_people(config), config.seed)
    usable = profiles.not_held_out(refined_profiles.read(path), held_out)
    average = Profile(dials=profiles.center([one.profile for one in usable]))
    mean = Profile(dials=as_dials(steering.values.mean(axis=0)))
    starts = {"mean of people": [_one(mean)], "average": [_one(average)], "profiles": usable}
    for name, given in starts.items():
        (folder / f"{name}.py").write_text(profiles.seed_source(given, steering.values, config.seed), encoding="utf-8")
    own = {name: config.model_copy(update={"program": folder / f"{name}.py"}) for name in starts}
    return {"domain": config, **own, "own cells": config.model_copy(update={"profiles": path})}


def _one(profile: Profile) -> refined_profiles.ImplicitProfile:
    """A single kind of people, all with this profile."""
    return refined_profiles.ImplicitProfile(profile=profile, personal=False)


def _scores(result: SearchResult) -> list[float]:
    rows = {row.row: row.measures["score"].mean for row in result.table}
    return [rows[name] for name in ROWS]


def _line(title: str, scores: Mapping[str, Sequence[float]]) -> str:
    return f"{title}: " + "   ".join(f"{name} {first:.3f} → {last:.3f}" for name, (first, last) in scores.items())


if __name__ == "__main__":
    main()
