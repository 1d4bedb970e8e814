"""The chat completions protocol: OpenAI, and whatever speaks it (vLLM, Ollama, llama.cpp, OpenRouter)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import openai
from pydantic import BaseModel

from personaevo.errors import ModelSetupError, ReplyError
from personaevo.models.adapter import NO_KEY, Adapter, TransientError, answered, counted
from personaevo.models.answers import strict_schema
from personaevo.records import Message, Reply, Usage

_NOT_ABLE = (400, 422, 501)
_ABOUT_SCHEMAS = ("response_format", "json_schema", "schema", "guided")


class OpenAIModel(Adapter):
    """One model behind the chat completions protocol. A server that cannot be asked for a schema is asked without, from then on."""

    library: ClassVar[Any] = openai
    _schemas = True

    def _client(self) -> Any:
        options: dict[str, Any] = {"base_url": self.spec.url, "max_retries": 0, "timeout": self.terms.seconds}
        try:
            return openai.AsyncOpenAI(**options)
        except openai.OpenAIError:
            if self.spec.url is None:
                raise ModelSetupError(f"{self.terms.label}: there is no key; set OPENAI_API_KEY") from None
            return openai.AsyncOpenAI(api_key=NO_KEY, **options)

    async def _ask(self, messages: Sequence[Message], schema: type[BaseModel] | None, sample: int) -> Any:
        options = self._options(messages, sample)
        if schema is not None and self._schemas:
            form = {"name": schema.__name__, "schema": strict_schema(schema), "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": form}
        said: Any = [{"role": message.role, "content": message.content} for message in messages]
        return await self.client.chat.completions.create(model=self.spec.name, messages=said, **options)

    def _options(self, messages: Sequence[Message], sample: int) -> dict[str, Any]:
        """What is asked for beside the answer's form."""
        return {"max_completion_tokens" if self.spec.url is None else "max_tokens": self.terms.output_tokens}

    def _can_do_with_less(self, error: Any) -> bool:
        asked = b'"response_format"' in error.request.content  # by this question: others may be under way
        if not asked or error.status_code not in _NOT_ABLE or not any(word in error.response.text for word in _ABOUT_SCHEMAS):
            return False
        self._schemas = False
        return True

    def _read(self, answer: Any) -> Reply:
        label = self.terms.label
        if not answer.choices:
            raise TransientError(f"{label}: a reply without a choice", "empty reply")
        choice, usage = answer.choices[0], _usage(answer.usage)
        if choice.message.refusal or choice.finish_reason == "content_filter":
            raise ReplyError(f"{label}: the model refuses: {str(choice.message.refusal or 'filtered')[:200]!r}", usage)
        if not isinstance(choice.message.content, str):
            raise TransientError(f"{label}: a reply without text", "empty reply")
        return answered(label, choice.message.content, usage, cut=choice.finish_reason == "length")


def _usage(used: Any) -> Usage:
    """Tokens, where the server counts them."""
    if not used:
        return Usage()
    details = used.prompt_tokens_details
    return counted(used.prompt_tokens, used.completion_tokens, details.cached_tokens if details else None)
