"""Does refinement make people identifiable, and does it stay neutral on control data?

    python -m benchmarks.refine --people INDEX.json [--data FOLDER] [--items 1|3] [--json]
                                [--shuffled] [--analysts noisy adversarial constant] [--runs 200]

The last item of each person in the index is held out and the profile is made from the first ``--items`` others (default: all). The table
has the refined profile and every control against the population: the energy score, its gain, the gain as a share of the room up to the
person's own other dialogues, the share of people for whom it is worse, and re-identification. ``--json`` prints the same as one object.

``--shuffled`` reassigns the dialogues of each side at random, so that a person's items and the held-out one are mostly of two people:
there must be no gain over the population. ``--analysts`` refines people (with other seeds once each had a turn) from targets that are
noise (drawn from all people's range), adversarial (mirrored at the mean) or constant (the same for all): the interval of the mean change
on held-out items must not be below 0.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from personaevo.refine import features
from personaevo.refine.items.behavior import Behavior, DialogueItem, Item, Parts
from personaevo.refine.items.reading import read_people
from personaevo.refine.loop.person import Engine, RefinementTask, case_of, outcome, peer_outcomes
from personaevo.refine.loop.rounds import refined
from personaevo.refine.loop.run import ROLES, Cohort, refine_all, tasks_among, with_bias
from personaevo.refine.loop.scoring import Change, change
from personaevo.refine.loop.summary import summarize, summary_text
from personaevo.refine.profile import Profile
from personaevo.refine.records import Settings
from personaevo.refine.roles.base import Analysis, Analyst, RolePlay
from personaevo.refine.roles.population import Corpus
from personaevo.workers import Workers

KINDS = ("noisy", "adversarial", "constant")


def main() -> None:
    """Print the report, or one line for each wrong analyst."""
    options = _options()
    began = time.monotonic()
    behaviors = tuple(read_people(options.people, dialogues_of(options.people, options.data)))
    if options.shuffled:
        behaviors = shuffled(behaviors, options.seed)
    settings, engine = Settings(samples=options.samples, seed=options.seed), Engine(options.domain)
    found = last_held_out(behaviors, engine, settings, options.items)
    if not options.analysts:
        results = refine_all(engine, settings, found, None, options.jobs)
        summary = summarize(results, peer_outcomes(results, found))
        seconds = time.monotonic() - began
        told = {"people": str(options.people), "items": options.items, "seconds": round(seconds, 1), "summary": summary.to_dict()}
        print(json.dumps(told) if options.json else f"{summary_text(summary)}\n\n{seconds:.0f} s")
    for kind in options.analysts:
        print(_line(kind, wrong(kind, engine, settings, found, options.runs, options.jobs)), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="the folder of the dialogues, if not that of the index")
    parser.add_argument("--items", type=int, help="items of each person from which a profile is made (default: all but the last)")
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--analysts", nargs="*", choices=KINDS, default=[])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--samples", type=int, default=Settings().samples)
    parser.add_argument("--domain", default="charity")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def dialogues_of(people: Path, folder: Path | None) -> Path | None:
    """The file of an index's dialogues in another folder, found by the beginning of its name."""
    if folder is None or folder.resolve() == people.parent.resolve():
        return None
    start = people.name.removesuffix(".json").removesuffix("_people")
    (found,) = (path for path in folder.glob("*.jsonl*") if path.name.startswith(start))
    return found


def last_held_out(behaviors: Sequence[Behavior], engine: Engine, settings: Settings, items: int | None) -> list[RefinementTask]:
    """All people on each side with at least two dialogues: the last one is test, the first ``items`` of the others are train."""
    sides: dict[tuple[str, str], tuple[DialogueItem, ...]] = {
        (one.person, role): own
        for one in behaviors for role in ROLES
        if len(own := tuple(item for item in one.items if isinstance(item, DialogueItem) and item.role == role)) > 1
    }  # fmt: skip
    corpus = Corpus(behaviors, engine.losses, {key: frozenset({own[-1].id}) for key, own in sides.items()})
    found = with_bias(tasks_among(Cohort(tuple(behaviors)), corpus, None), corpus, engine, settings)
    usable = [work for work in found if work.key in sides and work.population is not None]
    return [replace(work, parts=Parts(sides[work.key][:-1][:items], test=sides[work.key][-1:])) for work in usable]


def shuffled(behaviors: Sequence[Behavior], seed: int) -> tuple[Behavior, ...]:
    """The dialogues of each side reassigned at random; the number of dialogues per person and side stays."""
    rng = random.Random(seed)
    piles: dict[str, list[Item]] = {"user": [], "assistant": []}
    for behavior in behaviors:
        for item in behavior.items:
            if isinstance(item, DialogueItem):
                piles[item.role].append(item)
    for pile in piles.values():
        rng.shuffle(pile)
    dealt = []
    for behavior in behaviors:
        items = [piles[item.role].pop() for item in behavior.items if isinstance(item, DialogueItem)]
        unlike = {item.id: item for item in items}  # a person cannot be on both sides of one dialogue
        dealt.append(behavior.model_copy(update={"items": tuple(unlike.values())}))
    return tuple(dealt)


@dataclass(frozen=True)
class WrongAnalyst:
    """An analyst with wrong targets."""

    kind: str
    right: Analyst
    seed: str

    def analyze(self, profile: Profile, items: Sequence[Item], role_plays: Sequence[RolePlay]) -> Analysis:
        """The analysis of the right analyst, with other targets."""
        analysis = self.right.analyze(profile, items, role_plays)
        rng, dials, center = random.Random(self.seed), features.dials(), profile.dials
        targets = {}
        for name, value in analysis.targets.items():
            low, high = dials[name].low, dials[name].high
            mean = center.get(name, value)
            targets[name] = {
                "noisy": low + (high - low) * rng.random(),
                "adversarial": min(high, max(low, 2 * mean - value)),
                "constant": low + (high - low) * 0.25,
            }[self.kind]
        return replace(analysis, targets=targets)


def wrong(
    kind: str, engine: Engine, settings: Settings, found: Sequence[RefinementTask], runs: int, jobs: int
) -> list[tuple[str, float, float]]:
    """Of each run the person, and the energy scores on test at the start and refined."""
    tasks = [
        (kind, engine, settings.model_copy(update={"seed": settings.seed + run // len(found)}), found[run % len(found)])
        for run in range(runs)
    ]  # fmt: skip
    with Workers(jobs) as workers:
        return [one for one in workers.map(_one, tasks) if one is not None]


def _one(task: tuple[str, Engine, Settings, RefinementTask]) -> tuple[str, float, float] | None:
    kind, engine, settings, work = task
    case, start = case_of(engine, settings, work)
    if not case.parts.test:
        return None
    analyst = WrongAnalyst(kind, case.roles.analyst, f"{settings.seed} {work.key}")
    history, _, _ = refined(replace(case, roles=replace(case.roles, analyst=analyst)), start)
    scores = [outcome(case, profile, case.judged).value for profile in (start, history.current.profile)]
    return None if scores[0] is None or scores[1] is None else (work.behavior.person, scores[0], scores[1])


def _line(kind: str, found: Sequence[tuple[str, float, float]]) -> str:
    made: Change = change(
        "energy", [before for _, before, _ in found], [after for _, _, after in found], higher_is_better=False,
        units=[name for name, _, _ in found],
    )  # fmt: skip
    updated = fmean(before != after for _, before, after in found)
    return f"{kind:12} {len(found):4} runs, gain {made.gain:+.3f} ({made.low:+.3f} to {made.high:+.3f}), updated {updated:.0%}"


if __name__ == "__main__":
    main()
