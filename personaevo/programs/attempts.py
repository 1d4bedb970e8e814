"""A program that attempts what no program may do: what the kernel tier is tried out with whenever its servers start."""

from __future__ import annotations

_DOOR = 'import enum\nos = enum.sys.modules["os"]\nsocket = enum.sys.modules["_socket"]\nthread = enum.sys.modules["_thread"]\n'
# what a program attempts, and how
DEEDS = {
    "opens files": 'os.open("/", 0)',
    "changes files": 'os.unlink("/nowhere/personaevo")',
    "looks at files": 'os.stat("/")',
    "opens sockets": "socket.socket()",
    "opens Unix sockets": "socket.socketpair()",
    "starts processes": "os.fork() or os._exit(0)",
    "starts threads": "thread.start_new_thread(print, ())",
    "starts programs": 'os.execv("/bin/true", ["true"])',
    "sends signals": "os.kill(1, 0)",
    "draws entropy": "os.getrandom(8)",
}
NONE = "does nothing of this"
# A thread is refused with RuntimeError, everything else as not permitted.
ATTEMPTS = (
    _DOOR
    + "AXES = []\ndef generate(task, n, rng, model=None):\n    done = []\n"
    + "".join(
        f"    try:\n        {deed}\n        done.append({name!r})\n"
        f"    except (PermissionError, RuntimeError): pass\n    except OSError: done.append({name!r})\n"
        for name, deed in DEEDS.items()
    )
    + f"    return [{{'description': ', '.join(done) or {NONE!r}}}]\n"
)
