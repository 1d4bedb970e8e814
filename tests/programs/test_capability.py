"""The model capability: text in, text out, counted by the host, repeated in the second run."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from pydantic import BaseModel

from personaevo.chat import Message, Reply, Usage
from personaevo.programs import Call, ModelLimits, Sandbox
from personaevo.records import RunResult

TASK = {"goal": "book a table", "facts": {}, "context": "", "domain": "service"}


class Echo:
    """Answers with the question, its number and the sample; remembers what it was asked."""

    def __init__(self, answer: str = "", seconds: float = 0.0, error: Exception | None = None) -> None:
        self.answer, self.seconds, self.error = answer, seconds, error
        self.asked: list[tuple[tuple[tuple[str, str], ...], int]] = []

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        self.asked.append((tuple((message.role, message.content) for message in messages), sample))
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        text = self.answer or f"{messages[-1].content} #{len(self.asked)} sample {sample}"
        return Reply(text, usage=Usage(input_tokens=3, output_tokens=4))


def program(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"AXES = []\ndef generate(task, n, rng, model=None):\n{lines}\n"


def one(result: RunResult) -> str:
    assert result.ok, result.reason
    return result.personas[0].description


ASKS = program("return [{'description': model.complete(f'who is {i}?', 'be brief')} for i in range(n)]")


def test_questions_reach_the_model_once_and_answers_the_program_twice() -> None:
    model = Echo()
    with Sandbox() as box:
        result = box.run(ASKS, TASK, 2, 1, model)
    assert [persona.description for persona in result.personas] == ["who is 0? #1 sample 0", "who is 1? #2 sample 0"]
    assert [messages for messages, _ in model.asked] == [(("system", "be brief"), ("user", f"who is {i}?")) for i in range(2)]


def test_equal_questions_of_a_call_are_other_samples() -> None:
    model = Echo()
    source = program("return [{'description': ', '.join(model.complete('who?') for _ in range(3))}]")
    with Sandbox() as box:
        results = box.run_many(source, [Call(TASK, 1, 1), Call(TASK, 1, 2)], model)
    assert [sample for _, sample in model.asked] == [0, 1, 2, 0, 1, 2]
    assert one(results[1]) == "who? #4 sample 0, who? #5 sample 1, who? #6 sample 2"


def test_a_program_without_a_model_gets_none() -> None:
    with Sandbox() as box:
        assert one(box.run(program("return [{'description': str(model)}]"), TASK, 1, 1)) == "None"


def test_asking_something_else_the_second_time_is_not_deterministic() -> None:
    model = Echo(answer="same")
    ways = ("str(id(object()))", "str({'a', 'b', 'c', 'd', 'e', 'f', 'g'})")
    with Sandbox() as box:
        for way in ways:
            result = box.run(program(f"return [{{'description': model.complete({way})}}]"), TASK, 1, 1, model)
            assert result.reason is not None
            assert result.reason.startswith("not deterministic: it asked the model something else when repeated")
        more = program("for _ in range(1 + id(object()) // 16 % 7): model.complete('x')\nreturn [{'description': 'x'}]")
        assert not all(box.run(more + f"# {number}", TASK, 1, 1, model).ok for number in range(20))


LIMITS = {
    "questions": (ModelLimits(calls=2), "at most 2 questions per program", 2),
    "tokens": (ModelLimits(tokens=10), "at most 10 tokens per program", 2),
    "question size": (ModelLimits(question_characters=5), "at most 5 characters a question, this one has 10", 0),
    "answer size": (ModelLimits(answer_characters=5), "at most 5 characters an answer, this one has", 4),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_counted_by_the_host_over_all_calls(name: str) -> None:
    limits, words, asked = LIMITS[name]
    source = program(
        "try:\n    return [{'description': model.complete('question', 'ab') + model.complete('question', 'ab')}]\n"
        "except Exception as error:\n    return [{'description': str(error)}]"
    )
    model = Echo()
    with Sandbox(model_limits=limits) as box:
        results = box.run_many(source, [Call(TASK, 1, seed) for seed in range(4)], model)
    assert one(results[-1]).startswith(f"model limit: {words}")
    assert len(model.asked) == asked


def test_a_flood_of_questions_ends_at_the_time_limit() -> None:
    model = Echo()
    with Sandbox(model_limits=ModelLimits(calls=3)) as box:
        result = box.run(program("while True:\n    try: model.complete('x')\n    except Exception: pass"), TASK, 1, 1, model)
        assert result.reason == "processor time limit of 0.102 s"
        assert len(model.asked) == 3


def test_waiting_for_the_model_is_not_the_programs_time_but_limited() -> None:
    with Sandbox(wall_seconds=0.3, model_limits=ModelLimits(seconds=0.7)) as box:
        assert box.run(ASKS, TASK, 2, 1, Echo(seconds=0.4)).ok
        result = box.run(ASKS, TASK, 3, 1, Echo(seconds=0.4))
    assert result.reason == "ModelRefusedError: model limit: at most 0.7 s of answers per program, line 3 of the program"


def test_what_the_model_raises_goes_through_and_the_sandbox_works_on() -> None:
    with Sandbox() as box:
        with pytest.raises(ConnectionError, match="no route"):
            box.run(ASKS, TASK, 1, 1, Echo(error=ConnectionError("no route")))
        assert box.run(ASKS, TASK, 1, 1, Echo()).ok


def test_only_text_is_asked_and_nothing_of_the_host_is_seen() -> None:
    bad = program("return [{'description': model.complete(prompt=3)}]")
    reach = program("return [{'description': str(sorted(name for name in dir(model) if not name.startswith('__')))}]")
    with Sandbox() as box:
        assert "takes text" in (box.run(bad, TASK, 1, 1, Echo()).reason or "")
        assert one(box.run(reach, TASK, 1, 1, Echo())) == "['_link', 'complete']"


FORGED = {
    "not a pair": 'model._link.send(b"M", "3")',
    "not text": 'model._link.send(b"M", "[1, 2]")',
    "not JSON": 'model._link.send(b"M", "[")',
    "too deep": 'model._link.send(b"M", "[" * 100000)',
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_questions_are_spoofing(name: str) -> None:
    model = Echo()
    with Sandbox() as box:
        result = box.run(program(f"{FORGED[name]}\nreturn [{{'description': 'x'}}]"), TASK, 1, 1, model)
        assert (result.reason or "").startswith("protocol: ")
        without = box.run(program(FORGED[name].replace("model._link", "task")), TASK, 1, 1)
        assert not without.ok
    assert model.asked == []


def test_a_question_without_a_model_is_spoofing() -> None:
    source = program(
        "import enum\nframe = enum.sys._getframe()\nwhile 'link' not in frame.f_locals: frame = frame.f_back\n"
        "frame.f_locals['link'].send(b'M', '[\"x\", null]')\nreturn []"
    )
    with Sandbox() as box:
        assert (box.run(source, TASK, 1, 1).reason or "").startswith("protocol: ")


def test_programs_in_threads_have_questions_of_their_own() -> None:
    answers: dict[int, list[str]] = {}

    def ask(number: int) -> None:
        source = program(f"return [{{'description': model.complete('from {number}')}} for _ in range(n)]")
        with Sandbox() as box:
            answers[number] = [persona.description for persona in box.run(source, TASK, 5, 1, Echo()).personas]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: {text.partition(" #")[0] for text in texts} for number, texts in answers.items()} == {
        number: {f"from {number}"} for number in range(3)
    }
