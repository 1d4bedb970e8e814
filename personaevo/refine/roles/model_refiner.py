"""Analyst and refiner played by a chat model.

The analyst is the only role that is shown both the role-plays and the person's behavior. The refiner is shown only the analysis; its
control ``rewrite_once`` rewrites a profile in one call from the behavior itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from personaevo.chat import ChatModel, Message
from personaevo.definitions import prompt
from personaevo.errors import ReplyError
from personaevo.refine.items.behavior import Action, Context, DialogueItem, Item, SessionItem
from personaevo.refine.measures import action_points, rouge_l
from personaevo.refine.profile import BUDGET, CLAIM_WORDS, NO_ADDRESSEE, SECTIONS, Claim, Profile, in_second_person, second_person_problem
from personaevo.refine.records import diff
from personaevo.refine.roles.base import (
    Analysis,
    Difference,
    Refused,
    Response,
    RolePlay,
    dial_targets,
    differences_text,
    measured_differences,
    supporting_items,
)
from personaevo.refine.roles.model_player import answer_text, item_text, situation_text, steps_text
from personaevo.refine.roles.population import FeatureSpace
from personaevo.simulate.templates import filled
from personaevo.text import one_line, quoted

MOST_CONTRASTS = 8
MOST_TEXT = 4_000  # characters of an analysis
_SITUATION, _DONE, _ANALYZED_PROFILE = 1_200, 1_200, 8_000  # characters in a prompt


# The forms of an answer: schemas for the prompt's part of the same name. Their docstrings and fields are sent to the model.


class Divergence(BaseModel):
    """One divergence."""

    person: str
    actor: str


class Free(BaseModel):
    """The greatest divergences."""

    divergences: Annotated[list[Divergence], Field(min_length=1)]


class States(BaseModel):
    """The five mental states."""

    beliefs: str
    goals: str
    intentions: str
    emotions: str
    knowledge: str


class Moment(BaseModel):
    """One moment as the person sees it."""

    reasoning: str
    partner_intent: str
    shared_goal: str
    actor: str


class Partner(BaseModel):
    """Moments as the person sees them."""

    moments: Annotated[list[Moment], Field(min_length=1)]


class Latent(BaseModel):
    """The six latent states."""

    stance: str
    emotion: str
    belief: str
    value: str
    goal: str
    communication: str


FORMS: Mapping[str, type[BaseModel]] = MappingProxyType({"free": Free, "states": States, "partner": Partner, "latent": Latent})


@dataclass(frozen=True, slots=True)
class Contrast:
    """A moment of the person and a role-play of it.

    ``difference`` (0..1) is the mean over all role-plays of the moment, ``did`` the answer of the median one.
    """

    context: Context
    did: str | Action
    difference: float


class ModelAnalyst:
    """Asks ``model`` for an analysis in one of ``FORMS``; with a ``space``, measured differences are in the prompt.

    Raises:
        KeyError: the form is unknown.
    """

    def __init__(self, model: ChatModel, form: str = "free", space: FeatureSpace | None = None) -> None:
        self.model, self.form, self.schema, self.space = model, form, FORMS[form], space

    def analyze(self, profile: Profile, items: Sequence[Item], role_plays: Sequence[RolePlay]) -> Analysis:
        """Analyze the moments with the largest differences; targets are posterior expectations of the person, where measured.

        Raises:
            ReplyError: there is nothing to compare, the model refuses, or its answer is empty.
        """
        found = contrasts(role_plays)
        space = self.space
        measured = (
            measured_differences(role_plays, space.rows(items), space.population.standard) if space is not None else []
        )
        if not found and not measured:
            reasons = (response.reason for one in role_plays for response in one.responses if response.reason)
            raise ReplyError(f"analysis: no role-play of the training items came to anything ({next(reasons, 'there was none')})")
        answer = self.model.reply(question(self.form, profile, items, found, measured), schema=self.schema).parsed
        text = "\n".join(_lines(answer.model_dump()))[:MOST_TEXT]
        if not text:
            raise ReplyError("analysis: the answer says nothing")
        used = {contrast.context.item_id for contrast in found}
        sources = (item.id for item in items if item.id in used or (measured and isinstance(item, DialogueItem)))
        if space is None:
            return Analysis(text, {}, tuple(sources))
        targets, showing = dial_targets(space, space.rows(items), role_plays, profile)
        return Analysis(text, targets, tuple(sources), showing, supporting_items(space, items))

def contrasts(role_plays: Sequence[RolePlay], most: int = MOST_CONTRASTS) -> list[Contrast]:
    """The moments with the largest differences, the largest first, of equal ones the earlier; moments without a usable response do not
    count."""
    moments: dict[tuple[str, int], list[Response]] = {}
    for response in (response for one in role_plays for response in one.responses):
        moments.setdefault((response.context.item_id, response.context.index), []).append(response)
    found = [contrast for responses in moments.values() if (contrast := _contrast(responses)) is not None]
    return sorted(found, key=lambda one: -one.difference)[:most]


def _contrast(responses: Iterable[Response]) -> Contrast | None:
    done = [(difference(one.context.truth, one.did), one.did, one.context) for one in responses if one.did is not None]
    if not done:
        return None
    ordered = sorted(done, key=lambda one: one[0])
    _, did, context = ordered[len(ordered) // 2]
    return Contrast(context, did, sum(one[0] for one in done) / len(done))


def difference(truth: str | Action, did: str | Action) -> float:
    """Distance of an answer from the truth, 0..1: for texts 1 - ROUGE-L F1, for actions 1 - the share of points earned."""
    if isinstance(truth, Action):
        earned, most = action_points(truth, did if isinstance(did, Action) else None)
        return 1 - earned / most
    return 1 - (rouge_l(answer_text(did), truth).value or 0.0)


def question(
    form: str, profile: Profile, items: Sequence[Item], found: Sequence[Contrast], measured: Sequence[Difference]
) -> list[Message]:
    """The request, with the text that is the same for all people first. ``items`` provide the reasons that the person gave."""
    parts = prompt("analyst", "rules", "profile", "measured", "moment", *FORMS)
    persona = profile.persona()
    asked = [filled(parts["profile"], profile=quoted("profile", persona.text, _ANALYZED_PROFILE))]
    if measured:
        asked.append(filled(parts["measured"], measured=differences_text(measured)))
    by_id = {item.id: item for item in items}
    asked += [_moment(parts["moment"], number, one, by_id[one.context.item_id]) for number, one in enumerate(found, 1)]
    return [Message("system", f"{parts['rules']}\n\n{parts[form]}"), Message("user", "\n\n".join(asked))]


def _moment(part: str, number: int, contrast: Contrast, item: Item) -> str:
    index = contrast.context.index
    truth = steps_text([item.steps[index]], index) if isinstance(item, SessionItem) else answer_text(contrast.context.truth)
    return filled(
        part,
        number=str(number),
        situation=quoted(f"before {number}", situation_text(contrast.context), _SITUATION),
        person=quoted(f"person {number}", truth, _DONE),
        actor=quoted(f"actor {number}", answer_text(contrast.did), _DONE),
    )


def _lines(answer: Mapping[str, Any]) -> list[str]:
    """The answer's texts, one a line under their fields' names; lists are numbered, blank texts left out."""
    lines = []
    for name, value in answer.items():
        if isinstance(value, str):
            field = one_line(name.replace("_", " ").capitalize())
            lines += [f"{field}: {said}"] if (said := " ".join(value.split())) else []
        else:
            entries = [" ".join(_lines(entry)) for entry in value]
            lines += [f"{number}. {entry}" for number, entry in enumerate(filter(None, entries), 1)]
    return lines


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
