"""Stress-test an agent with a population of users sampled from an archive, and with persona-free users for comparison."""

from personaevo.stress.findings import stress_text
from personaevo.stress.result import StressResult
from personaevo.stress.run import stress_agent

__all__ = ["StressResult", "stress_agent", "stress_text"]
