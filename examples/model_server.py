"""A model server on this machine, to try personaevo with models but without a key: it speaks the protocols of OpenAI and Anthropic.

    python examples/model_server.py [--port 8000] [--seed 0] [--latency 0.2] [--faults 429=0.1,500=0.05,hang=0.02]

``POST /v1/chat/completions`` and ``POST /v1/messages`` are answered by a brain, a function of the request; ``GET /v1/models`` lists models.
The brain here is a small text engine, no language model: it shows that a pipeline works, and says nothing about how good it is. What it
answers depends on the prompt and the seed only, never on time, order, model or key, so that a search through it can be repeated. It can
be told to fail in every way that real servers do. Standard library only; it listens on the loopback interface only.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import json
import random
import re
import socket
import struct
import threading
import time
import tokenize
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, Literal, Protocol

Json = dict[str, Any]
Api = Literal["openai", "anthropic"]
Finish = Literal["stop", "length", "refusal", "content filter"]

_TOKEN_BYTES = 4
_CACHE_BLOCK = 64  # tokens; the real ones are larger, but so are real prompts
_MOST_BODY = 32 * 2**20
_CREATED = 1_700_000_000  # equal prompts get equal replies, byte for byte


# --- what is asked


@dataclass(frozen=True)
class Request:
    """One question, whichever protocol it came by.

    ``messages`` are (role, content) without the system prompt; ``schema`` is the JSON schema that the reply must fit, None for free text,
    ``{"type": "object"}`` for any object; ``key`` is the API key that was sent, "" if none; ``tool`` names the tool that must be used
    (Anthropic); ``caching`` says that the provider would keep the beginning of this prompt.
    """

    system: str
    messages: tuple[tuple[str, str], ...]
    schema: Json | None
    model: str
    key: str = ""
    api: Api = "openai"
    tool: str | None = None
    most_tokens: int | None = None
    caching: bool = True
    seed: int = 0

    @cached_property
    def digest(self) -> str:
        """Hash of all that replies depend on: system prompt, messages, schema and the server's seed. 32 hexadecimal digits."""
        parts = json.dumps([self.seed, self.system, self.messages, self.schema], sort_keys=True)
        return hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    @property
    def own(self) -> list[str]:
        """What the model itself has said so far."""
        return [content for role, content in self.messages if role == "assistant"]

    @property
    def heard(self) -> str:
        """The last thing that was said to the model."""
        return next((content for role, content in reversed(self.messages) if role != "assistant"), "")

    @cached_property
    def whole(self) -> str:
        """System prompt and messages as one text."""
        return "\n\n".join([self.system, *(content for _, content in self.messages)])


Brain = Callable[[Request], "str | Json"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says: its text, the same as a value where a schema was given, and why it ended."""

    text: str
    value: Any = None
    finish: Finish = "stop"


# --- values that fit a JSON schema

_WORDS = "amber brisk calm dusk early fern gentle harbor ivory juniper kindly lantern maple noon orchard plain river stone timber".split()
_FORMATS = {
    "date": "2031-05-14",
    "date-time": "2031-05-14T10:30:00Z",
    "time": "10:30:00Z",
    "email": "amber@example.org",
    "uri": "https://example.org/amber",
    "uuid": "0b6f3c1e-8a4d-4c57-9d2b-5f1e7a90c3d4",
}
# Where a provider's schemas know no bounds, its client tells them in the description: "{maximum: 1, minimum: 0}".
_TOLD = re.compile(r"\b((?:exclusive)?(?:Min|Max|min|max)imum|(?:min|max)(?:Items|Length)|multipleOf): (-?(?:0|[1-9]\d*)(?:\.\d+)?)")
_DEEP = 6  # from here on only what is required
_DEEPEST = 40  # a schema that requires itself has no finite value
_SPEECH = ("reply", "text", "content", "message", "turn", "answer", "program", "source", "edits")


def filled(schema: Mapping[str, Any], dice: random.Random) -> Any:
    """A small value that fits a JSON schema, the same for equal dice.

    Known are types, const, enum, the bounds of numbers, strings and arrays, nested objects, ``$ref`` into the schema itself, anyOf, oneOf
    and allOf; patterns are not.
    """
    return _value(schema, schema, dice, 0)


def fitted(schema: Mapping[str, Any], text: str, dice: random.Random) -> Any:
    """``text`` as a value of the schema: itself if it is a JSON object; else the schema is filled, and the text takes the place of the
    property that is named like a reply, if there is one. An object that may hold anything becomes ``{"text": text}``."""
    with suppress(ValueError):
        parsed = json.loads(text)
        if isinstance(parsed, dict):
            return parsed
    value = filled(schema, dice)
    if value == {}:
        return {"text": text}
    name = next((name for name in _SPEECH if isinstance(value, dict) and _takes(_property(schema, name), text)), None)
    return value if name is None else {**value, name: text}


def _property(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = _resolved(schema, schema).get("properties", {}).get(name, {})
    return found if isinstance(found, dict) else {}


def _takes(schema: Mapping[str, Any], text: str) -> bool:
    bounded = {"enum", "const", "pattern", "format"} & schema.keys()
    return schema.get("type") == "string" and not bounded and schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))


def _resolved(given: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with its references followed and its allOf merged."""
    schema: Mapping[str, Any] = given if isinstance(given, dict) else {}
    for _ in range(_DEEPEST):
        if "$ref" not in schema:
            break
        target: Any = root
        for step in str(schema["$ref"]).lstrip("#/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key, {}) if step and isinstance(target, dict) else target
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    for part in schema.get("allOf", ()):
        schema = {**schema, **_resolved(part, root)}
    told = {name: json.loads(number) for name, number in _TOLD.findall(str(schema.get("description", "")))}
    return {**told, **schema}


def _value(schema: Any, root: Mapping[str, Any], dice: random.Random, depth: int) -> Any:
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return dice.choice(schema["enum"])
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return _value(_option(options, root, dice, depth), root, dice, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = "null" if depth >= _DEEP and "null" in kind else next((name for name in kind if name != "null"), "null")
    make = _MAKERS.get(kind)
    return make(schema, root, dice, depth) if make and depth < _DEEPEST else None


def _option(options: Sequence[Any], root: Mapping[str, Any], dice: random.Random, depth: int) -> Any:
    plain = [option for option in options if _resolved(option, root).get("type") not in ("object", "array", None)]
    some = [option for option in options if _resolved(option, root).get("type") != "null"]
    return dice.choice((plain if depth >= _DEEP else some) or list(options))


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], dice: random.Random, depth: int) -> Json:
    properties = schema.get("properties", {})
    names = [name for name in properties if depth < _DEEP or name in schema.get("required", ())]
    value = {name: _value(properties[name], root, dice, depth + 1) for name in names}
    others = schema.get("additionalProperties")
    if isinstance(others, dict) and not properties and depth < _DEEP:
        names = dice.sample(_WORDS, max(2, schema.get("minProperties", 0)))
        value = {name: _value(others, root, dice, depth + 1) for name in names}
    return value


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], dice: random.Random, depth: int) -> list[Any]:
    first = [_value(item, root, dice, depth + 1) for item in schema.get("prefixItems", ())]
    least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
    items = schema.get("items")
    wanted = least if depth >= _DEEP else min(most, max(least, 1) + dice.randrange(2))
    if not isinstance(items, dict):
        return first
    rest = [_value(items, root, dice, depth + 1) for _ in range(int(wanted) - len(first))]
    for _ in range(100):
        if not schema.get("uniqueItems") or len({json.dumps(item, sort_keys=True) for item in rest}) == len(rest):
            break
        rest = [_value(items, root, dice, depth + 1) for _ in rest]
    return first + rest


