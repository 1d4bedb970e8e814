"""Does a profile carry over text of the items that it was made from, or, worse, of those that it will be scored on?

Six kinds of traces are looked for, item by item (``traces``): runs of words, the words of a sentence in another order, names, numbers, rare
words, and habits that name a person: signs that few others use (an unusual smiley), and rare words with which the person begins or ends
what is said in several items (a signature). What stands in the task or the starting profile (``known``) does not count, and what many
others say counts little or nothing.
Case, punctuation, look-alike letters, endings, pronouns and numbers spelled out make no difference.

What it cannot see, because no word is kept or too little of one: paraphrases without kept words, translations, synonyms, misspelled words,
irregular forms in place of each other ("lost", "lose"), abbreviations and initials, words spelled backward, in letters apart or encoded,
digits that were calculated with ("half of it"), years said in two ("nineteen eighty"), ordinals in words, numbers below ten that count
something else, single rare words without a capital, and what is true of many people anyway. A low score is therefore no proof.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from personaevo import content
from personaevo.errors import ConfigError
from personaevo.refine.traces import Background, Evidence, Text, Trace, traces
from personaevo.text import one_line

Part = Literal["train", "dev", "test"]
Policy = Literal["warn", "redact", "reject"]
Items = Mapping[Part, Mapping[str, str]]

PARTS: tuple[Part, ...] = ("test", "dev", "train")  # the hardest first
NO_BACKGROUND = Background()
_SHOWN = 80
_TOLD = 5
_HABIT = "habit"


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing carried over. ``kind`` is "run", "order", "name", "number", "rare" or "habit"; ``excerpt`` is how the *profile* puts it
    (one line, at most 80 characters, safe to print); ``weight`` is 0..1; ``sentences`` are the profile's sentences that carry it, as they
    stand."""

    kind: str
    excerpt: str
    item_id: str
    part: Part
    weight: float
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The leaks of a profile, the heaviest first. ``score`` (0..1) is 1 - the product of (1 - weight): 0 if there is none. ``serious``
    tells that it reaches the limit (``fitness/refine/leakage.toml``) from which a policy acts; below it a leak is only noted."""

    score: float
    leaks: tuple[Leak, ...]
    serious: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy makes of a profile: whether it may be used, its ``statements`` that are left, those ``removed``, the report on what is
    left, a ``note`` for the history, and ``advice`` for whoever writes the next one ("" if nothing was found; never says which item or
    part a leak is from, so that nothing is learned about them)."""

    accepted: bool
    statements: tuple[str, ...]
    removed: tuple[str, ...]
    report: LeakReport
    note: str
    advice: str


def find(profile_text: str, items: Items, known: str = "", background: Background = NO_BACKGROUND) -> LeakReport:
    """What a profile carries over of ``items`` (part → item id → the person's text there).

    Args:
        known: what everybody is told (task, context) and the starting profile: none of its words count.
        background: words of *other* people on the same task, for what many say (made once: ``Background.of``). Without it, common
            English words are the only measure of what is rare.

    What stands in several items is one leak, of the hardest part. Time grows with the length of the profile times that of the items.
    """
    table = content.toml("fitness", "refine/leakage.toml")
    profile, evidence = Text.of(profile_text), Evidence(Text.of(known), background, table)
    edges = Counter(key for part in PARTS for text in items.get(part, {}).values() for key in Text.of(text).edges)
    signatures = {key for key, count in edges.items() if count > 1}
    found: dict[tuple[str, tuple[str, ...]], Leak] = {}
    for part in PARTS:
        for item_id, text in items.get(part, {}).items():
            for trace in traces(profile, Text.of(text), evidence, part):
                key = _HABIT if trace.kind == "rare" and trace.stems[0] in signatures else trace.kind
                found.setdefault((key, trace.stems), _leak(replace(trace, kind=key), item_id, part, profile, table))
    leaks = tuple(sorted(found.values(), key=lambda leak: (-leak.weight, leak.kind, leak.excerpt)))
    score = 1.0 - math.prod(1.0 - leak.weight for leak in leaks)
    return LeakReport(score, leaks, score >= table["limit"])


def _leak(trace: Trace, item_id: str, part: Part, profile: Text, table: Mapping[str, Any]) -> Leak:
    longer = table["longer"] * (trace.length - table["run"]["words"][part]) if trace.length else 0.0
    weight = (table["kind"][trace.kind] + longer) * table["part"][part] * (table["familiar"] if trace.familiar else 1.0)
    excerpt = _short(trace.excerpt)
    return Leak(trace.kind, excerpt, item_id, part, min(1.0, weight), tuple(profile.sentences[place] for place in trace.places))


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 2]} …"


# --- policies


def apply(policy: Policy, statements: Sequence[str], check: Callable[[str], LeakReport]) -> Verdict:
    """What to do with a profile of these statements (one claim each), ``check`` being ``find`` with everything but the text given.

    - warn: accept it; what was found is noted
    - redact: leave out the statements that carry the heaviest leaks until nothing serious is left, each time checked again; accept what is
      left, if anything
    - reject: accept it only if nothing serious was found

    Raises:
        ConfigError: there is no such policy.
    """
    if policy not in ("warn", "redact", "reject"):
        raise ConfigError(f"leakage policy '{one_line(policy)}': expected warn, redact or reject")
    first = check("\n".join(statements))
    advice = _advice(first)
    if policy == "redact" and first.serious:
        kept, removed, report = _redacted(statements, first, check)
        accepted = bool(kept) and not report.serious
        return Verdict(accepted, kept, removed, report, _note(first, f"{len(removed)} of {len(statements)} statements left out"), advice)
    accepted = policy != "reject" or not first.serious
    return Verdict(accepted, tuple(statements), (), first, _note(first, "accepted" if accepted else "rejected"), advice)


def _redacted(
    statements: Sequence[str], report: LeakReport, check: Callable[[str], LeakReport]
) -> tuple[tuple[str, ...], tuple[str, ...], LeakReport]:
    kept: tuple[str, ...] = tuple(statements)
    removed: tuple[str, ...] = ()
    for _ in statements:
        if not report.serious:
            break
        carried = frozenset(report.leaks[0].sentences)
        bad = tuple(text for text in kept if not carried.isdisjoint(Text.of(text).sentences))
        kept, removed = tuple(text for text in kept if text not in bad), removed + bad
        report = check("\n".join(kept))
    return kept, removed, report


def _note(report: LeakReport, done: str) -> str:
    if not report.leaks:
        return ""
    worst = report.leaks[0]
    more = f" and {len(report.leaks) - 1} more" if len(report.leaks) > 1 else ""
    return f"leak score {report.score:.2f} ({worst.kind} from {worst.part}: '{worst.excerpt}'{more}): {done}"


def _advice(report: LeakReport) -> str:
    told = list(_told(report.leaks)) if report.serious else []
    return f"Say how the person behaves, not what was said. Leave out: {'; '.join(told)}." if told else ""


def _told(leaks: Iterable[Leak]) -> Iterator[str]:
    for _, leak in zip(range(_TOLD), leaks, strict=False):
        yield f"'{leak.excerpt}'"
