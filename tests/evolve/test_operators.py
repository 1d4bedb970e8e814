"""Operators: whatever they are applied to, in whatever order, the child is a program that keeps the contract, and says nothing else new."""

from __future__ import annotations

import ast
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo import content
from personaevo.config import DEFAULT_OPERATORS
from personaevo.definitions import dials, typing_dials
from personaevo.errors import ConfigError
from personaevo.evolve import recombine
from personaevo.evolve.genotype import MAX_AXES, Genotype, genotype_of, worded, words
from personaevo.evolve.recombine import OPERATORS, Parents, breed
from personaevo.programs import Call, Sandbox
from personaevo.programs.edit import literals, with_literal
from personaevo.programs.personas import dial_table
from personaevo.programs.source import make_program, program_id
from personaevo.records import Remark

SEED = (content.root("seeds") / "program.py").read_text(encoding="utf-8")
PAIRS = (("words_per_turn", "pushback_rate"), ("politeness_rate", "emotion_rate"), ("slips_per_100_words", "certainty_rate"))
TASK = {"goal": "change my seat", "facts": {"name": "Ann"}, "context": "", "domain": "service"}
SAID = ("more", "less", "wider", "narrower", "apart", "alike", "steadier", "looser")
REMARKS = [
    *(Remark(name, wanted) for name in list(dials())[:6] for wanted in SAID),  # type: ignore[arg-type]
    *(Remark(f"{one}~{other}", wanted) for one, other in PAIRS for wanted in ("together", "opposed")),  # type: ignore[arg-type]
]
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
    found = genes(child)
    assert 1 <= len(found.axes) <= MAX_AXES
    ends = [(dials()[name], end) for axis in found.axes for name, pair in axis["dials"].items() for end in pair]
    assert all(dial.low <= end <= dial.high for dial, end in ends)
    assert all(0.0 <= knot <= 1.0 for knots in found.levels.values() for knot in knots)
    assert {name for kind in found.kinds for name in kind["axes"]} <= {axis["name"] for axis in found.axes}
    assert all(-1.0 <= strength <= 1.0 for _, _, strength in found.couplings)


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
    found = genes(child)
    assert sum(kind["share"] for kind in found.kinds) == pytest.approx(1.0, abs=0.0005 * len(found.kinds))
    assert len(found.axes) <= MAX_AXES
    assert len({axis["name"] for axis in found.axes}) == len(found.axes)


def test_joining_again_and_again_stops_at_the_limit(sandbox: Sandbox) -> None:
    source = SEED
    for number in range(8):
        source = OPERATORS["join"](Parents(source, source), random.Random(number)) or source
    assert MAX_AXES - 4 < len(genes(source).axes) <= MAX_AXES
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


# -- remarks ---------------------------------------------------------------------------------------------------------------------


def genes(source: str) -> Genotype:
    found = genotype_of(source)
    assert found is not None
    return found


def ends_of(source: str, dial: str) -> list[tuple[float, float]]:
    return [(first, last) for axis in genes(source).axes for name, (first, last) in axis["dials"].items() if name == dial]


def followed(feature: str, wanted: str, source: str = SEED) -> list[str]:
    """Children that act on one remark, over many chances."""
    remark = Remark(feature, wanted)  # type: ignore[arg-type]
    children = [OPERATORS["follow_remarks"](Parents(source, None, [remark]), random.Random(seed)) for seed in range(30)]
    return [child for child in children if child is not None]


@pytest.mark.parametrize(("wanted", "sign"), [("more", 1), ("less", -1)])
@pytest.mark.parametrize("dial", ["words_per_turn", "pushback_rate", "emotion_rate", "facts_per_turn"])
def test_how_much_is_followed_in_its_direction(dial: str, wanted: str, sign: int) -> None:
    before = sum(map(sum, ends_of(SEED, dial)))
    moved = [sum(map(sum, ends_of(child, dial))) - before for child in followed(dial, wanted)]
    assert len(moved) > 20
    assert all(sign * one > 0 for one in moved)


@pytest.mark.parametrize(("wanted", "sign"), [("wider", 1), ("apart", 1), ("narrower", -1), ("alike", -1)])
def test_how_far_apart_is_followed_in_its_direction(wanted: str, sign: int) -> None:
    [(first, last)] = ends_of(SEED, "words_per_turn")
    for child in followed("words_per_turn", wanted):
        [(start, end)] = ends_of(child, "words_per_turn")
        assert sign * (abs(end - start) - abs(last - first)) > 0
        assert (end - start) * (last - first) > 0


@pytest.mark.parametrize(("wanted", "sign"), [("looser", 1), ("steadier", -1)])
def test_moods_are_followed_on_an_axis_of_their_own_and_then_on_that(wanted: str, sign: int) -> None:
    first = followed("words_per_turn", wanted)
    assert all(len(genes(child).axes) == len(genes(SEED).axes) + 1 for child in first)
    assert all(sign * (end - dials()["mood_swing"].default) > 0 for child in first for pair in ends_of(child, "mood_swing") for end in pair)
    for child in followed("emotion_rate", wanted, first[0]):
        assert len(genes(child).axes) == len(genes(first[0]).axes)
        assert sign * (sum(map(sum, ends_of(child, "mood_swing"))) - sum(map(sum, ends_of(first[0], "mood_swing")))) > 0


