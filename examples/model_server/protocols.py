"""The protocols of OpenAI's chat completions and Anthropic's messages."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from examples.model_server.requests import Answer, Api, Finish, Json, Request
from examples.model_server.schemas import fitted

TOKEN_BYTES = 4
_CACHE_BLOCK = 64  # tokens; real blocks are larger, and so are real prompts
_CREATED = 1_700_000_000  # fixed, so that equal prompts get identical replies


class RefusedError(Exception):
    """A request that is answered with an error of this kind."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class Wire(Protocol):
    """One provider's protocol."""

    api: Api

    def request(self, body: Json, key: str, seed: int) -> Request:
        """Parse a request body. Raises RefusedError if it is invalid."""
        ...

    def answer(self, request: Request, answer: Answer | None) -> Json:
        """The body of a successful reply; None gives one without choices."""
        ...

    def error(self, kind: str, model: str, key: str, message: str) -> tuple[int, Json]:
        """Status and body of an error."""
        ...

    def models(self, names: Sequence[str]) -> Json:
        """The body of a list of models."""
        ...


class OpenAI:
    """Chat completions."""

    api: Api = "openai"
    # kind: status, type, code, message
    ERRORS: Mapping[str, tuple[int, str, str | None, str]] = {
        "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for {model} on requests per min. Please try again later."),
        "429 retry-after": (429, "tokens", "rate_limit_exceeded", "Rate limit reached for {model} on tokens per min. Try again soon."),
        "429 quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota: check your plan and billing."),
        "500": (500, "server_error", None, "The server had an error while processing your request. Sorry about that!"),
        "529": (503, "server_error", None, "The engine is currently overloaded, please try again later."),
        # Some servers return the full key: clients must remove it from reported errors.
        "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: {key}."),
        "400 context": (
            400, "invalid_request_error", "context_length_exceeded",
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        ),
        "404 model": (404, "invalid_request_error", "model_not_found", "The model `{model}` does not exist or you have no access to it."),
        "400": (400, "invalid_request_error", None, "{message}"),
        "404": (404, "invalid_request_error", "unknown_url", "{message}"),
    }  # fmt: skip

    def request(self, body: Json, key: str, seed: int) -> Request:
        turns = _turns(body, ("system", "developer", "user", "assistant", "tool"))
        top = ("system", "developer")
        form = body.get("response_format") or {}
        schemas = {"json_schema": (form.get("json_schema") or {}).get("schema") or {"type": "object"}, "json_object": {"type": "object"}}
        return Request(
            system="\n\n".join(text for role, text in turns if role in top),
            messages=tuple((role, text) for role, text in turns if role not in top),
            schema=schemas.get(form.get("type", "text")),
            model=_model(body),
            key=key,
            api="openai",
            most_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            seed=seed,
        )

    def answer(self, request: Request, answer: Answer | None) -> Json:
        read = input_tokens(request)
        out = token_count(answer.text) if answer else 0
        cached = cached_tokens(request) if len(request.messages) > 1 else 0
        usage = {"prompt_tokens": read, "completion_tokens": out, "total_tokens": read + out}
        reply = {"id": f"chatcmpl-{request.digest}", "object": "chat.completion", "created": _CREATED, "model": request.model}
        return {
            **reply,
            "choices": [self._choice(answer)] if answer else [],
            "usage": {**usage, "prompt_tokens_details": {"cached_tokens": cached}},
        }

    def _choice(self, answer: Answer) -> Json:
        refused = answer.finish == "refusal"
        message = {"role": "assistant", "content": None if refused else answer.text, "refusal": answer.text if refused else None}
        reasons = {"stop": "stop", "length": "length", "refusal": "stop", "content filter": "content_filter"}
        return {"index": 0, "message": message, "finish_reason": reasons[answer.finish], "logprobs": None}

    def error(self, kind: str, model: str, key: str, message: str) -> tuple[int, Json]:
        status, sort, code, text = self.ERRORS[kind]
        said = text.format(model=model, key=key, message=message)
        return status, {"error": {"message": said, "type": sort, "param": None, "code": code}}

    def models(self, names: Sequence[str]) -> Json:
        return {"object": "list", "data": [{"id": name, "object": "model", "created": _CREATED, "owned_by": "nobody"} for name in names]}


