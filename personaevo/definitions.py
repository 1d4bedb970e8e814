"""Typed content: the feature set, the dials, and the domains with their phrases."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, ValidationError

from personaevo import content
from personaevo.errors import ConfigError, ContentError
from personaevo.executors import Shared
from personaevo.measure.fingerprint import COMPUTED, EXCLUSIVE, FeatureSet, words_of
from personaevo.measure.typing import HabitSet
from personaevo.records import Record

MAX_EXPANSIONS = 512
USER_SAYS = ("greet", "goal", "restate", "fact", "remind", "correct", "affirm", "ack", "go_on", "filler", "close", "give_up")
AGENT_SAYS = ("ask", "again", "inform", "answer", "readback", "sorry", "confirm", "resolve", "more", "bye")
ACK = "ack_only_rate"
DIALOGUE_DIALS = ("facts_per_turn", "patience_turns", "slips_per_100_words", "mood_swing", "persistence")  # that the director reads
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_PART = re.compile(r"^## +(\S+)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Dial:
    """One dial: its allowed range, the value of the agenda-based simulator by default, the scale on which a search moves it ("linear" or
    "log"), and its meaning in a few words."""

    name: str
    low: float
    high: float
    default: float
    scale: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """One surface form: text with open slots such as ``{goal}``, its number of fixed words, the lexicon features that it shows, and its
    family: the forms of one template, of which a user says only one since they sound alike."""

    text: str
    words: int
    shows: frozenset[str]
    family: str


class DomainFile(Record):
    """The TOML file of a domain (see ``fitness/domains/README.md``)."""

    title: str
    opens: Literal["user", "agent"]
    user: dict[str, list[str] | dict[str, list[str]]]
    agent: dict[str, list[str] | dict[str, list[str]]]
    cues: dict[str, list[str]] = Field(default_factory=dict)
    script: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Domain(Shared):
    """A domain: which side opens, the phrases of user and agent by purpose, and the numbers of the agent's script.

    ``name`` is an installed name, or the absolute path of a domain folder.
    """

    name: str
    title: str
    opens: str
    user: Mapping[str, Sequence[Phrase]]
    agent: Mapping[str, Sequence[Phrase]]
    cues: Mapping[str, Sequence[str]]
    script: Mapping[str, float]

    def content(self) -> list[object]:
        """Everything on which the domain's behavior depends, as plain values in a fixed order, for digests."""
        said = [{key: [phrase.text for phrase in phrases] for key, phrases in side.items()} for side in (self.user, self.agent)]
        return [self.name, self.opens, *said, dict(self.cues), dict(self.script)]


def expand(template: str) -> list[str]:
    """All surface forms of a template: ``[a|b]`` means a or b (not nested, an empty choice is allowed).

    Raises:
        ContentError: more than 512 forms, or a bracket that is not closed.
    """
    parts = _CHOICE.split(template)
    choices = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
    count = math.prod(map(len, choices))
    if count > MAX_EXPANSIONS or "[" in "".join(parts[::2]) or "]" in "".join(parts[::2]):
        expected = f"expected closed, unnested [a|b] choices with at most {MAX_EXPANSIONS} forms"
        raise ContentError(f"wording {template!r}: {expected}, got {count}")
    return [" ".join("".join(form).split()) for form in itertools.product(*choices)]


@cache
def features() -> FeatureSet:
    """The installed feature set."""
    return FeatureSet.from_table(content.toml("fitness", "features.toml"))


@cache
def dials() -> dict[str, Dial]:
    """All dials by name: one per feature, and those that only a whole dialogue shows.

    Raises:
        ContentError: nothing would play a dial.
    """
    table = content.toml("fitness", "features.toml")
    rows = [*table["feature"], *table["dial"]]
    behaviors()
    idle = next((row["name"] for row in table["dial"] if row["name"] not in DIALOGUE_DIALS), None)
    if idle is not None:
        raise ContentError(f"fitness/features.toml: nothing plays the dial {idle!r}: a [[dial]] is one of {', '.join(DIALOGUE_DIALS)}")
    return {row["name"]: _dial(row) for row in rows}