def _string(schema: Mapping[str, Any], _root: Mapping[str, Any], dice: random.Random, _depth: int) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = " ".join(dice.sample(_WORDS, 3))
    while len(text) < schema.get("minLength", 0):
        text += f" {dice.choice(_WORDS)}"
    return text[: schema.get("maxLength")]


def _number(schema: Mapping[str, Any], _root: Mapping[str, Any], dice: random.Random, _depth: int) -> float:
    low, high = _bounds(schema, 0.001)
    return round(low + (high - low) * (0.1 + 0.8 * dice.random()), 6) if high > low else low


def _integer(schema: Mapping[str, Any], _root: Mapping[str, Any], dice: random.Random, _depth: int) -> int:
    low, high = _bounds(schema, 1)
    step = int(schema.get("multipleOf", 1))
    first, last = -(-low // step), high // step
    return int(step * dice.randint(int(first), int(max(first, last))))


def _bounds(schema: Mapping[str, Any], inside: float) -> tuple[float, float]:
    """Lowest and highest number; ``inside`` is the distance from a bound that is itself excluded."""
    low = max((schema[key] + off for key, off in (("minimum", 0), ("exclusiveMinimum", inside)) if key in schema), default=None)
    high = min((schema[key] - off for key, off in (("maximum", 0), ("exclusiveMaximum", inside)) if key in schema), default=None)
    if low is None:
        low = 0 if high is None or high >= 1 else high - 10
    return low, (low + 10 if high is None else high)


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], random.Random, int], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": lambda _schema, _root, dice, _depth: dice.random() < 0.5,
}


# --- the brain: a user, an agent, or one who changes a number in a program

_DONE = re.compile(r"\[DONE\]|###STOP###")
_GOAL = re.compile(
    r"(?im)^(?:\| )?(?:[-*] )?(?:your |the )?goal: +(\S.*)$"
    r"|(?:goal|want)[^\n]*(?:\n--- data: [^\n]*)? ---\n\| (\S.*)$"  # a block of data by its label, or by the line before it
    r"|\byou want to ([^.\n]+)"
)
_FACTS = re.compile(r"(?i)(?:fact|know)[^\n]*(?:\n--- data: [^\n]*)? ---\n((?:\| [^\n]*\n)*)")
_FACT = re.compile(r"(?m)^(?:\| )?(?:[-*] )?([A-Za-z][\w' /-]{1,40}): +(\S.{0,79})$")
_NO_FACTS = frozenset("goal manner context domain note user agent customer assistant example turn".split())
_TERSE = re.compile(r"(?i)\b(?:terse|brief|few words|a word or two|as little as possible)\b")
_ENDING = re.compile(r"(?i)\b(?:anything else|good ?bye|all set|take care|have a (?:nice|good|great))\b")
_LAST = re.compile(r"(?i)patience is over")
_DRAFT = re.compile(r"(?m)^Draft \(\d+ words?\): (.+)$")
_THANKS = re.compile(r"(?i)\b(?:that'?s all|that is all|no,? thanks?|bye|nothing else)\b|\[DONE\]")
_WANTED = ("the reference number", "the name it is under", "the date", "a way to reach you", "what exactly should change")

_FENCED = re.compile(r"(?s)```(?:python|py)?[ \t]*\n(.*?)\n```")
_QUOTED = re.compile(r"--- data: ([^\n]*?) ---\n((?:\| [^\n]*\n|\|\n)*)--- end of data: ")
_OWN_PROGRAM = re.compile(r"(?i)parent|your program|to change|current|^program$")
_BLOCKS = re.compile(r"(?i)search/replace|<<<<<<< SEARCH")
_OBJECTS = re.compile(r"(?s)JSON list of (\d{1,3}) objects.*?(\{.*?\})")
_SCALE = re.compile(r'"(\w+)": *0')
_REACTIONS = (
    "Well, I am not sure", "Okay, tell me more", "No, not today", "Yes, why not", "Hm, let me think", "Fine, if it does not take long",
)  # fmt: skip
_REMARKS = (
    "Asks back before agreeing to anything.", "Writes half as much.", "Says plainly when something is in doubt.", "Gives reasons unasked.",
    "Comes to the point late.", "Is friendly at first, then curt.",
)  # fmt: skip
_HABITS = (
    "You write short messages and leave out what goes without saying.", "You begin with a greeting, then come to the point.",
    "You answer what you are asked, and add nothing of your own.", "When something is unclear you ask at once, in a few words.",
    "Your messages differ in length: now a word, now a whole story.", "You forget a detail at first and send it in a second message.",
    "When the agent gets something wrong you say so plainly, and once more if you have to.", "Good news you take with a single word.",
    "You thank the agent at the end, but not in between.", "You lose patience when you have to say something twice.",
    "You rarely use full stops, and never long words.", "You tell numbers only when they are asked for.",
)  # fmt: skip


