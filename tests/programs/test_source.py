"""The normalized form of a program and its id."""

from __future__ import annotations

import ast
import gc
import random
import sys
import textwrap
import threading
import time
import types
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.errors import ProgramError
from personaevo.programs import source

PROGRAM = '''
"""A program."""
from __future__ import annotations

import json
import math as m
from collections import Counter
from dataclasses import dataclass

AXES = [{"name": "terse", "low": "a", "high": "b"}]
LEVELS = [0.1, 0.5]  # levels

@dataclass(frozen=True)
class Trait:
    """One trait."""
    name: str
    level: float = 0.5

    def doubled(self, by=2):
        return self.level * by

def clip(value, low=0.0, *, high=1.0):
    "Clip."
    return max(low, min(value, high))

def pick(rng, table, **rest):
    total = 0
    def add(step):
        nonlocal total
        total += step
    for index, (key, weight) in enumerate(table.items()):
        add(weight)
    if (size := len(table)) > 1:
        total += size
    return total

def kind(value):
    match value:
        case {"a": inner, **others}:
            return inner, others
        case [first, *tail]:
            return first, tail
        case Trait(name=word) | str(word):
            return word
        case other:
            return other

count = 0

def generate(task, n, rng, model=None):
    global count
    count = 1
    trait = Trait(name="x", level=0.25)
    out = []
    for i in range(n):
        value = clip(rng.random(), high=0.9, low=0.1)
        try:
            value += m.floor(value) + sum(x * y for x in LEVELS for y in LEVELS if x)
        except ZeroDivisionError as error:
            value = str(error)
        out.append({"id": f"u{i}", "value": value, "d": trait.doubled(by=3), "k": kind([i, 2])})
    order = sorted(out, key=lambda item: item["value"])
    return order + [pick(rng, {"a": 1, "b": 2}), count, dict(Counter("aab")), json.dumps([1])]
'''


def result(program: str) -> object:
    module = types.ModuleType("program_under_test")
    sys.modules["program_under_test"] = module
    try:
        exec(compile(program, "<test>", "exec", dont_inherit=True), module.__dict__)
        return module.AXES, module.generate({}, 4, random.Random(1))
    finally:
        del sys.modules["program_under_test"]


def same(one: str, two: str) -> bool:
    one, two = textwrap.dedent(one), textwrap.dedent(two)
    equal = source.program_id(one) == source.program_id(two)
    assert equal == (source.normalize(one) == source.normalize(two)), "id and normalized source disagree"
    return equal


def test_normalized_does_the_same_and_is_its_own_normal_form() -> None:
    normal = source.normalize(PROGRAM)
    assert repr(result(normal)) == repr(result(PROGRAM))
    assert source.normalize(normal) == normal
    assert source.program_id(normal) == source.program_id(PROGRAM)
    assert "A program" not in normal and "levels" not in normal and "clip" not in normal


def test_id_is_stable() -> None:
    """Archives hold these ids: a change here makes every stored id unverifiable."""
    assert source.program_id("AXES = []\ndef generate(task, n, rng, model=None):\n    return [{}] * n\n") == STABLE_ID
    program = source.make_program(PROGRAM)
    assert program.source == PROGRAM and len(program.id) == 16 and int(program.id, 16) >= 0


STABLE_ID = "131cbfa254b3ed77"


# Spelled in calls through an attribute, a class or a builtin, so that another spelling is another program.
KEPT = {"name", "level", "by", "key"}


class Shuffle(ast.NodeTransformer):
    """Renames every author-chosen name of PROGRAM by a table; the attribute ``name`` and the like are not in it."""

    WORDS = (
        "m Counter dataclass json LEVELS clip value low high pick table rest total add step index key weight "
        "size kind inner others first tail word other count trait out i x y error order item task n rng model self by"
    ).split()

    def __init__(self, table: dict[str, str]) -> None:
        self.table = table

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.alias):
            node.asname = self.table.get(node.asname or node.name, node.asname)
            return node
        for field in ("id", "arg", "name", "rest"):
            old = getattr(node, field, None)
            if isinstance(old, str) and not (isinstance(node, ast.keyword) and old in KEPT):
                setattr(node, field, self.table.get(old, old))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self.table.get(name, name) for name in node.names]
        return self.generic_visit(node)


