"""``personaevo archive``. Importing the modules of the commands adds them to the group."""

from personaevo.cli.archive.commands import archive, diff, lineage, profiles, query, report, show_elites, show_program, summary
from personaevo.cli.archive.convert import compact, export, merge, verify

__all__ = [
    "archive", "compact", "diff", "export", "lineage", "merge", "profiles", "query", "report", "show_elites", "show_program", "summary",
    "verify",
]  # fmt: skip
