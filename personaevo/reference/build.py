"""Builds a reference from dialogues, and splits one into halves without a person in common."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from personaevo import content, definitions
from personaevo.errors import ContentError, ReferenceDataError
from personaevo.measure import agreement, dynamics
from personaevo.measure.agreement import Agreement, Ratios
from personaevo.measure.fingerprint import LOSSES, detect_losses, repeats, words_of
from personaevo.records import Dialogue, Floats, Record

MIN_DIALOGUES = 64
MIN_PEOPLE = 20  # half of them are held out; the judge splits the other half into five folds, the final table into two parts
MIN_USER_TURNS = 2
_NOTED_SHARE = 0.05  # of dialogues in another language, from which on a note says so
_DIGITS = 4


class Counts(Record):
    """The number of dialogues in a reference, of people (None: not recorded), and of dialogues left out for lack of user turns."""

    dialogues: int
    people: int | None
    dropped: int


@dataclass(frozen=True)
class Reference:
    """Fingerprints ``values[n, d]`` of n dialogues, one column per feature of ``names``, and their provenance.

    ``groups`` has one entry per dialogue (the kind of task; "" where the corpus has one kind only). ``people`` has an opaque id ("p0",
    "p1", …) for the user's side of each dialogue: a person; in a corpus of kind "llm" the task, since trials of a task are not
    independent. Where neither is known, every dialogue has its own id.

    ``dynamics[n, k]`` has one column per name of ``dynamics_names`` (see ``measure.dynamics``). ``agreement`` is that of all
    people of the corpus, also in a half (``split``); None for a corpus of kind "llm", and where the data do not suffice to estimate it.

    ``typing[n, k]`` has one column per name of ``typing_names``: the habits that the text still shows (see ``measure.typing``), NaN where a
    dialogue gives no occasion for one. It is None where the text lost both case and punctuation, and of a file built before there
    were habits, or with another version of them.

    ``notes`` say what else was done with the dialogues or limits their use: repeats, languages, turns left out.
    """

    domain: str
    corpus: str
    license: str
    kind: Literal["human", "llm"]
    feature_version: int
    names: tuple[str, ...]
    losses: tuple[str, ...]
    counts: Counts
    values: Floats
    groups: tuple[str, ...]
    people: tuple[str, ...]
    dynamics: Floats
    dynamics_names: tuple[str, ...]
    agreement: Agreement | None
    notes: tuple[str, ...] = ()
    typing: Floats | None = None
    typing_version: int = 0
    typing_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.people)

    @property
    def digest(self) -> str:
        """A short digest of the fingerprints, which a run records to identify the people it was measured against."""
        return hashlib.blake2b(repr((self.values.tolist(),)).encode(), digest_size=8).hexdigest()


def build(
    dialogues: Sequence[Dialogue],
    *,
    domain: str,
    corpus: str,
    license: str,
    ratios: Ratios | None = None,
    notes: Sequence[str] = (),
) -> Reference:
    """Measure a corpus. Values are rounded to 4 significant digits, so that a saved reference equals the built one.

    Dialogues with fewer than two user turns with words are left out and counted. Also left out, with a note, are dialogues in languages
    without blanks between words (Chinese, Thai, …), and those that repeat an earlier one word for word or nearly so: they would count
    twice, and stand on both sides of a split. Groups are the dialogues' ``domain`` where that differs. ``ratios`` (default: the installed
    ones) serve to estimate agreement where fewer than 30 people have two or more dialogues. ``notes`` (those of ``readers.read_logs``)
    come before its own.

    Raises:
        ReferenceDataError: fewer than 64 dialogues remain, or they are of fewer than 20 people as far as that is recorded, or
            people and models are mixed on the user's side.
    """
    kept, dropped, left, own_notes = _selected(dialogues, corpus)
    kind = _kind_of(kept, corpus)
    texts = [dialogue.user_texts() for dialogue in kept]
    known = [dialogue.user_id or (dialogue.task if kind == "llm" else None) for dialogue in kept]
    people = _opaque(known)
    counts = Counts(dialogues=len(kept), people=len(set(people)) if any(known) else None, dropped=dropped)
    if kind == "human":
        check_people(counts, f"{corpus}: ")
    several = len({dialogue.domain for dialogue in kept}) > 1
    groups = tuple(dialogue.domain if several else "" for dialogue in kept)
    features, losses = definitions.features(), detect_losses(text for turns in texts for text in turns)
    values = frozen([rounded(row) for row in features.measure(texts).values])
    return Reference(
        domain=domain, corpus=corpus, license=license, kind=kind, feature_version=features.version, names=features.names, losses=losses,
        counts=counts, values=values, groups=groups, people=people,
        dynamics=frozen([rounded(row) for row in dynamics.measure(texts, features, people)]), dynamics_names=dynamics.NAMES,
        agreement=_agreement(values, texts, people, groups, ratios) if kind == "human" else None,
        notes=(*notes, *left, *own_notes), **_typing_of(texts, losses),
    )  # fmt: skip


def _selected(dialogues: Sequence[Dialogue], corpus: str) -> tuple[list[Dialogue], int, list[str], list[str]]:
    """The dialogues to measure, how many were dropped for lack of user turns, and notes on others left out and on languages."""
    long = [dialogue for dialogue in dialogues if sum(map(bool, words_of(dialogue.user_texts()))) >= MIN_USER_TURNS]
    dropped = len(dialogues) - len(long)
    kept, left, foreign = _usable(long)
    few = [f"{dropped} more have fewer than {MIN_USER_TURNS} user turns with words"] if dropped else []
    check_size(len(kept), f"{corpus}: ", f" ({'; '.join(few + left)})" if few + left else "")
    return kept, dropped, left, foreign


def _kind_of(dialogues: Sequence[Dialogue], corpus: str) -> Literal["human", "llm"]:
    kinds = {"human" if dialogue.user_kind == "human" else "llm" for dialogue in dialogues}
    if len(kinds) > 1:
        raise ReferenceDataError(f"{corpus}: dialogues of people and of models are mixed (user_kind); build one reference for each")
    return "human" if kinds == {"human"} else "llm"


def shown_habits(losses: Sequence[str]) -> tuple[str, ...]:
    """The habits that a reference keeps of text with these losses: none where both case and punctuation are lost."""
    return () if set(losses) >= set(LOSSES) else definitions.typing().usable(losses)


def habits_of(texts: Sequence[Sequence[str]], losses: Sequence[str]) -> Floats:
    """Those habits of dialogues' user turns, ``[n, k]``, NaN where there is no occasion for one."""
    measured = definitions.typing().measure(texts)
    values: Floats = measured.values[:, [measured.names.index(name) for name in shown_habits(losses)]]
    return values


