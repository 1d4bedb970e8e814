"""What a search takes of a dialogue: whether its user spoke to the agent, and the fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from personaevo import definitions, injection
from personaevo.measure.losses import apply_losses
from personaevo.records import Episode


def refused(episode: Episode) -> Episode:
    """The episode, failed if its user speaks to the judge or to a model instead of the agent: that must not pay."""
    for number, (role, text) in enumerate(episode.turns, start=1):
        flag = injection.find(text) if role == "user" else None
        if flag is not None:
            reason = f"turn {number}, by the user, is not said to the agent: '{flag.excerpt}' (pattern '{flag.pattern}': {flag.why})"
            return replace(episode, state="failed", reason=reason, fault="program")
    return episode


def measured(episodes: Sequence[Episode], losses: tuple[str, ...]) -> tuple[Episode, ...]:
    """The completed episodes with their fingerprints, after the text lost what the reference's text lost."""
    done = [index for index, one in enumerate(episodes) if one.state == "completed"]
    texts = [[apply_losses(text, losses) for role, text in episodes[index].turns if role == "user"] for index in done]
    values = definitions.features().measure(texts).values
    found = list(episodes)
    for row, index in enumerate(done):
        found[index] = replace(found[index], fingerprint=tuple(map(float, values[row])))
    return tuple(found)
