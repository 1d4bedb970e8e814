"""What an archive holds, for people: as pages for a terminal (``…_view``, of rich), and as plain values for ``--json`` (``…_object``)."""

from personaevo.inspect.calibration import calibration_view
from personaevo.inspect.diff import difference, difference_object, difference_view
from personaevo.inspect.elites import elites, elites_object, elites_view
from personaevo.inspect.find import best_id, find
from personaevo.inspect.lineage import Family
from personaevo.inspect.program import portrait, portrait_view
from personaevo.inspect.refined import people_view, person_view, refined, refined_object
from personaevo.inspect.spending import spending_object, spending_text
from personaevo.inspect.summary import summary_view
from personaevo.inspect.table import headline_object, table_object, table_text
from personaevo.inspect.tree import descendants_view, trunk_view

__all__ = [
    "Family", "best_id", "calibration_view", "descendants_view", "difference", "difference_object", "difference_view", "elites",
    "elites_object", "elites_view", "find", "headline_object", "people_view", "person_view", "portrait", "portrait_view", "refined",
    "refined_object", "spending_object", "spending_text", "summary_view", "table_object", "table_text", "trunk_view",
]  # fmt: skip
