"""Attacks by signals, on the host and on others; and by what runs later: threads, handlers at exit, finalizers."""

from __future__ import annotations

from tests.attacks.attack import acts

# The host is sent SIGUSR1 (10), which it counts; it stands for SIGKILL, which it would not survive where the walls are down.
_SIGNALS = {
    "kill another": "each(lambda pid: os.kill(pid, 9), $victims)",
    "end another": "each(lambda pid: os.kill(pid, 15), $victims)",
    "stop another": "each(lambda pid: os.kill(pid, 19), $victims)",
    "kill the group of another": "each(lambda pid: os.killpg(pid, 9), $victims)",
    "kill with the C library": "libc = native()\neach(lambda pid: libc.kill(pid, 9), $victims)",
    "kill a thread": "libc = native()\neach(lambda pid: libc.syscall($nr_tgkill, pid, pid, 9), $victims)",
    "kill by descriptor": "room()\nlibc = native()\neach(lambda pid: libc.syscall(424, libc.syscall(434, pid, 0), 9, 0, 0), $victims)",
    "queue a signal": "libc = native()\neach(lambda pid: libc.sigqueue(pid, 15, 0), $victims)",
    "signal the host": "os.kill($host, 10)",
    "signal the host with the C library": "native().kill($host, 10)",
    "signal the host by its thread": "native().syscall($nr_tgkill, $host, $host, 10)",
    "kill the server": "os.kill(server, 9)",
    "stop the server": "os.kill(server, 19)",
    "end the server": "os.kill(server, 15)",
    "crash the server": "os.kill(server, 11)",
    # On input that nobody waits for the kernel signals whom the descriptor's owner is said to be.
    "descriptor that signals": "fcntl = door('fcntl')\nfcntl.fcntl(3, 8, $host)\nfcntl.fcntl(3, 10, 10)\n"
    "fcntl.fcntl(3, 4, fcntl.fcntl(3, 3) | 0o24000)\ntry:\n    model.complete('x')\nexcept BlockingIOError:\n    door('time').sleep(0.05)",
}
_THREADS = {
    "thread": "done = []\nstart = door('_thread').start_new_thread\nstart(done.append, (1,))\ndoor('time').sleep(0.05)\n"
    "return '$proof' if done else ''",
    "thread that stays": "def harm():\n    door('time').sleep(0.05)\n    os.truncate('$canary', 1)\n"
    "door('_thread').start_new_thread(harm, ())\ndoor('time').sleep(0.1)",
    "threading": "room()\nt = door('threading').Thread(target=lambda: os.truncate('$canary', 1))\nt.start()\nt.join()",
    "thread of the C library": "C = door('ctypes')\nlibc = native()\ndone = []\n"
    "work = C.CFUNCTYPE(C.c_void_p, C.c_void_p)(lambda x: done.append(1))\nbox = C.c_ulong()\n"
    "libc.pthread_create(C.byref(box), None, work, None) or libc.pthread_join(box, None)\nreturn '$proof' if done else ''",
    "race of threads": "count = [0]\ndef add():\n    for _ in range(10 ** 6):\n        count[0] += 1\n"
    "for _ in range(2):\n    door('_thread').start_new_thread(add, ())\ndoor('time').sleep(0.01)\nreturn count",
}
# Asked once: when the server is gone, this process is another one's.
_SERVER = "server = os.getppid()\n"
_HARM = "lambda *given: os.truncate('$canary', 1)"
_LATER = {
    "at exit": f"door('atexit').register({_HARM})",
    "at exit of the C library": "C = door('ctypes')\nglobal kept\n"
    "kept = C.CFUNCTYPE(None)(lambda: native().truncate(b'$canary', 1) and None)\n"
    "native().on_exit(kept, None)\nnative().exit(0)",
    "weak reference": f"global kept\nkept = type('Kept', (), {{}})()\nweakref = door('weakref')\nweakref.finalize(kept, {_HARM})",
    "destructor": f"class Kept:\n    __del__ = {_HARM}\nglobal kept\nkept = Kept()",
    "destructor at once": f"class Kept:\n    __del__ = {_HARM}\nKept()",
    "hook of exceptions": f"sys.excepthook = sys.unraisablehook = {_HARM}\nclass Kept:\n    def __del__(self):\n        1 / 0\nKept()",
    "hook of the collector": f"gc = door('gc')\ngc.callbacks.append({_HARM})\ngc.collect()",
    "hook of forks": f"os.register_at_fork(before={_HARM})\nsys.modules['posix'].register_at_fork(before={_HARM})\n"
    f"os.fork() or os._exit(0)",
    "audit hook": f"sys.addaudithook(lambda event, given: ({_HARM})() if event == 'compile' else None)\ncompile('1', '', 'eval')",
    "signal handler": f"signal = door('signal')\nsignal.signal(10, {_HARM})\nsignal.raise_signal(10)",
    "timer": f"signal = door('signal')\nsignal.signal(14, {_HARM})\nsignal.setitimer(0, 0.01)\n"
    f"while not os.stat('$canary').st_size == 1:\n    pass",
}

ATTACKS = [*acts("signals", _SIGNALS, before=_SERVER), *acts("threads", _THREADS), *acts("later", _LATER)]
