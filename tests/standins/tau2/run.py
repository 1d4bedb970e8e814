"""Runs tasks with a registered user, and takes up an interrupted run: what (trial, task id, seed) has done is not done again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tau2.data_model.message import AssistantMessage, ToolMessage
from tau2.registry import registry

SEED = 300
STEPS = 40


def told(scenario: dict[str, Any]) -> str:
    """The scenario as the user's prompt has it: persona (if there is one), then instructions."""
    persona = f"Persona:\n{scenario['persona']}\n" if scenario.get("persona") else ""
    return f"{persona}Instructions:\n{scenario['instructions']}"


def run_tasks(
    tasks: list[dict[str, Any]], *, user: str, save_to: Path, domain: str, trials: int = 1, tools: list[Any] | None = None,
    away: bool = False,
) -> dict[str, Any]:
    results = json.loads(save_to.read_text("utf-8")) if save_to.exists() else {"tasks": [], "simulations": []}
    results["info"] = {"environment_info": {"domain_name": domain}}
    done = {(one["trial"], one["task_id"], one["seed"]) for one in results["simulations"]}
    for trial in range(trials):
        for task in tasks:
            if (trial, task["id"], SEED) in done:
                continue
            if away:
                failed = {"id": f"{task['id']}-{trial}", "task_id": task["id"], "trial": trial, "seed": SEED, "messages": []}
                results["simulations"].append({**failed, "termination_reason": "infrastructure_error"})
                continue
            player = registry.get_user_constructor(user)(
                tools=tools, instructions=told(task["user_scenario"]), llm="none", llm_args={}, persona_config=None
            )
            results["simulations"].append(simulation(task["id"], trial, player))
    save_to.parent.mkdir(parents=True, exist_ok=True)
    save_to.write_text(json.dumps(results), "utf-8")
    return results


def simulation(task_id: str, trial: int, player: Any) -> dict[str, Any]:
    """One dialogue with an agent that helps at once."""
    player.set_seed(SEED + trial)
    state = player.get_init_state()
    heard: Any = AssistantMessage(content="Hi, how can I help?")
    messages, reason = [heard], "max_steps"
    for _ in range(STEPS):
        said, state = player.generate_next_message(heard, state)
        messages.append(said)
        if player.is_stop(said):
            reason = "user_stop"
            break
        heard = ToolMessage(content="a lamp") if said.tool_calls else AssistantMessage(content="That is done. Is there anything else?")
        messages.append(heard)
    return {
        "id": f"{task_id}-{trial}", "task_id": task_id, "trial": trial, "seed": SEED, "messages": [one.model_dump() for one in messages],
        "prompt": player.system_prompt, "reward_info": None, "termination_reason": reason,
        "told": [one.content for one in state.messages if one.role == "assistant"],
    }  # fmt: skip