@dataclass(frozen=True, slots=True)
class Behaviors:
    """The features that a simulated user shows or not in each turn: those drawn independently (``free``), those of which a turn shows at
    most one (``exclusive``), and the bare acknowledgement. ``reactive`` ones are more likely after a mistake of the agent."""

    free: tuple[str, ...]
    exclusive: tuple[str, ...]
    reactive: frozenset[str]
    names: tuple[str, ...]  # all of them
    worded: tuple[str, ...]  # those that phrases under [user.marker] show; a repetition needs none


@cache
def behaviors() -> Behaviors:
    """The behaviors of the installed features.

    Raises:
        ContentError: nothing would play a feature's dial.
    """
    rows = content.toml("fitness", "features.toml")["feature"]
    for row in rows:
        given = row.get("draw")
        if given != "free" and (given is not None or (row["kind"] == "lexicon" and row["name"] not in EXCLUSIVE)):
            what = f"the feature {row['name']!r} needs draw = \"free\", and phrases under [user.marker] in fitness/domains/common.toml"
            raise ContentError(f"fitness/features.toml: nothing plays the dial of a feature with draw = {given!r}: {what}")
    by_kind = sorted((row for row in rows if "draw" in row), key=lambda row: str(row["kind"]), reverse=True)  # lexicons first
    free = tuple(row["name"] for row in by_kind)
    reactive = frozenset(row["name"] for row in rows if row.get("after_mistake"))
    worded = tuple(name for name in (*free, *EXCLUSIVE) if name not in COMPUTED)
    return Behaviors(free, EXCLUSIVE, reactive, (*free, *EXCLUSIVE, ACK), worded)


def _dial(row: Mapping[str, Any]) -> Dial:
    low, high = map(float, row["range"])
    return Dial(row["name"], low, high, float(row["default"]), row.get("scale", "linear"), row["meaning"])


@cache
def typing() -> HabitSet:
    """The installed habits of typing."""
    return HabitSet.from_table(content.toml("fitness", "typing.toml"))


@cache
def typing_dials() -> dict[str, Dial]:
    """The dials of typing by name: one per habit that can be typed, and one for how much a person's typing differs between dialogues. The
    default of a habit is NaN: the text stays as it was worded."""
    rows = [row for row in content.toml("fitness", "typing.toml")["habit"] if "range" in row]
    habits = {row["name"]: _dial({"default": math.nan, **row}) for row in rows}
    return habits | {row["name"]: _dial(row) for row in content.toml("fitness", "typing.toml")["dial"]}


@cache
def prompt(name: str, *needed: str) -> Mapping[str, str]:
    """The parts of ``fitness/prompts/NAME.md`` by their headings (``## part``), with slots such as ``{goal}`` open. Text before the first
    heading is a comment.

    Raises:
        ContentError: the file is missing or cannot be read, or one of the ``needed`` parts is missing or blank.
    """
    path = content.root("fitness") / "prompts" / f"{name}.md"
    try:
        _, *pieces = _PART.split(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"{path} cannot be read: {error}") from None
    parts = {heading: text.strip() for heading, text in zip(pieces[::2], pieces[1::2], strict=True)}
    missing = [part for part in needed if not parts.get(part)]
    if missing:
        raise ContentError(f"{path}: expected text under the headings {', '.join(f'## {part}' for part in missing)}")
    return MappingProxyType(parts)


def domain_names() -> list[str]:
    """The installed domains."""
    return sorted(path.stem for path in (content.root("fitness") / "domains").glob("*.toml") if path.stem != "common")


@dataclass(frozen=True, slots=True)
class DomainFiles:
    """The files of a domain; ``program``, ``reference`` and the folder ``negatives`` need not exist."""

    definition: Path
    tasks: Path
    program: Path
    reference: Path
    negatives: Path


