"""Leaks of a person's text into a profile, and policies on them (see ``traces`` for what is detected)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from personaevo import content
from personaevo.errors import ConfigError
from personaevo.refine.traces import Trace, traces
from personaevo.refine.words import Background, Evidence, Text
from personaevo.text import one_line

Part = Literal["train", "dev", "test"]
Policy = Literal["warn", "redact", "reject"]
ItemTexts = Mapping[Part, Mapping[str, str]]  # the person's text by item id

PARTS: tuple[Part, ...] = ("test", "dev", "train")  # the most serious first
NO_BACKGROUND = Background()
_SHOWN = 80
_ADVISED = 5  # leaks named in an advice
_HABIT = "habit"


@dataclass(frozen=True, slots=True)
class Leak:
    """One leak.

    Attributes:
        kind: "run", "order", "name", "number", "rare" or "habit".
        excerpt: its wording in the *profile* (one line, at most 80 characters, safe to print).
        weight: 0..1.
        sentences: the profile's sentences that contain it, unchanged.
    """

    kind: str
    excerpt: str
    item_id: str
    part: Part
    weight: float
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The leaks of a profile, the heaviest first.

    ``score`` (0..1) is 1 - the product of (1 - weight): 0 if there is none. ``serious``: the score reaches the limit
    (``fitness/refine/leakage.toml``) from which a policy acts; below it a leak is only noted.
    """

    score: float
    leaks: tuple[Leak, ...]
    serious: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a policy.

    Attributes:
        accepted: whether the profile may be used.
        statements: those that are kept.
        removed: those that were left out.
        report: leaks of the kept statements.
        note: for the history.
        advice: for the writer of the next version; "" if nothing was found. It never names the item or part of a leak.
    """

    accepted: bool
    statements: tuple[str, ...]
    removed: tuple[str, ...]
    report: LeakReport
    note: str
    advice: str


def find_leaks(profile_text: str, items: ItemTexts, known: str = "", background: Background = NO_BACKGROUND) -> LeakReport:
    """Find text of ``items`` (part → item id → the person's text) in a profile.

    Args:
        known: texts whose words do not count: task, context and the initial profile.
        background: words of *other* people on the same task (built once with ``Background.of``). Without it, a list of common English
            words decides what is rare.

    Text of several items is one leak, of the most serious part. Time grows with the length of the profile times that of the items.
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
    line = one_line(trace.excerpt)
    excerpt = line if len(line) <= _SHOWN else f"{line[: _SHOWN - 2]} …"
    return Leak(trace.kind, excerpt, item_id, part, min(1.0, weight), tuple(profile.sentences[place] for place in trace.places))


# --- policies


def apply_policy(policy: Policy, statements: Sequence[str], check: Callable[[str], LeakReport]) -> Verdict:
    """Apply a policy to a profile of these statements (one claim each); ``check`` is ``find_leaks`` with all other arguments bound.

    - warn: accept; leaks are noted
    - redact: remove the statements with the heaviest leaks until no serious leak is left, checking again each time; accept the rest, if any
    - reject: accept only if there is no serious leak

    Raises:
        ConfigError: the policy is unknown.
    """
    if policy not in ("warn", "redact", "reject"):
        raise ConfigError(f"leakage policy '{one_line(policy)}': expected warn, redact or reject")
    first = check("\n".join(statements))
    excerpts = "; ".join(f"'{leak.excerpt}'" for leak in first.leaks[:_ADVISED]) if first.serious else ""
    advice = f"Say how the person behaves, not what was said. Leave out: {excerpts}." if excerpts else ""
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
