"""Structured answers: read tolerantly, whatever a model wrote around and into its JSON; asked for strictly."""

from __future__ import annotations

import json
import math
import time
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from personaevo.models import wrappers


class Part(BaseModel):
    label: str
    weight: float = 1.0


class Verdict(BaseModel):
    title: str
    score: float
    parts: list[Part] = Field(default_factory=list)


class Odd(BaseModel):
    """Properties that are called like words of JSON Schema."""

    title: str = Field(default="none", title="Its title")
    default: int = 3
    properties: Part = Part(label="p")
    required: list[str] = Field(default=["a"], title="What is needed")
    kind: Literal["a", "b"] = "a"
    table: Annotated[dict[str, float], Field(default={"title": 1.0})]
    before: Odd | None = None


GOOD = {"title": "a {brace} and a [bracket]", "score": 0.5, "parts": [{"label": 'quoted "}" here', "weight": 2.0}]}
TEXT = json.dumps(GOOD, indent=1)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"\n\n  {TEXT}\t\n",
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```",
        f"```JSON  \n{TEXT}",  # never closed
        f"Sure! Here it is:\n\n```json\n{TEXT}\n```\nTell me if {{anything}} is missing.",
        f"Sure! Here it is: {TEXT} Hope that helps.",
        f"I use [brackets] and {{braces}} a lot. {TEXT}",
        TEXT.replace("\n }", ",\n }").replace("\n]", ", ]"),
        f"Well:\n```json\n{TEXT[:-1]},}}\n```",
        f"```python\nx = {{}}\n```\n```json\n{TEXT}\n```",
        f"<think>maybe {{\"title\": 1}}</think>{TEXT}",
        f"{TEXT}\n{TEXT}",
        f"\ufeff{TEXT}",
    ],
)
def test_found_in_whatever_is_around(text: str) -> None:
    assert wrappers.parse(text, Verdict).model_dump() == GOOD


def test_commas_in_strings_stay() -> None:
    text = '{"title": "one,] two,} \\",} three", "score": 1,}'
    assert wrappers.parse(text, Verdict).title == 'one,] two,} ",} three'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it holds no JSON"),
        ("I cannot do that.", "it holds no JSON"),
        (TEXT[: len(TEXT) // 2], "."),
        ('{"title": "cut of', "it holds no JSON"),
        ("{'title': 'python', 'score': 1}", "it holds no JSON"),
        ('{"score": 1}', "^title: field required"),
        ('{"title": "x", "score": "high"}', "^score: input should be a valid number"),
        ('{"title": "x", "score": NaN}', "^score: input should be a valid number"),
        ('{"title": "x", "score": -Infinity}', "^score: input should be a valid number"),
        ('{"title": "x", "score": 1e999}', "^score: input should be a valid number"),
        ('{"title": "x", "score": 1, "parts": [{"label": 5}]}', r"^parts\.0\.label: "),
        ("[1, 2]", "^the whole: "),
        ("NaN", "it holds no JSON"),
        ("null", "it holds no JSON"),
        ("1" * 5_000, "it holds no JSON"),
    ],
)
def test_what_is_wrong_is_said_about_the_outermost(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        wrappers.parse(text, Verdict)
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("written", "read"), [("a\\ud800b", "a?b"), ("\\ud83d\\ude00", "😀"), ("\\\\ud800", "\\ud800"), ("\\u0041", "A")])
def test_half_characters_are_no_text(written: str, read: str) -> None:
    assert wrappers.parse(f'{{"title": "{written}", "score": 1}}', Verdict).title == read


def test_only_so_much_is_looked_at() -> None:
    with pytest.raises(ValueError, match="no JSON"):
        wrappers.parse(TEXT + " " * wrappers.LONGEST, Verdict)
    assert wrappers.parse(" " * wrappers.LONGEST + TEXT, Verdict).score == 0.5


def test_the_last_of_several_counts() -> None:
    drafts = [TEXT.replace("0.5", f"0.{number}") for number in (1, 2, 3)]
    answer = "A draft: " + drafts[0] + "\nBetter:\n```json\n" + drafts[1] + "\n```\nFinally " + drafts[2]
    assert wrappers.parse(answer, Verdict).score == 0.3
    assert wrappers.parse(drafts[0] + " and then [1] or {nothing of the form}", Verdict).score == 0.1


def test_brackets_in_the_prose_are_harmless() -> None:
    prose = "[1] see [a, b] {x} " * 500 + "[unclosed { " * 20
    assert wrappers.parse(prose + TEXT + " [2] [3]", Verdict).score == 0.5


LONG = wrappers.LONGEST
HOSTILE = {
    "opening": "[" * LONG,
    "opening objects": '{"a":' * (LONG // 5),
    "pairs": "[]" * (LONG // 2),
    "braces": "{}" * (LONG // 2),
    "deep and closed": "[" * (LONG // 2) + "]" * (LONG // 2),
    "quotes": '"' * LONG,
    "escaped quotes": '"' + '\\"' * (LONG // 2),
    "escaped quotes in an object": '{"' + '\\"' * (LONG // 2),
    "backslashes": '"' + "\\" * (LONG - 2) + "\\",
    "commas": "," * LONG,
    "comma and spaces": "{" + ", " * (LONG // 2),
    "one comma and many spaces": "{," + " " * LONG,
    "fences": "```\n" * (LONG // 4),
    "backticks": "`" * LONG,
    "fence and spaces": "```" + " " * LONG,
    "fence and lines": "```" + "\n" * LONG,
    "wrong values": "[" + "{}," * (LONG // 4) + "{}]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_no_time(name: str) -> None:
    begun = time.process_time()  # of this process: a busy machine does not matter
    with pytest.raises(ValueError):
        wrappers.parse(HOSTILE[name], Verdict)
    assert time.process_time() - begun < 2.0


def objects(node: Any) -> list[dict[str, Any]]:
    """All schemas of objects with properties."""
    if isinstance(node, list):
        return [found for part in node for found in objects(part)]
    if not isinstance(node, dict):
        return []
    own = [node] if node.get("type") == "object" and "properties" in node else []
    return own + [found for part in node.values() for found in objects(part)]


@pytest.mark.parametrize("model", [Verdict, Odd, Part])
def test_every_object_of_a_strict_schema_is_closed(model: type[BaseModel]) -> None:
    found = objects(wrappers.strict_schema(model))
    assert found
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])


def test_strict_schemas_hold_properties_but_no_notes() -> None:
    schema = wrappers.strict_schema(Odd)
    made = schema.get("$defs", {}).get("Odd", schema)
    assert list(made["properties"]) == list(Odd.model_fields)
    assert made["properties"]["title"] == {"type": "string"}
    assert made["properties"]["default"] == {"type": "integer"}
    assert made["properties"]["required"] == {"type": "array", "items": {"type": "string"}}
    assert made["properties"]["table"] == {"type": "object", "additionalProperties": {"type": "number"}}
    assert made["properties"]["kind"]["enum"] == ["a", "b"]
    assert "default" not in made["properties"]["properties"]  # the model's own default, an object


def test_the_schema_of_the_class_stays_as_it_was() -> None:
    before = json.dumps(Verdict.model_json_schema())
    wrappers.strict_schema(Verdict)
    assert json.dumps(Verdict.model_json_schema()) == before


def test_big_numbers_are_finite() -> None:
    assert wrappers.parse('{"title": "x", "score": 1e308}', Verdict).score == 1e308
    assert math.isfinite(wrappers.parse('{"title": "x", "score": -1.5e-400}', Verdict).score)
