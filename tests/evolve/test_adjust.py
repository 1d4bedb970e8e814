"""New values of dials by a model: what can be said, what comes of it, and when the operator is chosen."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from pydantic import ValidationError

from personaevo import content, definitions
from personaevo.chat import Message, Reply
from personaevo.errors import ProgramError
from personaevo.evolve import rewrite
from personaevo.evolve.genotype import genotype_of
from personaevo.evolve.rewrite import Brief
from personaevo.evolve.rollout import read
from personaevo.programs.source import make_program

SEED = (content.root("seeds") / "program.py").read_text(encoding="utf-8")
COMPUTED = "AXES = [dict(name='a')]\ndef generate(task, n, rng, model=None):\n    return [{'description': 'x.'}] * n\n"
CHANGES: list[dict[str, object]] = [
    {"axis": "terse", "dial": "words_per_turn", "at_0": 8.0, "at_1": 2.0},
    {"axis": "terse", "dial": "repetition_rate", "at_0": 0.2, "at_1": 99.0},
]


def answer(changes: list[dict[str, object]]) -> object:
    return rewrite.changes_schema(SEED).model_validate({"changes": changes})


def test_changes_stand_in_the_program() -> None:
    genes = genotype_of(rewrite.apply_changes(SEED, answer(CHANGES)))
    assert genes is not None
    dials = {axis["name"]: axis["dials"] for axis in genes.axes}
    assert dials["terse"]["words_per_turn"] == [8.0, 2.0]
    assert dials["terse"]["repetition_rate"] == [0.2, definitions.dials()["repetition_rate"].high]  # brought into its range
    before = genotype_of(SEED)
    assert before is not None
    assert dials["skeptical"] == {axis["name"]: axis["dials"] for axis in before.axes}["skeptical"]


@pytest.mark.parametrize("broken", [{"axis": "none"}, {"dial": "none"}, {"at_0": float("nan")}, {"at_1": "much"}])
def test_only_axes_dials_and_numbers_can_be_said(broken: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        answer([CHANGES[0], {**CHANGES[1], **broken}])


def test_one_changed_number_is_no_proposal() -> None:
    same = {"axis": "terse", "dial": "opening_words", "at_0": 16.0, "at_1": 2.0}
    with pytest.raises(ProgramError, match="set 1 number to another value; change two or more"):
        rewrite.apply_changes(SEED, answer([same, {**same, "at_0": 15.0}]))


def test_what_is_computed_cannot_be_adjusted() -> None:
    assert rewrite.can_adjust(SEED)
    assert not rewrite.can_adjust(COMPUTED)
    with pytest.raises(ProgramError, match="not said as literals"):
        rewrite.changes_schema(COMPUTED)


class Scripted:
    """Answers with the changes, in the form asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Message, ...]] = []

    def reply(self, messages: object, *, schema: object = None, sample: int = 0) -> Reply:
        assert schema is not None
        self.asked.append(tuple(messages))  # type: ignore[arg-type]
        return Reply(json.dumps({"changes": CHANGES}), parsed=answer(CHANGES))


def test_a_brief_becomes_a_program() -> None:
    model = Scripted()
    brief = Brief("adjust", 3, make_program(SEED), None, attempts=("edit: failed",))
    proposal = rewrite.propose(brief, model, None, read)
    assert proposal.program is not None
    assert proposal.program.id == make_program(rewrite.apply_changes(SEED, answer(CHANGES))).id
    system, user = model.asked[0]
    assert "words_per_turn" in system.content
    assert "words_per_turn: 20 at 0, 2 at 1" in user.content
    assert "edit: failed" in user.content
    assert "{" not in user.content


def test_an_operator_that_a_model_cannot_use_is_chosen_less() -> None:
    def drawn(tried: dict[str, tuple[int, int]]) -> Counter[str]:
        rng = random.Random(1)
        return Counter(rewrite.choose(rng, failed=False, mates=False, tried=tried) for _ in range(2000))

    first, later = drawn({}), drawn({"adjust": (5, 5), "edit": (0, 3), "rewrite": (0, 2)})
    assert first["edit"] > 600
    assert later["adjust"] > 1700
    assert later["edit"] > 0  # it may learn
    small = drawn(dict(rewrite.SMALL_MODEL))
    assert small["adjust"] > 1600 and small["edit"] > 0
    assert drawn({**rewrite.SMALL_MODEL, "edit": (9, 12)})["edit"] > 600  # it has learned
    assert rewrite.choose(random.Random(1), failed=False, mates=False, adjustable=False) != "adjust"
