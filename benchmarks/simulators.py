"""Personas in other simulators, run for real: ``python -m benchmarks.simulators deepeval|scenario|inspect|tau2|usersim|mirrorbench``.

Each runs in an environment of its own below ``--envs``, which is installed once (they are large), and calls a local model server that needs
no key and invents its answers. The benchmark fails unless every persona's text reached the user's model and dialogues came back that
``pe.fingerprint`` measures. For "tau2" and "mirrorbench" give a checkout of the repository with ``--checkout``. For MirrorBench, and for
usersim, whose people have to be downloaded first, rows of ``personaevo sample`` go through the real loader and no dialogue is played.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

import personaevo as pe
from examples.eval_libraries import TASK
from examples.model_server import Json, ModelServer, Request
from personaevo.sampler.sampler import Format, rows

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "deepeval": "deepeval", "scenario": "langwatch-scenario", "inspect": "inspect-ai", "usersim": "usersim", "mirrorbench": "", "tau2": "",
}  # fmt: skip
# The requirements of MirrorBench's loader, on Python 3.11 too.
LOADER_OF_MIRRORBENCH = ("pydantic", "pyyaml", "platformdirs", "structlog", "python-dotenv", "rich", "tenacity")
QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES", "DEEPEVAL_RESULTS_FOLDER": "", "LANGWATCH_API_KEY": "", "SCENARIO_HEADLESS": "1",
    "OPENAI_API_KEY": "none needed", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}  # fmt: skip
LOADERS = {
    "usersim": """
import json, sys
from usersim.engine.core.persona import format_persona_for_prompt
for line in open(sys.argv[1]):
    row = json.loads(line)
    assert row["persona"].rstrip(".") in format_persona_for_prompt(row), row
""",
    "mirrorbench": """
import sys
from mirrorbench.core.models.plan import DatasetSpec
from mirrorbench.datasets.jsonl_chatbot_arena_mirror import JSONLChatbotArenaMirror
from mirrorbench.io.paths import Paths
from mirrorbench.tasks.prompting import build_user_proxy_system_prompt
from pathlib import Path
dataset = JSONLChatbotArenaMirror(paths=Paths(Path(sys.argv[2])))
spec = DatasetSpec(name="dataset:jsonl/chatbot_arena_mirror", split="default", params={"path": sys.argv[1]})
for episode in dataset.episodes(spec=spec, split="default"):
    prompt = build_user_proxy_system_prompt(episode=episode, dataset_name="personaevo")
    assert episode.metadata["persona"] in prompt and episode.metadata["task_description"] in prompt, episode
    print(episode.episode_id, len(episode.chat_history))
""",
}


def made_up(request: Request) -> str | Json:
    """The answer of a user's model in the requested form: a few words, more for a longer persona text."""
    words = "well I want to move my flight to the evening please and thanks a lot QK7L2".split()
    text = " ".join(words[: 3 + sum(map(ord, request.digest)) % 12])
    return {"simulated_input": text} if "simulated_input" in request.whole else text


