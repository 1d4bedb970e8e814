"""What a model says without its thoughts."""

from __future__ import annotations

import time

import pytest

from personaevo.text import parted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>\nhm\n</think>\n\nHi.", "Hi."),
        ("<thinking>a</thinking>Hi <think>b</think>there.", "Hi there."),
        ("so the user wants\n</think>\nHi.", "Hi."),
        ("Hi.\n<think>and then", "Hi."),
        ("<think>only", ""),
        ("<think></think>Hi.", "Hi."),
        ("<THINK>x</THINK>Hi.", "Hi."),
        ("<reasoning>x</reasoning> Hi.", "Hi."),
        ("<seed:think>x</seed:think>Hi.", "Hi."),
        ("[THINK]x[/THINK]Hi.", "Hi."),
        ("◁think▷x◁/think▷Hi.", "Hi."),
        ("a</think>b</think>Hi.", "Hi."),
        ("<think>a<think>b</think>c</think>Hi.", "Hi."),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hi.<|return|>", "Hi."),
        ("<|channel|>analysis<|message|>hm, I", ""),
        ("<|start|>assistant<|channel|>final <|constrain|>json<|message|>{}", '{}'),
        ("<|channel|>final<|message|>Hi.", "Hi."),
    ],
)
def test_thoughts_are_removed(text: str, said: str) -> None:
    assert parted(text).said == said


@pytest.mark.parametrize("text", ["Hi.", "", " I think so. ", "a < b > c", "use <b>bold</b>", "[think about it]", "1 <think 2"])
def test_what_is_no_thought_stays(text: str) -> None:
    assert parted(text) == (text, False)


def test_long_replies_take_no_time() -> None:
    began = time.process_time()
    for text in ("<think>" * 40_000, "</think>" * 40_000, "<think></think>" * 20_000, "<|channel|>x<|message|>" * 10_000):
        parted(text)
    assert time.process_time() - began < 5.0
