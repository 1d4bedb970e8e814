"""A writer that never stops and four processes that look twice a second: nobody fails, nobody sees half a candidate, and the writer spends
at most 2 % of its time on publishing (over a minute; in a few seconds one snapshot that took long can be more)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from personaevo import content
from personaevo.archive import Archive

HERE = Path(__file__).parent
HEAD = f"import json, sys, time; sys.path[:0] = [{str(content.root('archive').parent)!r}, {str(HERE)!r}]\n"
WRITER = (
    HEAD
    + """
from archive_cases import CELLS, SETTINGS, a_commit
from personaevo.archive import Archive
begun = time.monotonic()
with Archive.create_or_open(sys.argv[1]) as archive:
    run = archive.begin_run(SETTINGS, CELLS)
    number = 0
    while time.monotonic() - begun < float(sys.argv[2]):
        archive.commit(run.id, a_commit(number, episodes=50, turns=16, features=19))
        number += 1
        time.sleep(0.01)
        if number == 1:
            archive.publish_snapshot()
    spent = archive._publisher._spent
print(json.dumps({"commits": number, "share": spent / (time.monotonic() - begun)}))
"""
)
READER = (
    HEAD
    + """
from personaevo.archive import Archive
begun, seen, looks, whole = time.monotonic(), [], 0, 0
while time.monotonic() - begun < float(sys.argv[2]):
    with Archive.read(sys.argv[1]) as archive:
        summary = archive.summary()
        if summary["runs"]:
            assert summary["evaluations"] * 50 == summary["episodes"], summary
            assert len(archive.elites()) == (4 if summary["evaluations"] else 0)
        if looks % 8 == 0:
            assert archive.verify_digest() == summary["digest"]
            whole += 1
    seen.append(summary["evaluations"])
    looks += 1
    time.sleep(0.5)
print(json.dumps({"looks": looks, "whole": whole, "seen": seen}))
"""
)


@pytest.mark.parametrize(("seconds", "share"), [(8, 0.1), pytest.param(60, 0.02, marks=pytest.mark.slow)])
def test_four_look_while_one_writes(tmp_path: Path, seconds: int, share: float) -> None:
    path = tmp_path / "a.duckdb"
    writer = _python(WRITER, path, seconds)
    while not path.with_name("a.duckdb.snapshot").exists():
        assert writer.poll() is None, writer.communicate()[1]
        time.sleep(0.01)
    readers = [_python(READER, path, seconds - 2) for _ in range(4)]
    told = [_told(process) for process in (writer, *readers)]
    wrote, read = told[0], told[1:]
    assert wrote["commits"] > seconds
    assert wrote["share"] <= share
    for one in read:
        assert one["looks"] > seconds / 4
        assert one["whole"] >= 1
        assert one["seen"] == sorted(one["seen"])
        assert one["seen"][-1] > 0
    with Archive.read(path) as archive:
        assert len(archive.commits(1)) == wrote["commits"]
        archive.verify_digest()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def _python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _told(process: subprocess.Popen[str]) -> dict:  # type: ignore[type-arg]
    """What a process says at its end; nothing went wrong in it."""
    out, err = process.communicate(timeout=180)
    assert (process.returncode, err) == (0, "")
    return json.loads(out)  # type: ignore[no-any-return]
