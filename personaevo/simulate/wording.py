"""Words plans from templates: chooses phrases by purpose and length, without repeating one in a dialogue."""

from __future__ import annotations

import itertools
import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import lru_cache

from personaevo.definitions import ACK, Domain, Phrase
from personaevo.errors import ContentError

_TRIES = 8
_CHOICE = 8
_SLOT = re.compile(r"\{(\w+)\}")


def filled(text: str, **slots: str) -> str:
    """The text with its slots filled (those not given stay); inserted text is not searched for slots."""
    return _SLOT.sub(lambda slot: slots.get(slot[1], slot[0]), text)


class Bank:
    """Phrases of one purpose, sorted by length for fast lookup."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self.phrases = sorted(phrases, key=lambda phrase: phrase.words)
        self.words = [phrase.words for phrase in self.phrases]
        # the greatest length with a choice of phrases, so that the one longest phrase is not used all the time
        self.longest = max((words for words in set(self.words) if self.words.count(words) >= _CHOICE), default=self.words[-1])

    def pick(self, rng: random.Random, least: int, most: int, used: set[str]) -> Phrase:
        """A phrase of ``least`` to ``most`` fixed words whose family is not in ``used``, else one of the nearest length.

        A family is repeated only when all are used.
        """
        stop = bisect_right(self.words, most) or bisect_right(self.words, self.words[0])
        start = min(bisect_left(self.words, least), bisect_left(self.words, self.words[stop - 1]))
        for _ in range(_TRIES):
            phrase = self.phrases[start + int(rng.random() * (stop - start))]
            if phrase.family not in used:
                break
        else:  # the first unused phrase of the range, else the next shorter, else the next longer one
            order = itertools.chain(range(start, stop), range(start - 1, -1, -1), range(stop, len(self.phrases)))
            phrase = next((self.phrases[index] for index in order if self.phrases[index].family not in used), phrase)
        used.add(phrase.family)
        return phrase


class Wording:
    """All phrase banks of one domain's user: ``wording["fact"]``, ``wording["marker.politeness_rate"]``."""

    def __init__(self, domain: Domain) -> None:
        self.banks = {key: Bank(phrases) for key, phrases in domain.user.items()}
        acks: dict[frozenset[str], list[Phrase]] = {}
        for phrase in domain.user["ack"]:
            acks.setdefault(phrase.shows - {ACK}, []).append(phrase)
        if frozenset() not in acks:
            raise ContentError("fitness/domains: [user] ack needs forms that show nothing but an acknowledgement")
        self.acks = {shows: Bank(phrases) for shows, phrases in acks.items()}

    def __getitem__(self, key: str) -> Bank:
        return self.banks[key]

    def ack(self, shows: frozenset[str]) -> Bank:
        """Bare acknowledgements that also show exactly these features (a courtesy, a feeling), or plain ones if there are none."""
        return self.acks.get(shows, self.acks[frozenset()])


@lru_cache(maxsize=8)
def wording(domain: Domain) -> Wording:
    """The user's phrase banks of a domain, built once for each process."""
    return Wording(domain)
