"""The ``where`` language: what matches, what is unknown, and what each mistake is answered with."""

from __future__ import annotations

import math
import pickle

import pytest

from personaevo.errors import ConfigError
from personaevo.where import parse

KINDS = {"words_per_turn": float, "pushback_rate": float, "typos": float, "cell": int, "x": float, "y": float, "cell_name": str}
VALUES = {"words_per_turn": 5.0, "pushback_rate": 0.25, "typos": 1.0, "cell": 3, "x": 0.5, "y": None, "cell_name": "terse"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("words_per_turn < 6 and pushback_rate > 0.2", True),
        ("not (typos >= 1) or cell == 3", True),
        ("not (typos >= 1) or cell == 4", False),
        ("cell in (1, 2)", False),
        ("cell in (1, 3)", True),
        ("cell not in (1, 2)", True),
        ("0.1 < x <= 0.5", True),
        ("0.1 < x < 0.5", False),
        ("6 > words_per_turn", True),
        ("x < words_per_turn", True),
        ("x > -1e3 and x < +.5e1 and x != 5.", True),
        ('cell_name == "terse"', True),
        ("cell_name != 'terse'", False),
        ("'terse' == cell_name", True),
        ("cell_name in ('slow', \"terse\")", True),
        ("cell==3and x<1", True),
        ("not not cell == 3", True),
        ("cell == 3 or cell == 4 and cell == 5", True),  # 'and' binds more tightly
        ("(cell == 3 or cell == 4) and cell == 5", False),
        ("not cell == 4 and cell == 3", True),
        ("(" * 50 + "cell == 3" + ")" * 50, True),
        ("cell\n==\t3", True),
    ],
)
def test_matches(text: str, expected: bool) -> None:
    assert parse(text, KINDS).matches(VALUES) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y < 1", False),
        ("not y < 1", False),
        ("not (y < 1 and x == 0)", True),  # one part is false, so the whole is, whatever y
        ("y < 1 or x == 0.5", True),
        ("y < 1 or x == 0", False),
        ("not (y < 1 or x == 0)", False),
        ("y == y", False),
        ("y in (1, 2)", False),
        ("y not in (1, 2)", False),
        ("0 < y < 1", False),
    ],
)
@pytest.mark.parametrize("unset", [{"y": None}, {"y": math.nan}, {}])
def test_unknown_never_matches(text: str, expected: bool, unset: dict[str, float | None]) -> None:
    known = {name: value for name, value in VALUES.items() if name != "y"}
    assert parse(text, KINDS).matches({**known, **unset}) is expected


@pytest.mark.parametrize(
    ("text", "character", "words"),
    [
        ("", 1, "it ends; expected a name, a number or text"),
        ("x <", 4, "it ends; expected a name"),
        ("words_per_trun < 6", 1, "there is no name 'words_per_trun'; did you mean words_per_turn?"),
        ("zzz < 6", 1, "there is no name 'zzz'; names are: words_per_turn, pushback_rate"),
        ("x", 2, "it ends; expected a comparison"),
        ("x = 3", 3, "there is '='; expected a comparison (<, <=, >, >=, ==, != or in); write == to compare"),
        ("x < 1 && x > 0", 7, "there is '&'; expected 'and', 'or' or the end"),
        ("x < 1 x", 7, "there is 'x'; expected 'and', 'or' or the end"),
        ("x < 1 and", 10, "it ends; expected a name"),
        ("x < and", 5, "there is 'and'; expected a name"),
        ("(x < 1", 7, "it ends; expected 'and', 'or' or ')'"),
        ("x < 1)", 6, "there is ')'"),
        ("x in 1", 6, "expected '(' and a list"),
        ("x in ()", 7, "there is ')'; expected a name"),
        ("x in (1 2)", 9, "expected ',' or ')'"),
        ("x not < 1", 7, "expected 'in' after 'not'"),
        ("1 < 2", 3, "two constants are compared; one side must be a name: words_per_turn"),
        ("1 < 2 < x", 3, "two constants"),
        ("x == 'a'", 3, "a number is compared with a text; compare numbers with numbers"),
        ("cell_name == 3", 11, "a text is compared with a number"),
        ("cell_name < 'a'", 11, "text has no order for '<'; use ==, != or in"),
        ("x < 1e999", 5, "the number 1e999 is too large"),
        ("x < nan", 5, "there is no name 'nan'"),
        ("cell_name == 'a", 14, 'there is "\'"; expected a name, a number or text in quotes'),
        ("x < 1\0", 6, r"there is '\x00'"),
        ("x < 1 \x1b[31m", 7, r"there is '\x1b'"),
        ("(" * 51 + "x < 1" + ")" * 51, 51, "parentheses are nested deeper than 50"),
        ("(" * 2000, 51, "parentheses are nested deeper than 50"),
        ("__import__('os')", 1, "there is no name '__import__'"),
        ("x.real < 1", 2, "there is '.'"),
    ],
)
def test_mistakes(text: str, character: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, KINDS)
    assert str(caught.value).startswith(f"where, character {character}: ")
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_long_text_is_refused_and_long_negations_are_not() -> None:
    with pytest.raises(ConfigError, match=r"where: 2,001 characters; at most 2,000"):
        parse("x < 1".ljust(2001), KINDS)
    assert parse("not " * 498 + "x < 1", KINDS).matches(VALUES)
    assert parse(" or ".join(["x < 0"] * 220 + ["x < 1"]), KINDS).matches(VALUES)


def test_a_condition_can_be_sent_to_another_process() -> None:
    where = parse("not (x < 1 and cell in (1, 2))", KINDS)
    assert pickle.loads(pickle.dumps(where)) == where
    assert where.text == "not (x < 1 and cell in (1, 2))"
