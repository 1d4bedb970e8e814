"""Text that is safe for a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from personaevo.text import one_line, plain


@given(st.text())
def test_nothing_steers_a_terminal(text: str) -> None:
    assert all(char.isprintable() or char in "\n\t\u00a0" for char in plain(text))
    assert all(char.isprintable() or char == "\u00a0" for char in one_line(text))


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_ordinary_text_stays(text: str) -> None:
    assert plain(text) == one_line(text) == text


def test_escapes_are_readable() -> None:
    assert plain("a\x1b[31mb\x9b\u202ec\n") == "a\\x1b[31mb\\x9b\\u202ec\n"
    assert one_line("a\nb\tc") == "a\\nb\\tc"
