"""Scripts that use old names of modules and classes work, and are told the new ones."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest

from personaevo import renamed


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Old modules are imported once more, and warn once more."""
    yield
    for name in [name for name in sys.modules if name.removeprefix("personaevo.") in renamed._NEW]:
        del sys.modules[name]


@pytest.mark.usefixtures("forgotten")
def test_every_old_module_gives_the_new_one() -> None:
    for old, new in renamed._NEW.items():
        with pytest.warns(DeprecationWarning, match=f"personaevo.{old} is now personaevo.{new}; the old name goes with the next version"):
            found = importlib.import_module(f"personaevo.{old}")
        home = importlib.import_module(f"personaevo.{new}")
        public = [name for name in vars(home) if not name.startswith("_")]
        assert all(getattr(found, name) is getattr(home, name) for name in public), old


def test_no_old_module_takes_the_place_of_a_name_of_its_package() -> None:
    for old in renamed._NEW:
        package, _, name = f"personaevo.{old}".rpartition(".")
        if package.removeprefix("personaevo.") not in renamed._NEW:
            there = vars(importlib.import_module(package)).get(name)
            assert there is None or getattr(there, "__name__", "") == f"personaevo.{old}", old


def test_every_old_name_gives_the_new_one() -> None:
    for module, names in renamed._NAMES.items():
        home = importlib.import_module(f"personaevo.{module}")
        for old, new in names.items():
            place, _, name = new.rpartition(".")
            with pytest.warns(DeprecationWarning, match=f"is now personaevo.{place or module}.{name}; the old name goes"):
                found = renamed.old_names(f"personaevo.{module}")(old)
            assert found is getattr(importlib.import_module(f"personaevo.{place}") if place else home, name)


@pytest.mark.usefixtures("forgotten")
def test_a_script_of_the_last_version_runs() -> None:
    with pytest.warns(DeprecationWarning):
        from personaevo.inspect import lineage  # type: ignore[import-not-found]  # noqa: PLC0415
        from personaevo.readers.sources import sources  # type: ignore[import-not-found]  # noqa: PLC0415
        from personaevo.refine.reading import read_people  # type: ignore[import-not-found]  # noqa: PLC0415
        from personaevo.simulate.seeds import seed_of  # type: ignore[import-not-found]  # noqa: PLC0415

        from personaevo.models import Conduct, Kept  # type: ignore[attr-defined]  # noqa: PLC0415
        from personaevo.records import ChatModel  # type: ignore[attr-defined]  # noqa: PLC0415
    assert all(map(callable, (Conduct, Kept, sources, read_people, seed_of, lineage.find))) and ChatModel.__name__ == "ChatModel"


def test_names_that_never_were_are_refused_as_ever() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'personaevo\.nothing'"):
        importlib.import_module("personaevo.nothing")
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        exec("from personaevo.records import Nothing")
