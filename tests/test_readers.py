"""Files in: every layout that is understood, and one line for everything that is wrong with a file."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from personaevo.errors import InputError
from personaevo.readers import read_dialogues, read_tasks
from personaevo.readers.wording import facts, first_person, goal
from personaevo.records import Task

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared corpora are not at {DATA}")


def put(path: Path, *values: Any) -> Path:
    """One value: a JSON document; several: JSON lines."""
    path.write_text("\n".join(value if isinstance(value, str) else json.dumps(value) for value in values), "utf-8")
    return path


def said(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text} for text in texts]


def tau2_task(identity: str, reason: str | None, **instructions: Any) -> dict[str, Any]:
    parts = {"domain": "retail", "reason_for_call": reason, "known_info": None, "unknown_info": None, **instructions}
    return {"id": identity, "user_scenario": {"persona": "rude", "instructions": parts}, "evaluation_criteria": {}}


# --- tasks ---


def test_tasks_as_json_lines(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "goal": "book a table", "facts": {"name": "Ada"}, "split": "test", "more": 1},
        {"id": "b", "goal": "go"},
    ]
    tasks = read_tasks(put(tmp_path / "tasks.jsonl", *rows, ""))
    assert tasks == [Task(id="a", goal="book a table", facts={"name": "Ada"}, split="test"), Task(id="b", goal="go")]
    assert read_tasks(put(tmp_path / "one.jsonl", rows[0])) == tasks[:1]
    assert read_tasks(put(tmp_path / "list.json", rows)) == tasks


def test_a_tau2_task_becomes_goal_facts_and_context(tmp_path: Path) -> None:
    row = tau2_task(
        "7",
        "You want to return your lamp. You also want to know if the agent can refund you.",
        known_info="You are Yusuf Rossi in zip code 19122.\nYour order is #W2378156.",
        unknown_info="You do not remember your email.",
        task_instructions="Be brief.\n\nYou are upset.",
    )
    (task,) = read_tasks(put(tmp_path / "tasks.json", [row]))
    assert task.goal == "return my lamp"
    assert task.facts == {"name": "Yusuf Rossi", "zip code": "19122", "order number": "#W2378156"}
    assert task.context == (
        "I also want to know if the agent can refund me.\nBe brief.\n\nI am upset.\n"
        "I am Yusuf Rossi in zip code 19122.\nMy order is #W2378156.\nI do not remember my email."
    )
    assert (task.id, task.group, task.domain) == ("7", "retail", "")


def test_tau2_instructions_may_be_a_plain_text(tmp_path: Path) -> None:
    row = {"id": "m", "user_scenario": {"instructions": "You are a clerk. Your goal is to close task_1 for user_1."}}
    (task,) = read_tasks(put(tmp_path / "tasks.json", {"tasks": [row]}))
    assert task.goal == "close task_1 for user_1"
    assert task.facts == {"task id": "task_1", "user id": "user_1"}
    assert task.group == ""


def test_the_split_file_names_the_test_tasks(tmp_path: Path) -> None:
    put(tmp_path / "tasks.json", [tau2_task(str(number), "You want to go.") for number in range(40)])
    by_hash = [task.split for task in read_tasks(tmp_path / "tasks.json")]
    assert 10 < by_hash.count("test") < 30
    assert [task.split for task in read_tasks(tmp_path)] == by_hash
    put(tmp_path / "split_tasks.json", {"base": ["1"]})
    assert [task.split for task in read_tasks(tmp_path)] == by_hash
    put(tmp_path / "split_tasks.json", {"train": ["1"], "test": ["3", 5]})
    assert [task.id for task in read_tasks(tmp_path) if task.split == "test"] == ["3", "5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You want to exchange your order.", "exchange my order"),
        ("You received your order #W1 and wish to return it. Be quick.", "return it"),
        ("You received a laptop and you want to exchange it to i7.", "exchange the laptop to i7"),
        ("You just placed an order with two items, you want to change its address.", "change the order's address"),
        ("For your trip, you want to:\n- add a bag\n- change the seat", "add a bag, change the seat"),
        ("You wonder if the agent can help you.", "know if the agent can help me"),
        ("You are contacting customer service to complain about your flight.", "complain about my flight"),
        ("You contact customer service because you are lost.", "get help because I am lost"),
        ("Your cat is sick.", "get help because my cat is sick"),
        ("You want to cancel the grill, but if the agent asks you to confirm, you regret it.", "cancel the grill"),
        ("You want to fix it (do not mention this to the agent) today.", "fix it today"),
        ("For #W1, exchange Shirt {'color': 'blue'} to {'color': 'red'}", "exchange Shirt"),
        ("You need to leave. You want to book a seat.", "book a seat"),
        ("You want to (ask the agent)", "get help"),
    ],
)
def test_goal(text: str, expected: str) -> None:
    assert goal(text)[0] == expected


def test_a_long_goal_is_cut_at_a_clause_and_the_sentence_kept_as_context() -> None:
    text = f"You want to return the lamp, because {'it is old and ' * 12}bad. You are sad."
    phrase, rest = goal(text)
    assert len(phrase.split()) <= 25
    assert phrase.startswith("return the lamp, because it is old")
    assert not phrase.endswith("and")
    assert rest == first_person(text)
    assert len(goal(f"You want to {'go ' * 40}")[0].split()) == 25


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "You're sure you've paid; your agent told you that you can.",
            "I'm sure I've paid; my agent told me that I can.",
        ),
        ("If you were told, you aren't at fault.", "If I was told, I'm not at fault."),
        ("You name is Ada. Were you there?", "My name is Ada. Was I there?"),
        ("Say 'You are kind' to yourself.", "Say 'You are kind' to myself."),
        ("Your own, and yours\u2014you\u2019d say so to you.", "My own, and mine\u2014I'd say so to me."),
        ("young yours truly", "young mine truly"),
    ],
)
def test_first_person(text: str, expected: str) -> None:
    assert first_person(text) == expected


@pytest.mark.parametrize(
    ("known", "reason", "expected"),
    [
        ("You are Emma Kim.\nYour user id is emma_kim_9957.", "", {"name": "Emma Kim", "user id": "emma_kim_9957"}),
        ("", "Cancel EHGLP3, (IFOYYZ and NQNU5R).", {f"{n}reservation": v for n, v in
         [("", "EHGLP3"), ("second ", "IFOYYZ"), ("third ", "NQNU5R")]}),
        ("You are French by birth.", "ALWAYS pay 10001 with certificate_99 on HAT045.", {"flight number": "HAT045"}),
        ("Your emails are a.b@c.org and d@c.org.", "", {"email": "a.b@c.org", "second email": "d@c.org"}),
        ("You live in 445 Maple Drive, Texas, 76165.", "item 1656367028", {
            "zip code": "76165", "address": "445 Maple Drive, Texas, 76165", "item number": "1656367028"}),
    ],
)  # fmt: skip
def test_facts(known: str, reason: str, expected: dict[str, str]) -> None:
    assert facts(known, reason) == expected


@needs_data
@pytest.mark.parametrize(("domain", "count", "held_out"), [("retail", 114, 40), ("airline", 50, 20), ("mock", 10, 6)])
def test_the_real_tau2_tasks(domain: str, count: int, held_out: int) -> None:
    path = DATA / "tau2" / domain / "tasks.json"
    tasks = read_tasks(path)
    texts = {row["id"]: row["user_scenario"]["instructions"] for row in json.loads(path.read_text("utf-8"))}
    assert (len(tasks), sum(task.split == "test" for task in tasks)) == (count, held_out)
    for task in tasks:
        given = texts[task.id]
        text = given if isinstance(given, str) else "\n".join(str(value) for value in given.values())
        assert 1 <= len(task.goal.split()) <= 25
        assert " your " not in f" {task.goal} "
        assert all(value in text for value in task.facts.values())
        assert task.facts or domain == "mock"
        assert task.group == ("" if domain == "mock" else domain)


# --- dialogues ---


def test_dialogues_as_json_lines_plain_and_gzipped(tmp_path: Path) -> None:
    row = {
        "id": "d",
        "turns": said("Hi ###STOP###"),
        "user_id": "u",
        "domain": "bank",
        "outcome": {"x": 1},
        "user_kind": "human",
    }
    (dialogue,) = read_dialogues(put(tmp_path / "d.jsonl", row))
    assert dialogue.user_texts() == ["Hi ###STOP###"]
    assert (dialogue.user_id, dialogue.domain, dialogue.user_kind) == ("u", "bank", "human")
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress((json.dumps(row) + "\n").encode()))
    assert read_dialogues(tmp_path / "d.jsonl.gz") == [dialogue]
    (tmp_path / "bom.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(row).encode() + b"\r\n\r\n")
    assert read_dialogues(tmp_path / "bom.jsonl") == [dialogue]
    assert len(read_dialogues(put(tmp_path / "two.txt", row, {**row, "id": "e"}))) == 2


SIMULATION = {
    "id": "s1",
    "task_id": 4,
    "trial": 0,
    "messages": [
        {"role": "assistant", "content": "Hi! How can I help you today?"},
        {"role": "user", "content": "cancel it"},
        {"role": "assistant", "content": "Let me look", "tool_calls": [{"name": "find"}]},
        {"role": "tool", "content": "{}"},
        {"role": "assistant", "content": None, "tool_calls": [{"name": "find"}]},
        {"role": "assistant", "content": "Done.", "tool_calls": None},
        {"role": "user", "content": "Thanks, bye ###STOP###"},
        {"role": "user", "content": "###OUT-OF-SCOPE###"},
        {"role": "user", "content": "###TRANSFER### "},
    ],
}
SPOKEN = [
    ("assistant", "Hi! How can I help you today?"),
    ("user", "cancel it"),
    ("assistant", "Done."),
    ("user", "Thanks, bye"),
]


@pytest.mark.parametrize("indent", [None, 4])
def test_tau2_results_in_one_file(tmp_path: Path, indent: int | None) -> None:
    other = {**SIMULATION, "id": None, "trial": 3}
    results = {
        "info": {"environment_info": {"domain_name": "airline"}},
        "tasks": [],
        "simulations": [SIMULATION, other],
    }
    first, second = read_dialogues(put(tmp_path / "r.json", json.dumps(results, indent=indent)))
    assert [(turn.role, turn.content) for turn in first.turns] == SPOKEN
    assert (first.id, first.task, first.domain, first.user_kind, first.source) == ("s1", "4", "airline", "llm", "tau2")
    assert second.id == "4-3"


def test_tau2_results_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "simulations").mkdir()
    for number in (2, 1):
        put(tmp_path / "simulations" / f"{number}.json", {**SIMULATION, "id": f"s{number}"})
    assert [(dialogue.id, dialogue.domain) for dialogue in read_dialogues(tmp_path)] == [("s1", ""), ("s2", "")]
    put(tmp_path / "results.json", {"info": {"environment_info": {"domain_name": "retail"}}})
    assert {dialogue.domain for dialogue in read_dialogues(tmp_path)} == {"retail"}


def test_tau_usi_runs_of_people(tmp_path: Path) -> None:
    talk = [
        ("user", "<|canvas|> set-up"),
        ("system", "rules"),
        ("user", "\\tau start\nhello\n\\reward 1"),
        ("assistant", "How can I help?"),
        ("user", "stop the \\tau order /stop please"),
        ("user", "/stop"),
    ]
    run = {"conversation": [{"role": role, "content": text} for role, text in talk], "reward": 1.0}
    first, second = read_dialogues(put(tmp_path / "usi.json", json.dumps({"a1": run, "a2": run}, indent=1)))
    assert [turn.content for turn in first.turns] == ["hello", "How can I help?", "stop the \\tau order /stop please"]
    assert (first.id, second.id, first.user_kind) == ("a1", "a2", "human")


@needs_data
def test_the_real_corpora() -> None:
    counts = {path.name: len(read_dialogues(path)) for path in sorted(DATA.glob("*.jsonl.gz"))}
    assert counts["casino_human.jsonl.gz"] == 792
    assert counts["taubench_llm.jsonl.gz"] == 200
    assert len({dialogue.domain for dialogue in read_dialogues(DATA / "multidogo_customer_only_human.jsonl.gz")}) == 6


# --- what may be wrong ---


def refusal(read: Any, path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path.parent))
    assert len(message) < len(str(path)) + 400
    return message


GOOD = json.dumps({"id": "d", "turns": said("hi")})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty file"),
        (" \n\n", "empty file"),
        ("\ufeff", "empty file"),
        ("hello there", "line 1: expected JSON or JSON lines"),
        (f"{GOOD}\n{{\"id\": ", "line 2: expected JSON, got '{\"id\": ' (Expecting value at column 8)"),
        (f"{GOOD}\n\n[1]", "line 3: expected a JSON object, got [1]"),
        (f"{GOOD}\n{GOOD}", "line 2: field 'id': expected an id of its own, got 'd', which line 1 has as well"),
        (f"{GOOD}\n{{\"id\": [3], \"turns\": []}}", "line 2: field 'id': expected a text or a number, got [3]"),
        (f"{GOOD}\n{{\"id\": \"e\"}}", "line 2: field 'turns' of a dialogue: field required"),
        (f"{GOOD}\n{{\"id\": \"e\", \"turns\": [], \"user_id\": [1]}}", "line 2: field 'user_id' of a dialogue"),
        (GOOD.replace("user", "Ann"), "line 1: found turns of 'Ann' (1); expected user (also human,"),
        (f"{GOOD}\n{{\"id\": \"\\ud800\", \"turns\": []}}", "line 2: expected whole characters, got '\\ud800'"),
        (f"{GOOD}\n{{\"id\": {'9' * 5000}}}", "line 2: expected JSON with numbers of ordinary size"),
        (f"{GOOD}\n{'[' * 100_000}", "line 2: expected plain JSON, got brackets nested too deeply"),
        ("[]", "expected at least one dialogue, got none"),
        ("[1]", "[0]: expected a JSON object, got 1"),
        ("[1", "expected JSON, got '[1' (Expecting ',' delimiter at line 1 column 3)"),
        ('{"simulations": 3}', "field 'simulations': expected a list, got 3"),
        ('{"simulations": [{"messages": [{"role": "user", "content": 5.5}]}]}', "[0] messages[0]: field 'content'"),
        ('{"simulations": [{"task_id": "1"}]}', "simulations[0]: field 'messages': expected a list, got None"),
        ('{"a": {"conversation": 1}}', "'a': field 'conversation': expected a list, got 1"),
        ('{"rows": []}', "expected a dialogue (id, turns), τ²-bench results (simulations) or tau-usi runs"),
        ("{}", "got the keys []"),
    ],
)  # fmt: skip
def test_bad_dialogues(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content, "utf-8")
    assert message in refusal(read_dialogues, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty file"),
        ("[]", "at least one task, got none"),
        ('{"id": "", "goal": "x"}', "field 'id' of a task"),
        ('{"id": "a", "goal": "x"}\n{"id": "a", "goal": "y"}', "line 2: field 'id': expected an id of its own"),
        (
            '{"id": "a", "goal": "x", "facts": {"n": 1}}',
            "field 'facts.n' of a task: input should be a valid string, got 1",
        ),
        ('{"id": "a", "goal": "x", "split": "dev"}', "field 'split' of a task"),
        ('[{"id": "a", "user_scenario": null}]', "[0] user_scenario: expected a JSON object, got None"),
        ('[{"id": "a", "user_scenario": {}}]', "[0] user_scenario.instructions: expected a JSON object, got None"),
        (json.dumps([tau2_task("a", None)]), "field 'reason_for_call': expected a sentence, got ''"),
        (json.dumps([tau2_task("a", "You " * 6000)]), "expected at most 20,000 characters, got 24,000"),
        (json.dumps([tau2_task("", "You want to go.")]), "[0]: field 'id': expected text, got ''"),
        (json.dumps([tau2_task("a", "Go."), tau2_task("a", "Go.")]), "[1]: field 'id': expected an id of its own"),
    ],
)
def test_bad_tasks(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(content, "utf-8")
    assert message in refusal(read_tasks, path)


def test_bad_split_file(tmp_path: Path) -> None:
    put(tmp_path / "tasks.json", [tau2_task("a", "You want to go.")])
    put(tmp_path / "split_tasks.json", {"test": "a"})
    assert "split_tasks.json: field 'test': expected a list, got 'a'" in refusal(read_tasks, tmp_path / "tasks.json")


@pytest.mark.parametrize("read", [read_tasks, read_dialogues])
def test_files_that_are_no_files(tmp_path: Path, read: Any) -> None:
    assert "no such file; check the path" in refusal(read, tmp_path / "none.json")
    (tmp_path / "folder").mkdir()
    expected = "no such file" if read is read_tasks else "folder of τ²-bench results with results.json or simulations/*.json"
    assert expected in refusal(read, tmp_path / "folder")


@pytest.mark.parametrize("read", [read_tasks, read_dialogues])
def test_garbage(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "garbage.jsonl"
    for seed in range(40):
        path.write_bytes(random.Random(seed).randbytes(200))
        refusal(read, path)
    path.write_bytes(b'{"id": "\xff"}')
    assert "line 1: expected UTF-8 text, got the byte 0xff at offset 8" in refusal(read, path)


def test_damaged_gzip(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(json.dumps({"id": str(n), "turns": said(f"hi {n}")}) for n in range(500)).encode())
    path = tmp_path / "d.jsonl.gz"
    for size in (2, 9, len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:size])
        assert "expected a whole gzip file" in refusal(read_dialogues, path)
    path.write_bytes(whole[:40] + b"\x00\xff" * 20 + whole[80:])
    assert "expected a whole gzip file" in refusal(read_dialogues, path)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_turn = put(tmp_path / "turn.jsonl", GOOD, {"id": "e", "turns": said("a", "x" * 100_001)})
    assert "line 2: field 'turns.1.content': expected at most 100,000 characters" in refusal(
        read_dialogues, long_turn
    )
    long_line = put(tmp_path / "line.jsonl", GOOD, " " * (10 * 2**20 + 1))
    assert "line 2: expected at most 10 MB in a line" in refusal(read_dialogues, long_line)
    monkeypatch.setattr("personaevo.readers.files.MAX_DOCUMENT_BYTES", 2**20)
    big = put(tmp_path / "big.json", [{"id": "e", "goal": "x" * 2**20}])
    assert "expected at most 1 MB in one JSON value, got 1 MB; split the file" in refusal(read_tasks, big)
    monkeypatch.setattr("personaevo.readers.files.MAX_FILE_BYTES", 2**20)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b" " * 2**24))
    assert "expected at most 1 MB unpacked, got more; split the file" in refusal(read_dialogues, bomb)


@pytest.mark.parametrize(
    ("read", "value", "words"),
    [
        (read_dialogues, {"id": "a", "turns": said(*["x"] * 10_001)}, "field 'turns': expected at most 10,000 entries, got 10,001"),
        (read_dialogues, {"simulations": [{"id": "a", "messages": [0] * 10_001}]}, "field 'messages': expected at most 10,000 entries"),
        (read_dialogues, {"a": {"conversation": [0] * 10_001}}, "'a': field 'conversation': expected at most 10,000 entries"),
        (read_tasks, {"id": "a", "goal": "x" * 20_001}, "field 'goal': expected at most 20,000 characters, got 20,001; shorten it"),
        (read_tasks, {"id": "a", "goal": "go", "context": "x" * 20_001}, "field 'context': expected at most 20,000 characters"),
        (read_tasks, {"id": "a", "goal": "go", "facts": {"x" * 20_001: ""}}, "field 'facts.xxx"),
        (read_tasks, {"id": "a", "goal": "go", "facts": dict.fromkeys(map(str, range(201)), "")}, "field 'facts': expected at most 200"),
        (read_tasks, [{"id": str(number), "goal": "go"} for number in range(100_001)], "expected at most 100,000 tasks, got more"),
        (read_dialogues, {"id": "a", "turns": json.loads("[" * 400 + "]" * 400)}, "got a list with 1 entry"),
    ],
)  # fmt: skip
def test_counts_and_texts_are_bounded(tmp_path: Path, read: Any, value: Any, words: str) -> None:
    message = refusal(read, put(tmp_path / "big.json", value))
    assert words in message
    assert len(message) < 400


def test_reading_needs_no_classifier() -> None:
    code = "import sys, personaevo.readers; sys.exit('sklearn' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[1], check=False).returncode
        == 0
    )
