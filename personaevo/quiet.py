"""Silence for libraries whose warnings are no news to a user."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# catch_warnings swaps a process-wide list: two threads in it at once could leave the host's filters changed for good.
_one_at_a_time = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """No warning is shown that comes up inside; one thread at a time."""
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
