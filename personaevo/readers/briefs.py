"""Finds the user's goal in τ²-bench instructions that are one text ("You are playing the role of …", "**Your goal:** …")."""

from __future__ import annotations

import re

from personaevo.readers.wording import goal, sentences, trouble, wishes

_HEADING = re.compile(r"^[ \t]*(?:\*\*(?P<bold>[^*\n]{1,120}?)(?::\*\*|\*\*:)|#+ *(?P<title>[^\n]+))", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)]) +", re.MULTILINE)
_LIST = re.compile(r"\bto:\s*\n((?:[ \t]*(?:[-*•]|\d+[.)]) [^\n]+(?:\n|$))+)")
# Sentences that tell the simulator its role or behavior have no goal.
_ROLE = re.compile(
    r"^(?:you are (?:now |currently )?(?:playing|acting|on the line|a customer|the (?:customer|user))\b|your character (?:is|:)"
    r"|(?:only|don't|do not|never|always|here are|if) |you have access to )",
    re.IGNORECASE,
)
_NAMED = re.compile(r"^You(?:['\u2019]re| are) [A-Z][\w'-]+(?: [\w'-]+)* [A-Z][\w'-]+[,.]")
_BECAUSE = re.compile(r"\bbecause (?P<why>[^.!?\n]+)")
_OPENING = re.compile(r"^[^\"\u201c\n]*\b(?:opening|start)[^\"\u201c\n]*[\"\u201c](?P<said>[^\"\u201d\n]+)", re.IGNORECASE | re.MULTILINE)
_SECOND = (
    (re.compile(r"\bI(?:['\u2019]m| am)\b"), "you are"), (re.compile(r"\bI\b"), "you"),
    (re.compile(r"\bmy\b", re.IGNORECASE), "your"), (re.compile(r"\bme\b"), "you"),
)  # fmt: skip
_WORDS = 3  # of a specific goal; "get help" and "know why" are not
_WHERE = ("goal", "situation", "character")


def is_brief(text: str) -> bool:
    """Whether instructions have headings, or begin with the simulator's role."""
    return bool(_HEADING.search(text) or _ROLE.match(text.strip()))


def goal_of_brief(text: str) -> str:
    """The goal in the instructions, as a phrase that completes "I want to …": the first specific wish in the sections goal, situation and
    character, or in the opening line (without headings: in the whole text); failing that, the reason of the call.
    """
    parts = _sections(text)
    own = [_plain(parts[name]) for name in _WHERE if name in parts]
    candidates = [_wished(parts["goal"])] if "goal" in parts else []
    candidates += [*own, _opening(text), *([] if own else [_plain(text)])]
    goals = (goal(part)[0] for part in candidates if wishes(part))
    told = own or [_plain(text)]
    why = next((match.group("why") for part in told if (match := _BECAUSE.search(part))), None)
    reason = why or next((part for part in told if part), "You have a question.")
    return next((one for one in goals if len(one.split()) >= _WORDS), trouble(reason))


def without_markdown(text: str) -> str:
    """The text without Markdown marks for bold type and headings."""
    return re.sub(r"\*\*|^#+ *|^-{3,}$", "", text, flags=re.MULTILINE)


def _sections(text: str) -> dict[str, str]:
    """The text under the first heading for each of goal, situation and character, by these names."""
    found: dict[str, str] = {}
    heads = list(_HEADING.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends[: len(heads)], strict=True):
        title = (head.group("bold") or head.group("title")).lower().strip()
        body = text[head.end() : end].strip()
        name = next((name for name in _WHERE if re.fullmatch(rf"(?:your )?(?:main |overall )?{name}s?:?", title)), None)
        if name and body:
            found.setdefault(name, body)
    return found


def _plain(part: str) -> str:
    """The sentences of a section, one for each bullet, without those that tell the simulator its role."""

    def listed(match: re.Match[str]) -> str:
        items = [_BULLET.sub("", line).strip(" .;") for line in match.group(1).splitlines() if line.strip()]
        return f"to {', '.join(item[:1].lower() + item[1:] for item in items)}.\n"

    lines = sentences(_BULLET.sub("", _LIST.sub(listed, without_markdown(part))))
    return "\n".join(line for line in lines if not _ROLE.match(line) and not _NAMED.match(line))


def _wished(part: str) -> str:
    """A goal that is a command ("Close your account") as a wish."""
    text = _plain(part)
    first = re.sub(r"^(?:(?:first|try to|please),? )+", "", text, flags=re.IGNORECASE)
    if not first or re.match(r"(?:you|your|express|say|tell)\b", first, re.IGNORECASE):
        return text
    return f"You want to {first[0].lower()}{first[1:]}"


def _opening(text: str) -> str:
    """The user's first words, if the instructions quote them, in the second person."""
    match = _OPENING.search(without_markdown(text))
    said = match.group("said") if match else ""
    for pattern, word in _SECOND:
        said = pattern.sub(word, said)
    return said
