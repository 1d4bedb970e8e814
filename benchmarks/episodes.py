"""Speed of playing and measuring on one core: ``python -m benchmarks.episodes``. Episodes per second, and per fixed pure-Python loop."""

from __future__ import annotations

import time

from personaevo import definitions, readers
from personaevo.records import Persona, PlanItem
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.turns import seed_of

EPISODES = 600
RUNS = 3
LOOPS = 2_000_000
TARGET = 300
DIALS = {"words_per_turn": 6.0, "politeness_rate": 0.2, "pushback_rate": 0.2, "repetition_rate": 0.2}
PERSONA = Persona(id="p", description="", dials=DIALS)


def loop_seconds() -> float:
    """Wall time of a fixed pure-Python loop, for comparing machines."""
    begun = time.perf_counter()
    total = 0
    for number in range(LOOPS):
        total += number % 7
    return time.perf_counter() - begun


def episode_seconds(domain: str, persona: Persona | None) -> float:
    """Wall time of simulating and measuring one episode in this process."""
    chosen, made = readers.read_tasks(definitions.domain_files(domain).tasks), definitions.domain(domain)
    begun = time.perf_counter()
    played = [
        run_episode(task, persona, PlanItem(task.id, index, seed_of(index)), made)
        for index, task in ((index, chosen[index % len(chosen)]) for index in range(EPISODES))
    ]
    definitions.features().measure([[text for role, text in episode.turns if role == "user"] for episode in played])
    return (time.perf_counter() - begun) / EPISODES


def main() -> None:
    """Best of several runs, with the loop measured next to each."""
    print(f"{'domain':12}{'user':16}{'episodes/s':>12}{'per loop':>12}")
    for domain in definitions.domain_names():
        for name, persona in (("persona-free", None), ("persona", PERSONA)):
            episode_seconds(domain, persona)  # warm-up: reads the content
            loop, each = (min(run) for run in zip(*((loop_seconds(), episode_seconds(domain, persona)) for _ in range(RUNS)), strict=True))
            print(f"{domain:12}{name:16}{1 / each:12.0f}{loop / each:12.0f}")
    print(f"at least {TARGET} episodes/s are wanted; 'per loop' counts episodes in the time of {LOOPS:,} turns of a plain loop")


if __name__ == "__main__":
    main()
