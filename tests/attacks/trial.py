"""Trials of attacks in a process that may be lost: ``run`` starts one and reads what it found."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from personaevo.programs import isolation
from tests.attacks.arrangements import ARRANGEMENTS, standing
from tests.attacks.attack import Attack
from tests.attacks.field import VARIABLE, Range
from tests.attacks.judge import Box, effects
from tests.attacks.suite import ATTACKS, label

ORDINARY = 12345
_ROOT_FOLDER = Path(__file__).parents[2]
_SET_DEATH_SIGNAL, _SET_DUMPABLE = 1, 4
Found = dict[str, dict[str, list[str]]]  # arrangement → attack → effects


def run(arrangements: Sequence[str], attacks: Sequence[str] | None = None, *, user: int | None = None) -> Found:
    """Try attacks (default: all) in arrangements, as this user or, from root, as another one who has no rights."""
    with interpreter(user) as python:
        order = json.dumps({"arrangements": list(arrangements), "attacks": attacks, "user": user, "python": python})
        done = subprocess.run(
            [sys.executable, "-m", __name__, order], cwd=_ROOT_FOLDER, env={**os.environ, VARIABLE: f"sk-{secrets.token_hex(16)}"},
            stdout=subprocess.PIPE, text=True, check=True, start_new_session=True,
        )  # fmt: skip
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@contextlib.contextmanager
def interpreter(user: int | None) -> Iterator[dict[str, str] | None]:
    """A Python and the child's side of the sandbox in a place where every user can read them; None if there is no need."""
    if user is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="interpreter") as name:
        folder = Path(name)
        folder.chmod(0o755)
        python = _copied_python(folder)
        shutil.copytree(Path(isolation.__file__).parent / "worker", folder / "worker")
        yield {"executable": str(python), "folder": str(folder)}


def _copied_python(folder: Path) -> Path:
    """A copy of the interpreter and its library, without what is installed into it. A link would lead where the user may not go."""
    library = Path(sysconfig.get_path("stdlib"))
    skipped = shutil.ignore_patterns("site-packages", "dist-packages", "test", "tests", "idlelib", "ensurepip", "config-*")
    shutil.copytree(library, folder / "lib" / library.name, ignore=skipped)
    (folder / "bin").mkdir()
    binary = shutil.copy(Path(sys.executable).resolve(), folder / "bin")
    for shared in Path(sysconfig.get_config_var("LIBDIR") or "/nowhere").glob("libpython3*.so*"):
        shutil.copy(shared, folder / "lib")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={folder}/lib exec {binary} "$@"\n')
    python.chmod(0o755)
    return python


def main() -> None:
    """Try what the argument orders; print what was found as JSON."""
    order = json.loads(sys.argv[1])
    if order["user"] is not None:
        _become(order["user"], order["python"])
    signal.signal(signal.SIGTERM, lambda *given: sys.exit("ended"))  # cleans up
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)  # after the change of user, which clears it
    able = [attack for attack in ATTACKS if os.geteuid() == 0 or not attack.root]
    chosen = [attack for attack in able if order["attacks"] is None or label(attack) in order["attacks"]]
    found: Found = {}
    for name in order["arrangements"]:
        with Range() as field, standing(ARRANGEMENTS[name]) as boxes:
            field.servers = lambda boxes=boxes: [pid for box in boxes for pid in box.server_pids()]  # type: ignore[misc]
            field.changes()
            found[name] = {label(attack): sorted(_tried(attack, field, boxes)) for attack in chosen}
    print(json.dumps(found))  # noqa: T201


def _tried(attack: Attack, field: Range, boxes: Sequence[Box]) -> set[str]:
    """Its effects. Whatever was only late is tried again: the machine may have been busy."""
    found = effects(attack, field, boxes)
    return effects(attack, field, boxes) if found == {"late"} else found


def _become(user: int, python: dict[str, Any]) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 1, 0, 0, 0)  # an ordinary process can be looked at by its user; this one began as root
    sys.executable = python["executable"]
    isolation._FOLDER = Path(python["folder"])
    os.chdir("/")


if __name__ == "__main__":
    main()
