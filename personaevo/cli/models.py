"""``personaevo models``: which language models are at hand."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from personaevo.cli.output import show, show_json
from personaevo.cli.shared import PATH, as_json, debuggable, program_name
from personaevo.text import one_line

if TYPE_CHECKING:
    from personaevo.models.found import Hand

_INSTALL = "pip install 'personaevo[local]'"
_SHOWN = 20


@click.command()
@click.option("--gguf", "folders", type=PATH, multiple=True, metavar="FOLDER", help="A folder with GGUF files (repeatable).")
@as_json
@debuggable
def models(folders: tuple[Path, ...], as_json: bool) -> None:
    """List the language models at hand: servers on this machine, GGUF files, keys. Nothing is downloaded."""
    from personaevo.models.found import at_hand

    hand = at_hand(os.environ, folders)
    if as_json:
        rows = [{"model": one.model, "where": one.where, "ready": one.ready} for one in hand.models]
        show_json({"models": rows, "keys": list(hand.keys), "xllamacpp": hand.local})
        return
    for one in hand.models[:_SHOWN]:
        show(f"{'ready' if one.ready else 'not yet':9}{one_line(shlex.quote(one.model))}  ({one_line(one.where)})")
    if len(hand.models) > _SHOWN:
        show(f"and {len(hand.models) - _SHOWN:,} more: --json lists all")
    for key in hand.keys:
        show(f"{'ready':9}{key.partition('_')[0].lower()}:NAME  ({key} is set)")
    for line in _next(hand):
        show(line)


def _next(hand: Hand) -> list[str]:
    """The command to go on with, or how to get a model."""
    model = next((one.model for one in hand.models if one.ready), None)
    if model is not None:
        return ["", "Users played by the first one:", f"  {program_name()} search --model {one_line(shlex.quote(f'user={model}'))}"]
    if hand.models and hand.local is None:
        return ["", "To run these files in place:", f"  {_INSTALL}"]
    if hand.keys:
        return ["", "Users played by a model of your account (what it may cost: add --dry-run):",
                f"  {program_name()} search --model user={hand.keys[0].partition('_')[0].lower()}:NAME"]  # fmt: skip
    return [
        "No model was found. Ways to get one:" if not hand.models else "None of these can be asked. Ways to get one:",
        f"  a GGUF file of an instruct model, in ./models or named by --gguf FOLDER, and {_INSTALL}",
        "  a server on this machine (Ollama, llama.cpp, LM Studio, vLLM), or OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment",
    ]
