"""Edit a program's source: replace literals and functions, and find the places of search/replace blocks. The rest of the source, comments
included, stays unchanged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, chain, islice, pairwise, takewhile
from pprint import PrettyPrinter
from typing import Any, NamedTuple

from personaevo.errors import ProgramError
from personaevo.programs.source import MAX_BYTES, syntax
from personaevo.text import quoted

LINE = 120
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")  # lines as Python counts them; str.splitlines() splits at other characters too

_tree = lru_cache(maxsize=128)(syntax)  # the same source is parsed many times; its tree is not changed here


class _Plain(PrettyPrinter):
    """Faster for plain values: their ``repr``, in C, gives the same text as pprint's own code, in Python."""

    def format(self, object: object, context: object, maxlevels: object, level: object) -> tuple[str, bool, bool]:
        return repr(object), True, False


def literals(source: str) -> dict[str, Any]:
    """Values of the module-level names that are assigned exactly once, a plain literal (number, string, list, dict …)."""
    found = {}
    for name, node in _assigned(source).items():
        try:
            found[name] = ast.literal_eval(node)
        except (ValueError, TypeError, RecursionError, MemoryError):  # not a literal, or one that Python itself could not evaluate
            continue
    return found


def stored(source: str) -> set[str]:
    """All variables that the program assigns anywhere, in any way."""
    names = (node for node in ast.walk(_tree(source)) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def with_literal(source: str, name: str, value: Any) -> str:
    """``with_literals`` for one name."""
    return with_literals(source, {name: value})


def with_literals(source: str, values: Mapping[str, Any]) -> str:
    """Replace the values assigned to module-level names. For a name without an assignment, one is added before the first function. Values
    must be plain (finite numbers, strings, lists, dicts)."""
    assigned, added, edits = _assigned(source), "", []
    for name, value in values.items():
        lead = f"{name} = "
        text = _Plain(width=LINE - len(lead), sort_dicts=False).pformat(value).replace("\n", "\n" + " " * len(lead))
        node = assigned.get(name)
        if node is None:
            added += f"{lead}{text}\n\n"
        else:
            edits.append((node.lineno, node.col_offset, node, text))
    edited = _replaced(source, edits)
    return _insert_before_functions(edited, added) if added else edited


def _insert_before_functions(source: str, text: str) -> str:
    first = next((node for node in _tree(source).body if isinstance(node, ast.FunctionDef)), None)
    lines = [line.decode() for line in _LINES.findall(source.encode())]
    at = _first_line(first) - 1 if first else len(lines)
    before = "".join(lines[:at])
    end = "" if not before or before.endswith(("\n", "\r")) else "\n"
    return f"{before}{end}{text}{''.join(lines[at:])}"


def with_function(source: str, name: str, text: str) -> str | None:
    """Replace the module-level function ``name``, decorators included, by ``text``; None if there is no such function. Of several the last
    one, which is in effect, is replaced."""
    for node in reversed(_tree(source).body):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _replaced(source, [(_first_line(node), 0, node, text.strip("\n"))])
    return None


def _assigned(source: str) -> Mapping[str, ast.expr]:
    """The value of each name that has one plain assignment at module level and no second one of any kind."""
    values: dict[str, ast.expr] = {}
    again = set()
    for node in _tree(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign) else []
        for target in targets:
            if not isinstance(target, ast.Name):
                continue
            if target.id in values or isinstance(node, ast.AugAssign) or len(targets) > 1:
                again.add(target.id)
            elif node.value is not None:  # type: ignore[attr-defined]
                values[target.id] = node.value  # type: ignore[attr-defined]
    return {name: value for name, value in values.items() if name not in again}


def _first_line(function: ast.FunctionDef) -> int:
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])


def _replaced(source: str, edits: Sequence[tuple[int, int, ast.stmt | ast.expr, str]]) -> str:
    """Replace the text from each position (line, column) to the end of its node; columns count bytes, as in the syntax tree."""
    data = source.encode()
    begins = [0, *accumulate(map(len, _LINES.findall(data)))]
    for line, column, node, text in sorted(edits, key=lambda one: one[:2], reverse=True):  # from the end, so that no position moves
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin, end = begins[line - 1] + column, begins[node.end_lineno - 1] + node.end_col_offset
        data = data[:begin] + text.encode() + data[end:]
    return data.decode()


MAX_BLOCKS = 20
MOST_COUNTED = 100  # matches are counted up to here
INDENT = " \t"
_MOST_SEPARATORS = 4
_MOST_LINES = MAX_BYTES  # of a block: neither half can have more, except for blank lines

_OPEN = re.compile(r"([ \t]*)<{5,9} ?SEARCH[>:]?[ \t]*")
_SEPARATOR = re.compile(r"([ \t]*)={7}[ \t]*")
_CLOSE = re.compile(r"([ \t]*)>{5,9} ?REPLACE[ \t]*")
_PREFIX = "| "  # of quoted lines; a blank line may have lost the blank
_SIGNS = ("<", "=", ">")  # that markers are made of
_SAME = ">"  # no step of indentation


