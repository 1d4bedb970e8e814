"""How a model is named on the command line, and what is refused there without repeating a secret."""

from __future__ import annotations

import pytest

from personaevo.config import make_config
from personaevo.errors import ConfigError
from personaevo.model_spec import EMBEDDED, ModelSpec, parse, with_settings

SECRET = "sk-canary-0815"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("embedded", EMBEDDED),
        ("openai:gpt-5-mini", ModelSpec("openai", "gpt-5-mini")),
        ("anthropic:claude-haiku-4-5", ModelSpec("anthropic", "claude-haiku-4-5")),
        ("openai:llama3:8b@http://localhost:11434/v1", ModelSpec("openai", "llama3:8b", "http://localhost:11434/v1")),
        ("openai:org/model-1.5+x_y@https://host.example/v1", ModelSpec("openai", "org/model-1.5+x_y", "https://host.example/v1")),
        ("anthropic:m@http://127.0.0.1:8000", ModelSpec("anthropic", "m", "http://127.0.0.1:8000")),
        ("openai:m@http://[::1]:8000/v1", ModelSpec("openai", "m", "http://[::1]:8000/v1")),
        (f"openai:{'m' * 200}", ModelSpec("openai", "m" * 200)),
    ],
)
def test_forms(text: str, spec: ModelSpec) -> None:
    assert parse(text) == spec
    assert str(spec) == text
    assert parse(str(spec)) == spec


def test_slashes_at_the_end_make_no_other_endpoint() -> None:
    assert parse("openai:m@http://host/v1//").endpoint == parse("openai:n@http://host/v1").endpoint


def test_endpoints_tell_providers_and_addresses_apart() -> None:
    texts = ("openai:m", "anthropic:m", "openai:m@http://a/v1", "openai:m@http://b/v1", "anthropic:m@http://a/v1")
    assert len({parse(text).endpoint for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "", "openai", "openai:", ":gpt", "gpt-5", "OpenAI:gpt", "EMBEDDED", "embedded:x", "embedded@http://host", "azure:gpt",
        "openai:two words", "openai:a\nb", "openai:-m", "openai:../m?x", f"openai:{'m' * 201}", "openai:m\0", "openai:ä",
    ],
)  # fmt: skip
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected embedded, openai:NAME or anthropic:NAME"):
        parse(text)


@pytest.mark.parametrize(
    "url",
    [
        "", "host", "host:8000", "//host/v1", "ftp://host", "file:///etc/passwd", "http://", "http:///v1", "http://host:0/v1",
        "http://host:65536/v1", "http://host:port/v1", "http://[::1", "http://ho st/v1", "http://host/v 1", "http://host/\n", "http://ho\tst",
        "http://host/\x7f", "http://:8000/v1",
    ],
)  # fmt: skip
def test_odd_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected embedded") as caught:
        parse(f"openai:m@{url}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{SECRET}@host/v1", f"http://{SECRET}@host/v1", f"http://:{SECRET}@host/v1", f"http://host/v1?key={SECRET}",
        f"http://host/v1#{SECRET}", f"http://user:{SECRET}@host:99999/v1", f"ftp://user:{SECRET}@host", f"http://host:0/v1?key={SECRET}",
        f"user:{SECRET}@host/v1", f"http://user:{SECRET}@", f"http://[{SECRET}@host", "http://@host/v1", "http://host/v1?", "http://host/v1#",
    ],
)  # fmt: skip
def test_logins_and_queries_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="keys come from OPENAI_API_KEY and ANTHROPIC_API_KEY alone") as caught:
        parse(f"openai:m@{url}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("model", ["gpt", "azure:gpt", "openai:two words", "openai:"])
def test_a_login_is_not_repeated_when_the_name_is_wrong(model: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"{model}@http://user:{SECRET}@host/v1")
    assert SECRET not in str(caught.value)


def test_long_texts_are_cut_in_errors() -> None:
    for text in ("x" * 100_000, f"openai:m@{'x' * 100_000}"):
        with pytest.raises(ConfigError) as caught:
            parse(text)
        assert len(str(caught.value)) < 300


# --- spelled as LiteLLM does, and addresses of the environment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("openai/gpt-4o-mini", "openai:gpt-4o-mini"),
        ("anthropic/claude-sonnet-4-5", "anthropic:claude-sonnet-4-5"),
        ("ollama/llama3.2", "openai:llama3.2@http://127.0.0.1:11434/v1"),
        ("ollama_chat/qwen2.5:7b", "openai:qwen2.5:7b@http://127.0.0.1:11434/v1"),
        ("hosted_vllm/meta-llama/Llama-3.1-8B-Instruct", "openai:meta-llama/Llama-3.1-8B-Instruct@http://127.0.0.1:8000/v1"),
        ("lm_studio/phi-4", "openai:phi-4@http://127.0.0.1:1234/v1"),
        ("openrouter/google/gemma-3-27b-it:free", "openai:google/gemma-3-27b-it:free@https://openrouter.ai/api/v1"),
        ("openai/any@http://gpu:9/v1", "openai:any@http://gpu:9/v1"),
        ("openai:org/name", "openai:org/name"),
    ],
)
def test_litellms_spelling_is_understood(text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert str(parse(text)) == expected
    assert parse(expected) == parse(text)


VARIABLES = (
    "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OLLAMA_API_BASE", "HOSTED_VLLM_API_BASE", "LM_STUDIO_API_BASE", "OPENROUTER_API_BASE",
)  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "value", "text", "expected"),
    [
        ("OPENAI_BASE_URL", "http://gateway:4000/v1/", "openai:m", "openai:m@http://gateway:4000/v1"),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1", "openai:m", "openai:m"),
        ("OPENAI_BASE_URL", "http://gateway:4000/v1", "openai:m@http://other/v1", "openai:m@http://other/v1"),
        ("ANTHROPIC_BASE_URL", "http://gateway:4000", "anthropic/m", "anthropic:m@http://gateway:4000"),
        ("OLLAMA_API_BASE", "http://gpu:11434", "ollama/m", "openai:m@http://gpu:11434/v1"),
        ("HOSTED_VLLM_API_BASE", "http://gpu:8000/v1", "hosted_vllm/m", "openai:m@http://gpu:8000/v1"),
    ],
)
def test_the_clients_address_is_named(
    variable: str, value: str, text: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    found = parse(text)
    assert str(found) == expected
    assert found.variable == (variable if "@" in expected and "@" not in text else "")


def test_a_bad_address_of_the_environment_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://user:secret@gateway/v1")
    with pytest.raises(ConfigError, match="model address in OPENAI_BASE_URL: it holds a login") as caught:
        parse("openai:m")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["gpt-4o-mini", "vertex_ai/gemini", "/m", "openai/", "ollama:llama3.2", "meta-llama/Llama"])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected embedded, openai:NAME or anthropic:NAME"):
        parse(text)


