"""``personaevo archive``. Importing the modules of the commands adds them to the group."""

from personaevo.cli.archive.group import archive
from personaevo.cli.archive.keep import compact, export, merge, verify
from personaevo.cli.archive.look import diff, lineage, profiles, show_elites, show_program, summary
from personaevo.cli.archive.query import query
from personaevo.cli.archive.report import report

__all__ = [
    "archive", "compact", "diff", "export", "lineage", "merge", "profiles", "query", "report", "show_elites", "show_program", "summary",
    "verify",
]  # fmt: skip
