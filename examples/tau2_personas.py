"""Personas in τ²-bench's text mode, in two ways.

    python examples/tau2_personas.py tasks TASKS OUT [ARCHIVE] [-n 3]
        Writes every task once for each of n personas, with their text in the task's persona field. TASKS is a domain's tasks.json (airline,
        retail, telecom, mock), or its folder with one file per task (banking_knowledge/tasks); OUT is of the same kind. The ids name
        the persona: "7@PERSONA", also in the split file in OUT's folder if TASKS has one. Both replace the domain's own in a copy of
        τ²'s data folder (TAU2_DATA_DIR).

    python examples/tau2_personas.py run [ARCHIVE] [-n 3] [--text-only] -- --domain retail --agent-llm … --user-llm …
        Registers a user class for each of n personas, and runs τ² with each: the options after "--" go to ``tau2 run`` in this process,
        with --user and a --save-to for each ("personaevo-persona-…-DOMAIN"). The user's model gets a stage direction with each message
        of the agent, and the user leaves when the director says so; with --text-only it gets the persona's text alone. Needs τ²-bench,
        installed from its repository. Exits with 1 if no simulation succeeded.

    python examples/tau2_personas.py read RESULTS …
        Reads results from files or folders: the fingerprints of the users' side, averaged for each persona.
"""

import argparse
import json
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import personaevo as pe
from personaevo.readers import read_dialogues, read_tasks
from personaevo.readers.layouts import sources
from personaevo.simulate.tau2 import ids_of, register_user, registry, with_persona

SET_HERE = ("--user", "--save-to")
FAILED = ("infrastructure_error", "unexpected_error", "agent_error", "user_error")


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- way 1: the task's persona field, with text


def write_tasks(source: Path, out: Path, archive: str, n: int) -> None:
    tasks = read_tasks(source)
    apart = sorted(source.glob("task_*.json")) or sorted((source / "tasks").glob("task_*.json")) if source.is_dir() else []
    source = source / "tasks.json" if source.is_dir() and not apart else source
    if out.resolve() == source.resolve() or not out.resolve().parent.is_dir() or (bool(apart) and out.is_file()):
        kind = "a folder, as TASKS is one" if apart else "a file"
        raise pe.PersonaevoError(f"{out}: expected {kind} other than {source} in a folder that exists; name another OUT")
    if apart and out.is_dir() and any(out.iterdir()):
        raise pe.PersonaevoError(f"{out}: expected a new or empty folder, got one with files, which τ² would read too; name another OUT")
    loaded = [json.loads(file.read_text("utf-8")) for file in apart] if apart else json.loads(source.read_text("utf-8"))
    listed = loaded["tasks"] if isinstance(loaded, dict) else loaded
    rows, made = {str(row["id"]): row for row in listed}, []
    with pe.PersonaSampler(archive) as sampler:
        for number, task in enumerate(tasks, start=1):
            made += [with_persona(rows[task.id], persona) for persona in sampler.sample(task, n=n, seed=1)]
            if number % 10 == 0 or number == len(tasks):
                log(f"{number}/{len(tasks)} tasks")
    if apart:
        out.mkdir(exist_ok=True)
        for row in made:  # τ² reads task_*.json
            name = row["id"].replace("/", "_")
            (out / f"{'' if name.startswith('task_') else 'task_'}{name}.json").write_text(json.dumps(row, indent=2), "utf-8")
    else:
        out.write_text(json.dumps(made, indent=2), "utf-8")
        write_split(source, out, [row["id"] for row in made])
    print(f"{out}: {len(made)} tasks, each of {len(rows)} with {n} personas")


def write_split(source: Path, out: Path, ids: Sequence[str]) -> None:
    """The split of the new ids, under the name that τ² expects."""
    near = (source.with_name(f"split_{source.stem}.json"), source.with_name("split_tasks.json"))
    splits = next((file for file in near if file.exists()), None)
    if splits is not None:
        listed = {name: set(map(str, known)) for name, known in json.loads(splits.read_text("utf-8")).items()}
        ours = {name: [one for one in ids if ids_of(one)[0] in known] for name, known in listed.items()}
        out.with_name(f"split_{out.stem}.json").write_text(json.dumps(ours, indent=2), "utf-8")


# --- way 2: a registered user class, with directions


