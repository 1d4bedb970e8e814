"""Near-duplicates: names and comments count nothing, an edit counts as much as it changes, and hashes are the same everywhere."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzzing.edits import PROGRAMS
from personaevo import content
from personaevo.errors import ProgramError
from personaevo.programs.shingles import NearDuplicateIndex, likeness, nearest, shingles
from personaevo.programs.source import normalize

SEEDS = content.root("seeds")
SEED = re.sub("#.*\n", "", (SEEDS / "program.py").read_text(encoding="utf-8"))  # numbers in comments do not count
SCAFFOLDS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((SEEDS / "scaffolds").glob("*.py"))}
REAL = {"program": SEED, **SCAFFOLDS, **{f"program with {name}": f"{SEED}\n\n{text}" for name, text in SCAFFOLDS.items()}}
NUMBER = re.compile(r"(?<![\w.])\d+\.\d+")


@pytest.mark.parametrize("name", REAL)
def test_names_comments_and_formatting_count_nothing(name: str) -> None:
    source = REAL[name]
    for same in (normalize(source), source.replace("\n", "\r\n"), "'''A docstring.'''\n# and a comment\n" + source):
        assert same != source
        assert likeness(shingles(source), shingles(same)) == 1.0


def test_renamed_variables() -> None:
    renamed = SEED
    for old, new in (("knots", "quantiles"), ("place", "where"), ("personas", "people"), ("marked", "names_of_all"), ("draw", "sampled")):
        renamed = re.sub(rf"\b{old}\b", new, renamed)
    assert renamed != SEED
    assert likeness(shingles(SEED), shingles(renamed)) == 1.0


@pytest.mark.parametrize("place", range(len(NUMBER.findall(SEED))))
def test_a_changed_number_is_seen_and_little(place: int) -> None:
    match = list(NUMBER.finditer(SEED))[place]
    changed = f"{SEED[: match.start()]}0.123{SEED[match.end() :]}"
    n = len(shingles(SEED))
    assert (n - 6) / (n + 6) <= likeness(shingles(SEED), shingles(changed)) < 1.0


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("x = [1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1]", "x = [1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"),
        ("x = 1", "x = 1.0"), ("x = 1", "x = True"), ("x = 'a'", "x = b'a'"), ("x = None", "x = ..."), ("x = None", "x = 'None'"),
        ("x = a + 1", "x = a - 1"), ("x = a < 1", "x = a <= 1"), ("x = not a", "x = -a"), ("x = a and b", "x = a or b"), ("a.b", "a.c"),
        ("len(x)", "sum(x)"), ("import math", "import json"), ("f(a=1)", "f(b=1)"), ("def f(a, b): return a", "def f(a, b): return b"),
        ("x = 'a\\udc80'", "x = 'a\\udc81'"), ("x = f'{a!r}'", "x = f'{a!s}'"), ("x = f'{a:2}'", "x = f'{a:3}'"), ("x += 1", "x -= 1"),
    ],
)  # fmt: skip
def test_different_programs_are_told_apart(one: str, two: str) -> None:
    assert likeness(shingles(one), shingles(two)) < 1.0


@pytest.mark.parametrize("one", REAL)
def test_programs_that_share_more_are_more_alike(one: str) -> None:
    own = shingles(REAL[one])
    for two, source in REAL.items():
        other = shingles(source)
        value = likeness(own, other)
        assert value == likeness(other, own)
        if one == two:
            assert value == 1.0
        elif one.startswith("program") and two.startswith("program"):
            assert 0.5 < value < 1.0
        elif two not in one and one not in two:
            assert value < 0.35


def test_likeness_falls_with_every_change() -> None:
    rng = random.Random(1)
    places = list(NUMBER.finditer(SEED))
    rng.shuffle(places)
    source, values = SEED, [1.0]
    for count in range(1, len(places) + 1):
        source = SEED
        for number, match in sorted(enumerate(places[:count]), key=lambda pair: -pair[1].start()):
            source = f"{source[: match.start()]}{0.1111 + number / 1000:.4f}{source[match.end() :]}"
        values.append(likeness(shingles(SEED), shingles(source)))
    assert all(later <= earlier for earlier, later in pairwise(values))  # equal, if all around a number has been changed before
    assert values[0] > values[1] > values[5] > values[15] > values[-1]
    assert 0.2 < values[-1] < 0.7


def test_likeness_of_sets() -> None:
    assert likeness(frozenset(), frozenset()) == 1.0
    assert likeness(frozenset({1}), frozenset()) == 0.0
    assert likeness(frozenset({1, 2, 3}), frozenset({2, 3, 4})) == 0.5


@pytest.mark.parametrize("size", [1, 2, 5, 12, 5000])
def test_sizes(size: int) -> None:
    own = shingles(SEED, size)
    assert likeness(own, shingles(normalize(SEED), size)) == 1.0
    assert likeness(own, shingles(SEED.replace("1 / 6", "1 / 7"), size)) < 1.0
    assert (len(own) > 150) == (1 < size < 5000)
    assert len(shingles("", size)) == 2  # the module and the program as a whole


def test_a_larger_size_tells_more_apart() -> None:
    other = SEED.replace("1 / 6", "1 / 7")
    values = [likeness(shingles(SEED, size), shingles(other, size)) for size in (2, 4, 6, 8)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("size", [0, -3])
def test_a_shingle_has_nodes(size: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        shingles(SEED, size)


@pytest.mark.parametrize("source", ["def", "x = '\ud800'", "\0", "(" * 500, "x = 0x" + "f" * 5000, "#" * 70_000])
def test_what_is_no_program_is_refused(source: str) -> None:
    with pytest.raises(ProgramError):
        shingles(source)


@given(PROGRAMS)
@settings(max_examples=50)
def test_any_program_has_shingles(source: str) -> None:
    try:
        normal = normalize(source)
    except ProgramError:
        return
    assert shingles(source) == shingles(normal)
    assert all(0 <= value < 2**64 for value in shingles(source))


def test_hashes_are_the_same_everywhere() -> None:
    """Checked under Python 3.11 to 3.13: what an archive's programs are compared by must not depend on the interpreter."""
    program = "def generate(task, n, rng, model=None):\n    return [f'{x!r:>{n}} a{{b}}' + '\\u2028' for x in range(2, -1, -n)]\n"
    known = 105670848469703309
    code = "import sys; from personaevo.programs.shingles import shingles; print(sorted(shingles(sys.argv[1])))"
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code, program], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(sorted(shingles(program)))
    assert min(shingles(program)) == known


