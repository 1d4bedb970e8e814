"""Your own agent in a search: ``python examples/own_parts/agents.py [ARCHIVE]``.

Any object with an ``id`` and ``start(task, seed)`` works; ``start`` returns an agent for one dialogue. (A stateless agent may be a function
of the messages.) This one asks for all facts at once and ends early.
"""

import sys
from collections.abc import Sequence

import personaevo as pe


class Hasty:
    """One agent in one dialogue."""

    def __init__(self, task: pe.Task) -> None:
        self.wanted = ", ".join(name.replace("_", " ") for name in task.facts)

    def reply(self, turns: Sequence[tuple[str, str]]) -> str | None:
        """The agent's next turn; None, or ``[DONE]`` in it, ends the dialogue."""
        said = sum(role == "user" for role, _ in turns)
        if said < 2:
            return f"Please tell me your {self.wanted}."
        return "Anything else?" if said < 5 else "I have to close this chat now. Goodbye. [DONE]"


class HastyAgents:
    """Starts one agent per dialogue."""

    id = "hasty agents 1"

    def start(self, task: pe.Task, seed: int) -> Hasty:
        return Hasty(task)


if __name__ == "__main__":
    settings = pe.SearchConfig(
        archive=sys.argv[1] if len(sys.argv) > 1 else None, candidates=6, task_count=4, personas=2, test_tasks=4, test_personas=2,
        control_dialogues=40, people_draws=2,
    )  # fmt: skip
    result = pe.search(settings, agent=HastyAgents())
    print(result.archive, result.digest)
