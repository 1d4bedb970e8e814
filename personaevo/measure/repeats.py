"""Detection of repeated dialogues: the same user turns word for word or nearly so, as in logs that were exported twice.

Repeats would count twice and would leak into held-out data. Dialogues are compared as the fingerprint reads them: words without case and
punctuation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from math import ceil

from personaevo.measure.fingerprint import words_of

SHARED = 0.8  # least Jaccard similarity of the word bigrams
IN_ORDER = 0.9  # least share of words in the same order: bigrams cannot separate dialogues of a few recurring words
MIN_WORDS = 20  # for near repeats: in shorter dialogues one different word is too much
MIN_WORDS_EXACT = 5  # for exact repeats: shorter dialogues coincide by chance
_END = "\n"

_Pair = tuple[str, str]


def repeats(dialogues: Sequence[Sequence[str]]) -> list[int | None]:
    """For each dialogue (its user turns) the index of the first earlier one that it repeats; None if it is new.

    A dialogue repeats another if all its words are the same (5 or more). It also does if both have at least 20 words, their word bigrams
    have a Jaccard similarity of at least 0.8 (the end of a turn counts as a word) and at least 0.9 of their words are in the same order
    (``difflib``). Near repeats are searched for among new dialogues only.
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
        # Prefix filtering (Chaudhuri et al. 2006): similar dialogues share at least one of these rarest bigrams.
        rare = sorted(own, key=lambda pair: (rarity[pair], pair))[: len(own) - ceil(SHARED * len(own)) + 1] if own else []
        near = sorted({other for pair in rare for other in begun[pair]})
        shared = ((one, len(own & pairs[one])) for one in near)
        similar = (one for one, both in shared if both / (len(own) + len(pairs[one]) - both) >= SHARED)  # Jaccard
        orders = ((one, SequenceMatcher(None, words[index], words[one], autojunk=False)) for one in similar)
        found = next((one for one, order in orders if order.ratio() >= IN_ORDER), None)
        if found is None:
            for pair in rare:
                begun[pair].append(index)
        first.append(found)
    return first
