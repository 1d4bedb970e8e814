"""The WebAssembly tier, for machines without the kernel tier: programs run in a CPython compiled to WebAssembly.

componentize-py (Bytecode Alliance) contains the interpreter and takes a snapshot of its memory after loading ``worker/wasm_guest.py``;
wasmtime compiles that to machine code. Both are installed with the extra ``wasm``; nothing else is downloaded. The guests, one for each
hash seed, are built once, in about a minute, and cached below the user's ~/.cache (66 MB).

A guest's string hashes are fixed when it is built: programs that depend on the order of sets fail as in other tiers, but not with the same
differences. Otherwise equal programs give equal personas in all tiers, as far as the versions of Python and the C libraries agree:
``math.sin``, ``cos``, ``tanh``, ``erf`` and ``pow``, and so ``random.gauss``, may differ in the last digit; integer hashes have 32 bits.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path
from typing import Any

from personaevo.errors import SandboxError
from personaevo.programs.rules import ALLOWED_IMPORTS
from personaevo.programs.worker.serve import PRELOAD

# Exit statuses of children whose program trapped, as in worker/wasm_serve.py, which cannot be imported without the extra.
ENDINGS = {
    70: "crash: calls nested too deeply",
    71: "crash: the program wanted what there is not in the wasm tier: clocks, chance, files or its process",
}
_PACKAGES = {"wasmtime": "wasmtime", "componentize-py": "componentize_py"}
_MACHINES = ("x86_64", "aarch64")
_SEEDS = (0, 1)
_UNUSED_SECONDS = 14 * 86400
_HOME = Path(__file__).parent
_PARTS = ("__init__.py", "run.py", "wasm_guest.py")
_WORLD = """package personaevo:sandbox;
world guest {
  import send: func(frame: string);
  import receive: func() -> string;
  export run: func(limits: string);
  export order: func() -> u32;
}
"""
_APPLICATION = """import wit_world
from worker import wasm_guest
KEPT = wasm_guest.prepare({modules}, {seed})
class WitWorld:
    def run(self, limits: str) -> None:
        wasm_guest.run_program(wit_world.send, wit_world.receive, limits)
    def order(self) -> int:
        return wasm_guest.order()
"""
_COMPONENTIZE = "import sys; sys.path += sys.argv.pop(1).split('\\n'); import componentize_py; componentize_py.script()"
_TRANSLATE = "import sys; sys.path += sys.argv[1].split('\\n'); from worker import wasm_serve; print(wasm_serve.translate(*sys.argv[2:]))"


def missing() -> list[str]:
    """Requirements of the wasm tier that this machine does not meet."""
    packages = " and ".join(name for name, module in _PACKAGES.items() if util.find_spec(module) is None)
    lacks = [f"{packages} (pip install 'personaevo[wasm]')"] if packages else []
    if platform.system() != "Linux" or platform.machine() not in _MACHINES:
        lacks.append(f"Linux on x86-64 or aarch64 (this is {platform.system()} on {platform.machine()})")
    return lacks


def versions() -> str:
    """Names and versions of the packages that run programs: results may differ between versions."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)


def made(kept: Path | None = None) -> bool:
    """Whether the guests are cached already; if not, the first start takes about a minute."""
    return all(((kept or folder()) / f"{seed}.cwasm").exists() for seed in _SEEDS)


def folder() -> Path:
    """The cache folder of the guests of these versions. Raises SandboxError if the user has no home folder."""
    digest = hashlib.sha256(f"{versions()} {platform.machine()} {_application(0)} {_WORLD}".encode())
    for part in _PARTS:
        digest.update((_HOME / "worker" / part).read_bytes())
    try:
        return Path.home() / ".cache" / "personaevo" / f"wasm-{digest.hexdigest()[:16]}"
    except RuntimeError as error:
        raise SandboxError(f"the wasm tier caches its guests in the user's home folder: {error}") from error


