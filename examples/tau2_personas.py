"""Personas in τ²-bench, in both ways that work in its text mode.

    python examples/tau2_personas.py tasks TASKS.json OUT.json [ARCHIVE] [-n 3]
        Writes every task once for each of n personas, their text in the task's persona field. The ids say who: "7@PERSONA", also in the
        split_tasks.json beside OUT.json if TASKS.json has one. Both take the place of a domain's files in a copy of τ²'s data folder
        (TAU2_DATA_DIR); from Python, its Task records can be made of the tasks.

    python examples/tau2_personas.py run [ARCHIVE] [-n 3] [--text-only] -- --domain retail --agent-llm … --user-llm …
        Registers a user class for each of n personas, and runs τ² with each: what follows "--" goes to ``tau2 run`` in this process, with
        --user and a --save-to of its own. The user's model gets a stage direction with each message of the agent, and the user leaves when
        the director says so; with --text-only it gets the persona's text alone. Needs τ²-bench, installed from its repository.

    python examples/tau2_personas.py read RESULTS
        What came of it, a file or a folder: the fingerprints of the users' side, the mean of each persona's.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import personaevo as pe
from personaevo.readers import read_dialogues, read_tasks
from personaevo.simulate.tau2 import ids_of, register_user, with_persona


def write_tasks(file: Path, out: Path, archive: str, n: int) -> None:
    """Injection 1: the task's persona field, which takes text."""
    sampler = pe.PersonaSampler(archive)
    rows = {str(row["id"]): row for row in json.loads(file.read_text("utf-8"))}
    made = [with_persona(rows[task.id], persona) for task in read_tasks(file) for persona in sampler.sample(task, n=n, seed=1)]
    out.write_text(json.dumps(made, indent=2), "utf-8")
    splits = file.with_name("split_tasks.json")
    if splits.exists():
        listed = {name: set(map(str, ids)) for name, ids in json.loads(splits.read_text("utf-8")).items()}
        ours = {name: [row["id"] for row in made if ids_of(row["id"])[0] in ids] for name, ids in listed.items()}
        out.with_name(splits.name).write_text(json.dumps(ours, indent=2), "utf-8")
    print(f"{out}: {len(made)} tasks, each of {len(rows)} with {n} personas")


def run(archive: str, n: int, options: Sequence[str], *, directed: bool) -> None:
    """Injection 2: a registered user class, which takes directions too. Names are registered before τ²'s command line looks for them, and
    each run is saved apart."""
    names = [register_user(persona, directed=directed) for persona in pe.PersonaSampler(archive).sample(n=n, seed=1)]
    main = import_module("tau2.cli").main
    for name in names:
        sys.argv = ["tau2", "run", *options, "--user", name, "--save-to", f"personaevo-{name}"]
        main()
        print(f"{name}: saved as personaevo-{name}")


def read(results: Path) -> None:
    """Dialogues without τ²'s stop markers, and how each persona behaved in them."""
    by_persona = defaultdict(list)
    for dialogue in read_dialogues(results):
        by_persona[ids_of(dialogue.task or "")[1] or results.stem].append(dialogue)
    for persona, dialogues in sorted(by_persona.items()):
        found = pe.fingerprint([dialogue for dialogue in dialogues if any(map(str.strip, dialogue.user_texts()))])
        means = ", ".join(f"{name} {value:.2f}" for name, value in zip(found.names, found.values.mean(axis=0), strict=True))
        print(f"{persona}: {len(found.values)} of {len(dialogues)} dialogues; {means}")


if __name__ == "__main__":
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description="Personas in tau2-bench.")
    ways = parser.add_subparsers(dest="way", required=True)
    for way, files in {"tasks": ("file", "out"), "run": (), "read": ("results",)}.items():
        command = ways.add_parser(way)
        for name in files:
            command.add_argument(name, type=Path)
        if way != "read":
            command.add_argument("archive", nargs="?", default="service")
            command.add_argument("-n", type=int, default=3)
        if way == "run":
            command.add_argument("--text-only", action="store_true")
    given = parser.parse_args(sys.argv[1:split])
    try:
        if given.way == "tasks":
            write_tasks(given.file, given.out, given.archive, given.n)
        elif given.way == "run":
            run(given.archive, given.n, sys.argv[split + 1 :], directed=not given.text_only)
        else:
            read(given.results)
    except pe.PersonaevoError as error:
        sys.exit(f"tau2_personas: {error}")
