"""Attacks that start processes, or that reach into processes which others started."""

from __future__ import annotations

from tests.attacks.attack import acts

_WAIT = "\nif pid == 0:\n    os._exit(7)\nreturn '$proof' if os.waitpid(pid, 0)[1] == 7 << 8 else ''"
_START = {
    "fork": "pid = os.fork()" + _WAIT,
    "fork of the C library": "pid = native().fork()" + _WAIT,
    "clone": "pid = native().syscall($nr_clone, 17, 0, 0, 0, 0)" + _WAIT,
    "clone3": "box = door('ctypes').create_string_buffer((0).to_bytes(32, 'little') + (17).to_bytes(8, 'little') + bytes(24))\n"
    "pid = native().syscall(435, box, 64)" + _WAIT,
    "exec": "os.execv('/bin/sh', ['sh', '-c', 'echo > $folder/new'])",
    "execveat": "C = door('ctypes')\nargv = (C.c_char_p * 4)(b'sh', b'-c', b'echo > $folder/new', None)\n"
    "native().syscall($nr_execveat, -100, b'/bin/sh', argv, None, 0)",
    "posix_spawn": "os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', 'echo > $folder/new'], {}), 0)",
    "system": "os.system('echo > $folder/new')",
    "popen of the C library": "libc = native()\nlibc.popen.restype = door('ctypes').c_void_p\n"
    "libc.pclose(door('ctypes').c_void_p(libc.popen(b'echo > $folder/new', b'r')))",
    "subprocess": "room()\ndoor('subprocess').run(['/bin/sh', '-c', 'echo > $folder/new'])",
    "fork_exec": "room()\nspawn = door('subprocess').Popen\nspawn(['/bin/sh', '-c', 'echo > $folder/new'], close_fds=False).wait()",
    "pseudo-terminal": "room()\npid, fd = os.forkpty()\nif pid == 0:\n    os.truncate('$canary', 0)\n    os._exit(0)\nos.waitpid(pid, 0)",
    # Bounded: 30 processes that end by themselves after 3 s.
    "fork bomb": "for _ in range(30):\n    if os.fork() == 0:\n        door('time').sleep(3)\n        os._exit(0)\nreturn '$proof'",
    "daemon": "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        door('time').sleep(0.1)\n"
    "        os.truncate('$canary', 0)\n        door('time').sleep(3)\n    os._exit(0)\nos.wait()\ndoor('time').sleep(0.2)",
    "daemon in a group of its own": "if os.fork() == 0:\n    os.setpgid(0, 0)\n    os.truncate('$canary', 0)\n"
    "    door('time').sleep(3)\n    os._exit(0)\ndoor('time').sleep(0.05)",
    "answer from a second process": "if os.fork() == 0:\n    return '$proof'\nos.wait()\nos._exit(0)",
    "user namespace": "return '$proof' if native().unshare(0x10000000) == 0 else ''",
}
_VECTOR = (
    "C = door('ctypes')\nbox = C.create_string_buffer(b'$overwritten', $length)\nlibc = native()\n"
    "mine = (C.c_void_p * 2)(C.addressof(box), $length)\ntheirs = (C.c_void_p * 2)($address, $length)\n"
)
_REACH = {
    # Seized with the option that the kernel kills it when this process ends.
    "ptrace": "libc = native()\neach(lambda pid: libc.ptrace(0x4206, pid, 0, 0x100000), $victims)",
    "read with process_vm_readv": _VECTOR
    + "each(lambda pid: libc.process_vm_readv(pid, mine, 1, theirs, 1, 0), $victims, $host)\nreturn box.value",
    "write with process_vm_writev": _VECTOR + "each(lambda pid: libc.process_vm_writev(pid, mine, 1, theirs, 1, 0), $victims)",
    "read another's memory file": "room()\ntexts = []\n"
    "each(lambda pid: texts.append(os.pread(os.open('/proc/%d/mem' % pid, 0), $length, $address)), $victims)\nreturn texts",
    "limits of another": "each(lambda pid: door('resource').prlimit(pid, 7, (9, 9)), $victims)",
    "limits of the parent": "door('resource').prlimit(os.getppid(), 7, (40, 40))\n"
    "return '$proof' if door('resource').prlimit(os.getppid(), 7)[0] == 40 else ''",
    "priority of another": "each(lambda pid: os.setpriority(0, pid, 19), $victims)",
    "priority of the parent": "os.setpriority(0, os.getppid(), 19)\nreturn '$proof' if os.getpriority(0, os.getppid()) == 19 else ''",
    "processors of another": "each(lambda pid: os.sched_setaffinity(pid, list(os.sched_getaffinity(pid))[:1]), $victims)",
    "processors of the parent": "one = sorted(os.sched_getaffinity(0))[-1:]\nos.sched_setaffinity(os.getppid(), one)\n"
    "return '$proof' if os.sched_getaffinity(os.getppid()) == set(one) else ''",
    "schedule of another": "each(lambda pid: os.sched_setscheduler(pid, 3, os.sched_param(0)), $victims)",
    "disk priority of another": "libc = native()\neach(lambda pid: libc.syscall($nr_ioprio_set, 1, pid, 3 << 13), $victims)",
    "out-of-memory score of another": "room()\nfor pid in ($victims,):\n    try:\n"
    "        with open('/proc/%d/oom_score_adj' % pid, 'w') as file:\n            file.write('900')\n    except OSError:\n        pass",
    "descriptor of another": "room()\nlibc = native()\nfor pid in ($victims,):\n"
    "    fd = libc.syscall(438, libc.syscall(434, pid, 0), $descriptor, 0)\n"
    "    if fd >= 0:\n        os.write(fd, b'x')",
    "existence of another": "os.kill($host, 0)\nreturn '$proof'",
    "priority of another, read": "return 'nice=%d;' % os.getpriority(0, $victim)",
    "limits of another, read": "found = []\n"
    "each(lambda pid: found.append(door('resource').prlimit(pid, 7)), $victims)\nreturn '$proof' if found else ''",
    "session of another, read": "return '$proof' if os.getpgid($victim) == $victim else ''",
    "compare with another": "return '$proof' if native().syscall($nr_kcmp, $victim, $victim, 1, 0, 0) == 0 else ''",
}
ATTACKS = [*acts("processes: start", _START), *acts("processes: reach", _REACH)]
