"""What an archive holds, for people: as pages for a terminal (``…_view``, of rich), and as plain values for ``--json`` (``…_object``).

Each is loaded when first used, as each needs another part of the engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from personaevo.inspect.calibration import calibration_view
    from personaevo.inspect.diff import difference, difference_object, difference_view
    from personaevo.inspect.finding import best_id, find
    from personaevo.inspect.lineage import Family
    from personaevo.inspect.niches import elites, elites_object, elites_view
    from personaevo.inspect.program import portrait, portrait_view
    from personaevo.inspect.refinement import people_view, person_view, refined, refined_object
    from personaevo.inspect.spending import spending_object, spending_text
    from personaevo.inspect.summary import summary_view
    from personaevo.inspect.table import headline_object, table_object, table_text
    from personaevo.inspect.tree import descendants_view, trunk_view

__all__ = [
    "Family", "best_id", "calibration_view", "descendants_view", "difference", "difference_object", "difference_view", "elites",
    "elites_object", "elites_view", "find", "headline_object", "people_view", "person_view", "portrait", "portrait_view", "refined",
    "refined_object", "spending_object", "spending_text", "summary_view", "table_object", "table_text", "trunk_view",
]  # fmt: skip
# Modules are loaded when first used, and importing a module binds its name here: so none has the name of a function that it holds.
_HOME = {
    name: module
    for module, names in {
        "calibration": ("calibration_view",),
        "diff": ("difference", "difference_object", "difference_view"),
        "finding": ("best_id", "find"),
        "lineage": ("Family",),
        "niches": ("elites", "elites_object", "elites_view"),
        "program": ("portrait", "portrait_view"),
        "refinement": ("people_view", "person_view", "refined", "refined_object"),
        "spending": ("spending_object", "spending_text"),
        "summary": ("summary_view",),
        "table": ("headline_object", "table_object", "table_text"),
        "tree": ("descendants_view", "trunk_view"),
    }.items()
    for name in names
}


def __getattr__(name: str) -> Any:
    """Loads a page's module when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'personaevo.inspect' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(f"personaevo.inspect.{_HOME[name]}"), name)
    return value
