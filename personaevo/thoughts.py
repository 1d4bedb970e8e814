"""Removes reasoning from the answers of models: thinking blocks, and the analysis channels of open models."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAMES = "(?:seed:)?(?:think|thinking|thought|thoughts|reasoning)"
_TAGS = tuple(
    re.compile(rf"(?P<opens>{opening})|{closing}", re.IGNORECASE)
    for opening, closing in ((rf"<{_NAMES}>", rf"</{_NAMES}>"), (r"\[THINK\]", r"\[/THINK\]"), ("◁think▷", "◁/think▷"))
)
# <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>… (harmony)
_CHANNEL = re.compile(r"<\|channel\|>(\w{1,40})[^<]{0,80}(?:<\|constrain\|>\w{1,40})?<\|message\|>")
_CHANNEL_ENDS = re.compile(r"<\|(?:end|return|call|start)\|>.*", re.DOTALL)
_SAID = "final"


class Parted(NamedTuple):
    """The answer without reasoning, and whether there was any reasoning."""

    said: str
    thought: bool


def parted(text: str) -> Parted:
    """The text without reasoning. Blocks from an opening to a closing tag are removed, and so is all text before a closing tag without an
    opening one and all text after an opening tag that is never closed."""
    channels = list(_CHANNEL.finditer(text))
    if channels:
        last = channels[-1]
        final = last[1].lower() == _SAID
        return Parted(_CHANNEL_ENDS.sub("", text[last.end() :]).strip() if final else "", len(channels) > 1 or not final)
    said = text
    for tags in _TAGS:
        said = _without(said, tags)
    return Parted(said.strip(), True) if said != text else Parted(text, False)


def _without(text: str, tags: re.Pattern[str]) -> str:
    kept: list[str] = []
    at, inside = 0, False
    for tag in tags.finditer(text):
        if tag["opens"]:
            if not inside:
                kept.append(text[at : tag.start()])
            inside = True
            continue
        if not inside:  # a closing tag without an opening one: all text before it is reasoning
            kept.clear()
        at, inside = tag.end(), False
    return "".join(kept if inside else [*kept, text[at:]])
