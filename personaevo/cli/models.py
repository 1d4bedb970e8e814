"""Commands about language models: ``personaevo models`` and ``personaevo calibrate``."""

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
    from personaevo.models.found import DiscoveredModels

_INSTALL = "pip install 'personaevo[local]'"
_SHOWN = 20


@click.command()
@click.option("--gguf", "folders", type=PATH, multiple=True, metavar="FOLDER", help="A folder with GGUF files (repeatable).")
@as_json
@debuggable
def models(folders: tuple[Path, ...], as_json: bool) -> None:
    """List available language models: servers on this machine, GGUF files, and API keys. Nothing is downloaded."""
    from personaevo.models.found import discover_models

    found = discover_models(os.environ, folders)
    if as_json:
        rows = [{"model": one.model, "where": one.where, "ready": one.ready} for one in found.models]
        show_json({"models": rows, "keys": list(found.keys), "xllamacpp": found.local})
        return
    for one in found.models[:_SHOWN]:
        show(f"{'ready' if one.ready else 'not yet':9}{one_line(shlex.quote(one.model))}  ({one_line(one.where)})")
    if len(found.models) > _SHOWN:
        show(f"and {len(found.models) - _SHOWN:,} more: --json lists all")
    for key in found.keys:
        show(f"{'ready':9}{key.partition('_')[0].lower()}:NAME  ({key} is set)")
    for line in _next_steps(found):
        show(line)


def _next_steps(found: DiscoveredModels) -> list[str]:
    """A command that uses a model, or ways to get one."""
    model = next((one.model for one in found.models if one.ready), None)
    if model is not None:
        return ["", "To let the first one play users:", f"  {program_name()} search --model {one_line(shlex.quote(f'user={model}'))}"]
    if found.models and found.local is None:
        return ["", "To run these files in place:", f"  {_INSTALL}"]
    if found.keys:
        return ["", "To let a model of your account play users (--dry-run estimates the cost):",
                f"  {program_name()} search --model user={found.keys[0].partition('_')[0].lower()}:NAME"]  # fmt: skip
    return [
        "No model was found. Ways to get one:" if not found.models else "None of these is ready. Ways to get one:",
        f"  a GGUF file of an instruct model, in ./models or in a folder given by --gguf FOLDER, and {_INSTALL}",
        "  a server on this machine (Ollama, llama.cpp, LM Studio, vLLM), or OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment",
    ]
