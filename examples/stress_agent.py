"""Find the users with whom an agent fails: ``python examples/stress_agent.py [ARCHIVE]``. No key, no network.

This agent is impatient with customers who give little information per turn. ``personaevo stress`` does the same from the command line.
"""

import json
import sys
from pathlib import Path

import personaevo as pe
from personaevo.stress import stress_text


def impatient(messages: list[dict[str, str]]) -> str:
    """Expects eight words a turn."""
    said = [message["content"].split() for message in messages if message["role"] == "user"]
    if sum(map(len, said)) < 8 * len(said):
        return "Please describe your request in more detail."
    return "I have taken care of it. Is there anything else?"


archive = sys.argv[1] if len(sys.argv) > 1 else "service"
result = pe.stress_agent(impatient, None, archive, personas=4, task_count=8, seed=1)
print(stress_text(result, width=100))

if len(sys.argv) > 2:  # all dialogues, in the form of --human and pe.fingerprint's reader
    Path(sys.argv[2]).write_text("".join(f"{json.dumps(row)}\n" for row in result.dialogues()), "utf-8")