@settings(max_examples=25)
@given(st.permutations(Shuffle.WORDS), st.booleans())
def test_names_do_not_matter(words: list[str], fresh: bool) -> None:
    old = [word for word in Shuffle.WORDS if word not in KEPT]
    new = [word for word in words if word not in KEPT]
    table = dict(zip(old, (f"w{word}" for word in new) if fresh else new, strict=True))
    renamed = ast.unparse(Shuffle(table).visit(ast.parse(PROGRAM)))
    assert repr(result(renamed)) == repr(result(PROGRAM))
    assert source.program_id(renamed) == source.program_id(PROGRAM)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("x = 1  # one\n", "# two\nx = (1)\n\n"),
        ("def f(a):\n    return a\n", "def g(b):\n    'doc'\n    return b\n"),
        ("import random\nr = random.random\n", "import random as rnd\nq = rnd.random\n"),
        ("from math import floor\nfloor(1)\n", "from math import floor as fl\nfl(1)\n"),
        ("def f(i): return i\ndef g(i): return i", "def f(i): return i\ndef g(j): return j"),
        ("def f(a, b=1): return a - b\nf(1, b=2)", "def f(x, y=1): return x - y\nf(1, y=2)"),
        ("f = lambda a: a + 1", "g = lambda b: b + 1"),
        ("class A:\n    x = 1\nA.x", "class A:\n    'doc'\n    x = 1\nA.x"),
        ("for key in []: key\nsorted([], key=len)", "for k in []: k\nsorted([], key=len)"),
        ("x = 'a' 'b'", 'y = "ab"'),
        ("def f():\n    pass", "def g():\n    'doc'"),
        ("try:\n    x = 1\nfinally:\n    'text'", "try:\n    y = 1\nfinally:\n    pass"),
        ("for x in []:\n    1\nelse:\n    'nothing'", "for y in []:\n    pass"),
    ],
)
def test_same(one: str, two: str) -> None:
    assert same(one, two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("def f(a, b): return a - b", "def f(a, b): return b - a"),
        ("def f(a, b): return a - b", "def f(b, a): return a - b"),
        ("x = 1\ny = 2\nz = x", "x = 1\ny = 2\nz = y"),
        ("x = max(1, 2)", "x = min(1, 2)"),
        ("import math\nx = math.floor", "import math\nx = math.ceil"),
        ("import math as random", "import random as random"),
        ("def f(a, b): return a - b\ng = f\ng(a=1, b=2)", "def f(b, a): return b - a\ng = f\ng(a=1, b=2)"),
        ("def f(a, b): return a - b\nf(**{'a': 1, 'b': 2})", "def f(b, a): return b - a\nf(**{'a': 1, 'b': 2})"),
        ("f = lambda a, b: a - b\nf(a=1, b=2)", "f = lambda b, a: b - a\nf(a=1, b=2)"),
        ("def f(a, b): return a - b\nf(a=1, b=2)", "def f(a, b): return a - b\nf(b=1, a=2)"),
        ("def f(**k): return k\nf(a=1)", "def f(**k): return k\nf(b=1)"),
        ("x = 1\ndef f():\n    x = 2\n    return x", "x = 1\ndef f():\n    global x\n    x = 2\n    return x"),
        ("x = 1\ny = 2\nclass A:\n    x = x", "x = 1\ny = 2\nclass A:\n    x = y"),
        ("x = 1\ny = 2\nclass A:\n    x += 1", "x = 1\ny = 2\nclass A:\n    y += 1"),
        ("a = b = x = 1\nclass A:\n    x += 1", "b = x = a = 1\nclass A:\n    x += 1"),
        ("def f(): pass\nx = f.__name__", "def g(): pass\nx = g.__name__"),
        ("x = 1\ny = globals()['x']", "z = 1\ny = globals()['x']"),
        ("def f():\n    'a'\nx = f.__doc__", "def f():\n    'b'\nx = f.__doc__"),
        ("class A:\n    x = 1", "class A:\n    y = 1"),
        ("len(1)\nlen = 3", "foo(1)\nfoo = 3"),
        ("v0 = 1\nx = v1", "a = 1\nb = a"),
        ("x = 1", "x = 1.0"),
        ("x = True", "x = 1"),
        ("x = f'{1!r}'", "x = f'{1!s}'"),
        ("[x for x in [1] for y in [2]]", "[y for x in [1] for y in [2]]"),
        ("x = 1\n[x for x in [1]]\nx", "x = 1\n[(x := y) for y in [1]]\nx"),
        ("try:\n    f()\nexcept ValueError as e:\n    e", "try:\n    f()\nexcept ValueError:\n    e"),
    ],
)
def test_different(one: str, two: str) -> None:
    assert not same(one, two)


