"""Attacks that use up memory, processor time or the host's patience. All are bounded: 256 MB, or a few seconds."""

from __future__ import annotations

from tests.attacks.attack import acts

_MEMORY = {
    "one block": "held = bytes(200 << 20)\nreturn '$proof'",  # no page of it is touched, so a busy machine has it as soon as a quiet one
    "many small blocks": "held = [bytes([i % 251]) * 4000 for i in range(50_000)]\nreturn '$proof'",
    "growing": "held = bytearray(b'x')\nwhile len(held) < 200 << 20:\n    held += bytes(held)\nreturn '$proof'",
    "mapped": "libc = native()\nC = door('ctypes')\nlibc.mmap.restype = C.c_void_p\nmemory = libc.mmap(None, 200 << 20, 3, 0x8022, -1, 0)\n"
    "C.memset(memory, 1, 200 << 20)\nreturn '$proof'",
    "memory file": "room()\nfd = os.memfd_create('x')\nblock = b'x' * (1 << 20)\nfor _ in range(200):\n    os.write(fd, block)\n"
    "return '$proof' if os.lseek(fd, 0, 1) == 200 << 20 else ''",
    "file in memory": "room()\nfd = os.open('/dev/shm/$marker', os.O_CREAT | os.O_WRONLY)\n"
    "for _ in range(30):\n    os.write(fd, b'x' * (1 << 20))",
    "raised limit": "resource = door('resource')\nresource.setrlimit(9, (1 << 40, 1 << 40))\nheld = b'x' * (200 << 20)\nreturn '$proof'",
    "stack": "sys.setrecursionlimit(10 ** 8)\ndef down(depth):\n    held = b'x' * 4000 + bytes([depth % 251])\n"
    "    return down(depth - 1) if depth else held\ndown(50_000)\nreturn '$proof'",
    "pinned": "libc = native()\nheld = b'x' * (4 << 20)\nreturn '$proof' if libc.mlock(held, len(held)) == 0 else ''",
    "mapped and shared": "m = door('ctypes')\nlibc = native()\nlibc.mmap.restype = m.c_void_p\n"
    "memory = libc.mmap(None, 200 << 20, 3, 0x8021, -1, 0)\n"
    "m.memset(memory, 1, 200 << 20)\nreturn '$proof'",
}
_TIME = {
    "loop": "while True:\n    pass",
    "loop in C": "sum(range(10 ** 12))",
    "loop in C that cannot be interrupted": "collections.deque(enum.sys.modules['itertools'].repeat(0), maxlen=0)",
    "sorting": "sorted(range(10), key=lambda x: sum(range(10 ** 11)))",
    "caught interrupts": "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
    "endless recursion of calls": "def twice(depth):\n    return twice(depth - 1) + twice(depth - 1) if depth else 0\ntwice(60)",
    "endless exception": "class Bad(Exception):\n    def __str__(self):\n        while True:\n            pass\nraise Bad",
    "endless destructor": "class Bad:\n    def __del__(self):\n        while True:\n            pass\nBad()",
    "sleep": "door('time').sleep(5)",
    "sleep in select": "door('select').select([], [], [], 5)",
    "sleep of the C library": "native().sleep(5)",
    "deadlock": "lock = door('_thread').allocate_lock()\nlock.acquire()\nlock.acquire(True, 5)",
    "waiting for a signal": "door('signal').pause()",
    "reading the channel": "os.read(3, 1)",
    "stopping itself": "os.kill(os.getpid(), 19)",
    "ignored signals": "signal = door('signal')\neach(lambda number: signal.signal(number, lambda *given: None), 1, 2, 15, 24, 14)\n"
    "while True:\n    pass",
    "blocked signals": "signal = door('signal')\nsignal.pthread_sigmask(0, range(1, 32))\nwhile True:\n    pass",
}
_NESTED = "x, y = (), ()\nfor _ in range(60):\n    x, y = (x, x), (y, y)\n"
_NUMBERS = {
    "shared nesting, compared": _NESTED + "x == y",
    "shared nesting, hashed": _NESTED + "hash(x)",
    "shared nesting, written": "x = 1\nfor _ in range(60):\n    x = (x, x)\ndoor('json').JSONEncoder().iterencode(x)\n"
    "for part in door('json').JSONEncoder().iterencode(x):\n    pass",
    "shared nesting, matched": "x = 'a'\nfor _ in range(60):\n    x = [x, x]\ndef count(x):\n"
    "    return sum(map(count, x)) if type(x) is list else 1\ncount(x)",
    "power": "pow(7, 10 ** 8)",
    "power of powers": "pow(3, 7 ** 20_000, 2 ** 20_011 - 1)",
    "factorial": "enum.sys.modules['math'].factorial(10 ** 7)",
    "digits of a number": "sys.set_int_max_str_digits(0)\nstr(1 << 30_000_000)",
    "number of digits": "sys.set_int_max_str_digits(0)\nint('9' * 5_000_000)",
    "huge shift": "x = (1 << (8 * 200 << 20)) - 1\nreturn '$proof'",
}
_PATTERNS = {
    "repeated repetition": "re.match(r'(a+)+$$', 'a' * 60 + 'b')",
    "alternatives": "re.match(r'(a|aa)+$$', 'a' * 80 + 'b')",
    "backward reference": r"re.search(r'(a*)*(a*)*\2\1b', 'a' * 60)",
    "substitution": "re.sub(r'((.*)*)*x', '', 'y' * 60)",
    "verbose words": r"re.fullmatch(r'(\w+\s?)*', 'word ' * 12 + '!')",
}
_LOAD = "while True: pass"

ATTACKS = [
    *acts("memory", _MEMORY),
    *acts("time", _TIME),
    *acts("numbers and nesting", _NUMBERS),
    *acts("regular expressions", {name: "re = sys.modules['re']\n" + body for name, body in _PATTERNS.items()}),
    *acts("time", {"loop while it is loaded": "pass"}, before=_LOAD),
    *acts("time", {"sleep while it is loaded": "pass"}, before="door('time').sleep(5)"),
]
