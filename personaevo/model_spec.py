"""Model specifications: ``embedded``, ``openai:NAME`` or ``anthropic:NAME``, each also at one or several addresses that share the calls, or
``local:FILE.gguf``; with request settings."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

from personaevo.errors import ConfigError

Provider = Literal["embedded", "openai", "anthropic", "local", "own"]
OWN = "own"  # a model that is an object of the caller
SEVERAL = "several"  # in place of the address of a model at several addresses
OWN_ADDRESS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}")  # of a remote model
_EXPECTED = "expected embedded, openai:NAME or anthropic:NAME, with @http://HOST:PORT/PATH for a server of your own, or local:FILE.gguf"
_SHARED = "a role has one model, and its servers share the calls: openai:NAME@http://HOST:PORT/PATH,http://HOST:PORT/PATH"
_AT = re.compile(r"^([^;@]*)@[^;]*")
_OTHER_MODEL = re.compile(r"[a-z_]+[:/][^@]*@https?://")  # a second model where an address is expected
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_MOST_VALUE = 2_000  # characters of a setting
# LiteLLM's providers: the variable with the address, and the default address.
_SPELLINGS = {
    "ollama": ("OLLAMA_API_BASE", "http://127.0.0.1:11434/v1"), "ollama_chat": ("OLLAMA_API_BASE", "http://127.0.0.1:11434/v1"),
    "hosted_vllm": ("HOSTED_VLLM_API_BASE", "http://127.0.0.1:8000/v1"), "lm_studio": ("LM_STUDIO_API_BASE", "http://127.0.0.1:1234/v1"),
    "openrouter": ("OPENROUTER_API_BASE", "https://openrouter.ai/api/v1"),
}  # fmt: skip


def _within(value: object, low: float, high: float, kind: type[int] | type[float] = float) -> bool:
    return isinstance(value, (int, kind)) and not isinstance(value, bool) and low <= value <= high


_EXPECTED_VALUES: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "temperature": ("a number from 0 to 10", lambda value: _within(value, 0, 10)),
    "top_p": ("a number from 0 to 1", lambda value: _within(value, 0, 1)),
    "seed": ("a whole number", lambda value: _within(value, 0, 2**63 - 1, int)),
    "max_tokens": ("a count of tokens", lambda value: _within(value, 1, 10**6, int)),
    "reasoning_effort": ("a word, such as low", lambda value: isinstance(value, str)),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's provider (whose protocol it speaks), name and, for a server other than the provider's, address.

    The name of a local model is that of its file with a digest of its content (``gguf.ModelFile``). ``path`` is None if only the name is
    known; it does not count in comparisons: equal files in two folders are equal models. ``settings`` are request settings (see
    ``with_settings``), each value as JSON. ``variable`` is the environment variable that gave the address ("" if none). A model at several
    addresses has them in ``urls``, which do not count in comparisons; its ``url`` is "several".
    """

    provider: Provider
    name: str = ""
    url: str | None = None
    path: Path | None = field(default=None, compare=False)
    settings: tuple[tuple[str, str], ...] = ()
    variable: str = field(default="", compare=False)
    urls: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        """The specification as ``parse`` reads it; a local model by its name without folder, one at several addresses without them."""
        return self.base + "".join(f";{key}={value}" for key, value in self.settings)

    @property
    def base(self) -> str:
        """The specification without settings."""
        return self.provider if self.provider == "embedded" else f"{self.provider}:{self.name}" + (f"@{self.url}" if self.url else "")

    @property
    def endpoint(self) -> str:
        """The key of call limits, which all calls to the same endpoint share."""
        return self.base if self.provider in ("local", "own") else f"{self.provider}@{self.url or ''}"

    @property
    def places(self) -> tuple[ModelSpec, ...]:
        """The model at each of its known addresses."""
        return (self,) if self.url != SEVERAL else tuple(replace(self, url=url, urls=()) for url in self.urls)

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names under which answers of the same model are recorded: those with other addresses."""
        if self.url == SEVERAL:
            return tuple(map(str, self.places))
        return () if self.url is None else (str(replace(self, url=SEVERAL)),)

    def setting(self, key: str) -> Any:
        """The value of a setting, None if it is not set."""
        return next((json.loads(value) for name, value in self.settings if name == key), None)


EMBEDDED = ModelSpec("embedded")


def parse(text: str) -> ModelSpec:
    """Parse ``PROVIDER:NAME[@URL,URL…]``, LiteLLM's spelling (``PROVIDER/NAME``), or ``local:PATH``, each with ``;KEY=VALUE`` for settings.
    Without an address, that of the client's environment variable applies (``OPENAI_BASE_URL``, ``ANTHROPIC_BASE_URL``). A model at several
    addresses is recorded as ``PROVIDER:NAME@several``: this finds cached answers, but cannot be called. A model object is recorded as
    ``own:ID``.

    Raises:
        ConfigError: the text has another form, an address has a login or a query (keys belong in the environment) or comes twice, the
            file is missing or not GGUF, or a setting has an invalid value.
    """
    base, *given = text.split(";")
    settings = _settings(base, given)
    if base == "embedded":
        if settings:
            raise ConfigError(f"model {text!r:.120}: embedded users are not asked anything; leave the settings out")
        return EMBEDDED
    rest = base.partition(":")[2]
    if base.startswith(f"{OWN}:"):
        if not _NAME.fullmatch(rest) or settings:
            expected = "the id of an object, of letters, digits and . _ : / + -, and no settings"
            raise ConfigError(f"model {OWN}:{rest!r:.120}: expected {expected}")
        return ModelSpec("own", rest)
    if base.startswith(PREFIX):
        if known_name(rest):
            return ModelSpec("local", rest, settings=settings)
        file = model_file(rest)
        return ModelSpec("local", file.name, path=file.path, settings=settings)
    provider, name, urls, variable = _remote(base)
    if len(urls) > 1 or urls == (SEVERAL,):
        return ModelSpec(provider, name, SEVERAL, None, settings, urls=urls if len(urls) > 1 else ())
    return ModelSpec(provider, name, urls[0] if urls else None, None, settings, variable)


def with_settings(text: str, settings: Mapping[str, Any]) -> str:
    """Add settings to a specification, overriding those that it has: ``temperature``, ``top_p``, ``seed``, ``max_tokens`` (of an answer),
    ``reasoning_effort``; any other key goes into the request body unchanged. Values are JSON-able.

    Raises:
        ConfigError: a name or a value is invalid.
    """
    base, *given = text.split(";")
    added = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items()]
    return base + "".join(f";{key}={value}" for key, value in _settings(base, [*given, *added]))


def same_model(one: str, other: str) -> bool:
    """Whether two recorded specifications mean the same model; one at several addresses equals that at any single one."""
    shared = {_AT.sub(rf"\1@{SEVERAL}", text) for text in (one, other)}
    return one == other or (len(shared) == 1 and not shared.isdisjoint((one, other)))


def key_for(url: str) -> str | None:
    """The API key of OpenRouter from its environment variable; None for other servers, whose keys the clients read."""
    return os.environ.get("OPENROUTER_API_KEY") or None if (urlsplit(url).hostname or "").endswith("openrouter.ai") else None


def _settings(base: str, given: list[str]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for part in given:
        key, equals, value = part.partition("=")
        if not equals or not _KEY.fullmatch(key) or not value or len(value) > _MOST_VALUE:
            raise ConfigError(f"setting {part!r:.80} of model {base.partition('@')[0]:.80}: expected KEY=VALUE, such as temperature=0.7")
        found[key] = _checked(key, value)
    return tuple(sorted(found.items()))


def _checked(key: str, text: str) -> str:
    """The value as JSON; a value that is not JSON is a text."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    expected = _EXPECTED_VALUES.get(key)
    if expected is not None and not expected[1](value):
        raise ConfigError(f"setting {key}: expected {expected[0]}, got {text!r:.60}")
    return json.dumps(value, ensure_ascii=True, sort_keys=True).replace(";", "\\u003b")


