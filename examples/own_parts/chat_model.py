"""Your own chat model in a search: ``python examples/own_parts/chat_model.py [ARCHIVE]``.

Any object with ``reply(messages, schema=None, sample=0)`` works; it returns text (or a Reply, which counts tokens). Answers are stored
in the archive by its ``id``. This one plays the users: it repeats its stage direction in lower case.
"""

import sys

import personaevo as pe


class Echo:
    """Repeats the last line of the last message."""

    id = "echo-1"

    def reply(self, messages, *, schema=None, sample=0) -> str:
        """The answer to the last message."""
        lines = [line for line in messages[-1].content.splitlines() if line.strip()]
        return lines[-1].lower()


if __name__ == "__main__":
    settings = pe.SearchConfig(
        archive=sys.argv[1] if len(sys.argv) > 1 else None, candidates=3, task_count=2, personas=2, test_tasks=2, test_personas=2,
        control_dialogues=10, people_draws=2, screen=2,
    )  # fmt: skip
    result = pe.search(settings, models={"user": Echo()})
    print(result.archive, result.digest, result.spending["user"].spent.calls, "calls")
