"""The commands that look into an archive, as people call them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import unicodedata
from dataclasses import replace
from pathlib import Path

import click
import duckdb
import pytest
from inspect_cases import CELLS, SETTINGS, a_family, evaluated, failed, write

from personaevo.archive import Archive
from personaevo.chat import ModelCall, Reply, Usage
from personaevo.cli.app import app, run
from personaevo.measure.stats import student_factor
from personaevo.records import (
    Candidate,
    CellScore,
    Commit,
    Comparison,
    Episode,
    Estimate,
    Evaluation,
    FinalTable,
    Level,
    Measure,
    Persona,
    PlanItem,
    Program,
    Remark,
    Scoring,
    TableRow,
)
from personaevo.text import plain

EVIL = "[red]boo[/red] [link=http://x]y[/] [/] :smile: \\[ \x1b[2J\x1b]8;;http://x\x1b\\ \x1b]52;c;ZQ==\x07 \x9b2J \u202egnp \u200bj "
EVIL += "w" * 300
EVIL_ROW = "r" * 200  # names of rows are as those of programs
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
COLOR = re.compile(r"\x1b\[[0-9;]*m")
PAGES = (["summary"], ["elites"], ["show"], ["lineage"], ["lineage", "--descendants"], ["diff"])
ROOT = Path(__file__).resolve().parent.parent.parent
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("family") / "family.duckdb", a_family())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive whose every text is hostile, and whose ids are as long as they may be."""
    persona = Persona(id=EVIL, description=EVIL, behaviors={EVIL: 0.5}, policy=f"{EVIL}\n{EVIL}")
    said = ("user", EVIL), ("assistant", EVIL)
    episodes = (
        Episode(PlanItem(EVIL, 0, 0), "completed", said, EVIL, (1.0, 2.0), 0.5, 0.5, 0, persona),  # type: ignore[arg-type]
        Episode(PlanItem(EVIL, 1, 1), "failed", persona=persona, reason=EVIL, fault="program"),
    )
    objectives = {name: Estimate(0.5, 0.1, 0.5) for name in ("score", "task_preservation", EVIL)}
    remarks = (Remark(EVIL, EVIL),)  # type: ignore[arg-type]
    ids, commits = ["a" * 200, "b" * 200], []
    for number, name in enumerate(ids):
        evaluation = Evaluation(name, "train", 2, 1, objectives, (CellScore(number, 0.5, 0.5, 0.1),), remarks, EVIL[:60])
        source = f"# {EVIL}\nx = '{number}'  # {EVIL}\n"
        candidate = Candidate(number, Program(name, source), tuple(ids[:number]), EVIL, "evaluated", EVIL)
        commits.append(Commit(candidate, evaluation, episodes))
    path = tmp_path_factory.mktemp("hostile") / "hostile.duckdb"
    with Archive.create_or_open(path) as archive:
        rules = {EVIL: ("steers", "more", 0.1, 1), "score": ("steers", "more", None, 1)}
        scored_by = Scoring(rules, (("train", 2, EVIL, Level(0.5, 1.0)), ("test", 2, EVIL, Level(0.5, 1.0))))
        settings = {**SETTINGS, "negatives": json.dumps({EVIL: 60, "x": EVIL})}
        begun = archive.begin_run(settings, [{**cell, "name": EVIL} for cell in CELLS], scored_by)
        measures = {name: Measure(0.5, 0.4, 0.6, 0.5, 1, 2) for name in ("score", EVIL)}
        rows = [TableRow(EVIL_ROW, None, measures), TableRow("average_person", None, measures), TableRow("evolved", ids[1], measures)]
        compared = [Comparison("evolved", "average_person", name, 0.0, -0.1, 0.1) for name in measures]
        archive.write_table(begun.id, FinalTable(tuple(rows), tuple(compared)))
        for commit in commits:
            archive.commit(begun.id, commit)
        archive.calls().put(ModelCall("0" * 32, EVIL, EVIL, 1, Reply(EVIL, usage=Usage(10, 5), cost=0.5), 2.0))
        archive.calls().flush(begun.id)
    return path