# --- settings


def test_settings_are_part_of_the_model() -> None:
    found = parse("openai:m@http://h:1/v1;temperature=0.7;reasoning_effort=low;max_tokens=900")
    assert (found.setting("temperature"), found.setting("reasoning_effort"), found.setting("max_tokens")) == (0.7, "low", 900)
    assert found.setting("top_p") is None
    assert str(found) == 'openai:m@http://h:1/v1;max_tokens=900;reasoning_effort="low";temperature=0.7'
    assert parse(str(found)) == found
    assert found != parse("openai:m@http://h:1/v1")
    assert found.base == "openai:m@http://h:1/v1"


def test_settings_are_added_and_replaced() -> None:
    more = {"temperature": 0.2, "top_k": 40, "stop": "a;b", "chat_template_kwargs": {"enable_thinking": False}}
    text = with_settings("openai:m;temperature=0.7;seed=1", more)
    found = parse(text)
    assert [found.setting(name) for name in ("temperature", "seed", "top_k", "stop")] == [0.2, 1, 40, "a;b"]
    assert found.setting("chat_template_kwargs") == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("temperature=hot", "a number from 0 to 10"), ("temperature=true", "a number from 0 to 10"),
        ("temperature=-1", "a number from 0 to 10"),
        ("top_p=2", "a number from 0 to 1"), ("max_tokens=0", "a count of tokens"), ("max_tokens=1.5", "a count of tokens"),
        ("seed=-1", "a whole number"), ("reasoning_effort=3", "a word, such as low"), ("temperature", "KEY=VALUE"), ("=1", "KEY=VALUE"),
        ("temperature=", "KEY=VALUE"), ("a b=1", "KEY=VALUE"), ("temperature=NaN", "a number from 0 to 10"),
    ],
)  # fmt: skip
def test_bad_settings_are_one_line(setting: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        parse(f"openai:m;{setting}")


def test_embedded_users_have_no_settings() -> None:
    with pytest.raises(ConfigError, match="embedded users are not asked anything"):
        parse("embedded;temperature=1")


def test_a_table_of_the_configuration_is_the_same() -> None:
    config = make_config({"models": {"user": {"model": "openai:m", "temperature": 0.7}, "mutator": "openai:n"}})
    assert config.models == {"user": "openai:m;temperature=0.7", "mutator": "openai:n"}
    assert config.recorded()["models"]["user"] == "openai:m;temperature=0.7"
    with pytest.raises(ConfigError, match=r"models\.user: expected model"):
        make_config({"models": {"user": {"temperature": 0.7}}})
