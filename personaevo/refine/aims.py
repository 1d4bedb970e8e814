"""Target values of dials, moving dials toward them, and the items that support a difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from personaevo import content
from personaevo.measure.shrinkage import Posterior
from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.behavior import Item
from personaevo.refine.population import FeatureSpace
from personaevo.refine.profile import Profile
from personaevo.refine.roles import RolePlay
from personaevo.refine.scale import Scale

_SPREADS = {"mood_swing": False, "typing_swing": True}  # spread dials, and whether they are about typing
_MOST = 1.0  # largest change of a spread at a time, in its logarithm
_FEWEST = 3  # dialogues from which a spread is measured
_STILL = 0.05  # lower bound of a spread, so that one of 0 can grow


def dial_targets(
    space: FeatureSpace, person: Floats, role_plays: Sequence[RolePlay], profile: Profile
) -> tuple[dict[str, float], dict[str, float]]:
    """Targets by dial, and the value shown of each, in the dials' units; both empty if no role-play has a fingerprint.

    The shortfall of role-plays against the posterior of the person's rows ``person[m, d]`` is measured in normal scores; one score is a
    standard deviation of people. Spread dials are set as a whole, by the ratio of expected to shown variation between dialogues.
    """
    rows = [one.fingerprint for one in role_plays if one.fingerprint is not None]
    if not rows or not len(person):
        return {}, {}
    scale = space.population.scale
    posterior, played = scale.posterior(person), np.array(rows)
    scores = scale.scores(played)
    mean, known = features.mean_of(scores), features.mean_of(played)[scale.scores.kept]
    table = features.dials()
    shown = {name: float(value) for name, value in zip(scale.names, known, strict=True) if name in table and np.isfinite(value)}
    short = dict(zip(scale.names, _shrunk_toward_zero(posterior.mean - mean, scores) * scale.scores.sd, strict=True))
    targets = {name: min(max(value + float(short[name]), table[name].low), table[name].high) for name, value in shown.items()}
    for name, asked, wanted in _spreads(scale, posterior, scores, profile):
        shown[name], targets[name] = asked, wanted
    return targets, shown


def moved_dials(
    profile: Profile, targets: Mapping[str, float], shown: Mapping[str, float], share: float, center: Mapping[str, float]
) -> dict[str, float]:
    """The dials with a target, moved by ``share`` of the shortfall of the role-plays, within range.

    A dial that the profile leaves open starts from the value shown, else from the population's ``center``.
    """
    table, found = features.dials(), {}
    for name, target in targets.items():
        if name in table:
            asked = profile.dials.get(name, shown.get(name, center.get(name, table[name].default)))
            value = asked + share * (target - shown.get(name, asked))
            found[name] = min(max(value, table[name].low), table[name].high)
    return found


def _shrunk_toward_zero(short: Floats, scores: Floats) -> Floats:
    """The shortfall, less its sampling error over so few role-plays (James-Stein rule, feature by feature)."""
    counts = np.maximum((~np.isnan(scores)).sum(axis=0), 1)
    chance = features.mean_of((scores - features.mean_of(scores)) ** 2) / counts
    left: Floats = short * np.maximum(1.0 - chance / np.maximum(short**2, 1e-12), 0.0)
    return left


def _spreads(scale: Scale, posterior: Posterior, scores: Floats, profile: Profile) -> Iterator[tuple[str, float, float]]:
    """Each spread dial with its value in the profile and its target, from the features that have dials."""
    table, typed = features.dials(), np.array([name not in features.names()[: features.fingerprint_size()] for name in scale.names])
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


def supporting_items(space: FeatureSpace, items: Sequence[Item]) -> dict[str, tuple[str, ...]]:
    """Behaviors that the person is expected to show more (+) or less (-) of than people, by at least the content's ``worth``.

    The most marked first; each with the ids of the items that show it themselves.
    """
    scale, worth = space.population.scale, content.toml("fitness", "refine/manner.toml")["worth"]
    rows = [(item.id, row) for item in items if (row := space.of(item)) is not None]
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
