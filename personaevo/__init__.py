"""personaevo: evolutionary search for persona programs. All public names are here; each is loaded on first use.

    result = personaevo.search(personaevo.SearchConfig(domain="service", candidates=200, seed=7))
    personas = personaevo.PersonaSampler(result.archive).sample("change my seat", n=5)
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from personaevo.renamed import Finder

if TYPE_CHECKING:
    from personaevo import testing
    from personaevo.archive import Archive
    from personaevo.chat import ChatModel
    from personaevo.config import SearchConfig
    from personaevo.errors import PersonaevoError
    from personaevo.evolve.players import Request
    from personaevo.evolve.progress import Progress, SearchResult
    from personaevo.evolve.recombine import Parents
    from personaevo.evolve.search import Search, search
    from personaevo.evolve.select import Selection
    from personaevo.judge.discriminator import Judge
    from personaevo.judge.objectives import Objective
    from personaevo.measure.cells import Descriptors
    from personaevo.measure.cells import overlap_with as coverage
    from personaevo.measure.cells import overlap_with as overlap
    from personaevo.records import Dialogue, Task
    from personaevo.refine.loop.run import refine_profile
    from personaevo.sampler import PersonaSampler
    from personaevo.simulate.directions import Persona
    from personaevo.simulate.episodes import fingerprint
    from personaevo.simulate.own_users import AgentSimulator, UserSimulator
    from personaevo.stress import stress_agent

__version__ = "0.1.0"

sys.meta_path.insert(0, Finder())

__all__ = [
    "AgentSimulator",
    "Archive",
    "ChatModel",
    "Descriptors",
    "Dialogue",
    "Judge",
    "Objective",
    "Parents",
    "Persona",
    "PersonaSampler",
    "PersonaevoError",
    "Progress",
    "Request",
    "Search",
    "SearchConfig",
    "SearchResult",
    "Selection",
    "Task",
    "UserSimulator",
    "__version__",
    "coverage",
    "fingerprint",
    "overlap",
    "refine_profile",
    "search",
    "stress_agent",
    "testing",
]

_HOME = {
    "AgentSimulator": "personaevo.simulate.own_users",
    "Archive": "personaevo.archive",
    "ChatModel": "personaevo.chat",
    "Descriptors": "personaevo.measure.cells",
    "Dialogue": "personaevo.records",
    "Judge": "personaevo.judge.discriminator",
    "Objective": "personaevo.judge.objectives",
    "Parents": "personaevo.evolve.recombine",
    "Persona": "personaevo.simulate.directions",
    "PersonaSampler": "personaevo.sampler",
    "PersonaevoError": "personaevo.errors",
    "Progress": "personaevo.evolve.progress",
    "Request": "personaevo.evolve.players",
    "Search": "personaevo.evolve.search",
    "SearchConfig": "personaevo.config",
    "SearchResult": "personaevo.evolve.progress",
    "Selection": "personaevo.evolve.select",
    "Task": "personaevo.records",
    "UserSimulator": "personaevo.simulate.own_users",
    "coverage": "personaevo.measure.cells:overlap_with",
    "fingerprint": "personaevo.simulate.episodes",
    "overlap": "personaevo.measure.cells:overlap_with",
    "refine_profile": "personaevo.refine.loop.run",
    "search": "personaevo.evolve.search",
    "stress_agent": "personaevo.stress",
}

_MODULES = ("testing",)


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562), so that importing personaevo alone is fast."""
    if name in _MODULES:
        return import_module(f"personaevo.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'personaevo' has no attribute '{name}'")
    module, _, attribute = _HOME[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute or name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