class Line(NamedTuple):
    text: str
    end: str


@dataclass(frozen=True)
class Block:
    """One block, cut before each separator. One separator, usually the only one, is the border between SEARCH and REPLACE."""

    number: int
    parts: Sequence[Sequence[Line]]

    @property
    def name(self) -> str:
        return f"block {self.number}"

    def halves(self) -> Iterator[tuple[list[Line], list[Line]]]:
        """Yield SEARCH and REPLACE for each separator taken as their border, the longest SEARCH first. If every line of SEARCH has the
        prefix of quoted lines, also yield both without it; then REPLACE need not have it."""
        for border in range(len(self.parts) - 1, 0, -1):
            search, (_, *replace) = (list(chain.from_iterable(parts)) for parts in (self.parts[:border], self.parts[border:]))
            yield search, replace
            if is_quoted(line.text for line in search):
                yield [Line(unquoted(text), end) for text, end in search], [Line(unquoted(text), end) for text, end in replace]


def _line(whole: str) -> Line:
    text = whole.splitlines()[0]
    return Line(text, whole[len(text) :])


def split_lines(text: str) -> list[Line]:
    """Split a program into lines. In a text with both, carriage returns become newlines, as in Python: else a blank line inserted after
    one would be lost."""
    lines = [_line(whole) for whole in text.splitlines(keepends=True)]
    ends = {line.end for line in lines}
    return [line._replace(end="\n") if line.end == "\r" else line for line in lines] if ends >= {"\r", "\n"} else lines


def read_blocks(reply: str) -> list[Block]:
    """All blocks of a reply. The markers of one block have the same indentation; a marker with another indentation is a line of code."""
    found: list[Block] = []
    block: _OpenBlock | None = None
    for number, line in enumerate(reply.splitlines(keepends=True), 1):
        if block is None:
            block = _open_block(line, number, len(found) + 1)
        elif block.add(line):
            found.append(Block(block.number, block.parts))
            block = None
    if block is not None:
        raise ProgramError(f"{block.name} is not closed: end it with >>>>>>> REPLACE, indented as its first line, and write all of it")
    if not found:
        raise ProgramError("the reply has no block <<<<<<< SEARCH, lines of the program, =======, new lines, >>>>>>> REPLACE; write one")
    if len(found) > MAX_BLOCKS:
        raise ProgramError(f"the reply has {len(found):,} blocks; at most {MAX_BLOCKS} are allowed: change less, or join blocks")
    return found


def _open_block(line: str, at: int, number: int) -> _OpenBlock | None:
    if "SEARCH" not in line and "REPLACE" not in line:
        return None
    line = line.splitlines()[0]
    if _CLOSE.fullmatch(line):
        raise ProgramError(f"line {at} of the reply is >>>>>>> REPLACE, but no block is open there; begin each with <<<<<<< SEARCH")
    opened = _OPEN.fullmatch(line)
    return _OpenBlock(number, at, opened[1]) if opened else None


class _OpenBlock:
    """A block whose closing marker was not read yet."""

    def __init__(self, number: int, line: int, indent: str) -> None:
        self.number = number
        self.name = f"block {number} (line {line:,} of the reply)"
        self.parts: list[list[Line]] = [[]]
        self._indent = indent
        self._left = _MOST_LINES

    def add(self, whole: str) -> bool:
        """Add a line; True if it closes the block."""
        line = _line(whole)
        self._left -= 1
        if self._left < 0:
            raise ProgramError(f"{self.name} has more than {_MOST_LINES:,} lines; replace less at once")
        if line.text.lstrip(INDENT)[:1] not in _SIGNS:
            self.parts[-1].append(line)
            return False
        if self._is(_OPEN, line):
            raise ProgramError(f"{self.name} is not closed when the next one begins: end it with >>>>>>> REPLACE")
        if self._is(_CLOSE, line):
            if len(self.parts) == 1:
                raise ProgramError(f"{self.name} has no line =======; put one, indented as its first line, between the old and new lines")
            return True
        if self._is(_SEPARATOR, line):
            if len(self.parts) > _MOST_SEPARATORS:
                raise ProgramError(f"{self.name} has more than {_MOST_SEPARATORS} lines =======; one of them belongs between old and new")
            self.parts.append([line])
        else:
            self.parts[-1].append(line)
        return False

    def _is(self, marker: re.Pattern[str], line: Line) -> bool:
        match = marker.fullmatch(line.text)
        return match is not None and match[1] == self._indent


def is_quoted(lines: Iterable[str]) -> bool:
    marked = [line.startswith(_PREFIX) or line.rstrip() == "|" for line in lines if line and not line.isspace()]
    return bool(marked) and all(marked)


def unquoted(line: str) -> str:
    return line.removeprefix(_PREFIX if line.startswith(_PREFIX) or line.rstrip() != "|" else "|")


