"""Whatever stands in an archive, a file or a file's name: nothing that steers a terminal reaches stdout or stderr."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from pathlib import Path

import pytest

from personaevo.archive import Archive
from personaevo.cli import app
from personaevo.cli.shared import say, show, show_json
from personaevo.records import (
    Candidate,
    CellScore,
    Commit,
    Comparison,
    Control,
    Episode,
    Estimate,
    Evaluation,
    FinalTable,
    Level,
    Measure,
    Persona,
    PlanItem,
    Program,
    Scoring,
    TableRow,
)

EVIL = (
    "\x1b[2J\x1b[31mred \x1b]52;c;ZXZpbA==\x07 \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x9b2J \u202egnp.exe\u202c \u2066x\u2069 a\bb c\rd "
    "e\x0bf\x0cg \x85h \u2028i \u200bj \x7fk \ufeffl \U000e0041m"
)
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e01ef]")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hostile(made: Path) -> Path:
    """An archive whose every text is hostile, here, under such a name."""
    return Path(shutil.copy(made, made.name))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = f"{EVIL.translate({ord('/'): None, 92: None})[:60]}.duckdb"  # DuckDB takes a backslash for a slash
    path = tmp_path_factory.mktemp("hostile") / name
    program = Program("abc123", f"# {EVIL}\nAXES = []\n")
    persona = Persona(id=EVIL, description=EVIL, behaviors={EVIL: 0.5}, dials={EVIL: 1.0}, policy=f"{EVIL}\n{EVIL}")
    episode = Episode(
        PlanItem(EVIL, 0, 1), "completed", (("user", EVIL), ("assistant", EVIL)), EVIL, (1.0,), 1.0, 0.5, 0, persona,
    )  # fmt: skip
    failed = Episode(PlanItem(EVIL, 1, 2), "failed", reason=EVIL, fault="program")
    values = {name: Estimate(1.0, 0.1, 1.0) for name in ("score", "task_preservation", EVIL)}
    evaluation = Evaluation(program.id, "train", 2, 1, values, (CellScore(0, 0.5, 0.5, 0.1),))
    with Archive.create_or_open(path) as archive:
        level = ("train", 2, EVIL, Level(0.5, 1.0))
        scoring = Scoring({EVIL: ("steers", "more", None, 1)}, (level,), (Control("train", EVIL, EVIL, (1.0,)),))
        settings = {"domain": "service", "tasks": EVIL, EVIL: EVIL, "negatives": json.dumps({EVIL: 3})}
        run = archive.begin_run(settings, [{"cell": 0, "name": EVIL, "mass": 1.0}], scoring)
        archive.commit(run.id, Commit(Candidate(0, program, (), EVIL, "evaluated", EVIL), evaluation, (episode, failed)))
        measures = {EVIL: Measure(1.0, 0.9, 1.0, 1.0, 1, 1)}
        rows = TableRow("evolved", program.id, measures), TableRow("average_person", None, measures)
        archive.write_table(run.id, FinalTable(rows, (Comparison("evolved", "average_person", EVIL, 0.0, -0.1, 0.1),)))
    return path


def said(capsys: Capture, arguments: list[str], code: int = 0) -> str:
    """What a command prints, after looking at it."""
    assert app.run(arguments) == code
    out, err = capsys.readouterr()
    assert RAW.findall(out) + RAW.findall(err) == []
    return out + err


def test_archive_summary_and_show(capsys: Capture, hostile: Path) -> None:
    assert "\\x1b[2J" in said(capsys, ["archive", "summary", str(hostile)])
    text = said(capsys, ["archive", "show", str(hostile), "abc"])
    assert text.count("\\x1b]52;c;ZXZpbA==\\x07") >= 8
    assert "\\u202egnp.exe" in text
    assert "persona " in said(capsys, ["archive", "show", str(hostile)])


@pytest.mark.parametrize("command", ["elites", "lineage", "query"])
def test_other_views(capsys: Capture, hostile: Path, command: str) -> None:
    more = ["elites"] if command == "query" else []
    assert "\\x1b[2J" in said(capsys, ["archive", command, str(hostile), *more])


def test_stored_personas(capsys: Capture, hostile: Path) -> None:
    assert "\\x1b[2J" in said(capsys, ["sample", str(hostile), "-n", "1"])


@pytest.mark.parametrize("command", [["summary"], ["show"]])
def test_json_is_printable_ascii(capsys: Capture, hostile: Path, command: list[str]) -> None:
    text = said(capsys, ["archive", *command, str(hostile), "--json"])
    assert text.isascii()
    assert json.loads(text).get("operator", EVIL) == EVIL  # nothing is lost


@pytest.mark.parametrize(
    "arguments",
    [
        ["archive", "show", EVIL], ["archive", "summary", EVIL], ["archive", "show", "{file}", EVIL], [EVIL], ["search", f"--{EVIL}"],
        ["search", EVIL], ["search", "--tasks", EVIL], ["search", "--human", EVIL], ["search", "--program", EVIL],
        ["search", "--seed", EVIL], ["search", "--domain", EVIL], ["search", "--domain", f"./{EVIL}"],
        ["search", "--resume", "--archive", EVIL],
        ["sample", EVIL], ["sample", "{file}", "--task", "go"], ["sample", "{file}", "--task", f"./{EVIL}"],
        ["reference", "show", EVIL], ["reference", "build", EVIL, "--domain", "x", "--license", "x", "--out", "x"], ["domain", "new", EVIL],
    ],
)  # fmt: skip
@pytest.mark.parametrize("debug", [False, True])
def test_errors(capsys: Capture, hostile: Path, arguments: list[str], debug: bool) -> None:
    words = [word.replace("/", "\u2044") if word == EVIL else word.format(file=hostile) if "{file}" in word else word for word in arguments]
    extra = ["--jobs", "1"] if words[0] == "search" else []  # no worker processes for what ends at once
    extra += ["--debug"] if debug and words[0] in ("search", "sample") else []
    code = app.run([*words, *extra])
    out, err = capsys.readouterr()
    assert code in (1, 2), out
    assert RAW.findall(out) + RAW.findall(err) == []
    assert err.splitlines()[-1].startswith("Error: ")


def test_errors_in_files(capsys: Capture) -> None:
    Path("t.jsonl").write_text(json.dumps({"id": EVIL, "goal": 3, EVIL: 1}) + "\n" + EVIL, encoding="utf-8")
    Path("c.toml").write_text(f"domain = '{EVIL[:0]}'\nx = [", encoding="utf-8")
    Path("p.py").write_text(f"x = '{EVIL}' (", encoding="utf-8")
    Path(os.fsdecode(b"\xff\x1b[2J.jsonl")).write_text("{", encoding="utf-8")
    for arguments in (["--tasks", "t.jsonl"], ["c.toml"], ["--program", "p.py"], ["--tasks", os.fsdecode(b"\xff\x1b[2J.jsonl")]):
        assert said(capsys, ["search", *arguments, "--jobs", "1", "--debug"], 1).splitlines()[-1].startswith("Error: ")


def test_the_three_ways_out(capsys: Capture) -> None:
    say(EVIL + "\n\t")
    show(EVIL)
    show_json({EVIL: [EVIL, "\ud800"]})
    out, err = capsys.readouterr()
    assert RAW.findall(out) + RAW.findall(err) == []
    assert err.count("\n") == 1


def test_warnings(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", app._warn)
        warnings.warn(EVIL, stacklevel=1)
    err = capsys.readouterr().err
    assert RAW.findall(err) == []
    assert err.startswith("Warning: \\x1b[2J")
    assert err.endswith("(UserWarning)\n")
