"""How a model is named on the command line, and what is refused there without repeating a secret."""

from __future__ import annotations

import pytest

from personaevo.errors import ConfigError
from personaevo.models import EMBEDDED, ModelSpec, parse

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
