"""What tests of commands share."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from personaevo.cli.app import run
from tests.once import FEW_PEOPLE

SMALL = [str(Path(__file__).with_name("small.toml")), "--human", str(FEW_PEOPLE)]  # the arguments of a small search
Capture = pytest.CaptureFixture[str]


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition: how long a process takes to start depends on the machine."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)


def has_open(pid: int, file: str) -> bool:
    """Whether a process has a file open."""
    with suppress(OSError):
        return any(os.path.realpath(one) == os.path.realpath(file) for one in Path(f"/proc/{pid}/fd").iterdir())
    return False


def fails(capsys: Capture, arguments: Sequence[str], code: int = 1) -> str:
    """Runs a command that fails: nothing on stdout, one line on stderr, which is given back."""
    assert run(arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: ")
    assert said.err.count("\n") == 1
    return said.err.removeprefix("Error: ").strip()