def _remote(text: str) -> tuple[Provider, str, tuple[str, ...], str]:
    """Provider, name, addresses (none for the provider's own), and the environment variable that gave the address."""
    mark = min((text.find(char) for char in ":/" if char in text), default=-1)
    head, rest = (text[:mark], text[mark + 1 :]) if mark > 0 else (text, "")
    name, at, url = rest.partition("@")
    if not _NAME.fullmatch(name) or head not in (*OWN_ADDRESS, *(_SPELLINGS if text[mark] == "/" else ())):
        raise ConfigError(f"model {text.partition('@')[0]!r:.120}: {_EXPECTED}")  # without the address, which may have a login
    provider: Provider = "anthropic" if head == "anthropic" else "openai"
    if at:
        return provider, name, _addresses(url), ""
    variable, usual = _SPELLINGS.get(head, (f"{provider.upper()}_BASE_URL", ""))
    own = os.environ.get(variable, "").strip()
    if head.startswith("ollama") and own and not own.rstrip("/").endswith("/v1"):
        own = f"{own.rstrip('/')}/v1"
    found = _address(own, variable) if own else usual
    usual_one = found in ("", OWN_ADDRESS[provider])
    return provider, name, () if usual_one else (found,), variable if own and not usual_one else ""


def _addresses(text: str) -> tuple[str, ...]:
    """The comma-separated addresses of a model, in the order given."""
    if text == SEVERAL:
        return (SEVERAL,)
    parts = text.split(",")
    if any(_OTHER_MODEL.match(part) for part in parts[1:]):
        raise ConfigError(f"two models are given for one role: {_SHARED}")
    found = tuple(_address(part.strip() if len(parts) > 1 else part) for part in parts)
    twice = next((one for number, one in enumerate(found) if one in found[:number]), None)
    if twice is not None:
        raise ConfigError(f"model address {twice!r:.120} is given twice: name each server once")
    return found


