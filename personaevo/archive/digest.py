"""The digest of what a run found: an order-independent sum of row hashes.

Only content counts: not run ids, settings, times, costs, nor the wording of failure reasons (which may name seconds or
paths). Floats count to 9 significant digits, so that it is the same on machines whose last bits differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

MODULUS = 1 << 128
Row = Mapping[str, Any]
_write = TypeAdapter(Any).dump_json  # as ``json.dumps`` writes texts, numbers and lists, in a third of the time


def number(value: float | None) -> str | None:
    """A float at 9 significant digits; the two zeros are one."""
    return None if value is None else f"{value + 0.0:.9g}"


def row_hash(kind: str, row: Row) -> int:
    """The hash of one row of a table ("candidates", "evaluations", "episodes", "personas" or "screenings"), a number below 2**128.

    A row of ``candidates`` must carry the program's ``source`` besides its columns.
    """
    return int.from_bytes(text_hash(_as_bytes([kind, row["number"], *_CANONICAL[kind](row)])), "big")


def text_hash(text: bytes) -> bytes:
    """The 16 bytes of the hash of a row in its canonical form: JSON of a list, in UTF-8."""
    return hashlib.blake2b(text, digest_size=16).digest()


def _as_bytes(value: list[Any]) -> bytes:
    try:
        return _write(value)
    except ValueError:  # text that is not Unicode: told as ``str.encode`` tells it
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def row_sum(kind: str, rows: Iterable[Row]) -> int:
    """The sum of the rows' hashes modulo 2**128."""
    return sum(row_hash(kind, row) for row in rows) % MODULUS


def as_text(total: int) -> str:
    """A digest as 32 hexadecimal digits."""
    return f"{total % MODULUS:032x}"


def _candidate(row: Row) -> list[Any]:
    return [row["program"], row["source"], list(row["parents"]), row["operator"], row["state"], row["fault"]]


def _evaluation(row: Row) -> list[Any]:
    objectives = [
        [name, *(number(x[key]) for key in ("value", "se", "raw"))] for name, x in sorted(row["objectives"].items())
    ]
    cells = sorted([x["cell"], *(number(x[key]) for key in ("share", "score", "se"))] for x in row["cells"])
    return [row["split"], row["planned"], row["completed"], objectives, cells]


def _episode(row: Row) -> list[Any]:
    fingerprint = None if row["fingerprint"] is None else [f"{x + 0.0:.9g}" for x in row["fingerprint"]]
    measured = [fingerprint, number(row["preservation"]), number(row["p_human"]), row["cell"]]
    turns = [[turn["role"], turn["content"]] for turn in row["turns"]]
    item = [row["task"], row["slot"], str(row["seed"])]
    return [*item, row["state"], turns, row["outcome"], *measured, row["persona"], row["fault"]]


def _persona(row: Row) -> list[Any]:
    levels = [[[name, number(x)] for name, x in sorted(row[key].items())] for key in ("behaviors", "dials")]
    return [row["task"], row["slot"], row["id"], row["description"], *levels, row["policy"]]


def _screening(row: Row) -> list[Any]:
    return [row["program"], row["operator"], number(row["standing"]), row["played"]]


_CANONICAL: Mapping[str, Callable[[Row], list[Any]]] = {
    "candidates": _candidate,
    "evaluations": _evaluation,
    "episodes": _episode,
    "personas": _persona,
    "screenings": _screening,
}
