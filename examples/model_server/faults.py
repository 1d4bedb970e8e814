"""Faults of a model server, in the ways of real servers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from examples.model_server.requests import Request

KINDS = (
    "429", "429 retry-after", "429 quota", "500", "529", "reset", "hang", "truncated", "broken body", "empty", "refusal", "content filter",
    "wrong schema", "401", "400 context", "404 model", "drip",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``seconds`` is the value of Retry-After, or the time between two bytes of a slow reply ("drip").

    Raises:
        ValueError: the kind is none of KINDS.
    """

    kind: str
    seconds: float = 0.05

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"fault {self.kind!r}: expected one of {', '.join(map(repr, KINDS))}")


FaultRule = Callable[[Request, int], Fault | None]


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults drawn by the hash of prompt and attempt, so that equal runs fail equally.

    ``rates`` maps a kind to its share of attempts, 0 to 1, together at most 1. ``most`` is the maximum of consecutive faults for one
    prompt: of every ``most`` + 1 attempts the last succeeds.

    Raises:
        ValueError: a kind or rate is invalid.
    """

    rates: Mapping[str, float]
    seed: int = 0
    most: int = 3
    seconds: float = 0.05

    def __post_init__(self) -> None:
        for kind in self.rates:
            Fault(kind)
        if min(self.rates.values(), default=0.0) < 0 or sum(self.rates.values()) > 1 + 1e-9:
            raise ValueError(f"fault rates {dict(self.rates)!r}: expected numbers from 0 to 1 that sum to at most 1")

    def __call__(self, request: Request, attempt: int) -> Fault | None:
        """The fault of the given attempt (from 1) at this prompt, or None."""
        if attempt % (self.most + 1) == 0:
            return None
        drawn = hashlib.blake2b(f"{self.seed} {request.digest} {attempt}".encode(), digest_size=8).digest()
        left = int.from_bytes(drawn, "big") / 2**64
        for kind, rate in self.rates.items():
            if left < rate:
                return Fault(kind, self.seconds)
            left -= rate
        return None
