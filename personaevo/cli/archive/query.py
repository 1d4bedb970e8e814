"""``archive query``: named queries and SQL."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Literal

import click

from personaevo.cli.archive.group import archive
from personaevo.cli.output import say, show_json, show_view
from personaevo.cli.shared import archive_file, as_json, debuggable

_NAME = re.compile(r"[\w-]+")
_LIMIT = 1000


@archive.command()
@archive_file
@click.argument("query", metavar="[NAME|SQL]", required=False)
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", help="Output format.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=_LIMIT, show_default=True, metavar="N", help="Print at most N rows.")
@as_json
@debuggable
def query(file: Path, query: str | None, form: Literal["table", "json", "csv"], limit: int, as_json: bool) -> None:
    """Run a named query, or your own read-only SQL. Without either, list the named queries.

    Tables and views are described in archive/migrations; the query DESCRIBE elites lists the columns of the view elites.
    """
    from personaevo.archive import Archive, named_queries, named_query
    from personaevo.cli.archive.answer import QueryResult
    from personaevo.inspect.layout import labels, text

    if query is None:
        if as_json:
            return show_json({"queries": named_queries()})
        return show_view(labels((name, text(shows)) for name, shows in named_queries().items()))
    sql = named_query(query) if _NAME.fullmatch(query) else query
    if sql is None:
        raise click.BadParameter(f"no query is called '{query}'; there are {', '.join(named_queries())}", param_hint="NAME")
    with Archive.read(file) as opened:
        columns, rows = opened.query(sql, limit=limit + 1)
    result, cut = QueryResult(columns, rows[:limit]), len(rows) > limit
    if as_json or form == "json":
        show_json({**result.as_object(), "cut": cut})
    elif form == "csv":
        sys.stdout.write(result.as_csv())
    else:
        show_view(result)
    if cut:
        say(f"only the first {limit:,} rows are shown: there are more (--limit)")
    return None
