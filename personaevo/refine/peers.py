"""Other people's refined profiles on one's own items: as if profiles had been mixed up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from personaevo.measure.scores import energy_scores
from personaevo.refine.person import Work
from personaevo.refine.result import Outcome, PersonResult
from personaevo.refine.scale import Scale

_PEERS = 10  # whose profiles stand for those of all others
_NOBODY = "another person's profile needs a second person on the same side"

Key = tuple[str, str]
PlayOther = Callable[[Work, PersonResult], Outcome]


def others(results: Sequence[PersonResult], found: Sequence[Work], play: PlayOther | None = None) -> dict[Key, dict[str, Outcome]]:
    """Of each person what others' refined profiles score on their items: "other", the mean over ten of them, and "shuffled", that of one,
    everybody's profile being given to somebody else.

    Where role-plays were whole dialogues of their own, what they showed is scored; else ``play`` plays that of the one.
    """
    works = {work.key: work for work in found}
    circles: dict[tuple[str, str], list[PersonResult]] = {}
    for one in sorted(results, key=lambda one: _order(one.key)):
        if one.profile is not None:
            circles.setdefault((one.role, one.measure), []).append(one)
    made: dict[Key, dict[str, Outcome]] = {}
    for one in results:
        circle = circles.get((one.role, one.measure), [])
        place = next((place for place, peer in enumerate(circle) if peer.key == one.key), None)
        if place is None or len(circle) < 2:
            made[one.key] = dict.fromkeys(("other", "shuffled"), Outcome(reason=_NOBODY))
            continue
        peers = [circle[(place + step) % len(circle)] for step in range(1, min(_PEERS, len(circle) - 1) + 1)]
        made[one.key] = _played(works[one.key], peers[0], play) if play is not None else _shown(works[one.key], one, peers)
    return made


def _order(key: Key) -> bytes:
    return hashlib.blake2b("\x1f".join(key).encode("utf-8", "replace"), digest_size=16).digest()


def _played(work: Work, peer: PersonResult, play: PlayOther) -> dict[str, Outcome]:
    return dict.fromkeys(("other", "shuffled"), play(work, peer))


def _shown(work: Work, one: PersonResult, peers: Sequence[PersonResult]) -> dict[str, Outcome]:
    """By what the peers' dialogues showed, on the person's own scale."""
    plays = [rows for peer in peers if (rows := peer.outcomes["refined"].rows)]
    if work.population is None or not plays or not one.targets:
        return dict.fromkeys(("other", "shuffled"), Outcome(reason="no role-play has a fingerprint"))
    scale = Scale.of(work.population.whole, work.population.people)  # not the population's own: it would be kept for everybody
    truths = scale.points(np.array(one.targets, dtype=float))
    values = np.array([energy_scores(scale.points(np.array(rows, dtype=float)), truths) for rows in plays])
    means: Mapping[str, list[float]] = {"other": values.mean(axis=0).tolist(), "shuffled": values[0].tolist()}
    return {name: Outcome(values=tuple(row)) for name, row in means.items()}
