"""Fuzzing the code that reads and edits programs.

Any text is refused or read; edits change exactly their target; the normal form behaves like the program. Any text is also used as a model's
reply: it edits a program as specified, or is refused in one line. Generated programs are also run, as they are and normalized, and must
behave the same: they call ``emit``, a name that they do not bind.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzzing.engine import Target
from personaevo import content
from personaevo.errors import ProgramError
from personaevo.programs import edit, names, patch, rules, source

NEW = {"a": [1.5, "ä\n'", {"k": None}], "b": ["x" * 200]}
SHORT = (
    "import math\n\n\ndef f(a):\n\tb = a  \n\treturn b\n\n\n"
    "def generate(task, n, rng, model):\n    b = a\n\n    return '<|x|>\x0c\x1b'\n"
)
FUNCTION = "def f(x, *, y=1):\n    return x\n"


def attempt(data: bytes) -> None:
    """Any text."""
    text = data.decode("utf-8", "surrogateescape")
    _replies(text)
    try:
        tree = source.parse(text)
        normal = source.normalize(text)
    except ProgramError as error:
        assert str(error).isprintable() and len(str(error)) < 500, str(error)
        return
    for finding in rules.check(tree):
        assert finding.message.isprintable() and finding.line >= 1, finding
    _is_normal(text, normal)
    for name in (*list(edit.literals(text))[:4], "NOT_THERE"):
        _replaces(text, tree, name)
    _replaces_function(text, tree)


def _replies(text: str) -> None:
    """As a reply, as the program that a reply edits, and both."""
    for program in (SHORT, text):
        edited = _refused_or(patch.apply, program, text)
        assert edited is None or (edited != program and len(edited.encode(errors="surrogatepass")) <= source.MAX_BYTES), edited
    found = _refused_or(patch.whole, text)
    assert found is None or found.strip(), text
    lines = text.splitlines(keepends=True)
    begin = len(text) % (len(lines) or 1)
    for end in (begin + 1, begin + 3) if text.strip() else ():
        _edits(lines, begin, end)


def _edits(lines: list[str], begin: int, end: int) -> None:
    """Some lines get another line after them: exactly there, or the edit is refused."""
    search = "".join(f"{line}\n" for line in "".join(lines[begin:end]).splitlines())
    edited = _refused_or(patch.apply, "".join(lines), f"<<<<<<< SEARCH\n{search}=======\n{search}# new\n>>>>>>> REPLACE\n")
    before = [line.splitlines()[0] for line in lines]
    assert edited is None or edited.splitlines() == [*before[:end], "# new", *before[end:]] or "======" in search, edited


def _refused_or(function: Callable[..., str], *arguments: str) -> str | None:
    try:
        return function(*arguments)
    except ProgramError as error:
        assert str(error).isprintable() and len(str(error)) < 500, str(error)
        return None


def _is_normal(text: str, normal: str) -> None:
    if len(normal.encode()) > source.MAX_BYTES:  # four blanks for each of one, say
        return
    assert source.normalize(normal) == normal
    assert source.program_id(normal) == source.program_id(text)


def _replaces(text: str, tree: ast.Module, name: str) -> None:
    edited = edit.with_literal(text, name, NEW)
    if len(edited.encode()) > source.MAX_BYTES:
        return
    assert edit.literals(edited).get(name) == NEW, edited
    old = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and name in _targets(node)]
    if old:
        _rest_stays(text, edited, old[0])
    else:
        assert all(line in edited for line in re.split("[\r\n]", text))


def _targets(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _rest_stays(text: str, edited: str, node: ast.expr) -> None:
    """The text before and after the old value is unchanged, and the rest is the new value."""
    segment = ast.get_source_segment(text, node)
    assert segment is not None
    places = [match.start() for match in re.finditer(re.escape(segment), text)] or [0]
    assert any(edited.startswith(text[:place]) and edited.endswith(text[place + len(segment) :]) for place in places), (text, edited)


def _replaces_function(text: str, tree: ast.Module) -> None:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for function in functions[:2]:
        edited = edit.with_function(text, function.name, FUNCTION)
        assert edited is not None
        if len(edited.encode()) <= source.MAX_BYTES:
            before = [ast.dump(node) for node in tree.body]
            place = max(tree.body.index(node) for node in functions if node.name == function.name)
            before[place] = ast.dump(ast.parse(FUNCTION).body[0])
            assert [ast.dump(node) for node in ast.parse(edited).body] == before, edited


class Reply(str):
    """A reply of a model, rather than a program."""


# --- generated programs

NAMES = st.sampled_from(["a", "a", "b", "b", "c", "x", "f", "f", "g", "AXES", "generate", "len", "v0", "v1", "__p", "_"])
START = (
    "", "a = b = c = x = 1\n", "def f(x=1, a=2, **b):\n    return emit((x, a))\na, b, c = 1, 2, f\n",
    "class g:\n    a = 1\n    def __init__(self, a=1): self.b = a\na = g\nb = x = c = 2\nf = lambda a=1, b=2: (a, b)\n",
)  # fmt: skip
STATEMENTS = (
    "{a} = {e}", "{a} = {e}", "{a}: int = {e}", "{a} += {e}", "{a} = {b} = {e}", "{a}, *{b} = {e}, {e}", "emit({e})", "emit({e})",
    "emit({a})", "emit({a})", "global {a}", "del {a}", "return {e}", "pass", "'text'", "import math as {a}", "import math",
    "from math import floor as {a}", "import json.decoder", "assert {e}", "raise ValueError({e})", "emit(({a} := {e}))",
    "emit(sorted(locals()))",
)  # fmt: skip
BLOCKS = (
    ("def {a}({b}, {c}={e}):",), ("def {a}({b}, /, *{c}, {d}=1):",), ("def {a}(**{b}):",), ("def {a}():",),
    ("def {a}():", "{b} = 1", "def {c}(): nonlocal {b}"),
    ("class {a}:",), ("class {a}({b}):",), ("if {e}:",), ("if {e}:", "else:"), ("for {a} in [{e}]:", "else:"),
    ("while emit({e}):",), ("try:", "except Exception as {a}:"), ("try:", "except ValueError:", "else:", "finally:"), ("try:", "finally:"),
    ("for {a}, {b} in zip([1], [2]):",), ("@{a}\ndef {b}({c}):",), ("@emit\ndef {b}(self, {c}=1):",),
    ("match {e}:\n    case {{'k': {a}, **{b}}}:",), ("match {e}:\n    case [{a}, *{b}]:",), ("match [{e}, 1]:\n    case [_, {a}] if {a}:",),
)  # fmt: skip
EXPRESSIONS = (
    "1", "'a'", "{a}", "{a}", "{a} + {b}", "({a}, {b})", "{a}({b})", "{a}()", "f(x={b}, a={c})", "{a}({b}, {c}={d})", "{a}(**{{'{b}': 1}})",
    "[{a} for {a} in [1, 2]]", "[{a} for {a} in [1] for {b} in [{a}] if {c}]", "{{{a}: {b} for {a} in 'ab'}}",
    "(lambda {a}, {b}=1: {a})({c})",
    "[(lambda: {a})() for {a} in [3]]", "{a}.{b}", "{a}(a=1).b", "f'{{{a}}} {{{b}!r:>4}}'", "len([{a}])", "{a}.__name__",
    "{a} if {b} else {c}",
    "[{a} := 1, {a}]", "list({a} for {b} in [1])", "sum({a} for {a} in range(3))", "{a}(_={b})", "b'a'", "{{'{a}': {b}}}", "1 < {a} < 3",
    "-0.0",
    "1e400", "...", "[({a} := {b}) for {b} in [1, 2]]",
)  # fmt: skip


@st.composite
def _filled(draw: st.DrawFn, template: str) -> str:
    expression = draw(st.sampled_from(EXPRESSIONS)).format(**{key: draw(NAMES) for key in "abcd"}) if "{e}" in template else ""
    return template.format(e=expression, **{key: draw(NAMES) for key in "abcd"})


@st.composite
def _body(draw: st.DrawFn, depth: int) -> list[str]:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        if depth and draw(st.booleans()):
            for opening in draw(st.sampled_from(BLOCKS)):
                lines += draw(_filled(opening)).split("\n")
                if opening.endswith(":"):
                    indent = "    " * (2 if opening.startswith("match") else 1)
                    lines += [indent + line for line in draw(_body(depth - 1))]
        else:
            lines.append(draw(_filled(draw(st.sampled_from(STATEMENTS)))))
    return lines


END = "".join(f"try:\n    emit({name})\n    emit({name}())\nexcept Exception:\n    emit(0)\n" for name in "abcf")


def _whole(start: str, lines: list[str], guarded: bool) -> str:
    """The lines, followed by output of the variables; ``guarded``: also if one of the lines raises."""
    indented = ["try:", *("    " + line for line in lines), "except Exception:", "    emit('raised')"]
    return start + "\n".join(indented if guarded else lines) + "\n" + END


PROGRAMS = st.builds(_whole, st.sampled_from(START), _body(3), st.booleans())


# --- generated replies

_LINES = SHORT.splitlines(keepends=True)
PIECES = st.sampled_from([
    "<<<<<<< SEARCH\n", "<<<<<<< SEARCH\n", "=======\n", "=======\n", ">>>>>>> REPLACE\n", ">>>>>>> REPLACE\n", "  =======\n",
    "```python\n", "```\n", "~~~\n", "\n", "\n", "| \n", "so:\n", "\x0c", "'''\n", "return '< |x|>\n", "\\x1b'\n",
    *_LINES, *(f"    {line}" for line in _LINES), *(f"{line.strip()}\n" for line in _LINES), *(f"| {line}" for line in _LINES),
])  # fmt: skip
HALVES = st.lists(PIECES, min_size=1, max_size=4).map("".join)
WHOLE_BLOCKS = st.builds("<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n".format, HALVES, HALVES)
REPLIES = st.lists(PIECES | WHOLE_BLOCKS, max_size=8).map("".join).map(Reply)


def check(text: str) -> None:
    """Programs that are often valid, and replies."""
    if isinstance(text, Reply):
        _replies(text)
        return
    attempt(text.encode())
    try:
        normal = source.normalize(text)
    except ProgramError:
        return
    assert _behavior(text) == _behavior(normal), normal


def _behavior(text: str) -> tuple[list[str], str]:
    """A program's output, and how it ends. Different names count as equal."""
    said: list[str] = []

    def emit(value: object) -> object:
        said.append(_plain(value))
        if len(said) > 50:
            raise StopIteration
        return value

    space: dict[str, Any] = {"emit": emit, "__name__": "program"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(text, "<fuzzed>", "exec", dont_inherit=True), space)
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is what it does
        return said, type(error).__name__
    return said, ""


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(_plain, value[:9]))})"
    if isinstance(value, dict):
        return _plain(list(value.items()))
    return repr(value) if isinstance(value, int | float | str) else "object"