def person_or_agent(request: Request) -> str | Json:
    """The first of RECOGNIZERS whose expression is found in the prompt and whose function has something to say; else a few words."""
    dice = random.Random(int(request.digest, 16))
    whole = request.whole
    said = (function(request, dice) for pattern, function in RECOGNIZERS if pattern.search(whole))
    return next((text for text in said if text is not None), f"I see: {' '.join(dice.sample(_WORDS, 4))}.")


def _user(request: Request, dice: random.Random) -> str:
    """The next turn of a customer who has a goal and facts, tells the facts when asked, and ends with the marker."""
    said, heard = request.own, request.heard
    goals = _GOAL.search(request.system)
    goal = next((text for text in goals.groups() if text), "") if goals else "get some help"
    block = _FACTS.search(request.system)
    facts = [pair for pair in _FACT.findall(block[1] if block else request.system) if pair[0].lower() not in _NO_FACTS]
    told = " ".join(said)
    left = [(name, value) for name, value in facts if value not in told]
    terse = _TERSE.search(request.system) is not None
    if not said:
        openings = ("{}",) if terse else ("Hi, I'd like to {}.", "Hello! I need to {}, please.", "I want to {}. Can you help?")
        return dice.choice(openings).format(goal)
    if _LAST.search(heard):
        return (
            f"{dice.choice(('forget it', 'no use') if terse else ('This leads nowhere, I give up.', 'Never mind, I am leaving.'))} [DONE]"
        )
    if len(said) >= 8 or (len(said) >= 2 and (_ENDING.search(heard) or not left)):
        return f"{dice.choice(('thanks', 'ok bye') if terse else ('Great, thanks, that is all.', 'Thank you, goodbye!'))} [DONE]"
    asked = [(name, value) for name, value in left if any(word in heard.lower() for word in name.lower().split() if len(word) > 3)]
    if (asked or left) and ("?" in heard or dice.random() < 0.5):
        name, value = (asked or left)[0]
        return value if terse else dice.choice(("The {0} is {1}.", "It's {1}, the {0}.", "Sure: {0} {1}.")).format(name, value)
    return dice.choice(("ok", "hm") if terse else ("Okay, and how long will that take?", "Alright.", "Is that really needed?"))


def _reworder(request: Request, dice: random.Random) -> str | None:
    """The draft of a turn in other words: typed in lower case, with a word before it now and then."""
    found = _DRAFT.search(request.heard)
    return found and f"{dice.choice(('', '', 'well, '))}{found[1].rstrip('.').replace('I am', 'im')}"


def _agent(request: Request, dice: random.Random) -> str:
    """The next turn of an agent: greets and asks, asks once or twice more, confirms, and says goodbye."""
    turns, heard = len(request.own), request.heard
    wanted = _WANTED[(turns + len(request.messages[0][1])) % len(_WANTED)]  # nothing is asked for twice
    if _THANKS.search(heard) or turns >= 8:
        marker = _DONE.search(request.system)
        return f"You're welcome. Goodbye!{f' {marker[0]}' if marker else ''}"
    lead = "Usually within two working days. " if turns and "?" in heard else ""
    if turns == 0:
        return f"{dice.choice(('Happy to help.', 'I can help with that.', 'Of course.'))} Could you give me {wanted}?"
    if turns < 3:
        return f"{lead}{dice.choice(('Thank you.', 'Got it.', 'Thanks for that.'))} And {wanted}?"
    if turns == 3:
        return f"{lead}So I have: {heard.strip()[:80]} I'll go ahead with that now."
    return f"{lead}{dice.choice(('That is done.', 'It is all set.'))} Anything else I can do?"


def _rewriter(request: Request, dice: random.Random) -> str | None:
    """The reply of one who rewrites a program: one number in it changed, as a search/replace block or as the whole program."""
    source = _program_in(request.whole)
    place = source and _number_in(source, dice)
    if not source or not place:
        return None
    lines = source.split("\n")
    row, start, end = place
    line = lines[row]
    new = [*lines[:row], line[:start] + _changed(line[start:end], dice) + line[end:], *lines[row + 1 :]]
    if not _BLOCKS.search(request.whole):
        return "Here is the whole program with one number changed.\n\n```python\n" + "\n".join(new) + "\n```\n"
    first = next(first for first in range(row, -1, -1) if _places(lines, lines[first : row + 1]) == 1 or first == 0)
    old_text, new_text = "\n".join(lines[first : row + 1]), "\n".join(new[first : row + 1])
    return f"One number changed.\n\n<<<<<<< SEARCH\n{old_text}\n=======\n{new_text}\n>>>>>>> REPLACE\n"


def _critic(request: Request, dice: random.Random) -> str | Json:
    """Some contrasts of one who compares conversations, in the form asked for."""
    remarks = ("Turns are too long.", "Turns are too even.", "Everything is told at once.", "Mistakes are forgiven.", "All sound alike.")
    contrasts = [{"worse": remark, "change": "Vary it from person to person."} for remark in dice.sample(remarks, 3)]
    return {"contrasts": contrasts} if request.schema else "\n".join(f"- {one['worse']}" for one in contrasts)


