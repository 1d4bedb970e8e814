"""Text from files, programs and models, made safe to be shown on a terminal."""

from __future__ import annotations

_BLANKS = frozenset(" \n\t\u00a0")


def plain(text: str) -> str:
    """The text with every character that could steer a terminal (control, bidirectional, invisible) written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _BLANKS else _escaped(char) for char in text)


def one_line(text: str) -> str:
    """``plain``, with line breaks and tabs written as escapes too."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
