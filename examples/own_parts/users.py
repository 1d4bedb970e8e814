"""Your own user simulator in a search: ``python examples/own_parts/users.py [ARCHIVE]``.

Any object with an ``id`` and ``start(task, persona, seed)`` works; ``start`` returns an object with one method. This one states the goal,
then answers questions, and is as wordy as the persona's dial says.
"""

import random
import sys

import personaevo as pe


class User:
    """One user in one dialogue."""

    def __init__(self, task: pe.Task, persona: pe.Persona | None, seed: int) -> None:
        self.task, self.rng = task, random.Random(seed)
        self.words = persona.dials.get("words_per_turn", 12.0) if persona is not None else 12.0
        self.turns = 0

    def reply(self, heard: str | None) -> str | None:
        """The next turn; None once the user has left."""
        self.turns += 1
        if self.turns == 1:
            return f"i want to {self.task.goal}"
        asked = [value for name, value in self.task.facts.items() if name.replace("_", " ") in (heard or "").lower()]
        if asked:
            return ", ".join(asked)
        if self.turns > 6 or "anything else" in (heard or "").lower():
            return "thanks, bye [DONE]" if self.rng.random() < 0.5 else "bye [DONE]"
        return "ok" if self.words < 6 else "ok, that is fine with me, please go on"


class Plain:
    """Starts one user per dialogue."""

    id = "plain users 1"

    def start(self, task: pe.Task, persona: pe.Persona | None, seed: int) -> User:
        return User(task, persona, seed)


if __name__ == "__main__":
    settings = pe.SearchConfig(
        archive=sys.argv[1] if len(sys.argv) > 1 else None, candidates=6, task_count=4, personas=2, test_tasks=4, test_personas=2,
        control_dialogues=40, people_draws=2,
    )  # fmt: skip
    result = pe.search(settings, users=Plain(), callbacks=[lambda progress: print(f"{progress.done} of {progress.planned}")])
    print(result.archive, result.digest)
