"""Means of behaviors, and what changed, in people's standard deviations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inspect_cases import a_family, episodes, write

from personaevo import definitions, reference
from personaevo.archive import Archive
from personaevo.errors import ArchiveError
from personaevo.records import Run
from personaevo.views.diff import changes, people_of

WIDTH = len(definitions.features().names)


def service(**more: object) -> Run:
    """A run measured against the installed people of a domain."""
    people = reference.packaged("service")
    return Run(1, {"domain": "service", "seed": 3, "human": None, "people_digest": people.digest, **more})


def test_means_are_over_completed_dialogues(tmp_path: Path, finished_archive: Path) -> None:
    with Archive.read(finished_archive) as archive:
        own = archive.episodes(1, 0)
        found = {row.behavior: row.before for row in changes(archive.run(1), own, own).rows}
    done = np.array([one.fingerprint for one in own if one.state == "completed"])
    assert [found[name] for name in definitions.features().names] == pytest.approx(done.mean(axis=0))
    with Archive.read(write(tmp_path / "a.duckdb", a_family())) as archive:
        run, own, failed = archive.run(1), archive.episodes(1, 0), archive.episodes(1, 5)
    found = {row.behavior: row.before for row in changes(run, own, own).rows}
    assert found == pytest.approx({"behavior 0": 1.5, "behavior 1": 2.5, "behavior 2": 3.5})
    assert changes(run, own, failed).rows == ()  # it failed before a dialogue


def test_changes_in_peoples_standard_deviations() -> None:
    run = service()
    searched = reference.split(reference.packaged("service"), 3)[0].values
    assert people_of(run) is not None
    found = changes(run, episodes(features=WIDTH), episodes(0.5, features=WIDTH))
    assert found.scale == "people"
    sizes = [abs(row.size) for row in found.rows if row.size is not None]
    assert sizes == sorted(sizes, reverse=True)
    spread = dict(zip(definitions.features().names, searched.std(axis=0), strict=True))
    middle = dict(zip(definitions.features().names, searched.mean(axis=0), strict=True))
    for row in found.rows:
        assert row.after - row.before == pytest.approx(0.5)
        assert row.people == pytest.approx(middle[row.behavior])
        assert (row.size is None) == (spread[row.behavior] < 1e-9)
        assert row.size is None or row.size == pytest.approx(0.5 / spread[row.behavior])
    assert any(row.size is None for row in found.rows)  # nobody in service asks what was meant


@pytest.mark.parametrize("run", [
    service(people_digest="0" * 16), service(human="/nowhere/people.jsonl"), service(domain="nowhere"), Run(1, {}),
])  # fmt: skip
def test_without_the_same_people_the_dialogues_are_the_scale(run: Run) -> None:
    assert people_of(run) is None
    found = changes(run, episodes(features=WIDTH), episodes(0.5, features=WIDTH))
    spread = np.array([one.fingerprint for one in episodes(features=WIDTH) if one.state == "completed"]).std(axis=0)
    assert found.scale == "dialogues"
    assert [row.size for row in found.rows] == pytest.approx(list(0.5 / spread))
    assert {row.people for row in found.rows} == {None}


def test_nothing_to_compare() -> None:
    assert changes(service(), (), episodes()).rows == ()
    assert changes(service(), episodes(), tuple(one for one in episodes() if one.state == "failed")).rows == ()


def test_fingerprints_of_different_lengths() -> None:
    with pytest.raises(ArchiveError, match="different feature sets"):
        changes(service(), episodes(features=3), episodes(features=4))
    first, *rest = episodes()
    with pytest.raises(ArchiveError, match="different lengths"):
        changes(service(), (replace(first, fingerprint=(1.0,)), *rest), episodes())
