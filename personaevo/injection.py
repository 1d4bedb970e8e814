"""Detects prompt injection: text of personas and simulated users that addresses the judge, the mutator or the model behind an agent.

The patterns are content: ``fitness/injection.toml``. They catch known, plain attempts. Unknown ones do no harm either, since prompts
contain such texts as quoted data only (``text.quoted``).
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from urllib.parse import unquote

from personaevo import content
from personaevo.errors import ContentError
from personaevo.text import one_line

_SHOWN = 60
_LETTERS = 5
_BEGINNINGS = re.compile(rf"\b\w{{1,{_LETTERS}}}|[<\[]")
_CLASSES = re.compile(r"(\[(?:\\.|[^\]\\])*\])")
_SOME_WORDS = re.compile(r"\(\?:(?:\\w\+ | \\w\+)\)(?:\{0,(\d)\}|\?|\*)\??")
_WORD = 12  # letters
_UNSEEN = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")
_SPACED_OUT = re.compile(r"\b(?:\w[^\w\n]{1,3}){5,}\w\b")
_MIXED = re.compile(r"[a-z][013457@$!]+[a-z]|\b[013457@$!][a-z]+[013457@$!a-z]*[a-z]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :,]?){10,}")
# Letters in squares and circles, which Unicode does not map to plain ones: 🅐, 🅰, 🇦.
_BOXED = {start + index: chr(ord("a") + index) for start in (0x1F150, 0x1F170, 0x1F1E6) for index in range(26)}


@dataclass(frozen=True, slots=True)
class Flag:
    """A finding: the pattern's name, the reason, and the matched words (folded, on one line, at most 60 characters)."""

    pattern: str
    why: str
    excerpt: str


@lru_cache(maxsize=2048)
def find(text: str) -> Flag | None:
    """The first pattern that the text matches, plain or decoded (spaced out, look-alikes, base64, hex, %xx, &#x;); None if none does."""
    for view in _views(text):
        flat = folded(view)
        found = _match(flat, tight=False) or _disguised(flat)
        if found is not None:
            return found
    return None


def _views(text: str) -> Iterator[str]:
    yield text
    if "%" in text:
        yield unquote(text)
    if "&" in text:
        yield html.unescape(text)
    for match in _BASE64.finditer(text):
        yield _decoded(match[0])
    for match in _HEX.finditer(text):
        yield bytes.fromhex(re.sub("[ :,]", "", match[0])).decode("utf-8", "replace")


def _decoded(piece: str) -> str:
    body = piece.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body[: len(body) // 4 * 4 + (len(body) % 4 > 1) * (len(body) % 4)] + "=" * (-len(body) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _disguised(folded: str) -> Flag | None:
    """A match in words with separated letters, or with digits in place of letters."""
    joined = _SPACED_OUT.sub(lambda match: re.sub(r"\W", "", match[0]), folded)
    found = _match(joined, tight=True) if joined != folded else None
    if found is None and _MIXED.search(joined):
        found = _match(joined.translate(_table("stand_ins")), tight=joined != folded)
    return found


def _match(folded: str, *, tight: bool) -> Flag | None:
    beginnings = frozenset(_BEGINNINGS.findall(folded))
    foreign = not folded.isascii() and any(char > "\x7f" and char.isalpha() for char in folded)
    if not foreign and not tight and _keys().isdisjoint(beginnings):
        return None
    for rule in _rules():
        if foreign if rule.foreign else tight or not rule.keys.isdisjoint(beginnings):
            match = _compiled(rule.source, tight).search(folded)
            if match:
                return Flag(rule.name, rule.why, one_line(match[0].strip())[:_SHOWN])
    return None


def folded(text: str) -> str:
    """The text in lower case, without accents and invisible characters, with look-alikes as Latin letters and underscores as blanks."""
    if text.isascii():
        return text.lower().replace("_", " ")
    apart = unicodedata.normalize("NFKD", _UNSEEN.sub("", text))
    kept = "".join(char for char in apart if unicodedata.category(char) not in ("Mn", "Mc", "Me", "Cf"))
    whole = unicodedata.normalize("NFC", kept.casefold())
    return whole.translate(_table("look_alikes")).translate(_BOXED).replace("_", " ")


# --- the patterns


@dataclass(frozen=True, slots=True)
class _Rule:
    """One ``[[pattern]]``. Only texts with a word that begins like one of ``keys`` can match it; a ``foreign`` one only texts with letters
    beyond ASCII."""

    name: str
    why: str
    keys: frozenset[str]
    foreign: bool
    source: str


@cache
def _rules() -> tuple[_Rule, ...]:
    table = content.toml("fitness", "injection.toml")
    words: dict[str, str] = {}
    for name, template in table["words"].items():
        words[name] = _filled(template, words)
    rules = []
    for row in table["pattern"]:
        source = "|".join(folded(_filled(one, words)) for one in row["any"])
        keys = frozenset(key[:_LETTERS] for key in row.get("keys", ()))
        rules.append(_Rule(row["name"], row["why"], keys, not source.isascii(), source))
    return tuple(rules)


@cache
def _keys() -> frozenset[str]:
    """The keys of all rules: most texts have none of them."""
    return frozenset().union(*(rule.keys for rule in _rules()))


@cache
def _compiled(source: str, tight: bool) -> re.Pattern[str]:
    """Compile a pattern: blanks outside character classes match gaps between words; with ``tight`` also nothing. Without word borders "some
    words" becomes any text of their length, since matching words in all splits would take exponential time."""
    if tight:
        source = _SOME_WORDS.sub(lambda match: rf"[\w\W]{{0,{_WORD * int(match[1] or 1)}}}?", source)
        source = source.replace(r"\w+", rf"\w{{1,{_WORD}}}").replace(r"\w*", rf"\w{{0,{_WORD}}}")
    parts = _CLASSES.split(source)
    between = r"\W*" if tight else r"\W+"
    made = (part if index % 2 else re.sub(" [?*]", r"\\W*", part).replace(" ", between) for index, part in enumerate(parts))
    try:
        return re.compile("".join(made))
    except re.error as error:
        raise ContentError(f"fitness/injection.toml: a pattern is not a regular expression ({error}): {source:.100}") from None


def _filled(template: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{([a-z]+)\}", lambda match: words[match[1]], template)


@cache
def _table(name: str) -> dict[int, str]:
    return {ord(char): letter for letter, chars in content.toml("fitness", "injection.toml")[name].items() for char in chars}