@pytest.mark.parametrize(("wanted", "sign"), [("together", 1), ("opposed", -1)])
@pytest.mark.parametrize(
    "pair", [("pushback_rate", "uncertainty_rate"), ("politeness_rate", "emotion_rate"), ("politeness_rate", "pushback_rate")]
)
def test_ties_are_followed_whichever_way_the_axes_run(pair: tuple[str, str], wanted: str, sign: int) -> None:
    """Of two axes, one of which runs down: the dials go together where the levels are opposed."""
    for child in followed("~".join(pair), wanted):
        places = [next(axis for axis in genes(child).axes if dial in axis["dials"]) for dial in pair]
        [(first, second, strength)] = genes(child).couplings
        assert [first, second] == [axis["name"] for axis in places]
        runs = [1 if axis["dials"][dial][1] > axis["dials"][dial][0] else -1 for axis, dial in zip(places, pair, strict=True)]
        assert strength * runs[0] * runs[1] * sign > 0


def test_dials_that_one_axis_ties_wholly_are_parted_first() -> None:
    child = followed("politeness_rate~emotion_rate", "opposed")[0]
    before, after = ({axis["name"]: axis["dials"] for axis in genes(source).axes} for source in (SEED, child))
    [name] = after.keys() - before.keys()
    assert name == words()["emotion_rate"].more[0]
    assert after[name] == {"emotion_rate": before["frustrated"]["emotion_rate"]}
    assert after["frustrated"] == {dial: ends for dial, ends in before["frustrated"].items() if dial != "emotion_rate"}
    assert genes(child).levels[name] == genes(child).levels["frustrated"]
    joined = next(filter(None, (OPERATORS["join"](Parents(SEED, SEED), random.Random(seed)) for seed in range(9))))
    for kind in genes(joined).kinds:  # dials of several kinds' axes are not on one axis each
        assert "frustrated" in " ".join(kind["axes"])
    assert all(genes(one).couplings == [] for one in followed("politeness_rate~emotion_rate", "opposed", joined))


def test_a_tie_takes_the_place_of_the_one_before() -> None:
    once = followed("pushback_rate~uncertainty_rate", "together")[0]
    for child in followed("uncertainty_rate~pushback_rate", "opposed", once):
        assert len(genes(child).couplings) == 1
        assert genes(child).couplings[0][2] < 0


def test_ties_of_what_no_axis_holds_are_left() -> None:
    assert {program_id(child) for child in followed("mood_swing~persistence", "together")} == {program_id(SEED)}


def test_remarks_on_dials_that_no_axis_holds_add_one() -> None:
    for wanted in ("more", "apart"):
        child = followed("slips_per_100_words", wanted)[0]
        assert genes(child).axes[-1]["name"].startswith(words()["slips_per_100_words"].more[0])
        assert len(genes(child).axes) == len(genes(SEED).axes) + 1
    less = [genes(child).axes[-1] for child in followed("patience_turns", "less")]
    assert {axis["name"] for axis in less} == {words()["patience_turns"].less[0]}  # and not "patient", both ends being less than others'
    like_most = f"In {words()['patience_turns'].about}, be like most people."
    assert {axis["low"] for axis in less} == {words()["patience_turns"].less[1], like_most}
    assert OPERATORS["follow_remarks"](Parents(SEED), random.Random(1)) is None


# -- words -----------------------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(sorted(set(OPERATORS) - {"reformat"})), min_size=1, max_size=12), SEEDS)
@settings(max_examples=40)
def test_what_an_axis_says_is_written_by_people_and_fits_its_dials(sandbox: Sandbox, chain: list[str], seed: int) -> None:
    """No name of a dial stands in a name, a definition, a playbook text or a description; no text is blank; what changed says what fits."""
    child = bred(chain, seed)
    before = {(axis["name"], axis["low"], axis["high"]): axis["dials"] for axis in genes(SEED).axes}
    for axis in genes(child).axes:
        for part in ("name", "definition", "low", "high"):
            assert axis[part].strip()
            assert "_" not in axis[part]
        if (axis["name"], axis["low"], axis["high"]) not in before:
            assert axis == worded(axis)
        else:
            assert before[axis["name"], axis["low"], axis["high"]].keys() >= axis["dials"].keys()
    for persona in sandbox.run(child, TASK, 6, seed % 50).made:
        assert "_" not in persona.description + persona.policy


@given(CHAINS, SEEDS)
@settings(max_examples=40)
def test_axes_keep_their_direction(chain: list[str], seed: int) -> None:
    """An axis that is called "terse" stays that: no dial turns round under a name."""
    child = bred(chain, seed)
    names = {axis["name"]: axis["dials"] for axis in genes(SEED).axes}
    for axis in genes(child).axes:
        original = names.get(axis["name"].split(" (")[0], {})
        for dial in axis["dials"].keys() & original.keys():
            (first, last), (start, end) = original[dial], axis["dials"][dial]
            assert (last - first) * (end - start) >= 0, (dial, original[dial], axis["dials"][dial])


