"""Share of a model's proposals that are usable.

    python -m benchmarks.proposals --model MODEL --keep FILE [--proposals 30] [--domain service] [--seed 1] [--json]

A search with the embedded engine for everything but the mutator. A proposal is usable if its program is new (by its normalized digest),
differs from its parent in more than one literal, passes the rules and the sandbox, and all of its dialogues complete. The archive in
``--keep`` has the answers: an interrupted benchmark resumes from there.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from scipy.stats import binomtest

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.evolve.progress import Progress
from personaevo.evolve.search import search
from personaevo.records import Commit

USABLE = 0.60  # target


def main() -> None:
    """Print the usable share with its interval, the results of the others, and figures for each operator."""
    options = _options()
    _search(options)
    with Archive.read(options.keep) as archive:
        commits = archive.commits(1)[1 : options.proposals + 1]
        sources = {commit.candidate.program.id: commit.candidate.program.source for commit in archive.commits(1)}
        seconds, calls, tokens = archive.query(
            "SELECT sum(seconds), count(*), sum(output_tokens) FROM model_calls WHERE \"role\" = 'mutator'"
        )[1][0]
    kinds = [(commit.candidate.operator, _kind(commit, sources)) for commit in commits]
    usable = sum(kind == "usable" for _, kind in kinds)
    ends = binomtest(usable, len(kinds)).proportion_ci(method="wilson")
    found = {
        "proposals": len(kinds), "usable": usable, "share": usable / len(kinds), "interval": [ends.low, ends.high],
        "kinds": Counter(kind for _, kind in kinds),
        "operators": {name: Counter(kind for operator, kind in kinds if operator == name) for name in sorted({name for name, _ in kinds})},
        "calls": calls, "seconds_each": seconds / len(kinds), "tokens_each": tokens / len(kinds),
    }  # fmt: skip
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        print(f"{name}: {dict(value) if isinstance(value, Counter) else value}")
    print(f"== {'holds' if usable / len(kinds) >= USABLE else 'MISSED'} usable {usable} of {len(kinds)}, at least {USABLE:.0%}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--proposals", type=int, default=30)
    parser.add_argument("--domain", default="service")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _search(options: argparse.Namespace) -> None:
    """The search, new or resumed."""

    def told(now: Progress) -> None:
        print(f"{now.done}/{now.planned} candidates, {now.seconds:.0f} s", flush=True)

    config = SearchConfig(
        domain=options.domain, seed=options.seed, candidates=options.proposals + 1, models={"mutator": options.model}, finalists=1,
        test_tasks=2, test_personas=1, people_draws=2, model_seconds=1_800.0, archive=options.keep, resume=options.keep.exists(),
    )  # fmt: skip
    search(config, observe=told)


def _kind(commit: Commit, sources: Mapping[str, str]) -> str:
    """"usable", or why not."""
    candidate, evaluation = commit.candidate, commit.evaluation
    if candidate.state == "duplicate":
        return "known already"
    if evaluation is None:
        return f"refused: {(candidate.reason or '').split(':')[0][:60]}"
    if evaluation.completed < evaluation.planned:
        return "dialogues failed"
    if all(_changed(sources[parent], candidate.program.source) < 2 for parent in candidate.parents):
        return "one literal changed"
    return "usable"


def _changed(parent: str, child: str) -> int:
    """Number of literals of the child that its parent does not have."""
    return (_literals(child) - _literals(parent)).total()


def _literals(source: str) -> Counter[str]:
    return Counter(repr(node.value) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))


if __name__ == "__main__":
    main()
