"""What a model's reply makes of a program: its search/replace blocks applied, or the whole program that it holds.

A block asks for some whole lines of the program to be replaced::

    <<<<<<< SEARCH
    lines of the program
    =======
    the lines in their place
    >>>>>>> REPLACE

Models copy from a prompt that quotes the program (``personaevo.text.quoted``), so lines end here where they end there, and except at the
strictest level they are compared as they look there. Nothing here reads Python except where ``whole`` looks for the end of a program.
Messages are sent back to the model; the line that they cite is its own, and data like the rest of its reply.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, pairwise, takewhile
from typing import NamedTuple

from personaevo.errors import ProgramError
from personaevo.programs.source import MAX_BYTES, parse
from personaevo.text import one_line, quoted

MAX_BLOCKS = 20
_MOST_SEPARATORS = 4
_MOST_LINES = MAX_BYTES  # of a block: neither half can have more, but for blank lines
_MOST_FENCES = 2_000
_COUNTED = 100  # places are counted up to here
_LISTED = 5
_LONGEST_CITED = 60

_OPEN = re.compile(r"([ \t]*)<{5,9} ?SEARCH[>:]?[ \t]*")
_SEPARATOR = re.compile(r"([ \t]*)={7}[ \t]*")
_CLOSE = re.compile(r"([ \t]*)>{5,9} ?REPLACE[ \t]*")
_PREFIX = "| "  # of quoted lines; a blank one may have lost its blank
_SIGNS = ("<", "=", ">")  # that markers are made of
_NEWLINES = ("\n", "\r\n", "\r")
_INDENT = " \t"
_SAME = ">"  # no step of indentation
_LEVELS = ("exactly", "ignoring trailing blanks", "ignoring the depth of indentation", "ignoring blank lines")

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})([^`]*)")
_GENERATE = re.compile(r"^(?:(?:async[ \t]+)?def[ \t]+generate\b|generate[ \t]*[:=])", re.MULTILINE)
_PYTHON = ("python", "py", "python3")
_PARSED = MAX_BYTES  # characters that are tried as Python in search of the end of a program
_TRIED = 200  # what a try costs beside its characters


def apply(source: str, reply: str) -> str:
    """The program after the search/replace blocks of a reply, each applied to what those before it made.

    What stands around the blocks is ignored. SEARCH must be found in exactly one place, as whole lines: exactly, or else ignoring
    trailing blanks, or else a uniform difference of indentation (by which the replacement is shifted too), or else blank lines as well.
    What is found more often at one of these levels is not looked for at the next. Lines that REPLACE repeats from SEARCH stay as they
    are in the program, and so do its line ends. SEARCH may be empty only if the program is, and may carry the "| " of quoted lines.
    A block with equal parts is passed over; of two that search for the same, the later counts, as the other was a draft. Takes time in
    proportion to the program and the reply, for up to 20 blocks.

    Raises:
        ProgramError: no block, a malformed one or more than 20; SEARCH is empty, or found nowhere or in several places; the replacement
            cannot be shifted; nothing is changed; the program has more than 64 kB, before or after any block. One line that says which
            block it is and what to do, fit to be sent back to the model.
    """
    text = before = _Text(_sized(_split(source), "the program"))
    for block in _last(_blocks(reply)):
        text = _applied(text, block)
    if text.joined == before.joined:
        raise ProgramError("the reply changes nothing: REPLACE must differ from the lines of the program that SEARCH names")
    return text.joined


def _last(blocks: Iterable[_Block]) -> list[_Block]:
    """The blocks without those that search for the same lines as a later one."""
    found = {tuple(line.text.strip() for line in block.parts[0]) or block.number: block for block in blocks}
    return sorted(found.values(), key=lambda block: block.number)


# --- the blocks of a reply


class _Line(NamedTuple):
    text: str
    end: str


@dataclass(frozen=True)
class _Block:
    """One block, cut before each separator: one of them is the border between SEARCH and REPLACE, usually there is no other."""

    number: int
    parts: Sequence[Sequence[_Line]]

    @property
    def name(self) -> str:
        return f"block {self.number}"

    def halves(self) -> Iterator[tuple[list[_Line], list[_Line]]]:
        """SEARCH and REPLACE, with each separator taken as their border; the longest SEARCH first. If all of SEARCH has the prefix of
        quoted lines, it is tried without as well: then REPLACE needs none either."""
        for border in range(len(self.parts) - 1, 0, -1):
            search, (_, *replace) = (list(chain.from_iterable(parts)) for parts in (self.parts[:border], self.parts[border:]))
            yield search, replace
            if _is_quoted(line.text for line in search):
                yield [_Line(_bare(text), end) for text, end in search], [_Line(_bare(text), end) for text, end in replace]


def _line(whole: str) -> _Line:
    text = whole.splitlines()[0]
    return _Line(text, whole[len(text) :])


def _split(text: str) -> list[_Line]:
    """A program's lines. Carriage returns beside newlines become newlines, as for Python: a blank line put after one would be lost."""
    lines = [_line(whole) for whole in text.splitlines(keepends=True)]
    ends = {line.end for line in lines}
    return [line._replace(end="\n") if line.end == "\r" else line for line in lines] if ends >= {"\r", "\n"} else lines


