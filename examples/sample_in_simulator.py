"""Use personas from an archive in your own simulator: ``python examples/sample_in_simulator.py [ARCHIVE]``.

A persona changes how the user talks, never the user's goal. A simulator that takes text gets the persona's overlay on the prompt with the
task. A simulator that accepts text before each turn gets the director's stage directions too.
"""

import sys
from collections.abc import Iterator

import personaevo as pe

TASK = {"goal": "move my flight to the evening", "facts": {"booking reference": "QK7L2"}, "context": "", "domain": "service"}
PROMPT = "You are a customer. You want to move your flight to the evening; your booking reference is QK7L2."


def agent() -> Iterator[str]:
    """Your simulator's agent; here a scripted one."""
    yield from ("What is your booking reference?", "Thank you. Your flight is at 7 pm now.")
    while True:
        yield "Is there anything else I can help you with?"


# The name of a packaged archive, or an archive file of a search.
with pe.PersonaSampler(sys.argv[1] if len(sys.argv) > 1 else "service") as sampler:
    # With a task: the archive's programs make personas for it, and each is tested in one dialogue.
    for persona in sampler.sample(TASK, n=2, seed=1):
        print(f"--- {persona.description} (program {persona.program}, asked for the kind '{persona.cell_name}')")
        print(persona.overlay(PROMPT))
        director, heard, turns = persona.director(seed=1, task=TASK), None, agent()
        while not director.left:
            direction = director.direction(heard)  # for the user's model, below the agent's message
            draft = director.draft(heard)  # the same turn in words; or let your model word it, and call director.said(text)
            print(f"  agent: {heard or ''}\n    {direction}\n    {draft}")
            heard = next(turns)

    # Without a task: stored personas, selected by their behavior in the search.
    for persona in sampler.sample(n=2, seed=1, where="words_per_turn < 8", strategy="uniform"):
        print(f"--- {persona.cell_name}: {persona.measured['words_per_turn']:.1f} words a message ({persona.task})")
        print(f"  {persona.director(seed=1).direction('Hi! How can I help you today?')}")
