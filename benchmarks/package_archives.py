"""Build the packaged archives: ``python -m benchmarks.package_archives [--domains service charity camping] [--check]``.

Each is a search of 100 candidates with seed 1, without the dialogues of candidates that hold no cell. ``--check`` builds them in a
temporary place and compares their digests with the packaged ones.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from personaevo import content
from personaevo.archive import Archive, compact
from personaevo.config import SearchConfig
from personaevo.definitions import domain_names
from personaevo.evolve.search import search

CANDIDATES, SEED = 100, 1


def make(target: Path, config: SearchConfig) -> str:
    """Search with ``config`` and write the packaged part to the new file ``target``; return its digest."""
    with tempfile.TemporaryDirectory() as folder:
        found = search(config.model_copy(update={"archive": Path(folder) / target.name}))
        compact(found.archive, target, elites=True)
    return digest(target)


def remake(packaged: Path, target: Path) -> str:
    """Build a packaged archive again from its own settings; return the digest."""
    with Archive.read(packaged) as archive:
        run = archive.run()
        candidates = len(archive.commits(run.id))
    settings = {name: value for name, value in run.settings.items() if name in SearchConfig.model_fields}
    return make(target, SearchConfig.model_validate({**settings, "candidates": candidates}))


def digest(path: Path) -> str:
    """The archive's digest, checked against its rows."""
    with Archive.read(path) as archive:
        return archive.verify_digest()


def main() -> None:
    """Build or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", nargs="+", default=domain_names())
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    folder = content.root("archive") / "packaged"
    wrong = []
    for domain in options.domains:
        packaged = folder / f"{domain}.duckdb"
        if options.check:
            with tempfile.TemporaryDirectory() as elsewhere:
                same = remake(packaged, Path(elsewhere) / packaged.name) == digest(packaged)
            print(f"{domain:10} {'made again, with the same digest' if same else 'MADE AGAIN WITH ANOTHER DIGEST'}")
            wrong += [] if same else [domain]
        else:
            packaged.unlink(missing_ok=True)
            made = make(packaged, SearchConfig(domain=domain, candidates=CANDIDATES, seed=SEED))
            print(f"{domain:10} {made}  {packaged.stat().st_size / 1e6:.1f} MB")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
