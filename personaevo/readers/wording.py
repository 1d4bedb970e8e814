"""Task texts of τ²-bench, which address a simulator ("You want to …"): rewrites them in the first person, and finds goal and facts."""

from __future__ import annotations

import re

MAX_GOAL_WORDS = 25

_QUOTED = re.compile(r"(?<!\w)'(?:[^'\n]|'(?=\w))+'(?!\w)|\"[^\"\n]+\"")
_YOU = re.compile(
    r"\byou(?:['\u2019](?:re|ve|d|ll)| are| were| aren['\u2019]t| weren['\u2019]t)\b|\b(?:are|were) you\b"
    r"|\byour(?:s|self)?\b|\byou(?P<your>(?= (?:name|reservation|zip|skateboard)\b))|\byou\b",
    re.IGNORECASE,
)
_FIRST = {
    "you are": "I am",
    "you were": "I was",
    "you aren't": "I'm not",
    "you weren't": "I wasn't",
    "are you": "am I",
    "were you": "was I",
    "you're": "I'm",
    "you've": "I've",
    "you'd": "I'd",
    "you'll": "I'll",
    "your": "my",
    "yours": "mine",
    "yourself": "myself",
}
# After these words "you" is an object ("tells you that …"), after all others a subject ("if you …").
_OBJECT_AFTER = frozenset(
    """about against around at behind between by for from in into of on over to toward towards under with without
    allow allows allowed ask asks asked asking assist assists call charge charges charged contact cost costs get gets
    give gives gave giving help helps helped inform informs informed let lets make makes notify offer offers offered
    owe owes put refund refunds remind reminds send sends sent show shows showed support tell tells told telling thank
    transfer transfers transferred upgrade upgrades want wants""".split()
)

_SENTENCE = re.compile(r"(?<=[.!?;])(?<!\bi\.e\.)(?<!\be\.g\.)\s+|\n+|(?<=[a-z]\.)(?=[A-Z][a-z]+ )")
_WISHES = (
    re.compile(
        r"\b(?:you|and|but)(?:['\u2019]d| would)?(?: (?:also|just|now|really|only|first))* (?:want|wish|like) to\b:?\s*"
        r"|\b(?:goal|task)\b[^.!?]{0,20}? is to |^(?:first,? )?try to "
        r"|\bcontact(?:ing)?(?: customer (?:service|support))? to |\bcalling to |\byou (?P<know>wonder) ",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:you|and|but)(?: (?:also|just|now|really|only|first))* need to |\bhelp you (?!with\b)"
        r"|^For [^,]+, (?=[a-z])(?!you\b)|\bask (?:them|the agent|it) to "
        r"|\byou want (?P<noun>)(?=(?:a|an|the|your|all|any)\b)"
        r"|\byou need (?P<help>)(?=(?:some |urgent |your )?(?:help|assistance)\b)"
        r"|\byou(?:['\u2019]re| are) looking (?:for (?P<thing>)|to )",
        re.IGNORECASE,
    ),
)
_CONTACT = re.compile(r"^you (?:are )?contact(?:ing)?(?: customer (?:service|support))? because ", re.IGNORECASE)
_LEADING = re.compile(r"^(?:(?:first|also|just|please),? )+", re.IGNORECASE)
_ASIDE = re.compile(
    r"\s*\([^()]*\b(?:agent|mention|reveal|forgot|you|don't)\b[^()]*\)|,? (?:but |and )?if the agent (?:asks|says)\b.*",
    re.IGNORECASE,
)
# "You received a laptop and you want to exchange it": a goal stands alone, so its object must be named.
_POINTER = re.compile(r"^(?P<verb>(?:know if I can )?\w+)(?: (?:it|them|it(?P<of>s))\b|$)")
_THING = re.compile(
    r"\b(?:received|bought|booked|ordered|placed|sent|typed|quality of) (?:an?|the|two|your) "
    r"(?P<object>[\w-]+(?: [\w-]+){0,2}?)(?= (?:and|but|by|with|that|you|your|this|sent|wrong)\b|[,.;])"
    r"|\b(?:the|your) (?P<subject>[\w-]+(?: [\w-]+){0,2}?) (?:you received|is still|might be)\b",
    re.IGNORECASE,
)
_BORDER = re.compile(r"[,;:.]\s|\s(?:and|but|so|because|or|if|while|since|which)\s|\s\(")

