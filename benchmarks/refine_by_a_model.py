"""Re-identification with a real model as analyst, refiner and user: text, dials and both compared.

    python -m benchmarks.refine_by_a_model --model MODEL --people INDEX.json --keep FILE [--data FOLDER] [--count 10] [--items 3] [--json]

One round for each person: the embedded engine plays the statistical estimate (``shrinkage``), the model analyzes the differences from the
person and rewrites the claims. Then the model plays the profile in two dialogues per wording, with the domain's scripted agent:

- ``text``: the profile's text alone, claims and dials in words, given once;
- ``dials``: the director plans each turn by the dials, the model words it, and the typing surface types it;
- ``both``: the same with the profile's text in the prompt, and stage directions in place of drafts.

Each is scored by the energy score against the person's last dialogue, which was held out, and by re-identification. Differences are paired,
with 95 % intervals over people; if an interval contains 0, the verdict is "not decided". Answers are stored in ``--keep``: an
interrupted benchmark resumes from there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.refine import dialogues_of, last_held_out
from personaevo import definitions, readers
from personaevo.archive import Archive, ModelCallStore
from personaevo.chat import ChatModel
from personaevo.errors import ReplyError
from personaevo.measure.energy import energy_scores
from personaevo.models import Budget, CallSettings, Models, parse
from personaevo.records import Episode, Persona, PlanItem, Task, Wording
from personaevo.refine import features
from personaevo.refine.items.reading import read_people
from personaevo.refine.loop.person import Engine, RefinementTask, case_of
from personaevo.refine.loop.rounds import Case
from personaevo.refine.loop.scoring import change
from personaevo.refine.profile import Profile
from personaevo.refine.records import Settings
from personaevo.refine.roles.model_refiner import ModelAnalyst, ModelRefiner
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.model_voice import model_user
from personaevo.simulate.turns import seed_of

WORDINGS: Mapping[str, Wording] = {"text": "text", "dials": "draft", "both": "direction"}
DIALOGUES = 2
ROLES = ("analyst", "refiner", "user")


def main() -> None:
    """Print a table and the paired differences."""
    options = _options()
    engine, settings = Engine(options.domain), Settings(rounds=1)
    behaviors = tuple(read_people(options.people, dialogues_of(options.people, options.data)))
    works = last_held_out(behaviors, engine, settings, options.items)[: options.count]
    tasks = readers.read_tasks(definitions.domain_files(options.domain).tasks)
    rows = []
    with Archive.create_or_open(options.keep) as archive:
        calls = archive.calls()
        specs = {role: parse(options.model) for role in ROLES}
        with Models(specs, calls, budget=Budget(None, None, None), conduct=CallSettings(seconds=1_800.0)) as models:
            for number, work in enumerate(works):
                rows.append(_person(work, engine, settings, models, calls, tasks, options.domain))
                print(f"{number + 1} of {len(works)} people: {json.dumps(rows[-1])}", file=sys.stderr, flush=True)
        calls.flush(1)
    _show(rows, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="the folder of the dialogues, if not that of the index")
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--items", type=int, default=3)
    parser.add_argument("--domain", default="charity")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _person(
    work: RefinementTask, engine: Engine, settings: Settings, models: Models, calls: ModelCallStore, tasks: Sequence[Task], domain: str
) -> dict[str, Any]:
    """Energy score and re-identification of each wording, and the number of claims."""
    case, start = case_of(engine, settings, work)
    profile = _refined(case, start, models)
    calls.flush(1)
    user = models.role("user")
    assert user is not None
    found: dict[str, Any] = {"person": work.behavior.person, "claims": len(profile.claims)}
    for name, wording in WORDINGS.items():
        persona = profile.persona()
        if name == "text":  # the policy states the dials in words
            persona = persona.model_copy(update={"dials": {}})
        play = partial(_dialogue, persona, wording, user, domain)
        with ThreadPoolExecutor(DIALOGUES) as pool:
            episodes = list(pool.map(play, range(DIALOGUES), tasks[:DIALOGUES]))
        calls.flush(1)
        found[name] = _scored(case, engine, [one for one in episodes if one.state == "completed"])
    return found


def _refined(case: Case, start: Profile, models: Models) -> Profile:
    """The initial profile with the claims of the model's first candidate; unchanged if that is refused."""
    analyst, refiner = models.role("analyst"), models.role("refiner")
    assert analyst is not None
    assert refiner is not None
    played = case.played(start, case.parts.train, "train")
    try:
        analysis = ModelAnalyst(analyst, space=case.space).analyze(start, case.parts.train, played)
        made = ModelRefiner(refiner).refine(start, analysis, 1)[0]
    except ReplyError as error:
        print(f"no claims: {error}", file=sys.stderr)
        return start
    if isinstance(made, Profile):
        return made.with_dials(start.dials)
    print(f"no claims: {made.reason}", file=sys.stderr)
    return start


def _dialogue(persona: Persona, wording: Wording, user: ChatModel, domain: str, number: int, task: Task) -> Episode:
    item = PlanItem(task.id, number, seed_of(number, "refined by a model"))
    return run_episode(task, persona, item, definitions.domain(domain), make_user=model_user(user, wording))


def _scored(case: Case, engine: Engine, done: Sequence[Episode]) -> dict[str, float] | None:
    """Scores against the held-out dialogue; None if no dialogue was completed."""
    if not done or case.space is None:
        return None
    points = case.space.points(features.measured([[text for role, text in one.turns if role == "user"] for one in done], engine.losses))
    energy = float(energy_scores(points, case.space.points(case.space.rows(case.parts.test))).mean())
    return {"energy": energy, "recognized": float("nan") if case.lineup is None else case.lineup.recognized(points)}


def _show(rows: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> None:
    scored = {name: [row[name] for row in rows if row[name] is not None] for name in WORDINGS}
    found: dict[str, Any] = {
        name: {key: fmean(one[key] for one in some) for key in ("energy", "recognized")} | {"n": len(some)}
        for name, some in scored.items() if some
    }  # fmt: skip
    for better, worse in (("dials", "text"), ("both", "text"), ("both", "dials")):
        pairs = [(row[worse]["energy"], row[better]["energy"]) for row in rows if row[worse] and row[better]]
        made = change("energy", *zip(*pairs, strict=True), higher_is_better=False) if len(pairs) > 1 else None
        if made is not None and made.low is not None and made.high is not None:
            verdict = "not decided" if made.low <= 0 <= made.high else "better" if made.low > 0 else "worse"
            found[f"{better} - {worse}"] = {"gain": made.gain, "low": made.low, "high": made.high, "n": len(pairs), "verdict": verdict}
    print(json.dumps(found, indent=1) if options.json else "\n".join(f"{name}: {one}" for name, one in found.items()))


if __name__ == "__main__":
    main()
