"""``tau2 run``, as much of it as is used. Users are looked up when it starts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tau2.registry import registry
from tau2.run import run_tasks
from tau2.utils.utils import DATA_DIR


def main() -> None:
    parser = argparse.ArgumentParser()
    run = parser.add_subparsers(dest="command", required=True).add_parser("run")
    run.add_argument("--domain", default="mock")
    run.add_argument("--user", choices=registry.get_users(), default="user_simulator")
    run.add_argument("--user-llm", default="any", help="'away' is a model whose server is away")
    run.add_argument("--save-to", required=True)
    run.add_argument("--task-file", type=Path, required=True, help="of this stand-in only: the real one knows its domains' tasks")
    given = parser.parse_args()
    tasks = json.loads(given.task_file.read_text("utf-8"))
    save_to = DATA_DIR / "simulations" / given.save_to / "results.json"
    run_tasks(tasks, user=given.user, save_to=save_to, domain=given.domain, away=given.user_llm == "away")
