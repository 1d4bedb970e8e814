"""``personaevo models``, and what the command line says about models of files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from personaevo.cli.app import run
from personaevo.models import found, local_server
from tests.cli.cli_cases import Capture, fails
from tests.models.local_files import gguf_file
from tests.models.server import serving

KEY = "sk-canary-0815"


@pytest.fixture(autouse=True)
def _nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(found, "_PACKAGE", "no_such_package")
    monkeypatch.setattr(found, "SERVERS", {})
    monkeypatch.setattr(found, "_version", lambda: "1")


def shown(capsys: Capture, *arguments: str) -> str:
    assert run(["models", *arguments]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_nothing_found_says_how_to_get_one_in_three_lines(capsys: Capture) -> None:
    out = shown(capsys)
    assert out.count("\n") == 3
    assert "pip install 'personaevo[local]'" in out
    assert json.loads(shown(capsys, "--json")) == {"models": [], "keys": [], "xllamacpp": "1"}


def test_what_is_found_is_ready_to_be_used(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf_file(tmp_path / "models" / "a b.gguf")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(models=["llama3:8b"]) as server:
        monkeypatch.setattr(found, "SERVERS", {"Ollama": server.port})
        out, listed = shown(capsys), json.loads(shown(capsys, "--json"))
    model = f"openai:llama3:8b@http://127.0.0.1:{server.port}/v1"
    assert f"search --model user={model}" in out
    assert f"'local:{tmp_path}/models/a b.gguf'" in out
    assert "OPENAI_API_KEY is set" in out
    assert KEY not in out + str(listed)
    assert [list(one) for one in listed["models"]] == [["model", "where", "ready"]] * 2
    assert listed["keys"] == ["OPENAI_API_KEY"]


def test_files_without_the_extra(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf_file(tmp_path / "m.gguf")
    monkeypatch.setattr(found, "_version", lambda: None)
    out = shown(capsys)
    assert out.startswith("not yet")
    assert "pip install 'personaevo[local]'" in out
    assert "search" not in out


def test_a_file_that_cannot_be_used_is_not_offered(capsys: Capture, tmp_path: Path) -> None:
    gguf_file(tmp_path / "base.gguf", template=None)
    out = shown(capsys)
    assert out.startswith("not yet")
    assert "no chat template" in out
    assert "search" not in out
    assert "a GGUF file of an instruct model" in out


def test_only_a_key(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    out = shown(capsys)
    assert "--model user=anthropic:NAME" in out
    assert KEY not in out


def test_a_folder_that_is_none(capsys: Capture) -> None:
    assert "folder nothing: there is none" in fails(capsys, ["models", "--gguf", "nothing"])


@pytest.mark.parametrize("options", [["--dry-run"], []])
def test_a_file_that_is_none_is_one_line(capsys: Capture, options: list[str]) -> None:
    assert "there is no such file" in fails(capsys, ["search", "--model", "user=local:nothing.gguf", *options])


def test_a_dry_run_does_not_load(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "installed", lambda: False)
    gguf_file(tmp_path / "m.gguf")
    assert run(["search", "--model", "user=local:m.gguf", "--max-usd", "0", "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["usd"] == 0.0
    assert planned["planned"][0]["model"].startswith("local:m.gguf#")


def test_a_search_without_the_extra_is_one_line(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "installed", lambda: False)
    gguf_file(tmp_path / "m.gguf")
    said = fails(capsys, ["search", "--model", "user=local:m.gguf", "--archive", "a.duckdb"])
    assert "pip install 'personaevo[local]'" in said
    assert not Path("a.duckdb").exists()


# --- --set


def test_settings_of_a_role_reach_the_model_and_are_recorded(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text('[models.user]\nmodel = "openai:m"\ntemperature = 0.3\n', encoding="utf-8")
    assert run(["search", "c.toml", "--set", "user.max_tokens=90", "--set", "user.top_k=4", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["planned"][0]["model"] == "openai:m;max_tokens=90;temperature=0.3;top_k=4"


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("temperature=1", "--set temperature=1: expected ROLE.KEY=VALUE"),
        ("user.temperature", "--set user.temperature: expected ROLE.KEY=VALUE"),
        ("mutator.seed=1", "--set mutator.seed=1: no model plays mutator; add --model mutator=MODEL"),
        ("user.temperature=hot", "setting temperature: expected a number from 0 to 10, got 'hot'"),
    ],
)
@pytest.mark.parametrize("command", ["search", "calibrate"])
def test_wrong_settings_are_one_line(capsys: Capture, command: str, setting: str, line: str) -> None:
    assert run([command, "--model", "user=openai:m", "--set", setting, "--dry-run"]) in (1, 2)
    assert line in capsys.readouterr().err


def test_an_address_of_the_environment_is_named_first(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gateway:4000/v1")
    assert run(["search", "--model", "user=openai/m", "--dry-run", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines()[0] == "user: openai:m at http://gateway:4000/v1, as OPENAI_BASE_URL says"
    assert json.loads(told.out)["planned"][0]["model"] == "openai:m@http://gateway:4000/v1"