def _proposer(request: Request, dice: random.Random) -> str:
    """People, as JSON: levels on the scales that the form shows."""
    found = _OBJECTS.search(request.whole)
    assert found is not None, "the table asks only then"
    scales = _SCALE.findall(found[2])
    levels = [{scale: round(dice.random(), 2) for scale in scales} for _ in range(int(found[1]))]
    people = [{"who": f"Person {number}, who is in a hurry.", **level} for number, level in enumerate(levels, 1)]
    return f"Here they are:\n```json\n{json.dumps(people)}\n```"


def _writer(request: Request, dice: random.Random) -> str:
    """How a person writes, in about 90 words."""
    return " ".join(dice.sample(_HABITS, 9))


def _actor(request: Request, dice: random.Random) -> str:
    """What a person says or writes next: shorter where the person is said to be brief."""
    said = dice.choice(_REACTIONS)
    if _TERSE.search(request.system):
        return said.split(",")[0].lower()
    return f"{said}. {' '.join(dice.sample(_REACTIONS, 2))}." if "writes a text" in request.system else f"{said}."


def _shopper(request: Request, dice: random.Random) -> Json:
    """The next action of a person on a website: a click on a word of the page, a search, or leaving."""
    page = next((text for label, text in _QUOTED.findall(request.whole) if label == "page"), "")
    names = re.findall(r"\w{4,}", page) or ["search"]
    kind = dice.choices(("click", "type_and_submit", "terminate"), weights=(6, 3, 1))[0]
    name = "" if kind == "terminate" else dice.choice(names)
    return {"rationale": "It looks right.", "type": kind, "name": name, "text": name if kind == "type_and_submit" else ""}


def _analyst(request: Request, dice: random.Random) -> Any:
    """Where an actor differs from a person, in the form asked for."""
    return _worded(filled(request.schema or {"type": "string"}, dice), dice)


def _worded(value: Any, dice: random.Random) -> Any:
    """The value with a remark in place of each text in it."""
    if isinstance(value, dict):
        return {name: _worded(part, dice) for name, part in value.items()}
    return [_worded(part, dice) for part in value] if isinstance(value, list) else dice.choice(_REMARKS)


def _refiner(request: Request, dice: random.Random) -> Json | None:
    """The profile that the prompt shows, with one habit more."""
    shown = next((text for label, text in _QUOTED.findall(request.whole) if label == "profile"), "")
    try:
        profile: Json = json.loads(re.sub(r"(?m)^\| ?", "", shown))
        claims = [*profile["communication"], dice.choice(_HABITS)]
    except (ValueError, KeyError, TypeError):
        return None
    return {**profile, "communication": list(dict.fromkeys(claims))}


def _program_in(prompt: str) -> str | None:
    """The persona program that a prompt shows, in a block of data or fenced; the one to be changed, if the labels say which."""
    blocks = [(label, re.sub(r"(?m)^\| ?", "", text).rstrip("\n")) for label, text in _QUOTED.findall(prompt)]
    programs = [(label, text) for label, text in blocks if "def generate" in text]
    own = [text for label, text in programs if _OWN_PROGRAM.search(label)]
    fenced = [text for text in _FENCED.findall(prompt) if "def generate" in text]
    return next(iter([*own, *(text for _, text in programs), *fenced]), None)


def _number_in(source: str, dice: random.Random) -> tuple[int, int, int] | None:
    """Row, first and last column of a number with a decimal point, above the first function if there is one; None if there is none."""
    tokens: list[tokenize.TokenInfo] = []
    with suppress(tokenize.TokenError, SyntaxError):  # a program may come here to be repaired
        tokens.extend(tokenize.generate_tokens(io.StringIO(source).readline))
    numbers = [token for token in tokens if token.type == tokenize.NUMBER and re.fullmatch(r"\d+\.\d+", token.string)]
    first = next((token.start[0] for token in tokens if token.string == "def" and token.start[1] == 0), float("inf"))
    above = [token for token in numbers if token.start[0] < first]
    if not numbers:
        return None
    token = dice.choice(above or numbers)
    return token.start[0] - 1, token.start[1], token.end[1]


def _changed(number: str, dice: random.Random) -> str:
    """Another number: a share stays between 0 and 1, others move by a quarter."""
    value = float(number)
    if value <= 1.0:
        return f"{dice.choice([step / 20 for step in range(1, 20) if step / 20 != value]):.2f}"
    return f"{value * dice.choice((0.8, 1.25)):.2f}"


def _places(lines: Sequence[str], part: Sequence[str]) -> int:
    return sum(list(lines[at : at + len(part)]) == list(part) for at in range(len(lines)))


# What a prompt is known by, and who answers it; the first that has something to say does. Adapt this table to your own prompts.
RECOGNIZERS: list[tuple[re.Pattern[str], Callable[[Request, random.Random], str | Json | None]]] = [
    (_DRAFT, _reworder),
    (re.compile(r"(?i)search/replace|<<<<<<< SEARCH|whole program"), _rewriter),
    (re.compile(r"You compare conversations of simulated users"), _critic),
    (_OBJECTS, _proposer),
    (re.compile(r"\d+ to \d+ words, addressed to the person"), _writer),
    (re.compile(r"You play one particular person who uses a website\."), _shopper),
    (re.compile(r"You play one particular person "), _actor),
    (re.compile(r"You compare a real person with an actor"), _analyst),
    (re.compile(r"You better the profile of a real person\."), _refiner),
    (re.compile(r"You are the user in a conversation with an agent\."), _user),
    (re.compile(r"You are the agent in a conversation with a user\."), _agent),
]


# --- faults