def _typing_of(texts: Sequence[Sequence[str]], losses: Sequence[str]) -> dict[str, Any]:
    names = shown_habits(losses)
    if not names:
        return {}
    return {"typing": frozen(habits_of(texts, losses)), "typing_version": definitions.typing().version, "typing_names": names}


def _usable(dialogues: Sequence[Dialogue]) -> tuple[list[Dialogue], list[str], list[str]]:
    """The dialogues that can be measured and repeat no other; notes on the others, and on languages other than English."""
    spoken = [language_of(dialogue.user_texts()) for dialogue in dialogues]
    uncounted = Counter(language.name for language in spoken if language is not None and not language.counted)
    left = [
        f"{count} more are in {name}, whose words are not set apart by blanks, so that they cannot be counted"
        for name, count in uncounted.most_common()
    ]
    counted = [(one, language) for one, language in zip(dialogues, spoken, strict=True) if language is None or language.counted]
    first = repeats([dialogue.user_texts() for dialogue, _ in counted])
    if repeated := sum(index is not None for index in first):
        left.append(f"{repeated} more repeat an earlier dialogue, word for word or nearly so")
    kept = [one for one, index in zip(counted, first, strict=True) if index is None]
    return [dialogue for dialogue, _ in kept], left, _foreign([language for _, language in kept])


def _foreign(spoken: Sequence[Language | None]) -> list[str]:
    """A note on dialogues in languages that the lexicons do not cover, if there are more than a few."""
    names = Counter(language.name for language in spoken if language is not None)
    count = sum(names.values())
    if count < _NOTED_SHARE * len(spoken) or not count:
        return []
    shown = ", ".join(f"{name} ({number})" for name, number in names.most_common(3)) + ", …" * (len(names) > 3)
    why = "the lexicons of the features are English, so that courtesies, questions, objections and the like are not found in them"
    return [f"{count} of {len(spoken)} dialogues are not in English but in {shown}: {why}"]


def rounded(row: Iterable[float]) -> tuple[float, ...]:
    """A fingerprint (or dynamics) as references store it: 4 significant digits."""
    return tuple(float(f"{value:.{_DIGITS}g}") for value in row)


def _agreement(
    values: Floats, texts: Sequence[Sequence[str]], people: Sequence[str], groups: Sequence[str], ratios: Ratios | None
) -> Agreement | None:
    """From people with several dialogues if there are enough, else from halves of dialogues, else None."""
    twice = agreement.retest(agreement.centered(values, groups), people, agreement.varying(values))
    if twice.people >= agreement.MIN_PEOPLE:
        return agreement.retested(twice)
    halved = agreement.odd_even_of(texts, people, groups, definitions.features())
    if halved.people < agreement.MIN_PEOPLE:
        return None
    return agreement.estimated(halved, ratios or installed_ratios())


def installed_ratios() -> Ratios:
    """The installed ratios for estimating agreement (``fitness/references/agreement.toml``).

    Raises:
        ContentError: the file is missing or does not have the expected form.
    """
    try:
        return Ratios.model_validate(content.toml("fitness", "references/agreement.toml"))
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise ContentError(f"fitness/references/agreement.toml: field '{field}' is missing or no number") from None


def check_size(size: int, where: str, more: str = "") -> None:
    """Raise ReferenceDataError if a reference is of fewer than 64 dialogues."""
    if size < MIN_DIALOGUES:
        needed = f"at least {MIN_DIALOGUES} are needed, since fewer cannot fill the cells and leave people to compare with"
        raise ReferenceDataError(f"{where}got {size} dialogues{more}, {needed}; give more dialogues")