# -- scaffolds -------------------------------------------------------------------------------------------------------------------


def drawn(name: str, n: int, **given: object) -> list[dict[str, float]]:
    """Levels that a scaffold draws for two axes."""
    space: dict[str, object] = {"math": math, "AXES": [{"name": "a"}, {"name": "b"}], "COUPLINGS": [], "KINDS": [], **given}
    exec((content.root("seeds") / "scaffolds" / f"{name}.py").read_text(encoding="utf-8"), space)
    return space["draw"](n, random.Random(1))  # type: ignore[operator, no-any-return]


@pytest.mark.parametrize("name", ["correlated", "mixture"])
@pytest.mark.parametrize("strength", [-0.8, 0.0, 0.8])
def test_scaffolds_heed_couplings(name: str, strength: float) -> None:
    points = drawn(name, 1000, COUPLINGS=[["a", "b", strength]])
    levels = np.array([[point["a"], point["b"]] for point in points])
    assert np.corrcoef(levels.T)[0, 1] == pytest.approx(strength, abs=0.08)
    assert levels.min() >= 0.0
    assert levels.max() <= 1.0
    assert np.quantile(levels, [0.1, 0.5, 0.9], axis=0) == pytest.approx(np.array([[0.1] * 2, [0.5] * 2, [0.9] * 2]), abs=0.06)


def test_kinds_have_their_shares_and_axes_and_are_coupled_where_they_have_both() -> None:
    kinds = [{"share": 0.3, "axes": ["a", "b"]}, {"share": 0.7, "axes": ["b"]}]
    points = drawn("mixture", 1000, COUPLINGS=[["a", "b", 0.8]], KINDS=kinds)
    both = np.array([[point["a"], point["b"]] for point in points if "a" in point])
    assert len(both) == 300
    assert all(set(point) == {"b"} for point in points if "a" not in point)
    assert np.corrcoef(both.T)[0, 1] > 0.6


def test_coupling_keeps_a_mixture() -> None:
    """Ties among the axes of several kinds: sampled otherwise, everybody would have the axes of all kinds."""
    joined = next(filter(None, (OPERATORS["join"](Parents(SEED, SEED), random.Random(seed)) for seed in range(9))))
    coupled = [OPERATORS["couple"](Parents(joined), random.Random(seed)) for seed in range(20)]
    tied = [child for child in coupled if child is not None and genes(child).couplings]
    assert tied
    assert all("Mixture" in child and len(genes(child).kinds) == 2 for child in tied)
    assert all(OPERATORS["switch_scaffold"](Parents(joined), random.Random(seed)) is None for seed in range(5))


def test_new_kinds_differ_in_one_axis() -> None:
    made = [OPERATORS["change_kinds"](Parents(SEED), random.Random(seed)) for seed in range(10)]
    for child in filter(None, made):
        first, second = genes(child).kinds
        assert len(set(first["axes"]) ^ set(second["axes"])) == 2
        assert first["share"] + second["share"] == pytest.approx(1.0, abs=0.002)
    again = [OPERATORS["change_kinds"](Parents(next(filter(None, made))), random.Random(seed)) for seed in range(20)]
    assert {len(genes(child).kinds) for child in again if child} == {2, 3}


# -- programs of another form ----------------------------------------------------------------------------------------------------


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
def test_programs_of_another_form_are_left_alone(kind: str) -> None:
    """A language model may write programs without the literals that operators work on."""
    for name in sorted(set(OPERATORS) - {"reformat"}):
        for source, mate in ((STRANGE[kind], SEED), (SEED, STRANGE[kind])):
            for seed in range(4):
                child = OPERATORS[name](Parents(source, mate, REMARKS[:4]), random.Random(seed))
                if source is not SEED:
                    assert child is None, name


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


@given(CHAINS, SEEDS)
@settings(max_examples=80, deadline=None)
def test_how_somebody_types_is_carried_along_and_not_searched(chain: Sequence[str], seed: int) -> None:
    """An axis with dials of typing keeps them as they are, whatever becomes of its other dials; no operator sets others."""
    first, *others = literals(SEED)["AXES"]
    typing = {"lower_start": [0.1, 0.9], "smileys": [0.0, 0.3]}
    source = with_literal(SEED, "AXES", [{**first, "dials": {**first.get("dials", {}), **typing}}, *others])
    genes = genotype_of(source)
    assert genes is not None
    assert typing.keys().isdisjoint(genes.axes[0]["dials"])
    child = literals(bred(chain, seed, source, source))["AXES"]
    found = [axis for axis in child if not set(axis.get("dials", {})).isdisjoint(typing_dials())]
    assert all({name: axis["dials"][name] for name in typing} == typing for axis in found)
    assert not any("typing" in axis for axis in child)
    if any(axis["name"] == first["name"] for axis in child):
        assert found