class Anthropic:
    """Messages."""

    api: Api = "anthropic"
    # kind: status, type, message
    ERRORS: Mapping[str, tuple[int, str, str]] = {
        "429": (429, "rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."),
        "429 retry-after": (429, "rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit."),
        "429 quota": (400, "invalid_request_error", "Your credit balance is too low to access the API."),
        "500": (500, "api_error", "Internal server error"),
        "529": (529, "overloaded_error", "Overloaded"),
        "401": (401, "authentication_error", "invalid x-api-key: {key}"),  # in full, as above
        "400 context": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        "404 model": (404, "not_found_error", "model: {model}"),
        "400": (400, "invalid_request_error", "{message}"),
        "404": (404, "not_found_error", "{message}"),
    }

    def request(self, body: Json, key: str, seed: int) -> Request:
        if not isinstance(body.get("max_tokens"), int):
            raise RefusedError("400", "max_tokens: Field required")
        name, schema = self._tool(body)
        output = (body.get("output_config") or {}).get("format") or {}
        return Request(
            system=_text(body.get("system") or ""),
            messages=tuple(_turns(body, ("user", "assistant"))),
            schema=schema or output.get("schema"),
            model=_model(body),
            key=key,
            api="anthropic",
            tool=name,
            most_tokens=body["max_tokens"],
            caching='"cache_control": {' in json.dumps(body),
            seed=seed,
        )

    def _tool(self, body: Json) -> tuple[str | None, Json | None]:
        """The forced tool and the schema of its input; optional tools are ignored."""
        tools = {tool.get("name"): tool for tool in body.get("tools") or ()}
        choice = body.get("tool_choice") or {}
        if choice.get("type") not in ("tool", "any"):
            return None, None
        name = choice.get("name") if choice["type"] == "tool" else next(iter(tools), None)
        if name not in tools:
            raise RefusedError("400", f"tool_choice: tool '{name}' not found in provided tools")
        return name, tools[name].get("input_schema") or {"type": "object"}

    def answer(self, request: Request, answer: Answer | None) -> Json:
        kept = cached_tokens(request) if request.caching else 0
        again = len(request.messages) > 1
        usage = {
            "input_tokens": input_tokens(request) - kept,  # unlike OpenAI's, without cached tokens
            "output_tokens": token_count(answer.text) if answer else 0,
            "cache_read_input_tokens": kept if again else 0,
            "cache_creation_input_tokens": 0 if again else kept,
        }
        reply = {"id": f"msg_{request.digest}", "type": "message", "role": "assistant", "model": request.model}
        content = [self._block(request, answer)] if answer else []
        return {**reply, "content": content, "stop_reason": self._reason(request, answer), "stop_sequence": None, "usage": usage}

    def _block(self, request: Request, answer: Answer) -> Json:
        if request.tool is not None and answer.finish in ("stop", "length"):
            return {"type": "tool_use", "id": f"toolu_{request.digest}", "name": request.tool, "input": answer.value}
        return {"type": "text", "text": answer.text}

    def _reason(self, request: Request, answer: Answer | None) -> str:
        if answer is None or answer.finish == "stop":
            return "tool_use" if answer and request.tool else "end_turn"
        return "max_tokens" if answer.finish == "length" else "refusal"

    def error(self, kind: str, model: str, key: str, message: str) -> tuple[int, Json]:
        status, sort, text = self.ERRORS[kind]
        return status, {"type": "error", "error": {"type": sort, "message": text.format(model=model, key=key, message=message)}}

    def models(self, names: Sequence[str]) -> Json:
        known = {"type": "model", "created_at": "2023-11-14T22:13:20Z", "lifecycle": "active"}
        data = [{"id": name, "display_name": name, **known} for name in names]
        return {"data": data, "has_more": False, "first_id": names[0] if names else None, "last_id": names[-1] if names else None}


OPENAI, ANTHROPIC = OpenAI(), Anthropic()
POSTS: Mapping[str, Wire] = {"/v1/chat/completions": OPENAI, "/v1/messages": ANTHROPIC}


def _model(body: Json) -> str:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise RefusedError("400", "you must provide a model parameter")
    if body.get("stream"):
        raise RefusedError("400", "stream: this server answers in one piece only")
    return name


def _turns(body: Json, roles: Collection[str]) -> list[tuple[str, str]]:
    """The messages as (role, text)."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusedError("400", "messages: at least one message is required")
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in roles:
            raise RefusedError("400", f"messages: every role must be one of {', '.join(roles)}")
    return [(message["role"], _text(message.get("content") or "")) for message in messages]


def _text(content: Any) -> str:
    """The text of a message or of its blocks, with inputs and results of tools."""
    if isinstance(content, str):
        return content
    blocks = [block if isinstance(block, dict) else {} for block in content] if isinstance(content, list) else []
    return "\n".join(str(block.get("text") or "") or json.dumps(block.get("input") or block.get("content") or "") for block in blocks)


def token_count(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // TOKEN_BYTES)


def input_tokens(request: Request) -> int:
    return token_count(request.whole) + (token_count(json.dumps(request.schema)) if request.schema else 0)


def cached_tokens(request: Request) -> int:
    """Tokens of the prompt's beginning that a cache would hold: all before the last message, in whole blocks.

    Depends only on the prompt: the first request of a dialogue fills the cache, later ones read it.
    """
    before = "\n\n".join([request.system, *(content for _, content in request.messages[:-1])])
    return token_count(before) // _CACHE_BLOCK * _CACHE_BLOCK


def answered(request: Request, said: str | Json, fault: str | None = None) -> Answer | None:
    """The reply as an answer in the requested form, with a fault applied; None for one without choices."""
    if fault == "empty":
        return None
    if fault in ("refusal", "content filter"):
        finish: Finish = "refusal" if fault == "refusal" else "content filter"
        return Answer("I'm sorry, but I can't help with that." if fault == "refusal" else "", finish=finish)
    value: Any = said
    if fault == "wrong schema":
        value = {"unexpected": [1, "two", None]}
    elif request.schema is not None and isinstance(said, str):
        value = fitted(request.schema, said, random.Random(int(request.digest, 16)))
    text = value if isinstance(value, str) else json.dumps(value)
    room = len(text) if request.most_tokens is None else request.most_tokens * TOKEN_BYTES
    if fault == "truncated":
        room = min(room, len(text) // 2)
    if room < len(text):
        half = dict(list(value.items())[: len(value) // 2]) if isinstance(value, dict) else value
        return Answer(text[:room], half, "length")
    return Answer(text, value)
