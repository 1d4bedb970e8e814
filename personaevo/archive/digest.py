"""Records to rows and back, and the digest of a run: an order-independent sum of row hashes.

A row is a dict of plain JSON values in the shape that DuckDB returns for its table. Only content enters the digest: not run ids,
settings, times, costs, nor the wording of failure reasons (which may name seconds or paths). Floats count to 9 significant digits, so
that machines whose last bits differ agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

MODULUS = 1 << 128
_write_json = TypeAdapter(Any).dump_json  # writes texts, numbers and lists like ``json.dumps``, in a third of the time


def digits(value: float | None) -> str | None:
    """Write a float with 9 significant digits; -0.0 becomes 0."""
    return None if value is None else f"{value + 0.0:.9g}"


def row_hash(table: str, row: Mapping[str, Any]) -> int:
    """Hash one row of ``candidates``, ``evaluations``, ``episodes``, ``personas`` or ``screenings`` to a number below 2**128.

    A row of ``candidates`` must carry the program's ``source`` besides its columns.
    """
    return int.from_bytes(text_hash(_canonical_json([table, row["number"], *_canonical(table, row)])), "big")


def text_hash(text: bytes) -> bytes:
    """Return the 16-byte hash of a row in its canonical form: a JSON list in UTF-8."""
    return hashlib.blake2b(text, digest_size=16).digest()


def row_sum(table: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Return the sum of the rows' hashes modulo 2**128."""
    return sum(row_hash(table, row) for row in rows) % MODULUS


def digest_text(total: int) -> str:
    """Write a digest as 32 hexadecimal digits."""
    return f"{total % MODULUS:032x}"


def _canonical_json(value: list[Any]) -> bytes:
    try:
        return _write_json(value)
    except ValueError:  # text that is not Unicode: raise what ``str.encode`` raises
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _canonical(table: str, row: Mapping[str, Any]) -> list[Any]:
    """The values of a row that count, in their order."""
    if table == "candidates":
        return [row["program"], row["source"], list(row["parents"]), row["operator"], row["state"], row["fault"]]
    if table == "personas":
        levels = [[[name, digits(x)] for name, x in sorted(row[key].items())] for key in ("behaviors", "dials")]
        return [row["task"], row["slot"], row["id"], row["description"], *levels, row["policy"]]
    if table == "screenings":
        return [row["program"], row["operator"], digits(row["standing"]), row["played"]]
    if table == "evaluations":
        objectives = [[name, *(digits(x[key]) for key in ("value", "se", "raw"))] for name, x in sorted(row["objectives"].items())]
        cells = sorted([x["cell"], *(digits(x[key]) for key in ("share", "score", "se"))] for x in row["cells"])
        return [row["split"], row["planned"], row["completed"], objectives, cells]
    assert table == "episodes", table
    fingerprint = None if row["fingerprint"] is None else [f"{x + 0.0:.9g}" for x in row["fingerprint"]]
    measured = [fingerprint, digits(row["preservation"]), digits(row["p_human"]), row["cell"]]
    turns = [[turn["role"], turn["content"]] for turn in row["turns"]]
    item = [row["task"], row["slot"], str(row["seed"])]
    return [*item, row["state"], turns, row["outcome"], *measured, row["persona"], row["fault"]]
