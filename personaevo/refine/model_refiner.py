"""New versions of a profile by a chat model, and what makes an answer no profile.

``ModelRefiner.refine`` knows the person from an analysis only. ``rewrite_once`` is the control that it competes with: one call that is
shown the behavior itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model

from personaevo.definitions import prompt
from personaevo.errors import ReplyError
from personaevo.records import ChatModel, Message
from personaevo.refine import shown
from personaevo.refine.address import TO_NOBODY, addressed, problem
from personaevo.refine.behavior import Item
from personaevo.refine.profile import BUDGET, CLAIM_WORDS, SECTIONS, Claim, Profile
from personaevo.refine.roles import Analysis, Refused
from personaevo.refine.versions import diff
from personaevo.simulate.wording import filled
from personaevo.text import one_line, quoted

MOST_BEHAVIOR = 24_000  # characters that a one-call rewrite is shown, shared out evenly
_MOST_ITEMS = 24
_ANALYSIS, _ADVICE, _PROFILE = 4_000, 2_000, 40_000
_PROBLEMS = 3


class ModelRefiner:
    """Rewrites profiles by ``model``, within ``budget`` words."""

    def __init__(self, model: ChatModel, budget: int = BUDGET) -> None:
        self.model, self.budget = model, budget

    def refine(self, profile: Profile, analysis: Analysis, count: int, advice: str = "") -> list[Profile | Refused]:
        """``count`` candidates, each drawn independently. See ``_candidate`` for what is refused; the second of two equal ones is, too."""
        asked = [filled(_parts()["analysis"], analysis=quoted("analysis", analysis.text, _ANALYSIS))]
        if advice:
            asked.append(filled(_parts()["advice"], advice=quoted("advice", advice, _ADVICE)))
        made: list[Profile | Refused] = []
        for sample in range(count):
            one = self._candidate(profile, asked, analysis.sources, sample)
            made.append(Refused("equal to an earlier candidate") if isinstance(one, Profile) and one.id in _ids(made) else one)
        return made

    def rewrite_once(self, profile: Profile, items: Sequence[Item]) -> Profile | Refused:
        """The one-call rewrite: profile and behavior in one question, no role-play and no analysis. Of many items the first 24 are shown,
        and of all together 24,000 characters."""
        some = items[:_MOST_ITEMS]
        share = MOST_BEHAVIOR // max(1, len(some))
        behavior = "\n\n".join(quoted(f"behavior {number}", shown.item(item), share) for number, item in enumerate(some, 1))
        return self._candidate(profile, [filled(_parts()["behavior"], behavior=behavior)], tuple(item.id for item in some), 0)

    def _candidate(self, profile: Profile, asked: Sequence[str], sources: tuple[str, ...], sample: int) -> Profile | Refused:
        """The new profile; refused if the model refuses or does not give the form, if it is empty, has a problem (``Profile.problems``:
        over budget, not in the second person, words to a model, …) or says the same as the old one."""
        try:
            answer = self.model.reply(_messages(profile, asked, self.budget), schema=answer_form(), sample=sample).parsed
        except ReplyError as error:
            return Refused(one_line(str(error)))
        said = {name: [_to_somebody(text) for text in texts] for name, texts in answer.model_dump().items()}
        made = revised(profile, said, sources)
        if not made.claims:
            return Refused("empty: the answer has no claim")
        problems = made.problems(self.budget)
        if problems:
            more = f"; and {len(problems) - _PROBLEMS} more" if len(problems) > _PROBLEMS else ""
            return Refused("; ".join(problems[:_PROBLEMS]) + more)
        return Refused("the same as the profile it was made from") if not diff(profile, made) else made


def _to_somebody(text: str) -> str:
    """The claim put into the second person where it speaks to nobody, as small models like to ("A nurse who …", "The actor is …")."""
    return addressed(text) if any(map(str.isalnum, text)) and problem(text) == TO_NOBODY else text


def revised(profile: Profile, sections: Mapping[str, Sequence[str]], sources: tuple[str, ...]) -> Profile:
    """The profile with these claims in place of its own; dials stay.

    Claims that it has keep where they came from; new ones come from ``sources``, with a ``since`` one above the latest of the profile
    (whoever numbers versions may set it). Blank claims, and those said twice, are left out.
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
    """The form of an answer: for each section the list of its claims."""
    fields: dict[str, Any] = dict.fromkeys(SECTIONS, (list[str], ...))
    return create_model("NewProfile", __doc__="The claims of each section.", **fields)


def _ids(made: Sequence[Profile | Refused]) -> set[str]:
    return {one.id for one in made if isinstance(one, Profile)}


def _messages(profile: Profile, asked: Sequence[str], budget: int) -> list[Message]:
    """The question: what is the same for all people first."""
    sections = "\n".join(f'- "{section.name}" ({section.heading}): {section.definition}' for section in SECTIONS.values())
    rules = filled(_parts()["rules"], sections=sections, claim_words=str(CLAIM_WORDS), budget=str(budget))
    claims = {name: [claim.text for claim in claims] for name, claims in profile.sections.items()}
    blocks = [filled(_parts()["profile"], profile=quoted("profile", json.dumps(claims, ensure_ascii=False, indent=1), _PROFILE))]
    if profile.dials:
        blocks.append(filled(_parts()["dials"], dials=quoted("dials", profile.dial_text())))
    return [Message("system", rules), Message("user", "\n\n".join([*blocks, *asked]))]


def _parts() -> Mapping[str, str]:
    return prompt("refiner", "rules", "profile", "dials", "analysis", "advice", "behavior")
