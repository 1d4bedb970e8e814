"""Which model plays a role: ``embedded``, ``openai:NAME``, ``anthropic:NAME``, each of these also at an address of its own, or
``local:FILE.gguf``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from personaevo import gguf
from personaevo.errors import ConfigError

Provider = Literal["embedded", "openai", "anthropic", "local"]
_REMOTE = ("openai", "anthropic")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}")  # of a remote model
_EXPECTED = "expected embedded, openai:NAME or anthropic:NAME, with @http://HOST:PORT/PATH for a server of your own, or local:FILE.gguf"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's provider (whose protocol it speaks), name and, for a server of one's own, address.

    A local model's name is that of its file with a digest of its content (``gguf.ModelFile``). ``path`` is where that lies; it is None if
    only the name is known, and no part of what the model is: equal files at two places are equal.
    """

    provider: Provider
    name: str = ""
    url: str | None = None
    path: Path | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """As it was written; a local model by its name, wherever it lies."""
        return self.provider if self.provider == "embedded" else f"{self.provider}:{self.name}" + (f"@{self.url}" if self.url else "")

    @property
    def endpoint(self) -> str:
        """What limits are kept for: calls to the same endpoint share them."""
        return str(self) if self.provider == "local" else f"{self.provider}@{self.url or ''}"


EMBEDDED = ModelSpec("embedded")


def parse(text: str) -> ModelSpec:
    """Read ``PROVIDER:NAME[@URL]`` or ``local:PATH``.

    Raises:
        ConfigError: it is not of this form, the address holds a login or a query (a key belongs into the environment), or the file is
            missing or no GGUF file.
    """
    if text == "embedded":
        return EMBEDDED
    if text.startswith(gguf.PREFIX):
        return _local(text.removeprefix(gguf.PREFIX))
    provider, _, rest = text.partition(":")
    name, at, url = rest.partition("@")
    if provider not in _REMOTE or not _NAME.fullmatch(name):
        raise ConfigError(f"model {text.partition('@')[0]!r:.120}: {_EXPECTED}")  # after it may stand a login
    assert provider in get_args(Provider)
    return ModelSpec("openai" if provider == "openai" else "anthropic", name, _address(url) if at else None)


def _local(text: str) -> ModelSpec:
    if gguf.known_name(text):
        return ModelSpec("local", text)
    file = gguf.model_file(text)
    return ModelSpec("local", file.name, path=file.path)


def _address(url: str) -> str:
    if any(mark in url for mark in "@?#"):  # first of all: what is refused for another reason is repeated
        raise ConfigError("model address: it holds a login or a query; keys come from OPENAI_API_KEY and ANTHROPIC_API_KEY alone")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no address at all, or an impossible port
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ConfigError(f"model address {url!r:.120}: {_EXPECTED}")
    return url.rstrip("/")