def said(capsys: Capture, arguments: list[str], code: int = 0) -> str:
    """What a command prints to stdout; on an error its one line."""
    assert run(["archive", *arguments]) == code
    out, err = capsys.readouterr()
    if not code:
        assert err == ""
        return out
    assert (out, err.count("\n"), err[:7]) == ("", 1, "Error: ")
    return err


def words(text: str) -> str:
    return " ".join(text.split())


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


def of(page: list[str], path: Path) -> list[str]:
    """The arguments of a page of an archive; ``diff`` needs a program that has a parent."""
    wanted = [] if page[0] != "diff" else ["b" * 200] if path.name == "hostile.duckdb" else ["three"]
    return [page[0], str(path), *wanted, *page[1:]]


# --- elites


def test_elites(capsys: Capture, family: Path) -> None:
    found = json.loads(said(capsys, ["elites", str(family), "--json"]))
    assert [(cell["cell"], cell["mass"]) for cell in found["cells"]] == [(1, 0.6), (0, 0.25), (2, 0.15)]
    wordy, terse, average = (cell["elite"] for cell in found["cells"])
    assert (wordy["program"], wordy["number"], wordy["operator"], wordy["share"]) == ("three", 4, "change_number+cross", 0.1)
    assert (terse["score"], average) == (0.9, None)
    assert [terse["low"], terse["high"]] == pytest.approx([0.9 - 0.05 * student_factor(3), 0.9 + 0.05 * student_factor(3)])
    assert (found["held"], found["total"]) == (2, 3)
    assert [found["mass"], found["qd_score"]] == pytest.approx([0.85, 0.6 * 0.2 + 0.25 * 0.9])
    text = words(said(capsys, ["elites", str(family)]))
    for part in ("0 25% 0.90 ± 0.16 20% three change number + cross terse, pushes back", "2 15% empty - - average",
                 "2 of 3 cells held, with 85% of people; QD score 0.345", "1 duplicate, 6 evaluated, 1 failed"):  # fmt: skip
        assert part in text


def test_elites_agree_with_the_summary(capsys: Capture, finished_archive: Path) -> None:
    found = json.loads(said(capsys, ["elites", str(finished_archive), "--json"]))
    summary = json.loads(said(capsys, ["summary", str(finished_archive), "--json"]))
    assert {name: found[name] for name in ("held", "total")} == {name: summary["cells"][name] for name in ("held", "total")}
    assert [found["mass"], found["qd_score"]] == pytest.approx([summary["cells"]["mass"], summary["qd_score"]])


# --- show


def test_show_has_all_of_a_program(capsys: Capture, family: Path) -> None:
    text = said(capsys, ["show", str(family), "three"])
    assert "def generate(task, n, rng, model=None):\n    return []\n" in text  # as stored, without a margin
    flat = words(text)
    for part in ("candidate 4 of run 1: evaluated", "made by change number + cross of two, other", "score 0.800 [0.736, 0.864] 0.400",
                 "0 25% 0.90 ± 0.16 20% terse, pushes back", "people show less of: pushback rate", "people differ more in: opening words",
                 "personas should differ more in: short rate",
                 "one persona should vary less from dialogue to dialogue in: words per turn, emotion rate",
                 "should go together less, or against each other: words per turn and short rate",
                 "should go together: pushback rate and emotion rate", "expected on fresh dialogues: score 0.7",
                 "people get human likeness 0.75 (raw, in 8 dialogues)",
                 "judge trained against dialogues that are not by people: 60 persona-free, 7 robots",
                 "score harmonic mean of the objectives that steer",
                 "1 dialogue: raised ValueError (fault: program)", "persona p0 for task task0: somebody Be brief.",
                 "best dialogue", "worst dialogue", "user: hello 0 assistant: good day"):  # fmt: skip
        assert part in flat, part
    assert "what models did" not in text


