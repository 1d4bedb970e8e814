"""Runs tasks with a registered user, and takes up an interrupted run: what (trial, task id, seed) has done is not done again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tau2.registry import registry

SEED = 300


def told(scenario: dict[str, Any]) -> str:
    """The scenario as the user's prompt has it: persona (if there is one), then instructions."""
    persona = f"Persona:\n{scenario['persona']}\n" if scenario.get("persona") else ""
    return f"{persona}Instructions:\n{scenario['instructions']}"


def run_tasks(tasks: list[dict[str, Any]], *, user: str, save_to: Path, domain: str, trials: int = 1) -> dict[str, Any]:
    results = json.loads(save_to.read_text("utf-8")) if save_to.exists() else {"tasks": [], "simulations": []}
    results["info"] = {"environment_info": {"domain_name": domain}}
    done = {(one["trial"], one["task_id"], one["seed"]) for one in results["simulations"]}
    for trial in range(trials):
        for task in tasks:
            if (trial, task["id"], SEED) in done:
                continue
            player = registry.get_user_constructor(user)(
                tools=None, instructions=told(task["user_scenario"]), llm="none", llm_args={}, persona_config=None
            )
            results["simulations"].append(simulation(task["id"], trial, player))
    save_to.write_text(json.dumps(results), "utf-8")
    return results


def simulation(task_id: str, trial: int, player: Any) -> dict[str, Any]:
    greeting = "Hi, how can I help?"
    messages = [
        {"role": "assistant", "content": greeting, "tool_calls": None},
        {"role": "user", "content": player.generate(greeting), "tool_calls": None},
    ]
    prompt = player.system_prompt
    return {
        "id": f"{task_id}-{trial}", "task_id": task_id, "trial": trial, "seed": SEED, "messages": messages, "prompt": prompt,
        "reward_info": None, "termination_reason": "user_stop",
    }  # fmt: skip
