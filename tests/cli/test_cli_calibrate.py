"""``personaevo calibrate`` as a user calls it, and what uses its curves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from examples.model_server import Fault, ModelServer, person_or_agent
from personaevo.archive import Archive
from personaevo.calibration import load_calibration
from personaevo.cli.app import run
from personaevo.config import SearchConfig
from personaevo.errors import ArchiveError, ConfigError
from personaevo.evolve.loop import SearchLoop
from personaevo.evolve.parts import calibration_of, with_wording
from personaevo.evolve.search import begin, search
from personaevo.simulate.curves import Curve
from personaevo.stress import stress_agent
from tests.cli.cli_cases import Capture, fails
from tests.once import FEW_PEOPLE

EMBEDDED = ["calibrate", "--model", "user=embedded", "--dialogues", "12", "--check", "4"]
FEW = ["--dialogues", "8", "--check", "2"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none-of-your-business")


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer(person_or_agent, keep=20_000) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_it_was(server: ModelServer) -> Iterator[None]:
    yield
    server.fault = None
    server.latency_seconds = 0.0


def model(server: ModelServer) -> str:
    return f"openai:small@{server.openai_url}"


def by(server: ModelServer, *more: str) -> list[str]:
    """The command for the model of the server."""
    return ["calibrate", "--model", f"user={model(server)}", *FEW, "--archive", "a.duckdb", *more]


def calls(path: str = "a.duckdb") -> int:
    with Archive.read(path) as archive:
        return int(archive.query("SELECT count(*) FROM model_calls")[1][0][0])


def asked_of(server: ModelServer) -> int:
    """Questions that reached the server so far."""
    return sum(server.counters.requests.values())


def found(capsys: Capture) -> dict[str, Any]:
    """The printed object, without what differs from time to time."""
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    for name in ("seconds", "models", "archive"):
        del printed[name]
    return printed


def test_the_embedded_engine_needs_nothing(capsys: Capture) -> None:
    assert run([*EMBEDDED, "--html", "page.html"]) == 0
    said = capsys.readouterr()
    assert all(words in said.out for words in ("words per turn", "follows", "Conduct", "Effect of the inverse", "calibration.duckdb"))
    assert "20/20 dialogues" in said.err and "The page is page.html" in said.err
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 19 and "<script" not in page and "Calibration of embedded" in page
    assert run([*EMBEDDED, "--html", "page.html"]) == 0  # an own page is replaced, an own archive is not
    assert sorted(path.name for path in Path().glob("*.duckdb")) == ["calibration-2.duckdb", "calibration.duckdb"]


def test_json_has_the_agreed_names_and_equal_seeds_give_equal_objects(capsys: Capture) -> None:
    objects = []
    for number in range(2):
        assert run([*EMBEDDED, "--json", "--archive", f"{number}.duckdb"]) == 0
        objects.append(found(capsys))
    first = objects[0]
    assert objects[1] == first and (first["model"], first["wording"]) == ("embedded", "draft")
    assert {"dial", "slope", "offset", "n"} <= first["dials"][0].keys() and len(first["dials"]) == 19
    assert {"mean", "low", "high"} == first["breaks"].keys() == first["invented"].keys() == first["as_agent"].keys()
    assert first["check"]["pairs"] == 4 and first["completed"] == 12


def test_a_model_over_the_wire_is_calibrated_and_kept(capsys: Capture, server: ModelServer) -> None:
    assert run(by(server, "--json")) == 0
    first = found(capsys)
    assert [one["wording"] for one in first["tried"]] == ["draft", "direction"] and first["completed"] == 8
    of = load_calibration("a.duckdb", model(server))
    assert (of.model, of.wording, of.digest) == (model(server), first["wording"], first["digest"])
    assert of.curves["words_per_turn"] == Curve(**{name: first["dials"][0][name] for name in Curve.__dataclass_fields__})
    before = calls()
    assert run(by(server, "--json")) == 0  # everything is known
    assert found(capsys) == first and calls() == before
    with Archive.read("a.duckdb") as archive:
        assert archive.query("SELECT count(*)::INTEGER FROM calibrations")[1] == [(1,)]
        assert archive.disagreements() == []
    server.fault = lambda *_: Fault("drop")
    assert run(by(server, "--archive", "b.duckdb", "--replay", "a.duckdb", "--json")) == 0
    assert found(capsys) == first


def test_a_budget_stops_and_a_higher_one_goes_on(capsys: Capture, server: ModelServer) -> None:
    assert run(by(server, "--wording", "draft", "--json")) == 0
    whole, in_all = found(capsys), calls()
    Path("a.duckdb").unlink()
    assert run(by(server, "--wording", "draft", "--max-calls", "30")) == 1
    said = capsys.readouterr()
    assert "Stopped: " in said.err and "continue with the same arguments and --archive a.duckdb" in said.err and said.out == ""
    assert 0 < calls() <= 30
    asked = asked_of(server)
    assert run(by(server, "--wording", "draft", "--json")) == 0
    assert found(capsys) == whole and calls() == in_all
    assert asked_of(server) - asked < in_all


def test_one_that_was_killed_goes_on(server: ModelServer, tmp_path: Path, capsys: Capture) -> None:
    server.latency_seconds = 0.05
    command = [sys.executable, "-m", "personaevo", *by(server, "--wording", "draft")]
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root}, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None and not _kept():
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    server.latency_seconds = 0.0
    kept = calls()
    assert kept > 0
    asked = asked_of(server)
    assert run(by(server, "--wording", "draft", "--json")) == 0
    assert found(capsys)["completed"] == 8
    assert asked_of(server) - asked == calls() - kept


def _kept() -> bool:
    """Whether the killed one wrote answers down."""
    log = Path("a.duckdb.wal")
    return Path("a.duckdb").exists() and log.exists() and log.stat().st_size > 20_000


def test_nobody_there_leaves_nothing(capsys: Capture) -> None:
    assert run(["calibrate", "--model", "user=anthropic:x", *FEW]) == 1  # no key
    assert capsys.readouterr().err.count("\n") == 1
    assert list(Path().glob("*.duckdb*")) == []


def test_a_dry_run_asks_nothing(capsys: Capture, server: ModelServer) -> None:
    asked = asked_of(server)
    assert run(by(server, "--dry-run")) == 0
    assert "18 dialogues" in capsys.readouterr().out
    assert run(by(server, "--dry-run", "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["dialogues"] == 18 and printed["planned"][0]["calls"] > 50
    assert run(["calibrate", "--model", "user=embedded", "--dry-run"]) == 0
    assert "no calls, no costs" in capsys.readouterr().out
    assert asked_of(server) == asked and list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        ([], "expected --model user=PROVIDER:NAME", 2),
        (["--model", "user"], "expected ROLE=MODEL", 2),
        (["--model", "user=embedded", "--model", "judge=openai:x"], "no role 'judge' here", 1),
        (["--model", "user=nobody:x"], "expected embedded, openai:NAME", 1),
        (["--model", "user=embedded", "--check", "1"], "expected 0 (none) or 2", 1),
        (["--model", "user=embedded", "--domain", "nowhere"], "unknown domain 'nowhere'", 1),
        (["--model", "user=embedded", "--html", "no/where.html"], "in a folder that exists", 2),
        (["--model", "user=embedded", "--archive", "no/where.duckdb"], "an archive needs an existing folder", 1),
        (["--model", "user=embedded", "--wording", "text"], "text", 2),
    ],
)
def test_mistakes_are_one_line(capsys: Capture, arguments: list[str], words: str, code: int) -> None:
    assert words in fails(capsys, ["calibrate", *arguments], code)
    assert list(Path().glob("*.duckdb*")) == []


def test_the_archive_of_a_search_is_not_written_to(capsys: Capture) -> None:
    with Archive.create_or_open("a.duckdb") as archive:
        archive.begin_run({"domain": "service"}, [])
    assert "holds a search or refined profiles" in fails(capsys, [*EMBEDDED, "--archive", "a.duckdb"])


# --- where it is used


def searching(server: ModelServer, **more: Any) -> SearchConfig:
    values: dict[str, Any] = {
        "archive": "s.duckdb", "candidates": 1, "task_count": 2, "personas": 1, "test_tasks": 2, "test_personas": 1, "finalists": 1,
        "control_dialogues": 10, "people_draws": 2, "screen": 1, "models": {"user": model(server)}, "calibration": "a.duckdb",
        "human": FEW_PEOPLE,
    }  # fmt: skip
    return SearchConfig(**{**values, **more})


class Begun(Exception):  # noqa: N818 - no error
    """The run has begun: what comes then is not looked at here."""


def test_a_search_records_the_curves_and_not_their_file(
    capsys: Capture, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loop(_: SearchLoop) -> None:
        raise Begun

    monkeypatch.setattr(SearchLoop, "loop", loop)
    assert run(by(server, "--wording", "direction", "--json", "--check", "0")) == 0
    digest = found(capsys)["digest"]
    with pytest.raises(Begun):
        search(searching(server))
    with Archive.create_or_open("s.duckdb") as archive:
        settings = archive.run().settings
        assert (settings["calibration_digest"], settings["wording"]) == (digest, "direction") and "calibration" not in settings
        Path("elsewhere").mkdir()
        Path("a.duckdb").rename("elsewhere/b.duckdb")
        config = with_wording(searching(server, calibration="elsewhere/b.duckdb", resume=True))
        others = {name: value for name, value in settings.items() if name not in {*config.recorded(), "calibration_digest"}}
        calibration = calibration_of(config)
        assert calibration is not None
        setup: Any = SimpleNamespace(inputs={**others, "calibration_digest": calibration.digest})
        assert begin(archive, config, setup).id == 1
        for changed in ({"calibration_digest": "0123"}, {}):
            setup = SimpleNamespace(inputs=others | changed)
            with pytest.raises(ArchiveError, match="made with calibration_digest = ") as caught:
                begin(archive, config, setup)
            assert "\n" not in str(caught.value)


def test_stress_asks_through_the_curves(capsys: Capture, server: ModelServer) -> None:
    assert run(by(server, "--wording", "draft", "--json", "--check", "0")) == 0
    digest = found(capsys)["digest"]
    done = stress_agent(
        lambda _: "Is that all?", None, "service", personas=1, task_count=2, control=False, models={"user": model(server)},
        calibration="a.duckdb",
    )  # fmt: skip
    assert done.settings["calibration"] == digest
    with pytest.raises(ConfigError, match="users that a model plays"):
        stress_agent(lambda _: "Hm.", None, "service", task_count=2, calibration="a.duckdb")


def test_a_calibration_that_is_not_there(server: ModelServer) -> None:
    assert run([*EMBEDDED, "--archive", "a.duckdb"]) == 0
    with pytest.raises(ConfigError, match=r"no calibration of .*only embedded: make one"):
        load_calibration("a.duckdb", model(server))


def test_other_prompts_need_another_calibration(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(by(server, "--wording", "draft", "--check", "0")) == 0
    with pytest.raises(ConfigError, match=r"no calibration of .* with the wording 'direction', only draft"):
        load_calibration("a.duckdb", model(server), "direction")
    monkeypatch.setattr("personaevo.calibration.prompt_digest", lambda _: "0000")
    with pytest.raises(ConfigError, match="with other prompts than the installed ones"):
        load_calibration("a.duckdb", model(server))
