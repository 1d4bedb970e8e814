"""What the page says, from the archive to the file."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from personaevo.archive import Archive
from personaevo.cli.app import run
from personaevo.errors import InputError
from personaevo.evolve import controls
from personaevo.judge.objectives import SCORE, SCORING, objectives
from personaevo.records import Comparison, FinalTable, Remark, Run
from personaevo.report import gather, page, write
from personaevo.report.charts import remark
from personaevo.report.data import report_data
from personaevo.report.material import Material, compared
from personaevo.report.sections import sources
from tests.archive.archive_cases import CELLS, SETTINGS, a_commit, a_failure, a_table
from tests.report.conftest import NEW_OBJECTIVE, plant

Capture = pytest.CaptureFixture[str]


def material_of(path: Path, **more: Any) -> Material:
    with Archive.read(path) as archive:
        return gather(archive, **more)


@pytest.fixture(scope="module")
def material(finished_archive: Path) -> Material:
    return material_of(finished_archive)


@pytest.fixture(scope="module")
def data(material: Material) -> dict[str, Any]:
    return report_data(material)


@pytest.fixture(scope="module")
def text(material: Material) -> str:
    return page(material)


def with_settings(material: Material, **settings: object) -> Run:
    """The material's run as if it had been made with other settings."""
    return replace(material.run, settings={**material.run.settings, **settings})


@pytest.fixture
def changed(finished_archive: Path, tmp_path: Path) -> Any:
    """Copies the finished archive and changes rows of it."""

    def change(*statements: str) -> Path:
        path = tmp_path / "changed.duckdb"
        shutil.copy(finished_archive, path)
        plant(path, *statements)
        return path

    return change


# --- what it says


def test_everything_is_there_and_is_plain_json(data: dict[str, Any], material: Material) -> None:
    assert json.loads(json.dumps(data, allow_nan=False))["domain"] == "service"
    assert [row["row"] for row in data["table"]] == ["humans", "persona_free", *controls.ROWS, "seed_program", "evolved"]
    stored = next(row for row in material.table if row.row == "evolved").measures["score"]
    assert data["table"][-1]["measures"]["score"]["mean"] == stored.mean
    assert data["programs"][data["best"]]["id"] == data["table"][-1]["program"]
    assert [one["number"] for one in data["programs"]] == list(range(5))
    assert {cell["cell"] for cell in data["cells"]} == set(range(16))
    assert 0.9 < sum(cell["mass"] for cell in data["cells"]) <= 1.001  # a few people lie outside all cells
    assert {cell["cell"]: cell["elite"]["number"] for cell in data["cells"] if cell["elite"]} == {e.cell: e.number for e in material.elites}
    assert len(data["finals"]) == len(material.finals) > 1
    assert data["notes"] == []
    assert data["costs"] == []


def test_plots_and_tables_hold_the_same(data: dict[str, Any], material: Material) -> None:
    plane, progress, behaviors = (data["charts"][name] for name in ("plane", "progress", "behaviors"))
    counts = {trace["name"]: len(trace["x"]) for trace in plane["figure"]["data"]}
    people = material.compared.people
    assert people is not None
    assert counts["people"] == len(people)
    assert counts["persona-free simulator"] == len(material.controls("persona_free")) > 0
    assert counts["best program"] == 24  # 4 tasks, 3 personas, 2 dialogues each
    assert {row[0]: row[1] for row in plane["rows"]}.items() <= counts.items()
    best = material.ranked()[0].evaluation
    assert best is not None
    assert progress["rows"][-1][-1] == pytest.approx(best.objectives[SCORE].value, abs=1e-4)
    low, high = progress["figure"]["layout"]["yaxis"]["range"]
    assert low < min(row[3] for row in progress["rows"]) <= max(row[3] for row in progress["rows"]) < high
    assert len(behaviors["rows"]) == len(people.names)
    words = next(row for row in behaviors["rows"] if row[0] == "words per turn")
    assert float(words[2]) == pytest.approx(people.values[:, 0].mean(), rel=0.01)
    assert float(words[4]) > float(words[2])  # the simulator without personas is wordy
    assert len({(trace["marker"]["color"], trace["marker"]["symbol"]) for trace in plane["figure"]["data"] if "marker" in trace}) == 5


def test_sources_come_back_from_their_lines(material: Material) -> None:
    found = sources(material)
    for commit in material.commits:
        lines = ["".join(text for _, text in found["lines"][line]) for line in found["programs"][commit.candidate.number]]
        assert "\n".join(lines) == commit.candidate.program.source.rstrip("\n")
    assert len(found["lines"]) < sum(map(len, found["programs"].values())) / 2


