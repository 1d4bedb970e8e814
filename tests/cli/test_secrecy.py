"""Secrets of the environment stay there: not one byte of them in archives, snapshots, logs, output or core dumps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from personaevo.archive import Archive
from personaevo.cli.app import run
from personaevo.text import without_secrets
from tests.cli.cli_cases import SMALL, Capture

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "OPENAI_API_KEY": "sk-proj-c4n4ryAAAAAAAAAAAAAA", "ANTHROPIC_API_KEY": "sk-ant-c4n4ryBBBBBBBBBBBB", "FOO_TOKEN": "odd c4n4ryCCCC",
}  # fmt: skip
ENVIRONMENT = {**os.environ, **SECRETS, "PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "personaevo"]
ALONE = [*SMALL, "--jobs", "1", "--archive", "here.duckdb"]
# Looks wherever a key might be found and puts what it sees into the personas.
THIEF = '''
import enum
os = enum.sys.modules["os"]
AXES = []

def seen():
    found = [repr(os.environ), repr(enum.sys.argv)]
    pids = [os.getpid(), os.getppid()]
    try:
        pids += [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except Exception:
        pass
    for pid in pids:
        for name in ("environ", "cmdline"):
            try:
                os.close(0)
            except OSError:
                pass
            try:
                found.append(repr(os.read(os.open(f"/proc/{pid}/{name}", 0), 100000)))
            except Exception:
                pass
    return [text for text in found if "c4n" + "4ry" in text]

LOOT = seen()

def generate(task, n, rng, model=None):
    return [{"id": f"p{i}", "description": "seen: " + " ".join(LOOT)[:1900]} for i in range(n)]
'''


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of this process has them too."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def started(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def check(*outputs: bytes) -> None:
    """Not one file here and not one output has a secret in it."""
    texts = [*outputs, *(path.read_bytes() for path in Path().rglob("*") if path.is_file())]
    assert [text for text in texts if b"c4n4ry" in text] == []


def test_a_search_and_what_is_shown_of_it(capsys: Capture, secrets: None) -> None:
    """Its first program looks for them as well."""
    Path("thief.py").write_text(THIEF, encoding="utf-8")
    search = started(["search", *ALONE, "--candidates", "2", "--program", "thief.py", "--json"])
    copied: list[bytes] = []

    def watch() -> None:
        """What only stands there while a search writes: the log, the snapshot."""
        while search.poll() is None:
            for path in Path().iterdir():
                try:
                    copied.append(path.read_bytes())
                except OSError:
                    continue
            threading.Event().wait(0.3)

    watcher = threading.Thread(target=watch)
    watcher.start()
    outputs = search.communicate(timeout=300)
    watcher.join()
    assert search.returncode == 0, outputs[1]
    assert copied
    check(*outputs, *copied)
    with Archive.read("here.duckdb") as archive:
        seen = {one.persona.description for one in archive.episodes(1, 0) if one.persona}
    assert seen == {"seen: "}
    for arguments in (["summary", "here.duckdb"], ["show", "here.duckdb"], ["show", "here.duckdb", "x", "--debug"]):
        run(["archive", *arguments])
        check(*(text.encode() for text in capsys.readouterr()))


@pytest.mark.slow
def test_an_interrupted_search() -> None:
    search = started(["search", *ALONE, "--candidates", "500"])
    assert search.stderr is not None
    first = next(line for line in search.stderr if b"/500" in line)
    search.send_signal(signal.SIGINT)
    outputs = search.communicate(timeout=60)
    assert search.returncode == 130
    check(first, *outputs)


@pytest.mark.parametrize("more", [[], ["--debug"]])
@pytest.mark.parametrize("value", ["odd c4n4ryCCCC", "https://me:c4n4ry@host/tasks.jsonl"])
def test_errors_that_quote_them(value: str, more: list[str], capsys: Capture, secrets: None) -> None:
    """Where somebody gives a key as a setting, or a library quotes it."""
    assert run(["search", "--tasks", value, "--jobs", "1", *more]) == 1
    out, err = capsys.readouterr()
    assert "***" in err
    check(out.encode(), err.encode())


def test_errors_that_quote_them_in_a_process_of_their_own() -> None:
    search = started(["search", "--tasks", "odd c4n4ryCCCC", "--jobs", "1", "--debug"])
    out, err = search.communicate(timeout=60)
    assert search.returncode == 1
    assert b"***" in err
    check(out, err)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pass@host/v1 failed", "https://***@host/v1 failed"),
        ("https:/me:pass@host", "https:/***@host"),
        ("get http://host/x?api_key=abcdef&n=1", "get http://host/x?api_key=***&n=1"),
        ("Incorrect API key provided: sk-proj-0123456789abcdef.", "Incorrect API key provided: ***."),
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer ***"),
        ('{"api_key": "abcdef"}', '{"api_key": "***"}'),
        ("an odd secretvalue here", "an odd *** here"),
        ("unexpected token: got 'x' at line 3", "unexpected token: got 'x' at line 3"),
        ("mail me@host.org about it", "mail me@host.org about it"),
    ],
)
def test_without_secrets(text: str, shown: str) -> None:
    assert without_secrets(text, ["secretvalue", "it"]) == shown


def test_no_core_is_dumped() -> None:
    """Of the command line and what it starts; and nobody else of this user can look into it."""
    code = (
        "import ctypes, resource, subprocess, sys\nfrom personaevo.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "below = subprocess.run(['sh', '-c', 'ulimit -c; ulimit -H -c'], capture_output=True, text=True).stdout.split()\n"
        "sys.exit([resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), below] != [(0, 0), 0, ['0', '0']])"
    )
    assert subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, check=False).returncode == 0
