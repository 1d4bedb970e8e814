"""Suppresses warnings of libraries that do not concern users."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# catch_warnings replaces a process-wide list: with two threads inside, the filters could stay changed.
_quiet_lock = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings inside the block; one thread at a time."""
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
