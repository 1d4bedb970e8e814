"""The pages of ``archive profiles``: a table of all refined people, or one person with every version of the profile and its changes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from personaevo.archive import Archive
from personaevo.errors import ArchiveError
from personaevo.refine.loop.refined_profiles import stored
from personaevo.refine.records import DIALS, Change, PersonResult, Version
from personaevo.views import layout

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_STYLES = {"added": layout.GOOD, "removed": layout.BAD, "changed": layout.KEY}
_STATES = {"accepted": layout.GOOD, "rejected": layout.FAINT, "start": ""}


def refined(archive: Archive, person: str | None = None) -> list[PersonResult]:
    """Return the results of the archive's refinement, all or those of one person (by name or by a unique prefix), for each side.

    Raises:
        ArchiveError: no person was refined, no or several people match, or a record was changed.
    """
    results = stored(archive.refinements())
    if not results:
        raise ArchiveError(f"archive {archive.path} holds no refined profiles: 'personaevo refine … --archive FILE' writes them")
    if person is None:
        return results
    names = list(dict.fromkeys(one.person for one in results))
    found = [person] if person in names else [name for name in names if name.startswith(person)]
    if len(found) != 1:
        near = found or difflib.get_close_matches(person, names, 3) or names
        some = ", ".join(near[:3]) + (", …" if len(near) > 3 else "")
        matches = "several people" if found else "no person"
        raise ArchiveError(f"archive {archive.path} has {matches} called {person!r:.100}: there is {some}")
    return [one for one in results if one.person == found[0]]


def refined_object(results: Sequence[PersonResult]) -> dict[str, Any]:
    """Return the stored records for ``--json``, with the changes of each version."""
    people = []
    for one in results:
        record = one.model_dump(mode="json")
        if one.history:
            for number, version in enumerate(record["history"]["versions"]):
                version["changes"] = [change.model_dump(mode="json") for change in one.history.changes(number)]
        if one.profile is not None:
            record["profile"] = one.profile.to_dict()
        people.append(record)
    return {"people": people}


def people_view(results: Sequence[PersonResult]) -> RenderableType:
    """Show a table with one row for each person and side."""
    words = ("person", "role", "stopped by")
    table = layout.table("person", "role", "start", "refined", "gain", "versions", "known", "leak", "stopped by", words=words, gap=1)
    for one in results:
        table.add_row(*_row(one))
    done = [one for one in results if one.state == "done"]
    measure = next((f"{one.measure} ({'higher' if one.higher else 'lower'} is better)" for one in done), "nothing")
    legend = (
        f"start, refined and gain: {measure}, on held-out items; * on the items it was made from. versions: accepted of all tried. "
        "known: share of other people whose dialogues the refined profile fits worse than those of its own person."
    )
    return layout.page([layout.section(layout.count(len(results), "refined profile"), table), layout.note(legend)])


def _row(one: PersonResult) -> list[RenderableType]:
    who = [layout.name(one.person), layout.name(one.role)]
    if one.state == "failed" or one.history is None:
        return [*who, *(Text("-") for _ in range(6)), layout.text(f"failed: {one.reason}", layout.BAD)]
    start, refined = one.outcomes["start"].value, one.outcomes["refined"].value
    gain = None if start is None or refined is None else (refined - start if one.higher else start - refined)
    leak = one.outcomes["refined"].leak
    figures = [_figure(start), _figure(refined), Text(("-" if gain is None else f"{gain:+.3f}") + ("*" if one.in_sample else ""))]
    accepted = Text(f"{one.accepted} of {len(one.history.versions) - 1}", style=layout.GOOD if one.accepted else "")
    known = one.outcomes["refined"].recognized
    known_text = Text("-" if known is None else f"{known:.0%}")
    return [*who, *figures, accepted, known_text, Text("-" if leak is None else f"{leak:.2f}"), layout.text(one.stop)]


def _figure(value: float | None) -> Text:
    return Text("-" if value is None else f"{value:.3f}")


def person_view(one: PersonResult) -> RenderableType:
    """Show the scores with all controls, every version with its changes, and the refined profile in words."""
    title = f"{one.person} as {one.role}" if one.role else one.person
    if one.state == "failed" or one.history is None or one.profile is None:
        return layout.section(title, layout.text(f"failed: {one.reason}", layout.BAD))
    facts = layout.labels([
        ("stopped by", layout.text(one.stop)),
        ("scored on", layout.text(f"{', '.join(one.items) or 'nothing'}{' (the items it was made from)' if one.in_sample else ''}")),
        ("notes", layout.lines("\n".join(one.notes) or "none")),
    ])  # fmt: skip
    versions = [_version(version, one.history.changes(number)) for number, version in enumerate(one.history.versions)]
    profile = layout.lines("\n".join(part for part in (one.profile.annotated_text(), one.profile.dial_text()) if part) or "(nothing)")
    return layout.page([
        layout.section(title, facts), layout.section(f"{one.measure}, and leak score", _outcomes(one)),
        *versions, layout.section(f"refined profile {one.profile.id}", profile),
    ])  # fmt: skip


def _outcomes(one: PersonResult) -> RenderableType:
    others = sorted({name for outcome in one.outcomes.values() for name in outcome.beside})
    table = layout.table("profile", one.measure, *others, "leak", words=("profile",))
    for name, outcome in one.outcomes.items():
        if not outcome.values:
            table.add_row(layout.text(f"{name}: {outcome.reason or 'not measured'}", layout.FAINT))
            continue
        values = [outcome.value, *(outcome.beside.get(other) for other in others), outcome.leak]
        table.add_row(layout.name(name), *map(_figure, values))
    return table


def _version(version: Version, changes: Sequence[Change]) -> RenderableType:
    title = f"version {version.number}, {version.state}" + (f" (from {version.parent})" if version.parent is not None else "")
    parts: list[RenderableType] = [layout.text(version.reason)] if version.reason else []
    if version.scores:
        scores = ", ".join(f"{name} {'-' if score.value is None else f'{score.value:.3f}'}" for name, score in version.scores.items())
        parts.append(layout.text(scores, layout.FAINT))
    evidence = {claim.text: claim.evidence for claim in version.profile.claims}
    for change in changes:
        if change.section != DIALS:
            origin = "; ".join(word for word in (change.section, evidence.get(str(change.after), "")) if word)
            parts.append(layout.text(f"{_SIGNS[change.kind]} {_before_and_after(change)}  [{origin}]", _STYLES[change.kind]))
    moved = [f"{change.name} {_before_and_after(change)}" for change in changes if change.section == DIALS]
    parts += [layout.text(f"{_SIGNS['changed']} {', '.join(moved)}", _STYLES["changed"])] if moved else []
    return layout.section(title, *parts, style=_STATES[version.state])


def _before_and_after(change: Change) -> str:
    ends = (f"{end:.3g}" if isinstance(end, float) else end for end in (change.before, change.after) if end is not None)
    return " → ".join(ends)