_NAME = r"[A-Z][\w'\u2019-]*"
_IS = r"(?:\*\*)?(?: is|:)?(?:\*\*)? \(?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_NO_INCOME = "".join(rf"(?<!income{between})" for between in (r" \(", "[:=]", ": ", " is ", " of "))
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = rf"(?:\d{{1,4}}[/.-]\d{{1,2}}[/.-]\d{{2,4}}|{_MONTH} {_DAY},? \d{{4}}|{_DAY} {_MONTH},? \d{{4}})"
_KNOWN_FACTS = (
    ("name", re.compile(rf"\b[Yy]our? name is ({_NAME}(?: {_NAME})*)")),
    ("name", re.compile(rf"(?:(?m:^)[ \t]*|[-*|] *|[Yy]our |[Ff]ull )[Nn]ame: ({_NAME}(?: [a-z]{{2,3}}(?= [A-Z]))?(?: {_NAME})*)")),
    ("name", re.compile(rf"\b[Yy]our character(?: is|:)(?:\*\*)?(?: You are)? (?!You\b)({_NAME}(?: {_NAME})+)")),
    ("name", re.compile(rf"\b[Yy]our character is an? [^.\n]{{0,60}}?named ({_NAME}(?: {_NAME})*)")),
    ("name", re.compile(rf"(?:\b[Yy]ou are|\b[Yy]ou['\u2019]re|\bcalled) ({_NAME}(?: {_NAME})+|{_NAME}(?=,| \())")),
    ("friend's name", re.compile(rf"\bfriend['\u2019]?s['\u2019]? name is ({_NAME}(?: {_NAME})*)")),
    ("phone number", re.compile(rf"\b(?:[Pp]hone|[Mm]obile|[Cc]ell)(?: [Nn]umber)?{_IS}(\+?[\d(][\d() .-]{{5,}}\d)")),
    ("phone number", re.compile(r"(?<![\w.-])((?:\+?1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[.-]\d{4})(?![\w-])")),
    ("date of birth", re.compile(rf"\b(?:[Dd]ate of birth|[Bb]irth ?da(?:te|y)|DOB|[Bb]orn on){_IS}({_DATE})")),
    ("zip code", re.compile(rf"(?<![$\d,.-]){_NO_INCOME}\b(\d{{5}})\b(?![,.]\d|-\d{{5}})")),
    ("address", re.compile(r"\b(?:live (?:in|at)|[Aa]ddress(?: is|:)) (\d+ [^.|\n]*?\b\d{5})\b")),
)
_BESIDE = r"(?:\(|[Rr]eservations? (?:IDs? )?|\band )"  # context in which six letters without a digit are a reservation too
_FACTS = (
    ("user id", re.compile(r"\b[Uu]ser[ _]?(?:id|ID)(?: is|:)? ((?=\w*\d)\w+)\b")),
    ("user id", re.compile(r"\b((?!certificate_|gift_card_|credit_card_|paypal_|friend_)[a-z]+_[a-z]+_\d+|user_\d+)\b(?!@)")),
    ("account id", re.compile(r"\b[Aa]ccount (?:id|ID|[Nn]umber)(?: is|:)? ((?=\w*\d)\w{4,})\b")),
    ("email", re.compile(r"(?<![\w.+-])([\w.+-]+@[\w-]+(?:\.[\w-]+)+)")),
    ("order number", re.compile(r"(#?\bW\d{7})\b")),
    ("reservation", re.compile(rf"\b(?!HAT\d{{3}}\b)((?=[A-Z]*\d)(?=\d*[A-Z])[A-Z\d]{{6}})\b|{_BESIDE}([A-Z]{{6}})\b")),
    ("flight number", re.compile(r"\b(HAT\d{3})\b")),
    ("item number", re.compile(r"\b(\d{10})\b")),
    ("task id", re.compile(r"\b(task_\d+)\b")),
)
_ORDINALS = ("", "second ", "third ", "fourth ", "fifth ", "sixth ")


def first_person(text: str) -> str:
    """``text`` with "I" or "me" for "you", "my" for "your" and so on; quotations stay."""
    parts, end = [], 0
    for quote in _QUOTED.finditer(text):
        parts += [_turned(text[end : quote.start()]), quote.group()]
        end = quote.end()
    return "".join([*parts, _turned(text[end:])])


def _turned(text: str) -> str:
    def swap(match: re.Match[str]) -> str:
        word = match.group()
        slip = match.group("your") is not None  # τ² writes "You name is …" in dozens of tasks
        mine = "my" if slip else _FIRST.get(word.lower().replace("\u2019", "'")) or _pronoun(text, match)
        return mine[0].upper() + mine[1:] if word[0].isupper() else mine

    return _YOU.sub(swap, text)


def _pronoun(text: str, match: re.Match[str]) -> str:
    before = text[: match.start()].split()
    after = text[match.end() :].lstrip(" ")
    closes = not after or after[0] in ".,;:!?)\n"
    return "me" if closes or (before and before[-1].lower().strip("(\"'") in _OBJECT_AFTER) else "I"


def sentences(text: str) -> list[str]:
    """The sentences and lines of ``text``; a bulleted list becomes one sentence."""
    joined = re.sub(r"\n\s*- ", ", ", re.sub(r":\s*\n\s*- ", ": ", text))
    return [part.strip() for part in _SENTENCE.split(joined) if any(map(str.isalnum, part))]


def goal(text: str) -> tuple[str, str]:
    """The first wish in ``text`` as a phrase that completes "I want to …" (at most 25 words), and the rest in the first person.

    The sentence of the wish stays in the rest if the phrase does not have all of it. ``text`` must have a letter.
    """
    parts = [part.removeprefix(".") for part in sentences(text)]
    index, wish, whole = _first_wish(parts) or (0, _because(parts[0]), False)
    phrase = _LEADING.sub("", " ".join(first_person(_ASIDE.sub("", wish)).split()))
    cut = _named(_cut(phrase), " ".join(parts[: index + 1]))
    kept = whole and len(cut.split()) == len(wish.split())
    rest = [part for number, part in enumerate(parts) if number != index or not kept]
    return cut or "get help", " ".join(map(first_person, rest))


def _named(phrase: str, before: str) -> str:
    """``phrase`` with its "it" replaced by the noun that it refers to, if the text before has it."""
    pointer, things = _POINTER.search(phrase), list(_THING.finditer(before))
    if not pointer or not things:
        return phrase
    thing = things[-1].group("object") or things[-1].group("subject")
    of = "'s" if pointer.group("of") else ""
    return f"{pointer.group('verb')} the {thing}{of}{phrase[pointer.end() :]}"


def wishes(text: str) -> bool:
    """Whether ``text`` has a wish."""
    return _first_wish(sentences(text)) is not None


def trouble(text: str) -> str:
    """The problem as a phrase that completes "I want to …"; ``text`` must have a letter."""
    return _cut(" ".join(first_person(_because(sentences(text)[0])).split()))


def _because(sentence: str) -> str:
    reason = _CONTACT.sub("", sentence)
    return f"get help because {reason[0].lower()}{reason[1:]}"


def _first_wish(parts: list[str]) -> tuple[int, str, bool] | None:
    """The index of the sentence with the first wish, the wish, and whether it is the whole sentence."""
    for pattern in _WISHES:
        for index, part in enumerate(parts):
            match = pattern.search(part)
            if match and part[match.end() :].strip(" .:"):
                found = match.groupdict()
                named = any(found.get(name) is not None for name in ("noun", "help", "thing"))
                lead = "know " if found.get("know") else "get " if named else ""
                return index, lead + part[match.end() :], not lead and match.start() == 0
    return None


def _cut(phrase: str) -> str:
    """``phrase`` up to the last clause border within 25 words, without lists in braces, which are data."""
    phrase = phrase.partition("{")[0].strip(" .,;:?!\"")
    words = phrase.split()
    if len(words) <= MAX_GOAL_WORDS:
        return phrase
    starts = [match.start() for match in _BORDER.finditer(phrase)]
    heads = [phrase[:start] for start in starts if 3 <= len(phrase[:start].split()) <= MAX_GOAL_WORDS]
    heads = [head for head in heads if head.count("(") == head.count(")")]
    return (heads[-1] if heads else " ".join(words[:MAX_GOAL_WORDS]).split(" (")[0]).strip(" .,;:")


def facts(known: str, reason: str) -> dict[str, str]:
    """The facts that the user knows, by name; every value occurs verbatim in one of the two texts.

    Names and zip codes are searched in ``known`` alone, identifiers in both. A second value of a kind is named "second …".
    """
    everything = f"{known}\n{reason}"
    found: dict[str, list[str]] = {}
    for text, name, pattern in [(known, *row) for row in _KNOWN_FACTS] + [(everything, *row) for row in _FACTS]:
        values = found.setdefault(name, [])
        matched = (next(group for group in match.groups() if group) for match in pattern.finditer(text))
        values += [value for value in dict.fromkeys(matched) if value not in values]
    numbered = {}
    for name, values in found.items():
        for index, value in enumerate(values[:1] if "name" in name else values):
            numbered[f"{_ORDINALS[index]}{name}" if index < len(_ORDINALS) else f"{name} {index + 1}"] = value
    return numbered


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
