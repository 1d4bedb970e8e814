"""The server: HTTP/1.1 with asyncio, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

from examples.model_server.faults import Fault, FaultRule
from examples.model_server.protocols import ANTHROPIC, OPENAI, POSTS, RefusedError, Wire, answered
from examples.model_server.replies import person_or_agent
from examples.model_server.requests import Json, ReplyFunction, Request

_MOST_BODY = 32 * 2**20


class Counters:
    """Statistics of a server, written by its thread only, and of every request before the client has its reply.

    Attributes:
        requests: by path.
        statuses: by code.
        faults: by kind.
        answered: successful replies by the prompt's digest.
        keys: by (header, value).
        bodies: the last parsed bodies with their paths.
        first, last: times (``time.monotonic``, seconds) of the first request's start and the last one's end.
    """

    def __init__(self, keep: int) -> None:
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.keys: Counter[tuple[str, str]] = Counter()
        self.bodies: deque[tuple[str, Json]] = deque(maxlen=keep)
        self.in_flight = 0
        self.most_in_flight = 0
        self.first: float | None = None
        self.last: float | None = None
        self._busy = 0.0
        self._since = 0.0

    @property
    def busy(self) -> float:
        """Integral over time of the number of concurrent requests, in seconds × requests."""
        return self._busy + self.in_flight * (time.monotonic() - self._since)

    def utilization(self, slots: int) -> float:
        """Mean number of concurrent requests between the first and last request, as a share of ``slots``.

        Raises:
            ValueError: nothing was served yet.
        """
        if self.first is None or self.last is None:
            raise ValueError("utilization: no request was served yet; send some first")
        return self.busy / (slots * max(self.last - self.first, 1e-9))

    @contextmanager
    def serving(self, path: str) -> Iterator[None]:
        """One request, from reading it until just before its reply is written."""
        self.requests[path] += 1
        self.first = self.first or time.monotonic()
        self._step(1)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self._step(-1)
            self.last = self._since

    def _step(self, by: int) -> None:
        now = time.monotonic()
        self._busy += self.in_flight * (now - self._since)
        self.in_flight, self._since = self.in_flight + by, now


@dataclass(frozen=True, slots=True)
class _Call:
    """One HTTP request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ").strip()


