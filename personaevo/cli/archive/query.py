"""``archive query``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from personaevo.cli.archive.group import archive
from personaevo.cli.output import say, show_json, show_view
from personaevo.cli.shared import archive_file, as_json, debuggable

if TYPE_CHECKING:
    from rich.console import RenderableType

_NAME = re.compile(r"[\w-]+")
_LIMIT = 1000


@archive.command()
@archive_file
@click.argument("query", metavar="[NAME|SQL]", required=False)
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", help="How the rows are printed.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=_LIMIT, show_default=True, metavar="N", help="At most so many rows.")
@as_json
@debuggable
def query(file: Path, query: str | None, form: Literal["table", "json", "csv"], limit: int, as_json: bool) -> None:
    """Ask a named query, or SQL of your own, which can only read. Without either: the names there are.

    Tables and views are described in archive/migrations; DESCRIBE elites lists the columns of one.
    """
    from personaevo.archive import Archive, named_queries
    from personaevo.cli.archive.answer import Answer

    if query is None and as_json:
        return show_json({"queries": named_queries()})
    if query is None:
        return show_view(_names())
    with Archive.read(file) as opened:
        columns, rows = opened.query(_sql(query), limit=limit + 1)
    answer, cut = Answer(columns, rows[:limit]), len(rows) > limit
    if as_json or form == "json":
        show_json({**answer.as_object(), "cut": cut})
    elif form == "csv":
        sys.stdout.write(answer.as_csv())
    else:
        show_view(answer)
    if cut:
        say(f"only the first {limit:,} rows are shown: there are more (--limit)")
    return None


def _names() -> RenderableType:
    from personaevo.archive import named_queries
    from personaevo.inspect.layout import labels, text

    return labels((name, text(shows)) for name, shows in named_queries().items())


def _sql(query: str) -> str:
    """The SQL of a name, or what was given."""
    from personaevo.archive import named_queries, named_query

    if not _NAME.fullmatch(query):
        return query
    sql = named_query(query)
    if sql is None:
        raise click.BadParameter(f"no query is called '{query}'; there are {', '.join(named_queries())}", param_hint="NAME")
    return sql