def test_a_long_archive_is_cut_and_says_so(material: Material, monkeypatch: pytest.MonkeyPatch, finished_archive: Path) -> None:
    monkeypatch.setattr("personaevo.report.material.WITH_DIALOGUES", 2)
    monkeypatch.setattr("personaevo.report.material.WITH_SOURCE", 3)
    cut = material_of(finished_archive)
    found = report_data(cut)
    best = material.best()
    assert best is not None
    assert next(iter(cut.episodes)) == best.candidate.number
    assert (len(found["dialogues"]), len(found["sources"]["programs"]), len(found["programs"])) == (2, 3, 5)
    assert "dialogues of 2 of 5 programs" in found["notes"][0]
    assert "sources of 3 of 5 candidates" in found["notes"][1]


# --- objectives


def test_columns_are_those_of_the_archive_and_the_registry(data: dict[str, Any], material: Material) -> None:
    names = [one["name"] for one in data["columns"]]
    assert names[0] == SCORE
    assert set(names) == {SCORE, "auditor", *(one.name for one in objectives())}
    roles = [one["role"] for one in data["columns"]]
    assert roles == sorted(roles, key=["score", "steers", "holds", "audits", "beside"].index)
    assert all(one["meaning"] for one in data["columns"])
    assert [row[0] for row in data["legend"]["rows"]] == [one["title"] for one in data["columns"]]
    assert len(data["levels"]) == len(material.scoring.levels)
    assert "persona-free simulator" in data["judge"]
    front = data["charts"]["front"]
    assert [axis["name"] for axis in front["axes"]] == list(material.steering)
    assert len(front["columns"]) == 3 + len(material.steering)


def test_an_objective_that_nobody_knew_of_is_everywhere(changed: Any) -> None:
    """What a new file of the registry, or a newer version, stores: nothing else names it."""
    found = report_data(material_of(changed(*NEW_OBJECTIVE)))
    new = next(one for one in found["columns"] if one["name"] == "warmth_of_tone")
    assert (new["title"], new["role"], new["direction"], new["group"]) == ("warmth of tone", "steers", "more", "steers the search")
    assert found["table"][-1]["measures"]["warmth_of_tone"]["mean"] == 1.5
    assert found["programs"][0]["objectives"]["warmth_of_tone"][0] == -0.25
    assert found["charts"]["front"]["axes"][-1] ["title"] == "warmth of tone"
    assert "warmth of tone" in found["charts"]["front"]["columns"]
    assert ["warmth of tone", "steers the search"] in [row[:2] for row in found["legend"]["rows"]]


