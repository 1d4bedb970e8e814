"""The personas that can be sampled, and how strategies choose and draw them."""

from __future__ import annotations

from pydantic import Field

from personaevo.simulate import persona as simulated


class SampledPersona(simulated.Persona):
    """A persona and its origin: the archive (its name or path, as given) and its domain, the program that made it, the cell and the task.

    A *stored* persona was played in the search: ``cell`` (number and name) is the cell of its own dialogue, and ``measured`` maps features
    to their values in it. A persona for a new task was made by the elite program of ``cell``, which reaches that cell with some of its
    personas: ``measured`` has the values of a trial dialogue, and is empty if there was none.
    """

    program: str
    cell: int
    cell_name: str = ""
    task: str = ""
    archive: str = ""
    domain: str = ""
    measured: dict[str, float] = Field(default_factory=dict)

    def _own_domain(self) -> str:
        return self.domain or super()._own_domain()
