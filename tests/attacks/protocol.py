"""Attacks on the channel between the program and its host: floods, and frames in the sandbox's name."""

from __future__ import annotations

from tests.attacks.attack import acts

# Frames are (length, token of the run, kind, JSON). The token lies in the child's memory; a program finds it if it looks.
_FRAMES = """
def token():
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if isinstance(getattr(value, "token", None), bytes) and value.token:
                return value.token
        frame = frame.f_back
    return b"0" * 16

def guess():
    return b"0" * 16

def send(data, fd=3):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]

def frame(key, kind, body):
    data = key + kind + body
    return len(data).to_bytes(4, "big") + data

def answer(body):
    # In the child's name. Both calls are answered; nothing else is said.
    for _ in range(2):
        send(frame(token(), b"R", body))
    os._exit(0)

FORGED = b'[' + b', '.join([b'{"description": "$forged %d"}' % i for i in range(3)]) + b']'
"""
_BLOCK = "b'x' * (1 << 20)"
_FLOODS = {
    "standard output": f"for _ in range(64):\n    os.write(1, {_BLOCK})\ndoor('time').sleep(5) if os.fstat(1).st_rdev == 0 else None",
    "standard error": f"for _ in range(64):\n    os.write(2, {_BLOCK})",
    "print": "for _ in range(64):\n    print('x' * (1 << 20), flush=True, file=open(1, 'w', closefd=False))",
    "channel": f"for _ in range(64):\n    send({_BLOCK})",
    "one frame": "send(frame(token(), b'R', b'[' + b' ' * (24 << 20) + b']'))",
    "many small frames": "part = frame(token(), b'R', b'[]') * 10_000\nwhile True:\n    send(part)",
    "many failures": "part = frame(token(), b'E', b'\"x\"') * 10_000\nfor _ in range(300):\n    send(part)",
    "length without content": "send((1 << 31).to_bytes(4, 'big'))\nfor _ in range(64):\n    send(b'x' * (1 << 20))",
    "one description": "return 'x' * (48 << 20)",
    "exception": "raise ValueError('x' * (48 << 20))",
}
_SPOOFS = {
    "frame with a guessed token": "send(frame(guess(), b'R', FORGED) * 2)",
    "frames on all descriptors": "each(lambda fd: send(frame(guess(), b'R', FORGED) * 2, fd), *range(1, 64))",
    "frame to standard output": "each(lambda fd: send(frame(guess(), b'R', FORGED) * 2, 1), 0)\nreturn ''",
    "frame while it is asked": "send(frame(guess(), b'R', FORGED))\nsend(frame(guess(), b'E', b'\"x\"'))",
    "frame with sendmsg": "s = door('socket').socket(fileno=3)\ns.sendmsg([frame(guess(), b'R', FORGED) * 2])\ns.detach()",
    "frame through ctypes": "data = frame(guess(), b'R', FORGED) * 2\nnative().write(3, data, len(data))",
}
_SILENCES = {
    "half a frame": "send(frame(token(), b'R', FORGED)[:20])\nwhile True:\n    pass",
    "a length alone": "send(b'\\0\\0')\nwhile True:\n    pass",
    "hanging up": "room()\nos.close(3)\nwhile True:\n    pass",
    "hanging up by shutdown": "s = door('socket').socket(fileno=3)\ns.shutdown(2)\nroom()\nos.close(3)\nwhile True:\n    pass",
    "answering and staying": "send(frame(token(), b'R', FORGED.replace(b'$forged', b'x')) * 2)\nroom()\nos.close(3)\nwhile True:\n    pass",
    "byte by byte": "for byte in frame(token(), b'R', FORGED):\n    send(bytes([byte]))\n    door('time').sleep(0.05)",
}


def _persona(field: str) -> str:
    return f"""'[{{"description": "a", {field}}}, {{"description": "b"}}, {{"description": "c"}}]'"""


_BODIES = {
    "score": _persona('"score": 1.0'),
    "not a number": _persona('"dials": {"words_per_turn": NaN}'),
    "infinity": _persona('"dials": {"words_per_turn": Infinity}'),
    "number beyond floats": _persona('"dials": {"words_per_turn": 1e999}'),
    "integer beyond floats": _persona('"dials": {"words_per_turn": 1' + "0" * 400 + "}"),
    "integer of too many digits": _persona('"dials": {"words_per_turn": 1' + "0" * 5000 + "}"),
    "out of range": _persona('"dials": {"words_per_turn": -1}'),
    "unknown dial": _persona('"dials": {"human_likeness": 1.0}'),
    "half a character": _persona('"policy": "\\\\ud800"'),
    "NUL": _persona('"policy": "\\\\u0000"'),
    "too few": "'[]'",
    "too many": "'[' + ', '.join(['{\"description\": \"x\"}'] * 1000) + ']'",
    "the same id": '\'[{"id": "p", "description": "x"}, {"id": "p", "description": "x"}, {"id": "p", "description": "x"}]\'',
    "no list": '\'{"description": "x"}\'',
    "null": "'null'",
    "deeply nested": "'[' * 100_000 + ']' * 100_000",
    "deeply nested dicts": "'{\"x\":' * 100_000 + '1' + '}' * 100_000",
    "no JSON": "'['",
    "not UTF-8": "b'[\"\\xff\\xfe\\xfa\"]'",
    "many keys": "'[{\"description\": \"x\", \"behaviors\": {' + ', '.join('\"%d\": 0.5' % i for i in range(50_000)) + '}}]'",
    "long text": "'[' + ', '.join(['{\"description\": \"' + 'x' * 100_000 + '\"}'] * 3) + ']'",
    "true as a number": _persona('"dials": {"words_per_turn": true}'),
    "text as a number": _persona('"dials": {"words_per_turn": "5"}'),
    "blank text": "'[' + ', '.join(['{\"description\": \" \"}'] * 3) + ']'",
}
_REASONS = {
    "long reason": "send(frame(token(), b'E', b'\"' + b'x' * 500_000 + b'\"') * 2)\nos._exit(0)",
    "reason with terminal codes": "send(frame(token(), b'E', b'\"\\\\u001b[2J\\\\u0007\\\\u202e\"') * 2)\nos._exit(0)",
    "reason that is no text": "send(frame(token(), b'E', b'{\"score\": 1}') * 2)\nos._exit(0)",
    "reason in many lines": "send(frame(token(), b'E', b'\"a\\\\nbest 1.0 of 1.0\\\\n\"') * 2)\nos._exit(0)",
}
_AXES = {
    "deeply nested axes": "send(frame(token(), b'A', b'[' * 100_000))\nos._exit(0)",
    "axes that are no JSON": "send(frame(token(), b'A', b'['))\nos._exit(0)",
}

ATTACKS = [
    *acts("floods", _FLOODS, before=_FRAMES),
    *acts("spoofing: blind", _SPOOFS, before=_FRAMES),
    *acts("spoofing: silence", _SILENCES, before=_FRAMES),
    *acts(
        "spoofing: with the token",
        {f"forged {name}": f"body = {body}\nanswer(body if isinstance(body, bytes) else body.encode())" for name, body in _BODIES.items()},
        before=_FRAMES,
    ),
    *acts("spoofing: with the token", _REASONS, before=_FRAMES),
    *(attack for name, body in _AXES.items() for attack in acts("spoofing: with the token", {name: "pass"}, before=_FRAMES + body)),
]