KINDS = (
    "429", "429 retry-after", "429 quota", "500", "529", "reset", "hang", "truncated", "broken body", "empty", "refusal", "content filter",
    "wrong schema", "401", "400 context", "404 model", "drip",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. ``seconds`` is what Retry-After says, or the time between two bytes of a reply that drips.

    Raises:
        ValueError: the kind is none of KINDS.
    """

    kind: str
    seconds: float = 0.05

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"fault {self.kind!r}: expected one of {', '.join(map(repr, KINDS))}")


FaultRule = Callable[[Request, int], Fault | None]


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults drawn by the hash of prompt and attempt, so that equal runs fail equally.

    ``rates`` maps a kind to its share of attempts, 0 to 1, together at most 1; ``most`` is how many may follow each other for one prompt:
    of every ``most`` + 1 attempts the last succeeds.

    Raises:
        ValueError: a kind or rate is not as described.
    """

    rates: Mapping[str, float]
    seed: int = 0
    most: int = 3
    seconds: float = 0.05

    def __post_init__(self) -> None:
        for kind in self.rates:
            Fault(kind)
        if min(self.rates.values(), default=0.0) < 0 or sum(self.rates.values()) > 1 + 1e-9:
            raise ValueError(f"fault rates {dict(self.rates)!r}: expected numbers from 0 to 1 that sum to at most 1")

    def __call__(self, request: Request, attempt: int) -> Fault | None:
        """The fault of the ``attempt``-th time (from 1) that this prompt is asked, or None."""
        if attempt % (self.most + 1) == 0:
            return None
        drawn = hashlib.blake2b(f"{self.seed} {request.digest} {attempt}".encode(), digest_size=8).digest()
        left = int.from_bytes(drawn, "big") / 2**64
        for kind, rate in self.rates.items():
            if left < rate:
                return Fault(kind, self.seconds)
            left -= rate
        return None


# --- the two protocols


class RefusedError(Exception):
    """A request that gets an error for an answer: the kind of error and what it says."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class Wire(Protocol):
    """One provider's protocol: the question taken out of a body, the answer and the error put into one."""

    api: Api

    def request(self, body: Json, key: str, seed: int) -> Request:
        """The question. Raises RefusedError if it is none."""
        ...

    def answer(self, request: Request, answer: Answer | None) -> Json:
        """The body of a good reply; None gives one without any choice."""
        ...

    def error(self, kind: str, model: str, key: str, message: str) -> tuple[int, Json]:
        """Status and body of an error."""
        ...

    def models(self, names: Sequence[str]) -> Json:
        """The body that lists the models."""
        ...


class OpenAI:
    """Chat completions."""

    api: Api = "openai"
    # kind: status, type, code, message
    ERRORS: Mapping[str, tuple[int, str, str | None, str]] = {
        "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for {model} on requests per min. Please try again later."),
        "429 retry-after": (429, "tokens", "rate_limit_exceeded", "Rate limit reached for {model} on tokens per min. Try again soon."),
        "429 quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota: check your plan and billing."),
        "500": (500, "server_error", None, "The server had an error while processing your request. Sorry about that!"),
        "529": (503, "server_error", None, "The engine is currently overloaded, please try again later."),
        # Some servers name the key in full: whoever reports this error has to take it out.
        "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: {key}."),
        "400 context": (
            400, "invalid_request_error", "context_length_exceeded",
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        ),
        "404 model": (404, "invalid_request_error", "model_not_found", "The model `{model}` does not exist or you have no access to it."),
        "400": (400, "invalid_request_error", None, "{message}"),
        "404": (404, "invalid_request_error", "unknown_url", "{message}"),
    }  # fmt: skip

    def request(self, body: Json, key: str, seed: int) -> Request:
        turns = _turns(body, ("system", "developer", "user", "assistant", "tool"))
        top = ("system", "developer")
        form = body.get("response_format") or {}
        schemas = {"json_schema": (form.get("json_schema") or {}).get("schema") or {"type": "object"}, "json_object": {"type": "object"}}
        return Request(
            system="\n\n".join(text for role, text in turns if role in top),
            messages=tuple((role, text) for role, text in turns if role not in top),
            schema=schemas.get(form.get("type", "text")),
            model=_model(body),
            key=key,
            api="openai",
            most_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            seed=seed,
        )

    def answer(self, request: Request, answer: Answer | None) -> Json:
        read = _input_tokens(request)
        out = _tokens(answer.text) if answer else 0
        cached = _kept_tokens(request) if len(request.messages) > 1 else 0
        usage = {"prompt_tokens": read, "completion_tokens": out, "total_tokens": read + out}
        reply = {"id": f"chatcmpl-{request.digest}", "object": "chat.completion", "created": _CREATED, "model": request.model}
        return {
            **reply,
            "choices": [self._choice(answer)] if answer else [],
            "usage": {**usage, "prompt_tokens_details": {"cached_tokens": cached}},
        }

    def _choice(self, answer: Answer) -> Json:
        refused = answer.finish == "refusal"
        message = {"role": "assistant", "content": None if refused else answer.text, "refusal": answer.text if refused else None}
        reasons = {"stop": "stop", "length": "length", "refusal": "stop", "content filter": "content_filter"}
        return {"index": 0, "message": message, "finish_reason": reasons[answer.finish], "logprobs": None}

    def error(self, kind: str, model: str, key: str, message: str) -> tuple[int, Json]:
        status, sort, code, text = self.ERRORS[kind]
        said = text.format(model=model, key=key, message=message)
        return status, {"error": {"message": said, "type": sort, "param": None, "code": code}}

    def models(self, names: Sequence[str]) -> Json:
        return {"object": "list", "data": [{"id": name, "object": "model", "created": _CREATED, "owned_by": "nobody"} for name in names]}


