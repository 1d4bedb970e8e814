"""Fuzzing the settings: any TOML file, Python values or command-line words are valid settings or give a one-line error."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from hypothesis import strategies as st

from benchmarks.fuzzing.engine import Target
from personaevo import config
from personaevo.cli import search as command
from personaevo.config import SearchConfig, make_config
from personaevo.errors import PersonaevoError
from personaevo.evolve.recombine import check_weights

FOLDER = tempfile.TemporaryDirectory(prefix="personaevo-fuzz-")
FILE = Path(FOLDER.name) / "settings.toml"


def attempt(data: bytes) -> None:
    """Any bytes, as a file, and as the words of a command line that names it."""
    FILE.write_bytes(data)
    try:
        _is_sound(make_config(config.read_config(FILE)))
    except PersonaevoError as error:
        _is_line(str(error))
    _command_line(data.decode("utf-8", "surrogateescape").replace("\0", "").split("\n"))  # as the system passes words on


def _command_line(words: list[str]) -> None:
    try:
        with command.search.make_context("search", list(words)) as context:
            given = dict(context.params)
            path = given.pop("config")
            given.pop("as_json")
            _is_sound(command._settings(context, path if path == FILE else None, given))
    except (click.exceptions.Exit, click.exceptions.Abort):  # --help
        return
    except click.ClickException as error:
        assert error.format_message().strip()
    except PersonaevoError as error:
        _is_line(str(error))


def _is_line(text: str) -> None:
    assert text.isprintable() and 0 < len(text) < 2_000, text


def _is_sound(settings: SearchConfig) -> None:
    check_weights(settings.operators)
    recorded = settings.recorded()
    assert json.loads(json.dumps(recorded, allow_nan=False)) == recorded
    assert make_config(recorded).recorded() == recorded
    assert 0 <= settings.seed < 2**63
    assert "\0" not in settings.domain_place + str(settings.tasks) + str(settings.archive)


ODD = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5)
    | st.sampled_from(["", "x" * 3000, "a\0b", "a\nb", "\x1b[31m", "../x", "./a/", "/", ".", "\ud800", 10**5000, 2**63, float("nan"), []])
    | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=5), st.floats(), max_size=2)
)  # fmt: skip
OPERATORS = st.dictionaries(st.sampled_from([*config.DEFAULT_OPERATORS, "other", ""]), st.floats() | st.integers(-2, 5), max_size=4)
SETTINGS = st.dictionaries(
    st.sampled_from(list(SearchConfig.model_fields)) | st.text(max_size=12), st.integers(-2, 5) | OPERATORS | ODD, max_size=4
)
OPTIONS = [option for parameter in command.search.params for option in parameter.opts]
VALUE = st.sampled_from(["1", "0", "-1", "x", "kernel", "weak", "9" * 30, "a/b", ".", "x" * 300, "\udc80", "\x1b"])
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
WORD = st.sampled_from([*OPTIONS, str(FILE), "--", "-", "--no", "--seed=3"]) | ANY
GIVEN = st.tuples(st.sampled_from(OPTIONS), VALUE).map(list) | st.lists(WORD, min_size=1, max_size=1)
COMMAND = st.lists(GIVEN, max_size=4).map(lambda parts: [word for part in parts for word in part])
CASES = st.tuples(SETTINGS, COMMAND)


def check(case: tuple[Mapping[str, Any], list[str]]) -> None:
    """Values from Python, and words of a command line."""
    values, words = case
    try:
        _is_sound(make_config(values))
    except PersonaevoError as error:
        _is_line(str(error))
    _command_line(words)


EXAMPLES = (
    b'domain = "charity"\ncandidates = 20\nseed = 3\n[operators]\ncross = 1.0\njoin = 0\n', b'archive = "a.duckdb"\nselection = "random"\n',
    b"preservation_floor = 0.5\njobs = 2\nresume = true\n", f"--domain\nservice\n--seed\n3\n{FILE}".encode(),
    b"--archive\nx\n--resume\n--json",
)  # fmt: skip
WORDS = (
    b"=", b"[", b"[[", b"]", b"{", b"}", b'"', b"'''", b"\n", b"#", b".", b",", b"\0", b"\xff", b"9" * 5000, b"1e999", b"nan", b"-inf",
    b"0x", b"1_0",
    b"1979-05-27T07:32:00Z", b"25:00:00", b"\\u0000", b"\\uD800", b"\\x", b"a.b.c.", b"tasks.a.b.c.", b"x = [", b"operators = {",
    b"domain = ", b'"./x"',
    b"--", b"-h",
    *(option.encode() + b"\n" for option in OPTIONS), *(f"\n{field} = ".encode() for field in SearchConfig.model_fields), b"\x1b",
)  # fmt: skip
TARGET = Target((config,), EXAMPLES, WORDS, attempt, CASES, check)
