"""Operators: whatever they are applied to, in whatever order, the child is a program that keeps the contract, and says nothing else new."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo import content
from personaevo.config import DEFAULT_OPERATORS
from personaevo.definitions import dials
from personaevo.errors import ConfigError
from personaevo.evolve import recombine
from personaevo.evolve.genes import MAX_AXES, genes_of
from personaevo.evolve.recombine import OPERATORS, Parents, breed
from personaevo.programs import Call, Sandbox
from personaevo.programs.dials import dial_table
from personaevo.programs.edit import literals
from personaevo.programs.source import make_program, program_id
from personaevo.records import Remark

SEED = (content.root("seeds") / "program.py").read_text(encoding="utf-8")
TASK = {"goal": "change my seat", "facts": {"name": "Ann"}, "context": "", "domain": "service"}
REMARKS = [Remark(name, wanted) for name in list(dials())[:6] for wanted in ("more", "less", "wider", "narrower")]  # type: ignore[arg-type]
CHAINS = st.lists(st.sampled_from(sorted(OPERATORS)), min_size=1, max_size=25)
SEEDS = st.integers(0, 2**32)
EDITED = {"AXES", "LEVELS", "COUPLINGS", "KINDS", "draw"}  # what operators may rewrite; all else must stay as it was


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(dial_table()) as box:
        yield box


def bred(chain: Sequence[str], seed: int, source: str = SEED, mate: str = SEED) -> str:
    """The child of a chain of operators; now and then child and mate change places."""
    rng = random.Random(seed)
    for name in chain:
        child = OPERATORS[name](Parents(source, mate, rng.sample(REMARKS, 3)), rng)
        source = child if child is not None else source
        if rng.random() < 0.2:
            source, mate = mate, source
    return source


def rest(source: str) -> list[str]:
    """The lines that no operator may touch; ``reformat`` adds comments at the end."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        name = node.targets[0].id if isinstance(node, ast.Assign) else getattr(node, "name", "")  # type: ignore[attr-defined]
        if name in EDITED:
            assert node.end_lineno is not None
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return [line for line in lines if line.strip() and not re.fullmatch(r"# [0-9a-f]{8}", line)]


@given(CHAINS, SEEDS)
@settings(max_examples=40)
def test_children_keep_the_contract(sandbox: Sandbox, chain: list[str], seed: int) -> None:
    child = bred(chain, seed)
    for result in sandbox.run_many(child, [Call(TASK, 7, seed % 100), Call(TASK, 1, 3)]):
        assert result.ok, (result.reason, child)
    assert rest(child) == rest(SEED)
    genes = genes_of(child)
    assert genes is not None
    assert 1 <= len(genes.axes) <= MAX_AXES
    ends = [(dials()[name], end) for axis in genes.axes for name, pair in axis["dials"].items() for end in pair]
    assert all(dial.low <= end <= dial.high for dial, end in ends)
    assert all(0.0 <= knot <= 1.0 for knots in genes.levels.values() for knot in knots)
    assert {name for kind in genes.kinds for name in kind["axes"]} <= {axis["name"] for axis in genes.axes}


@given(CHAINS, SEEDS)
@settings(max_examples=30)
def test_same_chance_same_child(chain: list[str], seed: int) -> None:
    assert bred(chain, seed) == bred(chain, seed)


@given(CHAINS, SEEDS)
@settings(max_examples=30)
def test_reformatting_is_the_same_program(chain: list[str], seed: int) -> None:
    child = bred(chain, seed)
    again = OPERATORS["reformat"](Parents(child), random.Random(seed))
    assert again is not None
    assert again != child
    assert program_id(again) == program_id(child)


@given(CHAINS, CHAINS, SEEDS)
@settings(max_examples=40)
def test_joined_shares_add_up(first: list[str], second: list[str], seed: int) -> None:
    parent, mate = bred(first, seed), bred(second, seed + 1)
    child = OPERATORS["join"](Parents(parent, mate), random.Random(seed))
    if child is None:
        return
    genes = genes_of(child)
    assert genes is not None
    assert sum(kind["share"] for kind in genes.kinds) == pytest.approx(1.0, abs=0.0005 * len(genes.kinds))
    assert len(genes.axes) <= MAX_AXES
    assert len({axis["name"] for axis in genes.axes}) == len(genes.axes)


def test_joining_again_and_again_stops_at_the_limit(sandbox: Sandbox) -> None:
    source = SEED
    for number in range(8):
        source = OPERATORS["join"](Parents(source, source), random.Random(number)) or source
    genes = genes_of(source)
    assert genes is not None
    assert MAX_AXES - 4 < len(genes.axes) <= MAX_AXES
    assert sandbox.run(source, TASK, 5, 1).ok


def test_crossing_with_oneself_changes_nothing() -> None:
    """Averages of equal numbers are those numbers (to the three digits that are kept)."""
    for seed in range(20):
        child = OPERATORS["cross"](Parents(SEED, SEED), random.Random(seed))
        assert child is not None
        assert program_id(child) == program_id(SEED)


@pytest.mark.parametrize("name", ["cross", "join"])
def test_two_parents_are_needed(name: str) -> None:
    assert OPERATORS[name](Parents(SEED), random.Random(1)) is None


