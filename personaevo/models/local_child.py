"""Run as a file, in a process of its own: llama.cpp's server for one model file, on a free port of the loopback interface.

The first line of stdin holds the settings as JSON; the first line of stdout is the answer: ``{"address": …}`` or ``{"problem": …}``. The
process ends when stdin does, so it never outlives who started it, however that one ends. It imports nothing of the package.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import threading
from contextlib import suppress
from typing import Any

_KILLED_FIRST = b"1000"  # if memory runs out: not the search
_ERRORS_ONLY = 1
_SET_PDEATHSIG = 1  # prctl(2)
_HOST_CACHE_MIB = 512  # of prompts that other dialogues will go on with


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it
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
    except Exception as error:  # noqa: BLE001  (whatever it is, the one who waits is told)
        _say({"problem": f"{error}"})
        return
    _say({"address": server.listening_address})
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # nobody reads on
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
    params.enable_reasoning = 0  # an answer is what is said, within few tokens
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
    os._exit(0)  # without the library's own ending, which may wait
