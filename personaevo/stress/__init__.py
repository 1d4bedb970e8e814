"""Stress-test an agent with a population of users sampled from an archive, and with persona-free users for comparison."""

from personaevo.stress.result import StressResult
from personaevo.stress.run import stress_agent
from personaevo.stress.text import stress_text

__all__ = ["StressResult", "stress_agent", "stress_text"]
