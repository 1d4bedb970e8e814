"""Fuzzing the parent's side of the sandbox: whatever both children write, every call gets a result, and frames are read unchanged.

The children are pairs of connected sockets: one end is the parent's, the other writes a prepared stream, cut at arbitrary places. In a
stream TOKEN stands for the token of the run, which a hostile program can find in its own memory.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzzing.engine import Target
from personaevo.chat import Message, Reply
from personaevo.programs import Call, DialTable, Sandbox, channel, personas, sandbox
from personaevo.programs import channel as capability
from personaevo.programs.channel import SPOOFED, Channel, NotReadyError, StoppedError
from personaevo.records import RunResult

TOKEN = b"@the token here@"
NEXT = b"|the other child|"
SILENT = b"|silent|"  # at the end of a stream: the child stays alive and writes nothing more
MOST_MB = 0.01
SHORT, LONG = 0.02, 4.0  # timeouts in seconds for a silent child, and for all others
LATE = f"time limit of {SHORT:g} s"
CALLS = (Call({"goal": "book"}, 1, 0), Call({"goal": "book"}, 2, 1))
TABLE = DialTable({"words_per_turn": (1.0, 60.0)})


class Pieces(socket.socket):
    """The parent's end: the child's stream is written when the parent reads, a piece at a time."""

    def __init__(self, stream: bytes) -> None:
        ours, self.peer = socket.socketpair()
        super().__init__(fileno=ours.detach())
        self.stream, self.rng = stream, random.Random(zlib.crc32(stream))
        self.open = _silent(stream)
        self.known = False

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Bytes for the parent."""
        if not self.known:  # the request came with the token
            self.known = True
            self.stream = self.stream.removesuffix(SILENT).replace(TOKEN, _token(self.peer.recv(1 << 16)))
        piece = self.stream[: self.rng.choice((1, 3, 7, 20, 500, 1 << 16))]
        self.stream = self.stream[len(piece) :]
        if piece:
            self.peer.sendall(piece)
        elif not self.open:
            self.peer.close()
        return super().recv(size, flags)

    def close(self) -> None:
        """Close both ends."""
        self.peer.close()
        super().close()


def _silent(stream: bytes) -> bool:
    return stream.startswith(b"!") and stream.endswith(SILENT)  # before the first byte, the trusted part of the child writes


def _token(request: bytes) -> bytes:
    size = struct.unpack(">I", request[:4])[0]
    return str(json.loads(request[4 : 4 + size])["token"]).encode()


class Children:
    """A fork server without processes."""

    usable, pid = True, 0

    def __init__(self, stream: bytes) -> None:
        self.stream = stream

    def fork(self) -> socket.socket:
        return Pieces(self.stream)

    def ending(self) -> int:
        return len(self.stream) % 3 * 9

    def end(self) -> None: ...

    def close(self) -> None: ...


class Faked(Sandbox):
    """The parent's side with faked children."""

    streams: Sequence[bytes] = ()

    def _start(self) -> None:
        self._servers = [Children(stream) for stream in self.streams]  # type: ignore[misc]


class Echo:
    """A model that echoes."""

    def reply(self, messages: Sequence[Message], *, schema: Any = None, sample: int = 0) -> Reply:
        return Reply(text=f"{sample} {messages[-1].content}")


def frame(kind: bytes, body: bytes) -> bytes:
    """A frame as ``worker/run.py`` writes it."""
    return struct.pack(">I", len(TOKEN) + 1 + len(body)) + TOKEN + kind + body


def attempt(data: bytes) -> None:
    """Any two streams."""
    first, _, second = data.partition(NEXT)
    _read(first)
    with Faked(TABLE, tier="weak", wall_seconds=SHORT if SILENT in data else LONG, output_mb=MOST_MB) as box:
        for model in (None, Echo()):
            box.streams = (first, second or first)
            results = box.run_many("x = 1", CALLS, model)
            assert len(results) == len(CALLS)
            for call, result in zip(CALLS, results, strict=True):
                assert len(result.personas) == call.n if result.ok else _is_reason(result), result


def _is_reason(result: RunResult) -> bool:
    """Failures of a program have a one-line reason; those of the trusted part of a child are not checked."""
    text = result.reason or ""
    return text.isprintable() and 0 < len(text) < 5_000 if result.fault == "program" else bool(text)


def _read(stream: bytes) -> None:
    """The channel reads all frames in order, and stops at the right place for the right reason."""
    with Channel(Pieces(stream), SHORT if _silent(stream) else LONG, int(MOST_MB * 1e6)) as reader:
        found: list[object] = []
        try:
            reader.ask({}, b"")
            while True:
                answer = reader.answer(b"CAFREM")
                found.append((answer.kind, answer.body))
        except NotReadyError:
            found.append("not ready")
        except StoppedError as stop:
            found.append(stop.reason)
        expected = list(_frames(stream, reader._token))
    if found[-1] == LATE:  # on a slow machine before all was read
        del found[-1], expected[len(found) :]
    assert found == expected, (found, expected)