_ENDS = b"A = 'x'; B = {1: 2}\r\n@f\r\ndef f(): pass\r\n", "s = '\x0c\u2028ä'\nA = [\n  'ö'\n]\n".encode()


def _corpus() -> tuple[bytes, ...]:
    seed = (content.root("seeds") / "program.py").read_bytes()
    reply = (
        "So:\n<<<<<<< SEARCH\nimport math\n=======\nimport json\n>>>>>>> REPLACE\n  <<<<<<< SEARCH\n  b = a\n  return '< |x|>\n  =======\n"
        "  c\n  >>>>>>> REPLACE\n<<<<<<< SEARCH\n| def f(a):\n|\n| \tb = a\n=======\n| def f(a):\n=======\n>>>>>>> REPLACE\n"
    )
    blocks = "1.\n  ```python\n  def generate():\n      s = '''\n  ```\n  '''\n  ```\n~~~json\n{}\n~~~\n| x = 1\n"
    short = b"# c\nimport math as m\nA = 1  # one\n\n\ndef f(x=(1,)):\n    'd'\n    return [x for x in A]\n\n\nb: list = [1, 2.5, 'x']\n"
    return seed, short, reply.encode(), blocks.encode(), *_ENDS


WORDS = (
    b"(", b")", b"[", b"{", b"}", b"'", b'"', b"'''", b"\\", b"\n", b"\r", b"\x0c", b"\t", b"    ", b"\xef\xbb\xbf", b"\xe2\x80\xa8",
    b"\0", b"#",
    b"-", b"not ", b"lambda: ", b"def f():\n ", b"class A:\n ", b"if 1:\n ", b"else:", b" = ", b"A = 1\n", b";", b":", b"@f\n", b"f'{",
    b"}'",
    b"9" * 5000, b"1e999", b"0x", b"1j", b"\xed\xa0\x80", b"# coding: latin-1\n", b"*", b"**", b"await ", b"yield ", b"match x:\n case ",
    b"\\\n",
    b"global A\n", b"from __future__ import annotations\n", b"import a.b\n", b"print(", b"\xc2\xaa", b"\xef\xbc\xa1", b"rb'", b"1_0",
    b"<<<<<<< SEARCH\n", b"\n=======\n",
    b">>>>>>> REPLACE\n", b"| ", b"\n| ", b"```python\n", b"\n```\n", b"~~~", b"import math\n", b"<|x|>",
)  # fmt: skip
TARGET = Target((edit, patch, source, names, rules), _corpus(), WORDS, attempt, PROGRAMS | REPLIES, check, longest=6_000)
