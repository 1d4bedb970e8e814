"""Apply a model's reply to a program: its search/replace blocks, or the whole program that it contains.

A block asks for some whole lines of the program to be replaced::

    <<<<<<< SEARCH
    lines of the program
    =======
    the lines in their place
    >>>>>>> REPLACE

Error messages are sent back to the model. A line that they cite comes from the model's own reply.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from personaevo.errors import ProgramError
from personaevo.programs.edit import (  # fmt: skip
    MOST_COUNTED,
    Block,
    Line,
    Lines,
    Match,
    common_prefix,
    count_leading,
    find_matches,
    indent_of,
    is_quoted,
    keys_of,
    may_contain,
    read_blocks,
    split_lines,
    unquoted,
)
from personaevo.programs.source import MAX_BYTES, parse
from personaevo.text import one_line

_MOST_FENCES = 2_000
_LISTED = 5
_LONGEST_CITED = 60

_NEWLINES = ("\n", "\r\n", "\r")
_LEVELS = ("exactly", "ignoring trailing blanks", "ignoring the depth of indentation", "ignoring blank lines")

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})([^`]*)")
_GENERATE = re.compile(r"^(?:(?:async[ \t]+)?def[ \t]+generate\b|generate[ \t]*[:=])", re.MULTILINE)
_PYTHON = ("python", "py", "python3")
_PARSE_BUDGET = MAX_BYTES  # characters that are parsed to find the end of a program
_PARSE_COST = 200  # of one attempt, added to its characters


def apply(source: str, reply: str) -> str:
    """Apply the search/replace blocks of a reply in order, each to the result of the previous one, and return the program.

    Text around the blocks is ignored. SEARCH must match whole lines in exactly one place: exactly, else ignoring trailing blanks, else
    ignoring a uniform difference of indentation (by which the replacement is shifted too), else ignoring blank lines as well. After
    several matches at one level the next level is not tried. Lines that REPLACE repeats from SEARCH stay as they are in the program,
    and so do its line ends. SEARCH may be empty only if the program is, and may carry the "| " of quoted lines. A block with equal
    parts is skipped; of two with the same SEARCH the later counts, as the other was a draft. Takes time in proportion to the program
    and the reply, for up to 20 blocks.

    Raises:
        ProgramError: there is no block, a malformed one or more than 20; SEARCH is empty, or matches nowhere or in several places; the
            replacement cannot be shifted; nothing changes; the program has more than 64 kB, before or after any block. The message is
            one line that names the block and says what to do, to be sent back to the model.
    """
    text = before = Lines(_sized(split_lines(source), "the program"))
    latest = {tuple(line.text.strip() for line in block.parts[0]) or block.number: block for block in read_blocks(reply)}
    for block in sorted(latest.values(), key=lambda block: block.number):
        text = _apply_block(text, block)
    if text.joined == before.joined:
        raise ProgramError("the reply changes nothing: REPLACE must differ from the lines of the program that SEARCH names")
    return text.joined


def _apply_block(text: Lines, block: Block) -> Lines:
    for search, replace in block.halves():
        if not any(line.text.strip() for line in search):
            if any(line.text.strip() for line in text.lines):
                continue
            lines = [Line(line.text, line.end or "\n") for line in replace]
            return Lines(_sized(lines, f"after {block.name} the program"))
        if len(block.parts) == 2 and [line.text for line in search] == [line.text for line in replace]:
            return text
        sought = Lines(search)
        matches = find_matches(text, sought)
        if len(matches) == 1:
            return _replaced(text, sought, replace, matches[0], block)
        if matches:
            raise ProgramError(_ambiguous(block, sought, matches))
    raise ProgramError(_not_found(text, block, Lines(search)))


def _replaced(text: Lines, search: Lines, replace: list[Line], place: Match, block: Block) -> Lines:
    lines = text.lines[place.first : place.last]
    region = Lines(lines, text.keys[place.first : place.last])
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
    return Lines(changed, [*text.keys[: place.first], *keys_of(new), *text.keys[place.last :]])


def _without_margins(search: Lines, replace: list[Line]) -> list[Line]:
    """Drop the blank lines at the beginning and end of REPLACE that SEARCH has too: the program keeps its own."""
    blank = [not line.text.strip() for line in replace]
    first = min(search.written[0], count_leading(blank))
    last = min(len(search.lines) - search.written[-1] - 1, count_leading(blank[::-1]))
    return replace[first : max(first, len(replace) - last)]


class _Shift:
    """The difference of indentation between SEARCH and the program's lines: replaces the prefix ``old`` by ``new``."""

    def __init__(self, search: Lines, region: Lines) -> None:
        indents = ([indent_of(text.keys[at]) for at in text.written] for text in (search, region))
        self.old, self.new = (common_prefix(min(found), max(found)) for found in indents)
        if self.new.endswith(self.old):
            self.old, self.new = "", self.new[: len(self.new) - len(self.old)]
        elif self.old.endswith(self.new):
            self.old, self.new = self.old[: len(self.old) - len(self.new)], ""


def _new(line: Line, shift: _Shift | None, newline: str, block: Block) -> Line:
    text, end = line.text, newline if line.end in _NEWLINES else line.end
    if shift and text.strip():
        if not text.startswith(shift.old):
            raise ProgramError(
                f"{block.name}: {_excerpt(text)} in REPLACE is indented too little; indent old and new lines as the program does"
            )
        text = shift.new + text[len(shift.old) :]
    return Line(text, end)


