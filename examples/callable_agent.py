"""Personas talk to any callable agent, by the embedded simulator: no key, no network: ``python examples/callable_agent.py [ARCHIVE]``.

The agent is a function of the dialogue so far. Its users are agenda-based and steered by the persona's dials.
"""

import sys

import personaevo as pe
from personaevo.definitions import domain
from personaevo.records import PlanItem
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.partners import CallableAgent

TASK = pe.Task(id="move", goal="move my flight to the evening", facts={"booking reference": "QK7L2"}, domain="service")


def answer(messages: list[dict[str, str]]) -> str:
    """Put yours here: ``messages`` are {"role": "user" | "assistant", "content": text}, and what is returned is said next."""
    heard = " ".join(message["content"] for message in messages if message["role"] == "user")
    return "It is done. Is there anything else?" if "QK7L2" in heard else "What is your booking reference, please?"


sampler = pe.PersonaSampler(sys.argv[1] if len(sys.argv) > 1 else "service")
for slot, persona in enumerate(sampler.sample(TASK, n=3, seed=1)):
    episode = run_episode(TASK, persona, PlanItem(TASK.id, slot, seed=slot), domain("service"), make_agent=lambda *_: CallableAgent(answer))
    print(f"--- {persona.description} (cell {persona.cell_name}): {episode.outcome}, task kept {episode.preservation:.0%}")
    for role, text in episode.turns:
        print(f"  {role:9} {text}")
