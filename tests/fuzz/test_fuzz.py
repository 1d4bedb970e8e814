"""The fuzzers, with few cases; ``python -m benchmarks.fuzz`` runs them for long. And the fuzzer itself: it finds what is there."""

from __future__ import annotations

import importlib
import types

import pytest
from hypothesis import strategies as st

from benchmarks import fuzz
from benchmarks.fuzzing import config, edits, engine, protocol
from benchmarks.fuzzing.engine import Fuzzer, HangError, Target


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_nothing_is_found(name: str) -> None:
    fuzzer = Fuzzer(importlib.import_module(f"benchmarks.fuzzing.{name}").TARGET, seed=1)
    fuzzer.structured(20)
    fuzzer.mutated(60)
    assert not fuzzer.findings, "\n".join(f"{finding.case!r}\n{finding.trace}" for finding in fuzzer.findings.values())
    assert fuzzer.cases >= 80
    assert fuzzer.reached > len(fuzzer.lines.all) / 4


def test_the_protocol_harness_knows_good_children() -> None:
    protocol.check_good()


@pytest.mark.parametrize("depth", [400, 900, 2000])
def test_deep_answers_that_differ(depth: int) -> None:
    one, two = (b"[" * depth + end + b"]" * depth for end in (b"1", b"2"))
    begin = protocol.STARTED + protocol.frame(b"R", one) * 2
    protocol.attempt(begin + protocol.NEXT + b"!" + protocol.frame(b"A", protocol.AXES) + protocol.frame(b"R", two) * 2)


@pytest.mark.parametrize("text", ["def g(**a):\n    a = 1\n", "@print\ndef f(): pass\nf = 1\ndef f(): 2\n", "x = '\x0c'; A = 1\r\n"])
def test_edits_found_before(text: str) -> None:
    edits.attempt(text.encode())


SETTINGS = (
    "x = " + "[" * 5000, "a." * 4900 + "b = 1", "tasks." + "a." * 4800 + "b = 1", "seed = " + "9" * 5000, "a." * 30_000,
    "'\\u0000' = 1", 'tasks = "a\\u0000b"', 'domain = "\\u0000"', f"domain = '{'x' * 3000}'", f"[operators]\n{'x' * 3000} = 1", "\0",
    '"\\n" = 1', '"\\u001b" = 1',
)  # fmt: skip


@pytest.mark.parametrize("text", SETTINGS, ids=range(len(SETTINGS)))
def test_settings_found_before(text: str) -> None:
    config.attempt(text.encode())


# --- the fuzzer

WORDS = tuple(bytes([letter]) for letter in range(ord("a"), ord("z") + 1))


def buggy(data: bytes) -> None:
    """Fails on what only guided mutation reaches soon."""
    if data[:1] != b"a":
        return
    if data[1:2] != b"b":
        return
    if data[2:3] == b"c":
        raise KeyError(data)


def slow(data: bytes) -> None:
    """Never ends."""
    while True:
        pass


def target(attempt: object) -> Target:
    here = types.ModuleType("here")
    here.__file__ = __file__
    return Target((here,), (b"",), WORDS, attempt, st.binary(), attempt)  # type: ignore[arg-type]


def test_mutation_follows_the_lines_reached() -> None:
    fuzzer = Fuzzer(target(buggy), seed=3)
    fuzzer.mutated(10_000)
    assert [finding.case for finding in fuzzer.findings.values()] == [b"abc"]


def test_hypothesis_cases_shrink() -> None:
    fuzzer = Fuzzer(target(lambda data: 1 / (len(data) < 3)), seed=1)
    fuzzer.structured(200)
    assert [finding.case for finding in fuzzer.findings.values()] == [b"\0\0\0"]


def test_a_hang_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CASE_SECONDS", 0.05)
    fuzzer = Fuzzer(target(slow), seed=1)
    fuzzer.mutated(0)
    assert [HangError.__name__ in kind for kind in fuzzer.findings] == [True]
