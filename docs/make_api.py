"""Write docs/api.md from the docstrings: ``python docs/make_api.py``. A test runs it and compares."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import personaevo

PLACE = Path(__file__).with_name("api.md")
HEAD = """# API

Everything that `import personaevo` offers, from the docstrings (`python docs/make_api.py` writes this page). `personaevo.testing` has a
contract test for each part of your own. Errors are `PersonaevoError` and its subclasses (`personaevo.errors`): one line each.
"""
GROUPS: dict[str, tuple[str, ...]] = {
    "Search": ("search", "SearchConfig", "SearchResult", "Progress", "Search", "Request"),
    "Personas": ("PersonaSampler", "Persona", "Task", "Dialogue"),
    "Archives": ("Archive",),
    "Refinement and stress tests": ("refine_profile", "stress_agent"),
    "Measures": ("fingerprint", "coverage", "overlap"),
    "Parts of your own": (
        "UserSimulator", "AgentSimulator", "ChatModel", "Judge", "Objective", "Descriptors", "Selection", "Parents", "testing",
    ),
    "Errors": ("PersonaevoError",),
}  # fmt: skip


def page() -> str:
    """The text of the page; every name of ``personaevo.__all__`` is in exactly one group."""
    parts = [HEAD]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [entry(name, getattr(personaevo, name)) for name in names]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip() + "\n"


def entry(name: str, value: Any) -> str:
    """One name: its signature, its docstring, and its public methods or functions."""
    if inspect.ismodule(value):
        functions = [one for key, one in vars(value).items() if key.startswith("check_")]
        return "\n".join([f"### `personaevo.{name}`\n", text(value), *(member(one) for one in functions), ""])
    called = "" if protocol(value) else f"```text\n{signature(name, value)}\n```\n"
    lines = [f"### `{name}`\n", called, text(value)]
    if inspect.isclass(value):
        lines += [member(one) for key, one in vars(value).items() if not key.startswith("_") and has_text(one)]
    return "\n".join([*lines, ""])


def member(value: Any) -> str:
    """A method, property or function as an item: signature and first paragraph."""
    inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    shown = inner.__name__ if isinstance(value, property) else signature(inner.__name__, inner)
    return f"- `{shown}`: {' '.join((inspect.getdoc(inner) or '').split(chr(10) * 2)[0].split())}"


def has_text(value: Any) -> bool:
    """Whether this is a method or property with a docstring."""
    inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    return inspect.isfunction(inner) and bool(inner.__doc__)


def protocol(value: Any) -> bool:
    """Whether this is a protocol, which nobody calls."""
    return bool(getattr(value, "_is_protocol", False)) or (inspect.isclass(value) and issubclass(value, Exception))


def signature(name: str, value: Any) -> str:
    """The call, without ``self``. Defaults that have no short text are left out."""
    if hasattr(value, "model_fields"):
        return f"{name}(*, {', '.join(value.model_fields)})"
    found = inspect.signature(value)
    kept = [one for one in found.parameters.values() if one.name not in {"self", "cls"}]
    shown, keyword = [], False
    for one in kept:
        shown += ["*"] if one.kind is one.KEYWORD_ONLY and not keyword else []
        keyword = keyword or one.kind is one.KEYWORD_ONLY
        shown.append(parameter(one))
    returned = found.return_annotation
    return f"{name}({', '.join(shown)})" + (f" -> {returned}" if isinstance(returned, str) and returned != "None" else "")


def parameter(one: inspect.Parameter) -> str:
    """A parameter with its annotation, and its default where that is short."""
    annotation = f": {one.annotation}" if isinstance(one.annotation, str) else ""
    default = "" if one.default is one.empty else repr(one.default)
    equals = " = " if annotation else "="
    return one.name + annotation + (f"{equals}{default if len(default) <= 40 and '<' not in default else '...'}" if default else "")


def text(value: Any) -> str:
    """The docstring in Markdown: literals, code blocks, and items for arguments, attributes and errors."""
    found = (inspect.getdoc(value) or "").replace("``", "`")
    block = re.compile(r"::\n\n((?:    .*\n?|\n)+)")
    found = block.sub(lambda match: f":\n\n```text\n{dedent(match[1]).strip()}\n```\n\n", found)
    section = re.compile(r"^(Args|Attributes|Raises|Returns):\n((?:    .*\n?)+)", re.MULTILINE)
    return section.sub(lambda match: f"{match[1]}:\n\n{items(match[2])}\n", found) + "\n"


def items(block: str) -> str:
    """The entries of a section: ``name: meaning``, with continuation lines indented further."""
    entries = re.sub(r"\n {8,}", " ", block).splitlines()
    return "\n".join("- " + re.sub(r"^([\w, ]+):", r"`\1`:", line.strip()) for line in entries if line.strip())


if __name__ == "__main__":
    PLACE.write_text(page(), encoding="utf-8")
