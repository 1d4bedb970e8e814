"""The default reply function: users, agents, and the other roles of personaevo's prompts."""

from __future__ import annotations

import io
import json
import random
import re
import tokenize
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from examples.model_server.requests import Json, Request
from examples.model_server.schemas import WORDS, filled

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
    """The reply of the first of RECOGNIZERS whose pattern is in the prompt and whose function returns one; else a few words."""
    dice = random.Random(int(request.digest, 16))
    whole = request.whole
    said = (function(request, dice) for pattern, function in RECOGNIZERS if pattern.search(whole))
    return next((text for text in said if text is not None), f"I see: {' '.join(dice.sample(WORDS, 4))}.")


def _user(request: Request, dice: random.Random) -> str:
    """The next turn of a customer with a goal and facts, who gives the facts when asked, and ends with the marker."""
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
    """The draft of a turn reworded: in lower case, sometimes with a word before it."""
    found = _DRAFT.search(request.heard)
    return found and f"{dice.choice(('', '', 'well, '))}{found[1].rstrip('.').replace('I am', 'im')}"


def _agent(request: Request, dice: random.Random) -> str:
    """The next turn of an agent: it greets and asks, asks once or twice more, confirms, and says goodbye."""
    turns, heard = len(request.own), request.heard
    wanted = _WANTED[(turns + len(request.messages[0][1])) % len(_WANTED)]  # each question once
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
    """An edited program: one number changed, as a search/replace block or as the whole program."""
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
    for first in range(row, -1, -1):  # the shortest block that is unique in the program
        block = lines[first : row + 1]
        if sum(lines[at : at + len(block)] == block for at in range(len(lines))) == 1:
            break
    old_text, new_text = "\n".join(lines[first : row + 1]), "\n".join(new[first : row + 1])
    return f"One number changed.\n\n<<<<<<< SEARCH\n{old_text}\n=======\n{new_text}\n>>>>>>> REPLACE\n"


def _critic(request: Request, dice: random.Random) -> str | Json:
    """Contrasts between conversations, in the requested form."""
    remarks = ("Turns are too long.", "Turns are too even.", "Everything is told at once.", "Mistakes are forgiven.", "All sound alike.")
    contrasts = [{"worse": remark, "change": "Vary it from person to person."} for remark in dice.sample(remarks, 3)]
    return {"contrasts": contrasts} if request.schema else "\n".join(f"- {one['worse']}" for one in contrasts)


def _proposer(request: Request, dice: random.Random) -> str:
    """Personas as JSON, with levels on the scales of the requested form."""
    found = _OBJECTS.search(request.whole)
    assert found is not None  # the recognizer has matched
    scales = _SCALE.findall(found[2])
    levels = [{scale: round(dice.random(), 2) for scale in scales} for _ in range(int(found[1]))]
    people = [{"who": f"Person {number}, who is in a hurry.", **level} for number, level in enumerate(levels, 1)]
    return f"Here they are:\n```json\n{json.dumps(people)}\n```"


def _writer(request: Request, dice: random.Random) -> str:
    """A description of a person's way of writing, in about 90 words."""
    return " ".join(dice.sample(_HABITS, 9))


def _actor(request: Request, dice: random.Random) -> str:
    """A person's next message or text; shorter if the person is described as brief."""
    said = dice.choice(_REACTIONS)
    if _TERSE.search(request.system):
        return said.split(",")[0].lower()
    return f"{said}. {' '.join(dice.sample(_REACTIONS, 2))}." if "writes a text" in request.system else f"{said}."


def _shopper(request: Request, dice: random.Random) -> Json:
    """A person's next action on a website: a click on a word of the page, a search, or leaving."""
    page = next((text for label, text in _QUOTED.findall(request.whole) if label == "page"), "")
    names = re.findall(r"\w{4,}", page) or ["search"]
    kind = dice.choices(("click", "type_and_submit", "terminate"), weights=(6, 3, 1))[0]
    name = "" if kind == "terminate" else dice.choice(names)
    return {"rationale": "It looks right.", "type": kind, "name": name, "text": name if kind == "type_and_submit" else ""}


def _analyst(request: Request, dice: random.Random) -> Any:
    """Differences between an actor and a person, in the requested form."""
    return _with_remarks(filled(request.schema or {"type": "string"}, dice), dice)


def _with_remarks(value: Any, dice: random.Random) -> Any:
    """The value with each text replaced by a remark."""
    if isinstance(value, dict):
        return {name: _with_remarks(part, dice) for name, part in value.items()}
    return [_with_remarks(part, dice) for part in value] if isinstance(value, list) else dice.choice(_REMARKS)


def _refiner(request: Request, dice: random.Random) -> Json | None:
    """The profile in the prompt, with one more habit."""
    shown = next((text for label, text in _QUOTED.findall(request.whole) if label == "profile"), "")
    try:
        profile: Json = json.loads(re.sub(r"(?m)^\| ?", "", shown))
        claims = [*profile["communication"], dice.choice(_HABITS)]
    except (ValueError, KeyError, TypeError):
        return None
    return {**profile, "communication": list(dict.fromkeys(claims))}


def _program_in(prompt: str) -> str | None:
    """The persona program in a prompt, in a block of data or fenced; the one to be changed if the labels identify it."""
    blocks = [(label, re.sub(r"(?m)^\| ?", "", text).rstrip("\n")) for label, text in _QUOTED.findall(prompt)]
    programs = [(label, text) for label, text in blocks if "def generate" in text]
    own = [text for label, text in programs if _OWN_PROGRAM.search(label)]
    fenced = [text for text in _FENCED.findall(prompt) if "def generate" in text]
    return next(iter([*own, *(text for _, text in programs), *fenced]), None)


def _number_in(source: str, dice: random.Random) -> tuple[int, int, int] | None:
    """Row, first and last column of a decimal number, above the first function if possible; None if there is none."""
    tokens: list[tokenize.TokenInfo] = []
    with suppress(tokenize.TokenError, SyntaxError):  # the program may have errors
        tokens.extend(tokenize.generate_tokens(io.StringIO(source).readline))
    numbers = [token for token in tokens if token.type == tokenize.NUMBER and re.fullmatch(r"\d+\.\d+", token.string)]
    first = next((token.start[0] for token in tokens if token.string == "def" and token.start[1] == 0), float("inf"))
    above = [token for token in numbers if token.start[0] < first]
    if not numbers:
        return None
    token = dice.choice(above or numbers)
    return token.start[0] - 1, token.start[1], token.end[1]


def _changed(number: str, dice: random.Random) -> str:
    """Another number: one up to 1 stays between 0 and 1, others change by about a quarter."""
    value = float(number)
    if value <= 1.0:
        return f"{dice.choice([step / 20 for step in range(1, 20) if step / 20 != value]):.2f}"
    return f"{value * dice.choice((0.8, 1.25)):.2f}"


# Patterns of prompts and their reply functions; the first that returns a reply is used. Adapt this table to your own prompts.
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
