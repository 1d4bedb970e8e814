"""The named queries: ``archive/queries/NAME.sql``, each with a first line that says what it shows."""

from __future__ import annotations

from personaevo import content


def named_queries() -> dict[str, str]:
    """What each shows, by name."""
    return {name: sql.partition("\n")[0].removeprefix("--").strip() for name, sql in _queries().items()}


def named_query(name: str) -> str | None:
    """The SQL of one; None if there is none of that name."""
    return _queries().get(name)


def _queries() -> dict[str, str]:
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted((content.root("archive") / "queries").glob("*.sql"))}
