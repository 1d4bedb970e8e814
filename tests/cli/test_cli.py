"""The command line: what it prints where, its exit codes, bad input, interruptions."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from personaevo.archive import Archive
from personaevo.cli.app import run
from personaevo.cli.search import _best
from personaevo.definitions import domain_files
from personaevo.evolve.progress import Progress
from personaevo.evolve.ranking import Scored
from personaevo.judge.objectives import shown
from personaevo.records import Estimate, Evaluation
from tests.cli.cli_cases import SMALL, Capture, catches, fails, until

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "personaevo"]
ALONE = [*SMALL, "--jobs", "1"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def process(arguments: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


# --- what it prints


def test_help_and_version(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in ("search", "sample", "archive", "reference", "domain", "doctor"))
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("personaevo, version ")


def test_search_prints_a_table_and_what_to_do_next(capsys: Capture) -> None:
    settings = 'domain = "camping"\ncandidates = 2\nseed = 9\ntest_tasks = 4\ntest_personas = 2\ncontrol_dialogues = 20\npeople_draws = 2\n'
    Path("small.toml").write_text(settings, encoding="utf-8")
    assert run(["search", "small.toml", *ALONE[1:], "--candidates", "4"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    rows = {"people", "persona-free", "average person", "copied people", "independent", "seed program", "evolved"}
    assert {line[:14].strip() for line in lines} >= rows
    assert max(map(len, lines)) <= 110
    assert max(len(line) for line in lines if line[:14].strip() in rows) <= 100
    assert "evolved − average person: score " in said.out
    assert "they say nothing about users played by language models" in said.out
    assert [line.split("camping.duckdb")[0].strip() for line in lines[-4:]] == [
        "personaevo archive summary", "personaevo archive show", "personaevo archive report", "personaevo sample"
    ]  # fmt: skip
    assert re.search(r"4/4 candidates, best (-|-?\d\.\d\d expected), cells ", said.err)
    with Archive.read("camping.duckdb") as archive:
        assert archive.run().settings["seed"] == 9


def test_search_json(capsys: Capture) -> None:
    assert run(["search", *ALONE, "--candidates", "2", "--json", "--archive", "here.duckdb"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"archive", "seed", "candidates", "episodes", "seconds", "best", "table"} <= found.keys()
    # 18 for each candidate, 18 for each of two finalists
    assert (found["archive"], found["seed"], found["candidates"], found["episodes"]) == ("here.duckdb", 5, 2, 72)
    rows = {row["row"]: row for row in found["table"]}
    assert list(rows) == ["humans", "persona_free", "average_person", "copied_people", "independent", "seed_program", "evolved"]
    assert rows["humans"]["task_preservation"] is None
    assert all({*shown(), "auditor"} <= row.keys() for row in rows.values())
    assert set(found["headline"]) == {"mean", "low", "high"}
    gain = rows["evolved"]["score"]["mean"] - rows["average_person"]["score"]["mean"]
    assert found["headline"]["mean"] == pytest.approx(gain, abs=1e-9)
    assert {one["against"] for one in found["comparisons"]} == rows.keys() - {"evolved"}
    assert set(rows["evolved"]["score"]) == {"mean", "low", "high", "raw", "completed", "planned"}
    assert found["best"]["id"] == rows["evolved"]["program"]


def test_seed_program_that_always_fails_is_told_of_before_anything_is_made(capsys: Capture) -> None:
    source = "AXES = []\ndef generate(task, n, rng, model=None):\n    raise ValueError('no\\x1b[2J')\n"
    Path("raises.py").write_text(source, encoding="utf-8")
    error = fails(capsys, ["search", *ALONE, "--candidates", "2", "--program", "raises.py", "--archive", "never.duckdb"])
    assert "the seed program fails on every task: ValueError: no" in error
    assert "\x1b" not in error
    assert not Path("never.duckdb").exists()


def test_archive_summary_and_show(capsys: Capture, finished_archive: Path) -> None:
    file = str(finished_archive)
    assert run(["archive", "summary", file]) == 0
    assert "cells" in capsys.readouterr().out
    assert run(["archive", "summary", file, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["schema", "domain", "runs", "programs", "evaluations", "episodes", "cells", "screened", "qd_score", "digest"]
    assert run(["archive", "show", file]) == 0
    best = capsys.readouterr().out
    shown = ("program ", "scores on train tasks", "def generate", "persona p", "best dialogue", "worst dialogue")
    assert [part for part in shown if part not in best] == []
    assert run(["archive", "show", file, best.split()[1][:10], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == best.split()[1]


def test_sample(capsys: Capture, finished_archive: Path) -> None:
    assert run(["sample", str(finished_archive), "-n", "3", "--task", "get a refund", "--json"]) == 0
    first = capsys.readouterr().out
    personas = json.loads(first)["personas"]
    assert len(personas) == 3
    assert list(personas[0])[:7] == ["id", "description", "behaviors", "dials", "policy", "program", "cell"]
    assert all(len(persona["turns"]) in (1, 2, 3) for persona in personas)
    assert set(personas[0]["turns"][0]) == {"heard", "direction", "draft"}
    assert run(["sample", str(finished_archive), "-n", "3", "--task", "get a refund", "--json"]) == 0
    assert capsys.readouterr().out == first
    assert run(["sample", str(finished_archive)]) == 0
    said = capsys.readouterr()
    assert said.out.count("(cell ") == 5
    assert 5 <= said.out.count("\n  user      ") <= 15
    assert said.out.count("\n  agent     ") == said.out.count("\n  user      ") - 5
    assert said.out.startswith("5 personas from ")
    assert "Found with the embedded engine" in said.err


def test_sample_for_a_task_of_a_file(capsys: Capture, finished_archive: Path) -> None:
    tasks = domain_files("service").tasks
    assert run(["sample", str(finished_archive), "-n", "1", "--task", f"{tasks}:service-media-07"]) == 0
    said = capsys.readouterr().out
    assert "task      service-media-07: report a missing magazine issue" in said
    assert "\n  user      " in said
    assert "no task has the id 'x'" in fails(capsys, ["sample", str(finished_archive), "--task", f"{tasks}:x"])


def test_sample_in_other_formats(capsys: Capture, finished_archive: Path) -> None:
    drawn = ["sample", str(finished_archive), "-n", "3", "--where", "words_per_turn < 50"]
    assert run([*drawn, "--format", "json"]) == 0
    personas = json.loads(capsys.readouterr().out)["personas"]
    assert run([*drawn, "--format", "jsonl"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == personas
    assert run([*drawn, "--format", "mirrorbench"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(persona["policy"] in row["metadata"]["persona"] for row, persona in zip(rows, personas, strict=True))
    assert "exclude each other" in fails(capsys, [*drawn, "--json", "--format", "jsonl"], 2)


def test_sample_that_cannot_be(capsys: Capture, finished_archive: Path) -> None:
    file = str(finished_archive)
    assert "no packaged archive of that name (packaged: " in fails(capsys, ["sample", "servce"])
    assert "there is no name 'words'" in fails(capsys, ["sample", file, "--where", "words < 3"])
    assert "'words_per_turn < 0' matches none of them" in fails(capsys, ["sample", file, "--where", "words_per_turn < 0"])
    assert "expected generator=MODEL" in fails(capsys, ["sample", file, "--model", "user=openai:any"], 2)
    assert "expected embedded, openai:NAME" in fails(capsys, ["sample", file, "--model", "generator=gpt"])
    assert "is not one of" in fails(capsys, ["sample", file, "--strategy", "best"], 2)


def test_reference_build_and_show(capsys: Capture) -> None:
    texts = [("hello there", f"my number is {number}") for number in range(70)]
    talks = [{"id": str(i), "turns": [{"role": "user", "content": text} for text in turns]} for i, turns in enumerate(texts)]
    Path("talks.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks), encoding="utf-8")
    build = ["reference", "build", "talks.jsonl", "--domain", "desk", "--license", "own", "--out", "desk.jsonl"]
    assert run(build) == 0
    assert "70 dialogues" in capsys.readouterr().out
    assert "add --force" in fails(capsys, build)
    assert run([*build, "--force"]) == 0
    capsys.readouterr()
    assert run(["reference", "show", "desk.jsonl", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["domain"], found["license"], found["counts"]["dialogues"]) == ("desk", "own", 70)
    assert found["features"]["words_per_turn"]["mean"] == 3.0
    assert found["agreement"] is None  # of two turns each, nobody twice
    assert run(["reference", "show", "desk.jsonl"]) == 0
    assert "agrees   not known" in capsys.readouterr().out
    assert run(["reference", "show", "service", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["agreement"]) == {"value", "se", "low", "high", "kind", "people"}
    assert run(["reference", "show", "service"]) == 0
    out = capsys.readouterr().out
    assert "MultiDoGO" in out
    assert re.search(r"agrees   0\.\d+ \(95 %: 0\.\d+ to 0\.\d+\) between two dialogues of one person, estimated from the halves of ", out)
    assert run(["reference", "show", "charity"]) == 0
    assert re.search(r"agrees .*, measured on \d+ people with several\n", capsys.readouterr().out)


def test_reference_build_of_several_files_with_their_roles(capsys: Capture) -> None:
    Path("talks").mkdir()
    for name, numbers in (("a.csv", range(40)), ("b.csv", range(40, 70))):
        said = (("Ann", "hi"), ("Bob", "no"), ("Ann", "bye"))
        lines = [f"{number},{role},my number is {number} {text}" for number in numbers for role, text in said]
        Path("talks", name).write_text("\n".join(["id,speaker,text", *lines]), encoding="utf-8")
    build = ["reference", "build", "talks/a.csv", "talks/b.csv", "--domain", "desk", "--license", "own", "--out", "desk.jsonl"]
    assert "say who they are: reference build --roles NAME=user|assistant" in fails(capsys, build)
    assert "expected NAME=user, NAME=assistant or NAME=nobody" in fails(capsys, [*build, "--roles", "Ann"], 2)
    assert "roles: expected NAME=user|assistant|nobody, got 'Ann=me'" in fails(capsys, [*build, "--roles", "Ann=me"])
    assert run([*build, "--roles", "Ann=user", "--roles", "Bob=nobody"]) == 0
    out = capsys.readouterr().out
    assert "a.csv and 1 more; license own" in out
    assert "70 dialogues" in out
    assert "note     turns that neither side hears (system, tools), left out: 70" in out
    build[2:4] = ["talks"]
    assert run([*build, "--roles", "Ann=user", "--roles", "Bob=assistant", "--force"]) == 0
    out = capsys.readouterr().out
    assert "corpus   talks; license own" in out
    assert "note " not in out


def test_doctor(capsys: Capture) -> None:
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sandbox"]["tier"] == "kernel"
    assert all(check["ok"] for check in found["sandbox"]["checks"])
    assert {"personaevo", "python", "numpy", "duckdb"} <= found["versions"].keys()


# --- bad input: one line, the right exit code, and no file is harmed


def test_mistakes_on_the_command_line(capsys: Capture) -> None:
    assert "'--candidates': 0 is not in the range" in fails(capsys, ["search", "--candidates", "0"], 2)
    assert "No such option '--nonsense'" in fails(capsys, ["search", "--nonsense"], 2)
    assert "No such command 'nonsense'" in fails(capsys, ["nonsense"], 2)
    assert "Missing argument" in fails(capsys, ["sample"], 2)
    assert "--resume needs --archive" in fails(capsys, ["search", "--resume"], 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("candidats = 5", r"unknown setting 'candidats'; did you mean 'candidates'?"),
        ("xyz = 5", "unknown setting 'xyz'; settings are: domain, tasks, human"),
        ("candidates = 0", "setting 'candidates': input should be greater than or equal to 1, got 0"),
        ("candidates = [", "c.toml is not TOML"),
        ('domain = "marketing"', "unknown domain 'marketing': installed are camping, charity, service"),
        ('tasks = "none.jsonl"', "none.jsonl: no such file"),
        ('tasks = "empty.jsonl"', "empty.jsonl: expected JSON or JSON lines, got an empty file"),
        ('human = "none.jsonl"', "none.jsonl: no such file"),
        ('program = "none.py"', "seed program none.py cannot be read (no such file"),
        ('program = "broken.py"', "seed program broken.py: the program is not valid Python"),
    ],
)
def test_bad_settings_and_files(capsys: Capture, text: str, message: str) -> None:
    Path("c.toml").write_text(text, encoding="utf-8")
    Path("empty.jsonl").touch()
    Path("broken.py").write_text("x = (", encoding="utf-8")
    assert message in fails(capsys, ["search", "c.toml", "--jobs", "1"])
    assert sorted(path.name for path in Path().iterdir()) == ["broken.py", "c.toml", "empty.jsonl"]


def test_reference_of_three_dialogues(capsys: Capture) -> None:
    line = json.dumps({"id": "0", "turns": [{"role": "user", "content": "hi you"}, {"role": "user", "content": "bye"}]})
    Path("three.jsonl").write_text("\n".join(line.replace('"0"', f'"{i}"') for i in range(3)), encoding="utf-8")
    message = "three.jsonl: got 3 dialogues, at least 64 are needed"
    assert message in fails(capsys, ["search", "--human", "three.jsonl", "--jobs", "1"])
    assert message in fails(capsys, ["reference", "build", "three.jsonl", "--domain", "x", "--license", "x", "--out", "x.jsonl"])
    assert not Path("x.jsonl").exists()


def test_archives_that_cannot_be_used(capsys: Capture, finished_archive: Path) -> None:
    Path("corrupt.duckdb").write_bytes(b"no archive at all")
    shutil.copy(finished_archive, "newer.duckdb")
    with duckdb.connect("newer.duckdb") as connection:
        connection.execute("INSERT INTO migrations VALUES (99, '0099_future')")
    for name, message in (("corrupt", "is not an archive, or is damaged"), ("newer", "has schema 99, this personaevo knows up to")):
        file = Path(f"{name}.duckdb")
        before = file.read_bytes()
        for command in (["archive", "summary", str(file)], ["archive", "show", str(file)], ["sample", str(file)]):
            assert message in fails(capsys, command)
        assert message in fails(capsys, ["search", "--archive", str(file), "--resume", "--jobs", "1", "--candidates", "2"])
        assert file.read_bytes() == before
    assert "does not exist" in fails(capsys, ["archive", "summary", "none.duckdb"])
    assert "nothing to resume" in fails(capsys, ["search", "--archive", "none.duckdb", "--resume"])


def test_existing_archive_is_not_overwritten(capsys: Capture, finished_archive: Path) -> None:
    shutil.copy(finished_archive, "mine.duckdb")
    assert "mine.duckdb exists: add --resume" in fails(capsys, ["search", "--archive", "mine.duckdb"])
    assert "was made with" in fails(capsys, ["search", *ALONE, "--archive", "mine.duckdb", "--resume"])
    assert Path("mine.duckdb").read_bytes() == finished_archive.read_bytes()


def test_folder_that_cannot_be_written(capsys: Capture, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    if os.access(locked, os.W_OK):  # as root
        locked = Path("/proc")
    message = fails(capsys, ["search", *ALONE, "--archive", str(locked / "x.duckdb"), "--candidates", "2"])
    assert f"cannot write in {locked}" in message
    assert run(["domain", "new", "desk", "--to", str(locked)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_full_disk_on_stdout(finished_archive: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, "archive", "summary", str(finished_archive)], stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"Error: no space left on device\n")


def test_closed_pipe(finished_archive: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "archive", "summary", str(finished_archive)], stdout=writing, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_debug_shows_the_traceback(capsys: Capture) -> None:
    assert run(["search", "--tasks", "none.jsonl", "--jobs", "1", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


# --- interruptions


def begun(arguments: Sequence[str], commits: int) -> subprocess.Popen[str]:
    """A search in a session of its own that has told of some candidates."""
    search = subprocess.Popen(
        [*COMMAND, "search", *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert search.stderr is not None
    told = []
    for line in search.stderr:
        told.append(line)
        if "/" in line and int(line.split("/")[0]) >= commits:
            return search
    search.communicate()
    raise AssertionError(f"the search ended with {search.returncode}: {''.join(told)}")


def descendants(pid: int) -> set[int]:
    """All processes below one, from /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found, wave = set(), {pid}
    while wave:
        wave = {child for child, parent in parents.items() if parent in wave} - found
        found |= wave
    return found


