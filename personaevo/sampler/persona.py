"""What a sample consists of."""

from __future__ import annotations

from pydantic import Field

from personaevo.simulate.persona import Persona


class SampledPersona(Persona):
    """A persona and where it comes from: the archive (its name or path, as given) and its domain, the program that made it, the cell and
    the task.

    A *stored* persona was played in the search: ``cell`` (number and name) is the one in which its own dialogue was measured, and
    ``measured`` has what was measured there, by feature. One that was made for a new task was asked of the elite program of ``cell``,
    which reaches that cell with some of its personas: how this one behaves is in ``measured`` if it was tried out, else that is empty.
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
