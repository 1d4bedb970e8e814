"""Attacks over the network, over Unix sockets and over what was left open."""

from __future__ import annotations

from tests.attacks.attack import acts

_SOCKETS = {
    "TCP": "s = socket.socket()\ns.connect(('127.0.0.1', $tcp))\ns.send(b'x')",
    "TCP, only knocking": "socket.socket().connect_ex(('127.0.0.1', $tcp))",
    "TCP, in the background": "s = socket.socket()\ns.setblocking(False)\ns.connect_ex(('127.0.0.1', $tcp))",
    "TCP fast open": "socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', $tcp))",
    "UDP": "socket.socket(2, 2).sendto(b'x', ('127.0.0.1', $udp))",
    "UDP, connected": "s = socket.socket(2, 2)\ns.connect(('127.0.0.1', $udp))\ns.send(b'x')",
    "UDP with sendmsg": "socket.socket(2, 2).sendmsg([b'x'], [], 0, ('127.0.0.1', $udp))",
    "question to a name server": "q = b'\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\6secret\\7example\\0\\0\\1\\0\\1'\n"
    "socket.socket(2, 2).sendto(q, ('127.0.0.1', $udp))",
    "Unix socket": "s = socket.socket(1, 1)\ns.connect('$unix')\ns.send(b'x')",
    "Unix datagram": "socket.socket(1, 2).sendto(b'x', '$datagram')",
    "abstract Unix socket": "s = socket.socket(1, 1)\ns.connect('\\0$marker')",
    "abstract Unix datagram": "socket.socket(1, 2).sendto(b'x', '\\0$marker.datagram')",
    "listening": "s = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\nreturn '$proof' if s.getsockname()[1] else ''",
    "netlink": "s = socket.socket(16, 3, 0)\ns.bind((0, 0))\nreturn '$proof'",
    "names of the interfaces": "return '$proof' if socket.if_nameindex() else ''",
    "resolve a name": "return '$proof' if socket.getaddrinfo('localhost', $tcp) else ''",
    "name of the machine": "return 'host=' + socket.gethostname() + ';'",
}
_OTHER = {
    "HTTP": "room()\ntry:\n    door('http.client').HTTPConnection('127.0.0.1', $tcp, timeout=0.1).request('GET', '/x')\n"
    "except OSError:\n    pass",
    "socket by number": "room()\nlibc = native()\nC = door('ctypes')\nfd = libc.socket(2, 2, 0)\n"
    "address = (2).to_bytes(2, sys.byteorder) + ($udp).to_bytes(2, 'big') + bytes([127, 0, 0, 1]) + bytes(8)\n"
    "libc.sendto(fd, b'x', 1, 0, address, 16)",
    "all descriptors": "each(lambda fd: os.write(fd, b'x'), *range(4, 1024))",
    "duplicate of a descriptor": "room()\nos.dup2($descriptor, 1)\nos.write(1, b'x')",
    "sendfile": "room()\nsource = os.open('$secret_file', 0)\nos.sendfile($descriptor, source, 0, 9)",
}
_ROOT = {
    "raw socket": "s = socket.socket(2, 3, 17)\ns.sendto(b'\\0\\1' + ($udp).to_bytes(2, 'big') + b'\\0\\x09\\0\\0x', ('127.0.0.1', 0))",
    "packet socket": "s = socket.socket(17, 3, 0)\nreturn '$proof'",
}

_ROOM = "room()\nsocket = door('socket')\n"
ATTACKS = [
    *acts("network", {name: _ROOM + body for name, body in _SOCKETS.items()}),
    *acts("network", _OTHER),
    *acts("network: as root", {name: _ROOM + body for name, body in _ROOT.items()}, root=True),
]