class Anthropic:
    """Messages."""

    api: Api = "anthropic"
    # kind: status, type, message
    ERRORS: Mapping[str, tuple[int, str, str]] = {
        "429": (429, "rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."),
        "429 retry-after": (429, "rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit."),
        "429 quota": (400, "invalid_request_error", "Your credit balance is too low to access the API."),
        "500": (500, "api_error", "Internal server error"),
        "529": (529, "overloaded_error", "Overloaded"),
        "401": (401, "authentication_error", "invalid x-api-key: {key}"),  # in full on purpose, as above
        "400 context": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        "404 model": (404, "not_found_error", "model: {model}"),
        "400": (400, "invalid_request_error", "{message}"),
        "404": (404, "not_found_error", "{message}"),
    }

    def request(self, body: Json, key: str, seed: int) -> Request:
        if not isinstance(body.get("max_tokens"), int):
            raise RefusedError("400", "max_tokens: Field required")
        name, schema = self._tool(body)
        output = (body.get("output_config") or {}).get("format") or {}
        return Request(
            system=_text(body.get("system") or ""),
            messages=tuple(_turns(body, ("user", "assistant"))),
            schema=schema or output.get("schema"),
            model=_model(body),
            key=key,
            api="anthropic",
            tool=name,
            most_tokens=body["max_tokens"],
            caching='"cache_control": {' in json.dumps(body),
            seed=seed,
        )

    def _tool(self, body: Json) -> tuple[str | None, Json | None]:
        """The tool that must be used and the schema of its input; tools that only may be used are not."""
        tools = {tool.get("name"): tool for tool in body.get("tools") or ()}
        choice = body.get("tool_choice") or {}
        if choice.get("type") not in ("tool", "any"):
            return None, None
        name = choice.get("name") if choice["type"] == "tool" else next(iter(tools), None)
        if name not in tools:
            raise RefusedError("400", f"tool_choice: tool '{name}' not found in provided tools")
        return name, tools[name].get("input_schema") or {"type": "object"}

    def answer(self, request: Request, answer: Answer | None) -> Json:
        kept = _kept_tokens(request) if request.caching else 0
        again = len(request.messages) > 1
        usage = {
            "input_tokens": _input_tokens(request) - kept,  # unlike OpenAI's: without what the cache held or took
            "output_tokens": _tokens(answer.text) if answer else 0,
            "cache_read_input_tokens": kept if again else 0,
            "cache_creation_input_tokens": 0 if again else kept,
        }
        reply = {"id": f"msg_{request.digest}", "type": "message", "role": "assistant", "model": request.model}
        content = [self._block(request, answer)] if answer else []
        return {**reply, "content": content, "stop_reason": self._reason(request, answer), "stop_sequence": None, "usage": usage}

    def _block(self, request: Request, answer: Answer) -> Json:
        if request.tool is not None and answer.finish in ("stop", "length"):
            return {"type": "tool_use", "id": f"toolu_{request.digest}", "name": request.tool, "input": answer.value}
        return {"type": "text", "text": answer.text}

    def _reason(self, request: Request, answer: Answer | None) -> str:
        if answer is None or answer.finish == "stop":
            return "tool_use" if answer and request.tool else "end_turn"
        return "max_tokens" if answer.finish == "length" else "refusal"

    def error(self, kind: str, model: str, key: str, message: str) -> tuple[int, Json]:
        status, sort, text = self.ERRORS[kind]
        return status, {"type": "error", "error": {"type": sort, "message": text.format(model=model, key=key, message=message)}}

    def models(self, names: Sequence[str]) -> Json:
        known = {"type": "model", "created_at": "2023-11-14T22:13:20Z", "lifecycle": "active"}
        data = [{"id": name, "display_name": name, **known} for name in names]
        return {"data": data, "has_more": False, "first_id": names[0] if names else None, "last_id": names[-1] if names else None}


OPENAI, ANTHROPIC = OpenAI(), Anthropic()
_POSTS: Mapping[str, Wire] = {"/v1/chat/completions": OPENAI, "/v1/messages": ANTHROPIC}


def _model(body: Json) -> str:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise RefusedError("400", "you must provide a model parameter")
    if body.get("stream"):
        raise RefusedError("400", "stream: this server answers in one piece only")
    return name


