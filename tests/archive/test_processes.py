"""Several processes, sudden death, and folders and disks that do not take what is written."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from archive_cases import CELLS, SETTINGS, a_commit

from personaevo import content
from personaevo.archive import Archive
from personaevo.archive.opening import Publisher
from personaevo.errors import ArchiveBusyError, ArchiveError

HERE = Path(__file__).parent
ROOT = content.root("archive").parent
HEAD = (
    f"import os, sys; sys.path[:0] = [{str(ROOT)!r}, {str(HERE)!r}]\n"
    "from archive_cases import *; from personaevo.archive import Archive\n"
)
# Acknowledges each commit on stdout; "go" on stdin ends it cleanly.
WRITER = (
    HEAD
    + """
archive = Archive.create_or_open(sys.argv[1])
run = archive.run() if archive.runs() else archive.begin_run(SETTINGS, CELLS)
number = len(archive.commits(run.id))
print("ready", flush=True)
for number in range(number, number + int(sys.argv[2])):
    archive.commit(run.id, a_commit(number))
    print(number, flush=True)
sys.stdin.readline()
archive.close()
"""
)
NOBODY = 65534
AS_NOBODY = (
    HEAD
    + f"""
import duckdb; duckdb.connect().execute("SELECT 1").fetchall()
from personaevo.errors import ArchiveError
os.setgid({NOBODY}); os.setuid({NOBODY})
"""
)


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users can reach (pytest's own cannot be)."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_reader_beside_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    writer = python(WRITER, path, 3)
    try:
        assert output(writer).readline() == "ready\n"
        with pytest.raises(ArchiveBusyError, match=f"is being written by process {writer.pid}"):
            Archive.create_or_open(path)
        with Archive.read(path) as reader:  # of whatever was published last: here at the latest the empty archive
            assert reader.verify_digest() == reader.summary()["digest"]
            for _ in range(3):
                output(writer).readline()
            assert writer.communicate("go\n", timeout=20)[1] == ""
            reader.verify_digest()
        with Archive.read(path) as reader:
            assert len(reader.commits(1)) == 3
            assert reader.verify_digest() == reader.digest(1)
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
    finally:
        writer.kill()
        writer.communicate()


def test_writer_waits_for_readers_only_so_long(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    Archive.create_or_open(path).close()
    with Archive.read(path), Archive.read(path) as second:
        assert second.runs() == []
        with pytest.raises(ArchiveBusyError, match="is being read by another process"):
            Archive.create_or_open(path)
    Archive.create_or_open(path).close()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    """Every acknowledged commit is there, what is there has the digest stored with it, and the search goes on."""
    path = tmp_path / "a.duckdb"
    for life in range(2):
        writer = python(WRITER, path, 1000)
        for _ in range(random.Random(f"{seed} {life}").randint(1, 25)):
            output(writer).readline()
        time.sleep(random.Random(f"{life} {seed}").random() * 0.02)
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged = [int(line) for line in writer.communicate()[0].split() if line.isdigit()]
        shutil.copy(path.with_name("a.duckdb.snapshot"), path.with_name("a.duckdb.snapshot.draft"))
        with Archive.read(path) as archive:
            numbers = [commit.candidate.number for commit in archive.commits(1)] if archive.runs() else []
            assert numbers == list(range(len(numbers)))
            assert len(numbers) >= max(acknowledged, default=-1) + 1
            if numbers:
                assert archive.verify_digest() == archive.digest(1)
                assert archive.episodes(1, numbers[-1]) == a_commit(numbers[-1]).episodes
    with Archive.create_or_open(path) as archive, Archive.create_or_open(tmp_path / "b.duckdb") as undisturbed:
        other = undisturbed.begin_run(SETTINGS, CELLS)
        if not archive.runs():
            archive.begin_run(SETTINGS, CELLS)
        archive.commit(1, a_commit(len(archive.commits(1))))
        for commit in archive.commits(1):
            undisturbed.commit(other.id, a_commit(commit.candidate.number))
        assert archive.verify_digest() == undisturbed.verify_digest()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.duckdb", "b.duckdb"]


def test_a_forked_child_cannot_write(tmp_path: Path) -> None:
    code = HEAD + (
        "from personaevo.errors import ArchiveError\n"
        "archive = Archive.create_or_open(sys.argv[1]); run = archive.begin_run(SETTINGS, CELLS)\n"
        "if os.fork() == 0:\n"
        "    try: archive.commit(run.id, a_commit(0))\n"
        "    except ArchiveError as error: print(error, flush=True)\n"
        "    archive.close(); os._exit(0)\n"
        "os.wait(); archive.commit(run.id, a_commit(0)); print(len(archive.commits(run.id)))\n"
    )
    out, err = python(code, tmp_path / "a.duckdb").communicate(timeout=20)
    assert err == ""
    assert "only that process may write it" in out
    assert out.endswith("\n1\n")


@pytest.mark.skipif(os.getuid() != 0, reason="drops privileges, so that permissions count")
@pytest.mark.parametrize("killed", [False, True])
def test_read_only_folder(public: Path, killed: bool) -> None:
    path = public / "a.duckdb"
    writer = python(WRITER, path, 2)
    for _ in range(3):
        output(writer).readline()
    if killed:
        writer.kill()
    writer.communicate("" if killed else "go\n")
    public.chmod(0o555)
    code = AS_NOBODY + (
        "with Archive.read(sys.argv[1]) as archive: print(len(archive.commits(1)), archive.verify_digest() == "
        "archive.digest(1))\n"
        "for name in sys.argv[1:]:\n"
        "    try: Archive.create_or_open(name)\n"
        "    except ArchiveError as error: print(error)\n"
    )
    before = sorted(file.name for file in public.iterdir())
    out, err = python(code, path, public / "new.duckdb").communicate(timeout=20)
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "2 True"
    assert len(lines) == 3
    assert all(line.startswith(("cannot write in", "archive")) and "ermission" in line for line in lines[1:])
    assert sorted(file.name for file in public.iterdir()) == before


@pytest.mark.skipif(os.getuid() != 0, reason="drops privileges, so that permissions count")
def test_file_of_another_user(public: Path) -> None:
    """One may write in the folder, but not to the file, or not even read it."""
    public.chmod(0o777)
    path = public / "a.duckdb"
    Archive.create_or_open(path).close()
    code = AS_NOBODY + (
        "for opener in (Archive.read, Archive.create_or_open):\n"
        "    try: opener(sys.argv[1]).close(); print('opened')\n"
        "    except ArchiveError as error: print(error)\n"
    )
    for mode, opened in ((0o644, 1), (0o600, 0)):
        path.chmod(mode)
        out, err = python(code, path).communicate(timeout=20)
        assert err == ""
        assert [line == "opened" for line in out.splitlines()] == [bool(opened), False]
        assert "no permission" in out
        assert [file.name for file in public.iterdir()] == [path.name]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2.5 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2500k", "tmpfs", str(folder)]
    if (
        os.getuid() != 0
        or not shutil.which("mount")
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("cannot mount a small file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_while_committing(small_disk: Path) -> None:
    path = small_disk / "a.duckdb"
    with Archive.create_or_open(path) as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        count = 0
        with pytest.raises(ArchiveError, match=r"the disk is full\. What was committed is kept") as caught:
            while count < 1000:
                archive.commit(run.id, a_commit(count, episodes=50, turns=16))
                count += 1
        assert "\n" not in str(caught.value)
        assert len(archive.commits(run.id)) == count > 0
    with Archive.read(path) as archive:
        assert len(archive.commits(run.id)) == count
        assert archive.verify_digest() == archive.digest(run.id)


def test_full_disk_while_creating_and_opening(small_disk: Path) -> None:
    path = small_disk / "a.duckdb"
    Archive.create_or_open(path).close()
    (small_disk / "fill").write_bytes(
        b"x" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - 20_000)
    )
    before = path.read_bytes()
    for name in ("a.duckdb", "new.duckdb"):
        with pytest.raises(ArchiveError, match="the disk is full"):
            Archive.create_or_open(small_disk / name)
    assert sorted(file.name for file in small_disk.iterdir()) == ["a.duckdb", "fill"]
    assert path.read_bytes() == before
    with Archive.read(path) as archive:
        assert archive.runs() == []


def test_snapshots_take_two_percent_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("personaevo.archive.opening.time.monotonic", lambda: now[0])
    with Archive.create_or_open(tmp_path / "a.duckdb") as archive:
        publisher = Publisher(archive._database)
        monkeypatch.setattr(archive._database, "copy_to", lambda path: (path.touch(), now.__setitem__(0, now[0] + 0.1)))
        published = 0
        while now[0] < 100:
            now[0] += 0.3
            if publisher.due():
                publisher.publish()
                published += 1
        assert 0.7 <= published * 0.1 <= 2.0


def test_interrupts_come_through(tmp_path: Path) -> None:
    """DuckDB turns what a signal handler raises into an error of its own."""
    Archive.create_or_open(tmp_path / "a.duckdb").close()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with Archive.read(tmp_path / "a.duckdb") as archive:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                archive.query("SELECT count(*) FROM range(100000000000) AS r(i) WHERE sin(i) > 2")
    finally:
        signal.signal(signal.SIGALRM, before)
