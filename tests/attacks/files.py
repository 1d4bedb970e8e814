"""Attacks on files: their content, their names, what is known about them."""

from __future__ import annotations

from tests.attacks.attack import acts

_READ = {
    "read with open": "room()\nreturn open('$secret_file').read()",
    "read with os.open": "room()\nreturn os.read(os.open('$secret_file', 0), 99)",
    "read with linecache": "room()\nreturn enum.sys.modules['linecache'].getlines('$secret_file')",
    "read with FileIO": "room()\nreturn enum.sys.modules['io'].FileIO('$secret_file').read()",
    "read through the directory": "room()\nwhere = os.open('$folder', os.O_RDONLY)\n"
    "return os.read(os.open('secret', os.O_RDONLY, dir_fd=where), 99)",
    "read as a source of code": "room()\n"
    "return sys.modules['_frozen_importlib_external'].FileLoader('x', '$secret_file').get_data('$secret_file')",
    "list a folder": "room()\nreturn os.listdir('$folder/inner')",
    "scan a folder": "room()\nreturn [entry.name for entry in os.scandir('$folder/inner')]",
    "size of a file": "return 'size=%d' % os.stat('$secret_file').st_size",
    "target of a link": "return os.readlink('$folder/link')",
    "existence of a file": "return '$proof' if os.path.exists('$secret_file') else ''",
    "right to read a file": "return '$proof' if os.access('$secret_file', os.R_OK) else ''",
    "extended attribute": "return os.getxattr('$folder/marked', 'user.note')",
    "watch a folder": "room()\nlibc = native()\nfd = libc.inotify_init1(0)\n"
    "return '$proof' if libc.inotify_add_watch(fd, b'$folder', 0xfff) > 0 else ''",
    "walk into a folder": "os.chdir('$folder')\nreturn '$proof' if os.getcwd() == '$folder' else ''",
}
_WRITE = {
    "overwrite": "room()\nopen('$canary', 'w').write('changed')",
    "empty by opening": "room()\nopen('$canary', 'w')",
    "append": "room()\nopen('$canary', 'a').write('more')",
    "truncate": "os.truncate('$canary', 1)",
    "delete": "os.unlink('$canary')",
    "rename": "os.rename('$canary', '$folder/renamed')",
    "replace": "os.replace('$secret_file', '$canary')",
    "new file": "room()\nos.open('$folder/new', os.O_CREAT | os.O_WRONLY)",
    "new folder": "os.mkdir('$folder/new')",
    "remove a folder": "os.rmdir('$folder/empty')",
    "symbolic link": "os.symlink('$canary', '$folder/new')",
    "hard link": "os.link('$canary', '$folder/new')",
    "fifo": "os.mkfifo('$folder/new')",
    "node": "os.mknod('$folder/new', 0o100600)",
    "change the mode": "os.chmod('$canary', 0o600)",
    "change the times": "os.utime('$canary', (0, 0))",
    "set an extended attribute": "os.setxattr('$canary', 'user.note', b'changed')",
    "remove an extended attribute": "os.removexattr('$folder/marked', 'user.note')",
    "socket file": "room()\ndoor('socket').socket(1, 1).bind('$folder/new')",
    "temporary file": "room()\nopen('/tmp/$marker', 'w')",
    "shared memory file": "room()\nopen('/dev/shm/$marker', 'w')",
    "write to its own memory file": "room()\nb = bytearray(8)\nC = door('ctypes')\n"
    "address = C.addressof(C.c_char.from_buffer(b))\nfd = os.open('/proc/self/mem', os.O_RDWR)\n"
    "os.pwrite(fd, b'x', address)\nreturn '$proof' if b[0] else ''",
    "memory file": "room()\nfd = os.memfd_create('x')\nos.write(fd, b'x')\nreturn '$proof' if os.lseek(fd, 0, 1) else ''",
}
_ROOT = {
    "read a private file": "room()\nreturn open('$private').read()",
    "empty a private file": "os.truncate('$private', 0)",
    "change the owner": "os.chown('$canary', 12346, 12346)",
    "device node": "os.mknod('$folder/new', 0o020600, os.makedev(1, 3))",
    "change the root": "os.chroot('$folder')\nreturn '$proof' if os.path.exists('/secret') else ''",
}

ATTACKS = [*acts("files: read", _READ), *acts("files: write", _WRITE), *acts("files: as root", _ROOT, root=True)]