def _turns(body: Json, roles: Collection[str]) -> list[tuple[str, str]]:
    """The messages as (role, text)."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusedError("400", "messages: at least one message is required")
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in roles:
            raise RefusedError("400", f"messages: every role must be one of {', '.join(roles)}")
    return [(message["role"], _text(message.get("content") or "")) for message in messages]


def _text(content: Any) -> str:
    """What a message says: its text, or that of its blocks, what tools were given and gave included."""
    if isinstance(content, str):
        return content
    blocks = [block if isinstance(block, dict) else {} for block in content] if isinstance(content, list) else []
    return "\n".join(str(block.get("text") or "") or json.dumps(block.get("input") or block.get("content") or "") for block in blocks)


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // _TOKEN_BYTES)


def _input_tokens(request: Request) -> int:
    return _tokens(request.whole) + (_tokens(json.dumps(request.schema)) if request.schema else 0)


def _kept_tokens(request: Request) -> int:
    """Tokens of the prompt's beginning that a cache would hold: all before the last message, in whole blocks.

    Of one prompt always the same number, whatever was asked before: a first question fills the cache, a later one of the dialogue reads it.
    """
    before = "\n\n".join([request.system, *(content for _, content in request.messages[:-1])])
    return _tokens(before) // _CACHE_BLOCK * _CACHE_BLOCK


def answered(request: Request, said: str | Json, fault: str | None = None) -> Answer | None:
    """What the brain said as an answer of the form that was asked for, spoiled by a fault; None for one without any choice."""
    if fault == "empty":
        return None
    if fault in ("refusal", "content filter"):
        finish: Finish = "refusal" if fault == "refusal" else "content filter"
        return Answer("I'm sorry, but I can't help with that." if fault == "refusal" else "", finish=finish)
    value: Any = said
    if fault == "wrong schema":
        value = {"unexpected": [1, "two", None]}
    elif request.schema is not None and isinstance(said, str):
        value = fitted(request.schema, said, random.Random(int(request.digest, 16)))
    text = value if isinstance(value, str) else json.dumps(value)
    room = len(text) if request.most_tokens is None else request.most_tokens * _TOKEN_BYTES
    if fault == "truncated":
        room = min(room, len(text) // 2)
    if room < len(text):
        half = dict(list(value.items())[: len(value) // 2]) if isinstance(value, dict) else value
        return Answer(text[:room], half, "length")
    return Answer(text, value)


# --- the server


class Counters:
    """What a server has seen; written by its thread only, and of every request before the client has its reply.

    ``requests`` by path, ``statuses`` by code, ``faults`` by kind, ``answered`` good replies by the prompt's digest, ``keys`` by
    (header, value), ``bodies`` the last parsed bodies with their paths. ``first`` and ``last`` are the times (``time.monotonic``, seconds)
    when the first request began and the last one ended.
    """

    def __init__(self, keep: int) -> None:
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.keys: Counter[tuple[str, str]] = Counter()
        self.bodies: deque[tuple[str, Json]] = deque(maxlen=keep)
        self.in_flight = 0
        self.most_in_flight = 0
        self.first: float | None = None
        self.last: float | None = None
        self._busy = 0.0
        self._since = 0.0

    @property
    def busy(self) -> float:
        """Integral over time of the number of requests being served, in seconds × requests."""
        return self._busy + self.in_flight * (time.monotonic() - self._since)

    def utilization(self, slots: int) -> float:
        """How busy the server was between its first and last request, as a share of ``slots`` requests all the time.

        Raises:
            ValueError: nothing was served yet.
        """
        if self.first is None or self.last is None:
            raise ValueError("utilization: no request was served yet; send some first")
        return self.busy / (slots * max(self.last - self.first, 1e-9))

    @contextmanager
    def serving(self, path: str) -> Iterator[None]:
        """One request, from when it was read to when its reply is about to be written."""
        self.requests[path] += 1
        self.first = self.first or time.monotonic()
        self._step(1)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self._step(-1)
            self.last = self._since

    def _step(self, by: int) -> None:
        now = time.monotonic()
        self._busy += self.in_flight * (now - self._since)
        self.in_flight, self._since = self.in_flight + by, now


@dataclass(frozen=True, slots=True)
class _Call:
    """One HTTP request as it was read."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ").strip()