def _blocks(reply: str) -> list[_Block]:
    """All blocks of a reply. Markers of a block stand at the same indentation; what looks like one elsewhere is a line of code."""
    found: list[_Block] = []
    block: _Opened | None = None
    for number, line in enumerate(reply.splitlines(keepends=True), 1):
        if block is None:
            block = _opened(line, number, len(found) + 1)
        elif block.takes(line):
            found.append(_Block(block.number, block.parts))
            block = None
    if block is not None:
        raise ProgramError(f"{block.name} is not closed: end it with >>>>>>> REPLACE, indented as its first line, and write all of it")
    if not found:
        raise ProgramError("the reply has no block <<<<<<< SEARCH, lines of the program, =======, new lines, >>>>>>> REPLACE; write one")
    if len(found) > MAX_BLOCKS:
        raise ProgramError(f"the reply has {len(found):,} blocks; at most {MAX_BLOCKS} are allowed: change less, or join blocks")
    return found


def _opened(line: str, at: int, number: int) -> _Opened | None:
    if "SEARCH" not in line and "REPLACE" not in line:
        return None
    line = line.splitlines()[0]
    if _CLOSE.fullmatch(line):
        raise ProgramError(f"line {at} of the reply is >>>>>>> REPLACE, but no block is open there; begin each with <<<<<<< SEARCH")
    opened = _OPEN.fullmatch(line)
    return _Opened(number, at, opened[1]) if opened else None


class _Opened:
    """A block while its lines come in."""

    def __init__(self, number: int, line: int, indent: str) -> None:
        self.number = number
        self.name = f"block {number} (line {line:,} of the reply)"
        self.parts: list[list[_Line]] = [[]]
        self._indent = indent
        self._left = _MOST_LINES

    def takes(self, whole: str) -> bool:
        """Whether this line closes the block."""
        line = _line(whole)
        self._left -= 1
        if self._left < 0:
            raise ProgramError(f"{self.name} has more than {_MOST_LINES:,} lines; replace less at once")
        if line.text.lstrip(_INDENT)[:1] not in _SIGNS:
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

    def _is(self, marker: re.Pattern[str], line: _Line) -> bool:
        match = marker.fullmatch(line.text)
        return match is not None and match[1] == self._indent


def _is_quoted(lines: Iterable[str]) -> bool:
    marked = [line.startswith(_PREFIX) or line.rstrip() == "|" for line in lines if line and not line.isspace()]
    return bool(marked) and all(marked)


def _bare(line: str) -> str:
    return line.removeprefix(_PREFIX if line.startswith(_PREFIX) or line.rstrip() != "|" else "|")


# --- the places of a block


@dataclass(frozen=True)
class _Text:
    """Lines of a program, or of SEARCH. ``keys`` are the lines as a prompt shows them, without trailing blanks."""

    lines: list[_Line]
    known: list[str] | None = None

    @cached_property
    def keys(self) -> list[str]:
        return _keys(self.lines) if self.known is None else self.known

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
        """Each line that is not blank, in two: how its indentation differs from that of the one before, and the rest."""
        found: list[tuple[str, str]] = []
        before = None
        for index in self.written:
            key = self.keys[index]
            rest = key.lstrip(_INDENT)
            indent = key[: len(key) - len(rest)]
            step = "" if before is None else _SAME if indent == before else _step(before, indent)
            found.append((step, rest))
            before = indent
        return found

    @cached_property
    def shifted(self) -> str:
        """The outline with its gaps: the blank lines, NUL (not in any key), the step, and the blank lines again, so that SEARCH may begin
        or end with fewer of them."""
        breaks = ["\n" * (two - one) for one, two in pairwise((-1, *self.written, len(self.lines)))]
        return "".join([f"{gap}\0{step}{gap}{rest}" for gap, (step, rest) in zip(breaks, self.outline, strict=False)]) + f"{breaks[-1]}\0"

    @cached_property
    def dense(self) -> str:
        """The same without the blank lines."""
        return "".join([f"\n\0{step}\n{rest}" for step, rest in self.outline]) + "\n\0"

    def views(self) -> Iterator[str]:
        """The lines as text to be searched at each level. One by one: most blocks need the first only."""
        yield self.exact
        yield self.trimmed
        yield self.shifted
        yield self.dense


