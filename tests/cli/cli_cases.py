"""What tests of commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from personaevo.cli.app import run
from tests.once import FEW_PEOPLE

SMALL = [str(Path(__file__).with_name("small.toml")), "--human", str(FEW_PEOPLE)]  # the arguments of a small search
Capture = pytest.CaptureFixture[str]


def fails(capsys: Capture, arguments: Sequence[str], code: int = 1) -> str:
    """Runs a command that fails: nothing on stdout, one line on stderr, which is given back."""
    assert run(arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: ")
    assert said.err.count("\n") == 1
    return said.err.removeprefix("Error: ").strip()
