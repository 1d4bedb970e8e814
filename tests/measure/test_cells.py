"""Cells made from people, and the overlap of a population with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import personaevo as pe
from personaevo import definitions, reference
from personaevo.errors import ReferenceDataError
from personaevo.measure.cells import (  # fmt: skip
    MIN_CELL_SHARE,
    OUTSIDE,
    REACHED,
    Cells,
    Standard,
    chamfer,
    overlap,
    overlap_with,
    people_overlap,
    tessellate,
)
from personaevo.records import Floats

DOMAINS = tuple(definitions.domain_names())
each_domain = pytest.mark.parametrize("domain", DOMAINS)
amounts = arrays.arrays(float, 8, elements=st.floats(0, 1)).filter(lambda values: values.sum() > 1e-6)


def people_of(domain: str) -> Floats:
    return reference.load(definitions.domain_files(domain).reference).values


def blobs(n: int, seed: int = 0) -> Floats:
    """People of four kinds in three dimensions."""
    rng = np.random.default_rng(seed)
    centers = np.array([[0, 0, 0], [8, 0, 0], [0, 8, 0], [8, 8, 8]], dtype=float)
    return np.asarray(centers[np.arange(n) % 4] + rng.normal(scale=0.5, size=(n, 3)))


# -- cells ---------------------------------------------------------------------------------------------------------------------


@each_domain
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_packaged_people_fill_sixteen_cells(domain: str, seed: int) -> None:
    people = people_of(domain)
    cells = tessellate(people, 16, seed)
    assert len(cells) == 16
    assert cells.masses.min() >= MIN_CELL_SHARE - (1 - REACHED)  # those outside were counted where they are nearest
    assert cells.masses.sum() == pytest.approx(REACHED, abs=0.005)
    assigned = cells.assign(people)
    assert [(assigned == cell).mean() for cell in range(16)] == pytest.approx(cells.masses)


def test_cells_depend_on_people_and_seed_alone() -> None:
    people = people_of("service")
    one, two, three = tessellate(people, 16, 3), tessellate(people.copy(), 16, 3), tessellate(people, 16, 4)
    assert (one.centroids == two.centroids).all()
    assert (one.masses == two.masses).all()
    assert not np.array_equal(one.centroids, three.centroids)


def test_cells_are_the_kinds_of_people() -> None:
    people = blobs(200)
    cells = tessellate(people, 4, 1)
    assert len(cells) == 4
    assert sorted(cells.masses) == pytest.approx([0.25] * 4, abs=0.011)
    assigned = cells.assign(people)
    assert all(len(set(assigned[kind::4]) - {OUTSIDE}) == 1 for kind in range(4))


def test_constant_columns_do_not_count() -> None:
    people = np.column_stack([blobs(80), np.full(80, 3.0), np.zeros(80)])
    cells = tessellate(people, 4, 1)
    assert cells.standard.kept.tolist() == [True, True, True, False, False]
    assert cells.centroids.shape == (4, 3)
    shifted = people.copy()
    shifted[:, 3] = 999.0
    assert (cells.assign(shifted) == cells.assign(people)).all()


def test_people_who_are_all_alike_share_one_cell() -> None:
    cells = tessellate(np.ones((40, 3)), 4, 0)
    assert len(cells) == 1
    assert cells.masses.tolist() == [1.0]
    assert overlap_with(np.zeros((5, 3)), np.ones((40, 3)), cells=4) == 1.0


@pytest.mark.parametrize("people", [0, 1, 31])
def test_too_few_people_are_an_error(people: int) -> None:
    with pytest.raises(ReferenceDataError, match=f"{people} people are too few for 16 cells: at least 32"):
        tessellate(blobs(32)[:people], 16)


def test_failed_episodes_lie_in_no_cell() -> None:
    cells = tessellate(blobs(80), 4, 1)
    shares = cells.shares(np.array([0, 0, 1]), planned=6)
    assert shares == pytest.approx([2 / 6, 1 / 6, 0, 0])


def test_masses_of_other_people() -> None:
    cells = tessellate(blobs(80), 4, 1)
    others = cells.with_masses(blobs(80)[0::4])
    assert sorted(others.masses) == pytest.approx([0, 0, 0, 1])
    assert (others.centroids == cells.centroids).all()


# -- overlap -------------------------------------------------------------------------------------------------------------------


@given(amounts, amounts)
def test_overlap_is_bounded_and_symmetric(first: Floats, second: Floats) -> None:
    p, q = first / first.sum(), second / second.sum()
    assert 0.0 <= overlap(p, q) <= 1.0 + 1e-9
    assert overlap(p, q) == overlap(q, p)
    assert overlap(p, p) == pytest.approx(1.0)


@given(amounts, amounts, amounts, st.floats(0, 1))
def test_a_mixture_covers_at_least_the_average(first: Floats, second: Floats, people: Floats, share: float) -> None:
    p, q, m = first / first.sum(), second / second.sum(), people / people.sum()
    assert overlap(share * p + (1 - share) * q, m) >= share * overlap(p, m) + (1 - share) * overlap(q, m) - 1e-9


@settings(max_examples=30)
@given(arrays.arrays(float, (20, 3), elements=st.floats(-50, 50)), st.integers(0, 3))
def test_overlap_with_people_is_bounded_and_ignores_units(personas: Floats, seed: int) -> None:
    people = blobs(80)
    found = overlap_with(personas, people, cells=4, seed=seed)
    assert 0.0 <= found <= 1.0 + 1e-9
    assert overlap_with(personas * 8, people * 8, cells=4, seed=seed) == pytest.approx(found)


def test_people_cover_themselves() -> None:
    """All but those who lie outside all cells. The old name is another one for the same."""
    people = people_of("service")
    assert pe.overlap(people, people) == pytest.approx(REACHED, abs=0.005)
    assert pe.overlap(people[:10].tolist(), people.tolist()) == overlap_with(people[:10], people)
    assert pe.overlap(people[:1], people) <= tessellate(people).masses.max() + 1e-9
    assert pe.coverage is pe.overlap is overlap_with


def test_people_overlap_grows_with_their_number() -> None:
    people = people_of("service")
    cells = tessellate(people)
    reached = [people_overlap(people, cells, n) for n in (1, 5, 10, 40, 160, 500)]
    assert (np.diff(reached) > 0).all()
    assert reached[-1] > 0.88
    assert people_overlap(people, cells, 40) == people_overlap(people, cells, 40)


def test_people_overlap_of_more_than_there_are() -> None:
    """Drawn again and again from one half, they still do not see the other half."""
    people = blobs(60)
    cells = tessellate(people, 4, 1)
    assert 0.8 <= people_overlap(people, cells, 500) <= 1.0


@each_domain
def test_ten_copies_of_the_average_person_cover_little(domain: str) -> None:
    people = people_of(domain)
    for seed in range(5):
        cells = tessellate(people, 16, seed)
        copies = np.repeat(people.mean(axis=0, keepdims=True), 10, axis=0)
        covered = overlap(cells.shares(cells.assign(copies), 10), cells.masses)
        share = covered / people_overlap(people, cells, 10, seed=seed)
        assert share <= 0.40, f"seed {seed}: {share:.2f}"


# -- chamfer -------------------------------------------------------------------------------------------------------------------


def test_chamfer_by_hand() -> None:
    """People at 0 and 4 (standardized to -1 and 1, 2 apart); one persona at 0 (-1): nearest distances are 0 for it, 0 and 2 for them."""
    people = np.array([[0.0], [4.0]])
    standard = Standard.of(people)
    assert chamfer(np.array([[0.0]]), people, standard) == pytest.approx(1 - ((0 + 2) / 2 + 0) / (2 * 2))
    assert chamfer(people, people, standard) == 1.0
    assert chamfer(np.array([[400.0]]), people, standard) == 0.0


def test_chamfer_of_people_who_are_all_alike() -> None:
    people = np.ones((4, 2))
    assert chamfer(people, people, Standard.of(people)) == 0.0


def test_standardizing_centers_and_scales() -> None:
    people = blobs(80)
    scaled = Standard.of(people)(people)
    assert scaled.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert scaled.std(axis=0) == pytest.approx(np.ones(3))


def test_ties_go_to_the_first_cell() -> None:
    cells = Cells(Standard.of(np.array([[-1.0], [1.0]])), np.array([[-1.0], [1.0]]), np.array([0.5, 0.5]))
    assert cells.assign(np.array([[0.0]])).tolist() == [0]


# -- outside -------------------------------------------------------------------------------------------------------------------


@each_domain
def test_one_in_a_hundred_people_lies_outside(domain: str) -> None:
    people = people_of(domain)
    cells = tessellate(people)
    outside = (cells.assign(people) == OUTSIDE).mean()
    assert outside == pytest.approx(1 - REACHED, abs=0.005)
    assert cells.masses.sum() == pytest.approx(1.0 - outside)


def test_what_is_out_of_reach_lies_in_no_cell() -> None:
    cells = tessellate(blobs(200), 4, 1)
    far = np.array([[8.0, 0.0, 100.0], [8.0, 0.0, 0.0], [-99.0, 0.0, 0.0]])
    assigned = cells.assign(far)
    assert [cell == OUTSIDE for cell in assigned] == [True, False, True]
    assert cells.shares(assigned, 3).sum() == pytest.approx(1 / 3)
    assert overlap(cells.shares(assigned, 3), cells.masses) == pytest.approx(0.25, abs=0.02)


def test_reach_is_measured_on_the_standardized_scale() -> None:
    people = blobs(200)
    cells, stretched = tessellate(people, 4, 1), tessellate(people * 8, 4, 1)
    assert stretched.reach == pytest.approx(cells.reach)
    assert (stretched.assign(people * 8) == cells.assign(people)).all()


def test_cells_around_kinds_reach_people() -> None:
    """Cells made around the places of profiles hold people's shares; those that hold too few are given up."""
    kinds = np.concatenate([blobs(40)[0::4], blobs(40)[1::4], blobs(40)[2::4] + 300.0])
    cells = tessellate(blobs(200), 3, 1, kinds=kinds)
    assert 1 <= len(cells) <= 2
    assert cells.masses.min() >= MIN_CELL_SHARE
    assert cells.masses.sum() == pytest.approx(REACHED, abs=0.01)


def test_an_empty_cell_on_the_way_is_no_news(recwarn: pytest.WarningsRecorder) -> None:
    few = np.repeat(np.eye(3), 20, axis=0)  # three kinds of people, all alike
    made = tessellate(few, 16)
    assert len(made) == 3
    assert not recwarn.list