def test_show_of_failures_says_why(capsys: Capture, family: Path) -> None:
    text = words(said(capsys, ["show", str(family), "five"]))
    assert "candidate 5 of run 1: failed" in text
    assert "reason it loops (fault: program)" in text
    assert "dialogue" not in text


def test_show_finds_programs_by_cell_and_by_rank(capsys: Capture, family: Path) -> None:
    for asked in ([], ["cell:0"], ["cell:1"], ["thr"]):
        assert json.loads(said(capsys, ["show", str(family), *asked, "--json"]))["id"] == "three"
    assert "run 1 has no cell 9: it has 0 to 2" in said(capsys, ["show", str(family), "cell:9"], 1)
    assert "cell 2 of run 1 is empty" in said(capsys, ["show", str(family), "cell:2"], 1)
    assert "has no program 'cell:x'" in said(capsys, ["show", str(family), "cell:x"], 1)


def test_show_json_only_grew(capsys: Capture, family: Path) -> None:
    found = json.loads(said(capsys, ["show", str(family), "three", "--json"]))
    with Archive.read(family) as archive:
        assert {name: found[name] for name in archive.program("three")} == json.loads(json.dumps(archive.program("three")))
    assert found["remarks"][:2] == [{"feature": "pushback_rate", "wanted": "less"}, {"feature": "opening_words", "wanted": "wider"}]
    assert found["expected"]["from"] == "search"
    assert 0.5 < found["expected"]["score"] < 0.8  # the best of six is best by luck too
    assert json.loads(said(capsys, ["show", str(family), "other", "--json"]))["expected"] is None
    assert found["failures"] == [{"reason": "raised ValueError", "fault": "program", "dialogues": 1}]
    assert found["costs"] == []


def test_show_says_what_models_cost(capsys: Capture, tmp_path: Path) -> None:
    path = write(tmp_path / "paid.duckdb", a_family())
    with Archive.create_or_open(path) as archive:
        reply = Reply("hm", usage=Usage(1000, 20), cost=0.25)
        for index, (role, candidate) in enumerate([("user", 4), ("user", 4), ("mutator", 4), ("user", 3), ("user", None)]):
            archive.calls().put(ModelCall(f"{index:032x}", role, "openai:small", candidate, reply, 2.0))
        archive.calls().flush(1)
    costs = json.loads(said(capsys, ["show", str(path), "three", "--json"]))["costs"]
    mutator, user = ([one[name] for name in ("role", "calls", "input_tokens", "usd")] for one in costs)
    assert (mutator, user) == (["mutator", 1, 1000, 0.25], ["user", 2, 2000, 0.5])
    assert "user openai:small 2 2,000 40 0.5000 2.00" in words(said(capsys, ["show", str(path), "three"]))


# --- lineage and diff


def test_lineage(capsys: Capture, family: Path) -> None:
    found = json.loads(said(capsys, ["lineage", str(family), "--json"]))
    assert (found["run"], found["program"]) == (1, "three")
    assert [step["program_id"] for step in found["steps"]] == ["seed", "one", "two", "three"]
    assert found["steps"][-1]["gain"] == pytest.approx(0.29)
    assert found["steps"][-1]["parents"] == ["two", "other"]
    text = words(said(capsys, ["lineage", str(family)]))
    assert "2 two change number + cross 0.510 ± 0.020 +0.010 ± 0.028 ~ 4 three change number + cross 0.800 ± 0.020 +0.290 ± 0.028" in text
    below = json.loads(said(capsys, ["lineage", str(family), "one", "--descendants", "--json"]))
    assert [step["program_id"] for step in below["steps"]] == ["one", "two", "three", "five", "six"]


