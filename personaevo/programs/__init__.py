"""Persona programs: reading and naming them, the rules, running them in a sandbox, checking what they return."""

from personaevo.programs.channel import ModelLimits
from personaevo.programs.personas import DialTable
from personaevo.programs.rules import Finding, check
from personaevo.programs.sandbox import Call, Sandbox
from personaevo.programs.source import make_program, normalize, parse, program_id

__all__ = [
    "Call",
    "DialTable",
    "Finding",
    "ModelLimits",
    "Sandbox",
    "check",
    "make_program",
    "normalize",
    "parse",
    "program_id",
]
