"""A search with users played by a real model: the score of its best program, and the savings of screening.

    python -m benchmarks.model_search --model MODEL --keep FOLDER [--domain service] [--calibration FILE] [--seed 1] [--unscreened]
        [--candidates 10] [--tasks 4] [--personas 3] [--test-tasks 9] [--test-personas 3]

The default is 240 dialogues of candidates and 236 of the judge and the final table. The best program's row and its paired differences come
from the search's own final table, on held-out tasks and people. With ``--unscreened`` the same search runs once more with every first
proposal played; the judge's training dialogues are the same, so it reuses their answers. The dialogues of one candidate cannot
measure its consistency (the error is as large as people's figure), so the two searches are compared by the harmonic mean of the other
steering objectives: of each candidate, of all candidates together, and the dialogues until the other search's best was reached.
Archives in ``--keep`` have all answers: an interrupted benchmark resumes from there.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from statistics import fmean, harmonic_mean

import duckdb
import numpy as np

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.evolve.progress import Progress, SearchResult, dialogues
from personaevo.evolve.ranking import BEST
from personaevo.evolve.search import search
from personaevo.judge.objectives import SCORE, steering
from personaevo.records import Evaluation, FinalTable
from personaevo.views.tables import table_text

AGAINST = ("average_person", "seed_program", "persona_free")


def main() -> None:
    """Run one or both searches and print the results."""
    options = _options()
    options.keep.mkdir(parents=True, exist_ok=True)
    place = options.keep / f"screened-{options.domain}-{options.seed}.duckdb"
    screened, course = _searched(options, place, SearchConfig().screen)
    _show("screened", screened, course)
    if options.unscreened:
        other = place.with_name(place.name.replace("screened", "unscreened"))
        if not other.exists():
            _begin_with_answers(place, other)
        result, other_course = _searched(options, other, 1)
        _show("unscreened", result, other_course)
        best = max(value for _, value in other_course)
        reached = next((played for played, value in course if value >= best), None)
        print(f"== the best candidate of {other_course[-1][0]} dialogues without screening, {best:.3f}, is reached, screened, by {reached}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="the user's model")
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--domain", default="service")
    parser.add_argument("--candidates", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--personas", type=int, default=3)
    parser.add_argument("--test-tasks", type=int, default=9)
    parser.add_argument("--test-personas", type=int, default=3)
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unscreened", action="store_true")
    return parser.parse_args()


def _searched(options: argparse.Namespace, place: Path, screen: int) -> tuple[SearchResult, list[tuple[int, float]]]:
    """The result, and for each played candidate the dialogues so far and ``_without_consistency``."""
    config = SearchConfig(
        domain=options.domain, seed=options.seed, models={"user": options.model}, archive=place, resume=place.exists(), screen=screen,
        calibration=options.calibration, model_seconds=600.0, candidates=options.candidates, task_count=options.tasks,
        personas=options.personas, test_tasks=options.test_tasks, test_personas=options.test_personas,
    )  # fmt: skip
    planned = dialogues(config)
    print(f"{place.name}: {planned.all} dialogues ({planned})", flush=True)

    def told(now: Progress) -> None:
        if now.outlook is not None and now.done == now.outlook.played == 0 and now.outlook.seconds is not None:
            print(f"expected: {now.outlook.seconds / 60:.0f} min", flush=True)
        print(f"{now.outlook.played if now.outlook else 0} dialogues, {now.done}/{now.planned} candidates, {now.seconds:.0f} s", flush=True)

    result = search(config, observe=told)
    print(f"{result.seconds / 60:.1f} min", flush=True)
    played, course = 0, []
    with Archive.read(place) as archive:
        for commit in archive.commits(1):
            if commit.evaluation is not None:
                played += commit.evaluation.planned
                course.append((played, _without_consistency(commit.evaluation)))
    return result, course


def _without_consistency(evaluation: Evaluation) -> float:
    found = [evaluation.objectives[name].value for name in steering() if name != "consistency"]
    return float(harmonic_mean(np.clip(found, 0.0, 1.0)))


def _begin_with_answers(place: Path, other: Path) -> None:
    """Create an archive without a run that has the answers of another one."""
    part = other.with_suffix(".part")
    Archive.create_or_open(part).close()
    source = other.with_suffix(".source")
    shutil.copy(place, source)  # a copy, as the first is locked
    with duckdb.connect(str(part)) as database:
        database.execute(f"ATTACH '{source}' AS source (READ_ONLY)")
        database.execute("INSERT INTO model_calls BY NAME SELECT * FROM source.model_calls")
        database.execute("DETACH source")
    source.unlink()
    part.rename(other)


def _show(name: str, result: SearchResult, course: list[tuple[int, float]]) -> None:
    played = f"{result.episodes} dialogues of candidates and finals"
    print(f"\n{name}: {result.candidates} candidates, {played}, {result.seconds:.0f} s, digest {result.digest}")
    print(table_text(FinalTable(result.table, result.comparisons)))
    print(f"course (dialogues, without consistency): {[(played, round(value, 3)) for played, value in course]}")
    print(f"mean of those after the seed program: {fmean(value for _, value in course[1:]):.3f}")
    for one in result.comparisons:
        if one.objective == SCORE and one.against in AGAINST and one.row == BEST:
            print(f"== {BEST} less {one.against}: {one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]")


if __name__ == "__main__":
    main()
