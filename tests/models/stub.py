"""A server that says what it is told to, for what the example's server would never say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Said = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]  # status, body (as JSON unless it is a text), headers


class Stub(ThreadingHTTPServer):
    """Answers each POST with what ``says(body)`` gives; ``bodies`` are those that came."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, says: Callable[[dict[str, Any]], Said]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says, self.bodies = says, list[dict[str, Any]]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        assert isinstance(self.server, Stub)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        status, said, *headers = self.server.says(body)
        raw = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(raw)), **(headers[0] if headers else {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def stubbed(says: Callable[[dict[str, Any]], Said]) -> Iterator[Stub]:
    """The server for the time of the block."""
    with Stub(says) as stub:
        thread = threading.Thread(target=stub.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield stub
        finally:
            stub.shutdown()
            thread.join(10)


def completion(text: Any, **more: Any) -> dict[str, Any]:
    """An answer of the chat completions protocol; ``message`` and ``finish`` are put into its choice."""
    message = {"role": "assistant", "content": text} | more.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": more.pop("finish", "stop")}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "test", "choices": [choice], "usage": usage} | more


def message(**more: Any) -> dict[str, Any]:
    """An answer of the messages protocol."""
    usage = {"input_tokens": 3, "output_tokens": 2}
    made = {"id": "x", "type": "message", "role": "assistant", "model": "test", "stop_reason": "end_turn"}
    return made | {"content": [{"type": "text", "text": "well"}], "usage": usage} | more
