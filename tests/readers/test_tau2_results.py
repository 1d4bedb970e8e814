"""Results of τ²-bench: where a run may lie, voice among text, and users who are no people."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from personaevo import reference
from personaevo.errors import DialoguesWarning, InputError
from personaevo.readers import read_dialogues

TALK = [{"role": "assistant", "content": "Hi! How can I help?"}, {"role": "user", "content": "cancel it ###STOP###"}]
TICKS = [{"tick_id": 0, "user_chunk": {"role": "user", "content": "UklGRg==", "is_audio": True}}]
VOICE: dict[str, dict[str, Any]] = {
    "full duplex": {"messages": None, "ticks": TICKS, "mode": "full_duplex"},
    "ticks alone": {"messages": None, "ticks": TICKS},
    "without ticks": {"messages": None, "ticks": None, "mode": "full_duplex"},
    "no messages": {"messages": [], "ticks": TICKS},
    "spoken messages": {"messages": [{"role": "user", "content": "UklGRg==", "is_audio": True}], "mode": "half_duplex"},
}


def simulation(identity: str, task: str = "1", **more: Any) -> dict[str, Any]:
    return {"id": identity, "task_id": task, "trial": 0, "seed": 3, "messages": TALK, "ticks": None, "mode": "half_duplex", **more}


def run(folder: Path, *simulations: dict[str, Any], apart: bool = False, domain: str = "retail") -> Path:
    """A run as τ²-bench saves it: text in one file, voice with a file for each simulation."""
    folder.mkdir(parents=True)
    head: dict[str, Any] = {"timestamp": "t", "info": {"environment_info": {"domain_name": domain}}, "tasks": []}
    (folder / "results.json").write_text(json.dumps(head if apart else {**head, "simulations": simulations, "simulation_index": None}))
    if apart:
        (folder / "simulations").mkdir()
        for one in simulations:
            (folder / "simulations" / f"{one['id']}.json").write_text(json.dumps(one))
    return folder


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("given", ["", "results.json"])
def test_a_run_folder_and_its_file(tmp_path: Path, apart: bool, given: str) -> None:
    folder = run(tmp_path / "one", simulation("a"), simulation("b"), apart=apart)
    found = read_dialogues(folder / given)
    assert [(one.id, one.domain, one.task, one.user_kind, one.user_texts()) for one in found] == [
        (identity, "retail", "1", "llm", ["cancel it"]) for identity in "ab"
    ]


def test_64_dialogues_of_ten_runs_are_read_in_one_go(tmp_path: Path) -> None:
    """Of a folder of runs, of their folders and of their files; of old results, a file for each run, too."""
    names = [f"{number:02}" for number in range(10)]
    for index, name in enumerate(names):
        simulations = [simulation(f"{name}-{number}") for number in range(7 if index < 4 else 6)]
        run(tmp_path / "data" / "simulations" / name, *simulations, domain="airline" if index else "retail", apart=index == 9)
        (tmp_path / "old").mkdir(exist_ok=True)
        (tmp_path / "old" / f"{name}.json").write_text(json.dumps({"info": {}, "tasks": [], "simulations": simulations}))
    folders = [tmp_path / "data" / "simulations" / name for name in names]
    ways = (tmp_path / "data", tmp_path / "data" / "simulations", folders, tmp_path / "old", sorted((tmp_path / "old").iterdir()))
    read = [read_dialogues(way) for way in ways]
    assert [len({one.id for one in found}) for found in read] == [64] * 5
    assert {one.domain for one in read[0]} == {"airline", "retail"}


def test_simulations_of_several_runs_without_ids(tmp_path: Path) -> None:
    for name in "xy":
        run(tmp_path / name, simulation(""), simulation("", "2"))
    assert len({one.id for one in read_dialogues(tmp_path)}) == 4


@pytest.mark.parametrize("kind", VOICE)
@pytest.mark.parametrize("apart", [False, True])
def test_one_voice_simulation_does_not_refuse_the_rest(tmp_path: Path, kind: str, apart: bool) -> None:
    folder = run(tmp_path / "one", simulation("a"), {**simulation("v"), **VOICE[kind]}, simulation("z"), apart=apart)
    with pytest.warns(DialoguesWarning, match=r"1 of 3 simulations of tau2-bench cannot be read \(.*\): voice \(full-duplex\)"):
        assert [one.id for one in read_dialogues(folder)] == ["a", "z"]


@pytest.mark.parametrize("kind", VOICE)
def test_voice_alone_is_named_as_such(tmp_path: Path, kind: str) -> None:
    folder = run(tmp_path / "one", {**simulation("v"), **VOICE[kind]})
    with pytest.raises(InputError, match=r"1 of 1 simulations of tau2-bench cannot be read .* no messages; give text runs"):
        read_dialogues(folder)


def test_a_voice_run_among_text_runs(tmp_path: Path) -> None:
    run(tmp_path / "text", simulation("a"))
    run(tmp_path / "voice", *({**simulation(f"v{number}"), **VOICE["full duplex"]} for number in range(3)), apart=True)
    with pytest.warns(DialoguesWarning, match="3 of 4 simulations"):
        assert [one.id for one in read_dialogues(tmp_path)] == ["a"]


def test_a_failed_simulation_has_no_turns(tmp_path: Path) -> None:
    folder = run(tmp_path / "one", simulation("a", messages=[], termination_reason="infrastructure_error"), simulation("b"))
    assert [len(one.turns) for one in read_dialogues(folder)] == [0, 2]


@pytest.mark.parametrize("built", [False, True])
def test_models_are_not_called_people_without_a_word(tmp_path: Path, built: bool) -> None:
    """Results of τ²-bench as people: it is said, every time."""
    words = [f"alpha{number} beta{number} {'gamma ' * (number % 9)}" for number in range(80)]
    talks = [[TALK[0], {"role": "user", "content": text}, TALK[0], {"role": "user", "content": f"{text} bye"}] for text in words]
    file = run(tmp_path / "one", *(simulation(f"s{number}", str(number), messages=talk) for number, talk in enumerate(talks)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if built:
            file = tmp_path / "built.jsonl"
            reference.save(reference.build(read_dialogues(tmp_path / "one"), domain="retail", corpus="own", license="own"), file)
    with pytest.warns(DialoguesWarning, match=r"the users of all 80 dialogues were played by models, not by people"):
        found = reference.read(file, domain="retail")
    assert found.kind == "llm"
