"""Methods of strings: split, join, translate, partition, zfill, encode, center, casefold, slicing."""

AXES = [{"name": "shouty", "low": "lower case", "high": "CAPITALS"}]
TABLE = str.maketrans({"a": "4", "e": "3", "o": None})
TEXT = """the quick brown fox
jumps over\tthe lazy dog"""


def generate(task, n, rng, model=None):
    words = TEXT.replace("\t", " ").split()
    head, _, tail = "key=value=more".partition("=")
    bits = [
        TEXT.title()[:9], " ".join(reversed(words)), "-".join(sorted(set(words))), "leet one".translate(TABLE), head + tail.rpartition("=")[0],
        "7".zfill(3), "mid".center(7, "."), "STRASSE".casefold(), "abc"[::-1], "x,y,,z".count(","), "prefix-body".removeprefix("prefix-"),
        "a b".isidentifier(), "naïve".encode("ascii", "ignore").decode(), ord("a"), chr(98), "%s" % "old", "ab" * 2, TEXT.splitlines()[1][:5], repr("q'"),
    ]
    return [{"description": f"{bits[(i + rng.randrange(2)) % len(bits)]} #{i}", "behaviors": {"shouty": rng.random()}} for i in range(n)]
