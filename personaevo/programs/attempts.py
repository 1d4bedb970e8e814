"""Self-test program of the kernel tier, run whenever its servers start: it attempts every operation that must be refused."""

from __future__ import annotations

_IMPORTS = 'import enum\nos = enum.sys.modules["os"]\nsocket = enum.sys.modules["_socket"]\nthread = enum.sys.modules["_thread"]\n'
# name of an operation that must be refused -> code that attempts it
OPERATIONS = {
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
NONE = "does nothing of this"  # the self-test's result where every attempt was refused
# Starting a thread is refused with RuntimeError, everything else with PermissionError.
SELF_TEST = (
    _IMPORTS
    + "AXES = []\ndef generate(task, n, rng, model=None):\n    done = []\n"
    + "".join(
        f"    try:\n        {deed}\n        done.append({name!r})\n"
        f"    except (PermissionError, RuntimeError): pass\n    except OSError: done.append({name!r})\n"
        for name, deed in OPERATIONS.items()
    )
    + f"    return [{{'description': ', '.join(done) or {NONE!r}}}]\n"
)
