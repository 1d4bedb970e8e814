"""``--dry-run``: what a command would ask of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from personaevo.cli.output import show, show_json
from personaevo.text import one_line

if TYPE_CHECKING:
    from personaevo.models import Planned

_LONGEST_NAME = 40  # columns of a model's name


def show_planned(rows: Sequence[Planned], dialogues: int, *, as_json: bool) -> None:
    """A table with a row for each role that a model plays, or one JSON object."""
    usd = sum(one.usd or 0.0 for one in rows)
    if as_json:
        show_json({"dialogues": dialogues, "planned": [_as_object(one) for one in rows], "usd": usd})
        return
    if not rows:
        show(f"{dialogues:,} dialogues; no role is played by a model: nothing would be asked, nothing would be paid.")
        return
    width = max(len("model"), *(len(_name(one)) for one in rows)) + 2
    show(f"{'role':12}{'model':{width}}{'calls':>8}{'tokens in':>14}{'tokens out':>12}{'US $':>10}")
    for one in rows:
        price = "no price" if one.usd is None else f"{one.usd:,.2f}"
        figures = f"{one.calls:8,}{one.usage.input_tokens:14,}{one.usage.output_tokens:12,}{price:>10}"
        show(f"{one.role:12}{_name(one):{width}}{figures}")
    paid = f"about {usd:,.2f} US dollars" if any(one.usd is not None for one in rows) else "no prices are known"
    show(f"\n{dialogues:,} dialogues, {paid}: estimated from the domain's usual dialogues at four characters a token; nothing was asked.")


def _name(one: Planned) -> str:
    """The model, without the digest of its file."""
    name = one_line(one.model).split("#")[0]
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _as_object(one: Planned) -> dict[str, Any]:
    return {
        "role": one.role, "model": one.model, "calls": one.calls, "input_tokens": one.usage.input_tokens,
        "output_tokens": one.usage.output_tokens, "usd": one.usd,
    }  # fmt: skip
