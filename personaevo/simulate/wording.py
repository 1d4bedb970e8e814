"""Choosing surface forms: phrases of a purpose by length, without saying the same twice in one dialogue."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cache

from personaevo.definitions import Domain, Phrase
from personaevo.definitions import domain as load_domain
from personaevo.errors import ContentError

_TRIES = 8
_CHOICE = 8


class Bank:
    """Phrases of one purpose, sorted by length so that one of a wanted length is found at once."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self.phrases = sorted(phrases, key=lambda phrase: phrase.words)
        self.words = [phrase.words for phrase in self.phrases]
        self.longest = self._longest()

    def _longest(self) -> int:
        """The greatest length of which there is a choice, so that the one longest phrase is not heard all the time."""
        return max((words for words in set(self.words) if self.words.count(words) >= _CHOICE), default=self.words[-1])

    def pick(self, rng: random.Random, least: int, most: int, used: set[str]) -> Phrase:
        """A phrase of ``least`` to ``most`` fixed words, one of a family not yet in ``used`` if a few tries find it; failing that the nearest length."""
        stop = bisect_right(self.words, most)
        if stop == 0:
            stop = bisect_right(self.words, self.words[0])
        start = min(bisect_left(self.words, least), bisect_left(self.words, self.words[stop - 1]))
        phrase = self.phrases[start]
        for _ in range(_TRIES):
            phrase = self.phrases[start + int(rng.random() * (stop - start))]
            if phrase.family not in used:
                break
        used.add(phrase.family)
        return phrase


class Wording:
    """All banks of one domain's user: ``wording["fact"]``, ``wording["marker.politeness_rate"]``."""

    REQUIRED = ("greet", "goal", "restate", "fact", "remind", "correct", "affirm", "ack", "go_on", "filler", "close", "give_up")

    def __init__(self, domain: Domain) -> None:
        missing = [key for key in self.REQUIRED if not domain.user.get(key)]
        if missing:
            raise ContentError(f"fitness/domains/{domain.name}.toml: [user] needs wording for {', '.join(missing)}: see fitness/domains/README.md")
        self.banks = {key: Bank(phrases) for key, phrases in domain.user.items()}
        self.acks: dict[frozenset[str], Bank] = _by_what_they_show(domain.user["ack"])

    def __getitem__(self, key: str) -> Bank:
        return self.banks[key]

    def ack(self, shows: frozenset[str]) -> Bank:
        """Bare acknowledgements that show just these further features (a courtesy, a feeling), or plain ones if there are none."""
        return self.acks.get(shows, self.acks[frozenset()])


def _by_what_they_show(acks: Sequence[Phrase]) -> dict[frozenset[str], Bank]:
    groups: dict[frozenset[str], list[Phrase]] = {}
    for phrase in acks:
        groups.setdefault(phrase.shows - {"ack_only_rate"}, []).append(phrase)
    if frozenset() not in groups:
        raise ContentError("fitness/domains: [user] ack needs forms that show nothing but an acknowledgement")
    return {shows: Bank(phrases) for shows, phrases in groups.items()}


@cache
def wording(domain_name: str) -> Wording:
    """The user's banks of an installed domain, built once."""
    return Wording(load_domain(domain_name))