@dataclass(frozen=True, slots=True)
class _Response:
    """One HTTP response; ``fault`` is a fault in sending it ("reset", "hang", "drip")."""

    status: int
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    def raw(self, *, keep: bool) -> bytes:
        """All bytes of the response."""
        lines = [
            f"HTTP/1.1 {self.status} {next((known.phrase for known in HTTPStatus if known == self.status), 'Overloaded')}",
            "content-type: application/json",
            f"content-length: {len(self.payload)}",
            f"connection: {'keep-alive' if keep else 'close'}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.payload


class ModelServer:
    """A server in its own thread, as a context manager or by ``start`` and ``stop``; it can be started again on the same port.

    Args:
        reply: the reply function. It must be fast, as it runs in the server's thread; an exception gives a 500 with its text.
        port: 0 takes a free one.
        latency_seconds: delay of every successful reply; errors are immediate.
        fault: called with every request and the number of times that this prompt was sent, this time included.
        models: the known model names, None for all.
        keep: number of request bodies to remember.

    Raises:
        OSError: ``start`` cannot listen on the port.
    """

    def __init__(
        self,
        reply: ReplyFunction = person_or_agent,
        *,
        port: int = 0,
        seed: int = 0,
        latency_seconds: float = 0.0,
        fault: FaultRule | None = None,
        models: Collection[str] | None = None,
        keep: int = 1_000,
    ) -> None:
        self.reply = reply
        self.port = port
        self.seed = seed
        self.latency_seconds = latency_seconds
        self.fault = fault
        self.models = models
        self.counters = Counters(keep)
        self._attempts: Counter[str] = Counter()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread: threading.Thread | None = None
        self._end: Callable[[], object] = lambda: None

    @property
    def url(self) -> str:
        """Base URL for the ``anthropic`` client."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """Base URL for the ``openai`` client."""
        return f"{self.url}/v1"

    def __enter__(self) -> ModelServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> ModelServer:
        """Listen; after a stop on the same port as before."""
        if self._thread is not None:
            raise RuntimeError(f"the server at {self.url} is running already: stop it first")
        ready: Future[int] = Future()
        thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), name="model-server", daemon=True)
        thread.start()
        self.port = ready.result()
        self._thread = thread
        return self

    def stop(self) -> None:
        """Stop at once; open connections are closed, pending replies included. No effect if it does not run."""
        if self._thread is not None:
            self._end()
            self._thread.join()
            self._thread = None

    async def _run(self, ready: Future[int]) -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._end = lambda: loop.call_soon_threadsafe(ended.set)
        try:
            server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=256)
        except (OSError, OverflowError) as error:
            ready.set_exception(error)
            return
        ready.set_result(server.sockets[0].getsockname()[1])
        await ended.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the transports close their sockets; asyncio.run then cancels pending tasks

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        # A stopping server cancels connections; nothing awaits their tasks.
        with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        self._writers.discard(writer)
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; returns whether the connection stays open."""
        call = await _read(reader)
        if isinstance(call, _Response):
            writer.write(call.raw(keep=False))
            await writer.drain()
            return False
        keep = call.headers.get("connection", "").lower() != "close"
        with self.counters.serving(call.path):
            response = self._response(call)
            kind = response.fault.kind if response.fault else None
            if kind == "hang":
                await reader.read()  # until the client gives up
                return False
            if kind == "reset":
                return _reset(writer)
            if response.status == HTTPStatus.OK and call.method == "POST" and self.latency_seconds > 0:
                await asyncio.sleep(self.latency_seconds)
            raw = response.raw(keep=keep)
            sent = 0
            if kind == "drip" and response.fault:
                sent = len(raw) - 1
                await _drip(writer, raw[:sent], len(raw) - len(response.payload), response.fault.seconds)
            self.counters.statuses[response.status] += 1
        writer.write(raw[sent:])
        await writer.drain()
        return keep

    def _response(self, call: _Call) -> _Response:
        for name in ("authorization", "x-api-key"):
            if name in call.headers:
                self.counters.keys[name, call.headers[name]] += 1
        wire = POSTS.get(call.path, ANTHROPIC if "anthropic-version" in call.headers else OPENAI)
        model = call.path.removeprefix("/v1/models").strip("/") if call.path.startswith("/v1/models") else ""
        try:
            if call.method == "GET" and call.path.startswith("/v1/models"):
                return self._list(model, wire)
            if call.method != "POST" or call.path not in POSTS:
                raise RefusedError("404", f"Unknown request URL: {call.method} {call.path}.")
            body = _parsed(call.body)
            self.counters.bodies.append((call.path, body))
            request = wire.request(body, call.key, self.seed)
            model = request.model
            return self._answer(request, wire)
        except RefusedError as error:
            status, said = wire.error(error.kind, model, call.key, str(error))
            return _Response(status, json.dumps(said).encode())
        except Exception as error:  # noqa: BLE001 - the reply function is the user's code, and a body may have any form
            return _Response(500, json.dumps({"error": {"message": f"this server failed: {error!r}", "type": "server_error"}}).encode())

    def _list(self, asked: str, wire: Wire) -> _Response:
        """All models, or the requested one."""
        names = sorted(self.models) if self.models is not None else ["test"]
        if not asked:
            return _Response(200, json.dumps(wire.models(names)).encode())
        if self.models is not None and asked not in self.models:
            raise RefusedError("404 model")
        return _Response(200, json.dumps(wire.models([asked])["data"][0]).encode())

    def _answer(self, request: Request, wire: Wire) -> _Response:
        if self.models is not None and request.model not in self.models:
            raise RefusedError("404 model")
        self._attempts[request.digest] += 1
        fault = self.fault(request, self._attempts[request.digest]) if self.fault else None
        if fault is not None:
            self.counters.faults[fault.kind] += 1
            if fault.kind in OPENAI.ERRORS:
                status, said = wire.error(fault.kind, request.model, request.key, "")
                headers = {"retry-after": f"{fault.seconds:g}"} if fault.kind == "429 retry-after" else {}
                return _Response(status, json.dumps(said).encode(), headers)
            if fault.kind in ("reset", "hang"):
                return _Response(200, b"", fault=fault)
        answer = answered(request, self.reply(request), fault.kind if fault else None)
        payload = json.dumps(wire.answer(request, answer)).encode()
        if fault is None or fault.kind == "drip":
            self.counters.answered[request.digest] += 1
        broken = fault is not None and fault.kind == "broken body"
        return _Response(200, payload[: len(payload) // 2] if broken else payload, fault=fault)


async def _read(reader: asyncio.StreamReader) -> _Call | _Response:
    """The next request of a connection, or the response to invalid input.

    Raises:
        asyncio.IncompleteReadError: the client has disconnected.
    """
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (text.partition(":") for text in rest)}
        length = int(headers.get("content-length", "0"))
    except (ValueError, asyncio.LimitOverrunError):
        return _Response(400, b'{"error": {"message": "this is not HTTP/1.1", "type": "invalid_request_error"}}')
    if not 0 <= length <= _MOST_BODY or "transfer-encoding" in headers:
        return _Response(413, b'{"error": {"message": "a body needs a content-length of at most 32 MB", "type": "invalid_request_error"}}')
    return _Call(method, target.partition("?")[0], headers, await reader.readexactly(length))


def _parsed(body: bytes) -> Json:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise RefusedError("400", "We could not parse the JSON body of your request: expected an object.")
    return parsed


async def _drip(writer: asyncio.StreamWriter, raw: bytes, head: int, seconds: float) -> None:
    """Send the head at once, then byte by byte."""
    writer.write(raw[:head])
    for at in range(head, len(raw)):
        await asyncio.sleep(seconds)
        writer.write(raw[at : at + 1])
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> Literal[False]:
    """Close the connection so that the client's system reports a reset, not an end."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
