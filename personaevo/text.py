"""Untrusted text: makes it safe for terminals, notebooks and prompts, removes reasoning of models, and protects secrets."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

# Invisible characters that Python calls printable: fillers, joiners and the variation selectors in which text can be hidden.
_HIDDEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_BLANKS = frozenset(" \n\t\u00a0")

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,:#()-]{0,79}")
_OPEN = re.compile(r"--- data: (.+) ---")
_PREFIX = "| "
# Control tokens of chat templates: <|im_start|>, <start_of_turn>, </s>, <<SYS>>, [INST], …
_TEMPLATE = re.compile(
    r"<(?=[|\uff5c])|<(?=<?/?[A-Za-z_][\w:-]*>)|(?<=[|\uff5c])(?=>)"
    r"|\[(?=/?(?:INST|SYS|SYSTEM(?:_PROMPT)?|(?:AVAILABLE_)?TOOLS?(?:_\w+)?|UNUSED_TOKEN_\d+|gMASK|CLS|SEP|MASK|PAD|UNK|BOS|EOS)\])"
)

_ADDRESS_LOGIN = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*:/{1,2})[^\s/@?#]+@")  # Path() removes one of the slashes
_NAMED_SECRET = re.compile(
    r"(?i)\b((?:api[_-]?key|secret|password|passwd)[\"']?\s*[=:]\s*[\"']?|(?:token|signature)=|bearer\s+)[^\s&\"'#,;]{4,}"
)
_KEY = re.compile(r"\b(?:sk|pk|rk|ghp|gho|hf|xox[abp])[-_][A-Za-z0-9_-]{12,}")
_SHORTEST_SECRET = 8


def plain(text: str) -> str:
    """The text with every character that could steer a terminal (control, bidirectional, invisible) written as an escape."""
    if text.isprintable() and not _HIDDEN.search(text):
        return text
    shown = []
    for char in text:
        code = ord(char)
        if char in _BLANKS or (char.isprintable() and not _HIDDEN.match(char)):
            shown.append(char)
        else:
            shown.append(f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return "".join(shown)


def one_line(text: str) -> str:
    """``plain``, with line breaks and tabs written as escapes too."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


# --- in prompts


def quoted(label: str, text: str, longest: int = 8_000) -> str:
    """``text`` as a block of data for a prompt, which its content cannot close or imitate.

    Between the two border lines every line begins with "| "; all Unicode line ends count. Control, bidirectional and invisible characters
    are written as escapes, and a blank is inserted into chat-template tokens (``< |im_start|>``). ``text`` is cut to ``longest``
    characters; the closing line then says how many were cut. Equal arguments give equal blocks.

    Raises:
        ValueError: the label is not 1 to 80 letters, digits and simple signs: it must be a constant of the caller, not content.
    """
    if not _LABEL.fullmatch(label):
        raise ValueError(f"label {label!r:.100}: expected 1 to 80 letters, digits, blanks or simple signs; content belongs into the text")
    lines = (_PREFIX + _TEMPLATE.sub(r"\g<0> ", plain(line)) for line in text[:longest].splitlines())
    cut = len(text) - longest
    end = f"--- end of data: {label}{f' … ({cut:,} characters cut)' if cut > 0 else ''} ---"
    return "\n".join([f"--- data: {label} ---", *lines, end])


def split_blocks(prompt: str) -> tuple[str, list[tuple[str, str]]]:
    """Parse a prompt: the text outside its blocks, and (label, text as quoted) of each block.

    Raises:
        ValueError: a block is not closed, or a line in it lacks the prefix.
    """
    outside: list[str] = []
    blocks: list[tuple[str, str]] = []
    lines = iter(prompt.splitlines())
    for line in lines:
        opened = _OPEN.fullmatch(line)
        if opened:
            blocks.append((opened[1], _block(opened[1], lines)))
        else:
            outside.append(line)
    return "\n".join(outside), blocks


def _block(label: str, lines: Iterable[str]) -> str:
    inside: list[str] = []
    end = re.compile(rf"--- end of data: {re.escape(label)}( … \([\d,]+ characters cut\))? ---")
    for line in lines:
        if end.fullmatch(line):
            return "\n".join(inside)
        if not line.startswith(_PREFIX):
            raise ValueError(f"block {label!r}: the line {line!r:.100} lacks the prefix")
        inside.append(line.removeprefix(_PREFIX))
    raise ValueError(f"block {label!r} is not closed")


# --- secrets


def without_secrets(text: str, values: Iterable[str] = ()) -> str:
    """The text without logins in addresses, without anything like a key, and without each of ``values`` (of 8 characters or more)."""
    for value in sorted({value for value in values if len(value) >= _SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(value, "***")
    text = _ADDRESS_LOGIN.sub(r"\1***@", text)
    return _KEY.sub("***", _NAMED_SECRET.sub(r"\1***", text))


_NAMES = "(?:seed:)?(?:think|thinking|thought|thoughts|reasoning)"
_TAGS = tuple(
    re.compile(rf"(?P<opens>{opening})|{closing}", re.IGNORECASE)
    for opening, closing in ((rf"<{_NAMES}>", rf"</{_NAMES}>"), (r"\[THINK\]", r"\[/THINK\]"), ("◁think▷", "◁/think▷"))
)
# <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>… (harmony)
_CHANNEL = re.compile(r"<\|channel\|>(\w{1,40})[^<]{0,80}(?:<\|constrain\|>\w{1,40})?<\|message\|>")
_CHANNEL_ENDS = re.compile(r"<\|(?:end|return|call|start)\|>.*", re.DOTALL)
_SAID = "final"


class Parted(NamedTuple):
    """The answer without reasoning, and whether there was any reasoning."""

    said: str
    thought: bool


def parted(text: str) -> Parted:
    """The text without reasoning. Blocks from an opening to a closing tag are removed, and so is all text before a closing tag without an
    opening one and all text after an opening tag that is never closed."""
    channels = list(_CHANNEL.finditer(text))
    if channels:
        last = channels[-1]
        final = last[1].lower() == _SAID
        return Parted(_CHANNEL_ENDS.sub("", text[last.end() :]).strip() if final else "", len(channels) > 1 or not final)
    said = text
    for tags in _TAGS:
        said = _without(said, tags)
    return Parted(said.strip(), True) if said != text else Parted(text, False)


def _without(text: str, tags: re.Pattern[str]) -> str:
    kept: list[str] = []
    at, inside = 0, False
    for tag in tags.finditer(text):
        if tag["opens"]:
            if not inside:
                kept.append(text[at : tag.start()])
            inside = True
            continue
        if not inside:  # a closing tag without an opening one: all text before it is reasoning
            kept.clear()
        at, inside = tag.end(), False
    return "".join(kept if inside else [*kept, text[at:]])


_MOST_ROWS = 50


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """An HTML table. Numbers are aligned to the right; only the first 50 rows are shown."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:_MOST_ROWS])
    more = f"<tr><td colspan='{len(header)}'>and {len(rows) - _MOST_ROWS:,} more</td></tr>" if len(rows) > _MOST_ROWS else ""
    above = f"<caption>{_lines(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}{more}</tbody></table>"


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _cell(value: object) -> str:
    return f"<td style='text-align:right'>{value:.3g}</td>" if isinstance(value, float) else f"<td>{_lines(str(value))}</td>"


_SET_DUMPABLE = 4  # prctl(2)


def close_process() -> None:
    """Disable core dumps of this process and its children. On Linux other processes of the same user cannot read it either
    (``/proc/PID/environ``, ptrace), until it executes another program. Never raises."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - slow to import, and this module is imported everywhere

        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
