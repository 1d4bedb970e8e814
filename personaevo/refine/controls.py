"""What a refined profile is measured beside: the start, the average person, a one-call rewrite, padding, and the ground truth.

Each is scored once, at the end, on the test items, with the same seeds. Another person's refined profile is added when all people are
done (``people``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle

from personaevo import content
from personaevo.errors import BudgetError
from personaevo.refine.behavior import Item
from personaevo.refine.loop import Case
from personaevo.refine.population import as_dials
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.result import Outcome
from personaevo.refine.roles import Refused
from personaevo.refine.scoring import beside, sheet

_MOST_TRUTH = 20_000  # characters of a ground truth that is pasted in


def outcomes(case: Case, start: Profile, profile: Profile, items: Sequence[Item]) -> dict[str, Outcome]:
    """The refined profile and its controls on ``items``, by name."""
    found = {"refined": outcome(case, profile, items), "start": outcome(case, start, items)}
    if case.yardstick is not None:
        found["population"] = outcome(case, case.yardstick.population.profile(), items)
    found["rewrite"] = _rewritten(case, start, items)
    found["padding"] = outcome(case, padded(start, profile.words), items)
    found["truth"] = outcome(case, with_truth(case, start, items), items)
    return found


def outcome(case: Case, profile: Profile, items: Sequence[Item]) -> Outcome:
    """One profile on the items it is judged by."""
    leak = case.exposed(profile.text()).score
    try:
        played = case.played(profile, items, "judged")
    except BudgetError as error:
        return Outcome(profile=profile, leak=leak, reason=str(error))
    found = sheet(case.kind, items, played, case.yardstick)
    shown = None if found.shown is None else tuple(map(float, found.shown))
    others = beside(case.kind, played, case.settings.measures)
    return Outcome(profile=profile, values=tuple(found.values()), beside=others, leak=leak, shown=shown)


def _rewritten(case: Case, start: Profile, items: Sequence[Item]) -> Outcome:
    if case.roles.rewrite is None:
        return Outcome(reason="a rewrite in one call needs a model that refines")
    try:
        made = case.roles.rewrite(start, case.parts.train)
    except BudgetError as error:
        return Outcome(reason=str(error))
    return Outcome(reason=made.reason) if isinstance(made, Refused) else outcome(case, made, items)


def padded(start: Profile, words: int) -> Profile:
    """The start with sentences that say nothing, until it has about so many words."""
    claims: list[Claim] = []
    for sentence in cycle(content.toml("fitness", "refine/padding.toml")["sentences"]):
        if start.words + sum(claim.words for claim in claims) >= words:
            break
        claims.append(Claim(text=sentence))
    return start.updated("background", *start.sections["background"], *claims)


def with_truth(case: Case, start: Profile, items: Sequence[Item]) -> Profile:
    """The start with what it will be scored on pasted in, in words and in dials: the ceiling."""
    profile = start.updated("knowledge", *start.sections["knowledge"], *_pasted(items))
    rows = case.yardstick.rows(items) if case.yardstick is not None else ()
    return profile.with_dials(as_dials(rows.mean(axis=0))) if len(rows) and not isinstance(rows, tuple) else profile


def _pasted(items: Sequence[Item]) -> Iterator[Claim]:
    left = _MOST_TRUTH
    for text in (text for item in items for text in item.texts()):
        if left <= 0:
            return
        yield Claim(text=text[:left])
        left -= len(text)
