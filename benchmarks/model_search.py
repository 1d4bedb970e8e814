"""A search whose users a real model plays: what its best program is worth, and what screening saves.

    python -m benchmarks.model_search --model MODEL --keep FOLDER [--domain service] [--candidates N] [--calibration FILE] [--seed 1]
        [--unscreened]

The best program's row and its paired differences come from the search's own final table, on held-out tasks and people. With
``--unscreened`` the same search runs once more with every first proposal played; what the judge is trained against is the same dialogues,
so it starts from their answers. For both, the expected score of the best program after each candidate, and the dialogues played until then.
Archives in ``--keep`` have all answers: a benchmark that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import duckdb

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.evolve.estimate import dialogues
from personaevo.evolve.prepare import run_floors
from personaevo.evolve.progress import Progress
from personaevo.evolve.search import SearchResult, State, search
from personaevo.evolve.table import BEST
from personaevo.inspect import table_text
from personaevo.judge.objectives import SCORE
from personaevo.records import FinalTable

AGAINST = ("average_person", "seed_program", "persona_free")


def main() -> None:
    """Runs the search or both, and prints what they found."""
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
        reached = next((played for played, score in course if score >= max(value for _, value in other_course)), None)
        print(f"== the best expected score of {other_course[-1][0]} dialogues without screening is reached, screened, after {reached}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="the user's model")
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--domain", default="service")
    parser.add_argument("--candidates", type=int)
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unscreened", action="store_true")
    return parser.parse_args()


def _searched(options: argparse.Namespace, place: Path, screen: int) -> tuple[SearchResult, list[tuple[int, float]]]:
    """The result, and (dialogues of candidates, expected score of the best) after each candidate."""
    given: dict[str, Any] = {} if options.candidates is None else {"candidates": options.candidates}
    config = SearchConfig(
        domain=options.domain, seed=options.seed, models={"user": options.model}, archive=place, resume=place.exists(), screen=screen,
        calibration=options.calibration, model_seconds=600.0, **given,
    )  # fmt: skip
    planned = dialogues(config)
    print(f"{place.name}: {planned.all} dialogues ({planned})", flush=True)

    def told(now: Progress) -> None:
        if now.outlook is not None and now.done == now.outlook.played == 0 and now.outlook.seconds is not None:
            print(f"expected: {now.outlook.seconds / 60:.0f} min", flush=True)
        print(f"{now.outlook.played if now.outlook else 0} dialogues, {now.done}/{now.planned} candidates, {now.seconds:.0f} s", flush=True)

    result = search(config, observe=told)
    print(f"{result.seconds / 60:.1f} min", flush=True)
    state, course = State(run_floors(config)), []
    with Archive.read(place) as archive:
        for commit in archive.commits(1):
            state.tell(commit)
            course.append((state.episodes, state.held.expected or 0.0))
    return result, course


def _begin_with_answers(place: Path, other: Path) -> None:
    """An archive without a run that has the answers of another one."""
    part = other.with_suffix(".part")
    Archive.create_or_open(part).close()
    source = other.with_suffix(".source")
    shutil.copy(place, source)  # nobody waits for the lock of the first
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
    print(f"course (dialogues, expected score): {[(played, round(score, 3)) for played, score in course]}")
    for one in result.comparisons:
        if one.objective == SCORE and one.against in AGAINST and one.row == BEST:
            print(f"== {BEST} less {one.against}: {one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]")


if __name__ == "__main__":
    main()
