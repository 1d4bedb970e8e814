"""README and docs: links lead somewhere, commands have such options, those about archives run, and so does Python."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

import personaevo as pe
from personaevo.cli.app import app, run

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST_LINES = 150


def blocks(page: Path, kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == kind]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of a page, split as a shell does, without comments; "&&" and "&" part commands."""
    for page in PAGES:
        for line in (line for text in blocks(page, "sh") for line in text.splitlines()):
            words = shlex.split(line, comments=True)
            while words:
                end = next((at for at, word in enumerate(words) if word in ("&&", "&")), len(words))
                yield page.name, words[:end]
                words = words[end + 1 :]


COMMANDS = list(commands())


def command_of(words: Sequence[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, and the rest of them."""
    found: click.Command = app
    rest = list(words)
    while isinstance(found, click.Group):
        found = found.commands[rest.pop(0)]
    return found, rest


def test_the_readme_is_short_and_names_every_page() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= set(re.findall(r"\((docs/\w+\.md)\)", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_files_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link
    for file in re.findall(r"`((?:fitness|seeds|archive|examples|tests|benchmarks)/[\w./-]+)`", text):
        assert (ROOT / file).exists(), file
    for name in re.findall(r"benchmarks\.(\w+)", text):
        assert (ROOT / "benchmarks" / f"{name}.py").exists(), name


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda one: one if isinstance(one, str) else " ".join(one)[:60])
def test_a_command_is_one(page: str, words: list[str]) -> None:
    program = words[0].rpartition("/")[2]
    if program == "personaevo":
        command, rest = command_of(words[1:])
        options = {name for parameter in command.params for name in parameter.opts}
        given = {word for word in rest if word.startswith("-")}
        assert given <= options, f"{page}: {given - options}"
    elif program == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        wanted = re.findall(r"personaevo\[(\w+)\]", " ".join(words))
        assert set(wanted) <= set(extras)
    else:
        assert program == "python"
        place = ROOT / (words[2].replace(".", "/") if words[1] == "-m" else words[1])
        assert place.exists() or place.with_suffix(".py").exists()


@pytest.fixture
def archives(finished_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two searches in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("service", "other"):
        shutil.copy(finished_archive, tmp_path / f"{name}.duckdb")
    return tmp_path


def test_commands_about_archives_run(archives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    looked = [words[1:] for page, words in COMMANDS if page == "archive.md"]
    with pe.Archive.read("service.duckdb") as archive:
        held = archive.elites()[0].cell
    for words in looked:
        assert run([word.replace("cell:3", f"cell:{held}") for word in words]) == 0, capsys.readouterr().err
    assert {"small.duckdb", "both.duckdb", "exported", "service.html"} <= {file.name for file in archives.iterdir()}


def prelude(page: str) -> dict[str, Any]:
    """What the code of a page takes for granted."""
    if page != "simulators.md":
        return {}
    texts = iter(["What is your booking reference?", "Anything else?", "Goodbye."])
    return {
        "task": pe.Task(id="t", goal="move my flight", facts={"booking reference": "JL88WQ"}), "my_prompt": "You are a customer.",
        "my_user_model": lambda heard, direction: f"ok {direction[:20]}", "my_agent": lambda text: next(texts, "Goodbye."),
    }  # fmt: skip


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_runs(page: Path, archives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    names = {**prelude(page.name), "__name__": page.stem}
    for text in blocks(page, "python"):
        exec(compile(smaller(text), f"{page.name}", "exec"), names)


def smaller(text: str) -> str:
    """The same with the smallest plan that a search takes."""
    tiny = "task_count=2, personas=2, test_tasks=2, test_personas=2, finalists=1, control_dialogues=10, people_draws=2, jobs=1"
    bare = re.sub(r"(?:task_count|personas)=\d+, ?|, (?:task_count|personas)=\d+", "", text)
    return re.sub(r"pe\.SearchConfig\(", f"pe.SearchConfig({tiny}, ", bare)


def test_the_api_page_has_every_name_as_its_docstring_says() -> None:
    """``python docs/make_api.py`` writes the page."""
    place = ROOT / "docs" / "make_api.py"
    specification = importlib.util.spec_from_file_location("make_api", place)
    assert specification is not None and specification.loader is not None
    made = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(made)
    named = [name for names in made.GROUPS.values() for name in names]
    assert sorted(named) == sorted(name for name in pe.__all__ if not name.startswith("__")) and len(set(named)) == len(named)
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == made.page(), "docs/api.md is old: python docs/make_api.py"
    for name in named:
        assert inspect.getdoc(getattr(pe, name)), name
