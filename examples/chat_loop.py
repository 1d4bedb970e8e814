"""A plain chat loop: one model plays the user, directed turn by turn by a persona, another the agent.

    python -m examples.model_server --port 8000 &      # or any server that speaks OpenAI's protocol
    python examples/chat_loop.py [ARCHIVE] --base-url http://127.0.0.1:8000/v1 [--model NAME] [-n 2] [--text-only]

Without --base-url it calls OpenAI, with the key from OPENAI_API_KEY. With --text-only the user's model gets the persona's text and no
directions, and decides itself when to leave.
"""

import argparse

import openai

import personaevo as pe

FACTS = {"booking reference": "QK7L2", "name": "Ada Brook"}
TASK = pe.Task(id="seat", goal="move my flight to the evening", facts=FACTS, domain="service")
USER = f"""You are the user in a conversation with an agent.
Goal: {TASK.goal}
What you know:
| booking reference: QK7L2
| name: Ada Brook
Say one turn at a time."""
LEAVING = " When you have what you came for, or give up, end your last turn with [DONE]."
AGENT = "You are the agent in a conversation with a user. You serve the customers of an airline. End your last turn with [DONE]."
LONGEST = 20  # turns


def next_turn(client: openai.OpenAI, model: str, system: str, turns: list[tuple[str, str]], speaker: str, direction: str = "") -> str:
    """The speaker's next turn; a model's own turns have the role "assistant", those of the other side "user".

    The stage direction is appended to the last message.
    """
    messages = [{"role": "assistant" if who == speaker else "user", "content": text} for who, text in turns]
    messages = messages or [{"role": "user", "content": "(the agent is listening)"}]
    messages[-1]["content"] += f"\n\n{direction}" if direction else ""
    asked = [{"role": "system", "content": system}, *messages]
    return client.chat.completions.create(model=model, messages=asked).choices[0].message.content or "[DONE]"


def talk(client: openai.OpenAI, model: str, persona: pe.Persona) -> list[tuple[str, str]]:
    """One directed dialogue: (who, text) in order. It ends when the director lets the user leave, or the agent ends it."""
    turns: list[tuple[str, str]] = []
    director, heard = persona.director(seed=1, task=TASK), None
    prompt = f"{persona.overlay(USER)}\n{director.note}"
    while len(turns) < LONGEST:
        text = next_turn(client, model, prompt, turns, "user", director.direction(heard)).replace("[DONE]", "").strip()
        director.said(text)
        turns.append(("user", director.type(text)))  # with this user's typing habits: no capitals, a smiley, …
        if director.left:
            break
        heard = next_turn(client, model, AGENT, turns, "agent")
        turns.append(("agent", heard.replace("[DONE]", "").strip()))
        if "[DONE]" in heard:
            break
    return turns


def talk_by_text(client: openai.OpenAI, model: str, persona: pe.Persona) -> list[tuple[str, str]]:
    """The same with the persona's text alone: each side ends with [DONE]."""
    turns: list[tuple[str, str]] = []
    prompts = {"user": persona.overlay(USER + LEAVING), "agent": AGENT}
    while len(turns) < LONGEST and not (turns and "[DONE]" in turns[-1][1]):
        speaker = "agent" if len(turns) % 2 else "user"
        turns.append((speaker, next_turn(client, model, prompts[speaker], turns, speaker)))
    return [(who, text.replace("[DONE]", "").strip()) for who, text in turns]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A chat loop with personas.")
    parser.add_argument("archive", nargs="?", default="service")
    parser.add_argument("--base-url")
    parser.add_argument("--model", default="gpt-4o-mini")
    parser.add_argument("-n", type=int, default=2)
    parser.add_argument("--text-only", action="store_true")
    given = parser.parse_args()
    way = talk_by_text if given.text_only else talk
    key = {"base_url": given.base_url, "api_key": "none needed"} if given.base_url else {}
    with openai.OpenAI(**key) as openai_client:
        for one in pe.PersonaSampler(given.archive).sample(TASK, n=given.n, seed=1):
            print(f"--- {one.description} (cell {one.cell_name})")
            for who, text in way(openai_client, given.model, one):
                print(f"  {who:6} {text}")
