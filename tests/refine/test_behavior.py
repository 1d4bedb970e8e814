"""Behavior of people: what a role-player is asked, every layout that is read, and one line for what cannot be."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.errors import InputError
from personaevo.records import Turn
from personaevo.refine.items.behavior import MAX_OBSERVATION, Action, Behavior, DialogueItem, SessionItem, Step, TextItem
from personaevo.refine.items.reading import read, read_people

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared corpora are not at {DATA}")


def put(path: Path, *values: Any) -> Path:
    """One value: a JSON document; several: JSON lines."""
    text = "\n".join(json.dumps(value) for value in values)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def turns(*texts: str, first: str = "assistant") -> list[dict[str, str]]:
    sides = [first, "user" if first == "assistant" else "assistant"]
    return [{"role": sides[index % 2], "content": text} for index, text in enumerate(texts)]


def talk(identity: str, *texts: str, **fields: Any) -> dict[str, Any]:
    return {"id": identity, "turns": turns(*(texts or ("Hi.", "Hello you."))), **fields}


# --- contexts


def test_contexts_of_a_dialogue() -> None:
    item = DialogueItem.model_validate({"id": "d", "turns": turns("Hi?", "Hello.", "Give!", "…", "Well?", "No."), "context": "Chat."})
    first, last = item.contexts()
    assert (first.index, first.truth, first.prompt, first.item_id) == (1, "Hello.", "Chat.", "d")
    assert (last.index, last.truth) == (5, "No.") and last.turns == item.turns[:5]  # a turn without a word is no truth, but history
    assert item.texts() == ["Hello.", "No."]


def test_the_person_is_the_user_on_either_side() -> None:
    item = DialogueItem.model_validate({"id": "d", "turns": turns("Hi?", "Hello.", "Give!", "No."), "role": "assistant"})
    first, second = item.contexts()
    assert (first.truth, first.turns) == ("Hi?", ())
    assert second.turns == (Turn(role="user", content="Hi?"), Turn(role="assistant", content="Hello.")) and second.truth == "Give!"
    assert item.texts() == ["Hi?", "Give!"]


def test_turns_that_belong_to_another_part_are_history_only() -> None:
    item = DialogueItem.model_validate({"id": "d", "turns": turns("Hi?", "Hello.", "Give!", "No."), "after": 2})
    (context,) = item.contexts()
    assert context.truth == "No." and len(context.turns) == 3 and item.texts() == ["No."]


def test_contexts_of_texts_and_sessions() -> None:
    (context,) = TextItem(id="t", context="How was the film?", text="Bad.").contexts()
    assert (context.prompt, context.truth, context.turns) == ("How was the film?", "Bad.", ())
    steps = (
        Step(action=Action(type="type_and_submit", name="search", text="red shoes"), observation="home", rationale="I need shoes"),
        Step(action=Action(type="terminate"), observation="results"),
    )
    session = SessionItem(id="s", steps=steps, context="Buy shoes.")
    first, last = session.contexts()
    assert (first.steps, first.observation, first.truth) == ((), "home", steps[0].action)
    assert (last.steps, last.observation, last.truth, last.prompt) == (steps[:1], "results", Action(type="terminate"), "Buy shoes.")
    assert session.texts() == ["red shoes", "I need shoes"]


def test_behavior_is_what_it_was_after_a_file(tmp_path: Path) -> None:
    session = {"kind": "actions", "id": "s", "steps": [{"action": {"type": "click", "name": "cart", "kind": "cart"}, "rationale": "why"}]}
    items = [{"kind": "dialogue", **talk("d"), "role": "assistant"}, {"kind": "text", "id": "t", "text": "Fine."}, session]
    made = Behavior.model_validate({"person": "ada", "items": items, "attributes": {"age": 40}})
    assert read(put(tmp_path / "x.json", made.model_dump(mode="json"))) == made


# --- a file of one person


def test_dialogues_of_one_user(tmp_path: Path) -> None:
    rows = [talk("a", user_id="ada", task="Be asked."), talk("b", user_id="ada", attributes={"age": 40}, outcome={"gift": 5})]
    found = read(put(tmp_path / "any.jsonl.gz", *rows))
    assert found.person == "ada" and [item.id for item in found.items] == ["a", "b"]
    assert found.attributes == {"age": 40} and found.notes == ()
    assert found.items[0].context == "Be asked." and "gift" not in found.model_dump_json()


def test_one_of_several_people_on_either_side(tmp_path: Path) -> None:
    rows = [
        talk("a", user_id="ada", task="Be asked."), talk("c", user_id="cy"),
        talk("b", user_id="bob", task="Be asked.", partner={"user_id": "ada", "attributes": {"age": 40}, "task": "Ask."}),
    ]  # fmt: skip
    path = put(tmp_path / "all.jsonl", *rows)
    found = read(path, "ada")
    seen = [(item.id, item.role, item.context) for item in found.items if isinstance(item, DialogueItem)]
    assert seen == [("a", "user", "Be asked."), ("b", "assistant", "Ask.")]
    assert found.attributes == {"age": 40} and found.notes == ("rows of other people, left out: 1",)
    with pytest.raises(InputError, match=r"expected rows of one person, got 3 people \(ada, bob, cy, …\); say which"):
        read(path)
    with pytest.raises(InputError, match="person 'eve': expected 1 to 2,000 items of behavior, got 0"):
        read(path, "eve")


def test_a_file_is_named_after_its_person(tmp_path: Path) -> None:
    assert read(put(tmp_path / "ada.v2.jsonl.gz", talk("a"), talk("b"))).person == "ada.v2"
    assert read(put(tmp_path / "bob.json", talk("a"))).person == "bob"
    assert read(tmp_path / "bob.json", "cy").person == "cy"
    assert read(put(tmp_path / "list.json", [talk("a", role="assistant")])).items[0].contexts()[0].truth == "Hi."


def test_texts_under_a_head(tmp_path: Path) -> None:
    path = put(tmp_path / "x.jsonl", {"person": "ada", "attributes": {"open": 5}}, {"id": "r1", "context": "Film?", "text": "Bad."})
    assert read(path) == Behavior(person="ada", items=(TextItem(id="r1", context="Film?", text="Bad."),), attributes={"open": 5})


def test_dialogues_of_other_simulators(tmp_path: Path) -> None:
    usi = {"run1": {"conversation": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}]}}
    found = read(put(tmp_path / "usi.json", usi))
    assert found.person == "usi" and found.items[0].id == "run1" and found.items[0].texts() == ["hi"]


# --- sessions


def test_all_spellings_of_a_session_are_one(tmp_path: Path) -> None:
    plain = {"id": "s", "steps": [
        {"type": "type_and_submit", "name": "search", "text": "shoes", "rationale": "need", "observation": "home"},
        {"action": {"type": "click", "name": "item_1", "click_type": "purchase"}, "context": "page"},
        {"action": "terminate", "name": "ignored"},
    ]}  # fmt: skip
    opera = [
        {"session_id": "s", "timestamp": "2025-04-14T21:55:01Z", "action_type": "terminate", "semantic_id": None, "rationale": None},
        {"session_id": "s", "timestamp": "2025-04-14T21:54:01Z", "action_type": "click", "click_type": "purchase", "semantic_id": "item_1",
         "simplified_html": "page", "rationale": ""},
        {"session_id": "s", "timestamp": "2025-04-14T21:53:01Z", "action_type": "input", "input_text": "shoes", "semantic_id": "search",
         "simplified_html": "home", "rationale": "need"},
    ]  # fmt: skip
    shop_r1 = [
        {"session_id": "s", "prompt": [{"role": "user", "content": "home"}], "rationale": "need",
         "answer": {"type": "type_and_submit", "name": "search", "text": "shoes"}},
        {"session_id": "s", "prompt": "page", "answer": {"type": "click", "name": "item_1", "click_type": "purchase"}},
        {"session_id": "s", "action": {"type": "terminate"}},
    ]  # fmt: skip
    found = [read(put(tmp_path / f"{index}.jsonl", *rows), "ada") for index, rows in enumerate(([plain], opera, shop_r1))]
    assert found[0] == found[1] == found[2]
    (item,) = found[0].items
    assert isinstance(item, SessionItem)
    assert [step.action for step in item.steps] == [
        Action(type="type_and_submit", name="search", text="shoes"), Action(type="click", name="item_1", kind="purchase"),
        Action(type="terminate"),
    ]  # fmt: skip
    assert [(step.observation, step.rationale) for step in item.steps] == [("home", "need"), ("page", ""), ("", "")]


def test_what_a_session_loses_is_said(tmp_path: Path) -> None:
    long = {"type": "click", "name": "x", "html": "y" * (MAX_OBSERVATION + 1)}
    steps = [{"type": "scroll"}, long, {"type": "scroll"}, {"type": "tab\x1b"}]
    found = read(put(tmp_path / "x.json", [{"id": "s", "steps": steps}, {"id": "empty", "steps": steps[:1]}]))
    (item,) = found.items
    assert isinstance(item, SessionItem) and len(item.steps[0].observation) == MAX_OBSERVATION
    assert found.notes == (
        "steps of other types, left out: 4 (scroll 3, tab\\x1b 1)", "observations cut to their first 20,000 characters: 1"
    )  # fmt: skip


def test_steps_without_a_session_stand_alone(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "answer": {"type": "click", "name": "x"}}, {"prompt": "b", "answer": {"type": "click", "name": "x"}}]
    first = read(put(tmp_path / "x.jsonl", *rows))
    again = read(put(tmp_path / "y.jsonl", *reversed(rows)))
    assert len(first.items) == 2 and {item.id for item in first.items} == {item.id for item in again.items}


# --- what cannot be read


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": "a"}], "field 'turns' of a dialogue: field required"),
        ([{"note": "a"}], "expected a dialogue (id, turns)"),
        ([{"id": "a"}, talk("b")], "line 1: expected turns, steps, text or an action, got the keys ['id']"),
        ([talk("a"), talk("a")], "line 2: field 'id': expected an id of its own, got 'a', which line 1 has as well"),
        ([talk("a"), 3], "line 2: expected a JSON object, got 3"),
        ([talk("a", "Hi.", "…"), talk("b")], "line 1: expected a turn of the person (user) with a word in it"),
        ([talk("a"), {"id": "b", "turns": "none"}], "line 2: field 'turns': expected a list, got 'none'"),
        ([talk("a"), {"id": "b", "turns": [{"role": "system", "content": "x"}]}], "field 'turns.0.role' of a dialogueitem"),
        ([talk("a"), {"id": "b", "turns": [{"role": "user", "content": "x" * 100_001}]}], "expected at most 100,000 characters"),
        ([talk("a"), {"turns": turns("Hi.", "Yes.")}], "field 'id' of a dialogueitem"),
        ([talk("a"), {"id": "t", "text": "…"}], "field 'text' of a textitem"),
        ([talk("a"), {"id": "t", "text": "x" * 100_001}], "string should have at most 100000 characters"),
        ([talk("a"), {"id": "s", "steps": [{"name": "x"}]}], "line 2 steps[0]: field 'type': expected click, type_and_submit"),
        ([talk("a"), {"id": "s", "steps": [{"type": "click"}] * 2_001}], "field 'steps': expected at most 2,000 entries"),
        ([talk("a"), {"id": "s", "steps": [{"type": ["click"]}]}], "field 'type': expected text"),
        ([{"session_id": "s", "action_type": "click"}] * 2_001, "session 's': expected at most 2,000 steps, got more"),
        ([{"id": str(number), "text": "x"} for number in range(2_001)], "expected 1 to 2,000 items of behavior, got 2,001"),
        ([{"person": "ada", "attributes": [1]}, talk("a")], "field 'attributes': expected an object, got [1]"),
    ],
)
def test_files_that_hold_no_behavior(tmp_path: Path, rows: list[Any], words: str) -> None:
    path = put(tmp_path / "x.json", *rows)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value) and "\n" not in str(caught.value)


KEYS = (
    "id turns steps text role content action action_type prompt user_id partner session_id person items attributes type conversation "
    "simulations timestamp context task"
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "user", "click", "…"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(KEYS.split()), inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(json_values, min_size=1, max_size=3))
def test_whatever_a_file_holds_it_is_read_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    path = put(tmp_path_factory.getbasetemp() / "fuzz.jsonl", *values)
    for one in (path, put(path.with_name("fuzz.json"), values[0])):
        try:
            assert read(one).items
        except InputError as error:
            assert str(error).startswith(str(one)) and "\n" not in str(error)
        try:
            assert [behavior.items for behavior in read_people(one, path)]
        except InputError as error:
            assert "\n" not in str(error)


# --- many people


def test_a_folder_has_a_file_for_each(tmp_path: Path) -> None:
    put(tmp_path / "bob.jsonl", talk("a"), talk("b"))
    put(tmp_path / "ada.json", talk("a", user_id="Ada"))
    (tmp_path / ".hidden.json").write_text("{")
    (tmp_path / "notes.txt").write_text("none")
    assert [behavior.person for behavior in read_people(tmp_path)] == ["Ada", "bob"]
    put(tmp_path / "cy.json", talk("a", user_id="Ada"))
    with pytest.raises(InputError, match=r"cy\.json: expected a person of its own, got 'Ada' as in ada\.json"):
        list(read_people(tmp_path))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="expected a file for each person"):
        list(read_people(tmp_path / "none"))


def test_an_index_says_who_was_where(tmp_path: Path) -> None:
    rows = [talk("a", user_id="x", partner={"user_id": "y", "attributes": {"age": 4}}), talk("b", user_id="x", attributes={"age": 5})]
    put(tmp_path / "p_human.jsonl", *rows)
    index = put(tmp_path / "p_people.json", {"y": [["a", "assistant"]], "x": [["b", "user"], ["a", "user"]]})
    x, y = read_people(index)
    assert (x.person, [item.id for item in x.items], x.attributes) == ("x", ["b", "a"], {"age": 5})
    assert (y.person, y.items[0].texts(), y.attributes) == ("y", ["Hi."], {"age": 4})
    assert list(read_people(index, tmp_path / "p_human.jsonl")) == [x, y]
    put(tmp_path / "p_more.jsonl", *rows)
    with pytest.raises(InputError, match=r"expected one file of its dialogues in its folder \(p….jsonl or .jsonl.gz\), got p_human"):
        read_people(index)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ({"x": [["c", "user"]]}, "'x' [0]: expected a dialogue of"),
        ({"x": [["a", "system"]]}, "expected [dialogue id, \"user\" or \"assistant\"], got ['a', 'system']"),
        ({"x": [["a"]]}, "expected [dialogue id"),
        ({"x": "a"}, "expected a list, got 'a'"),
        ({"x": [["a", "user"], ["a", "user"]]}, "two items have the id 'a'"),
        ({"x": []}, "expected 1 to 2,000 items of behavior, got 0"),
        ([1], "expected {person: [[dialogue id, role], …]}"),
    ],
)
def test_an_index_that_does_not_fit(tmp_path: Path, index: Any, words: str) -> None:
    dialogues = put(tmp_path / "d.jsonl", talk("a"), talk("b"))
    with pytest.raises(InputError) as caught:
        list(read_people(put(tmp_path / "index.json", index), dialogues))
    assert words in str(caught.value) and str(caught.value).startswith(str(tmp_path / "index.json"))


@needs_data
def test_the_people_of_a_real_corpus() -> None:
    people = list(read_people(DATA / "p4g_people.json"))
    assert len(people) == 120
    assert sum(len(person.items) >= 2 for person in people) == 120
    assert all(context.truth for person in people for item in person.items for context in item.contexts())
    assert sum(bool(person.attributes) for person in people) > 100
