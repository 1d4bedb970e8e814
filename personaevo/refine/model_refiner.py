"""Candidate profiles by a chat model, and validation of its answers.

``ModelRefiner.refine`` is shown only the analysis. Its control ``rewrite_once`` makes one call that is shown the behavior itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model

from personaevo.chat import ChatModel, Message
from personaevo.definitions import prompt
from personaevo.errors import ReplyError
from personaevo.refine.address import NO_ADDRESSEE, in_second_person, second_person_problem
from personaevo.refine.behavior import Item
from personaevo.refine.profile import BUDGET, CLAIM_WORDS, SECTIONS, Claim, Profile
from personaevo.refine.roles import Analysis, Refused
from personaevo.refine.shown import item_text
from personaevo.refine.versions import diff
from personaevo.simulate.wording import filled
from personaevo.text import one_line, quoted

MOST_BEHAVIOR = 24_000  # characters of behavior in a one-call rewrite, divided evenly among items
_MOST_ITEMS = 24
_ANALYSIS, _ADVICE, _PROFILE = 4_000, 2_000, 40_000
_PROBLEMS = 3


class ModelRefiner:
    """Rewrites profiles with ``model``, within ``budget`` words."""

    def __init__(self, model: ChatModel, budget: int = BUDGET) -> None:
        self.model, self.budget = model, budget

    def refine(self, profile: Profile, analysis: Analysis, count: int, advice: str = "") -> list[Profile | Refused]:
        """Make ``count`` candidates, each sampled independently. ``_candidate`` lists what is refused; so is a repeated candidate."""
        asked = [filled(_parts()["analysis"], analysis=quoted("analysis", analysis.text, _ANALYSIS))]
        if advice:
            asked.append(filled(_parts()["advice"], advice=quoted("advice", advice, _ADVICE)))
        made: list[Profile | Refused] = []
        for sample in range(count):
            one = self._candidate(profile, asked, analysis.sources, sample)
            known = {other.id for other in made if isinstance(other, Profile)}
            made.append(Refused("equal to an earlier candidate") if isinstance(one, Profile) and one.id in known else one)
        return made

    def rewrite_once(self, profile: Profile, items: Sequence[Item]) -> Profile | Refused:
        """Rewrite in one call: profile and behavior in one request, without role-play and analysis.

        The first 24 items are shown, and 24,000 characters in all.
        """
        some = items[:_MOST_ITEMS]
        share = MOST_BEHAVIOR // max(1, len(some))
        behavior = "\n\n".join(quoted(f"behavior {number}", item_text(item), share) for number, item in enumerate(some, 1))
        return self._candidate(profile, [filled(_parts()["behavior"], behavior=behavior)], tuple(item.id for item in some), 0)

    def _candidate(self, profile: Profile, asked: Sequence[str], sources: tuple[str, ...], sample: int) -> Profile | Refused:
        """One new profile; refused if the model refuses or breaks the schema, or if the profile is empty, has a problem
        (``Profile.problems``: over budget, not in the second person, text to a model, …) or equals the old one."""
        try:
            answer = self.model.reply(_messages(profile, asked, self.budget), schema=answer_form(), sample=sample).parsed
        except ReplyError as error:
            return Refused(one_line(str(error)))
        made = revised(profile, {name: list(map(_addressed, texts)) for name, texts in answer.model_dump().items()}, sources)
        if not made.claims:
            return Refused("empty: the answer has no claim")
        problems = made.problems(self.budget)
        if problems:
            more = f"; and {len(problems) - _PROBLEMS} more" if len(problems) > _PROBLEMS else ""
            return Refused("; ".join(problems[:_PROBLEMS]) + more)
        return Refused("the same as the profile it was made from") if not diff(profile, made) else made


def _addressed(text: str) -> str:
    """The claim, put into the second person if it has no addressee, which is common with small models ("The actor is …")."""
    lacks = any(map(str.isalnum, text)) and second_person_problem(text) == NO_ADDRESSEE
    return in_second_person(text) if lacks else text


def revised(profile: Profile, sections: Mapping[str, Sequence[str]], sources: tuple[str, ...]) -> Profile:
    """A copy of the profile with these claims; dials stay.

    Claims that the profile has already keep their sources; new ones get ``sources``, and a ``since`` one above the profile's latest (the
    caller may renumber versions). Blank and repeated claims are left out.
    """
    known = {claim.text: claim for claim in profile.claims}
    since = 1 + max((claim.since for claim in profile.claims), default=0)
    used: set[str] = set()
    found: dict[str, tuple[Claim, ...]] = {}
    for name, texts in sections.items():
        claims = [Claim(text=text, sources=sources, since=since) for text in texts]
        fresh = dict.fromkeys(claim.text for claim in claims if claim.text and claim.text not in used)
        found[name] = tuple(known.get(text) or Claim(text=text, sources=sources, since=since) for text in fresh)
        used.update(fresh)
    return Profile(sections=found, dials=profile.dials)


@cache
def answer_form() -> type[BaseModel]:
    """The schema of an answer: for each section the list of its claims."""
    fields: dict[str, Any] = dict.fromkeys(SECTIONS, (list[str], ...))
    return create_model("NewProfile", __doc__="The claims of each section.", **fields)


def _messages(profile: Profile, asked: Sequence[str], budget: int) -> list[Message]:
    """The request, with the text that is the same for all people first."""
    sections = "\n".join(f'- "{section.name}" ({section.heading}): {section.definition}' for section in SECTIONS.values())
    rules = filled(_parts()["rules"], sections=sections, claim_words=str(CLAIM_WORDS), budget=str(budget))
    claims = {name: [claim.text for claim in claims] for name, claims in profile.sections.items()}
    blocks = [filled(_parts()["profile"], profile=quoted("profile", json.dumps(claims, ensure_ascii=False, indent=1), _PROFILE))]
    if profile.dials:
        blocks.append(filled(_parts()["dials"], dials=quoted("dials", profile.dial_text())))
    return [Message("system", rules), Message("user", "\n\n".join([*blocks, *asked]))]


def _parts() -> Mapping[str, str]:
    return prompt("refiner", "rules", "profile", "dials", "analysis", "advice", "behavior")