@dataclass(frozen=True, slots=True)
class _Response:
    """What goes back; ``fault`` is what is wrong with the way it goes ("reset", "hang", "drip")."""

    status: int
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    def raw(self, *, keep: bool) -> bytes:
        """All bytes of the response."""
        lines = [
            f"HTTP/1.1 {self.status} {_phrase(self.status)}",
            "content-type: application/json",
            f"content-length: {len(self.payload)}",
            f"connection: {'keep-alive' if keep else 'close'}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.payload


def _phrase(status: int) -> str:
    return next((known.phrase for known in HTTPStatus if known == status), "Overloaded")


class ModelServer:
    """A server in a thread of its own, as a context manager or by ``start`` and ``stop``; it can start again on the same port.

    ``brain`` must be quick: it runs in the server's thread, and what it raises is a 500 that says so. ``port`` 0 takes a free one.
    ``latency_seconds`` is waited before every good reply; errors come at once. ``fault`` is asked with every question and how many times
    this prompt was asked, this one included. ``models`` are the names that are known, None for all; ``keep`` is how many bodies are
    remembered.

    Raises:
        OSError: ``start`` cannot listen on the port.
    """

    def __init__(
        self,
        brain: Brain = person_or_agent,
        *,
        port: int = 0,
        seed: int = 0,
        latency_seconds: float = 0.0,
        fault: FaultRule | None = None,
        models: Collection[str] | None = None,
        keep: int = 1_000,
    ) -> None:
        self.brain = brain
        self.port = port
        self.seed = seed
        self.latency_seconds = latency_seconds
        self.fault = fault
        self.models = models
        self.counters = Counters(keep)
        self._attempts: Counter[str] = Counter()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread: threading.Thread | None = None
        self._end: Callable[[], object] = lambda: None

    @property
    def url(self) -> str:
        """What the ``anthropic`` client takes as its base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """What the ``openai`` client takes as its base URL."""
        return f"{self.url}/v1"

    def __enter__(self) -> ModelServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> ModelServer:
        """Listens; after a stop on the same port as before."""
        if self._thread is not None:
            raise RuntimeError(f"the server at {self.url} is running already: stop it first")
        ready: Future[int] = Future()
        thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), name="model-server", daemon=True)
        thread.start()
        self.port = ready.result()
        self._thread = thread
        return self

    def stop(self) -> None:
        """Ends at once: open connections are cut, also those that wait for a reply. Nothing happens if it does not run."""
        if self._thread is not None:
            self._end()
            self._thread.join()
            self._thread = None

    async def _run(self, ready: Future[int]) -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._end = lambda: loop.call_soon_threadsafe(ended.set)
        try:
            server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=256)
        except (OSError, OverflowError) as error:
            ready.set_exception(error)
            return
        ready.set_result(server.sockets[0].getsockname()[1])
        await ended.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the transports close their sockets; asyncio.run then cancels who still waits

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        # A cancelled connection is one that the stopping server cuts: nobody waits for its task.
        with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        self._writers.discard(writer)
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; whether the connection stays open."""
        call = await _read(reader)
        if isinstance(call, _Response):
            writer.write(call.raw(keep=False))
            await writer.drain()
            return False
        keep = call.headers.get("connection", "").lower() != "close"
        with self.counters.serving(call.path):
            response = self._response(call)
            kind = response.fault.kind if response.fault else None
            if kind == "hang":
                await reader.read()  # until the client gives up
                return False
            if kind == "reset":
                return _reset(writer)
            if response.status == HTTPStatus.OK and call.method == "POST" and self.latency_seconds > 0:
                await asyncio.sleep(self.latency_seconds)
            raw = response.raw(keep=keep)
            sent = 0
            if kind == "drip" and response.fault:
                sent = len(raw) - 1
                await _drip(writer, raw[:sent], len(raw) - len(response.payload), response.fault.seconds)
            self.counters.statuses[response.status] += 1
        writer.write(raw[sent:])
        await writer.drain()
        return keep

    def _response(self, call: _Call) -> _Response:
        for name in ("authorization", "x-api-key"):
            if name in call.headers:
                self.counters.keys[name, call.headers[name]] += 1
        wire = _POSTS.get(call.path, ANTHROPIC if "anthropic-version" in call.headers else OPENAI)
        model = call.path.removeprefix("/v1/models").strip("/") if call.path.startswith("/v1/models") else ""
        try:
            if call.method == "GET" and call.path.startswith("/v1/models"):
                return self._list(model, wire)
            if call.method != "POST" or call.path not in _POSTS:
                raise RefusedError("404", f"Unknown request URL: {call.method} {call.path}.")
            body = _parsed(call.body)
            self.counters.bodies.append((call.path, body))
            request = wire.request(body, call.key, self.seed)
            model = request.model
            return self._answer(request, wire)
        except RefusedError as error:
            status, said = wire.error(error.kind, model, call.key, str(error))
            return _Response(status, json.dumps(said).encode())
        except Exception as error:  # noqa: BLE001 - the brain is the user's code, and a body may be of any shape
            return _Response(500, json.dumps({"error": {"message": f"this server failed: {error!r}", "type": "server_error"}}).encode())

    def _list(self, asked: str, wire: Wire) -> _Response:
        """All models, or the one that is asked for."""
        names = sorted(self.models) if self.models is not None else ["test"]
        if not asked:
            return _Response(200, json.dumps(wire.models(names)).encode())
        if self.models is not None and asked not in self.models:
            raise RefusedError("404 model")
        return _Response(200, json.dumps(wire.models([asked])["data"][0]).encode())

    def _answer(self, request: Request, wire: Wire) -> _Response:
        if self.models is not None and request.model not in self.models:
            raise RefusedError("404 model")
        self._attempts[request.digest] += 1
        fault = self.fault(request, self._attempts[request.digest]) if self.fault else None
        if fault is not None:
            self.counters.faults[fault.kind] += 1
            if fault.kind in OPENAI.ERRORS:
                status, said = wire.error(fault.kind, request.model, request.key, "")
                headers = {"retry-after": f"{fault.seconds:g}"} if fault.kind == "429 retry-after" else {}
                return _Response(status, json.dumps(said).encode(), headers)
            if fault.kind in ("reset", "hang"):
                return _Response(200, b"", fault=fault)
        answer = answered(request, self.brain(request), fault.kind if fault else None)
        payload = json.dumps(wire.answer(request, answer)).encode()
        if fault is None or fault.kind == "drip":
            self.counters.answered[request.digest] += 1
        broken = fault is not None and fault.kind == "broken body"
        return _Response(200, payload[: len(payload) // 2] if broken else payload, fault=fault)


async def _read(reader: asyncio.StreamReader) -> _Call | _Response:
    """The next request of a connection, or what to answer to something that is none.

    Raises:
        asyncio.IncompleteReadError: the client is gone.
    """
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (text.partition(":") for text in rest)}
        length = int(headers.get("content-length", "0"))
    except (ValueError, asyncio.LimitOverrunError):
        return _Response(400, b'{"error": {"message": "this is not HTTP/1.1", "type": "invalid_request_error"}}')
    if not 0 <= length <= _MOST_BODY or "transfer-encoding" in headers:
        return _Response(413, b'{"error": {"message": "a body needs a content-length of at most 32 MB", "type": "invalid_request_error"}}')
    return _Call(method, target.partition("?")[0], headers, await reader.readexactly(length))


def _parsed(body: bytes) -> Json:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise RefusedError("400", "We could not parse the JSON body of your request: expected an object.")
    return parsed


async def _drip(writer: asyncio.StreamWriter, raw: bytes, head: int, seconds: float) -> None:
    """The head at once, then byte by byte."""
    writer.write(raw[:head])
    for at in range(head, len(raw)):
        await asyncio.sleep(seconds)
        writer.write(raw[at : at + 1])
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> Literal[False]:
    """Cuts the connection so that the client's system reports a reset, not an end."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


# --- as a script


def _rates(text: str) -> dict[str, float]:
    """``429=0.1,hang=0.02`` as rates."""
    try:
        rates = {kind.strip(): float(rate) for kind, _, rate in (part.partition("=") for part in text.split(",") if part.strip())}
        return dict(Faults(rates).rates)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected KIND=RATE,KIND=RATE ({error})") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(description="A model server on this machine, to try personaevo with models but without a key.")
    parser.add_argument("--port", type=int, default=8000, help="where to listen on 127.0.0.1 (default 8000; 0 takes a free one)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other replies (default 0)")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="how long a reply takes (default 0)")
    parser.add_argument("--faults", type=_rates, default={}, metavar="KIND=RATE,…", help=f"how often to fail, and how: {', '.join(KINDS)}")
    given = parser.parse_args(arguments)
    rule = Faults(given.faults, seed=given.seed) if given.faults else None
    try:
        server = ModelServer(port=given.port, seed=given.seed, latency_seconds=given.latency, fault=rule).start()
    except (OSError, OverflowError) as error:
        print(f"model_server: cannot listen on port {given.port}: {error}; choose another with --port")
        return 1
    print(f"OpenAI's protocol at {server.openai_url}, Anthropic's at {server.url}; any key and model name will do.", flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    server.stop()
    seen = server.counters
    average = seen.utilization(1) if seen.first is not None else 0.0
    print(f"\n{seen.requests.total()} requests, {seen.answered.total()} answered, {seen.faults.total()} faults, {average:.2f} at a time")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
