"""Draws personas from an archive into one's own simulator: ``python examples/sample_in_simulator.py ARCHIVE``.

A persona changes how the user talks, never what the user wants: lay its overlay over the prompt that holds the task.
"""

import sys

import personaevo as pe

TASK = {"goal": "move my flight to the evening", "facts": {"booking reference": "QK7L2"}, "context": "", "domain": "service"}
PROMPT = "You are a customer. You want to move your flight to the evening; your booking reference is QK7L2."

sampler = pe.PersonaSampler(sys.argv[1])
for persona in sampler.sample(TASK, n=3, seed=1):
    print(f"--- {persona.description} (program {persona.program}, cell {persona.cell_name})")
    print(persona.overlay(PROMPT))