def _address(url: str, variable: str = "") -> str:
    where = f"model address in {variable}" if variable else "model address"
    if any(mark in url for mark in "@?#"):  # before the other checks, whose messages repeat the address
        raise ConfigError(f"{where}: it holds a login or a query; keys come from OPENAI_API_KEY and ANTHROPIC_API_KEY alone")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no address at all, or an impossible port
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ConfigError(f"{where} {url!r:.120}: {_EXPECTED}")
    return url.rstrip("/")


PREFIX = "local:"
_MAGIC = b"GGUF"
_PART = 2**20  # bytes, of each end
_DIGITS = 12
_NAMED = re.compile(rf"[^/]+#[0-9a-f]{{{_DIGITS}}}")
_HINT = "'personaevo models' lists the model files on this machine"
# struct formats of the header's value types
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MOST_KEYS, _MOST_ITEMS, _MOST_BYTES = 10_000, 5_000_000, 2**26


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file: its path, and its name with the digest of its content."""

    path: Path
    name: str


def model_file(text: str) -> ModelFile:
    """The model file at a path, which may begin with ``~`` or be relative to the working folder.

    Raises:
        ConfigError: the file is missing, cannot be read, or is not a GGUF file.
    """
    path = Path(os.path.abspath(Path(text).expanduser())) if text and "\0" not in text else None
    if path is None or not path.exists():
        raise ConfigError(f"model {PREFIX}{text:.200}: there is no such file; {_HINT}")
    if not path.is_file():
        raise ConfigError(f"model {PREFIX}{text:.200}: expected the GGUF file of a model, got a folder or device; {_HINT}")
    if not path.name.isprintable():
        raise ConfigError(f"model {PREFIX}{text!r:.200}: the file's name has control characters; rename it")
    try:
        state = path.stat()
        return ModelFile(path, f"{path.name}#{_digest_of(path, state.st_size, state.st_mtime_ns)}")
    except OSError as error:
        raise ConfigError(f"model {PREFIX}{text:.200}: {(error.strerror or 'cannot be read').lower()}") from None


def known_name(text: str) -> bool:
    """Whether this is a name with a digest and not a path: enough to find cached answers."""
    return bool(_NAMED.fullmatch(text)) and not Path(text).exists()


@lru_cache(maxsize=64)
def _digest_of(path: Path, size: int, changed: int) -> str:
    """The digest of a file with this size and change time, which are the cache key."""
    mark = hashlib.blake2b(str(size).encode(), digest_size=_DIGITS // 2)
    with path.open("rb") as file:
        first = file.read(_PART)
        if not first.startswith(_MAGIC):
            raise ConfigError(f"model {PREFIX}{path}: not a GGUF file; {_HINT}")
        mark.update(first)
        file.seek(max(0, size - _PART))
        mark.update(file.read(_PART))
    return mark.hexdigest()


# --- the header


@dataclass(frozen=True, slots=True)
class Header:
    """The metadata needed to load a model: its context length in tokens, bytes per token of context (16-bit keys and values), and whether
    it has a chat template."""

    context: int
    bytes_per_token: int
    chat: bool


def header(path: Path) -> Header:
    """The header of a GGUF file (version 2 or 3).

    Raises:
        ValueError: it is damaged, or of another version.
    """
    try:
        with path.open("rb") as file:
            return _header_of(_metadata(file))
    except (OSError, struct.error, UnicodeDecodeError, OverflowError, TypeError) as error:
        raise ValueError(f"its header cannot be read ({type(error).__name__})") from error


def _header_of(found: Mapping[str, Any]) -> Header:
    kind = found.get("general.architecture", "")

    def number(name: str, default: int) -> int:
        value = found.get(f"{kind}.{name}", default)
        return value if isinstance(value, int) else default  # an array: one for each layer

    heads = max(1, number("attention.head_count", 1))
    width = number("embedding_length", 0) // heads
    both = number("attention.key_length", width) + number("attention.value_length", width)
    per_token = number("block_count", 0) * number("attention.head_count_kv", heads) * both * 2
    return Header(number("context_length", 0), per_token, "tokenizer.chat_template" in found)


def _metadata(file: BinaryIO) -> dict[str, Any]:
    """Keys and values; arrays (the vocabulary) are skipped."""
    if file.read(4) != _MAGIC:
        raise ValueError("it is not a GGUF file")
    version, _, keys = struct.unpack("<IQQ", _read_bytes(file, 20))
    if version not in (2, 3) or keys > _MOST_KEYS:
        raise ValueError(f"its version is {version}, expected 2 or 3")
    return {_read_text(file): _read_value(file, _read_number(file, "<I")) for _ in range(keys)}


def _read_value(file: BinaryIO, kind: int) -> Any:
    if kind in _NUMBERS:
        return _read_number(file, _NUMBERS[kind])
    if kind == _STRING:
        return _read_text(file)
    if kind != _ARRAY:
        raise ValueError(f"its header has a value of unknown type {kind}")
    inner, count = _read_number(file, "<I"), _read_number(file, "<Q")
    if count > _MOST_ITEMS or inner == _ARRAY:
        raise ValueError("its header has an array that is too large")
    if inner in _NUMBERS:
        _read_bytes(file, count * struct.calcsize(_NUMBERS[inner]))
    else:
        for _ in range(count):
            _read_bytes(file, _read_number(file, "<Q"))
    return None


def _read_number(file: BinaryIO, form: str) -> Any:
    return struct.unpack(form, _read_bytes(file, struct.calcsize(form)))[0]


def _read_text(file: BinaryIO) -> str:
    return _read_bytes(file, _read_number(file, "<Q")).decode("utf-8", "replace")


def _read_bytes(file: BinaryIO, count: int) -> bytes:
    if count > _MOST_BYTES:
        raise ValueError("its header has a value that is too long")
    data = file.read(count)
    if len(data) < count:
        raise ValueError("it ends within its header")
    return data