def plan() -> Mapping[str, Any]:
    """The wasm tier's part of a server's settings. Builds the guests if necessary; raises SandboxError if that fails."""
    lacks = missing()
    if lacks:
        raise SandboxError(f"the wasm tier needs {'; '.join(lacks)}")
    kept = folder()
    if not made(kept):
        _build_cached(kept)
    _check_owner(kept)
    os.utime(kept)  # marks it as used, see _remove_unused
    return {"server": "wasm_serve", "packages": _packages(), "guests": str(kept)}


def _packages() -> list[str]:
    """The folders from which the two packages are imported."""
    specs = [util.find_spec(module) for module in _PACKAGES.values()]
    return sorted({str(Path(spec.origin).parent.parent) for spec in specs if spec and spec.origin})


def _check_owner(kept: Path) -> None:
    """Guests are machine code: raises SandboxError if another user could have written them."""
    state = kept.stat()
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise SandboxError(f"{kept}: others could have changed it; remove it, it will be made again")


def _build_cached(kept: Path) -> None:
    """Build the guests in the cache, and remove those of other versions that were not used for a while."""
    try:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(kept)
        with _locked_work_folder(kept) as work:
            if not made(kept):  # another process may have built them meanwhile
                _build_guests(work, kept)
        _remove_unused(kept.parent)
    except OSError as error:
        raise SandboxError(f"the wasm tier cannot cache its guests in {kept}: {error}") from error


def _remove_unused(cache: Path) -> None:
    for kept in cache.glob("wasm-*"):
        if time.time() - kept.stat().st_mtime > _UNUSED_SECONDS:
            shutil.rmtree(kept, ignore_errors=True)


@contextmanager
def _locked_work_folder(kept: Path) -> Iterator[Path]:
    """An empty folder to work in, for one process at a time."""
    work = kept / "work"
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work)


def _build_guests(work: Path, kept: Path) -> None:
    """Build one guest for each seed, repeated until they order sets differently, as their string hashes are random."""
    (work / "guest.wit").write_text(_WORLD)
    orders = dict.fromkeys(_SEEDS, "")
    while len(set(orders.values())) < len(_SEEDS):
        for seed in _SEEDS if not all(orders.values()) else _SEEDS[1:]:
            orders[seed] = _build_guest(work, seed)
    for seed in _SEEDS:
        (work / f"{seed}.cwasm").replace(kept / f"{seed}.cwasm")


def _build_guest(work: Path, seed: int) -> str:
    """Build a guest in ``work``; returns a text that identifies its order of sets."""
    source = work / str(seed)
    (source / "worker").mkdir(parents=True, exist_ok=True)
    for part in _PARTS:
        shutil.copyfile(_HOME / "worker" / part, source / "worker" / part)
    (source / "application.py").write_text(_application(seed))
    world = ["--wit-path", "guest.wit", "--world", "guest"]
    _run(_COMPONENTIZE, work, [*world, "componentize", "application", "-p", str(seed), "--stub-wasi", "--output", "guest.wasm"])
    return _run(_TRANSLATE, work, ["guest.wasm", f"{seed}.cwasm"])


def _application(seed: int) -> str:
    return _APPLICATION.format(modules=[*ALLOWED_IMPORTS, *PRELOAD], seed=seed)


def _run(code: str, work: Path, arguments: Sequence[str]) -> str:
    """Run code in a separate process that leaves no files behind and finds no packages to include; returns its output."""
    command = [sys.executable or "python3", "-P", "-s", "-S", "-c", code, "\n".join([str(_HOME), *_packages()]), *arguments]
    environment = {"TMPDIR": str(work), "VIRTUAL_ENV": str(work)}
    done = subprocess.run(command, cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "it wrote nothing").splitlines()[-1]
        raise SandboxError(f"the wasm tier's guest could not be made: {words}")
    return done.stdout.strip()
