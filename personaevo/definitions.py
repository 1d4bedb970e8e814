"""Content made typed: the feature set, the dials, and the domains with their wording."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import ValidationError

from personaevo import content
from personaevo.errors import ConfigError, ContentError
from personaevo.measure.fingerprint import FeatureSet, words_of
from personaevo.records import Record

MAX_EXPANSIONS = 512
_CHOICE = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Dial:
    """One dial: its allowed range, what the agenda-based simulator does unasked, how numbers move on it ("linear" or "log"), and the
    sentence that puts it to a prompt."""

    name: str
    low: float
    high: float
    default: float
    scale: str
    say: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """One surface form: text with open slots such as ``{goal}``, its number of fixed words, the lexicon features it shows, and its
    family: forms of one template are alike, so that saying two of them would be heard as saying one twice."""

    text: str
    words: int
    shows: frozenset[str]
    family: str


class DomainFile(Record):
    """What a domain's TOML file holds (see ``fitness/domains/README.md``)."""

    name: str
    title: str
    opens: Literal["user", "agent"]
    user: dict[str, list[str] | dict[str, list[str]]]
    agent: dict[str, list[str] | dict[str, list[str]]]
    cues: dict[str, list[str]] = {}
    script: dict[str, float] = {}


@dataclass(frozen=True)
class Domain:
    """A domain ready for use: who opens, what user and agent say (phrase lists by purpose), and the numbers of the agent's script."""

    name: str
    title: str
    opens: str
    user: Mapping[str, Sequence[Phrase]]
    agent: Mapping[str, Sequence[Phrase]]
    cues: Mapping[str, Sequence[str]]
    script: Mapping[str, float]


def expand(template: str) -> list[str]:
    """All surface forms of a template: ``[a|b]`` means a or b (not nested, an empty choice is allowed).

    Raises:
        ContentError: more than 512 forms, or a bracket that is not closed.
    """
    parts = _CHOICE.split(template)
    choices = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
    count = 1
    for options in choices:
        count *= len(options)
    if count > MAX_EXPANSIONS or "[" in "".join(parts[::2]) or "]" in "".join(parts[::2]):
        raise ContentError(f"wording {template!r}: expected closed, unnested [a|b] choices with at most {MAX_EXPANSIONS} forms, got {count}")
    return [" ".join("".join(form).split()) for form in itertools.product(*choices)]


@cache
def features() -> FeatureSet:
    """The installed feature set."""
    return FeatureSet.from_table(content.toml("fitness", "features.toml"))


@cache
def dials() -> dict[str, Dial]:
    """All dials by name: one per feature, and those that only a whole dialogue shows."""
    table = content.toml("fitness", "features.toml")
    rows = [*table["feature"], *table["dial"]]
    return {row["name"]: Dial(row["name"], *map(float, row["range"]), float(row["default"]), row.get("scale", "linear"), row["say"]) for row in rows}


def domain_names() -> list[str]:
    """The installed domains."""
    folder = content.root("fitness") / "domains"
    return sorted(path.stem for path in folder.glob("*.toml") if path.stem != "common")


@cache
def domain(name: str) -> Domain:
    """The installed domain ``name``.

    Raises:
        ConfigError: no such domain.
        ContentError: its file does not have the expected form.
    """
    if name not in domain_names():
        raise ConfigError(f"unknown domain '{name}': installed are {', '.join(domain_names())}; make one with 'personaevo domain new {name}'")
    common = content.toml("fitness", "domains/common.toml")
    try:
        file = DomainFile.model_validate(content.toml("fitness", f"domains/{name}.toml"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ContentError(f"fitness/domains/{name}.toml: field '{where}': {first['msg']}") from None
    return Domain(
        name=file.name,
        title=file.title,
        opens=file.opens,
        user=_phrases(common.get("user", {}), file.user),
        agent=_phrases(common.get("agent", {}), file.agent),
        cues=file.cues,
        script=file.script,
    )


def _flat(table: Mapping[str, Any]) -> dict[str, list[str]]:
    """``{"ask": {"amount": [...]}}`` becomes ``{"ask.amount": [...]}``."""
    flat: dict[str, list[str]] = {}
    for key, value in table.items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        for sub, texts in entries:
            flat[f"{key}.{sub}" if sub else key] = list(texts)
    return flat


def _phrases(*tables: Mapping[str, Any]) -> dict[str, tuple[Phrase, ...]]:
    """The common wording followed by the domain's own, key by key, without duplicates."""
    merged: dict[str, dict[str, Phrase]] = {}
    for table in tables:
        for key, templates in _flat(table).items():
            forms = merged.setdefault(key, {})
            for template in templates:
                for form in expand(template):
                    forms.setdefault(form, _phrase(form, template))
    return {key: tuple(forms.values()) for key, forms in merged.items()}


def _phrase(text: str, template: str) -> Phrase:
    fixed = re.sub(r"\{\w+\}", "", text)
    words = len(words_of([fixed])[0])
    return Phrase(text, words, frozenset(features().shown(fixed)), template if words > 3 else text)
