"""Content in a checkout, and domains of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from personaevo import content, definitions
from personaevo.archive import Archive
from personaevo.cli.app import run
from personaevo.config import SearchConfig, make_config
from personaevo.errors import ArchiveError, ConfigError, ContentError, ReferenceDataError
from personaevo.evolve import controls
from personaevo.evolve.prepare import load_people, load_program, load_tasks
from personaevo.readers import read_tasks
from tests.once import FEW_PEOPLE


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    assert run(["domain", "new", "clinic", "--to", str(tmp_path)]) == 0
    return tmp_path / "clinic"


def test_content_is_found_in_the_checkout() -> None:
    for folder in ("seeds", "fitness", "archive"):
        assert content.root(folder).is_dir()
    with pytest.raises(ContentError, match="'nothing' is missing"):
        content.root("nothing")


def test_toml_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="is missing"):
        content.read_toml(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("a = [", encoding="utf-8")
    with pytest.raises(ContentError, match="not readable as TOML"):
        content.read_toml(bad)
    with pytest.raises(ContentError, match="cannot be read"):
        content.read_toml(tmp_path)


@pytest.mark.parametrize("name", definitions.domain_names())
def test_installed_domains_are_complete(name: str) -> None:
    files = definitions.domain_files(name)
    assert files.definition.is_file()
    assert files.tasks.is_file()
    assert files.reference.is_file()


def test_unknown_domain_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"unknown domain 'nosuch': installed are camping, charity, service; make one with"):
        definitions.domain("nosuch")


def test_a_folder_of_that_name_is_pointed_out(clinic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clinic.parent)
    with pytest.raises(ConfigError, match=r"give the folder of that name as './clinic'"):
        definitions.domain("clinic")


def test_folder_without_a_domain(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no domain\.toml"):
        definitions.domain(str(tmp_path))


def test_domain_given_as_a_folder(clinic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clinic.parent)
    config = make_config({"domain": "./clinic/"})
    assert (config.domain, config.domain_folder, config.domain_place) == ("clinic", clinic, str(clinic))
    assert config.recorded()["domain"] == "clinic"
    assert "domain_folder" not in config.recorded()
    installed = SearchConfig(domain="charity")
    assert (installed.domain_folder, installed.domain_place) == (None, "charity")


def test_skeleton_works(clinic: Path) -> None:
    config = make_config({"domain": str(clinic)})
    domain = definitions.domain(config.domain_place)
    assert (domain.title, domain.opens) == ("clinic", "user")
    assert {split: len(tasks) for split, tasks in load_tasks(config).items()} == {"train": 4, "test": 4}
    assert load_program(config).id == load_program(SearchConfig()).id
    assert "NEW_DOMAIN" not in "".join(path.read_text(encoding="utf-8") for path in clinic.iterdir())


def test_skeleton_wording_is_neutral(clinic: Path) -> None:
    common = {phrase.text for phrases in definitions.domain("camping").user.values() for phrase in phrases}
    user = definitions.domain(str(clinic)).user
    tasks = read_tasks(clinic / "tasks.jsonl")
    own = {phrase.text.replace("{goal}", task.goal) for task in tasks for key in ("goal", "restate") for phrase in user[key]} - common
    texts = own | {text for task in tasks for text in (*task.facts, *task.facts.values())}
    assert {text: shown for text in texts if (shown := definitions.features().shown(text))} == {}


def test_skeleton_needs_people_of_its_own(clinic: Path) -> None:
    config = make_config({"domain": str(clinic)})
    with pytest.raises(ReferenceDataError, match=r"no reference data of people: give dialogues with --human FILE"):
        load_people(config)
    built = definitions.domain_files("camping").reference
    assert load_people(make_config({"domain": str(clinic), "human": built})).domain == "camping"
    (clinic / "reference.jsonl").write_bytes(built.read_bytes())
    assert len(load_people(config)) == len(load_people(SearchConfig(domain="camping")))


def test_wording_that_lacks_something_names_it(clinic: Path) -> None:
    path = clinic / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("confirm = [", "confrim = ["), encoding="utf-8")
    with pytest.raises(ContentError, match=r"domain\.toml: \[agent\] needs wording for confirm"):
        definitions.domain(str(clinic))


@pytest.mark.parametrize(
    ("kind", "row", "message"),
    [
        ("feature", {"name": "sarcasm_rate", "kind": "lexicon"}, "nothing plays the dial of .* the feature 'sarcasm_rate'"),
        ("dial", {"name": "stubbornness"}, "nothing plays the dial 'stubbornness'"),
    ],
)
def test_a_dial_that_nothing_plays_is_refused(kind: str, row: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = content.toml("fitness", "features.toml")
    monkeypatch.setattr(content, "toml", lambda *_: {**table, kind: [*table[kind], row]})
    definitions.behaviors.cache_clear()
    try:
        with pytest.raises(ContentError, match=message):
            definitions.dials.__wrapped__()
    finally:
        definitions.behaviors.cache_clear()


def test_domain_file_of_the_wrong_form_names_the_field(clinic: Path) -> None:
    path = clinic / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('opens = "user"', 'opens = "nobody"'), encoding="utf-8")
    with pytest.raises(ContentError, match=r"domain\.toml: field 'opens': input should be 'user' or 'agent'"):
        definitions.domain(str(clinic))


def test_search_in_a_domain_of_ones_own(clinic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over two processes: what workers are told of a domain must be enough for them."""
    capsys.readouterr()
    assert run([
        "search", "--domain", f"{clinic}/", "--human", str(FEW_PEOPLE), "--archive", str(clinic / "a.duckdb"),
        "--candidates", "2", "--jobs", "2", "--json", str(Path(__file__).parent / "cli" / "quick.toml"),
    ]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert found["candidates"] == 2
    with Archive.read(clinic / "a.duckdb") as archive:
        assert archive.verify_digest() == found["digest"]
    assert {row["row"] for row in found["table"]} == {"humans", "persona_free", *controls.ROWS, "seed_program", "evolved"}


def test_archives_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = content.archives()
    assert {name: content.archive_file(name) for name in names} == names
    assert content.archive_file("new.duckdb") == Path("new.duckdb")  # whoever opens it says that it is not there
    with pytest.raises(ArchiveError, match=r"archive 'nothing': there is no such file, and no packaged archive of that name \(packaged: "):
        content.archive_file("nothing")
    Path("service").touch()
    assert content.archive_file("service") == Path("service")  # a file comes first
