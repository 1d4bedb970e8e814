"""Packaged archives: found by name, made by one function, and made again alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from benchmarks.package_archives import CANDIDATES, SEED, digest, make, remake
from personaevo import content
from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.definitions import domain_names
from personaevo.errors import ArchiveError
from personaevo.sampler import PersonaSampler
from tests.evolve.evolve_cases import SMALL

PACKAGED = content.archives()
SMALLEST = SearchConfig(**{**SMALL, "candidates": 3})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one."""
    path = tmp_path_factory.mktemp("packaged") / "small.duckdb"
    make(path, SMALLEST)
    return path


def test_a_packaged_archive_can_be_made_again_from_what_it_holds(small: Path, tmp_path: Path) -> None:
    assert remake(small, tmp_path / "again.duckdb") == digest(small)


def test_packaged_archives_are_known_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packaged").mkdir()
    for name in ("some.duckdb", "other.duckdb", "README.md"):
        (tmp_path / "packaged" / name).touch()
    monkeypatch.setattr(content, "root", {"archive": tmp_path}.__getitem__)
    assert content.archives() == {name: tmp_path / "packaged" / f"{name}.duckdb" for name in ("other", "some")}


def test_a_name_is_a_packaged_archive_where_there_is_no_such_file(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "archives", lambda: {"some": small})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some").mkdir()
    assert PersonaSampler("some").sample(n=1)[0].archive == "some"
    with pytest.raises(ArchiveError, match=r"archive 'sone': there is no such file, .* \(packaged: some\)"):
        PersonaSampler("sone")
    (tmp_path / "some").rmdir()
    (tmp_path / "some").write_bytes(b"a file of that name" * 1_000)
    with pytest.raises(ArchiveError, match="is not an archive"):
        PersonaSampler("some")


def test_there_is_one_for_each_domain() -> None:
    assert sorted(PACKAGED) == domain_names()


@pytest.mark.parametrize("name", sorted(PACKAGED))
def test_a_packaged_archive_holds_its_settings(name: str, tmp_path: Path) -> None:
    with Archive.read(PACKAGED[name]) as archive:
        run = archive.run()
        assert (run.settings["domain"], run.settings["seed"], len(archive.commits(run.id))) == (name, SEED, CANDIDATES)
        settings = {field: value for field, value in run.settings.items() if field in SearchConfig.model_fields}
        assert SearchConfig.model_validate(settings).recorded() == SearchConfig().recorded() | settings  # what came later has its default
        archive.verify_digest()
    with duckdb.connect(str(PACKAGED[name]), read_only=True) as bare:
        newest = len(list((content.root("archive") / "migrations").glob("*.sql")))
        assert bare.execute("SELECT max(number) FROM migrations").fetchall() == [(newest,)]  # else each opening would migrate a copy
    elsewhere = Path(shutil.copy(PACKAGED[name], tmp_path))  # what is packaged is not checked when it is opened; it would pass
    with Archive.read(elsewhere) as archive:
        assert archive.disagreements() == []
        assert archive.elites()
    assert PACKAGED[name].stat().st_size < 3_000_000
    sampler = PersonaSampler(name)
    assert len({persona.id for persona in sampler.sample(n=50)}) == 50


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PACKAGED))
def test_a_packaged_archive_is_made_again(name: str, tmp_path: Path) -> None:
    assert remake(PACKAGED[name], tmp_path / "again.duckdb") == digest(PACKAGED[name])
