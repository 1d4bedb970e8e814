"""The wheel: what it holds, and that an installation finds its content."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import personaevo
from personaevo import definitions

ROOT = Path(__file__).resolve().parent.parent
hatchling = pytest.importorskip("hatchling.build", reason="hatchling is not installed: it comes with the dev extra")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return folder / str(hatchling.build_wheel(str(folder)))
    finally:
        os.chdir(before)


def test_wheel_holds_package_and_content(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("seeds", "fitness", "archive"):
        for path in (ROOT / folder).rglob("*"):
            passing = "__pycache__" in path.parts or path.suffix == ".lock"  # of other tests, which read the packaged archives meanwhile
            if path.is_file() and not passing:
                assert f"personaevo/_content/{path.relative_to(ROOT).as_posix()}" in names
    assert "personaevo/_content/seeds/axes.toml" in names
    for domain in definitions.domain_names():
        folder = f"personaevo/_content/fitness/negatives/{domain}/"
        assert len([name for name in names if name.startswith(folder) and name.endswith(".py")]) == 10
    assert "personaevo/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/")) or "__pycache__" in name]


def test_installation_finds_its_content(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:  # what pip install --target --no-deps does with a pure wheel
        packed.extractall(tmp_path / "site")
    code = (
        "import personaevo; from personaevo import content, definitions, reference; from personaevo.archive.schema import migrations\n"
        "from personaevo.evolve import genotype\nfrom personaevo.evolve.controls import negative_programs\n"
        "print(personaevo.__file__); print(content.root('seeds'))\n"
        "print(definitions.domain_names(), len(reference.packaged('service')) > 1000, len(migrations()) > 0)\n"
        "print(len(negative_programs('service')), genotype.words().keys() == definitions.dials().keys())\n"
        "from personaevo.cli.app import run; raise SystemExit(run(['domain', 'new', 'clinic']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    package, seeds, found, words = done.stdout.splitlines()[:4]
    assert package == str(tmp_path / "site" / "personaevo" / "__init__.py")
    assert seeds == str(tmp_path / "site" / "personaevo" / "_content" / "seeds")
    assert found == "['camping', 'charity', 'service'] True True"
    assert words == "10 True"
    assert {path.name for path in (tmp_path / "clinic").iterdir()} == {"README.md", "domain.toml", "tasks.jsonl"}


def test_declared_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == personaevo.__version__
    assert (ROOT / "personaevo" / "py.typed").exists()
