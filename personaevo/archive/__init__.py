"""Archives: one DuckDB file with everything that searches found. The main class is ``Archive``."""

from personaevo.archive.calibrations import StoredCalibration
from personaevo.archive.calls import ModelCallStore, ReplayStore
from personaevo.archive.compact import Compacted, compact
from personaevo.archive.integrity import Finding
from personaevo.archive.merge import MergedRun, merge
from personaevo.archive.named import named_queries, named_query
from personaevo.archive.outcomes import STATES, Outcomes
from personaevo.archive.population import Member, Population
from personaevo.archive.queries import Elite
from personaevo.archive.refinements import RefinedPerson, Refinements
from personaevo.archive.store import Archive
from personaevo.archive.tables import Kind as TableKind
from personaevo.archive.tables import write_tables

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
