"""Model files in the GGUF format: their identity and header.

A file is identified by its name and a short digest of its content, as in ``qwen.gguf#1f0c9a33be21``, so that records and cached answers
do not depend on the folder. The digest covers the size and the first and last megabyte: reading gigabytes would take longer than loading
the model. Two files that differ only in between count as the same.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from personaevo.errors import ConfigError

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