def _sized(lines: list[Line], what: str) -> list[Line]:
    size = len("".join(map("".join, lines)).encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        raise ProgramError(f"{what} has {size:,} bytes; at most {MAX_BYTES:,} are allowed: make it shorter")
    return lines


# --- error messages for the model


def _excerpt(text: str) -> str:
    text = text.strip()
    return f'"{one_line(text[:_LONGEST_CITED])[: 2 * _LONGEST_CITED]}{"…" if len(text) > _LONGEST_CITED else ""}"'


def _first(search: Lines) -> str:
    return _excerpt(next(line.text for line in search.lines if line.text.strip()))


def _ambiguous(block: Block, search: Lines, matches: Sequence[Match]) -> str:
    count = f"{len(matches)}{' or more' if len(matches) == MOST_COUNTED else ''} places"
    lines = ", ".join(f"{place.first + 1:,}" for place in matches[:_LISTED]) + (", …" if len(matches) > _LISTED else "")
    return (
        f"{block.name}: its SEARCH, which begins with {_first(search)}, matches {count} ({_LEVELS[matches[0].level]}), beginning in lines "
        f"{lines}; add lines before or after until it matches only one"
    )


def _not_found(text: Lines, block: Block, search: Lines) -> str:
    if not any(line.text.strip() for line in search.lines):
        return f"{block.name}: its SEARCH is empty, which matches 0 places; copy the lines there that are to be replaced or stand beside"
    hint = "its lines are there, but not in this order or indentation"
    if not may_contain(text, search):
        hint = "it is longer than the program"
    else:
        known = {key.strip() for key in text.keys}
        missing = next((key for key in search.keys if key and key.strip() not in known), None)
        if missing is not None:
            hint = f"no line of the program is {_excerpt(missing)}"
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
    """Extract the program from a reply that rewrites it whole.

    This is the whole reply, if it is Python that defines ``generate``; else the fenced block marked as Python that defines it, else any
    fenced block that defines it, else any fenced block; of several the last, as those before it are drafts. Without fences it is the
    whole reply if that is valid Python. A program may have the "| " of quoted lines. A block ends at the first fence that leaves valid
    Python, so a program may contain fences in its strings. Whether a fenced text is valid Python and follows the rules is not checked.

    Raises:
        ProgramError: the reply is empty, its last fence is not closed, or it has none and is not a program. One line, to be sent back.
    """
    lines = reply.splitlines(keepends=True)
    text = _unwrapped(lines)
    if _GENERATE.search(text) and _is_python(text):
        return text
    blocks = [block for block in _fenced(lines) if block.text.strip()]
    if not blocks and not text.strip():
        raise ProgramError("the reply is empty; write the whole program in one block from ```python to ```")
    if not blocks:
        try:
            parse(text)
        except ProgramError as error:
            raise ProgramError(f"the reply has no block from ```python to ```, and is no program itself: {error}") from error
        return text
    defining = [block for block in blocks if _GENERATE.search(block.text)]
    marked = [block for block in defining if block.info in _PYTHON]
    return (marked or defining or blocks)[-1].text


def _unwrapped(lines: Sequence[str], indent: int = 0) -> str:
    """The text without the prefix of quoted lines and without the fence's indentation."""
    if is_quoted(lines):
        lines = [unquoted(line) for line in lines]
    return "".join(line[min(indent, len(indent_of(line))) :] for line in lines) if indent else "".join(lines)


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
    budget, index = _PARSE_BUDGET, 0
    while index < len(fences):
        opening = fences[index]
        end, budget = _closing_fence(lines, fences, index, budget)
        if end is None:
            if any(line.strip() for line in lines[opening.at + 1 :]):
                raise ProgramError(
                    f"line {opening.at + 1:,} of the reply opens a block that is never closed: the reply was cut off, or the closing ``` "
                    "is missing; write the whole program again, shorter if need be, from ```python to ```"
                )
            return
        info = opening.info.split()[0].lower() if opening.info else ""
        yield _Fenced(info, _unwrapped(lines[opening.at + 1 : end], opening.indent))
        index = bisect_left(fences, end + 1, key=lambda fence: fence.at)


def _closing_fence(lines: Sequence[str], fences: Sequence[_Fence], index: int, budget: int) -> tuple[int | None, int]:
    """The closing fence's line: the first that leaves valid Python, else the first at all (None if there is none); and the remaining
    parse budget."""
    opening, first = fences[index], None
    may_be_python = not opening.info or opening.info.split()[0].lower() in _PYTHON
    for later in range(index + 1, len(fences)):
        fence = fences[later]
        if not fence.closes(opening):
            budget -= first is not None
            continue
        first = fence.at if first is None else first
        if budget < 0 or not may_be_python or first == fence.at == fences[-1].at:  # the only one there is
            break
        text = _unwrapped(lines[opening.at + 1 : fence.at], opening.indent)
        budget -= len(text) + _PARSE_COST
        if _is_python(text):
            return fence.at, budget
    return first, budget


def _is_python(text: str) -> bool:
    try:
        parse(text)
    except ProgramError:
        return False
    return True
