"""Static rules: what is refused, where, and what to write instead."""

from __future__ import annotations

import pytest

from personaevo.programs.rules import ALLOWED_IMPORTS, check
from personaevo.programs.source import parse

GOOD = """
from __future__ import annotations
import math, random
from collections import abc
AXES: list = [{"name": "a"}]
class Base:
    def __init__(self, id):
        self.id = id
class Child(Base):
    def __init__(self, id):
        super().__init__(id)
def helper(hash):
    return hash
def generate(task, n, rng, model=None):
    return [{"id": "p"} for _ in range(n)]
"""


def messages(program: str) -> list[str]:
    return [f"{finding.line}: {finding.message}" for finding in check(parse(program))]


def test_good_program_breaks_no_rule() -> None:
    assert messages(GOOD) == []
    assert messages(GOOD.replace("rng, model=None", "rng, model")) == []
    assert messages(GOOD + "".join(f"import {name}\n" for name in ALLOWED_IMPORTS if name != "__future__")) == []


@pytest.mark.parametrize(
    ("program", "line", "words"),
    [
        ("def generate(a, b, c, d): pass", 1, "AXES is missing"),
        ("AXES = []", 1, "generate is missing"),
        ("AXES = []\nasync def generate(a, b, c, d): pass", 2, "async"),
        ("AXES = []\ndef generate(a, b): pass", 2, "generate takes (a, b)"),
        ("AXES = []\ndef generate(a, b, c, d, e): pass", 2, "model=None"),
        ("AXES = []\ndef generate(*a): pass", 2, "generate takes (*a)"),
        ("AXES = []\ndef generate(a, b, c, d, *, e): pass", 2, "generate takes"),
        ("AXES: list\ndef generate(a, b, c, d): pass", 1, "AXES is missing"),
        (GOOD + "import os", 16, "import of os is refused"),
        (GOOD + "import os.path", 16, "importable are bisect, collections"),
        (GOOD + "from time import time", 16, "import of time is refused"),
        (GOOD + "from . import x", 16, "import of . is refused"),
        (GOOD + "from math import *", 16, "name what you need"),
        (GOOD + "from random import _os", 16, "random._os is refused"),
        (GOOD + "random._os", 16, "random._os is refused"),
        (GOOD + "random.SystemRandom()", 16, "use rng"),
        (GOOD + "open('x')", 16, "open is refused"),
        (GOOD + "eval('1')", 16, "write the code out"),
        (GOOD + "__import__('os')", 16, "__import__ is refused"),
        (GOOD + "().__class__", 16, "__class__ is refused"),
        (GOOD + "__builtins__", 16, "__builtins__ is refused"),
        ("AXES = []\ndef generate(a, b, c, d): return hash('x')", 2, "hash is refused"),
    ],
)
def test_finding(program: str, line: int, words: str) -> None:
    found = messages(program)
    assert any(text.startswith(f"{line}: ") and words in text for text in found), found


def test_findings_are_ordered_and_unique() -> None:
    found = check(parse(GOOD + "open('a'); open('b')\nimport os\n"))
    assert [finding.line for finding in found] == [16, 17]
