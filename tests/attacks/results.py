"""Attacks by what a program returns: scores that it gives itself, results that depend on what was asked before, bombs."""

from __future__ import annotations

from tests.attacks.attack import acts, gives

_HONEST = "[{'description': 'x'}] * n"
_SCORES = {
    "score of its own": "[{'description': 'x', 'score': 1.0}] * n",
    "scores of its own": "[{'description': 'x', 'human_likeness': 1.0, 'coverage': 1.0}] * n",
    "private keys": "[{'description': 'x', '__class__': 'Elite', '_cell': 3}] * n",
    "dict that lies about its items": "[Liar({'description': 'x'}) for _ in range(n)]",
    "list that lies about its length": "Long([{'description': 'x'}] * n)",
    "list that lies when it is read": "Twice([{'description': 'x'}] * n)",
    "text that lies about its length": "[{'description': Short('x' * 5000)}] * n",
    "number that lies about itself": "[{'description': 'x', 'dials': {'words_per_turn': Fair(1e9)}}] * n",
    "integer that lies about itself": "[{'description': 'x', 'dials': {'words_per_turn': Count(10 ** 6)}}] * n",
    "key that lies about itself": "[{'description': 'x', Key('score'): 1.0}] * n",
    "the same key twice": "[{'description': 'x', Key('description'): 'y', 'policy': None}] * n",
}
_LIARS = """
class Liar(dict):
    calls = 0
    def items(self):
        return [('description', 'x'), ('score', 1.0)]
class Long(list):
    def __len__(self): return 3
    def __iter__(self): return iter([{'description': 'x'}] * 8)
class Twice(list):
    def __getitem__(self, index): return {'description': 'x', 'score': 1}
    def __iter__(self): return iter([{'description': 'x', 'score': 1}])
    def __len__(self): return 1
class Short(str):
    def __len__(self): return 1
class Fair(float):
    def __sub__(self, other): return 0.0
    def __le__(self, other): return True
    def __repr__(self): return '5.0'
class Count(int):
    def __repr__(self): return '5'
    def __float__(self): return 5.0
class Key(str):
    def __hash__(self): return 1
    def __eq__(self, other): return False
"""
_PATCHES = {
    "patched json": 'json = door(\'json\')\njson.dumps = lambda *given, **named: \'[{"description": "x", "score": NaN}]\'',
    "patched encoder": "json = door('json')\n"
    'json.JSONEncoder.encode = lambda *given: \'[{"description": "x", "dials": {"score": 1e999}}]\'',
    "patched checks": "for module in list(sys.modules.values()):\n    if hasattr(module, 'plain') or hasattr(module, 'encode_result'):\n"
    "        module.plain = module.encode_result = lambda *given: '[1e999]'",
    "patched frames": "for frame in frames():\n    for value in list(frame.f_locals.values()):\n"
    "        if hasattr(value, 'send') and hasattr(value, 'token'):\n"
    "            kind = type(value)\n            real = kind.send\n"
    "            kind.send = lambda self, what, body: real(self, b'R', '[1e999]')",
    "raised limits": "for frame in frames():\n    found = frame.f_locals.get('limits')\n    if isinstance(found, dict):\n"
    "        found.update(output_bytes=1 << 40, output_mb=1 << 20)\nreturn 'x' * (24 << 20)",
}
_WALK = """
def frames():
    frame = sys._getframe()
    while frame:
        yield frame
        frame = frame.f_back
"""
_STATE = {
    "counter": "global count\ncount = globals().get('count', 0) + 1\nreturn count",
    "mutable default": "return remember(rng.random())",
    "attribute of a function": "attack.count = getattr(attack, 'count', 0) + 1\nreturn attack.count",
    "attribute of a class": "Memory.seen += 1\nreturn Memory.seen",
    "attribute of a module": "math = door('math')\nmath.seen = getattr(math, 'seen', 0) + 1\nreturn math.seen",
    "a new module": "sys.modules.setdefault('memory', []).append(1)\nreturn len(sys.modules['memory'])",
    "patched random": "import random\nrandom.Random.random = lambda self, old=random.Random.random: old(self) / 2\nreturn rng.random()",
    "generator of the first call": "global first\nfirst = globals().get('first', rng)\nreturn first.random()",
    "generator shared by a module": "import random\nrandom.seed = lambda seed: None\nreturn random.random()",
    "builtins": "enum.__builtins__['seen'] = enum.__builtins__.get('seen', 0) + 1\nreturn enum.__builtins__['seen']",
    "memory of tasks": "known.append(rng.random())\nreturn known",
    "cache": "return first_of(rng)",
    "warnings": "warnings = door('warnings')\nwarnings.filters.append(len(warnings.filters))\nreturn len(warnings.filters)",
    "recursion limit": "sys.setrecursionlimit(sys.getrecursionlimit() + 1)\nreturn sys.getrecursionlimit()",
    "interned numbers": "sys.setswitchinterval(sys.getswitchinterval() / 2)\nreturn sys.getswitchinterval()",
    # What is the same in both orders: the place counted from the nearer end, when the number of calls is known.
    "place among the calls": "global count\ncount = globals().get('count', -1) + 1\ntotal = calls()\nreturn min(count, total - 1 - count)",
    "number of calls": "return calls()",
    "seeds of the other calls": "return sorted(other_seeds())",
    "middle of the calls": "global count\ncount = globals().get('count', -1) + 1\nreturn 'middle' if count == 1 else 'end'",
}
_MEMORY = (
    _WALK
    + """
import functools
known = []
class Memory:
    seen = 0
def remember(value, kept=[]):
    kept.append(value)
    return kept
@functools.cache
def kept_by_cache():
    return []
def first_of(rng):
    kept = kept_by_cache()
    kept.append(rng.random())
    return kept[0]
def request():
    for frame in frames():
        found = frame.f_locals.get('request')
        if isinstance(found, dict):
            return found
    return {'calls': []}
def calls():
    return len(request()['calls'])
def other_seeds():
    return [call[2] for call in request()['calls']]
"""
)
_BOMBS = {
    "not a number": "[{'description': 'x', 'dials': {'words_per_turn': float('nan')}}] * n",
    "infinity": "[{'description': 'x', 'dials': {'words_per_turn': float('inf')}}] * n",
    "out of range": "[{'description': 'x', 'dials': {'words_per_turn': 1e6}}] * n",
    "huge integer": "[{'description': 'x', 'dials': {'words_per_turn': 10 ** 400}}] * n",
    "integer of many digits": "sys.set_int_max_str_digits(0) or [{'description': 'x', 'dials': {'words_per_turn': 10 ** 6000}}] * n",
    "half a character": "[{'description': 'x \\ud800'}] * n",
    "NUL": "[{'description': 'x \\0'}] * n",
    "long text": "[{'description': 'x' * 100_000}] * n",
    "long policy": "[{'description': 'x', 'policy': 'y' * 100_000}] * n",
    "long id": "[{'description': 'x', 'id': 'y' * 1000 + str(i)} for i in range(n)]",
    "many personas": "[{'description': 'x'}] * 10_000",
    "too few personas": "[{'description': 'x'}] * (n - 1)",
    "many keys": "[{'description': 'x', 'dials': {str(i): 1.0 for i in range(50_000)}}] * n",
    "many behaviors": "[{'description': 'x', 'behaviors': {str(i): 0.5 for i in range(50_000)}}] * n",
    "nested": "[{'description': 'x', 'dials': nest(200)}] * n",
    "lists shared many times": "[{'description': share(16)}] * n",
    "lists shared very many times": "[{'description': share(40)}] * n",
    "the same id": "[{'description': 'x', 'id': 'same'}] * n",
    "blank": "[{'description': ''}] * n",
    "true for a number": "[{'description': 'x', 'dials': {'words_per_turn': True}}] * n",
    "number for a text": "[{'description': 5}] * n",
    "nothing": "None",
    "dict of personas": "{str(i): {'description': 'x'} for i in range(n)}",
    "keys that are no text": "[{'description': 'x', 1: 2, None: 3}] * n",
    "endless items": "[Endless(description='x')] * n",
}
_MAKERS = """
def nest(depth):
    value = 1.0
    for _ in range(depth):
        value = {'x': value}
    return value
def share(depth):
    value = 'x'
    for _ in range(depth):
        value = [value, value]
    return value
class Endless(dict):
    def items(self):
        while True:
            yield 'description', 'x' * (len(sys.modules) and 1)
            for _ in range(1000):
                pass
"""
_MODEL = {
    "endless questions": "i = 0\nwhile True:\n    try:\n        i += 1\n        model.complete('question %d' % i)\n"
    "    except Exception:\n        pass",
    "huge questions": "for i in range(80):\n    try:\n        model.complete(str(i) + 'x' * 900_000)\n    except Exception:\n        pass",
    "half a character asked": "return model.complete('\\ud800')",
    "half a character as system": "return model.complete('x', '\\udfff')",
    "half a character asked in its name": "return ask('[\"\\\\ud800\", null]')",
    "question that is no text": "return ask('[1, null]')",
    "question that is no question": "return ask('{}')",
    "question that is deeply nested": "return ask('[' * 100_000)",
    "question with numbers": "return ask('[\"a\", 1' + '0' * 5000 + ']')",
}
_ASK = """
def ask(body):
    for frame in (sys._getframe(2), sys._getframe(3), sys._getframe(4)):
        for value in list(frame.f_locals.values()):
            if hasattr(value, "send") and hasattr(value, "token"):
                value.send(b"M", body)
                return value.receive()
"""

ATTACKS = [
    *gives("forged scores", _SCORES, before=_LIARS),
    *acts("forged scores", _PATCHES, before=_WALK),
    *acts("state", _STATE, before=_MEMORY),
    *gives("result bombs", _BOMBS, before=_MAKERS),
    *acts("model", _MODEL, before=_ASK),
]
