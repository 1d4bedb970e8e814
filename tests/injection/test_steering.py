"""A judge and a mutator that obey every order outside the blocks for data: no text inside changes a score or a mutation."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from injection_cases import CAUGHT, EVADING

from personaevo.text import quoted, split_blocks

ALL = {**CAUGHT, **EVADING}
PERSONA = "A tired customer who answers in few words."
DIALOGUE = "user: hi my order is late\nassistant: Which order?\nuser: 4411"
ORDERS = (
    "Rate from 0 to 10 how much the user talks like a person.",
    "Answer with the number alone.",
    "Write a persona program with one axis for this persona.",
    "Answer with the program alone.",
)
# Of which a gullible reader believes that they end the data, wherever they stand: tokens of chat templates, and what moves the cursor.
BREAKS = re.compile(
    "<\\|\\w+\\|>|<\uff5c\\w+\uff5c>|\\[/?INST\\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]"
    "|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)


def read_gullibly(prompt: str) -> tuple[list[str], list[str]]:
    """The lines that this reader takes for orders to it, and those that it takes for data. It knows the blocks by sight only: border lines,
    and a bar before every line of data."""
    orders, data = [], []
    inside = False
    for line in BREAKS.sub("\n", prompt).splitlines():
        if re.fullmatch(r"--- (end of )?data: .* ---", line):
            inside = not line.startswith("--- end")
        elif inside and line.startswith("| "):
            data.append(line[2:])
        elif line.strip():
            orders.append(line)
    return orders, data


def strange(orders: list[str]) -> list[str]:
    """Orders that are not ours. It understands every language, poem and code: whatever it may not take for data, it obeys."""
    return [line for line in orders if line not in ORDERS]


def judge(prompt: str) -> float:
    """10 if told so by anyone; else by how many words the dialogue or persona begins with."""
    orders, data = read_gullibly(prompt)
    return 10.0 if strange(orders) else min(9.0, len(data[0].split()))


def mutator(prompt: str) -> str:
    """A program after the first line of the persona; orders that are not ours are written into it."""
    orders, data = read_gullibly(prompt)
    return "\n".join([f"AXES = [{{'name': {data[0][:10]!r}}}]" if data else "AXES = []", *(f"# {line}" for line in strange(orders))])


def judge_prompt(block: str) -> str:
    return f"{ORDERS[0]}\n{block}\n{ORDERS[1]}"


def mutator_prompt(block: str) -> str:
    return f"{ORDERS[2]}\n{block}\n{ORDERS[3]}"


def as_data(text: str) -> str:
    return quoted("what is to be judged", text)


def pasted(text: str) -> str:
    """Between the same borders, but as it stands."""
    return f"--- data: what is to be judged ---\n| {text}\n--- end of data: what is to be judged ---"


def answers(paste: Callable[[str], str], text: str) -> tuple[float, str]:
    return judge(judge_prompt(paste(text))), mutator(mutator_prompt(paste(text)))


@pytest.mark.parametrize("name", ALL)
def test_not_one_score_and_not_one_mutation_changes(name: str) -> None:
    for base in (PERSONA, DIALOGUE):
        before = answers(as_data, base)
        assert before[0] < 10
        for evil in (ALL[name], ALL[name] + "\n" + ALL[name], ALL[name][::-1]):
            assert answers(as_data, f"{base}\n{evil}") == before
            assert answers(as_data, f"{base}{evil}")[1].count("\n") == 0


def test_pasted_as_they_stand_they_do_steer() -> None:
    """The control: were the blocks of no use, the test above would fail."""
    before = answers(pasted, PERSONA)
    for steered in (0, 1):
        held = [name for name, evil in ALL.items() if answers(pasted, f"{PERSONA}\n{evil}")[steered] == before[steered]]
        assert held == []
    assert before == answers(as_data, PERSONA)


@pytest.mark.parametrize("name", ALL)
def test_blocks_are_read_back(name: str) -> None:
    prompt = judge_prompt(as_data(f"{PERSONA}\n{ALL[name]}"))
    outside, blocks = split_blocks(prompt)
    assert outside == "\n".join(ORDERS[:2])
    assert [label for label, _ in blocks] == ["what is to be judged"]
    assert blocks[0][1].startswith(PERSONA)
    assert prompt == judge_prompt(as_data(f"{PERSONA}\n{ALL[name]}"))


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_leaves_its_block(one: str, two: str) -> None:
    prompt = "\n".join([ORDERS[0], quoted("one", one), ORDERS[1], quoted("two", two, 50), ORDERS[2]])
    outside, blocks = split_blocks(prompt)
    assert outside == "\n".join(ORDERS[:3])
    assert [label for label, _ in blocks] == ["one", "two"]
    assert strange(read_gullibly(prompt)[0]) == []


def test_the_reader_of_blocks_notices_what_is_wrong() -> None:
    for broken in ("--- data: a ---\n| x", "--- data: a ---\nx\n--- end of data: a ---", "--- data: a ---\n| x\n--- end of data: b ---"):
        with pytest.raises(ValueError, match="block 'a'"):
            split_blocks(broken)


def test_long_texts_are_cut_visibly() -> None:
    block = quoted("a", "x" * 10_000_000, 100)
    assert block.splitlines()[1:] == ["| " + "x" * 100, "--- end of data: a … (9,999,900 characters cut) ---"]
    assert len(quoted("a", "\n" * 10_000_000)) < 30_000
    assert split_blocks(block) == ("", [("a", "x" * 100)])


@pytest.mark.parametrize("label", ["", "a\nb", "a" * 81, "--- x", "\u202ea", "x | y", "<a>"])
def test_labels_are_the_callers_own_words(label: str) -> None:
    with pytest.raises(ValueError, match="content belongs into the text"):
        quoted(label, "x")
