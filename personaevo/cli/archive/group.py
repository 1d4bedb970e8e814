"""The group of commands that look into an archive."""

from __future__ import annotations

import click


@click.group()
def archive() -> None:
    """Look into an archive, also while a search writes it."""
