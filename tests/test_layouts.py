"""Logs in the layouts that people have them in: each is read with the right dialogues, turns and people; each refusal is one line."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from personaevo.errors import ConfigError, DialoguesWarning, InputError
from personaevo.readers import read_dialogues, read_logs
from personaevo.readers.layouts import Roles

DIALOGUES, TURNS = 6, 4
CASES = Path(__file__).resolve().parents[2] / "shared" / "cases"
TEXTS = [[f"hello it is {number}", "What can I do?", f"cancel order {number}", "Done."] for number in range(DIALOGUES)]


def said(texts: list[str], role: str = "role", content: str = "content", user: str = "user", other: str = "assistant") -> list[Any]:
    return [{role: (user, other)[index % 2], content: text} for index, text in enumerate(texts)]


def rows(key: str, identity: str | None = "id", people: str = "user_id", **names: str) -> list[dict[str, Any]]:
    """The dialogues of three people, two each."""
    return [
        {**({identity: f"d{number}"} if identity else {}), key: said(texts, **names), people: f"u{number // 2}"}
        for number, texts in enumerate(TEXTS)
    ]


def as_lines(path: Path, values: list[Any]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def as_json(path: Path, value: Any, indent: int | None = None) -> Path:
    path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
    return path


def turn_rows(**more: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"d{number}", "role": turn["role"], "content": turn["content"], "user_id": f"u{number // 2}", **more}
        for number, texts in enumerate(TEXTS) for turn in said(texts)
    ]  # fmt: skip


def as_csv(path: Path, values: list[dict[str, Any]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(values[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(values)
    return path


def as_parquet(path: Path, values: list[Any]) -> Path:
    source = as_lines(path.with_suffix(".lines"), values)
    duckdb.sql(f"COPY (FROM read_json('{source}', format = 'newline_delimited')) TO '{path}' (FORMAT parquet)")
    source.unlink()
    return path


OPENAI = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]},
          {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}, {"role": "tool", "content": "{}"},
          {"role": "assistant", "content": "hello"}]  # fmt: skip

LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "own": lambda at: as_lines(at / "d.jsonl", rows("turns")),
    "messages": lambda at: as_lines(at / "d.jsonl", rows("messages")),
    "messages, own names": lambda at: as_lines(at / "d.ndjson", rows("messages", "conv_id", "customer_id")),
    "sharegpt": lambda at: as_json(at / "d.json", rows("conversations", role="from", content="value", user="human", other="gpt")),
    "wildchat": lambda at: as_lines(at / "d.jsonl", rows("conversation", "conversation_hash", "hashed_ip")),
    "lmsys": lambda at: as_lines(at / "d.jsonl", [{**row, "model": "m", "turn": 2} for row in rows("conversation", "conversation_id")]),
    "speakers": lambda at: as_json(at / "d.json", rows("dialogue", role="speaker", content="text", user="Customer", other="AGENT")),
    "client and bot": lambda at: as_lines(at / "d.jsonl", rows("utterances", role="sender", content="message", user="client", other="bot")),
    "indented": lambda at: as_json(at / "d.json", rows("chat", user="Human", other="model"), 2),
    "wrapped": lambda at: as_json(at / "d.json", {"version": 3, "about": {"by": "me"}, "data": rows("turns")}),
    "wrapped twice": lambda at: as_json(at / "d.json", {"export": {"items": rows("messages")}, "n": [1]}),
    "wrapped, key of turns": lambda at: as_json(at / "d.json", {"conversations": rows("messages")}),
    "halves": lambda at: as_json(at / "d.json", {"train": rows("turns")[:3], "test": rows("turns")[3:]}),
    "by id": lambda at: as_json(at / "d.json", {row["id"]: row for row in rows("messages")}),
    "texts of json": lambda at: as_lines(at / "d.jsonl", [{**row, "messages": json.dumps(row["messages"])} for row in rows("messages")]),
    "rows of turns": lambda at: as_lines(at / "d.jsonl", turn_rows(id_of_turn=7)),
    "csv": lambda at: as_csv(at / "d.csv", turn_rows()),
    "csv by excel": lambda at: as_csv(at / "D.CSV", [{key.replace("_", " ").title(): value for key, value in row.items()}
                                                     for row in turn_rows()], ";"),
    "tsv": lambda at: as_csv(at / "d.tsv", turn_rows(), "\t"),
    "csv with ids of turns": lambda at: as_csv(at / "d.csv", [{**row, "id": index, "conversation_id": row["id"]}
                                                              for index, row in enumerate(turn_rows())]),
    "csv with texts of json": lambda at: as_csv(at / "d.csv", [{**row, "messages": json.dumps(row["messages"])}
                                                               for row in rows("messages")]),
    "parquet of turns": lambda at: as_parquet(at / "d.parquet", turn_rows()),
    "parquet of dialogues": lambda at: as_parquet(at / "d.parquet", rows("conversation", "conversation_id")),
    "parquet, odd name": lambda at: as_parquet(at / "d[1].parquet", turn_rows()),
    "gz": lambda at: packed(as_lines(at / "d.jsonl", rows("messages")), "gz", gzip.compress),
    "bz2": lambda at: packed(as_lines(at / "d.jsonl", rows("messages")), "bz2", bz2.compress),
    "xz": lambda at: packed(as_json(at / "d.json", rows("messages")), "xz", lzma.compress),
    "csv.gz": lambda at: packed(as_csv(at / "d.csv", turn_rows()), "gz", gzip.compress),
    "parquet.bz2": lambda at: packed(as_parquet(at / "d.parquet", turn_rows()), "bz2", bz2.compress),
    "packed by another name": lambda at: packed(as_lines(at / "d", rows("messages")), "jsonl", bz2.compress),
}  # fmt: skip


def packed(path: Path, ending: str, pack: Callable[[bytes], bytes]) -> Path:
    done = path.with_name(f"{path.name}.{ending}")
    done.write_bytes(pack(path.read_bytes()))
    path.unlink()
    return done


@pytest.mark.parametrize("name", LAYOUTS)
def test_read_with_its_dialogues_turns_and_people(tmp_path: Path, name: str) -> None:
    logs = read_logs(LAYOUTS[name](tmp_path))
    assert [dialogue.id for dialogue in logs.dialogues] == [f"d{number}" for number in range(DIALOGUES)]
    assert [[turn.content for turn in dialogue.turns] for dialogue in logs.dialogues] == TEXTS
    assert all([turn.role for turn in dialogue.turns] == ["user", "assistant"] * 2 for dialogue in logs.dialogues)
    assert [dialogue.user_id for dialogue in logs.dialogues] == ["u0", "u0", "u1", "u1", "u2", "u2"]
    assert logs.notes == ()


def test_ids_and_people_may_be_numbers_or_missing(tmp_path: Path) -> None:
    given = [{**row, "id": identity, "user_id": person} for row, identity, person in
             zip(rows("messages"), [0, 1.0, None, "", "x", 2**40], [7, 7.0, None, "", "7", 8], strict=True)]  # fmt: skip
    found = read_dialogues(as_lines(tmp_path / "d.jsonl.txt", given))
    assert [one.id for one in found] == ["0", "1", "d.jsonl:3", "d.jsonl:4", "x", str(2**40)]
    assert [one.user_id or None for one in found] == ["7", "7", None, None, "7", "8"]
    assert [one.id for one in read_dialogues(as_json(tmp_path / "n.json", rows("conversations", None)))][:2] == ["n:1", "n:2"]
    parquet = as_parquet(tmp_path / "n.parquet", [{**row, "id": int(row["id"][1:]), "user_id": None} for row in turn_rows()])
    assert [(one.id, one.user_id) for one in read_dialogues(parquet)] == [(str(number), None) for number in range(DIALOGUES)]


def test_lists_of_turns_are_dialogues(tmp_path: Path) -> None:
    turns = [said(texts) for texts in TEXTS]
    for path in (as_json(tmp_path / "lists.json", turns), as_lines(tmp_path / "lists.jsonl", turns)):
        assert [len(one.turns) for one in read_dialogues(path)] == [TURNS] * DIALOGUES
    (one,) = read_dialogues(as_json(tmp_path / "one.json", turns[0]))
    assert (one.id, len(one.turns)) == ("one:1", TURNS)


def test_rows_of_a_dialogue_need_not_stand_together(tmp_path: Path) -> None:
    first, second = turn_rows()[:TURNS], turn_rows()[TURNS : 2 * TURNS]
    mixed = [row for pair in zip(first, second, strict=True) for row in pair]
    for row in mixed:
        row["user_id"] = "agent 9" if row["role"] == "assistant" else row["user_id"]
    found = read_dialogues(as_csv(tmp_path / "d.csv", mixed))
    assert [[turn.content for turn in one.turns] for one in found] == TEXTS[:2]
    assert [one.user_id for one in found] == ["u0", "u0"]


def test_cells_may_hold_lines_quotes_and_delimiters(tmp_path: Path) -> None:
    text = 'a "quoted", word;\nand a\tsecond line'
    (one,) = read_dialogues(as_csv(tmp_path / "d.csv", [{"id": 1, "role": "user", "content": text}]))
    assert one.user_texts() == [text]


def test_what_neither_side_hears_is_left_out_and_counted(tmp_path: Path) -> None:
    thinking = {"id": "t", "turns": said(["<think>hm\nwell</think> hello", "<thinking>what now", "so be it</think>\nbye", "ok"])}
    logs = read_logs(as_lines(tmp_path / "d.jsonl", [{"id": "o", "messages": OPENAI}, thinking]))
    assert [(turn.role, turn.content) for turn in logs.dialogues[0].turns] == [("user", "hi"), ("assistant", "hello")]
    assert [turn.content for turn in logs.dialogues[1].turns] == ["hello", "bye", "ok"]
    assert logs.notes == (
        "turns that neither side hears (system, tools), left out: 2",
        "turns from which thinking was taken out: 3",
        "dialogues with several messages of the user in a row, each of which counts as a turn: 1",
    )


# --- roles


def test_roles_by_the_table_and_by_what_is_given(tmp_path: Path) -> None:
    path = as_lines(tmp_path / "d.jsonl", rows("turns", user="persuadee", other="persuader"))
    with pytest.raises(InputError) as caught:
        read_dialogues(path)
    assert str(caught.value) == (
        f"{path}: line 1: found turns of 'persuadee' (2), 'persuader' (2); expected user (also human, customer, client, …) and assistant "
        "(also agent, bot, gpt, …); say who they are: reference build --roles NAME=user|assistant"
    )
    found = read_dialogues(path, {"Persuadee": "user", "persuader": "assistant"})
    assert found[5].user_texts() == TEXTS[5][::2]
    assert read_dialogues(path, {"persuadee": "nobody", "persuader": "user"})[5].user_texts() == TEXTS[5][1::2]
    swapped = read_dialogues(as_lines(tmp_path / "s.jsonl", rows("turns")), {"user": "assistant", "assistant": "user"})
    assert swapped[0].user_texts() == TEXTS[0][1::2]
    with pytest.raises(ConfigError, match=r"roles: expected NAME=user\|assistant\|nobody, got 'x=bot'"):
        read_dialogues(path, {"x": "bot"})


def test_names_are_compared_without_case_and_signs() -> None:
    roles = Roles()
    sides = {"Human": "user", " END_USER ": "user", "Function-Call": "nobody", "chatgpt": "assistant", "Ann": None}
    assert {name: roles.side(name) for name in sides} == sides


# --- several files


def test_several_files_and_folders_in_one_go(tmp_path: Path) -> None:
    (tmp_path / "more" / "deep").mkdir(parents=True)
    (tmp_path / ".hidden.json").write_text("nothing")
    (tmp_path / "README.md").write_text("nothing")
    as_lines(tmp_path / "b.jsonl", rows("messages")[:2])
    as_csv(tmp_path / "a.csv", turn_rows()[2 * TURNS : 3 * TURNS])
    packed(as_json(tmp_path / "more" / "deep" / "c.json", rows("conversations")[3:]), "gz", gzip.compress)
    order = ["d2", "d0", "d1", "d3", "d4", "d5"]
    assert [one.id for one in read_dialogues(tmp_path)] == order
    again = read_dialogues([tmp_path / "b.jsonl", tmp_path, str(tmp_path / "b.jsonl")])
    assert [one.id for one in again] == ["d0", "d1", "d2", "d3", "d4", "d5"]
    as_lines(tmp_path / "a.jsonl", rows("turns")[:1])
    assert [one.id for one in read_dialogues(tmp_path)][:3] == ["a.csv:d2", "a.jsonl:d0", "b:d0"]
    as_json(tmp_path / "settings.json", {"version": 1})
    passed = r"files hold no dialogues and are passed over: 1 \(the first: .*settings.json: line 1: expected"
    with pytest.warns(DialoguesWarning, match=passed):
        assert len(read_dialogues(tmp_path)) == 7
    with pytest.raises(InputError, match=r"settings.json: line 1: expected a dialogue"):
        read_dialogues([tmp_path / "a.csv", tmp_path / "settings.json"])


def test_64_dialogues_in_ten_results_of_tau2(tmp_path: Path) -> None:
    def simulation(number: int) -> dict[str, Any]:
        messages = [*said(TEXTS[number % DIALOGUES]), {"role": "tool", "content": "{}"}, {"role": "user", "content": "bye ###STOP###"}]
        return {"task_id": str(number // 10), "trial": 0, "messages": messages, "reward_info": {}}

    for file in range(10):
        found = {"info": {"environment_info": {"domain_name": "retail"}}, "tasks": [], "simulations": []}
        found["simulations"] = [simulation(number) for number in range(64) if number % 10 == file]
        folder = tmp_path / f"run_{file}"
        folder.mkdir()
        as_json(folder / "results.json", found, 2)
    in_files = read_dialogues(sorted(tmp_path.glob("*/results.json")))
    for dialogues in (read_dialogues(tmp_path), in_files):
        assert len(dialogues) == len({one.id for one in dialogues}) == 64
        assert {(one.user_kind, one.domain, one.source, len(one.turns)) for one in dialogues} == {("llm", "retail", "tau2", TURNS + 1)}
        assert {one.task for one in dialogues} == {str(task) for task in range(7)}
    (one,) = read_dialogues(as_json(tmp_path / "single.json", simulation(1)))
    assert (one.id, one.user_kind) == ("0-0", "llm")


def test_results_of_the_first_tau_bench(tmp_path: Path) -> None:
    runs = [{"task_id": number, "reward": 1.0, "traj": [{"role": "system", "content": "x"}, *said(texts)], "trial": 1}
            for number, texts in enumerate(TEXTS)]  # fmt: skip
    found = read_dialogues(as_json(tmp_path / "d.json", runs))
    assert [(one.id, one.task, one.user_kind, one.source, len(one.turns)) for one in found][2] == ("2-1", "2", "llm", "tau", TURNS)


@pytest.mark.skipif(not CASES.is_dir(), reason=f"the shared cases are not at {CASES}")
def test_the_shared_cases() -> None:
    for path in sorted(CASES.glob("*.json*")):
        logs = read_logs(path)
        turns = sum(len(one.turns) for one in logs.dialogues)
        people = len({one.user_id for one in logs.dialogues} - {None})
        assert (path.name, len(logs.dialogues), people) == (path.name, 80, {"one_user": 1, "users_3": 3}.get(path.stem, 0))
        assert turns == (816 if path.stem == "same_role_runs" else 556)


# --- what is refused


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_logs(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    assert len(message) < len(str(path)) + 400
    return message.removeprefix(f"{path}: ")


WOULD_BE_READ = "expected a dialogue (id, turns), τ²-bench results (simulations) or tau-usi runs (conversation under each key)"
REFUSED: dict[str, tuple[bytes, str]] = {
    "d.jsonl": (b'{"prompt": "hi", "completion": "yes"}\n{}\n', f"line 1: {WOULD_BE_READ}, got the keys ['prompt', 'completion']; turns "
                "(role, content) may be called messages, conversations, conversation, traj and so on, or be a row each (id, role, "
                "content)"),
    "keys.json": (b'{"messages": [{"who": "user", "says": "hi"}]}', "line 1 messages[0]: found the keys ['who', 'says']; expected role (or "
                  "from, speaker, sender) and content (or value, text)"),
    "content.json": (b'{"messages": [{"role": "user", "content": 5.5}]}', "line 1 messages[0]: field 'content': expected text, got 5.5"),
    "texts.json": (b'{"turns": ["hi", "hello"]}', "line 1 turns[0]: expected a JSON object, got 'hi'"),
    "id.json": (b'{"id": {"$oid": 1}, "turns": []}', "line 1: field 'id': expected a text or a number, got {'$oid': 1}"),
    "wrapped.json": (b'{"data": [{"a": 1}]}', "line 1: expected a dialogue (id, turns)"),
    "id.jsonl": (b'{"id": 1, "prompt": "hi"}\n', "line 1: field 'turns' of a dialogue: field required, got the keys ['id', 'prompt']; "
                 "turns (role, content) may be called messages,"),
    "d.csv": (b"nr,who,words\n1,a,hi\n", f"row 1: {WOULD_BE_READ}, got the keys ['nr', 'who', 'words']"),
    "cells.csv": (b"id,role,content\n1,user,hi, you\n", "row 1: expected 3 cells as the header has, got 4; quote (\") what holds the "),
    "quotes.csv": (b'id,role,content\n1,user,"hi" you\n', "line 2: expected CSV ("),
    "twice.csv": (b"id,role,Role,content\n", "expected a name of its own for each column, got 'role' twice"),
    "head.csv": (b"id,role,content\n", "expected at least one dialogue, got none"),
    "latin.csv": ("id,role,content\n1,user,café\n".encode("latin-1"), "expected UTF-8 text, got the byte 0xe9 at offset 26; save it"),
    "some.csv": (b"id,role,content\n1,user,hi\n,user,ho\n", "row 2: expected the id of its dialogue, as other rows have it, got none"),
    "role.csv": (b"id,role,content\n1,Ann,hi\n1,Bob,ho\n", "row 1: found turns of 'Ann' (1), 'Bob' (1); expected user (also"),
    "d.parquet": (b"id,role,content\n", "expected a Parquet file, got one that begins with b'id,role,'; fetch it again"),
    "cut.parquet": (b"PAR1" + b"\0" * 40, "expected a whole Parquet file ("),
    "d.jsonl.zst": (b"\x28\xb5\x2f\xfd" + b"\0" * 40, "expected a plain file or one packed by gzip, bzip2 or xz, got zstd; unpack it"),
    "d.zip": (b"PK\x03\x04" + b"\0" * 40, "expected a plain file or one packed by gzip, bzip2 or xz, got zip; unpack it first"),
    "cut.bz2": (bz2.compress(b"{}" * 999)[:40], "expected a whole bzip2 file, but it is cut off or damaged"),
    "cut.xz": (lzma.compress(b"{}" * 999)[:40], "expected a whole xz file, but it is cut off or damaged"),
    "bad.bz2": (b"BZh9" + b"\0" * 40, "expected a whole bzip2 file, but it is cut off or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_what_was_found_and_what_would_be_read(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(message)


def test_refused_folders_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hi")
    kinds = ".json, .jsonl, .ndjson, .csv, .tsv, .parquet, also .gz, .bz2, .xz"
    assert f"expected a file, a folder with files of dialogues ({kinds})" in refusal(tmp_path)
    with pytest.raises(InputError, match="expected a file, several files or a folder, got none"):
        read_dialogues([])
    voice = as_json(tmp_path / "v.json", {"simulations": [{"id": "v", "task_id": "1", "ticks": [1]}]})
    assert "1 of 1 simulations of tau2-bench cannot be read" in refusal(voice)


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "json", "csv.gz"])
def test_garbage(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"garbage.{ending}"
    for seed in range(25):
        path.write_bytes(random.Random(seed).randbytes(200))
        refusal(path)


def test_reading_what_is_complete_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_logs(as_lines(tmp_path / "d.jsonl", [{"messages": OPENAI}]))
