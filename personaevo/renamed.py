"""Old names of modules and classes. They work until the next version, with a DeprecationWarning.

``import personaevo.readers.sources`` asks ``Finder``, the first of ``sys.meta_path``: Python would otherwise take a folder that an older
checkout left for a package. In modules that kept their place, ``__getattr__``, made by ``old_names``, finds what has another name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MODULES = {  # module: its old names, without those that are functions of their package (archive.merge): an import would replace them
    "archive.files": "archive.bytewise archive.lock",
    "archive.opening": "archive.snapshot",
    "archive.queries": "archive.population",
    "archive.reading": "archive.memory",
    "archive.rows": "archive.digest",
    "archive.schema": "archive.bounds archive.catalog",
    "archive.side_tables": "archive.calibrations archive.calls archive.refinements",
    "archive.tables": "archive.frames archive.named archive.outcomes",
    "errors": "quiet",
    "evolve.controls": "evolve.negatives evolve.start",
    "evolve.develop": "evolve.history",
    "evolve.genotype": "evolve.axes evolve.genes evolve.reshape",
    "evolve.parts": "evolve.calibrated evolve.company",
    "evolve.players": "evolve.cast evolve.outside",
    "evolve.profiles": "evolve.cell_names",
    "evolve.progress": "evolve.estimate evolve.result",
    "evolve.ranking": "evolve.names",
    "evolve.rewrite": "evolve.adjust",
    "evolve.rollout": "evolve.plan evolve.trial",
    "evolve.search": "evolve.asktell evolve.begin",
    "evolve.state": "evolve.screening",
    "evolve.table": "evolve.finals evolve.shared_rows",
    "executors": "backends shipping",
    "judge.objectives": "judge.objectives.base judge.played",
    "judge.objectives.builtin": (
        "judge.objectives.chamfer judge.objectives.consistency judge.objectives.coverage "
        "judge.objectives.human_likeness judge.objectives.overlap judge.objectives.task_preservation"
    ),
    "judge.scorer": "judge.reflection",
    "judge.uncertainty": "judge.auditor",
    "measure.cells": "measure.density",
    "measure.energy": "measure.scores",
    "measure.fingerprint": "measure.losses measure.repeats",
    "measure.stats": "measure.designs measure.lazy measure.paired measure.rates",
    "measure.typing": "measure.habits",
    "model_spec": "gguf",
    "models.ledger": "models.kept models.planned models.prices",
    "models.openai_model": "models.local_model",
    "models.retry": "models.limits models.spread",
    "models.wrappers": "models.answers",
    "programs.channel": "programs.capability programs.usage",
    "programs.isolation": "programs.attempts programs.server programs.walls",
    "programs.personas": "programs.answers programs.dials",
    "programs.sandbox": "programs.selftest",
    "programs.scopes": "programs.nodes",
    "programs.source": "programs.forms",
    "readers.files": "readers.tables",
    "readers.layouts": "readers.sources",
    "readers.tasks": "readers.tau2",
    "readers.wording": "readers.briefs",
    "reference.build": "readers.languages",
    "refine.features": "measure.ranks measure.shrinkage refine.scale",
    "refine.items.behavior": "refine.behavior refine.split",
    "refine.items.reading": "refine.reading refine.sessions",
    "refine.leakage.guard": "refine.traces",
    "refine.leakage.words": "refine.words",
    "refine.loop.initial_profile": "refine.attributes refine.starts",
    "refine.loop.person": "refine.controls refine.peers refine.person",
    "refine.loop.refined_profiles": "refine.implicit",
    "refine.loop.rounds": "refine.common",
    "refine.loop.run": "refine.people refine.run",
    "refine.loop.scoring": "refine.accept refine.compare refine.scoring",
    "refine.loop.summary": "refine.summary refine.summary_text",
    "refine.measures": "refine.actions",
    "refine.profile": "refine.address",
    "refine.records": "refine.result refine.versions",
    "refine.roles.base": "refine.aims refine.differences refine.embedded",
    "refine.roles.model_player": "refine.model_player refine.shown",
    "refine.roles.model_refiner": "refine.model_analyst refine.model_refiner",
    "refine.roles.population": "refine.estimate refine.population refine.recognition",
    "report.charts": "report.figures report.named",
    "report.data": "report.result",
    "report.material": "report.numbers",
    "report.pages": "report.calibration",
    "report.sections": "report.explorer report.progress",
    "sampler.pool": "sampler.draw sampler.persona sampler.strategies",
    "sampler.sampler": "sampler.formats sampler.tasks sampler.turns",
    "simulate.calibrate": "simulate.conduct simulate.trials",
    "simulate.directions": "simulate.given simulate.hooks simulate.persona",
    "simulate.draws": "simulate.lengths simulate.moods simulate.tones",
    "simulate.episodes": "fingerprints simulate.agents simulate.measuring simulate.users",
    "simulate.model_users": "simulate.followed",
    "simulate.model_voice": "simulate.checks",
    "simulate.templates": "simulate.wording",
    "simulate.turns": "simulate.facts simulate.hearing simulate.plans simulate.seeds simulate.stated",
    "simulate.typing_edits": "simulate.strokes",
    "simulate.typist": "simulate.veils",
    "stress.findings": "stress.text",
    "stress.result": "stress.play",
    "stress.run": "stress.kept",
    "text": "notebook secrecy thoughts",
    "verify.checks": "verify.arithmetic verify.report verify.scoring verify.table",
    "verify.run": "verify.whole",
    "views": "inspect",
    "views.calibration": "inspect.calibration",
    "views.diff": "inspect.behavior inspect.diff",
    "views.elites": "inspect.niches inspect.program inspect.summary",
    "views.layout": "inspect.layout",
    "views.lineage": "inspect.compare inspect.finding inspect.lineage inspect.tree",
    "views.refinement": "inspect.refinement",
    "views.tables": "inspect.scoring inspect.spending inspect.table",
    "workers": "crew",
}
_NAMES = {  # module: {old name: new name, with its module if that is another}
    "archive": {
        "Calls": "ModelCallStore", "KeptCalibration": "StoredCalibration", "Recording": "ReplayStore", "Refined": "RefinedPerson",
    },
    "calibration": {"Done": "CalibrationRun", "Request": "CalibrationSettings", "known": "load_calibration"},
    "evolve.parts": {"Company": "ModelRuntime", "OURS": "DEFAULT_PARTS", "made": "make_parts"},
    "evolve.players": {"Cast": "Players", "Outside": "DialogueQueue", "Wanted": "PlannedDialogue"},
    "evolve.prepare": {"Bench": "EvaluationSetup"},
    "evolve.progress": {"Outlook": "Forecast", "Watch": "ProgressReporter"},
    "models": {"Conduct": "CallSettings", "Kept": "MemoryStore"},
    "models.found": {"Hand": "DiscoveredModels", "at_hand": "discover_models"},
    "records": {name: f"chat.{name}" for name in ("Agent", "ChatModel", "Message", "ModelCall", "Reply", "Role", "Store", "Usage")},
    "workers": {"Crew": "ThreadPool"},
}  # fmt: skip
_PREFIX = "personaevo."
_NEW = {old: new for new, olds in _MODULES.items() for old in olds.split()}


def old_names(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` (PEP 562) of a module that finds the old names of what it holds.

    Raises:
        AttributeError: from the returned function, for a name that never existed.
    """
    known = _NAMES.get(module.removeprefix(_PREFIX), {})

    def find(name: str) -> Any:
        if name not in known:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        home, _, new = known[name].rpartition(".")
        place = _PREFIX + home if home else module
        _warn(f"{module}.{name}", f"{place}.{new}")
        return getattr(import_module(place), new)

    return find


class Finder(MetaPathFinder, Loader):
    """Imports a module by its old name: as a module that passes everything on to the new one."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The specification of a module that has another name now; None for all others."""
        if not fullname.startswith(_PREFIX) or fullname.removeprefix(_PREFIX) not in _NEW:
            return None
        return ModuleSpec(fullname, self, is_package=True)  # submodules are looked for, and have old names too

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module, and warn."""
        new = _PREFIX + _NEW[module.__name__.removeprefix(_PREFIX)]
        _warn(module.__name__, new)
        home, older = import_module(new), old_names(new)

        def find(name: str) -> Any:
            return getattr(home, name) if hasattr(home, name) else older(name)

        module.__dict__["__getattr__"] = find


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old} is now {new}; the old name goes with the next version", DeprecationWarning, stacklevel=3)
