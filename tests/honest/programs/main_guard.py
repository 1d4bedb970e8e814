"""Runs on its own too: what stands under the guard is not run in the sandbox."""

import random

AXES = [{"name": "talkative", "low": "Say little.", "high": "Talk.", "dials": {"words_per_turn": [4, 24]}}]


def generate(task, n, rng, model=None):
    return [{"description": "Has a story to tell.", "behaviors": {"talkative": rng.random()}} for _ in range(n)]


def main():
    for persona in generate({"goal": "book a table", "facts": {}, "context": "", "domain": "service"}, 3, random.Random(0)):
        print(persona)


if __name__ == "__main__":
    main()
