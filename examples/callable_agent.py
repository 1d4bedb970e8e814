"""Personas talk to any callable agent, without key or network: ``python examples/callable_agent.py [ARCHIVE]``.

The agent is a function of the dialogue so far. A director plans each turn of the user from the persona and the agent's messages; here its
drafts are used as they are. With a model as user, let it reword each draft, or follow ``director.direction(heard)``.
"""

import sys

import personaevo as pe

TASK = pe.Task(id="move", goal="move my flight to the evening", facts={"booking reference": "QK7L2"}, domain="service")


def answer(messages: list[dict[str, str]]) -> str:
    """Your agent: ``messages`` are {"role": "user" | "assistant", "content": text}, and it returns the next message."""
    heard = " ".join(message["content"] for message in messages if message["role"] == "user")
    return "It is done. Is there anything else?" if "QK7L2" in heard else "What is your booking reference, please?"


sampler = pe.PersonaSampler(sys.argv[1] if len(sys.argv) > 1 else "service")
for seed, persona in enumerate(sampler.sample(TASK, n=3, seed=1)):
    director = persona.director(seed, TASK)
    messages = [{"role": "user", "content": director.draft(None)}]
    while not director.left:
        messages.append({"role": "assistant", "content": answer(messages)})
        messages.append({"role": "user", "content": director.draft(messages[-1]["content"])})
    print(f"--- {persona.description} (cell {persona.cell_name}): {director.outcome}")
    for message in messages:
        print(f"  {message['role']:9} {message['content']}")
