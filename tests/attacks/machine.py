"""Attacks that look at the machine (environment, /proc, clocks, entropy, identities) or leave something in it."""

from __future__ import annotations

from tests.attacks.attack import acts

_ENVIRONMENT = {
    "os.environ": "return os.environ['$variable']",
    "os.getenv": "return os.getenv('$variable')",
    "posix.environ": "return sys.modules['posix'].environ[b'$variable']",
    "getenv of the C library": "libc = native()\nlibc.getenv.restype = door('ctypes').c_char_p\nreturn libc.getenv(b'$variable')",
    # The auxiliary vector says where the name of the executable lies; the environment lies right below it.
    "memory above the stack": "C = door('ctypes')\nwords = C.POINTER(C.c_ulong)\n"
    "place = C.c_void_p.in_dll(C.CDLL(None), 'environ').value\nat = C.cast(place, words)\n"
    "i = 0\nwhile at[i] > 1 << 20:\n    i += 1\nwhile not at[i]:\n    i += 1\nwhile at[i] != 31:\n    i += 2\n"
    "text = C.string_at(at[i + 1] - 4000, 4000)\nstart = text.find(b'$variable')\n"
    "return text[start:start + 100] if start >= 0 else ''",
}
_PROC = {
    "own environment": "room()\ntext = open('/proc/self/environ').read()\nreturn text[max(0, text.find('$variable')):][:200]",
    "environment of the host": "room()\ntext = open('/proc/$host/environ').read()\nreturn text[max(0, text.find('$variable')):][:200]",
    "arguments of the host": "room()\nreturn '$proof' if open('/proc/$host/cmdline').read() else ''",
    "memory of another": "room()\nfd = os.open('/proc/$victim/mem', 0)\nreturn os.pread(fd, $length, $address)",
    "descriptors of another": "room()\nfound = []\n"
    "each(lambda pid: os.write(os.open('/proc/%d/fd/$descriptor' % pid, os.O_WRONLY), b'x'), $victims)",
    "own map": "room()\nreturn open('/proc/self/maps').readline()[:60]",
    "own state": "room()\nreturn open('/proc/self/stat').read()[:200]",
    "list of processes": "room()\nreturn '$proof' if '$host' in os.listdir('/proc') else ''",
    "network table": "room()\nreturn '$proof' if len(open('/proc/net/tcp').read()) > 100 else ''",
    "start of the machine": "room()\nreturn '$proof' if open('/proc/uptime').read() else ''",
    "links of the host": "return '$proof' if os.readlink('/proc/$host/cwd') else ''",
    "existence of a process": "return '$proof' if os.path.exists('/proc/$host') else ''",
}
_CLOCK = {
    "time": "return door('time').time()",
    "time in ns": "return door('time').time_ns()",
    "monotonic clock": "return door('time').monotonic_ns()",
    "performance counter": "return door('time').perf_counter_ns()",
    "processor time": "return door('time').process_time_ns()",
    "os.times": "return os.times(), os.times().elapsed",
    "resource usage": "return door('resource').getrusage(0)",
    "gettimeofday of the C library": "box = door('ctypes').create_string_buffer(16)\nnative().gettimeofday(box, None)\nreturn box.raw",
    "clock_gettime of the C library": "box = door('ctypes').create_string_buffer(16)\nnative().clock_gettime(1, box)\nreturn box.raw",
    "clock of random": "import random\nreturn [random._time() if hasattr(random, '_time') else 0, door('time').monotonic()]",
    "time it takes": "clock = door('time').perf_counter_ns\nstart = clock()\nsum(range(1000))\nreturn clock() - start",
    "local time": "return 'minute=%d;' % (door('time').time() // 60)",
}
_ENTROPY = {
    "os.urandom": "return os.urandom(8)",
    "getrandom": "return os.getrandom(8)",
    "getrandom of the C library": "box = door('ctypes').create_string_buffer(8)\nnative().getrandom(box, 8, 0)\nreturn box.raw",
    "getrandom by number": "box = door('ctypes').create_string_buffer(8)\nnative().syscall($nr_getrandom, box, 8, 0)\nreturn box.raw",
    "random device": "room()\nreturn open('/dev/urandom', 'rb').read(8)",
    "SystemRandom": "import random\nreturn random.SystemRandom().random()",
    "unseeded generator": "import random\nreturn random.Random().random()",
    "generator seeded anew": "rng.seed()\nreturn rng.random()",
    "identity": "return id(object())",
    "address in a text": "return object()",
    "hash of a text": "return hash('a')",
    "order of a set": "return list({'a', 'b', 'c', 'd', 'e', 'f', 'g'})",
    "hash of an object": "return hash(object())",
    "order of objects": "kinds = [type('K', (), {}) for _ in range(20)]\nreturn [kinds.index(k) for k in set(kinds)]",
    "random bytes of the start": "C = door('ctypes')\nlibc = native()\nlibc.getauxval.restype = C.c_ulong\n"
    "return C.string_at(libc.getauxval(25), 16)",
    "address of the C library": "C = door('ctypes')\nreturn C.cast(native().getpid, C.c_void_p).value",
    "stack address": "C = door('ctypes')\nreturn C.c_void_p.in_dll(C.CDLL(None), 'environ').value",
    "UUID": "room()\nreturn door('uuid').uuid4()",
    "temporary name": "room()\nreturn next(door('tempfile')._get_candidate_names())",
    "own process": "return os.getpid()",
    "parent process": "return os.getppid()",
    "thread": "return door('_thread').get_ident()",
    "a little chance": "return os.urandom(1)[0] & 7",
    "a little of an address": "return id(object()) >> 20 & 255",
}
_LEFT = {
    "shared memory": "return native().shmget($key, 4096, 0o1600) * 0",
    "semaphores": "return native().semget($key, 1, 0o1600) * 0",
    "message queue": "return native().msgget($key, 0o1600) * 0",
    "POSIX message queue": "room()\nlibc = native()\nlibc.mq_open(b'/$marker', 0o102, 0o600, None)",
    "POSIX shared memory": "room()\nnative().shm_open(b'/$marker', 0o102, 0o600)",
    "POSIX semaphore": "room()\nnative().sem_open(b'/$marker', 0o100, 0o600, 1)",
}

ATTACKS = [
    *acts("environment", _ENVIRONMENT),
    *acts("/proc", _PROC),
    *acts("clock", _CLOCK),
    *acts("entropy", _ENTROPY),
    *acts("left behind", _LEFT),
]