def _keys(lines: Sequence[_Line]) -> list[str]:
    different = dict.fromkeys(line.text for line in lines)
    text = "".join(f"{line}\n" for line in different)
    shown = [line[len(_PREFIX) :].rstrip() for line in quoted("lines", text, len(text)).splitlines()[1:-1]]
    table = dict(zip(different, shown, strict=True))
    return [table[line.text] for line in lines]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(_INDENT))]


def _common(one: str, two: str) -> str:
    """What both begin with."""
    return one if one == two else one[: _run([a == b for a, b in zip(one, two, strict=False)])]


def _step(one: str, two: str) -> str:
    """What two indentations have not in common: the same for both after a shift of both."""
    common = len(_common(one, two))
    return f"{one[common:]}{_SAME}{two[common:]}"


@dataclass(frozen=True)
class _Place:
    """Lines ``first`` to ``last`` (not included) of a program, which are SEARCH at this level."""

    first: int
    last: int
    level: int


def _places(text: _Text, search: _Text) -> list[_Place]:
    """All places at the first level where there is any; of very many only some."""
    if not _may_hold(text, search):
        return []
    for level, (view, sought) in enumerate(zip(text.views(), search.views(), strict=True)):
        if level < 2:
            starts = ((start, start + len(search.lines)) for start in _starts(view, sought, "\n"))
        else:
            inner = sought[sought.index("\0") + 1 : -1]
            starts = (_around(text, search, start - 1, level) for start in _starts(view, inner, "\0"))
        if places := [_Place(first, last, level) for first, last in islice(starts, _COUNTED)]:
            return places
    return []


def _may_hold(text: _Text, search: _Text) -> bool:
    """Whether SEARCH is not much too long to be worth a look."""
    written = [stripped for line in search.lines if (stripped := line.text.strip())]
    return len(written) <= len(text.lines) and sum(map(len, written)) <= text.size


def _starts(view: str, sought: str, mark: str) -> Iterator[int]:
    """How many marks stand before each place where ``sought`` begins, overlapping ones too."""
    marks, seen, at = 0, 0, view.find(sought)
    while at >= 0:
        marks += view.count(mark, seen, at)
        yield marks
        seen, at = at, view.find(sought, at + 1)


def _around(text: _Text, search: _Text, start: int, level: int) -> tuple[int, int]:
    """The lines from the written one with number ``start`` on, with the blank lines that SEARCH begins and ends with."""
    first, last = text.written[start], text.written[start + len(search.written) - 1] + 1
    if level == 2:
        first -= search.written[0]
        last += len(search.lines) - search.written[-1] - 1
    return first, last


# --- what becomes of it


def _applied(text: _Text, block: _Block) -> _Text:
    for search, replace in block.halves():
        if not any(line.text.strip() for line in search):
            if any(line.text.strip() for line in text.lines):
                continue
            lines = [_Line(line.text, line.end or "\n") for line in replace]
            return _Text(_sized(lines, f"after {block.name} the program"))
        if len(block.parts) == 2 and [line.text for line in search] == [line.text for line in replace]:
            return text
        sought = _Text(search)
        places = _places(text, sought)
        if len(places) == 1:
            return _replaced(text, sought, replace, places[0], block)
        if places:
            raise ProgramError(_ambiguous(block, sought, places))
    raise ProgramError(_not_found(text, block, _Text(search)))


