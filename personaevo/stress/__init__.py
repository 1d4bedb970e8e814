"""Stress-testing an agent: it talks with a population of users drawn from an archive, and with persona-free ones beside them."""

from personaevo.stress.result import StressResult
from personaevo.stress.run import stress_agent
from personaevo.stress.text import stress_text

__all__ = ["StressResult", "stress_agent", "stress_text"]
