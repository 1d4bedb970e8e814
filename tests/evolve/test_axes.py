"""Words of axes: names, definitions and playbook texts come from content and fit what the dials say."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personaevo import content
from personaevo.definitions import Dial, dials
from personaevo.errors import ContentError
from personaevo.evolve import genotype
from personaevo.evolve.genotype import new_axis, oriented, worded, words

NAMES = st.sampled_from(sorted(dials()))


def values(dial: Dial) -> st.SearchStrategy[float]:
    return st.floats(dial.low, dial.high)


@st.composite
def some_ends(draw: st.DrawFn) -> dict[str, list[float]]:
    return {name: [draw(values(dials()[name])) for _ in range(2)] for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))}


@pytest.fixture
def _forgotten() -> Iterator[None]:
    words.cache_clear()
    yield
    words.cache_clear()


def test_every_dial_has_words_and_nothing_else_has() -> None:
    table = content.toml("seeds", "axes.toml")
    assert set(table) == set(words()) == set(dials())
    for name, said in words().items():
        assert set(table[name]) == {"about", "less", "more"}
        texts = (said.about, *said.less, *said.more)
        assert all(text.strip() == text and text and "_" not in text for text in texts), name
        assert all(re.fullmatch(r"[a-z -]+", text) for text in (said.about, said.less[0], said.more[0])), name
        assert all(re.fullmatch(r"[A-Z].*\.", sentence) for sentence in (said.less[1], said.more[1])), name
    phrases = [phrase for said in words().values() for phrase, _ in (said.less, said.more)]
    assert len(set(phrases)) == len(phrases)


@pytest.mark.parametrize("row", [{}, {"about": "x", "less": ["a"], "more": ["b", "c"]}, {"about": "x", "less": 3, "more": ["b", "c"]}])
def test_content_of_another_form_is_an_error(_forgotten: None, monkeypatch: pytest.MonkeyPatch, row: dict[str, object]) -> None:
    table = {**content.toml("seeds", "axes.toml"), "words_per_turn": row}
    monkeypatch.setattr(genotype.content, "toml", lambda *_: table)
    with pytest.raises(ContentError, match=r"axes\.toml: expected about, less and more of the dial 'words_per_turn'"):
        words()


@given(some_ends())
def test_texts_say_what_the_dials_say(ends: dict[str, list[float]]) -> None:
    """Two words a message is never "at length", and thirty never "short"; what is as the simulator does unasked is not spoken of."""
    axis = new_axis(ends)
    for at, text in enumerate((axis["low"], axis["high"])):
        assert text.strip()
        for name, pair in ends.items():
            default, said = dials()[name].default, words()[name]
            assert said.less[1] not in text or pair[at] < default
            assert said.more[1] not in text or pair[at] > default
            assert not (said.less[1] in text and said.more[1] in text)
    for name, pair in ends.items():
        assert axis["dials"][name] == pair
        assert words()[name].about in axis["definition"]


@given(some_ends())
def test_phrases_say_what_the_dials_say(ends: dict[str, list[float]]) -> None:
    """Who is at either end follows from the first dial that is off there; nothing is said of an end where none is."""
    for at, phrase in enumerate(new_axis(ends)["who"]):
        off = [name for name, pair in ends.items() if phrase == words()[name].less[0] and pair[at] < dials()[name].default]
        off += [name for name, pair in ends.items() if phrase == words()[name].more[0] and pair[at] > dials()[name].default]
        assert len(off) == (1 if phrase else 0)


def test_texts_by_hand() -> None:
    axis = new_axis({"words_per_turn": [2.0, 40.0], "politeness_rate": [0.9, 0.0]})
    assert axis["name"] == "talkative and blunt"
    assert axis["who"] == ["sparing with words", "talkative"]
    assert axis["definition"] == "how much is said at a time; how much courtesy is shown"
    assert axis["low"] == "Keep your messages short. Say please, thank you and sorry as a courteous person does."
    assert axis["high"] == "Take your time and say it at length. Be sparing with courtesies."
    same = new_axis({"words_per_turn": [dials()["words_per_turn"].default] * 2})
    assert same["low"] == same["high"] == "In how much is said at a time, be like most people."
    assert same["who"] == ["", ""]
    assert new_axis({"words_per_turn": [3.0, 3.0]})["name"] == "sparing with words"
    assert new_axis({"words_per_turn": [30.0, 30.0]})["name"] == "talkative"


@given(some_ends(), some_ends())
def test_an_axis_that_changed_keeps_its_name(first: dict[str, list[float]], second: dict[str, list[float]]) -> None:
    axis = new_axis(first)
    changed = worded({**axis, "dials": second})
    assert (changed["name"], changed["definition"]) == (axis["name"], axis["definition"])
    assert all(changed[part] == new_axis(second)[part] for part in ("low", "high", "who"))
    assert worded(changed) == changed


@given(*[st.lists(st.floats(-5, 5), min_size=2, max_size=2)] * 2)
def test_direction_is_kept(before: list[float], after: list[float]) -> None:
    found = oriented(before, after)
    assert sorted(found) == sorted(after)
    assert (before[1] - before[0]) * (found[1] - found[0]) >= 0
