"""The user simulator in text mode: a system prompt from guidelines and the task, and a model that answers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tau2.data_model.message import AssistantMessage, ToolMessage, UserMessage

GUIDELINES = "You are playing a customer. When you are done, end with ###STOP###."


@dataclass
class UserState:
    """What the user's model has before it."""

    messages: list[AssistantMessage | UserMessage | ToolMessage] = field(default_factory=list)


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
        self.tools, self.instructions, self.llm, self.llm_args = tools, instructions, llm, {**(llm_args or {})}
        self.persona_config = persona_config

    @property
    def system_prompt(self) -> str:
        return f"{GUIDELINES}\n\n<scenario>\n{self.instructions}\n</scenario>"

    def set_seed(self, seed: int) -> None:
        self.llm_args["seed"] = seed

    def get_init_state(self, message_history: list[Any] | None = None) -> UserState:
        return UserState([*(message_history or [])])

    @classmethod
    def is_stop(cls, message: UserMessage) -> bool:
        return not message.tool_calls and "###STOP###" in (message.content or "")

    def generate_next_message(self, message: AssistantMessage | ToolMessage, state: UserState) -> tuple[UserMessage, UserState]:
        """What the model of this stand-in says: a word of its prompt, and the marker if nobody directs it."""
        state.messages.append(message)
        heard = (message.content or "").partition("\n\n[Stage direction]")[0]
        directed = any("[Stage direction]" in (one.content or "") for one in state.messages)
        tools = [{"name": "look"}] if self.tools and message.role == "assistant" else None
        text = None if tools else f"{self.system_prompt.split()[-1]} to {heard}{'' if directed else ' ###STOP###'}"
        said = UserMessage(content=text, tool_calls=tools)
        state.messages.append(said)
        return said, state
