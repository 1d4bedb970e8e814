"""GGUF files for tests: a header without weights, and a server that stands in for one that runs them."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from personaevo.models.local_server import Serve, ServerPlan
from tests.models.server import KEY, ModelServer, serving

TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_file(path: Path, *, context: int = 8192, template: str | None = TEMPLATE, tail: bytes = b"") -> Path:
    """Writes a file with a header as models have it, and ``tail`` after it."""
    pairs = [_text("general.architecture") + struct.pack("<I", 8) + _text("llama")]
    numbers = {"context_length": context, "block_count": 2, "embedding_length": 64, "attention.head_count": 4, "attention.head_count_kv": 2}
    pairs += [_text(f"llama.{name}") + struct.pack("<II", 4, number) for name, number in numbers.items()]
    pairs.append(_text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + _text("a") + _text("b"))
    pairs.append(_text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, 2) + struct.pack("<ff", 0.5, 1.5))
    if template is not None:
        pairs.append(_text("tokenizer.chat_template") + struct.pack("<I", 8) + _text(template))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs) + tail)
    return path


class StandIn:
    """What ``serve`` returns: another server's address."""

    def __init__(self, address: str, key: str = KEY) -> None:
        self.address, self.key = address, key
        self.why: str | None = None
        self.stopped = False

    def ended(self) -> str | None:
        return self.why

    def stop(self) -> None:
        self.stopped = True


@contextmanager
def standing_in(
    server: ModelServer | None = None, **options: object
) -> Iterator[tuple[Serve, list[tuple[ServerPlan, StandIn]], ModelServer]]:
    """A function that "loads" files by naming the loopback server, what it was asked for, and that server."""
    started: list[tuple[ServerPlan, StandIn]] = []

    with serving(**options) as running:  # type: ignore[arg-type]

        def serve(plan: ServerPlan, _stopping: threading.Event) -> StandIn:
            started.append((plan, StandIn(running.url)))
            return started[-1][1]

        yield serve, started, running
