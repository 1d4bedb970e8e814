"""Edits change what they mean to change and nothing else, whatever stands around it."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.programs.edit import literals, stored, with_function, with_literal

PLAIN = st.recursive(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
AROUND = st.sampled_from(
    ["", "# a comment\n", "x = 1\n", 's = "\\x0c \u2028 ä"\n', "s = '\x0c\u2028'\n", "def g():\n    A = 3\n", "\r\n", "y = '''\n'''\n"]
)


@given(AROUND, PLAIN, PLAIN, AROUND, st.sampled_from(["A = {}", "A: list = {}", "B = 1; A = {}; C = 2", "A = (\n  {}\n)  # why"]))
@settings(max_examples=150)
def test_a_replaced_value_is_read_back(before: str, old: object, new: object, after: str, form: str) -> None:
    source = f"{before}{form.replace('{}', repr(old))}\n{after}"
    edited = with_literal(source, "A", new)
    assert literals(edited)["A"] == new
    assert edited.startswith(before)
    assert edited.endswith(f"\n{after}")
    lead, _, trail = form.partition("{}")
    assert edited[len(before) :].startswith(lead)
    assert f"{trail}\n" in edited


@given(AROUND, PLAIN)
@settings(max_examples=50)
def test_what_is_not_there_is_added(before: str, value: object) -> None:
    functions = "@print\n@print\ndef f():\n    pass\n"
    for source in (before + functions, before, before.rstrip("\r\n")):
        edited = with_literal(source, "NEW", value)
        assert literals(edited)["NEW"] == value
        assert edited.count("@print\n@print\ndef f()") == source.count("@print\n@print\ndef f()")


@pytest.mark.parametrize(
    "source",
    ["A = [x for x in ()]", "A = 1\nA = 2", "A = 1\nA += 2", "A = B = 1", "A, B = 1, 2", "def f():\n    A = 1", "A = {[]: 1}", "A: int"],
)
def test_only_plain_single_assignments_are_literals(source: str) -> None:
    assert "A" not in literals(source)
    assert "A" in stored(source)


def test_functions_are_replaced_with_their_decorators() -> None:
    source = "# one\n@print\ndef f(a):  # two\n    return 1\n\n\ndef g():\n    def f(): pass\n"
    edited = with_function(source, "f", "\ndef f(b):\n    return 2\n")
    assert edited == "# one\ndef f(b):\n    return 2\n\n\ndef g():\n    def f(): pass\n"
    assert ast.parse(edited)
    assert with_function(source, "h", "def h(): pass") is None
    assert with_function("def f(): 1\ndef f(): 2\n", "f", "def f(): 3") == "def f(): 1\ndef f(): 3\n"