def test_a_new_file_of_the_registry_is_told_with_its_meaning(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    new = replace(objectives()[0], name="warmth", meaning="how warm they are", role="beside", order=5)
    rules = {**material.scoring.rules, "warmth": ("beside", "more", None, 1)}
    known = (*objectives(), new)
    for module in ("personaevo.judge.objectives", "personaevo.report.charts"):
        monkeypatch.setattr(f"{module}.objectives", lambda: known)
    found = report_data(replace(material, scoring=replace(material.scoring, rules=rules)))
    assert next(one for one in found["columns"] if one["name"] == "warmth")["meaning"] == "how warm they are"


@pytest.mark.parametrize(
    ("ends", "words", "verdict"),
    [((0.1, 0.05, 0.2), "better than the average person in the score and in every objective", "better"),
     ((0.1, -0.05, 0.2), "is not shown to be better than the average person", "not shown"),
     ((-0.1, -0.2, -0.05), "is worse than the average person", "worse")],
)  # fmt: skip
def test_the_headline_says_where_it_is_not_above_the_average_person(
    material: Material, ends: tuple[float, float, float], words: str, verdict: str
) -> None:
    compared = tuple(Comparison("evolved", "average_person", name, *ends) for name in (SCORE, *material.steering))
    found = report_data(replace(material, final=FinalTable(material.final.rows, compared)))
    assert any(words in said for said in found["headline"])
    assert {one["verdict"] for one in found["versus"]} == {verdict}
    assert len(found["versus"]) == 1 + len(material.steering)
    assert any("An auditor that never steers" in said for said in found["headline"])


def test_where_less_is_better_signs_are_turned(material: Material) -> None:
    name = material.steering[0]
    rules = {**material.scoring.rules, name: ("steers", "less", None, 1)}
    ends = [Comparison("evolved", "average_person", one, -0.1, -0.2, -0.05) for one in (SCORE, *material.steering)]
    turned = replace(material, scoring=replace(material.scoring, rules=rules), final=FinalTable(material.final.rows, tuple(ends)))
    found = report_data(turned)
    assert [one["verdict"] for one in found["versus"] if one["verdict"] == "better"] == ["better"]
    lowest = min(turned.scored(), key=lambda one: one.evaluation.objectives[name].value if one.evaluation else 0.0)
    assert lowest.candidate.number in {row[0] for row in found["charts"]["front"]["rows"]}


def test_every_remark_is_a_sentence(material: Material) -> None:
    kinds = get_args(get_type_hints(Remark)["wanted"])
    told = {kind: remark(Remark("short_rate~pushback_rate", kind)) for kind in kinds}
    assert len(set(told.values())) == len(kinds)
    assert all(text.startswith("short rate and pushback rate: ") and " " in text.split(": ")[1] for text in told.values())


def test_personas_come_with_both_dialogues(data: dict[str, Any]) -> None:
    users = data["dialogues"][data["best"]]["users"]
    assert [len(user["dialogues"]) for user in users] == [2] * 12
    likeness = [sum(one["p_human"] for one in user["dialogues"]) for user in users]
    assert likeness == sorted(likeness, reverse=True)
    inside = sum(one["cell"] is not None for user in users for one in user["dialogues"])
    assert data["outside"] == pytest.approx(1 - inside / 24, abs=1e-4)


# --- archives that are not as usual


def test_an_archive_of_the_first_scoring_shows_its_own_objectives_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    shutil.copy(Path(__file__).resolve().parents[1] / "data" / "schema1.duckdb", path)
    found = report_data(material_of(path))
    assert found["scoring_note"] == f"Scored by scoring 1: its numbers are not comparable with those of scoring {SCORING}."
    assert "scoring 1" in found["legend"]["rows"][0][2]
    assert {"human_likeness", "coverage", "chamfer"} < {one["name"] for one in found["columns"]}
    assert [axis["name"] for axis in found["charts"]["front"]["axes"]] == ["human_likeness", "coverage"]
    assert (found["versus"], found["levels"], found["judge"], found["comparisons"]["rows"]) == ([], [], "", [])
    assert any("no dialogues of the persona-free simulator" in note for note in found["notes"])
    assert {len(user["dialogues"]) for user in found["dialogues"][found["best"]]["users"]} == {1}
    assert page(material_of(path)).startswith("<!doctype html>")


def test_a_search_that_has_not_ended(changed: Any) -> None:
    material = material_of(changed("DELETE FROM final_tables", "DELETE FROM comparisons", "DELETE FROM finals"))
    found = report_data(material)
    assert found["headline"][0].startswith("The search has not ended")
    assert found["best"] == material.ranked()[0].candidate.number
    assert (found["table"], found["versus"], found["finals"]) == ([], [], [])
    below = report_data(replace(material, scoring=replace(material.scoring, rules=out_of_reach(material))))
    assert below["headline"] == ["No candidate meets the floors yet."]
    assert below["best"] is None
    assert {one["rank"] for one in below["programs"]} == {None}


def out_of_reach(material: Material) -> dict[str, Any]:
    return {name: (*rule[:2], 2.0 if rule[0] == "holds" else rule[2], rule[3]) for name, rule in material.scoring.rules.items()}


def test_people_from_elsewhere_are_left_out_and_it_says_why(changed: Any) -> None:
    other = material_of(changed("UPDATE runs SET settings = json_merge_patch(settings, '{\"people_digest\": \"0\"}')"))
    found = report_data(other)
    assert other.compared.people is None
    assert found["notes"] == ["The installed people are not those the run was measured against, so they are left out."]
    assert found["charts"]["behaviors"]["figure"] is None
    assert found["charts"]["plane"]["words"].startswith("People are not available")
    assert [trace["name"] for trace in found["charts"]["plane"]["figure"]["data"]] == ["people", "best program", "cell numbers"]
    assert json.dumps(found, allow_nan=False)


def test_no_file_that_an_archive_names_is_opened(material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("tasks.jsonl", "domain.toml", "reference.jsonl"):
        (trap / name).write_text("{}", encoding="utf-8")
    opened: list[str] = []
    for name in ("open", "read_bytes", "read_text"):
        real = getattr(Path, name)
        monkeypatch.setattr(Path, name, partialmethod(_noted, real, opened))
    file = str(trap / "tasks.jsonl")
    for settings in ({"human": file}, {"tasks": file}, {"program": file}, {"domain": f"{trap}/"}, {"domain_folder": str(trap)}):
        found = compared(with_settings(material, **settings))
        assert len(found.missing) == (not settings.keys() & {"program", "tasks"})  # neither is needed for people
    assert opened, "nothing was noted at all"
    assert [name for name in opened if "trap" in name] == []


def _noted(path: Path, real: Callable[..., Any], opened: list[str], *rest: Any, **more: Any) -> Any:
    opened.append(str(path))
    return real(path, *rest, **more)


def test_the_runs_people_can_be_given(material: Material, tmp_path: Path) -> None:
    own = with_settings(material, human="mine.jsonl")
    assert "--human FILE" in compared(own).missing[0]
    fitness = Path(__file__).resolve().parents[2] / "fitness" / "references"
    given = compared(own, fitness / "service.jsonl").people
    assert given is not None
    assert material.compared.people is not None
    assert given.values.tolist() == material.compared.people.values.tolist()
    with pytest.raises(InputError, match="these are not the people that run 1 was measured against"):
        compared(own, fitness / "camping.jsonl")
    with pytest.raises(InputError, match="nothing"):
        compared(own, tmp_path / "nothing.jsonl")


def test_models_are_named_and_none_is_asked(changed: Any) -> None:
    found = report_data(
        material_of(
            changed(
                "UPDATE runs SET settings = json_merge_patch(settings, '{\"models\": {\"user\": \"openai:some-model\"}}')",
                'INSERT INTO model_calls ("key", run, "role", model, candidate, "text", cut, input_tokens, cached_tokens, output_tokens, '
                "cost, seconds) VALUES (repeat('a', 32), 1, 'user', 'openai:some-model', 1, 'hello', false, 100, 10, 20, 0.5, 2.0)",
            )
        )
    )
    assert found["players"].startswith("Played by: user openai:some-model")
    assert found["notes"] == []
    assert found["costs"] == [
        {
            "role": "user", "calls": 1, "input_tokens": 100, "cached_tokens": 10, "output_tokens": 20, "usd": 0.5, "seconds": 2.0,
            "estimated": 0,
        },
    ]  # fmt: skip


def test_an_archive_of_other_makings_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    """Other cells, other features, failures, no remarks, and before anything was evaluated."""
    path = tmp_path / "made.duckdb"
    with Archive.create_or_open(path) as archive:
        archive.begin_run(SETTINGS, CELLS)
    empty = report_data(material_of(path))
    assert (empty["best"], empty["programs"], empty["table"]) == (None, [], [])
    assert empty["charts"]["progress"]["words"] == "No candidate has been evaluated yet."
    with Archive.create_or_open(path) as archive:
        for commit in (a_commit(0), a_failure(1), a_commit(2)):
            archive.commit(1, commit)
        archive.write_table(1, a_table())
    found = report_data(material_of(path))
    assert [one["state"] for one in found["programs"]] == ["evaluated", "failed", "evaluated"]
    assert found["programs"][1]["reason"].startswith("not valid Python")
    assert "There is no plane" in found["charts"]["plane"]["words"]
    assert page(material_of(path)).startswith("<!doctype html>")
    with pytest.raises(Exception, match="has no run 7"):
        material_of(path, run_id=7)


# --- the file


def test_the_policy_names_the_scripts_and_nothing_else(text: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    script = text.rsplit("<script>", 1)[1].removesuffix("</script>\n</body>\n</html>\n")
    wanted = [base64.b64encode(hashlib.sha256(source).digest()).decode() for source in (script.encode(), unpacked(text, "library"))]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in wanted]
    assert (rules["default-src"], rules["connect-src"], rules["img-src"]) == ("'none'",) * 3
    assert not re.search(r"""(?:src|href)=["'](?!#)""", text), "the page names something outside itself"


def unpacked(text: str, name: str) -> bytes:
    found = re.search(rf'id="{name}">([A-Za-z0-9+/=]+)</script>', text)
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1]))


