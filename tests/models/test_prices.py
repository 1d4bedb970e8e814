"""Prices of tokens: whose price it is, and what so many tokens cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from personaevo.chat import Usage
from personaevo.errors import ConfigError, ContentError
from personaevo.models import parse, price_of, read_prices
from personaevo.models.ledger import Price

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(), 0.0),
        (Usage(MILLION), 2.0),
        (Usage(0, MILLION), 8.0),
        (Usage(MILLION, MILLION, MILLION), 8.5),
        (Usage(MILLION, 0, MILLION // 2), 1.25),
        (Usage(10, 0, MILLION), 10 * 0.5 / MILLION),  # a server that says nonsense
    ],
)
def test_cost(usage: Usage, dollars: float) -> None:
    assert Price(model="m", input=2.0, output=8.0, cached=0.5).of(usage) == pytest.approx(dollars)


def test_without_a_price_of_its_own_cached_input_is_input() -> None:
    assert Price(model="m", input=2.0, output=8.0).of(Usage(MILLION, 0, MILLION)) == 2.0
    assert Price(model="m", input=2.0, output=8.0, cached=0.0).of(Usage(MILLION, 0, MILLION)) == 0.0


@pytest.mark.parametrize(
    ("model", "pattern"),
    [
        ("openai:gpt-5", "openai:gpt-5*"),
        ("openai:gpt-5-mini", "openai:gpt-5-mini*"),
        ("openai:gpt-5-nano-2025-08-07", "openai:gpt-5-nano*"),
        ("openai:gpt-4.1-mini", "openai:gpt-4.1-mini*"),
        ("openai:gpt-4o-mini", "openai:gpt-4o-mini*"),
        ("anthropic:claude-opus-4-5-20251101", "anthropic:claude-opus-4-5*"),
        ("anthropic:claude-opus-4-1", "anthropic:claude-opus-4*"),
        ("anthropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5*"),
        ("openai:unheard-of", None),
        ("anthropic:gpt-5", None),
        ("openai:gpt-5@http://localhost:8000/v1", None),  # whoever answers there, it is not that model's price
    ],
)
def test_known_prices(model: str, pattern: str | None) -> None:
    found = price_of(read_prices(), parse(model))
    assert (found.model if found else None) == pattern


def test_every_known_price_can_be_reached_and_is_plausible() -> None:
    prices = read_prices()
    for price in prices:
        assert price_of(prices, parse(price.model.replace("*", ""))) == price
        assert price.cached is not None
        assert price.cached < price.input < price.output


def test_case_counts() -> None:
    assert price_of([Price(model="openai:GPT*", input=1, output=1)], parse("openai:gpt-5")) is None


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "prices.toml"


def test_ones_own_come_first(own: Path) -> None:
    own.write_text(
        '[[price]]\nmodel = "openai:gpt-5*"\ninput = 0\noutput = 0\n'
        '[[price]]\nmodel = "openai:*@http://localhost*"\ninput = 1\noutput = 2\n'
    )
    prices = read_prices(own)
    assert len(prices) == 2 + len(read_prices())
    for model, dollars in (("openai:gpt-5-mini", 0.0), ("openai:any@http://localhost:1/v1", 1.0), ("openai:gpt-4o", 2.5)):
        found = price_of(prices, parse(model))
        assert found is not None
        assert found.input == dollars


def test_an_empty_file_changes_nothing(own: Path) -> None:
    own.write_text("# none\n")
    assert read_prices(own) == read_prices()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[price]]\nmodel = "m"\ninput = 1\n', r"price\.0\.output: field required"),
        ('[[price]]\nmodel = "m"\ninput = -1\noutput = 1\n', r"price\.0\.input: "),
        ('[[price]]\nmodel = "m"\ninput = nan\noutput = 1\n', r"price\.0\.input: "),
        ('[[price]]\nmodel = "m"\ninput = inf\noutput = 1\n', r"price\.0\.input: "),
        ('[[price]]\nmodel = "m"\ninput = "cheap"\noutput = 1\n', r"price\.0\.input: "),
        ('[[price]]\nmodel = ""\ninput = 1\noutput = 1\n', r"price\.0\.model: "),
        ('[[price]]\nmodel = "m"\ninput = 1\noutput = 1\ncahced = 1\n', r"price\.0\.cahced: "),
        ("[prices]\nx = 1\n", "prices: "),
        ('price = "high"\n', "price: "),
    ],
)
def test_a_bad_file_is_told_in_one_line(own: Path, text: str, problem: str) -> None:
    own.write_text(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        read_prices(own)
    assert str(own) in str(caught.value)
    assert "see archive/prices.toml for the form" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"[[price", b"\xff\xfe"])
def test_no_file_or_no_toml(own: Path, content: bytes | None) -> None:
    if content is not None:
        own.write_bytes(content)
    with pytest.raises(ContentError, match="prices") as caught:
        read_prices(own)
    assert "\n" not in str(caught.value)