@dataclass(frozen=True)
class Lines:
    """Lines of a program, or of SEARCH. ``known`` are its ``keys``, where the caller has them."""

    lines: list[Line]
    known: list[str] | None = None

    @cached_property
    def keys(self) -> list[str]:
        """The lines as a prompt shows them, without trailing blanks."""
        return keys_of(self.lines) if self.known is None else self.known

    @cached_property
    def joined(self) -> str:
        return "".join(map("".join, self.lines))

    @cached_property
    def size(self) -> int:
        """The characters of all keys."""
        return sum(map(len, self.keys))

    @cached_property
    def written(self) -> list[int]:
        """Where the lines are that are not blank."""
        return [index for index, key in enumerate(self.keys) if key]

    @cached_property
    def exact(self) -> str:
        return "\n".join(["", *[line.text for line in self.lines], ""])

    @cached_property
    def trimmed(self) -> str:
        return "\n".join(["", *self.keys, ""])

    @cached_property
    def outline(self) -> list[tuple[str, str]]:
        """Each line that is not blank, as a pair: how its indentation differs from the previous line's, and the text after it."""
        found: list[tuple[str, str]] = []
        before = None
        for index in self.written:
            key = self.keys[index]
            indent = indent_of(key)
            step = "" if before is None else _SAME
            if before is not None and indent != before:  # where the two differ: the same after a shift of both
                common = len(common_prefix(before, indent))
                step = f"{before[common:]}{_SAME}{indent[common:]}"
            found.append((step, key[len(indent) :]))
            before = indent
        return found

    @cached_property
    def shifted(self) -> str:
        """The outline with its gaps: the blank lines, NUL (which no key contains), the step, and the blank lines again, so that SEARCH may
        begin or end with fewer blank lines."""
        breaks = ["\n" * (two - one) for one, two in pairwise((-1, *self.written, len(self.lines)))]
        return "".join([f"{gap}\0{step}{gap}{rest}" for gap, (step, rest) in zip(breaks, self.outline, strict=False)]) + f"{breaks[-1]}\0"

    @cached_property
    def dense(self) -> str:
        """``shifted`` without the blank lines."""
        return "".join([f"\n\0{step}\n{rest}" for step, rest in self.outline]) + "\n\0"

    def views(self) -> Iterator[str]:
        """The text to search at each level. A generator, because most blocks need the first only."""
        yield self.exact
        yield self.trimmed
        yield self.shifted
        yield self.dense


def keys_of(lines: Sequence[Line]) -> list[str]:
    """The lines as a prompt shows them, without trailing blanks."""
    different = dict.fromkeys(line.text for line in lines)
    text = "".join(f"{line}\n" for line in different)
    shown = [line[len(_PREFIX) :].rstrip() for line in quoted("lines", text, len(text)).splitlines()[1:-1]]
    table = dict(zip(different, shown, strict=True))
    return [table[line.text] for line in lines]


def indent_of(line: str) -> str:
    """The blanks and tabs that a line begins with."""
    return line[: len(line) - len(line.lstrip(INDENT))]


def common_prefix(one: str, two: str) -> str:
    """The longest text that both begin with."""
    return one if one == two else one[: count_leading([a == b for a, b in zip(one, two, strict=False)])]


def count_leading(flags: Sequence[bool]) -> int:
    """How many flags are true before the first false one."""
    return sum(1 for _ in takewhile(bool, flags))


@dataclass(frozen=True)
class Match:
    """Lines ``first`` to ``last`` (not included) of a program, which SEARCH matches at this level (0 to 3)."""

    first: int
    last: int
    level: int


def find_matches(text: Lines, search: Lines) -> list[Match]:
    """All matches at the first level that has any, at most ``MOST_COUNTED``."""
    if not may_contain(text, search):
        return []
    for level, (view, sought) in enumerate(zip(text.views(), search.views(), strict=True)):
        if level < 2:
            starts = ((start, start + len(search.lines)) for start in _starts(view, sought, "\n"))
        else:
            inner = sought[sought.index("\0") + 1 : -1]
            starts = (_span(text, search, start - 1, level) for start in _starts(view, inner, "\0"))
        if places := [Match(first, last, level) for first, last in islice(starts, MOST_COUNTED)]:
            return places
    return []


def may_contain(text: Lines, search: Lines) -> bool:
    """Whether SEARCH is short enough to be in the text; a cheap check before searching."""
    written = [stripped for line in search.lines if (stripped := line.text.strip())]
    return len(written) <= len(text.lines) and sum(map(len, written)) <= text.size


def _starts(view: str, sought: str, mark: str) -> Iterator[int]:
    """For each occurrence of ``sought``, overlapping ones too: the number of marks before it."""
    marks, seen, at = 0, 0, view.find(sought)
    while at >= 0:
        marks += view.count(mark, seen, at)
        yield marks
        seen, at = at, view.find(sought, at + 1)


def _span(text: Lines, search: Lines, start: int, level: int) -> tuple[int, int]:
    """First and last line of the match that begins at non-blank line number ``start``, with the blank lines around SEARCH."""
    first, last = text.written[start], text.written[start + len(search.written) - 1] + 1
    if level == 2:
        first -= search.written[0]
        last += len(search.lines) - search.written[-1] - 1
    return first, last
