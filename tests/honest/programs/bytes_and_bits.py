"""Bytes, bit operations, integers to text and back."""

AXES = [{"name": "odd", "low": "Even.", "high": "Odd."}]


def checksum(text):
    value = 17
    for byte in text.encode("utf-8"):
        value = (value * 31 + byte) & 0xFFFFFFFF
    return value


def gray(n):
    return n ^ (n >> 1)


def generate(task, n, rng, model=None):
    base = checksum(task["goal"]) ^ rng.getrandbits(16)
    out = []
    for i in range(n):
        code = gray(base + i)
        raw = code.to_bytes(8, "little")
        assert int.from_bytes(raw, "little") == code
        packed = bytearray(raw)
        packed.reverse()
        out.append({"id": packed.hex()[-6:] + f"-{i}", "description": f"Number {bin(code)[-6:]} of {code.bit_count()} bits.", "behaviors": {"odd": code % 2}})
    return out