def test_new_names_avoid_names_that_stay() -> None:
    normal = source.normalize("a = v0\nb = a\n")
    assert normal == "v_0 = v0\nv_1 = v_0"
    assert source.normalize("a = 1\nglobal v0\n") == "v_0 = 1\nglobal v0"


@pytest.mark.parametrize("call", ["f(v1=1)", "g = f\ng(v1=1)", "import functools\nfunctools.partial(f, v1=1)()"])
def test_new_names_avoid_keywords_that_stay(call: str) -> None:
    normal = source.normalize(f"def f(x=2, **rest):\n    emit(x, rest)\n{call}\n")
    said: list[object] = []
    exec(normal, {"emit": lambda *words: said.append(words)})
    assert said == [(2, {"v1": 1})]
    assert source.normalize(normal) == normal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\ny = (\n", "line 2"),
        ("def f():\nreturn 1", "line 2"),
        ("\nreturn 1", "line 2"),
        ("x = 1\n\0", "NUL character, line 2"),
        ("x = 1\n'\ud800'", "surrogate pair, which is not text, line 2"),
        ("#" * 70_000, "at most 65,536"),
        ("(" * 5000 + ")" * 5000, "line 1"),
        ("x = " + "-" * 30_000 + "1", "nested deeper"),
        ("x = 1" + "+1" * 30_000, "nested deeper"),
        ("x = a" + ".a" * 30_000, "nested deeper"),
        ("x = " + "[" * 150 + "]" * 150, "nested deeper than 100 levels, line 1"),
        ("x = " + "9" * 10_000, "not valid Python"),
        ("if x:\n    nonlocal y", "line 2"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(ProgramError, match=reason):
        source.parse(text)
    with pytest.raises(ProgramError):
        source.program_id(text)


@settings(max_examples=60)
@given(st.text(alphabet="abdef :=()[]{}\n\t'\"\\#@*.,1\0\ud800", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        normal = source.normalize(text)
    except ProgramError:
        return
    assert source.program_id(normal) == source.program_id(text)


def test_warnings_of_a_program_are_not_the_hosts() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source.parse("x = '\\d'\ny = 1 is 1\n")
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [source.parse("x = 1") for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_speed() -> None:
    text = PROGRAM + "\n".join(f"def f{i}(a, b):\n    return [a * k + b for k in range({i})]" for i in range(30))
    start = time.perf_counter()
    for _ in range(5):
        source.make_program(text)
    assert (time.perf_counter() - start) / 5 < 0.2


def test_names_of_classes_are_behavior() -> None:
    """A dataclass and an enum say their names in what they are as text."""
    text = "from dataclasses import dataclass\n@dataclass\nclass {0}:\n    a: int\nx = str({0}(1))\n"
    assert source.program_id(text.format("Person")) != source.program_id(text.format("Somebody"))


def test_integers_that_python_does_not_write() -> None:
    with pytest.raises(ProgramError, match="an integer of more than 4,300 digits, line 2"):
        source.program_id("AXES = []\nx = 0x" + "f" * 5_000)


def test_programs_may_be_read_in_several_threads() -> None:
    """A collection of garbage that lets other threads run while a syntax tree is made is what CPython 3.11 does not bear."""
    before = gc.get_threshold()

    def let_others_run(*_: object) -> None:
        time.sleep(0)

    gc.callbacks.append(let_others_run)
    gc.set_threshold(5)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(lambda _: len(source.syntax(PROGRAM * 10).body), range(16)))) == 1
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(let_others_run)