def _replaced(text: _Text, search: _Text, replace: list[_Line], place: _Place, block: _Block) -> _Text:
    lines = text.lines[place.first : place.last]
    region = _Text(lines, text.keys[place.first : place.last])
    if place.level == 3:
        replace = _without_margins(search, replace)
    shift = _Shift(search, region) if place.level > 1 else None
    pairs = zip(search.written, region.written, strict=True)
    own = {search.lines[one].text: region.lines[two] for one, two in pairs}
    newline = next((line.end for line in (*lines, *text.lines) if line.end in _NEWLINES), "\n")
    new = [own.get(line.text) or _new(line, shift, newline, block) for line in replace]
    new = [line if line.end else line._replace(end=newline) for line in new]
    if new and place.last == len(text.lines) and not text.lines[-1].end:
        new[-1] = new[-1]._replace(end="")
    changed = _sized([*text.lines[: place.first], *new, *text.lines[place.last :]], f"after {block.name} the program")
    return _Text(changed, [*text.keys[: place.first], *_keys(new), *text.keys[place.last :]])


def _without_margins(search: _Text, replace: list[_Line]) -> list[_Line]:
    """Without the blank lines at the beginning and the end that SEARCH has too: those of the program stay."""
    blank = [not line.text.strip() for line in replace]
    first = min(search.written[0], _run(blank))
    last = min(len(search.lines) - search.written[-1] - 1, _run(blank[::-1]))
    return replace[first : max(first, len(replace) - last)]


def _run(flags: Sequence[bool]) -> int:
    return sum(1 for _ in takewhile(bool, flags))


def _margin(text: _Text) -> str:
    indents = [_indent(text.keys[at]) for at in text.written]
    return _common(min(indents), max(indents))


class _Shift:
    """How much further in the program's lines stand than those of SEARCH."""

    def __init__(self, search: _Text, region: _Text) -> None:
        self.old, self.new = _margin(search), _margin(region)
        if self.new.endswith(self.old):
            self.old, self.new = "", self.new[: len(self.new) - len(self.old)]
        elif self.old.endswith(self.new):
            self.old, self.new = self.old[: len(self.old) - len(self.new)], ""


def _new(line: _Line, shift: _Shift | None, newline: str, block: _Block) -> _Line:
    text, end = line.text, newline if line.end in _NEWLINES else line.end
    if shift and text.strip():
        if not text.startswith(shift.old):
            cited = _cited(text)
            raise ProgramError(f"{block.name}: {cited} in REPLACE is indented too little; indent old and new lines as the program does")
        text = shift.new + text[len(shift.old) :]
    return _Line(text, end)