def test_diff(capsys: Capture, family: Path) -> None:
    found = json.loads(said(capsys, ["diff", str(family), "three", "--json"]))
    assert (found["before"]["program"], found["after"]["program"], found["same_plan"], found["tasks"]) == ("two", "three", True, 4)
    assert found["text"][2:] == ["@@ -1,4 +1,4 @@", "-# two", "+# three", " AXES = []", " ", " "]
    assert [row["after"] - row["before"] for row in found["behaviors"]] == pytest.approx([0.2] * 3)
    shifts = {shift["objective"]: shift["change"] for shift in found["objectives"]}
    assert shifts == pytest.approx({"score": 0.29, "task_preservation": 0.0})
    text = said(capsys, ["diff", str(family), "three"])
    assert "\n-# two\n+# three\n AXES = []\n" in text
    assert "1 line added, 1 removed" in text
    assert "the file of people is not available" in words(text)
    other = json.loads(said(capsys, ["diff", str(family), "other", "cell:0", "--json"]))
    assert (other["before"]["program"], other["after"]["program"]) == ("three", "other")


def test_diff_with_a_failed_program(capsys: Capture, family: Path) -> None:
    text = words(said(capsys, ["diff", str(family), "five"]))
    assert "nothing to compare: candidate 5 failed: it loops" in text
    assert "nothing to compare: one of them was not evaluated" in text
    assert json.loads(said(capsys, ["diff", str(family), "five", "--json"]))["objectives"] == []


def test_dialogues_that_are_not_held_any_more(capsys: Capture, tmp_path: Path) -> None:
    pruned = [replace(commit, episodes=()) if commit.candidate.number == 2 else commit for commit in a_family()]
    path = write(tmp_path / "pruned.duckdb", pruned)
    assert "its dialogues were left out of the archive" in said(capsys, ["show", str(path), "two"])
    text = words(said(capsys, ["diff", str(path), "three"]))
    assert "the dialogues of candidate 2 were left out of the archive" in text
    assert "the archive has no jackknife replicates of the scores: no paired interval" in text
    found = json.loads(said(capsys, ["diff", str(path), "three", "--json"]))
    assert (found["missing"], found["same_plan"], found["tasks"]) == ([2], True, 4)
    steps = -1.0, 0.0, 0.5, 0.5
    kept = [evaluated(0, "seed", [], 0.3, replicates=steps), evaluated(1, "one", ["seed"], 0.5, replicates=steps[::-1])]
    path = write(tmp_path / "kept.duckdb", [replace(commit, episodes=()) for commit in kept])
    assert "paired over 4 tasks" in words(said(capsys, ["diff", str(path), "one"]))  # programs of one run played the same


def test_diff_of_a_real_search_is_in_peoples_units(capsys: Capture, finished_archive: Path) -> None:
    with Archive.read(finished_archive) as archive:
        child = next(commit.candidate.program.id for commit in archive.commits(1) if commit.candidate.number == 4)
    found = json.loads(said(capsys, ["diff", str(finished_archive), child, "--json"]))
    assert found["scale"] == "people"
    assert "standard deviations of the people that steered the search" in words(said(capsys, ["diff", str(finished_archive), child]))


def test_errors_are_one_line(capsys: Capture, family: Path) -> None:
    for arguments, message in (
        (["diff", str(family), "seed"], "program seed has no parent: name the program to compare it with"),
        (["diff", str(family), "three", "nobody"], "has no program 'nobody'"),
        (["lineage", str(family), "t"], "'t' is the beginning of 2 programs (three, two): give more of the id"),
        *(([*of(page, family), "--run", "7"], "has no run 7: it has [1]") for page in PAGES if page[0] in ("elites", "lineage", "diff")),
    ):
        assert message in said(capsys, arguments, 1)
    for page in PAGES:
        assert "does not exist" in said(capsys, [page[0], "none.duckdb", *(["x"] if page[0] == "diff" else [])], 1)
    assert "Missing argument 'A'" in said(capsys, ["diff", str(family)], 2)


