"""Measures played dialogues: refuses those in which the user injects prompts, and adds fingerprints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from personaevo import definitions, injection
from personaevo.measure.losses import apply_losses
from personaevo.records import Episode


def refused(episode: Episode) -> Episode:
    """The episode, failed if its user addresses the judge or a model instead of the agent (prompt injection)."""
    for number, (role, text) in enumerate(episode.turns, start=1):
        flag = injection.find(text) if role == "user" else None
        if flag is not None:
            reason = f"turn {number}, by the user, is not said to the agent: '{flag.excerpt}' (pattern '{flag.pattern}': {flag.why})"
            return replace(episode, state="failed", reason=reason, fault="program")
    return episode


def measured(episodes: Sequence[Episode], losses: tuple[str, ...]) -> tuple[Episode, ...]:
    """The episodes, completed ones with their fingerprints, measured after the same losses of case and punctuation as the reference."""
    done = [index for index, one in enumerate(episodes) if one.state == "completed"]
    texts = [[apply_losses(text, losses) for role, text in episodes[index].turns if role == "user"] for index in done]
    values = definitions.features().measure(texts).values
    found = list(episodes)
    for row, index in enumerate(done):
        found[index] = replace(found[index], fingerprint=tuple(map(float, values[row])))
    return tuple(found)