def test_the_data_in_the_file_is_the_data(text: str, data: dict[str, Any]) -> None:
    assert json.loads(unpacked(text, "data")) == json.loads(json.dumps(data))
    assert len(text) < 3_000_000


def test_equal_archives_give_equal_pages(text: str, finished_archive: Path) -> None:
    assert page(material_of(finished_archive)) == text


def test_write_replaces_its_own_pages_only(text: str, tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    write(text, place)
    write(text, place)
    assert place.read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    letter = tmp_path / "letter.html"
    letter.write_text("Dear all", encoding="utf-8")
    with pytest.raises(InputError, match=r"letter.html exists and is not a report that personaevo wrote: give another --out"):
        write(text, letter)
    with pytest.raises(InputError, match="cannot be written"):
        write(text, tmp_path / "no folder" / "page.html")
    assert letter.read_text(encoding="utf-8") == "Dear all"


# --- the command


def test_command(capsys: Capture, finished_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["archive", "report", str(finished_archive)]) == 0
    said = capsys.readouterr()
    assert (said.err, said.out.startswith("Wrote small.html (2.")) == ("", True)
    assert run(["archive", "report", str(finished_archive), "--out", "other.html", "--run", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"page": "other.html", "bytes": Path("other.html").stat().st_size, "run": 1, "candidates": 5}
    for arguments, code, words in (
        ([str(finished_archive), "--run", "9"], 1, "has no run 9"),
        (["nothing.duckdb"], 1, "nothing.duckdb"),
        ([str(finished_archive), "--out", str(finished_archive)], 1, "not a report"),
        ([str(finished_archive), "--run", "x"], 2, "--run"),
    ):
        assert run(["archive", "report", *arguments]) == code
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert words in said.err
