"""Inspect an archive from Python: cells, elites, and a dialogue of one of them: ``python examples/inspect_archive.py ARCHIVE``."""

import sys

import personaevo as pe

with pe.Archive.read(sys.argv[1]) as archive:
    for elite in archive.elites():
        print(f"{elite.name:50} {elite.mass:5.0%} of people  score {elite.score:.2f}  program {elite.program_id}")
    best = max(archive.elites(), key=lambda elite: elite.mass * elite.score)
    episode = archive.episodes(archive.run().id, best.number)[0]
    for role, text in episode.turns:
        print(f"  {role:9} {text}")
