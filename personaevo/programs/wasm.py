"""The WebAssembly tier, for machines without the kernel tier: programs run in a CPython compiled to WebAssembly.

componentize-py (Bytecode Alliance) brings the interpreter and keeps its memory as it is after loading ``worker/wasm_guest.py``; wasmtime
compiles that to machine code. Both come with the extra ``wasm``, and nothing is fetched after that. Made once, for each hash seed, in about
a minute, and kept below the user's ~/.cache (66 MB).

A guest's hashes are drawn when it is made: programs that depend on the order of sets fail as elsewhere, but not with the same differences.
Otherwise equal programs give equal personas in all tiers, as far as the versions of Python agree and the C libraries do: ``math.sin``,
``cos``, ``tanh``, ``erf`` and ``pow``, and so ``random.gauss``, may differ in the last digit; hashes of integers have 32 bits.
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

# How children end whose program trapped; the statuses are those of worker/wasm_serve.py, which cannot be imported without the extra.
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
    """What the tier needs and this machine has not; empty if it has everything."""
    packages = " and ".join(name for name, module in _PACKAGES.items() if util.find_spec(module) is None)
    lacks = [f"{packages} (pip install 'personaevo[wasm]')"] if packages else []
    if platform.system() != "Linux" or platform.machine() not in _MACHINES:
        lacks.append(f"Linux on x86-64 or aarch64 (this is {platform.system()} on {platform.machine()})")
    return lacks


def versions() -> str:
    """What runs programs, in words: results may differ between other versions."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)


def made(kept: Path | None = None) -> bool:
    """Whether the guests are there already; if not, the first start takes about a minute."""
    return all(((kept or folder()) / f"{seed}.cwasm").exists() for seed in _SEEDS)


def folder() -> Path:
    """Where the guests of these versions are kept. Raises SandboxError without a home."""
    digest = hashlib.sha256(f"{versions()} {platform.machine()} {_application(0)} {_WORLD}".encode())
    for part in _PARTS:
        digest.update((_HOME / "worker" / part).read_bytes())
    try:
        return Path.home() / ".cache" / "personaevo" / f"wasm-{digest.hexdigest()[:16]}"
    except RuntimeError as error:
        raise SandboxError(f"the wasm tier keeps its guests in the user's home: {error}") from error


def plan() -> Mapping[str, Any]:
    """The settings of a server of this tier. Makes the guests if they are not there. Raises SandboxError if that cannot be done."""
    lacks = missing()
    if lacks:
        raise SandboxError(f"the wasm tier needs {'; '.join(lacks)}")
    kept = folder()
    if not made(kept):
        _make(kept)
    _distrust(kept)
    os.utime(kept)  # in use: see _forget
    return {"server": "wasm_serve", "packages": _packages(), "guests": str(kept)}


def _packages() -> list[str]:
    """The folders that the two packages are imported from."""
    specs = [util.find_spec(module) for module in _PACKAGES.values()]
    return sorted({str(Path(spec.origin).parent.parent) for spec in specs if spec and spec.origin})


def _distrust(kept: Path) -> None:
    """Guests are machine code: nobody else may have written them."""
    state = kept.stat()
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise SandboxError(f"{kept}: others could have changed it; remove it, it will be made again")


def _make(kept: Path) -> None:
    try:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        _distrust(kept)
        with _alone(kept) as work:
            if not made(kept):  # or another process was quicker
                _make_guests(work, kept)
        _forget(kept.parent)
    except OSError as error:
        raise SandboxError(f"the wasm tier cannot keep its guests in {kept}: {error}") from error


def _forget(cache: Path) -> None:
    """Remove the guests of versions that no sandbox used for a while."""
    for kept in cache.glob("wasm-*"):
        if time.time() - kept.stat().st_mtime > _UNUSED_SECONDS:
            shutil.rmtree(kept, ignore_errors=True)


@contextmanager
def _alone(kept: Path) -> Iterator[Path]:
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


def _make_guests(work: Path, kept: Path) -> None:
    """One for each seed; anew until they keep sets in different orders, which chance may not bring about at once."""
    (work / "guest.wit").write_text(_WORLD)
    orders = dict.fromkeys(_SEEDS, "")
    while len(set(orders.values())) < len(_SEEDS):
        for seed in _SEEDS if not all(orders.values()) else _SEEDS[1:]:
            orders[seed] = _make_guest(work, seed)
    for seed in _SEEDS:
        (work / f"{seed}.cwasm").replace(kept / f"{seed}.cwasm")


def _make_guest(work: Path, seed: int) -> str:
    """Leaves it in ``work``; what it says of the order in which it keeps sets."""
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
    """What it prints, in a process of its own, which leaves nothing behind and looks for no packages to include."""
    command = [sys.executable or "python3", "-P", "-s", "-S", "-c", code, "\n".join([str(_HOME), *_packages()]), *arguments]
    environment = {"TMPDIR": str(work), "VIRTUAL_ENV": str(work)}
    done = subprocess.run(command, cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "it wrote nothing").splitlines()[-1]
        raise SandboxError(f"the wasm tier's guest could not be made: {words}")
    return done.stdout.strip()
