"""Profiles of people: claims in the second person in typed sections, and dials of the embedded simulator.

The grammatical person of a sentence is decided by word lists, not by a parser (``fitness/refine/profile.toml``): a claim must contain
"you" or begin with a known imperative, must have no first person ("I", "my"), and must not begin with a third person ("The user …",
"She …"). Text in quotation marks does not count.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from personaevo import content, injection
from personaevo.errors import ConfigError
from personaevo.programs.personas import compose_policy
from personaevo.records import Record
from personaevo.refine import features
from personaevo.simulate.directions import Persona
from personaevo.text import one_line, plain, table

NO_ADDRESSEE = "has neither 'you' nor a known imperative"  # a problem
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
_QUOTED = re.compile(r"\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|\u2018[^\u2019\n]*\u2019(?!\w)|(?<!\w)'(?:[^'\n]|'(?=\w))*'(?!\w)")
_PARTS = re.compile(r"[,;:()\u2013\u2014]|(?<=\s)-(?=\s)")
_NOT_FIRST_PERSON = re.compile(r"\b(?:[Ii]\.[Ee]\.|World War I\b)")
_FIRST_PERSON = re.compile(
    r"\b(?:I (?P<often>\w+ly|often|always|never|also|just|still) (?P<be>am|was)|I am|I was|am I|was I"
    r"|I['\u2019](?:m|ve|d|ll)|I|me|my|myself)\b",
    re.IGNORECASE,
)
_SECOND_PERSON = {
    "i am": "you are", "i was": "you were", "am i": "are you", "was i": "were you", "i'm": "you're", "i've": "you've", "i'd": "you'd",
    "i'll": "you'll", "i": "you", "me": "you", "my": "your", "myself": "yourself",
}  # fmt: skip


def second_person_problem(sentence: str) -> str | None:
    """Why the sentence is not in the second person; None if it is."""
    bare = _QUOTED.sub(" ", _NOT_FIRST_PERSON.sub(" ", sentence))
    words = _words(bare)
    first = next((word for word in words if word in _listed("first")), None)
    if first is not None:
        return f"is in the first person ('{first}')"
    if " ".join(words[:1]) in _listed("others") or " ".join(words[:2]) in _listed("others"):
        return f"is in the third person ('{' '.join(words[:2])}')"
    if not _listed("you").isdisjoint(words) or any(map(_is_imperative, _PARTS.split(bare))):
        return None
    return NO_ADDRESSEE


def in_second_person(sentence: str) -> str:
    """Put a sentence into the second person.

    Tried in order: the sentence as it stands, the first person replaced by "you" ("I am …" becomes "You are …"), a kind of person
    addressed ("A nurse who …" becomes "You are a nurse who …"). If none of these has an addressee, the sentence is wrapped as reported
    speech about the reader.
    """
    words = _words(sentence)
    of_kind = f"You are {sentence[:1].lower()}{sentence[1:]}" if words and words[0] in _listed("nouns") else sentence
    rewritten = _without_first_person(sentence)
    for made in (sentence, rewritten, of_kind):
        if second_person_problem(made) is None:
            return made
    template: str = content.toml("fitness", "refine/profile.toml")["said"]
    return template.replace("{text}", rewritten)


def _without_first_person(sentence: str) -> str:
    parts, end = [], 0
    for kept in re.finditer(f"{_QUOTED.pattern}|{_NOT_FIRST_PERSON.pattern}", sentence):
        parts += [_FIRST_PERSON.sub(_replacement, sentence[end : kept.start()]), kept[0]]
        end = kept.end()
    made = "".join([*parts, _FIRST_PERSON.sub(_replacement, sentence[end:])])
    return made[:1].upper() + made[1:] if sentence[:1].isupper() else made


def _replacement(match: re.Match[str]) -> str:
    if match["be"]:
        return f"you {match['often']} {'are' if match['be'].lower() == 'am' else 'were'}"
    made = _SECOND_PERSON.get(match[0].lower().replace("\u2019", "'"), match[0])  # the expression takes "İ" for "I"; the table does not
    return made.capitalize() if match[0][0] in "AM" else made


def _is_imperative(part: str) -> bool:
    """Whether a clause begins with an imperative."""
    rest = (word for word in _words(part) if word not in _listed("before") and not word.endswith("ly"))
    return next(rest, "") in _listed("imperatives")


def _words(text: str) -> list[str]:
    return [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]


@cache
def _listed(name: str) -> frozenset[str]:
    """A word list of the content; imperatives are listed there as one text."""
    words = content.toml("fitness", "refine/profile.toml")["address"][name]
    return frozenset(words.split() if isinstance(words, str) else words)


_SHOWN = 60
_SOURCES = 5


class Section(Record):
    """One section: its heading in a prompt, its definition, and other headings with the same meaning."""

    name: str
    heading: str
    definition: str
    also: tuple[str, ...] = ()


_TABLE: Mapping[str, Any] = content.toml("fitness", "refine/profile.toml")
SECTIONS: Mapping[str, Section] = {row["name"]: Section.model_validate(row) for row in _TABLE["section"]}
BUDGET: int = _TABLE["budget"]  # words of all claims
CLAIM_WORDS: int = _TABLE["claim_words"]  # of one claim
SUPPORTED = 2  # a claim with fewer supporting items is a guess
_DERIVED = ("support", "guess")  # fields of a claim in a file that are computed and ignored on reading


class Claim(Record):
    """One sentence addressed to the role-player ("You answer in a few words."); a bare string is accepted. White space is collapsed.

    Attributes:
        sources: ids of the training items that support it (none: it was in the initial profile).
        since: number of the version that introduced it.
    """

    text: str
    sources: tuple[str, ...] = ()
    since: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {name: value for name, value in given.items() if name not in _DERIVED}
        return {"text": given} if isinstance(given, str) else given

    @field_validator("text")
    @classmethod
    def _on_one_line(cls, text: str) -> str:
        return " ".join(text.split())

    @property
    def words(self) -> int:
        """Number of words."""
        return len(self.text.split())

    @property
    def support(self) -> int:
        """Number of items that support it."""
        return len(set(self.sources))

    @property
    def guess(self) -> bool:
        """Whether the claim is new and fewer than two items support it: what is seen once may be chance."""
        return self.since > 0 and self.support < SUPPORTED

    @property
    def evidence(self) -> str:
        """The supporting items in a few words; "" for a claim of the initial profile."""
        if not self.since:
            return ""
        named = ", ".join(one_line(item)[:_SHOWN] for item in self.sources[:_SOURCES]) + (", …" if len(self.sources) > _SOURCES else "")
        items = f"{self.support} item{'' if self.support == 1 else 's'}"
        return f"{'a guess, ' if self.guess else ''}{items}{f': {named}' if named else ''}"

    def to_dict(self) -> dict[str, Any]:
        """The claim as it is written to a file, with ``support`` and ``guess``."""
        return {**self.model_dump(mode="json"), "support": self.support, "guess": self.guess}

    def problem(self) -> str | None:
        """Why the claim cannot be used; None if it can."""
        if not any(map(str.isalnum, self.text)):
            return "has no word"
        if self.words < 2:
            return "is one word, which does not describe a person"
        if self.words > CLAIM_WORDS or len(self.text) > _TABLE["claim_chars"]:
            most = f"at most {CLAIM_WORDS} words and {_TABLE['claim_chars']} characters"
            return f"has {self.words} words and {len(self.text):,} characters, expected {most}"
        if plain(self.text) != self.text:
            return "holds control or invisible characters"
        flag = injection.find(self.text)
        if flag is not None:
            return f"is not about a person ('{flag.excerpt}': {flag.why})"
        wrong = second_person_problem(self.text)
        return f"is not in the second person: it {wrong}; write 'You …'" if wrong else None


class Profile(Record):
    """A description of one person: all sections of ``SECTIONS`` in that order, and ``dials``, targets in the fingerprint's units.

    Raises:
        ConfigError: a section or dial is unknown, or a dial is out of its range.
    """

    sections: dict[str, tuple[Claim, ...]] = Field(default_factory=dict, validate_default=True)
    dials: dict[str, float] = Field(default_factory=dict)

    @field_validator("sections")
    @classmethod
    def _all_in_order(cls, given: dict[str, tuple[Claim, ...]]) -> dict[str, tuple[Claim, ...]]:
        unknown = [name for name in given if name not in SECTIONS]
        if unknown:
            raise ConfigError(f"section '{one_line(unknown[0])[:_SHOWN]}' of a profile: expected one of {', '.join(SECTIONS)}")
        return {name: given.get(name, ()) for name in SECTIONS}

    @field_validator("dials")
    @classmethod
    def _in_range(cls, given: dict[str, float]) -> dict[str, float]:
        dials = features.dials()
        for name, value in given.items():
            if name not in dials:
                raise ConfigError(f"dial '{one_line(name)[:_SHOWN]}' of a profile: expected one of {', '.join(dials)}")
            low, high = dials[name].low, dials[name].high
            if not (math.isfinite(value) and low <= value <= high):
                raise ConfigError(f"dial '{name}' of a profile: expected a number from {low:g} to {high:g}, got {value:g}")
        return {name: given[name] + 0.0 for name in dials if name in given}

    def _repr_html_(self) -> str:
        rows = [(name, claim.text) for name, claims in self.sections.items() for claim in claims]
        return table(("section", "claim"), [*rows, *((name, value) for name, value in self.dials.items())], f"profile {self.id}")

    @property
    def id(self) -> str:
        """16 hex digits of a hash of claims and dials; sources do not count."""
        said = {name: [claim.text for claim in claims] for name, claims in self.sections.items()}
        text = json.dumps([said, self.dials], ensure_ascii=False, separators=(",", ":"))
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()

    @property
    def claims(self) -> tuple[Claim, ...]:
        """All claims in the order of the sections."""
        return tuple(claim for claims in self.sections.values() for claim in claims)

    @property
    def words(self) -> int:
        """Number of words of all claims; headings and dials do not count."""
        return sum(claim.words for claim in self.claims)

    def text(self) -> str:
        """The claims as they stand in a prompt: one a line under their headings; empty sections are left out."""
        blocks = ("\n".join([f"{SECTIONS[name].heading}:", *(f"- {claim.text}" for claim in claims)])
                  for name, claims in self.sections.items() if claims)  # fmt: skip
        return "\n".join(blocks)

    def to_dict(self) -> dict[str, Any]:
        """The profile as it is written to a file."""
        sections = {name: [claim.to_dict() for claim in claims] for name, claims in self.sections.items()}
        return {"sections": sections, "dials": dict(self.dials)}

    def annotated_text(self) -> str:
        """The claims as in ``text``, each followed by its supporting items: for a report, not for a prompt."""
        lines = []
        for name, claims in self.sections.items():
            lines += [f"{SECTIONS[name].heading}:"] * bool(claims)
            lines += [f"- {claim.text}" + (f"  [{claim.evidence}]" if claim.evidence else "") for claim in claims]
        return "\n".join(lines)

    def dial_text(self) -> str:
        """The notable dials in a paragraph of plain words."""
        return compose_policy({}, self.dials)

    def persona(self) -> Persona:
        """The simulated user of this profile: its policy is ``text`` followed by ``dial_text``."""
        policy = "\n".join(part for part in (self.text(), self.dial_text()) if part)
        return Persona(id=self.id, description=_TABLE["description" if self.claims else "bare"], dials=self.dials, policy=policy)

    def updated(self, section: str, *claims: Claim) -> Profile:
        """A copy with these claims in place of the section's own."""
        return Profile(sections={**self.sections, section: claims}, dials=self.dials)

    def with_dials(self, dials: Mapping[str, float]) -> Profile:
        """A copy with these dials set; others stay."""
        return Profile(sections=self.sections, dials={**self.dials, **dials})

    def within(self, budget: int = BUDGET) -> tuple[Profile, tuple[Claim, ...]]:
        """A copy with at most ``budget`` words, and the dropped claims in the order of dropping.

        Claims of the latest version (``since``) go first, of one version the last of the last section.
        """
        order = sorted(
            (claim.since, row, place)
            for row, claims in enumerate(self.sections.values()) for place, claim in enumerate(claims)
        )  # fmt: skip
        names, words, gone = list(SECTIONS), self.words, []
        while order and words > budget:
            _, row, place = order.pop()
            gone.append(self.sections[names[row]][place])
            words -= gone[-1].words
        kept = {(row, place) for _, row, place in order}
        sections = {
            name: tuple(claim for place, claim in enumerate(claims) if (row, place) in kept)
            for row, (name, claims) in enumerate(self.sections.items())
        }
        return Profile(sections=sections, dials=self.dials), tuple(gone)

    def problems(self, budget: int = BUDGET) -> list[str]:
        """Why the profile cannot be used, one line for each problem; empty if it can.

        Checked: that there is a claim or a dial, the budget of words, and each claim (words, length, control characters, ``injection``, the
        second person); last, whether the claims together read as text addressed to a judge or model.
        """
        found = []
        if not self.claims and not self.dials:
            found.append("the profile is empty: expected a claim or a dial")
        if self.words > budget:
            found.append(f"the profile has {self.words:,} words, expected at most {budget:,}")
        for name, claims in self.sections.items():
            for claim in claims:
                problem = claim.problem()
                if problem:
                    found.append(f"{name}: '{one_line(claim.text[:_SHOWN])}' {problem}")
        split = injection.find(self.text()) if not found else None
        return found + ([f"the claims together are not about a person ('{split.excerpt}': {split.why})"] if split else [])