# --- searches that are not over, and other shapes


def test_while_a_search_writes(tmp_path: Path) -> None:
    path = tmp_path / "busy.duckdb"
    look = [sys.executable, "-c", "import sys; from personaevo.cli.app import run; sys.exit(run(sys.argv[1:]))", "archive"]
    with Archive.create_or_open(path) as archive:
        begun = archive.begin_run(SETTINGS, CELLS)
        archive.publish_snapshot()
        empty = subprocess.run([*look, "elites", str(path)], capture_output=True, text=True, check=True, cwd=ROOT)
        for commit in a_family():
            archive.commit(begun.id, commit)
        archive.publish_snapshot()
        full = subprocess.run([*look, "lineage", str(path)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "candidates of run 1: none yet" in empty.stdout
    assert "3 steps from the seed program" in full.stdout


def test_before_anything_was_evaluated(capsys: Capture, tmp_path: Path) -> None:
    nothing = write(tmp_path / "nothing.duckdb", [])
    assert "0 of 3 cells held" in said(capsys, ["elites", str(nothing)])
    assert "the search has not ended" in said(capsys, ["summary", str(nothing)])
    only_failed = write(tmp_path / "failed.duckdb", [failed(0, "seed", [])])
    assert "1 failed" in said(capsys, ["elites", str(only_failed)])
    for path in (nothing, only_failed):
        for page in ("show", "lineage"):
            assert "has no evaluated program yet" in said(capsys, [page, str(path)], 1)
    assert "failed" in said(capsys, ["lineage", str(only_failed), "seed"])
    with Archive.create_or_open(tmp_path / "new.duckdb"):
        pass
    for page in PAGES[1:]:
        assert "has no program" if page[0] == "diff" else "holds no run yet" in said(capsys, of(page, tmp_path / "new.duckdb"), 1)


def test_the_run_that_is_asked_for(capsys: Capture, tmp_path: Path) -> None:
    path = write(tmp_path / "two.duckdb", a_family())
    later = [evaluated(0, "seed", [], 0.3, cells=[CellScore(5, 0.5, 0.5, 0.1)]), evaluated(1, "late", ["seed"], 0.9)]
    write(path, later, [{**CELLS[0], "cell": 5}])
    assert [cell["cell"] for cell in json.loads(said(capsys, ["elites", str(path), "--json"]))["cells"]] == [5]
    assert len(json.loads(said(capsys, ["elites", str(path), "--run", "1", "--json"]))["cells"]) == 3
    assert json.loads(said(capsys, ["show", str(path), "--json"]))["id"] == "late"
    assert json.loads(said(capsys, ["show", str(path), "--run", "1", "--json"]))["id"] == "three"
    assert json.loads(said(capsys, ["lineage", str(path), "three", "--json"]))["run"] == 1
    assert "run 2 proposed no program 'three'" in said(capsys, ["lineage", str(path), "three", "--run", "2"], 1)
    assert "run 2 proposed no program 'three'" in said(capsys, ["diff", str(path), "late", "three"], 1)


# --- what reaches a terminal


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_hostile_text_stays_text(capsys: Capture, monkeypatch: pytest.MonkeyPatch, hostile: Path, page: list[str]) -> None:
    for colors in ("", "1"):
        monkeypatch.setenv("FORCE_COLOR", colors)
        monkeypatch.setenv("COLUMNS", "1000")
        text = COLOR.sub("", said(capsys, of(page, hostile)))
        assert RAW.findall(text) == []
        for part in ("[red]boo[/red] [link=http://x]y[/] [/] :smile: \\[", "\\x1b[2J\\x1b]8;;http"):
            assert part in text.replace("_", " ")
        json.loads(said(capsys, [*of(page, hostile), "--json"]))


@pytest.mark.parametrize("columns", [60, 100, 200])
def test_pages_fit(capsys: Capture, monkeypatch: pytest.MonkeyPatch, finished_archive: Path, hostile: Path, columns: int) -> None:
    """All but code, which is left whole."""
    monkeypatch.setenv("COLUMNS", str(columns))
    for path in (finished_archive, hostile):
        commits = _commits(path)
        code = {line for commit in commits for line in plain(commit.candidate.program.source).splitlines()}
        code |= {f"{sign} {commit.candidate.program.id}" for commit in commits for sign in ("---", "+++")}
        for page in PAGES:
            lines = said(capsys, [page[0], str(path), *([_last(path)] if page[0] == "diff" else []), *page[1:]]).splitlines()
            assert [line for line in lines if width(line) > columns and not {line, line[1:]} & code] == []


def _commits(path: Path) -> list[Commit]:
    with Archive.read(path) as archive:
        return archive.commits(1)


def _last(path: Path) -> str:
    return [commit.candidate.program.id for commit in _commits(path) if commit.candidate.parents][-1]


@pytest.mark.parametrize("columns", ["", "0", "7", "x", "-3"])
def test_odd_widths(capsys: Capture, monkeypatch: pytest.MonkeyPatch, family: Path, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert "three" in said(capsys, ["elites", str(family)])


def test_colors_are_for_terminals(capsys: Capture, monkeypatch: pytest.MonkeyPatch, family: Path) -> None:
    assert "\x1b" not in said(capsys, ["show", str(family)])  # a pipe
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    assert re.search(r"\x1b\[[0-9;]*m(.\[0m)?def", said(capsys, ["show", str(family)]))
    assert "\x1b[32m+# three" in said(capsys, ["diff", str(family), "three"])
    monkeypatch.setenv("NO_COLOR", "1")
    shown = said(capsys, ["diff", str(family), "three"])
    assert set(COLOR.findall(shown)) <= {"\x1b[0m", "\x1b[1m", "\x1b[2m"}  # bold and faint are no colors


def test_a_closed_pipe_is_no_crash(family: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "personaevo", "archive", "show", str(family)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_help_names_every_argument(capsys: Capture) -> None:
    group = app.commands["archive"]
    assert isinstance(group, click.Group)
    for name in ("summary", "elites", "show", "lineage", "diff"):
        assert run(["archive", name, "--help"]) == 0
        out = capsys.readouterr().out
        assert "ARCHIVE" in out
        assert "--json" in out


@pytest.mark.slow
def test_five_thousand_candidates(capsys: Capture, tmp_path: Path, finished_archive: Path) -> None:
    """Each page within a few seconds (of a core): nothing loads all episodes."""
    big = tmp_path / "big.duckdb"
    shutil.copy(finished_archive, big)
    with duckdb.connect(str(big)) as connection:
        connection.execute("CREATE TEMP TABLE k AS SELECT unnest(range(1, 1000)) AS k")
        connection.execute("INSERT INTO programs SELECT left(id, 12) || printf('%04d', k), source FROM programs, k")
        connection.execute(
            "INSERT INTO candidates BY NAME SELECT * EXCLUDE (k) REPLACE (seq + 5 * k AS seq, number + 5 * k AS number, "
            "left(program, 12) || printf('%04d', k) AS program, "
            "list_transform(parents, lambda x: left(x, 12) || printf('%04d', k)) AS parents) FROM candidates, k ORDER BY k, number"
        )
        for table in ("evaluations", "episodes", "personas"):
            copied = f"SELECT * EXCLUDE (k) REPLACE (number + 5 * k AS number) FROM {table}, k ORDER BY k"
            connection.execute(f"INSERT INTO {table} BY NAME {copied}")
    program = _last(finished_archive)
    for page in PAGES[1:]:
        begun = time.process_time()
        said(capsys, [page[0], str(big), *([] if page[0] == "elites" else [program]), *page[1:]])
        assert time.process_time() - begun < 5.0, page