def _frames(stream: bytes, token: bytes) -> Iterator[tuple[bytes, bytes] | str]:
    """The frames of a stream, read by an independent implementation."""
    silent, rest = _silent(stream), stream.removesuffix(SILENT).replace(TOKEN, token)
    if rest[:1] != b"!":
        yield "not ready"
        return
    rest = rest[1:]
    while True:
        size = int.from_bytes(rest[:4], "big")
        if len(rest) >= 4 and size < 17:
            yield SPOOFED
        elif len(rest) >= 4 and size > MOST_MB * 1e6 + 17 + 1024:
            yield "output limit of 0.01 MB"
        elif len(rest) < 4 + size or len(rest) < 4:
            yield LATE if silent else ""
        elif rest[4:20] != token or rest[20:21] not in (b"C", b"A", b"F", b"R", b"E", b"M"):
            yield SPOOFED
        else:
            yield rest[20:21], rest[21 : 4 + size]
            rest = rest[4 + size :]
            continue
        return


PERSONA = {"description": "Wants it short.", "behaviors": {"terse": 0.5}}
AXES = json.dumps([{"name": "terse", "low": "Talk.", "high": "Be brief.", "dials": {"words_per_turn": [30, 4]}}]).encode()
SAID: list[Any] = [[PERSONA], [PERSONA, {**PERSONA, "id": "b"}], [], ["prompt", None], "ValueError: no", {}]
BODIES = [json.dumps(body).encode() for body in SAID]
KINDS = st.sampled_from([b"C", b"A", b"F", b"R", b"E", b"M", b"X", b"\0"])
DEEP = [b"[" * depth + end + b"]" * depth for depth in (20, 150, 400, 900, 2000) for end in (b"1", b"2")]
BODY = st.sampled_from([AXES, *BODIES, *DEEP, b"[" * 3000, b'"\\ud800"', b"[NaN]", b"9" * 5000, b"x" * 11_100]) | st.binary(max_size=30)
FRAME = st.builds(frame, KINDS, BODY) | st.binary(max_size=40) | st.just(struct.pack(">I", 2**32 - 1))
STARTED = b"!" + frame(b"C", b"code") + frame(b"A", AXES)
STREAM = st.builds(
    lambda begin, frames, end: begin + b"".join(frames) + end,
    st.sampled_from([STARTED, STARTED, b"!" + frame(b"C", b"code"), b"!", b"?no", b""]), st.lists(FRAME, max_size=5),
    st.sampled_from([b"", b"", b"", SILENT]),
)  # fmt: skip
GOOD = STARTED + frame(b"M", BODIES[3]) + frame(b"R", BODIES[0]) + frame(b"R", BODIES[1])
AGAIN = b"!" + frame(b"A", AXES) + frame(b"R", BODIES[1]) + frame(b"M", BODIES[3]) + frame(b"R", BODIES[0])


def streams(drawn: tuple[bytes, bytes]) -> None:
    """Two streams of frames."""
    attempt(NEXT.join(drawn))


def check_good() -> None:
    """A check of the harness: well-behaved children give personas, and a question is answered only if there is a model."""
    with Faked(TABLE, tier="weak", output_mb=MOST_MB) as box:
        box.streams = (GOOD, AGAIN)
        results = {bool(model): all(result.ok for result in box.run_many("x = 1", CALLS, model)) for model in (None, Echo())}
    assert results == {False: False, True: True}


EXAMPLES = (
    GOOD + NEXT + AGAIN, STARTED + frame(b"R", BODIES[0]) + frame(b"E", BODIES[4]) + NEXT + b"!" + frame(b"F", BODIES[4]), b"?no wall",
    b"!" + frame(b"F", BODIES[4]), STARTED + frame(b"R", BODIES[0]) + SILENT,
)  # fmt: skip
WORDS = (
    TOKEN, NEXT, SILENT, b"!", b"R", b"E", b"\0\0\0\x11", b"\xff\xff\xff\xff", b"[", b"{", b'"', b"NaN", b"\\ud800", b"1e999", b"\0",
    frame(b"R", BODIES[0]), frame(b"M", BODIES[3]), frame(b"E", BODIES[4]), b'"\\u001b[31m"',
)  # fmt: skip
TARGET = Target((channel, personas, sandbox, capability), EXAMPLES, WORDS, attempt, st.tuples(STREAM, STREAM), streams, longest=20_000)
