"""Output of ``--dry-run``: the planned calls of models and their estimated costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from personaevo.cli.output import show, show_json
from personaevo.text import one_line

if TYPE_CHECKING:
    from personaevo.models import Planned

_MAX_NAME = 40  # characters of a model's name


def show_planned(rows: Sequence[Planned], dialogues: int, *, as_json: bool) -> None:
    """Print a table with a row for each role that a model plays, or one JSON object."""
    usd = sum(one.usd or 0.0 for one in rows)
    if as_json:
        planned = [
            {"role": one.role, "model": one.model, "calls": one.calls, "input_tokens": one.usage.input_tokens,
             "output_tokens": one.usage.output_tokens, "usd": one.usd}
            for one in rows
        ]  # fmt: skip
        show_json({"dialogues": dialogues, "planned": planned, "usd": usd})
        return
    if not rows:
        show(f"{dialogues:,} dialogues; no role is played by a model: no calls, no costs.")
        return
    names = [one_line(one.model).split("#")[0] for one in rows]  # without the digest of a file
    names = [name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…" for name in names]
    width = max(len("model"), *map(len, names)) + 2
    show(f"{'role':12}{'model':{width}}{'calls':>8}{'tokens in':>14}{'tokens out':>12}{'US $':>10}")
    for one, name in zip(rows, names, strict=True):
        price = "no price" if one.usd is None else f"{one.usd:,.2f}"
        figures = f"{one.calls:8,}{one.usage.input_tokens:14,}{one.usage.output_tokens:12,}{price:>10}"
        show(f"{one.role:12}{name:{width}}{figures}")
    cost = f"about {usd:,.2f} US dollars" if any(one.usd is not None for one in rows) else "no prices are known"
    show(f"\n{dialogues:,} dialogues, {cost}: estimated from typical dialogues of the domain at four characters per token; no model was "
         "called.")  # fmt: skip
