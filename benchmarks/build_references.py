"""Builds the packaged references anew: ``python -m benchmarks.build_references [--data FOLDER] [--out FOLDER]``.

To be run after every change of ``fitness/features.toml``. The corpora are not part of the project (see
``fitness/references/README.md``).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from personaevo import reference
from personaevo.errors import PersonaevoError
from personaevo.readers import read_dialogues

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "fitness" / "references"


@dataclass(frozen=True, slots=True)
class Source:
    """One packaged reference and what it is built from."""

    name: str
    file: str
    corpus: str
    license: str


SOURCES = (
    Source("service", "multidogo_customer_only_human.jsonl.gz", "MultiDoGO (customers' turns)", "CDLA-Permissive-1.0"),
    Source("charity", "p4g_human.jsonl.gz", "PersuasionForGood", "Apache-2.0"),
    Source("camping", "casino_human.jsonl.gz", "CaSiNo", "CC-BY-4.0"),
    Source("taubench_llm", "taubench_llm.jsonl.gz", "tau-bench (historical trajectories and few-shot data)", "MIT"),
)


def build(source: Source, data: Path = DATA) -> reference.Reference:
    """The reference of ``source``, measured with the installed feature set."""
    return reference.build(
        read_dialogues(data / source.file), domain=source.name, corpus=source.corpus, license=source.license
    )


def main(arguments: list[str] | None = None) -> int:
    """Builds and writes all references; 1 when a corpus is missing or does not fit."""
    parser = argparse.ArgumentParser(description="Build the packaged references from the corpora.")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the corpora (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to (default: %(default)s)")
    given = parser.parse_args(arguments)
    if not given.data.is_dir():
        names = ", ".join(source.file for source in SOURCES)
        print(f"{given.data}: no such folder; give the one that holds {names} with --data", file=sys.stderr)
        return 1
    try:
        built = [(source, build(source, given.data)) for source in SOURCES]
        for source, made in built:
            path = given.out / f"{source.name}.jsonl"
            reference.save(made, path)
            print(f"{path}: {made.counts}, losses: {', '.join(made.losses) or 'none'}")
    except PersonaevoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
