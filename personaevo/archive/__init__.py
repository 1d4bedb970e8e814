"""Archives: one DuckDB file with everything that searches found. The main class is ``Archive``."""

from personaevo.archive.integrity import Finding
from personaevo.archive.queries import Elite, Member, Population
from personaevo.archive.rewrite import Compacted, MergedRun, compact, merge
from personaevo.archive.side_tables import ModelCallStore, RefinedPerson, Refinements, ReplayStore, StoredCalibration
from personaevo.archive.store import Archive
from personaevo.archive.tables import STATES, Outcomes, named_queries, named_query, write_tables
from personaevo.archive.tables import Kind as TableKind
from personaevo.renamed import old_names

__all__ = [
    "STATES",
    "Archive",
    "Compacted",
    "Elite",
    "Finding",
    "Member",
    "MergedRun",
    "ModelCallStore",
    "Outcomes",
    "Population",
    "RefinedPerson",
    "Refinements",
    "ReplayStore",
    "StoredCalibration",
    "TableKind",
    "compact",
    "merge",
    "named_queries",
    "named_query",
    "write_tables",
]  # fmt: skip

__getattr__ = old_names(__name__)
