"""Persona programs: reading and naming them, the rules, running them in a sandbox, checking what they return."""

from personaevo.programs.personas import DialTable
from personaevo.programs.rules import Finding, check
from personaevo.programs.sandbox import TIER, Call, Sandbox
from personaevo.programs.source import make_program, normalize, parse, program_id

__all__ = [
    "TIER",
    "Call",
    "DialTable",
    "Finding",
    "Sandbox",
    "check",
    "make_program",
    "normalize",
    "parse",
    "program_id",
]