def test_remarks_are_followed_in_their_direction() -> None:
    def ends(source: str, dial: str) -> float:
        genes = genes_of(source)
        assert genes is not None
        return sum(sum(axis["dials"].get(dial, ())) for axis in genes.axes)

    for wanted, sign in (("more", 1), ("less", -1)):
        remark = Remark("words_per_turn", wanted)  # type: ignore[arg-type]
        children = [OPERATORS["follow_remarks"](Parents(SEED, None, [remark]), random.Random(seed)) for seed in range(30)]
        moved = [ends(child, "words_per_turn") - ends(SEED, "words_per_turn") for child in children if child is not None]
        assert len(moved) > 5
        assert all(sign * one > 0 for one in moved)
    assert OPERATORS["follow_remarks"](Parents(SEED), random.Random(1)) is None
    new = Remark("slips_per_100_words", "more")
    child = next(filter(None, (OPERATORS["follow_remarks"](Parents(SEED, None, [new]), random.Random(seed)) for seed in range(9))))
    assert "slips_per_100_words" in str(literals(child)["AXES"])


GENERATE = "def generate(task, n, rng, model=None):\n    return [{'description': 'x'} for _ in range(n)]\n"
STRANGE: Mapping[str, str] = {
    "nothing": GENERATE,
    "axes by code": f"AXES = [dict(name=name, dials={{}}) for name in ('a', 'b')]\n{GENERATE}",
    "no axis": f"AXES = []\nLEVELS = {{}}\n{GENERATE}",
    "axes of another type": f"AXES = {{'a': 1}}\n{GENERATE}",
    "axis without a name": f"AXES = [{{'dials': {{}}}}]\n{GENERATE}",
    "axes alike": f"AXES = [{{'name': 'a'}}, {{'name': 'a'}}]\n{GENERATE}",
    "unknown dial": f"AXES = [{{'name': 'a', 'dials': {{'charm': [0, 1]}}}}]\n{GENERATE}",
    "dial out of range": f"AXES = [{{'name': 'a', 'dials': {{'words_per_turn': [-3.0, 1e999]}}}}]\n{GENERATE}",
    "one end point": f"AXES = [{{'name': 'a', 'dials': {{'words_per_turn': [5.0]}}}}]\n{GENERATE}",
    "end points of text": f"AXES = [{{'name': 'a', 'dials': {{'words_per_turn': ['1', '2']}}}}]\n{GENERATE}",
    "axes of all kinds": f"AXES = [1, None, 'a', [], {{1: 2}}]\n{GENERATE}",
    "levels by code": f"AXES = [{{'name': 'a'}}]\nLEVELS = dict(a=[0, 1])\n{GENERATE}",
    "levels of another form": f"AXES = [{{'name': 'a'}}]\nLEVELS = {{'a': 0.5}}\n{GENERATE}",
    "kinds of another form": f"AXES = [{{'name': 'a'}}]\nKINDS = [{{'share': 0, 'axes': ['a']}}]\n{GENERATE}",
    "couplings of another form": f"AXES = [{{'name': 'a'}}, {{'name': 'b'}}]\nCOUPLINGS = [['a', 'b']]\n{GENERATE}",
    "axes twice": f"AXES = [{{'name': 'a'}}]\nAXES = [{{'name': 'b'}}]\n{GENERATE}",
    "axes added to": f"AXES = [{{'name': 'a'}}]\nAXES += [{{'name': 'b'}}]\n{GENERATE}",
    "not hashable": f"AXES = [{{[]: 1}}]\n{GENERATE}",
    "loop": f"for AXES in [[]]:\n    pass\n{GENERATE}",
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("name", sorted(set(OPERATORS) - {"reformat"}))
def test_programs_of_another_form_are_left_alone(name: str, kind: str) -> None:
    """A language model may write programs without the literals that operators work on."""
    for source, mate in ((STRANGE[kind], SEED), (SEED, STRANGE[kind])):
        for seed in range(4):
            child = OPERATORS[name](Parents(source, mate, REMARKS[:4]), random.Random(seed))
            if source is not SEED:
                assert child is None


LIKE = f"""import functools
AXES: list = [{{"name": "plain", "dials": {{"words_per_turn": (5, 9)}}}}]; OTHER = "\x0c \u2028"  # kept
@functools.cache
def helper(): return 1
{GENERATE}"""


@pytest.mark.parametrize("name", ["add_axis", "change_number", "rewrite_axis", "follow_remarks", "cross", "join"])
def test_programs_with_axes_alone_can_be_bred(sandbox: Sandbox, name: str) -> None:
    """Annotated, on a shared line, before odd characters and decorators: edits change what they mean to change."""
    child = next(filter(None, (OPERATORS[name](Parents(LIKE, SEED, REMARKS), random.Random(seed)) for seed in range(9))), None)
    if child is None:
        assert name == "join"  # needs a function to draw with
        return
    assert sandbox.run(child, TASK, 3, 1).ok
    assert 'OTHER = "\x0c \u2028"  # kept' in child
    assert "@functools.cache\ndef helper(): return 1" in child


def test_breeding_tells_what_was_applied() -> None:
    for seed in range(30):
        source, names = breed(Parents(SEED, SEED, REMARKS), DEFAULT_OPERATORS, random.Random(seed))
        assert make_program(source)
        assert set(names.split("+")) <= set(OPERATORS)
    assert breed(Parents(SEED), {"cross": 1.0}, random.Random(1)) == (SEED, "")


@pytest.mark.parametrize("weights", [{}, {"cross": 0.0}, {"cross": -1.0}, {"cross": float("nan")}, {"cross": float("inf")}, {"corss": 1.0}])
def test_weights_are_checked(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="setting 'operators'") as caught:
        recombine.check_weights(weights)
    assert "\n" not in str(caught.value)


def test_default_weights_and_scaffolds_are_good() -> None:
    recombine.check_weights(DEFAULT_OPERATORS)
    for path in sorted((content.root("seeds") / "scaffolds").glob("*.py")):
        functions = [node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
        assert functions == ["draw"], path.name
