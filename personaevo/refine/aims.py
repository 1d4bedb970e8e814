"""What a profile should show of its person, and does: where dials are to be moved, and which items say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from personaevo import content
from personaevo.measure.shrinkage import Posterior
from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.behavior import Item
from personaevo.refine.population import Yardstick
from personaevo.refine.profile import Profile
from personaevo.refine.roles import Performance
from personaevo.refine.scale import Scale

_SPREADS = {"mood_swing": False, "typing_swing": True}  # dials of spread, and whether they are of the typing
_MOST = 1.0  # that a spread is moved by at a time, in its logarithm
_FEWEST = 3  # dialogues that show a spread
_STILL = 0.05  # of a spread dial that is 0, where it is to be moved up


def aims(
    yardstick: Yardstick, person: Floats, performances: Sequence[Performance], profile: Profile
) -> tuple[dict[str, float], dict[str, float]]:
    """Targets by dial, and what is shown of each, in the dials' units; none where no role-play showed anything.

    Role-plays fall short of what is expected after the person's rows ``person[m, d]`` by so many normal scores; a score is a standard
    deviation of people. Spreads are aimed at as a whole: by how much the dialogues of role-plays differ too little or too much.
    """
    rows = [one.fingerprint for one in performances if one.fingerprint is not None]
    if not rows or not len(person):
        return {}, {}
    scale = yardstick.population.scale
    posterior, played = scale.posterior(person), np.array(rows)
    scores = scale.scores(played)
    mean, known = features.mean_of(scores), features.mean_of(played)[scale.scores.kept]
    table = features.dials()
    shown = {name: float(value) for name, value in zip(scale.names, known, strict=True) if name in table and np.isfinite(value)}
    short = dict(zip(scale.names, _beyond_chance(posterior.mean - mean, scores) * scale.scores.sd, strict=True))
    targets = {name: min(max(value + float(short[name]), table[name].low), table[name].high) for name, value in shown.items()}
    for name, asked, wanted in _spreads(scale, posterior, scores, profile):
        shown[name], targets[name] = asked, wanted
    return targets, shown


def moved(
    profile: Profile, targets: Mapping[str, float], shown: Mapping[str, float], share: float, center: Mapping[str, float]
) -> dict[str, float]:
    """The dials with a target, moved by that ``share`` of what role-plays fall short of it, in range. One that the profile leaves open is
    moved from what was shown without it, or else from all people's ``center``."""
    table, found = features.dials(), {}
    for name, target in targets.items():
        if name in table:
            asked = profile.dials.get(name, shown.get(name, center.get(name, table[name].default)))
            value = asked + share * (target - shown.get(name, asked))
            found[name] = min(max(value, table[name].low), table[name].high)
    return found


def _beyond_chance(short: Floats, scores: Floats) -> Floats:
    """What role-plays fall short by, less what so few of them may be off by chance (James & Stein's rule, feature by feature)."""
    counts = np.maximum((~np.isnan(scores)).sum(axis=0), 1)
    chance = features.mean_of((scores - features.mean_of(scores)) ** 2) / counts
    left: Floats = short * np.maximum(1.0 - chance / np.maximum(short**2, 1e-12), 0.0)
    return left


def _spreads(scale: Scale, posterior: Posterior, scores: Floats, profile: Profile) -> Iterator[tuple[str, float, float]]:
    """Each spread dial with what the profile asks of it, and what it should ask, by the features that have dials."""
    table, typed = features.dials(), np.array([name not in features.names()[: features.plain()] for name in scale.names])
    steered = np.array([name in table for name in scale.names]) & ((~np.isnan(scores)).sum(axis=0) >= _FEWEST) & (scale.weights > 0)
    for name, of_typing in _SPREADS.items():
        chosen = (typed == of_typing) & steered
        if name not in table or not chosen.any():
            continue
        asked = profile.dials.get(name, table[name].default)
        shown = np.sqrt(features.mean_of((scores[:, chosen] - features.mean_of(scores[:, chosen])) ** 2))
        ratios = np.log(np.maximum(posterior.sd[chosen], _STILL) / np.maximum(shown, _STILL))
        ratio = float(np.clip(np.average(ratios, weights=scale.weights[chosen]), -_MOST, _MOST))
        yield name, asked, float(np.clip(max(asked, _STILL) * np.exp(ratio), table[name].low, table[name].high))


def evidence(yardstick: Yardstick, items: Sequence[Item]) -> dict[str, tuple[str, ...]]:
    """The behaviors that the person is expected to show more (+) or less (-) of than people, by as much as is worth a sentence, the most
    marked first; with each the ids of the items that show it so themselves."""
    scale, worth = yardstick.population.scale, content.toml("fitness", "refine/manner.toml")["worth"]
    rows = [(item.id, row) for item in items if (row := yardstick.of(item)) is not None]
    if not rows:
        return {}
    scores = scale.scores(np.array([row for _, row in rows]))
    expected = scale.components.posterior(scores).mean
    found = {}
    for place in np.argsort(-np.abs(expected), kind="stable"):
        side = np.sign(expected[place])
        own = tuple(name for (name, _), score in zip(rows, scores[:, place], strict=True) if score * side >= worth)
        if abs(expected[place]) >= worth and own:
            found[f"{'+' if side > 0 else '-'}{scale.names[place]}"] = own
    return found
