"""The persona-free simulator imitates model-driven ones (``taubench_llm``), and its dialogues read as dialogues."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from simulate_cases import DOMAINS, NAMES, measured, persona_free, said_by, sentences

from personaevo import content, reference

each_domain = pytest.mark.parametrize("domain", DOMAINS)


@each_domain
def test_every_feature_lies_in_the_interval_of_model_driven_simulators(domain: str) -> None:
    models = reference.load(content.root("fitness") / "references" / "taubench_llm.jsonl")
    assert models.names == NAMES
    mean, half = models.values.mean(axis=0), 1.96 * models.values.std(axis=0, ddof=1) / np.sqrt(len(models))
    ours = measured(persona_free(domain)).mean(axis=0)
    outside = {
        name: f"{ours[index]:.3f} is not in {mean[index]:.3f} ± {half[index]:.3f}"
        for index, name in enumerate(NAMES)
        if abs(ours[index] - mean[index]) > half[index]
    }
    assert outside == {}


@each_domain
def test_dialogues_end_with_the_task_done(domain: str) -> None:
    episodes = persona_free(domain)
    outcomes = Counter(episode.outcome for episode in episodes)
    assert outcomes["turn_limit"] == 0
    assert outcomes["completed"] >= 0.99 * len(episodes)
    assert np.mean([episode.preservation for episode in episodes]) >= 0.99
    assert 5 <= np.mean([len(said_by(episode)) for episode in episodes]) <= 11


@each_domain
def test_nothing_is_said_twice(domain: str) -> None:
    for episode in persona_free(domain):
        turns = said_by(episode)
        assert len(set(turns)) == len(turns), episode.item
        long = [sentence for text in turns for sentence in sentences(text) if len(sentence.split()) >= 4]
        assert len(set(long)) == len(long), [sentence for sentence, count in Counter(long).items() if count > 1]


@each_domain
def test_wording_has_variety(domain: str) -> None:
    turns = [text for episode in persona_free(domain)[:300] for text in said_by(episode)]
    forms = {sentence for text in turns for sentence in sentences(text)}
    assert len(set(turns)) >= 0.97 * len(turns)
    assert len(forms) >= 1000


@each_domain
def test_the_agent_varies_too(domain: str) -> None:
    turns = {text for episode in persona_free(domain)[:300] for text in said_by(episode, "assistant")}
    assert len(turns) >= 300
