"""The test range: what is planted for attacks to find, and what is watched to see their effects.

Everything that an attack may harm is planted by the range itself: files in a folder of its own, processes that wait to be hurt,
listeners on the loopback interface, names that hold a random marker. The range belongs in a process of its own (``trial.py``).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import resource
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.attacks.victims import LIBC, Victim, below, condition

VARIABLE = "PERSONAEVO_PLANTED_KEY"
_SIZE = 31_337
_GRACE = 0.5  # seconds
_SET_SUBREAPER = 36
_SIGNALS = (signal.SIGUSR1, signal.SIGIO)


class Range:
    """Plants, watches, and cleans up; a context manager. ``variable`` is what this process's environment was started with."""

    def __init__(self) -> None:
        self.marker = f"px{random.SystemRandom().randrange(10**12):012d}"
        self.key = random.SystemRandom().randrange(1, 2**31)
        self.secrets = {name: f"{name}-{self.marker[::-1]}" for name in ("file", "private", "hidden", "link", "note", "memory")}
        self.secrets["variable"] = os.environ[VARIABLE]
        self.proof, self.forged = f"proof{self.marker}", f"forged{self.marker}"
        self.heard: list[str] = []
        self.servers: Callable[[], list[int]] = list
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Range:
        LIBC.prctl(_SET_SUBREAPER, 1, 0, 0, 0)  # what outlives its parent becomes ours, and is seen
        for number in _SIGNALS:
            signal.signal(number, lambda number, frame: self.heard.append(f"signal {number}"))
        self.folder = Path(tempfile.mkdtemp(prefix="range"))
        self.folder.chmod(0o777)
        self._closing.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._closing.callback(self._sweep)
        self._open_ears()
        self._plant_files()
        self._plant_victims()
        self._before = self._state()
        return self

    def __exit__(self, *error: object) -> None:
        for victim in self.victims:
            victim.end()
        self._closing.close()

    @property
    def plants(self) -> Mapping[str, object]:
        """The placeholders of attack sources."""
        return {
            "folder": self.planted, "secret_file": self.planted / "secret", "canary": self.planted / "canary",
            "private": self.planted / "private",
            "unix": self.folder / "stream", "datagram": self.folder / "datagram", "tcp": self.ports["tcp"], "udp": self.ports["udp"],
            "descriptor": self.descriptor, "marker": self.marker, "key": self.key, "host": os.getpid(), "variable": VARIABLE,
            "victims": ", ".join(str(victim.pid) for victim in self.victims), "victim": self.victims[-1].pid,
            "address": self.victims[-1].address, "length": len(self.secrets["memory"]), "overwritten": "z" * len(self.secrets["memory"]),
            "proof": self.proof, "forged": self.forged,
        }  # fmt: skip

    def said(self, text: str) -> set[str]:
        """What a program gave away or claims to have done in what it said."""
        tags = [f"size={_SIZE}", f"host={socket.gethostname()};", "nice=0;", *(f"minute={time.time() // 60 - ago:.0f};" for ago in (0, 1))]
        found = {"secret" for secret in (*self.secrets.values(), *tags) if secret in text}
        return found | ({"done"} if self.proof in text else set()) | ({"spoofed"} if self.forged in text else set())

    def changes(self) -> set[str]:
        """What has changed since this was last asked; it is set right again."""
        now = self._state()
        found = {kind for kind, state in now.items() if state != self._before[kind]}
        if found:
            self._repair(found)
            self._before = self._state()
        return found

    def _state(self) -> dict[str, object]:
        heard, self.heard = [*self.heard, *self._listen()], []
        return {
            "files": (tree(self.planted), sorted(self._strays())),
            "network": [word for word in heard if not word.startswith("signal")],
            "signals": [word for word in heard if word.startswith("signal")],
            "victims": [victim.condition() for victim in self.victims],
            "processes": sorted(self._survivors()),
            "servers": [condition(pid) for pid in self.servers()],
            "left behind": sorted(self._left_behind()),
            "host": host(),
        }

    def _repair(self, found: set[str]) -> None:
        if "files" in found:
            shutil.rmtree(self.planted, ignore_errors=True)
            self._sweep()
            self._plant_files()
        if "victims" in found:
            for victim in self.victims:
                victim.end()
            self._plant_victims()
        self._kill_strangers()
        self._remove_left_behind()
        self._listen()
        self.heard.clear()

    def _plant_files(self) -> None:
        self.planted = self.folder / "planted"
        for folder in (self.planted, self.planted / "inner", self.planted / "empty"):
            folder.mkdir()
            folder.chmod(0o777)
        for name, content in (
            ("secret", self.secrets["file"].ljust(_SIZE)),
            ("canary", "untouched"),
            ("private", self.secrets["private"]),
            ("marked", ""),
        ):
            file = self.planted / name
            file.write_text(content)
            file.chmod(0o600 if name == "private" else 0o666)
        os.setxattr(self.planted / "marked", "user.note", self.secrets["note"].encode())
        (self.planted / "inner" / self.secrets["hidden"]).touch()
        (self.planted / "link").symlink_to(self.secrets["link"])

    def _plant_victims(self) -> None:
        """One of the same user and, where that is root, one of the user that programs run as."""
        users = [None, 65534] if os.geteuid() == 0 else [None]
        self.victims = [Victim(user, self.secrets["memory"].encode(), self.descriptor) for user in users]

    def _open_ears(self) -> None:
        kinds = {"tcp": (socket.AF_INET, socket.SOCK_STREAM), "udp": (socket.AF_INET, socket.SOCK_DGRAM)}
        places: dict[str, Any] = {"tcp": ("127.0.0.1", 0), "udp": ("127.0.0.1", 0)}
        for name, kind in (("stream", socket.SOCK_STREAM), ("datagram", socket.SOCK_DGRAM)):
            kinds |= {name: (socket.AF_UNIX, kind), f"abstract {name}": (socket.AF_UNIX, kind)}
            places |= {name: str(self.folder / name), f"abstract {name}": f"\0{self.marker}" + (".datagram" if name == "datagram" else "")}
        self._ears = {name: self._closing.enter_context(socket.socket(*kind)) for name, kind in kinds.items()}
        for name, ear in self._ears.items():
            ear.bind(places[name])
            ear.setblocking(False)
            if ear.type == socket.SOCK_STREAM:
                ear.listen()
        for name in ("stream", "datagram"):
            (self.folder / name).chmod(0o777)
        self.ports = {name: self._ears[name].getsockname()[1] for name in ("tcp", "udp")}
        self._pipe, write = os.pipe()
        os.set_blocking(self._pipe, False)
        self.descriptor = fcntl.fcntl(write, fcntl.F_DUPFD, 100)  # far from what is in use; inheritable
        os.set_inheritable(self.descriptor, True)
        os.close(write)

    def _listen(self) -> Iterator[str]:
        for name, ear in self._ears.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    if ear.type == socket.SOCK_STREAM:
                        ear.accept()[0].close()
                    else:
                        ear.recv(1 << 16)
                    yield name
        with contextlib.suppress(BlockingIOError):
            while os.read(self._pipe, 1 << 16):
                yield "inherited descriptor"

    def _strays(self) -> list[str]:
        return [str(path) for folder in (tempfile.gettempdir(), "/dev/shm") for path in Path(folder).glob(f"*{self.marker}*")]

    def _sweep(self) -> None:
        for stray in self._strays():
            os.unlink(stray)

    def _left_behind(self) -> list[str]:
        return [
            kind for kind in ("shm", "sem", "msg") if getattr(LIBC, f"{kind}get")(self.key, 0, *([0] if kind != "msg" else [])) >= 0
        ] + (["POSIX queue"] if self._queue_exists() else [])

    def _queue_exists(self) -> bool:
        queue = LIBC.mq_open(f"/{self.marker}".encode(), os.O_RDONLY)
        if queue >= 0:
            os.close(queue)
        return bool(queue >= 0)

    def _remove_left_behind(self) -> None:
        LIBC.shmctl(LIBC.shmget(self.key, 0, 0), 0, None)
        LIBC.semctl(LIBC.semget(self.key, 0, 0), 0, 0)
        LIBC.msgctl(LIBC.msgget(self.key, 0), 0, None)
        LIBC.mq_unlink(f"/{self.marker}".encode())

    def _strangers(self) -> set[int]:
        return below(os.getpid()) - {victim.pid for victim in self.victims} - set(self.servers())

    def _survivors(self) -> set[int]:
        """What is left of a run. Servers end their children when told to, which the host does not wait for."""
        end = time.monotonic() + _GRACE
        while (strangers := self._strangers()) and time.monotonic() < end:
            for pid in strangers:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)  # the dead are no survivors
            time.sleep(0.001)
        return strangers

    def _kill_strangers(self) -> None:
        """End what an attack started and left; and servers that no longer end their children. All of it is below this process, which
        nobody else uses."""
        end = time.monotonic() + _GRACE
        while strangers := self._strangers():
            late = time.monotonic() > end
            for pid in strangers | (set(self.servers()) if late else set()):
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.002)


def tree(folder: Path) -> dict[str, object]:
    """All there is to know about the files below a folder, except when they were read."""
    found: dict[str, object] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        about = path.lstat()
        plain = stat.S_ISREG(about.st_mode)
        content = path.read_bytes() if plain else os.readlink(path) if path.is_symlink() else None
        marks = {name: os.getxattr(path, name) for name in os.listxattr(path)} if plain else None
        found[str(path)] = (about.st_mode, about.st_nlink, about.st_size, about.st_mtime_ns, about.st_uid, about.st_gid, content, marks)
    return found


def host() -> tuple[object, ...]:
    """The state of this process that a program could have changed."""
    mask = os.umask(0)
    os.umask(mask)
    limits = [resource.getrlimit(kind) for kind in range(16)]
    return (
        limits, os.getcwd(), mask, os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0)), "program" in sys.modules,
        os.environ[VARIABLE], [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
    )  # fmt: skip


class Memory:
    """How far the memory of this process has grown at its peak, in bytes."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        self._start = self._peak()

    def growth(self) -> int:
        return self._peak() - self._start

    def _peak(self) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