def gone(pids: set[int], seconds: float = 10.0) -> bool:
    """Whether processes end within a time; a process that nobody waits for has ended too."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(_runs(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_interrupted_twice_then_resumed(capsys: Capture) -> None:
    settings = [*SMALL, "--jobs", "2", "--candidates", "60", "--archive", "here.duckdb"]
    search = begun(settings, 6)
    below = descendants(search.pid)
    assert below
    os.killpg(search.pid, signal.SIGINT)  # as a terminal does: to all in the foreground
    time.sleep(0.02)
    os.killpg(search.pid, signal.SIGINT)
    out, err = search.communicate(timeout=30)
    assert search.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    told, command = err.strip().splitlines()[-2:]
    assert "of 60 candidates are saved in here.duckdb. To continue:" in told
    words = command.split("personaevo ", 1)[1].split()
    assert words[0] == "search"
    assert sorted(words) == sorted(["search", *settings, "--resume"])
    assert gone(below)
    with Archive.read("here.duckdb") as archive:
        saved = len(archive.commits(1))
        archive.verify_digest()
    assert told.startswith(f"Interrupted: {saved} of 60 ")
    changed = {"60": str(saved + 2), "2": "1"}  # a few more candidates; and one process goes on with what two began
    assert run([*(changed.get(word, word) for word in words), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["candidates"] == saved + 2


@pytest.mark.slow
def test_killed_search_leaves_no_processes() -> None:
    search = begun(["--task-count", "4", "--personas", "3", "--jobs", "2", "--candidates", "500", "--archive", "here.duckdb"], 50)
    below = descendants(search.pid)
    search.kill()
    search.communicate(timeout=30)
    assert below
    assert gone(below)


def test_interrupted_before_anything_was_saved() -> None:
    search = subprocess.Popen(
        [*COMMAND, "search", "--archive", "here.duckdb"], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    until(lambda: catches(search.pid, signal.SIGTERM))
    time.sleep(0.3)
    search.send_signal(signal.SIGTERM)
    _, err = search.communicate(timeout=30)
    # Inside DuckDB, any signal comes out as an interrupt; while Python runs a text (as dataclasses do), as an end by Ctrl-C's signal.
    assert search.returncode in {128 + signal.SIGTERM, 130, -signal.SIGINT}
    assert "Traceback" not in err
    assert "Interrupted" in err


@pytest.mark.slow
def test_readers_see_a_search_under_way() -> None:
    search = begun(["--task-count", "10", "--personas", "10", "--jobs", "1", "--candidates", "200", "--archive", "here.duckdb"], 20)  # long
    try:
        done = process(["archive", "summary", "here.duckdb", "--json"])
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["runs"] in (0, 1)  # the snapshot may be that of the very beginning
        busy = process(["search", *ALONE, "--candidates", "300", "--archive", "here.duckdb", "--resume"])
        assert (busy.returncode, busy.stderr.count("\n")) == (1, 1)
        assert "is being written by process" in busy.stderr
    finally:
        search.send_signal(signal.SIGINT)
        search.communicate(timeout=30)


# --- real files


def test_real_tasks_and_people(capsys: Capture) -> None:
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip(f"{data} is absent: the corpora are not part of the project")
    people, tasks = data / "multidogo_customer_only_human.jsonl.gz", data / "tau2" / "retail" / "tasks.json"
    assert run(["search", ALONE[0], "--jobs", "1", "--tasks", str(tasks), "--human", str(people), "--candidates", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["candidates"] == 2


def test_the_progress_line_tells_what_is_expected() -> None:
    def now(expected: float | None) -> Progress:
        return Progress(3, 10, None, expected, 2, 16, 36, 1.0)

    assert _best(now(None)) == "best -"
    assert _best(now(0.6149)) == "best 0.61 expected"
    found = {"human_likeness": 0.931, "coverage": 0.4, "consistency": 0.0, "score": 0.0}
    few = Evaluation("p", "train", 8, 8, {name: Estimate(value, 0.1, value) for name, value in found.items()})
    assert _best(replace(now(0.0), best=Scored("p", few))) == "best: human likeness 0.93, coverage 0.40"


def test_an_archive_with_a_question_mark_is_refused_in_one_line(capsys: Capture) -> None:
    assert run(["search", "--candidates", "1", *ALONE, "--archive", "a?b.duckdb"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("Error: archive ") and told[-1].endswith("give a path without one")
    assert list(Path().glob("*.duckdb*")) == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_that_is_not_utf8_has_question_marks(encoding: str) -> None:
    command = [*COMMAND, "archive", "summary", "service"]
    done = subprocess.run(command, env={**ENVIRONMENT, "PYTHONIOENCODING": encoding}, capture_output=True, encoding=encoding, check=False)
    assert done.returncode == 0, done.stderr
    assert "service, 1 run" in done.stdout
