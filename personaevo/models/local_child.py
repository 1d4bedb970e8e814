"""Script that runs llama.cpp's server for one model file in its own process, on a free port of the loopback interface.

The first line of stdin contains the settings as JSON; the first line of stdout is the result: ``{"address": …}`` or ``{"problem": …}``. The
process ends when stdin is closed, so it never outlives its parent, however that ends. It imports nothing of the package.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import threading
from contextlib import suppress
from typing import Any

_KILLED_FIRST = b"1000"  # if memory runs out, this process is killed and not the search
_ERRORS_ONLY = 1
_SET_PDEATHSIG = 1  # prctl(2)
_HOST_CACHE_MIB = 512  # cache of prompts, for dialogues that continue later


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
        file.write(_KILLED_FIRST)
    settings = json.loads(_line())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    # Where a processor is shared with others, threads that spin while they wait make a model slower by a factor of thirty.
    os.putenv("GOMP_SPINCOUNT", "0")
    try:
        server = _served(settings)
    except Exception as error:  # noqa: BLE001  (any error is reported to the parent)
        _say({"problem": f"{error}"})
        return
    _say({"address": server.listening_address})
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the parent reads no further
    threading.Event().wait()


def _served(settings: dict[str, Any]) -> Any:
    import xllamacpp  # noqa: PLC0415  (after the environment is set)

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.hostnames, params.port = ["127.0.0.1"], 0  # a free one
    params.api_keys = [settings["key"]]
    params.n_parallel, params.n_ctx = settings["slots"], settings["slots"] * settings["context"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.cache_ram_mib = _HOST_CACHE_MIB
    params.enable_reasoning = 0  # answers have few tokens, so no reasoning
    params.verbosity = _ERRORS_ONLY
    params.ui = params.warmup = params.endpoint_slots = False
    params.offline = True
    params.fit_params = False
    return xllamacpp.Server(params)


def _line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1)
        if not part:
            os._exit(0)
        line += part
    return line


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def _say(answer: dict[str, str]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
    os._exit(0)  # skips the library's cleanup, which may block
