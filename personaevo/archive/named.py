"""Named queries: ``archive/queries/NAME.sql``, each with a description in its first line."""

from __future__ import annotations

from personaevo import content


def named_queries() -> dict[str, str]:
    """Return the description of each named query, by name."""
    files = sorted((content.root("archive") / "queries").glob("*.sql"))
    return {file.stem: file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("--").strip() for file in files}


def named_query(name: str) -> str | None:
    """Return the SQL of a named query; None if there is none of that name."""
    if name not in named_queries():
        return None
    return (content.root("archive") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