def environment(folder: Path, name: str, checkout: Path | None) -> Path:
    """The Python of an environment with the simulator, and with personaevo if a recipe needs it."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        print(f"making the environment {folder / name}", file=sys.stderr)
        venv.create(folder / name, with_pip=True)
    # Loaders run without personaevo: usersim requires other versions of its dependencies.
    wanted = {"mirrorbench": [*LOADER_OF_MIRRORBENCH], "usersim": ["usersim"]}
    if name == "tau2" and checkout is not None:  # tau2 itself is imported from the checkout, which has its data
        needs = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
        wanted["tau2"] = [*needs, "-e", str(ROOT)]
    steps = [wanted.get(name, [PACKAGES[name], "-e", str(ROOT)])]
    steps += [["--no-deps", "--ignore-requires-python", str(checkout)]] if name == "mirrorbench" else []
    for step in steps:
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *step], check=False)
        if done.returncode:
            sys.exit(f"{name}: {' '.join(step)} could not be installed, see above")
    return python


def played(name: str, python: Path) -> None:
    """Run a recipe of ``examples/eval_libraries.py``."""
    personas = pe.PersonaSampler("service").sample(TASK, n=2, seed=1)
    with ModelServer(made_up) as server, tempfile.TemporaryDirectory() as folder:
        variables = {**os.environ, **QUIET, "OPENAI_BASE_URL": server.openai_url, "OPENAI_API_BASE": server.openai_url}
        command = [str(python), str(ROOT / "examples" / "eval_libraries.py"), name, "--model", "gpt-4o-mini"]
        done = subprocess.run(command, env=variables, cwd=folder, text=True, stdout=subprocess.PIPE, check=False, timeout=600)
        asked = [json.dumps(body) for _, body in server.counters.bodies]
    shown = [line for line in done.stdout.splitlines() if "words_per_turn" in line]
    print("\n".join(shown))
    if done.returncode:
        sys.exit(f"{name}: the recipe failed, see above")
    for persona in personas:
        if not any(json.dumps(persona.text.splitlines()[-1])[1:-1] in body for body in asked):
            sys.exit(f"{name}: the text of persona {persona.id} did not reach the user's model")
    if len(shown) != len(personas):
        sys.exit(f"{name}: {len(shown)} of {len(personas)} dialogues came back")
    print(f"{name}: {len(personas)} personas in, {len(shown)} dialogues out, {len(asked)} questions")


def played_by_tau2(python: Path, checkout: Path) -> None:
    """Run ``examples/tau2_personas.py`` on two tasks of the domain mock, and read the result."""
    with ModelServer() as server, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tau2").symlink_to((checkout / "data" / "tau2").resolve())
        paths = {"PYTHONPATH": str((checkout / "src").resolve()), "TAU2_DATA_DIR": folder}
        variables = {**os.environ, **QUIET, **paths, "OPENAI_BASE_URL": server.openai_url, "OPENAI_API_BASE": server.openai_url}
        example = [str(python), str(ROOT / "examples" / "tau2_personas.py")]
        options = "--domain mock --num-tasks 2 --max-steps 20 --agent-llm openai/gpt-4o-mini --user-llm openai/gpt-4o-mini".split()
        for way in (["run", "-n", "2", "--", *options], ["read", f"{folder}/simulations"]):
            done = subprocess.run([*example, *way], env=variables, text=True, stdout=subprocess.PIPE, check=False, timeout=600)
            if done.returncode:
                sys.exit(f"tau2: {way[0]} failed, see above")
        asked = [json.dumps(body) for _, body in server.counters.bodies]
    print(done.stdout, end="")
    told = sum("Manner: " in body and "[Stage direction]" in body for body in asked)
    if done.stdout.count("2 of 2 dialogues") != 2 or not told:
        sys.exit(f"tau2: expected 2 dialogues of each persona; {told} of {len(asked)} questions had a persona and a direction")
    print(f"tau2: 2 personas in, 4 dialogues out, {len(asked)} questions")


def loaded(name: Format, python: Path) -> None:
    """Pass rows through the simulator's own loader."""
    with pe.PersonaSampler("service") as sampler, tempfile.TemporaryDirectory() as folder:
        made = rows(sampler.sample(n=40, seed=1), name, sampler.known_tasks())
        file = Path(folder) / "rows.jsonl"
        file.write_text("".join(f"{json.dumps(row)}\n" for row in made), encoding="utf-8")
        if subprocess.run([str(python), "-c", LOADERS[name], str(file), folder], check=False, cwd=folder).returncode:
            sys.exit(f"{name}: the loader refused a row, see above")
    print(f"{name}: {len(made)} rows taken")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Personas in other people's simulators.")
    parser.add_argument("names", nargs="+", choices=PACKAGES)
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "personaevo-simulators")
    parser.add_argument("--checkout", type=Path, help="checkout of the repository of tau2-bench or MirrorBench")
    given = parser.parse_args()
    if {"mirrorbench", "tau2"} & {*given.names} and given.checkout is None:
        parser.error("tau2-bench and MirrorBench are not in the index: name a checkout of the repository with --checkout")
    for one in given.names:
        interpreter = environment(given.envs, one, given.checkout)
        if one in LOADERS:
            loaded("usersim" if one == "usersim" else "mirrorbench", interpreter)
        elif one == "tau2":
            played_by_tau2(interpreter, given.checkout)
        else:
            played(one, interpreter)
