"""Personas in libraries with a user simulator of their own: one short recipe each, from personas to fingerprints.

    pip install deepeval | langwatch-scenario | inspect-ai
    python examples/eval_libraries.py deepeval|scenario|inspect [--model gpt-4o-mini] [-n 2]    # key and address from OPENAI_API_KEY, …

In all of them ``persona.text`` is added to the user's prompt, and ``described(task)`` is the user's goal and facts. The agent is a stub:
replace it with yours. ``python -m benchmarks.simulators NAME`` runs a recipe in an environment of its own, without a key.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import personaevo as pe
from personaevo.sampler import SampledPersona
from personaevo.sampler.sampler import described

TASK = pe.Task(id="seat", goal="move my flight to the evening", facts={"booking reference": "QK7L2"}, domain="service")
TURNS = 3
Personas = Sequence[SampledPersona]


def agent(messages: Sequence[Any]) -> str:
    return "I see. What is your booking reference?" if len(messages) < 3 else "That is done. Is there anything else?"


def deepeval(personas: Personas, model: str) -> list[Any]:
    """Its own template asks for one to three sentences; its controller needs a stopping rule."""
    from deepeval.dataset import ConversationalGolden, Persona  # noqa: PLC0415
    from deepeval.simulator import ConversationSimulator  # noqa: PLC0415
    from deepeval.simulator.controller import proceed  # noqa: PLC0415
    from deepeval.test_case import Turn  # noqa: PLC0415

    async def answer(input: str, turns: list[Turn]) -> Turn:
        return Turn(role="assistant", content=agent(turns))

    goldens = [ConversationalGolden(scenario=described(TASK), persona=Persona(characteristics=one.text)) for one in personas]
    simulator = ConversationSimulator(model_callback=answer, simulator_model=model, stopping_controller=proceed)
    return [case.turns for case in simulator.simulate(goldens, max_user_simulations=TURNS)]


def scenario(personas: Personas, model: str) -> list[Any]:
    """With ``persona=`` alone, a template asks for "very short inputs, all lowercase"; a system prompt replaces the template."""
    import asyncio  # noqa: PLC0415

    import scenario as langwatch  # noqa: PLC0415

    class Agent(langwatch.AgentAdapter):  # type: ignore[misc]
        async def call(self, input: Any) -> str:
            return agent(input.messages)

    async def talk(persona: SampledPersona) -> list[Any]:
        prompt = persona.overlay(f"You are a user of a service. {described(TASK)} Write your next message, nothing else.")
        user = langwatch.UserSimulatorAgent(model=f"openai/{model}", system_prompt=prompt)
        script = [step for _ in range(TURNS) for step in (langwatch.user(), langwatch.agent())]
        script.append(langwatch.succeed())
        result = await langwatch.run(name=persona.id, description=described(TASK), agents=[Agent(), user], script=script)
        return list(result.messages)

    return [asyncio.run(talk(one)) for one in personas]


def inspect(personas: Personas, model: str) -> list[Any]:
    """The user is a model in the role "user"; samples are those of ``personaevo sample --format inspect``."""
    from inspect_ai import Task, eval  # noqa: PLC0415
    from inspect_ai.dataset import Sample  # noqa: PLC0415
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, get_model  # noqa: PLC0415
    from inspect_ai.solver import Generate, TaskState, solver  # noqa: PLC0415

    @solver
    def dialogue() -> Any:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            prompt, state.messages = f"You are the user.\n{state.input_text}\n\n{state.metadata['persona']}", []
            for _ in range(TURNS):
                swapped = [(ChatMessageAssistant if one.role == "user" else ChatMessageUser)(content=one.text) for one in state.messages]
                swapped = swapped or [ChatMessageUser(content="(the agent is listening)")]
                said = await get_model(role="user", default=f"openai/{model}").generate([ChatMessageSystem(content=prompt), *swapped])
                state.messages.append(ChatMessageUser(content=said.completion))
                state.messages.append(ChatMessageAssistant(content=agent(state.messages)))
            return state

        return solve

    samples = [Sample(id=one.id, input=described(TASK), metadata={"persona": one.text}) for one in personas]
    with tempfile.TemporaryDirectory() as folder:
        (log,) = eval(Task(dataset=samples, solver=dialogue()), model=f"openai/{model}", log_dir=folder, display="none")
        return [list(sample.messages) for sample in log.samples or ()]  # lazily read from the log's file


RECIPES: dict[str, Callable[[Personas, str], list[Any]]] = {"deepeval": deepeval, "scenario": scenario, "inspect": inspect}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Personas in evaluation libraries.")
    parser.add_argument("library", choices=RECIPES)
    parser.add_argument("--archive", default="service")
    parser.add_argument("--model", default="gpt-4o-mini")
    parser.add_argument("-n", type=int, default=2)
    given = parser.parse_args()
    drawn = pe.PersonaSampler(given.archive).sample(TASK, n=given.n, seed=1)
    found = pe.fingerprint(RECIPES[given.library](drawn, given.model))
    for person, row in zip(drawn, found.values, strict=True):
        shown = ", ".join(f"{name} {value:.2f}" for name, value in zip(found.names, row, strict=True))
        print(f"{person.id} ({person.description}): {shown}")
