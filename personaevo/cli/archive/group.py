"""Commands that show an archive: ``summary``, ``elites``, ``show``, ``lineage``, ``diff``, ``profiles``, ``query`` and ``report``."""

from __future__ import annotations

import click


@click.group()
def archive() -> None:
    """Inspect, check and convert archives. Reading works also while a search writes the archive."""
