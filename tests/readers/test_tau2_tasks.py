"""Tasks of τ²-bench in all its domains: one file or one for each task, instructions in fields or in one text, split files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from personaevo.errors import InputError
from personaevo.readers import read_tasks
from personaevo.records import Task

GOAL = """**Your character:** You are Mira Olsen, a 41-year-old nurse from Reno, NV.

**Your situation:** You hold two cards, and one was lost on a train.

**Your goal:** {goal}

**Information you know and should provide when asked:**
- Your full name: Mira Olsen
- Your phone number: 775-555-0143
- Your email: mira_olsen_7@mail.example
- Your date of birth: 03/09/1984
- Your address is 12 Elm Row, Unit 4, Reno, NV 89501
- Your user ID is 9f03ab77c1. Your annual income is 64000 (annual income: 64000).

## Conversation Flow:

1. **Opening:** "Hi, I want to complain about everything."
2. **If the agent asks:** "I want to go home."
"""
ROLE = """You are playing the role of a customer contacting a customer service representative agent. Your character is {who}. {told}

You have access to a tool that opens doors. Never respond as the agent. You are playing the role of the customer."""
SHORT = "**Your character:** You are {who}. {told}\n\n## Conversation Flow:\n\n1. **Opening:** \"{said}\"\n"


def row(instructions: Any, identity: str = "task_001") -> dict[str, Any]:
    return {"id": identity, "user_scenario": {"persona": None, "instructions": instructions}}


def read(folder: Path, instructions: Any) -> Task:
    (folder / "tasks.json").write_text(json.dumps([row(instructions)]), "utf-8")
    return read_tasks(folder)[0]


# --- instructions that are one text


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("Close both of your cards. Be direct.", "close both of my cards"),
        ("Try to get a new card at once.", "get a new card at once"),
        ("First, express that you want to keep your card.", "keep my card"),
        ("You want to know what it costs.", "know what it costs"),
        ("Get BOTH a new card AND a letter (for your employer).", "get BOTH a new card AND a letter (for my employer)"),
    ],
)
def test_the_goal_is_what_stands_under_its_heading(tmp_path: Path, goal: str, expected: str) -> None:
    task = read(tmp_path, GOAL.format(goal=goal))
    assert task.goal == expected
    assert "I hold two cards" in task.context
    assert "**" not in task.context


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ROLE.format(who="a baker named Jo Field", told="You're looking for an account without fees."), "get an account without fees"),
        (ROLE.format(who="Jo Field, a baker", told="You are calling to redeem an offer."), "redeem an offer"),
        (ROLE.format(who="a baker named Jo Field", told="Your oven was charged twice to your card."),
         "get help because my oven was charged twice to my card"),
        (ROLE.format(who="Jo", told="Rules:\n\n- Start by saying you want to change your address.\n- If not, say thanks."),
         "change my address"),
        (SHORT.format(who="Jo Field, a baker from Bath", told="You're upset because your card was declined.", said="Hello, I need help."),
         "get help because my card was declined"),
        (SHORT.format(who="Jo Field, a baker", told="You are polite.", said="Hi, I need help with some disputes on my card."),
         "get help with some disputes on my card"),
        (SHORT.format(who="Jo Field, a baker", told="Your flour is late.", said="Hello."), "get help because my flour is late"),
        ("**Your situation:** You have saved and want to:\n1. Open a card\n2. Fund it\n\n## How to Behave\nAsk.", "open a card, fund it"),
        ("**Your situation:** You paid twice. You want to know why.\n\n## Flow\n\n1. **Start naturally:** \"I want to get my money back!\"",
         "get my money back"),
    ],
)  # fmt: skip
def test_without_a_goal_it_is_the_first_wish_or_what_is_the_matter(tmp_path: Path, text: str, expected: str) -> None:
    assert read(tmp_path, text).goal == expected


def test_facts_of_one_text(tmp_path: Path) -> None:
    assert read(tmp_path, GOAL.format(goal="Close it.")).facts == {
        "name": "Mira Olsen", "phone number": "775-555-0143", "date of birth": "03/09/1984", "zip code": "89501",
        "address": "12 Elm Row, Unit 4, Reno, NV 89501", "user id": "9f03ab77c1", "email": "mira_olsen_7@mail.example",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("You are Al Reed with phone number 555-123-2002. You are abroad.", {"name": "Al Reed", "phone number": "555-123-2002"}),
        ("- Name: Al Reed | Phone: 0412-555-947 | DOB: 12 March 1990", {"name": "Al Reed", "phone number": "0412-555-947",
                                                                       "date of birth": "12 March 1990"}),
        ("Your date of birth is December 5, 1993 and your phone (+1 702-555-0199).", {"phone number": "+1 702-555-0199",
                                                                                      "date of birth": "December 5, 1993"}),
        ("Call (702) 555-0199. Born on 1990-01-31.", {"phone number": "(702) 555-0199"}),
        ("Your card. Card name: Gold Rewards Card | Order name: Big Box", {}),
        ("Name: Ann van Dyk | Card name: Gold", {"name": "Ann van Dyk"}),
        ("It cost $85000 on 10/09/2025; item 1234567890.", {"item number": "1234567890"}),
    ],
)  # fmt: skip
def test_identifiers_that_stand_in_prose(tmp_path: Path, text: str, facts: dict[str, str]) -> None:
    told = {"domain": "telecom", "reason_for_call": "Your phone is slow. You want to fix it.", "known_info": text, "task_instructions": ""}
    found = read(tmp_path, told).facts
    assert {name: found.get(name) for name in facts} == facts
    assert len(found) == len(facts) + ("Born" in text)


# --- a file for each task


@pytest.mark.parametrize("given", ["", "tasks"])
def test_a_folder_of_tasks(tmp_path: Path, given: str) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks.json").write_text("[]")
    for number in (2, 1):
        (tmp_path / "tasks" / f"task_00{number}.json").write_text(json.dumps(row(f"You want to go {number} miles.", f"task_00{number}")))
    (tmp_path / "tasks" / "notes.json").write_text("{")
    assert [(task.id, task.goal) for task in read_tasks(tmp_path / given)] == [("task_001", "go 1 miles"), ("task_002", "go 2 miles")]
    (tmp_path / "tasks" / "task_003.json").write_text(json.dumps(row("You want to go.", "task_001")))
    with pytest.raises(InputError, match=r"task_003.json: field 'id': expected an id of its own, got 'task_001', which task_001.json has"):
        read_tasks(tmp_path / given)


# --- split files


def splits(folder: Path, lists: dict[str, Any], name: str = "split_tasks.json", tasks: str = "tasks.json") -> dict[str, str]:
    (folder / name).write_text(json.dumps(lists))
    (folder / tasks).write_text(json.dumps([row("You want to go.", identity) for identity in "abcdefgh"]))
    return {task.id: task.split for task in read_tasks(folder / tasks)}


def test_the_split_file_is_that_of_the_tasks(tmp_path: Path) -> None:
    assert splits(tmp_path, {"train": ["a"], "test": ["b", "c"]})["b"] == "test"
    assert set(splits(tmp_path, {"train": ["a"], "test": ["z"]}).values()) == {"train"}
    found = splits(tmp_path, {"test": ["h"]}, "split_few.json", "few.json")
    assert [identity for identity, split in found.items() if split == "test"] == ["h"]


def test_a_split_that_has_neither_train_nor_test_of_them_is_by_hash(tmp_path: Path) -> None:
    assert set(splits(tmp_path, {"small": list("abcdefgh"), "train": ["y"], "test": ["z"]}).values()) == {"train", "test"}


@pytest.mark.parametrize("lists", [{"test": ["z"]}, {"train": ["x"], "test": ["a@p-1"], "base": []}, {"test": []}])
def test_a_split_file_of_other_tasks_is_said_to_be_the_cause(tmp_path: Path, lists: dict[str, list[str]]) -> None:
    with pytest.raises(InputError, match=r"split_tasks.json: names none of the 8 tasks of tasks.json \(it names .*, they are 'a', …\)"):
        splits(tmp_path, lists)
