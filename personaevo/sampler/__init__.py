"""Sampling personas from an archive: see ``PersonaSampler``."""

from personaevo.sampler.persona import SampledPersona
from personaevo.sampler.sampler import PersonaSampler
from personaevo.sampler.strategies import Strategy

__all__ = ["PersonaSampler", "SampledPersona", "Strategy"]