def _sized(lines: list[_Line], what: str) -> list[_Line]:
    size = len("".join(map("".join, lines)).encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        raise ProgramError(f"{what} has {size:,} bytes; at most {MAX_BYTES:,} are allowed: make it shorter")
    return lines


# --- what to tell the model


def _cited(text: str) -> str:
    text = text.strip()
    return f'"{one_line(text[:_LONGEST_CITED])[: 2 * _LONGEST_CITED]}{"…" if len(text) > _LONGEST_CITED else ""}"'


def _first(search: _Text) -> str:
    return _cited(next(line.text for line in search.lines if line.text.strip()))


def _listed(lines: Sequence[int]) -> str:
    shown = [f"{line:,}" for line in lines[:_LISTED]]
    return ", ".join(shown) + (", …" if len(lines) > _LISTED else "")


def _ambiguous(block: _Block, search: _Text, places: Sequence[_Place]) -> str:
    count = f"{len(places)}{' or more' if len(places) == _COUNTED else ''} places"
    lines = _listed([place.first + 1 for place in places])
    return (
        f"{block.name}: its SEARCH, which begins with {_first(search)}, matches {count} ({_LEVELS[places[0].level]}), beginning in lines "
        f"{lines}; add lines before or after until it matches only one"
    )


def _not_found(text: _Text, block: _Block, search: _Text) -> str:
    if not any(line.text.strip() for line in search.lines):
        return f"{block.name}: its SEARCH is empty, which matches 0 places; copy the lines there that are to be replaced or stand beside"
    hint = "its lines are there, but not in this order or indentation"
    if not _may_hold(text, search):
        hint = "it is longer than the program"
    else:
        known = {key.strip() for key in text.keys}
        missing = next((key for key in search.keys if key and key.strip() not in known), None)
        if missing is not None:
            hint = f"no line of the program is {_cited(missing)}"
    after = " after the blocks before it" if block.number > 1 else ""
    return (
        f"{block.name}: its SEARCH, which begins with {_first(search)}, matches 0 places of the program{after}: {hint}; "
        "copy whole lines as they are"
    )


# --- whole programs


class _Fenced(NamedTuple):
    info: str
    text: str


def whole(reply: str) -> str:
    """The program of a reply that rewrites it whole.

    That is the whole reply, if it is Python that defines ``generate``; or else the fenced block marked as Python that defines it, or
    else any fenced block that does, or else any; of several the last, as those before it are drafts. Without fences it is the whole
    reply if that is Python at all. A program may have the "| " of quoted lines. A block ends at the first fence before which there is
    Python that can be read, so that a program may hold fences in its texts. Whether what is fenced can be read, and follows the rules,
    is left to others.

    Raises:
        ProgramError: the reply is empty, its last fence is not closed, or it has none and is not a program. One line, fit to be sent back.
    """
    lines = reply.splitlines(keepends=True)
    text = _plain(lines)
    if _GENERATE.search(text) and _reads(text):
        return text
    blocks = [block for block in _fenced(lines) if block.text.strip()]
    if not blocks:
        return _unfenced(text)
    defining = [block for block in blocks if _GENERATE.search(block.text)]
    marked = [block for block in defining if block.info in _PYTHON]
    return (marked or defining or blocks)[-1].text


def _unfenced(text: str) -> str:
    if not text.strip():
        raise ProgramError("the reply is empty; write the whole program in one block from ```python to ```")
    try:
        parse(text)
    except ProgramError as error:
        raise ProgramError(f"the reply has no block from ```python to ```, and is no program itself: {error}") from error
    return text


def _plain(lines: Sequence[str], indent: int = 0) -> str:
    """Without the prefix of quoted lines, and without what the fence is indented by."""
    if _is_quoted(lines):
        lines = [_bare(line) for line in lines]
    return "".join(line[min(indent, len(_indent(line))) :] for line in lines) if indent else "".join(lines)


class _Fence(NamedTuple):
    at: int
    indent: int
    signs: str
    info: str

    def closes(self, opening: _Fence) -> bool:
        return not self.info and self.signs.startswith(opening.signs) and self.indent <= opening.indent + 3


def _fenced(lines: Sequence[str]) -> Iterator[_Fenced]:
    found = ((at, _FENCE.fullmatch(line.splitlines()[0])) for at, line in enumerate(lines) if "```" in line or "~~~" in line)
    matches = ((at, match) for at, match in found if match)
    fences = [_Fence(at, len(match[1]), match[2], match[3].strip()) for at, match in islice(matches, _MOST_FENCES + 1)]
    if len(fences) > _MOST_FENCES:
        raise ProgramError(f"the reply has more than {_MOST_FENCES:,} fences ```; write the whole program in one block")
    allowance, index = _PARSED, 0
    while index < len(fences):
        opening = fences[index]
        end, allowance = _end(lines, fences, index, allowance)
        if end is None:
            if any(line.strip() for line in lines[opening.at + 1 :]):
                raise ProgramError(
                    f"line {opening.at + 1:,} of the reply opens a block that is never closed: the reply was cut off, or the closing ``` "
                    "is missing; write the whole program again, shorter if need be, from ```python to ```"
                )
            return
        info = opening.info.split()[0].lower() if opening.info else ""
        yield _Fenced(info, _plain(lines[opening.at + 1 : end], opening.indent))
        index = bisect_left(fences, end + 1, key=lambda fence: fence.at)


def _end(lines: Sequence[str], fences: Sequence[_Fence], index: int, allowance: int) -> tuple[int | None, int]:
    """The line that closes a block: the first one after which it can be read as Python, or else the first one at all; and what is left
    of the allowance for trying."""
    opening, first = fences[index], None
    for later in range(index + 1, len(fences)):
        fence = fences[later]
        if not fence.closes(opening):
            allowance -= first is not None
            continue
        first = fence.at if first is None else first
        if allowance < 0 or not _may_be_python(opening) or first == fence.at == fences[-1].at:  # the only one there is
            break
        text = _plain(lines[opening.at + 1 : fence.at], opening.indent)
        allowance -= len(text) + _TRIED
        if _reads(text):
            return fence.at, allowance
    return first, allowance


def _may_be_python(fence: _Fence) -> bool:
    return not fence.info or fence.info.split()[0].lower() in _PYTHON


def _reads(text: str) -> bool:
    try:
        parse(text)
    except ProgramError:
        return False
    return True
