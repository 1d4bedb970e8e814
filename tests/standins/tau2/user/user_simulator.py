"""The user simulator in text mode: a system prompt from guidelines and the task, and a model that answers it."""

from __future__ import annotations

from typing import Any

GUIDELINES = "You are playing a customer. When you are done, end with ###STOP###."


class UserSimulator:
    """Takes what the runner gives to users. ``persona_config`` changes nothing in text mode."""

    def __init__(
        self,
        tools: list[Any] | None = None,
        instructions: str | None = None,
        llm: str | None = None,
        llm_args: dict[str, Any] | None = None,
        persona_config: Any = None,
    ) -> None:
        self.tools, self.instructions, self.llm, self.llm_args = tools, instructions, llm, llm_args
        self.persona_config = persona_config

    @property
    def system_prompt(self) -> str:
        return f"{GUIDELINES}\n\n<scenario>\n{self.instructions}\n</scenario>"

    def generate(self, heard: str) -> str:
        """What the model of this stand-in says: a word of its prompt, and the marker."""
        return f"{self.system_prompt.split()[-1]} to {heard} ###STOP###"
