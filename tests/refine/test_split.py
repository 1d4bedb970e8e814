"""Train, dev and test of one person: by item, never overlapping, and the same whoever asks."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.errors import InputError
from personaevo.refine.items.behavior import Behavior, DialogueItem, Item, Parts, SessionItem, TextItem, split
from personaevo.refine.items.reading import read_people

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared corpora are not at {DATA}")


def words(seed: object, count: int) -> str:
    """Words that no other seed gives."""
    rng = random.Random(str(seed))
    return " ".join(f"w{rng.randrange(10**9)}" for _ in range(count))


def talk(identity: str, role: str = "user", turns: int = 8, texts: list[str] | None = None) -> DialogueItem:
    said = texts or [words((identity, index), 6) for index in range(turns)]
    sides = [{"role": ("assistant", "user")[index % 2], "content": text} for index, text in enumerate(said)]
    return DialogueItem.model_validate({"id": identity, "turns": sides, "role": role})


def session(identity: str, *names: str) -> SessionItem:
    steps = [{"action": {"type": "click", "name": name}, "observation": f"page {name}"} for name in names]
    return SessionItem.model_validate({"id": identity, "steps": steps})


def of(*items: Item) -> Behavior:
    return Behavior(person="ada", items=items)


def ids(items: tuple[Item, ...]) -> list[str]:
    return [item.id for item in items]


def together(parts: Parts, *wanted: str) -> bool:
    """Whether all of these items are in one part."""
    return any(set(wanted) <= set(ids(items)) for items in (parts.train, parts.dev, parts.test))


# --- how many go where


def test_of_one_item_all_is_train_and_that_is_said() -> None:
    parts = split(of(talk("a")), 1)
    assert parts.fit_only and ids(parts.train) == ["a"] and parts.dev == parts.test == ()
    assert any("fit only" in note for note in parts.notes)


def test_of_two_dialogues_dev_is_kept_back_from_train() -> None:
    items = talk("a", turns=20), talk("b", turns=20)
    parts = split(of(*items), 1)
    (train,), (dev,), (test,) = parts.train, parts.dev, parts.test
    assert isinstance(train, DialogueItem) and isinstance(dev, DialogueItem)
    assert {train.id, test.id} == {"a", "b"} and dev.id == train.id and not parts.fit_only
    whole = next(item for item in items if item.id == train.id)
    moments = train.contexts() + dev.contexts()
    assert moments == whole.contexts()  # each in one of them, with its history
    assert (len(train.contexts()), len(dev.contexts()), len(test.contexts())) == (7, 3, 10)
    assert set(train.texts()).isdisjoint(dev.texts()) and not set(dev.texts()) & {turn.content for turn in train.turns}
    assert f"dev is the last 3 of 10 turns of the train item '{train.id}', kept back from it" in parts.notes


@pytest.mark.parametrize(
    ("items", "note"),
    [
        ((talk("a", turns=4), talk("b", turns=4)), "the train item has only 2 turns of the person"),
        ((TextItem(id="a", text=words("a", 9)), TextItem(id="b", text=words("b", 9))), "nothing can be kept back from a single text"),
    ],
)
def test_without_enough_to_keep_back_there_is_no_dev(items: tuple[Item, ...], note: str) -> None:
    parts = split(of(*items), 1)
    assert parts.dev == () and len(parts.train) == len(parts.test) == 1 and any(note in one for one in parts.notes)


def test_steps_are_kept_back_from_a_session() -> None:
    parts = split(of(session("a", *"abcdef"), session("b", *"ghijkl")), 1)
    (train,), (dev,) = parts.train, parts.dev
    assert (len(train.contexts()), len(dev.contexts())) == (4, 2)
    assert dev.contexts()[0].steps == train.steps if isinstance(train, SessionItem) else False


@pytest.mark.parametrize(("count", "sizes"), [(3, (1, 1, 1)), (4, (2, 1, 1)), (7, (5, 1, 1)), (8, (4, 2, 2)), (100, (50, 25, 25))])
def test_of_more_a_quarter_is_held_out_twice(count: int, sizes: tuple[int, int, int]) -> None:
    parts = split(of(*(talk(str(number)) for number in range(count))), 1)
    assert tuple(map(len, (parts.train, parts.dev, parts.test))) == sizes and parts.notes == ()
    assert parts.texts()["dev"].keys() == set(ids(parts.dev))
    assert parts.texts()["test"][parts.test[0].id] == "\n".join(parts.test[0].texts())


# --- by what


def test_the_split_depends_on_ids_and_seed_only() -> None:
    names = [str(number) for number in range(12)]
    parts = split(of(*(talk(name) for name in names)), 5)
    other_texts = split(of(*(talk(name, texts=[words((name, "x", index), 3) for index in range(6)]) for name in reversed(names))), 5)
    assert [ids(part) for part in (parts.train, parts.dev, parts.test)] == [
        ids(part) for part in (other_texts.train, other_texts.dev, other_texts.test)
    ]
    seeds = [tuple(ids(split(of(*(talk(name) for name in names)), seed).test)) for seed in range(20)]
    assert len(set(seeds)) > 15
    other_person = split(Behavior(person="bob", items=tuple(talk(name) for name in names)), 5)
    assert ids(other_person.test) != ids(parts.test)


def test_each_item_is_tested_as_often_as_the_others() -> None:
    items = [talk(name) for name in "abc"]
    counts = Counter(split(of(*items), seed).test[0].id for seed in range(300))
    assert all(70 < counts[name] < 130 for name in "abc")


def test_the_split_is_the_same_in_every_process() -> None:
    code = (
        "from tests.refine.test_split import *\n"
        "made = split(of(*(talk(str(n)) for n in range(9)), talk('x', texts=[words(3, 30)] * 2), talk('y', texts=[words(3, 30)] * 2)), 3)\n"
        "import json; print(json.dumps([ids(made.train), ids(made.dev), ids(made.test), made.notes]))"
    )
    root = Path(__file__).resolve().parents[2]
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}, cwd=root, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] and "2 items overlap" in json.loads(runs[0])[3][0]


# --- roles


def test_only_one_role_is_used() -> None:
    users, agents = [talk(name) for name in "abc"], [talk(name, "assistant") for name in "wxyz"]
    parts = split(of(*users, *agents), 1)
    assert set(ids(parts.train + parts.dev + parts.test)) == set("wxyz")
    assert parts.notes == ("only the role 'assistant' is used; dialogues on the other side, left out: 3",)
    assert set(ids((given := split(of(*users, *agents), 1, role="user")).train + given.dev + given.test)) == set("abc")
    even = split(of(*users, *agents[:3]), 1)
    assert set(ids(even.train + even.dev + even.test)) == set("abc")
    both = split(of(*users, *agents), 1, same_role=False)
    assert set(ids(both.train + both.dev + both.test)) == set("abcwxyz") and both.notes == ()
    text = TextItem(id="t", text=words("t", 9))
    mixed = split(of(*users, *agents, text), 1)
    assert "t" in ids(mixed.train + mixed.dev + mixed.test)
    with pytest.raises(InputError, match="expected dialogues with the person as 'assistant', got 3 on the other side only"):
        split(of(*users), 1, role="assistant")


# --- overlap


def window(identity: str, whole: DialogueItem, start: int, stop: int) -> DialogueItem:
    return DialogueItem(id=identity, turns=whole.turns[start:stop], role=whole.role)


WHOLE = talk("whole", turns=30)


@pytest.mark.parametrize(
    "pair",
    [
        (window("p", WHOLE, 0, 20), window("q", WHOLE, 10, 30)),
        (window("p", WHOLE, 0, 12), window("q", WHOLE, 10, 30)),  # two turns in common, of 12 words together
        (window("p", WHOLE, 0, 30), window("q", WHOLE, 4, 8)),
        (TextItem(id="p", text=f"{words(1, 20)} {words(2, 12)}"), TextItem(id="q", text=f"{words(2, 12)}, {words(3, 20)}!")),
        (TextItem(id="p", text=words(1, 20)), TextItem(id="q", text=words(1, 20).upper())),
        (TextItem(id="p", text="Great film"), TextItem(id="q", text="great film!")),
        (TextItem(id="p", text=words(1, 60)), TextItem(id="q", text=" ".join(words(1, 60).split()[20:31]))),  # 11 words, all in the other
        (talk("p"), TextItem(id="q", text=" ".join(talk("p").texts()))),
        (session("p", *"abcdefgh"), session("q", *"efghijkl")),
        (session("p", *"abc"), session("q", *"xabcy")),
    ],
)  # fmt: skip
def test_what_overlaps_stays_in_one_part(pair: tuple[Item, Item]) -> None:
    others = [talk(name) for name in "abcdef"]
    for seed in range(10):
        parts = split(of(*pair, *others), seed)
        assert together(parts, "p", "q")
        (note,) = parts.notes
        assert note.startswith("2 items overlap and stay in one part: ")
    assert split(of(*pair), 1).fit_only


def test_overlap_goes_on_by_way_of_others() -> None:
    chain = [window(str(index), WHOLE, 4 * index, 4 * index + 8) for index in range(5)]
    others = [talk(name) for name in "abcdef"]
    for seed in range(10):
        assert together(split(of(*chain, *others), seed), *"01234")


@pytest.mark.parametrize(
    "pair",
    [
        # the other side says the same to everybody, as persuaders do
        (talk("p", texts=[words(1, 40), words("p", 9)] * 2), talk("q", texts=[words(1, 40), words("q", 9)] * 2)),
        (TextItem(id="p", context=words(1, 40), text=words(2, 20)), TextItem(id="q", context=words(1, 40), text=words(3, 20))),
        (TextItem(id="p", text=f"{words(1, 20)} {words(2, 11)}"), TextItem(id="q", text=f"{words(2, 11)} {words(3, 20)}")),
        (session("p", *"abcde"), session("q", *"xabcyzw")),
    ],
)
def test_what_does_not_overlap_is_split(pair: tuple[Item, Item]) -> None:
    parts = split(of(*pair), 1)
    assert not parts.fit_only and len(parts.test) == 1 and parts.test != parts.train


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 24), st.integers(2, 12)), min_size=1, max_size=14), st.integers(0, 10**6))
def test_no_window_of_a_part_is_in_another(cuts: list[tuple[int, int, int]], seed: int) -> None:
    sources = [talk(f"source{number}", turns=36) for number in range(4)]
    items = [window(f"{index}", sources[source], start, start + size) for index, (source, start, size) in enumerate(cuts)]
    parts = split(of(*items), seed)
    kept_back = any(item.after for item in parts.dev if isinstance(item, DialogueItem))
    named = [ids(parts.train), [] if kept_back else ids(parts.dev), ids(parts.test)]
    assert sorted(name for part in named for name in part) == sorted(item.id for item in items)  # each in one part, none lost
    neighbors = [
        {pair for item in items if item.id in part for pair in zip(item.turns, item.turns[1:], strict=False)} for part in named
    ]  # fmt: skip
    assert not (neighbors[0] & neighbors[1] or neighbors[0] & neighbors[2] or neighbors[1] & neighbors[2])
    assert parts == split(of(*reversed(items)), seed)


@needs_data
def test_real_people_with_two_dialogues_in_a_role_are_split() -> None:
    found = [split(person, 7) for person in read_people(DATA / "p4g_people.json")]
    assert sum(not parts.fit_only for parts in found) == 76  # of 84 with two in a role; 8 say long runs twice
    for parts in found:
        assert len({item.role for item in parts.train + parts.test if isinstance(item, DialogueItem)}) == 1
        assert not set(ids(parts.train)) & set(ids(parts.test))
