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
        (GOOD + "(x for x in ()).gi_frame", 16, "the attribute gi_frame is refused: it leads into the interpreter; pass what"),
        (GOOD + "GOOD.gi_frame.f_back.f_globals", 16, "the attribute f_globals"),
        (GOOD + "try: 1\nexcept Exception as e: e.__traceback__", 17, "__traceback__ is refused"),
        (GOOD + "def h(e): e.tb_frame", 16, "tb_frame is refused"),
        (GOOD + "helper.func_code.co_consts", 16, "co_consts is refused"),
        (GOOD + "async def h(): pass\nh().cr_frame", 17, "cr_frame is refused"),
        (GOOD + "int.mro()", 16, "the attribute mro is refused: it leads to all classes; use plain functions"),
        (GOOD + "int.__subclasses__()", 16, "__subclasses__ is refused"),
        (GOOD + "import enum\nenum.sys.modules['os']", 17, "enum.sys is refused: it is another module; import what you need"),
        (GOOD + "import json\njson.decoder.scanner.re.enum.sys", 17, "json.decoder.scanner.re is refused"),
        (GOOD + "import json.decoder as d\nd.scanner.re", 17, "json.decoder.scanner.re is refused"),
        (GOOD + "from enum import sys", 16, "enum.sys is refused"),
        (GOOD + "from json.decoder import scanner, re", 16, "json.decoder.re is refused"),
        (GOOD + "from random import SystemRandom", 16, "SystemRandom is refused: equal inputs must give equal personas; use rng"),
        (GOOD + "helper.urandom(3)", 16, "urandom is refused"),
        (GOOD + "helper.perf_counter()", 16, "perf_counter is refused: equal inputs must give equal personas, at any time"),
        (GOOD + "getattr(helper, 'x' + 'y')", 16, "getattr with a computed name is refused: write the name, or use a dict"),
        (GOOD + "setattr(helper, name, 1)", 16, "setattr with a computed name"),
        (GOOD + "delattr(helper, '__dict__')", 16, "delattr of __dict__ is refused"),
        (GOOD + "getattr(helper, 'f_back', None)", 16, "getattr of f_back is refused: it leads into the interpreter"),
        (GOOD + "'{0.__class__}'.format(1)", 16, "a text that names __class__ is refused: programs may not look it up; format"),
        (GOOD + "'{0[gi_frame].x}'", 16, "a text that names gi_frame"),
        (GOOD + "'{x.y.f_back!r:>3}'.format(x=1)", 16, "a text that names f_back"),
        (GOOD + "x = ['__subclasses__']", 16, "a text that names __subclasses__"),
        (GOOD + "help()", 16, "help is refused"),
        (GOOD + "dir(1)", 16, "use a dict of your own"),
        ("AXES = []\ndef generate(a, b, c, d): return hash('x')", 2, "hash is refused"),
    ],
)
def test_finding(program: str, line: int, words: str) -> None:
    found = messages(program)
    assert any(text.startswith(f"{line}: ") and words in text for text in found), found


@pytest.mark.parametrize(
    "program",
    [
        "print('debugging', __name__, type(helper).__name__, helper.__doc__)",
        "if __name__ == '__main__':\n    print(generate({}, 1, None))",
        "class A:\n    __slots__ = ('x',)\n    def __eq__(self, other): return super().__eq__(other)\n    def __post_init__(self): pass",
        "object.__setattr__(helper, 'x', 1)",
        "getattr(helper, 'x', None)\nhasattr(helper, 'x')\nsetattr(helper, 'y', 1)",
        "'{0.name} {1[0]} {x!r:>{width}}'.format(1, 2, x=3, width=4)",
        "'a {b} __ ___ __main__ 5__6__'",
        "import json.decoder\njson.decoder.JSONDecoder",
        "import collections.abc\ncollections.abc.Mapping",
        "import json.nowhere as n\nn.x.y",
        "from collections.abc import Mapping",
        "from bisect import bisect\nimport bisect as b\nb.bisect([], 1)",
        "from typing import ByteString",
        "random.random()\nrandom.Random(3).getrandbits(8)",
        "getattr = max\ngetattr(1, helper)",
        "helper.co_signer, helper.time, helper.f_score",
    ],
)
def test_not_refused(program: str) -> None:
    assert messages(GOOD + program) == []


def test_messages_say_what_to_write_instead() -> None:
    bad = GOOD + "open(1)\nimport os\n().__class__\nx.f_back\nrandom._os\ngetattr(x, y)\n'{0.__class__}'\nint.mro()\nx.urandom\n"
    for finding in check(parse(bad)):
        assert " is refused: " in finding.message
        assert finding.message.isprintable()


def test_findings_are_ordered_and_unique() -> None:
    found = check(parse(GOOD + "open('a'); open('b')\nimport os\n"))
    assert [finding.line for finding in found] == [16, 17]