def checked(options: Sequence[str]) -> str:
    """The domain in the options for τ²; invalid options are reported before anything is sampled or paid for."""
    plain = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    plain.add_argument("--domain", "-d")
    plain.add_argument("--workers", type=int, default=0)
    plain.add_argument("--audio-native", action="store_true")
    plain.add_argument("--num-tasks", type=int)
    given, _ = plain.parse_known_args(options)
    taken = [name for name in SET_HERE if any(one == name or one.startswith(f"{name}=") for one in options)]
    if taken:
        raise pe.PersonaevoError(f"{taken[0]}: each persona has a user and a place to save to of its own; leave it out")
    if not given.domain:
        raise pe.PersonaevoError("expected the domain after --, such as: -- --domain retail --agent-llm NAME --user-llm NAME")
    if given.workers or given.audio_native:
        why = "worker processes do not know registered users" if given.workers else "voice has users of its own"
        raise pe.PersonaevoError(f"expected text mode without --workers: {why}; leave it out (--max-concurrency runs many at once)")
    registry()
    return str(given.domain)


def run(archive: str, n: int, options: Sequence[str], *, directed: bool) -> None:
    """Register all users before τ²'s command line looks for them, and save each run separately."""
    domain = checked(options)
    personas = pe.PersonaSampler(archive).sample(n=n, seed=1)
    names = [register_user(persona, directed=directed) for persona in personas]
    main = import_module("tau2.cli").main
    reasons: Counter[str] = Counter()
    for number, (name, persona) in enumerate(zip(names, personas, strict=True), start=1):
        place = f"personaevo-{name}-{domain}"
        log(f"{number}/{n} {name}: {persona.description}")
        sys.argv = ["tau2", "run", *options, "--user", name, "--save-to", place]
        main()
        saved = saved_at(place)
        found = [ended(one) for one in json.loads(saved.read_text("utf-8"))["simulations"]] if saved else ["nothing saved"]
        reasons.update(found)
        print(f"{name}: {found.count('')} of {len(found)} simulations went through; saved as {saved or 'nothing'}", flush=True)
    if not reasons[""]:
        causes = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3)) or "no simulations"
        raise pe.PersonaevoError(f"no simulation went through: {causes}; see what τ² said above")


def saved_at(place: str) -> Path | None:
    """The file where τ² saved a run: in a folder of its own, or, before version 1, as a file."""
    try:
        folder = Path(import_module("tau2.utils.utils").DATA_DIR) / "simulations"
    except (ImportError, AttributeError):
        folder = Path()
    return next((file for file in (folder / place / "results.json", folder / f"{place}.json") if file.is_file()), None)


def ended(simulation: dict[str, object]) -> str:
    """Why a simulation failed; "" if it did not."""
    reason = str(simulation.get("termination_reason") or "")
    return reason if reason in FAILED else "" if simulation.get("messages") else "no messages"


# --- results


def read(results: Sequence[Path]) -> None:
    """Read dialogues, without τ²'s stop markers, and print each persona's fingerprint."""
    by_persona, problems = defaultdict(list), []
    for run in (source.path for source in sources(results)):
        try:
            dialogues = read_dialogues(run)
        except pe.PersonaevoError as error:
            problems.append(str(error))
            continue
        name = (run.parent if run.name == "results.json" else run).name.removesuffix(".json")  # names the registered user
        for dialogue in dialogues:
            by_persona[ids_of(dialogue.task or "")[1] or name].append(dialogue)
    for persona, dialogues in sorted(by_persona.items()):
        spoken = [dialogue for dialogue in dialogues if any(map(str.strip, dialogue.user_texts()))]
        found = pe.fingerprint(spoken)
        means = zip(found.names, found.values.mean(axis=0), strict=True) if spoken else ()
        print(f"{persona}: {len(spoken)} of {len(dialogues)} dialogues; {', '.join(f'{name} {value:.2f}' for name, value in means)}")
    for problem in problems:
        log(f"left out: {problem}")
    if not by_persona:
        raise pe.PersonaevoError("no dialogues to read: expected results of τ²-bench in text mode")


if __name__ == "__main__":
    warnings.showwarning = lambda message, *_: log(f"Warning: {message}")
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description="Personas in tau2-bench.")
    ways = parser.add_subparsers(dest="way", required=True)
    for way, files in {"tasks": ("source", "out"), "run": (), "read": ("results",)}.items():
        command = ways.add_parser(way)
        for name in files:
            command.add_argument(name, type=Path, nargs="+" if name == "results" else None)
        if way != "read":
            command.add_argument("archive", nargs="?", default="service")
            command.add_argument("-n", type=int, default=3)
        if way == "run":
            command.add_argument("--text-only", action="store_true")
    asked = parser.parse_args(sys.argv[1:split])
    try:
        if asked.way != "read" and asked.n < 1:
            raise pe.PersonaevoError(f"-n {asked.n}: expected at least 1")
        if asked.way == "tasks":
            write_tasks(asked.source, asked.out, asked.archive, asked.n)
        elif asked.way == "run":
            run(asked.archive, asked.n, sys.argv[split + 1 :], directed=not asked.text_only)
        else:
            read(asked.results)
    except pe.PersonaevoError as problem:
        sys.exit(f"tau2_personas: {problem}")
