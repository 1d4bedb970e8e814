"""Sampling personas from an archive: see ``PersonaSampler``."""

from personaevo.sampler.pool import SampledPersona, Strategy
from personaevo.sampler.sampler import PersonaSampler

__all__ = ["PersonaSampler", "SampledPersona", "Strategy"]