def check_people(counts: Counts, where: str) -> None:
    """Raise ReferenceDataError if a reference is known to be of fewer than 20 people."""
    if counts.people is not None and counts.people < MIN_PEOPLE:
        whose = "a single person" if counts.people == 1 else f"{counts.people} people"
        raise ReferenceDataError(
            f"{where}{counts.dialogues} dialogues of {whose} (by user_id, or task where models play): too few people to keep some aside,"
            f" at least {MIN_PEOPLE} are needed; give dialogues of more, or leave user_id out if it does not tell people apart"
        )


def _opaque(known: Sequence[str | None]) -> tuple[str, ...]:
    """Ids "p0", "p1", … in order of appearance; each unknown person gets a new one."""
    ids: dict[object, str] = {}
    return tuple(ids.setdefault(person or index, f"p{len(ids)}") for index, person in enumerate(known))


def frozen(rows: Sequence[Sequence[float]] | Floats) -> Floats:
    """A read-only array of the rows."""
    values = np.array(rows, dtype=np.float64)
    values.setflags(write=False)
    return values


def split(reference: Reference, seed: int) -> tuple[Reference, Reference]:
    """Split a reference into two halves without a person in common: one for the search, one held out. Each group is halved; equal seeds
    give equal halves.

    A person belongs to the group of their first dialogue. ``counts.dropped`` of both halves stays that of the whole.
    """
    group_of: dict[str, str] = {}
    for person, group in zip(reference.people, reference.groups, strict=True):
        group_of.setdefault(person, group)
    ranks = {person: (group, hashlib.sha256(f"{seed}\n{person}".encode()).digest(), person) for person, group in group_of.items()}
    held_out = frozenset(sorted(group_of, key=ranks.__getitem__)[1::2])
    rows = np.array([person in held_out for person in reference.people], dtype=bool)
    return _part(reference, ~rows), _part(reference, rows)


def _part(reference: Reference, rows: Any) -> Reference:
    people = tuple(person for person, kept in zip(reference.people, rows, strict=True) if kept)
    known = None if reference.counts.people is None else len(set(people))
    return replace(
        reference, values=frozen(reference.values[rows]), dynamics=frozen(reference.dynamics[rows]), people=people,
        typing=None if reference.typing is None else frozen(reference.typing[rows]),
        groups=tuple(group for group, kept in zip(reference.groups, rows, strict=True) if kept),
        counts=Counts(dialogues=len(people), people=known, dropped=reference.counts.dropped),
    )  # fmt: skip


SHARE_OF_LETTERS = 0.2  # of non-Latin letters, from which on a text is in another script; a name or an address has fewer
SHARE_IN_SCRIPT = 0.1  # of these letters in a script, to name its language
SHARE_OF_WORDS = 0.15  # of words among a language's frequent words
MIN_WORDS = 8
_ENGLISH = "English"


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its name. ``counted``: blanks separate its words, so that they can be counted."""

    name: str
    counted: bool


def language_of(texts: Sequence[str]) -> Language | None:
    """The language of the texts of one dialogue; None if it is English or unknown.

    Languages in other scripts are detected if they make up a fifth of the letters; languages in Latin letters if texts of 8 words or more
    have more of their frequent words than of the English ones (see ``fitness/languages.toml``).

    Raises:
        ContentError: the table does not have the expected form.
    """
    joined = "\n".join(texts)
    return (None if joined.isascii() else _by_script(joined)) or _by_words(joined)


def _by_script(text: str) -> Language | None:
    counts = {language: len(pattern.findall(text)) for language, pattern in _scripts()}
    letters, foreign = sum(map(str.isalpha, text)), sum(counts.values())
    if foreign < SHARE_OF_LETTERS * letters or not foreign:
        return None
    return next((language for language, count in counts.items() if count >= SHARE_IN_SCRIPT * foreign), None)


def _by_words(text: str) -> Language | None:
    (words,) = words_of([text])
    if len(words) < MIN_WORDS:
        return None
    counts = {name: sum(word in frequent for word in words) for name, frequent in _words().items()}
    name = max(counts, key=lambda one: (counts[one], one == _ENGLISH))
    return None if name == _ENGLISH or counts[name] < SHARE_OF_WORDS * len(words) else Language(name, counted=True)


@cache
def _scripts() -> tuple[tuple[Language, re.Pattern[str]], ...]:
    try:
        rows = content.toml("fitness", "languages.toml")["script"]
        return tuple((Language(row["name"], counted=row["words"]), re.compile(f"[{row['chars']}]")) for row in rows)
    except (KeyError, TypeError, re.error) as error:
        raise ContentError(f"fitness/languages.toml: expected [[script]] with name, words and chars, got {error}") from None


@cache
def _words() -> dict[str, frozenset[str]]:
    table = content.toml("fitness", "languages.toml").get("words")
    if not isinstance(table, dict) or _ENGLISH not in table:
        raise ContentError("fitness/languages.toml: expected [words] with the frequent words of each language, English among them")
    return {name: frozenset(text.split()) for name, text in table.items()}