def domain_files(place: str) -> DomainFiles:
    """The files of a domain: of an installed one by its name, else of the folder at ``place`` (in the layout of ``domain new``).

    Raises:
        ConfigError: the domain does not exist.
    """
    fitness, seeds, folder = content.root("fitness"), content.root("seeds"), Path(place)
    if place in domain_names():
        files = DomainFiles(
            fitness / "domains" / f"{place}.toml", seeds / place / "tasks.jsonl", seeds / place / "program.py",
            fitness / "references" / f"{place}.jsonl", fitness / "negatives" / place,
        )  # fmt: skip
    elif folder.is_absolute():
        names = ("domain.toml", "tasks.jsonl", "program.py", "reference.jsonl", "negatives")
        files = DomainFiles(*(folder / name for name in names))
    else:
        here = folder.is_dir() and (folder / "domain.toml").is_file()
        advice = f"give the folder of that name as './{place}'" if here else f"make one with 'personaevo domain new {place}'"
        raise ConfigError(f"unknown domain '{place}': installed are {', '.join(domain_names())}; {advice}")
    if not files.definition.is_file():
        raise ConfigError(f"{place} is not the folder of a domain: it has no domain.toml; make one with 'personaevo domain new NAME'")
    return files


@cache
def domain(place: str) -> Domain:
    """The installed domain of that name, or the one in the folder at that absolute path; a process reads it once.

    Raises:
        ConfigError: the domain does not exist.
        ContentError: its file does not have the expected form.
    """
    path = domain_files(place).definition
    common = content.toml("fitness", "domains/common.toml")
    try:
        file = DomainFile.model_validate(content.read_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ContentError(f"{path}: field '{where}': {first['msg'][:1].lower()}{first['msg'][1:]}") from None
    made = Domain(
        name=place,
        title=file.title,
        opens=file.opens,
        user=_phrases(common.get("user", {}), file.user),
        agent=_phrases(common.get("agent", {}), file.agent),
        cues=file.cues,
        script=file.script,
    )
    _check_wording(made, path)
    return made


def _check_wording(domain: Domain, path: Path) -> None:
    """Refuse a domain in which a required phrase list is empty, so that no search stops half-way."""
    lists = {"user": domain.user, "agent": domain.agent}
    markers = [f"marker.{name}" for name in behaviors().worded]
    needed = {"user": (*USER_SAYS, *markers), "agent": (*AGENT_SAYS, "open" if domain.opens == "agent" else "greet")}
    for who, keys in needed.items():
        missing = [key for key in keys if not lists[who].get(key)]
        if missing:
            raise ContentError(f"{path}: [{who}] needs wording for {', '.join(missing)}: see fitness/domains/README.md")


def _flat(table: Mapping[str, Any]) -> dict[str, list[str]]:
    """``{"ask": {"amount": [...]}}`` becomes ``{"ask.amount": [...]}``."""
    flat: dict[str, list[str]] = {}
    for key, value in table.items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        for sub, texts in entries:
            flat[f"{key}.{sub}" if sub else key] = list(texts)
    return flat


def _phrases(*tables: Mapping[str, Any]) -> dict[str, tuple[Phrase, ...]]:
    """The common phrases followed by the domain's own, key by key, without duplicates."""
    merged: dict[str, dict[str, Phrase]] = {}
    sets: dict[frozenset[str], frozenset[str]] = {}  # most phrases show the same few features: equal sets are one
    for table in tables:
        for key, templates in _flat(table).items():
            forms = merged.setdefault(key, {})
            for template in templates:
                for form in expand(template):
                    if form not in forms:
                        fixed = re.sub(r"\{\w+\}", "", form)
                        words = len(words_of([fixed])[0])
                        shows = frozenset(features().shown(fixed))
                        forms[form] = Phrase(form, words, sets.setdefault(shows, shows), template if words > 3 else form)
    return {key: tuple(forms.values()) for key, forms in merged.items()}
