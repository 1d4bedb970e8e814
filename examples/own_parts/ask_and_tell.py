"""A search with dialogues played elsewhere: ``python examples/own_parts/ask_and_tell.py [ARCHIVE]``.

The search requests dialogues (ask) and receives their turns (tell). Here they are played in a subprocess that reads tasks and dials as JSON
lines and writes the turns; a queue, a cluster, or a simulator's own runner works the same way.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import personaevo as pe

PLAYER = """
import json, random, sys
for line in sys.stdin:
    one = json.loads(line)
    rng = random.Random(one["seed"])
    short = one["dials"].get("words_per_turn", 12) < 6
    turns = [{"role": "user", "content": "i want to " + one["goal"]}]
    for name, value in one["facts"].items():
        turns.append({"role": "assistant", "content": "What is your " + name.replace("_", " ") + "?"})
        turns.append({"role": "user", "content": value if short else "it is " + value + (", thanks" if rng.random() < 0.3 else "")})
    turns.append({"role": "assistant", "content": "Done. Goodbye."})
    print(json.dumps(turns))
"""


def played(batch: Sequence[pe.Request]) -> dict[int, list[dict[str, str]]]:
    """The turns of each dialogue, by the ids of the requests."""
    lines = [
        {"goal": one.task.goal, "facts": one.task.facts, "dials": one.persona.dials if one.persona else {}, "seed": one.seed}
        for one in batch
    ]  # fmt: skip
    text = "\n".join(json.dumps(line) for line in lines)
    done = subprocess.run([sys.executable, "-c", PLAYER], input=text, stdout=subprocess.PIPE, text=True, check=True)
    return {one.id: json.loads(line) for one, line in zip(batch, done.stdout.splitlines(), strict=True)}


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    settings = pe.SearchConfig(
        archive=place, candidates=6, task_count=4, personas=2, test_tasks=4, test_personas=2, control_dialogues=40, people_draws=2,
        resume=place is not None and place.exists(),
    )  # fmt: skip
    with pe.Search(settings, id="subprocess 1") as search:
        while batch := search.ask():
            search.tell(played(batch))
            print(f"{len(batch)} dialogues played")
        result = search.result()
    print(result.archive, result.digest)