# --- the nearest of many


def test_nearest() -> None:
    known = {name: shingles(text) for name, text in SCAFFOLDS.items()}
    assert nearest(shingles(SEED), {}) is None
    for name, text in SCAFFOLDS.items():
        assert nearest(shingles(text), known) == (name, 1.0)
        changed = text.replace("range(n)", "range(n + 1)").replace("1.0", "1.5")
        found = nearest(shingles(changed), known)
        assert found is not None
        assert found[0] == name
        assert 0.5 < found[1] <= 1.0


def test_equally_near_ones_go_by_name() -> None:
    one = frozenset({1, 2})
    known = {"c": frozenset({1}), "b": frozenset({2}), "a": frozenset({3})}
    assert nearest(one, known) == nearest(one, dict(reversed(known.items()))) == ("b", 0.5)
    assert nearest(frozenset(), known) == ("a", 0.0)
    assert nearest(frozenset(), {"a": one, "b": frozenset()}) == ("b", 1.0)


def test_nearest_is_the_largest_likeness() -> None:
    rng = random.Random(3)
    for _ in range(200):
        sets = {f"{name}": frozenset(rng.sample(range(30), rng.randrange(20))) for name in range(12)}
        candidate = frozenset(rng.sample(range(30), rng.randrange(20)))
        found = nearest(candidate, sets)
        assert found is not None
        assert found == (found[0], max(likeness(candidate, other) for other in sets.values()))
        assert found[1] == likeness(candidate, sets[found[0]])


@given(st.lists(st.frozensets(st.integers(0, 2**64 - 1), min_size=1, max_size=40), max_size=12), st.data())
@settings(max_examples=200)
def test_the_first_alike_program_is_found(known: list[frozenset[int]], data: st.DataObject) -> None:
    """The sketches rule nothing out that a full comparison would find."""
    own = data.draw(st.frozensets(st.integers(0, 2**64 - 1), min_size=1, max_size=40))
    if known:
        near = set(data.draw(st.sampled_from(known)))
        near.symmetric_difference_update(data.draw(st.frozensets(st.integers(0, 2**64 - 1), max_size=3)))
        own = data.draw(st.sampled_from([own, frozenset(near) or own]))
    threshold = data.draw(st.sampled_from([0.5, 0.8, 0.95, 0.99]))
    index = NearDuplicateIndex(lambda name: known[int(name)])
    for number, one in enumerate(known):
        index.add(str(number), one)
    expected = next((str(number) for number, one in enumerate(known) if likeness(own, one) > threshold), None)
    assert index.alike(own, threshold) == expected


def test_more_programs_than_there_was_room_for() -> None:
    programs = {f"p{number}": frozenset(range(number * 1000, number * 1000 + 100)) for number in range(600)}
    index = NearDuplicateIndex(programs.__getitem__)
    for name, own in programs.items():
        index.add(name, own)
    assert index.alike(programs["p599"], 0.99) == "p599"
    assert index.alike(frozenset(range(10)), 0.99) is None
