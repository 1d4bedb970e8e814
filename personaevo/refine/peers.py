"""Controls from other people: their refined profiles scored on the person's items, as if profiles had been swapped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from personaevo.measure.scores import energy_scores
from personaevo.refine.person import RefinementTask
from personaevo.refine.result import Outcome, PersonResult
from personaevo.refine.scale import Scale

_PEERS = 10  # other people whose profiles represent those of all
_NO_PEER = "another person's profile needs a second person on the same side"

Key = tuple[str, str]
PlayOther = Callable[[RefinementTask, PersonResult], Outcome]


def peer_outcomes(results: Sequence[PersonResult], found: Sequence[RefinementTask], play: PlayOther | None = None) -> dict[Key, dict[str,
Outcome]]:
    """Scores of other people's refined profiles on each person's items: "other", the mean over ten of them, and "shuffled", that of one, a
    permutation that gives everyone another's profile.

    If role-plays were whole dialogues of their own, the stored rows are scored; else ``play`` plays the one profile.
    """
    works = {work.key: work for work in found}
    circles: dict[tuple[str, str], list[PersonResult]] = {}
    order = {one.key: hashlib.blake2b("\x1f".join(one.key).encode("utf-8", "replace"), digest_size=16).digest() for one in results}
    for one in sorted(results, key=lambda one: order[one.key]):
        if one.profile is not None:
            circles.setdefault((one.role, one.measure), []).append(one)
    made: dict[Key, dict[str, Outcome]] = {}
    for one in results:
        circle = circles.get((one.role, one.measure), [])
        place = next((place for place, peer in enumerate(circle) if peer.key == one.key), None)
        if place is None or len(circle) < 2:
            made[one.key] = dict.fromkeys(("other", "shuffled"), Outcome(reason=_NO_PEER))
            continue
        peers = [circle[(place + step) % len(circle)] for step in range(1, min(_PEERS, len(circle) - 1) + 1)]
        if play is not None:
            made[one.key] = dict.fromkeys(("other", "shuffled"), play(works[one.key], peers[0]))
        else:
            made[one.key] = _stored_scores(works[one.key], one, peers)
    return made


def _stored_scores(work: RefinementTask, one: PersonResult, peers: Sequence[PersonResult]) -> dict[str, Outcome]:
    """Scores of the stored rows of the peers' dialogues, on the person's own scale."""
    plays = [rows for peer in peers if (rows := peer.outcomes["refined"].rows)]
    if work.population is None or not plays or not one.targets:
        return dict.fromkeys(("other", "shuffled"), Outcome(reason="no role-play has a fingerprint"))
    scale = Scale.of(work.population.whole, work.population.people)  # not ``population.scale``, which would stay in memory for every person
    truths = scale.points(np.array(one.targets, dtype=float))
    values = np.array([energy_scores(scale.points(np.array(rows, dtype=float)), truths) for rows in plays])
    means: Mapping[str, list[float]] = {"other": values.mean(axis=0).tolist(), "shuffled": values[0].tolist()}
    return {name: Outcome(values=tuple(row)) for name, row in means.items()}
