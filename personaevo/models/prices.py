"""Prices (the installed ``archive/prices.toml``, after the user's own file), cost accounting per role, and cost estimates."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from personaevo import content
from personaevo.chat import Usage
from personaevo.errors import ConfigError
from personaevo.model_spec import ModelSpec

_Dollars = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class Price(BaseModel):
    """US dollars per million tokens, for models whose name matches the pattern; ``cached`` is the price of cached input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=200)]
    input: _Dollars
    output: _Dollars
    cached: _Dollars | None = None

    def of(self, usage: Usage) -> float:
        """The cost in US dollars."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        kept = self.input if self.cached is None else self.cached
        return ((usage.input_tokens - cached) * self.input + cached * kept + usage.output_tokens * self.output) / 1e6


_FREE = Price(model="local:*", input=0.0, output=0.0)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    price: list[Price] = Field(default_factory=list)


def read(own: Path | None = None) -> tuple[Price, ...]:
    """All prices, those of the file ``own`` first.

    Raises:
        ConfigError: a file does not have the expected structure.
        ContentError: it cannot be read, or is not TOML.
    """
    return (*(_table(own) if own else ()), *_table(content.root("archive") / "prices.toml"))


def price_of(prices: Sequence[Price], spec: ModelSpec) -> Price | None:
    """The first price whose pattern matches; None if there is none. A model at a custom address matches only patterns with an address;
    local models cost nothing.

    Raises:
        ConfigError: a model has different prices at its addresses.
    """
    if spec.provider == "local":
        return _FREE
    found: list[Price | None] = []
    for one in spec.places:
        matching = (price for price in prices if fnmatchcase(one.base, price.model) and ("@" in price.model or one.url is None))
        found.append(next(matching, None))
    if len({None if price is None else (price.input, price.output, price.cached) for price in found}) > 1:
        raise ConfigError(f"model {spec}: its addresses have different prices; give one price for all of them, or a search for each")
    return found[0] if found else None


def _table(path: Path) -> tuple[Price, ...]:
    try:
        return tuple(_Table.model_validate(content.read_toml(path)).price)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"prices {path}: {place}: {first['msg'].lower()}; see archive/prices.toml for the form") from None
