"""Attacks through the C library, direct system calls and machine code."""

from __future__ import annotations

from tests.attacks.attack import acts

_CALLS = {
    "C library": "native().truncate(b'$canary', 1)",
    "system call by number": "native().syscall($nr_truncate, b'$canary', 1)",
    "Python's own C interface": "door('ctypes').pythonapi.truncate(b'$canary', 1)",
    "Python code in C": "door('ctypes').pythonapi.PyRun_SimpleString(b\"import posix; posix.truncate('$canary', 1)\")",
    "callback of the C library": "C = door('ctypes')\nlibc = native()\n"
    "order = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_void_p)(lambda a, b: libc.truncate(b'$canary', 1))\n"
    "libc.qsort(C.create_string_buffer(16), 2, 8, order)",
    "openat2": "room()\nbox = door('ctypes').create_string_buffer(24)\nfd = native().syscall(437, -100, b'$secret_file', box, 24)\n"
    "return os.read(fd, 99)",
    "io_uring": "room()\nfd = native().syscall(425, 4, door('ctypes').create_string_buffer(120))\nreturn '$proof' if fd >= 0 else ''",
    "secret memory": "room()\nreturn '$proof' if native().syscall(447, 0) >= 0 else ''",
    "page faults in user space": "room()\nreturn '$proof' if native().syscall($nr_userfaultfd, 1) >= 0 else ''",
    "event counters": "room()\nbox = door('ctypes').create_string_buffer((1).to_bytes(4, 'little') + (64).to_bytes(4, 'little')"
    " + bytes(32) + (0x61).to_bytes(8, 'little') + bytes(80), 128)\n"
    "return '$proof' if native().syscall($nr_perf_event_open, box, 0, -1, -1, 0) >= 0 else ''",
    "key ring": "return '$proof' if native().syscall($nr_add_key, b'user', b'$marker', b'x', 1, -3) > 0 else ''",
    "descriptor of a process": "room()\nreturn '$proof' if native().syscall(434, $victim, 0) >= 0 else ''",
    "copy of a file tree": "room()\nfd = native().syscall(428, -100, b'$secret_file', 0)\nreturn 'size=%d' % os.fstat(fd).st_size",
    "new access check": "return '$proof' if native().syscall(439, -100, b'$secret_file', 4, 0) == 0 else ''",
    "library from disk": "room()\nC = door('ctypes')\nreturn '$proof' if C.CDLL('libresolv.so.2').ns_get16 else ''",
    "descriptor for events": "room()\nlibc = native()\n"
    "return '$proof' if min(libc.eventfd(0, 0), libc.timerfd_create(1, 0), libc.epoll_create1(0)) >= 0 else ''",
}
_CODE = """
def jump(code, *given):
    C = door("ctypes")
    libc = native()
    libc.mmap.restype = C.c_void_p
    memory = libc.mmap(None, 4096, 3, 0x22, -1, 0)
    C.memmove(memory, code, len(code))
    libc.mprotect(C.c_void_p(memory), 4096, 5)
    return C.CFUNCTYPE(C.c_long, *[C.c_void_p] * len(given))(memory)(*given)

def low(text):
    # Memory below 4 GB, which 32-bit system calls can name.
    C = door("ctypes")
    libc = native()
    libc.mmap.restype = C.c_void_p
    memory = libc.mmap(None, 4096, 3, 0x62, -1, 0)
    C.memmove(memory, text + bytes(1), len(text) + 1)
    return memory
"""
_MACHINE = {
    "machine code": "jump(b'\\xb8\\x4c\\0\\0\\0\\x0f\\x05\\xc3', low(b'$canary'), 1)",
    "32-bit system call": "jump(b'\\x53\\x89\\xfb\\x89\\xf1\\xb8\\x5c\\0\\0\\0\\xcd\\x80\\x5b\\xc3', low(b'$canary'), 1)",
    "32-bit fork": "pid = jump(b'\\xb8\\x02\\0\\0\\0\\xcd\\x80\\xc3') & 0xffffffff\nif pid == 0:\n    os._exit(7)\n"
    "return '$proof' if os.waitpid(pid, 0)[1] == 7 << 8 else ''",
    "32-bit signal": "each(lambda pid: jump(b'\\x53\\x89\\xfb\\x89\\xf1\\xb8\\x25\\0\\0\\0\\xcd\\x80\\x5b\\xc3', pid, 9), $victims)",
    "32-bit socket": "room()\nfd = jump(b'\\x53\\x89\\xfb\\x89\\xf1\\x31\\xd2\\xb8\\x67\\x01\\0\\0\\xcd\\x80\\x5b\\xc3', 2, 2)\n"
    "return '$proof' if 0 <= fd < 1024 else ''",
    "patched code": "C = door('ctypes')\nlibc = native()\naddress = C.cast(libc.getppid, C.c_void_p).value\n"
    "page = address & -4096\nok = libc.mprotect(C.c_void_p(page), 8192, 7)\n"
    "C.memmove(address, b'\\xb8\\x2a\\0\\0\\0\\xc3', 6) if ok == 0 else None\nreturn '$proof' if libc.getppid() == 42 else ''",
    "time stamp counter": "return jump(b'\\x0f\\x31\\x48\\xc1\\xe2\\x20\\x48\\x09\\xd0\\xc3')",
    "random numbers of the processor": "return jump(b'\\x48\\x0f\\xc7\\xf0\\xc3')",
}

ATTACKS = [*acts("native: calls", _CALLS), *acts("native: machine code", _MACHINE, before=_CODE, machine="x86_64")]
