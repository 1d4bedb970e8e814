"""What the loaders of other simulators refuse, as far as personaevo's rows could break it: rules read from their sources, in own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest


def refused_by_mirrorbench(rows: Sequence[Mapping[str, Any]]) -> None:
    """Fails where MirrorBench's JSONL datasets or its conversation driver would: a row needs turns, each an object with a known role and
    text; the sides take turns; what is saved of an episode goes to a file of its id's name, beside the others; the metadata is an object,
    in which its own keys (split, dataset, task_description) win."""
    names = set()
    for row in rows:
        name = row["conversation_id"]
        where = f"row {name!r}"
        unfit = not isinstance(name, str) or not name or name.startswith(".") or any(char in name for char in "/\\\0\n")
        if unfit or len(f"{name}.json".encode()) > 255:
            pytest.fail(f"{where}: its id cannot be the name of a file")
        if name.lower() in names:
            pytest.fail(f"{where}: its id comes twice")
        names.add(name.lower())
        if not row.get("turns"):
            pytest.fail(f"{where}: no turns")
        sides = [turn["role"] for turn in row["turns"] if turn["role"] != "system"]
        if any(side not in ("user", "assistant") for side in sides) or any(one == two for one, two in pairwise(sides)):
            pytest.fail(f"{where}: roles {sides}")
        if not all(isinstance(turn.get("content"), str) and turn["content"] for turn in row["turns"]) or any(
            "metadata" in turn and not isinstance(turn["metadata"], dict) for turn in row["turns"]
        ):
            pytest.fail(f"{where}: a turn without text, or whose metadata are no object")
        if not isinstance(row["metadata"], dict) or {"split", "few_shot_user_examples", "task_description"} & row["metadata"].keys():
            pytest.fail(f"{where}: metadata that would be lost")
        if not isinstance(row["task_description"], str) or not isinstance(row["metadata"]["persona"], str):
            pytest.fail(f"{where}: its description or persona is no text")


def refused_by_deepeval(rows: Sequence[Mapping[str, Any]]) -> None:
    """Fails where deepeval would not read a line as a conversational golden: it needs a scenario with text (else it is a golden of one
    turn); of the persona only known fields, of which the characteristics must be text; what is no text where text is expected."""
    known = {"name", "characteristics", "metadata"}
    for row in rows:
        if not isinstance(row["scenario"], str) or not row["scenario"] or row.get("turns"):
            pytest.fail(f"{row}: no scenario, or turns that are said already")
        if not isinstance(row["persona"].get("characteristics"), str) or not row["persona"].keys() <= known or "user_description" in row:
            pytest.fail(f"{row}: no persona of deepeval's")
        if not all(isinstance(row[name], str) for name in ("name", "expected_outcome")) or not isinstance(row["additional_metadata"], dict):
            pytest.fail(f"{row}: a field of another type")


def refused_by_inspect(rows: Sequence[Mapping[str, Any]]) -> None:
    """Fails where Inspect's ``json_dataset`` would: an input of text, a target of text, metadata as an object, ids that differ."""
    if len({row["id"] for row in rows}) != len(rows):
        pytest.fail("an id comes twice")
    for row in rows:
        if not (isinstance(row["input"], str) and row["input"] and isinstance(row["target"], str) and isinstance(row["metadata"], dict)):
            pytest.fail(f"{row}: input, target or metadata")


def refused_by_usersim(rows: Sequence[Mapping[str, Any]]) -> None:
    """Fails where NeMo UserSim would not show a persona's text to the user's model: a cell that is empty, "-", "nan" or "none"."""
    for row in rows:
        if str(row["persona"]).strip().lower() in ("", "-", "nan", "none") or not row["first_name"]:
            pytest.fail(f"{row}: nothing of it would be shown")
