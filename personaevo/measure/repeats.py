"""Repeated dialogues: the same user's side once more, word for word or nearly so, as in logs that were exported twice.

They would count twice, and be known already where people are kept aside. Everything is compared as the fingerprint reads it: words without
case and punctuation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from math import ceil

from personaevo.measure.fingerprint import words_of

SHARED = 0.8  # of the pairs of neighboring words that either has
IN_ORDER = 0.9  # of the words, where few words come again and again in another order
MIN_WORDS = 20  # for being nearly the same: in fewer, one other word is too much
MIN_WORDS_EXACT = 5  # for being the same: fewer coincide by chance
_END = "\n"

_Pair = tuple[str, str]


def repeats(dialogues: Sequence[Sequence[str]]) -> list[int | None]:
    """For each dialogue, given as its user's turns, the first one that it repeats (an index below its own); None where it is new.

    One repeats another if all its words are the same (5 or more), or if both have 20 words or more, share at least 0.8 of their pairs of
    neighboring words (Jaccard; the end of a turn counts as a word) and have at least 0.9 of their words in the same order (``difflib``).
    What is nearly alike is compared with new ones only.
    """
    words = [[word for turn in words_of(turns) if turn for word in (*turn, _END)] for turns in dialogues]
    sizes = [sum(word != _END for word in flat) for flat in words]
    pairs = [frozenset(pairwise(flat)) if size >= MIN_WORDS else frozenset() for flat, size in zip(words, sizes, strict=True)]
    rarity = Counter(pair for found in pairs for pair in found)
    exact: dict[tuple[str, ...], int] = {}
    begun: defaultdict[_Pair, list[int]] = defaultdict(list)
    first: list[int | None] = []
    for index, own in enumerate(pairs):
        known = exact.setdefault(tuple(words[index]), index) if sizes[index] >= MIN_WORDS_EXACT else index
        if known < index:
            first.append(known if first[known] is None else first[known])
            continue
        rare = _rarest(own, rarity)
        near = sorted({other for pair in rare for other in begun[pair]})
        found = next((one for one in near if _shared(own, pairs[one]) >= SHARED and _in_order(words[index], words[one])), None)
        if found is None:
            for pair in rare:
                begun[pair].append(index)
        first.append(found)
    return first


def _rarest(own: frozenset[_Pair], rarity: Counter[_Pair]) -> list[_Pair]:
    """So many of the rarest pairs that whoever is alike has one of them among its own rarest (prefix filtering, Chaudhuri et al. 2006)."""
    ordered = sorted(own, key=lambda pair: (rarity[pair], pair))
    return ordered[: len(own) - ceil(SHARED * len(own)) + 1] if own else []


def _shared(one: frozenset[_Pair], other: frozenset[_Pair]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def _in_order(one: Sequence[str], other: Sequence[str]) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= IN_ORDER
