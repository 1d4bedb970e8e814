"""Refinement where it must not help: behaviors shuffled between people, and analysts that are wrong.

    python -m benchmarks.refine --people INDEX.json [--shuffled] [--analysts noisy adversarial constant] [--runs 200] [--samples 60]

Without either, the people as they are. ``--shuffled`` deals the dialogues of each side out anew, so that a person's training dialogue and
test dialogue are mostly of two people: the gain over the population mean must be 0 within its interval. ``--analysts`` refines so many
people (with other seeds once all had their turn) from targets that are noise (drawn from all people's range), adversarial (as far on the
other side of the mean as the person is on this one) or constant (the same for everybody): the mean change on test must not be below 0 by
more than its interval.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from personaevo import definitions
from personaevo.refine import controls, person
from personaevo.refine.behavior import Behavior, DialogueItem, Item
from personaevo.refine.compare import Change, change
from personaevo.refine.loop import refined
from personaevo.refine.people import Crowd, refine_all, works
from personaevo.refine.person import Engine, Work
from personaevo.refine.profile import Profile
from personaevo.refine.reading import read_people
from personaevo.refine.result import Settings
from personaevo.refine.roles import Analysis, Analyst, Performance
from personaevo.refine.split import split
from personaevo.refine.summary import others, summarize, summary_text
from personaevo.workers import Workers

KINDS = ("noisy", "adversarial", "constant")


def main() -> None:
    """Prints the report, or a line for each wrong analyst."""
    options = _options()
    behaviors = tuple(read_people(options.people))
    if options.shuffled:
        behaviors = shuffled(behaviors, options.seed)
    settings, engine = Settings(samples=options.samples, seed=options.seed), Engine(options.domain)
    found = [work for work in works(Crowd(behaviors), engine) if split(work.behavior, settings.seed, role=work.role).test]
    began = time.monotonic()
    if not options.analysts:
        results = refine_all(engine, settings, found, None, options.jobs)
        print(summary_text(summarize(results, found, others(results, found))))
    for kind in options.analysts:
        print(_said(kind, wrong(kind, engine, settings, found, options.runs, options.jobs)), flush=True)
    print(f"{time.monotonic() - began:.0f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--analysts", nargs="*", choices=KINDS, default=[])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--domain", default="charity")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def shuffled(behaviors: Sequence[Behavior], seed: int) -> tuple[Behavior, ...]:
    """The dialogues of each side dealt out anew; everybody has as many on each side as before."""
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
        unlike = {item.id: item for item in items}  # both sides of one dialogue cannot be one person's
        dealt.append(behavior.model_copy(update={"items": tuple(unlike.values())}))
    return tuple(dealt)


@dataclass(frozen=True)
class Wrong:
    """An analyst that is wrong in its own way."""

    kind: str
    right: Analyst
    seed: str

    def analyze(self, profile: Profile, items: Sequence[Item], performances: Sequence[Performance]) -> Analysis:
        """What the right one says, with other targets."""
        analysis = self.right.analyze(profile, items, performances)
        rng, dials, center = random.Random(self.seed), definitions.dials(), profile.dials
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


def wrong(kind: str, engine: Engine, settings: Settings, found: Sequence[Work], runs: int, jobs: int) -> list[tuple[str, float, float]]:
    """(person, distance at the start, distance refined) on test of each run."""
    tasks = [
        (kind, engine, settings.model_copy(update={"seed": settings.seed + run // len(found)}), found[run % len(found)])
        for run in range(runs)
    ]  # fmt: skip
    with Workers(jobs) as workers:
        return [one for one in workers.map(_one, tasks) if one is not None]


def _one(task: tuple[str, Engine, Settings, Work]) -> tuple[str, float, float] | None:
    kind, engine, settings, work = task
    case, start = person.case_of(engine, settings, work)
    if not case.parts.test:
        return None
    analyst = Wrong(kind, case.roles.analyst, f"{settings.seed} {work.key}")
    history, _, _ = refined(replace(case, roles=replace(case.roles, analyst=analyst)), start)
    scores = [controls.outcome(case, profile, person.judged(case)).value for profile in (start, history.current.profile)]
    return None if scores[0] is None or scores[1] is None else (work.behavior.person, scores[0], scores[1])


def _said(kind: str, found: Sequence[tuple[str, float, float]]) -> str:
    made: Change = change(
        "distance", [before for _, before, _ in found], [after for _, _, after in found], higher_is_better=False,
        units=[name for name, _, _ in found],
    )  # fmt: skip
    updated = fmean(before != after for _, before, after in found)
    return f"{kind:12} {len(found):4} runs, gain {made.gain:+.3f} ({made.low:+.3f} to {made.high:+.3f}), updated {updated:.0%}"


if __name__ == "__main__":
    main()
