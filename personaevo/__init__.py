"""personaevo: evolutionary search for persona programs. Everything public is here and is loaded when first used.

    result = personaevo.search(personaevo.SearchConfig(domain="service", candidates=200, seed=7))
    personas = personaevo.PersonaSampler(result.archive).sample("change my seat", n=5)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from personaevo.archive import Archive
    from personaevo.config import SearchConfig
    from personaevo.errors import PersonaevoError
    from personaevo.evolve.search import search
    from personaevo.fingerprints import fingerprint
    from personaevo.measure.cells import overlap_with as coverage
    from personaevo.measure.cells import overlap_with as overlap
    from personaevo.records import Dialogue, Task
    from personaevo.refine.run import refine_profile
    from personaevo.sampler import PersonaSampler
    from personaevo.simulate.persona import Persona
    from personaevo.stress import stress_agent

__version__ = "0.1.0"

__all__ = [
    "Archive",
    "Dialogue",
    "Persona",
    "PersonaSampler",
    "PersonaevoError",
    "SearchConfig",
    "Task",
    "__version__",
    "coverage",
    "fingerprint",
    "overlap",
    "refine_profile",
    "search",
    "stress_agent",
]

_HOME = {
    "Archive": "personaevo.archive",
    "Dialogue": "personaevo.records",
    "Persona": "personaevo.simulate.persona",
    "PersonaSampler": "personaevo.sampler",
    "PersonaevoError": "personaevo.errors",
    "SearchConfig": "personaevo.config",
    "Task": "personaevo.records",
    "coverage": "personaevo.measure.cells:overlap_with",
    "fingerprint": "personaevo.fingerprints",
    "overlap": "personaevo.measure.cells:overlap_with",
    "refine_profile": "personaevo.refine.run",
    "search": "personaevo.evolve.search",
    "stress_agent": "personaevo.stress",
}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used (PEP 562): importing personaevo alone costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'personaevo' has no attribute '{name}'")
    module, _, attribute = _HOME[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute or name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
