"""Text that is safe for a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personaevo.text import one_line, plain


@given(st.text())
def test_nothing_steers_a_terminal(text: str) -> None:
    assert all(char.isprintable() or char in "\n\t\u00a0" for char in plain(text))
    assert all(char.isprintable() or char == "\u00a0" for char in one_line(text))


# Letters and signs nobody sees: the fillers of Hangul and Braille's empty pattern.
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"


@given(st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters=_FILLERS)))
def test_ordinary_text_stays(text: str) -> None:
    assert plain(text) == one_line(text) == text


@pytest.mark.parametrize("char", _FILLERS)
def test_letters_nobody_sees_are_shown(char: str) -> None:
    assert plain(char) == f"\\u{ord(char):04x}"


def test_escapes_are_readable() -> None:
    assert plain("a\x1b[31mb\x9b\u202ec\n") == "a\\x1b[31mb\\x9b\\u202ec\n"
    assert one_line("a\nb\tc") == "a\\nb\\tc"
