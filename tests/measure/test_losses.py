"""What a corpus lost, found and applied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personaevo.measure.fingerprint import LOSSES, apply_losses, detect_losses


@pytest.mark.parametrize(
    ("texts", "losses"),
    [
        (["hi there", "my order 12"], ("case", "punctuation")),
        (["hi there", "my order, 12"], ("case",)),
        (["Hi there"], ("punctuation",)),
        (["hi", "It's 12"], ()),
        (["привет"], ("case", "punctuation")),
        ([], ()),
        (["", "   "], ()),
    ],
)
def test_detect(texts: list[str], losses: tuple[str, ...]) -> None:
    assert detect_losses(texts) == losses


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((), "I don't know: W-12\n Émile!"),
        (("case",), "i don't know: w-12\n émile!"),
        (("punctuation",), "I dont know W12\n Émile"),
        (LOSSES, "i dont know w12\n émile"),
    ],
)
def test_apply(losses: tuple[str, ...], expected: str) -> None:
    assert apply_losses("I don't know: W-12\n Émile!", losses) == expected


@given(st.text(max_size=60))
def test_applying_twice_changes_nothing_more_and_is_detected(text: str) -> None:
    lost = apply_losses(text, ("punctuation",))
    assert apply_losses(lost, ("punctuation",)) == lost
    if any(map(str.isalnum, lost)):
        assert "punctuation" in detect_losses([lost])
