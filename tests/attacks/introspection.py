"""Attacks from inside the language: loaded modules, attributes, frames, ``str.format``. What they do is always the same and
needs no descriptor: they shorten a file."""

from __future__ import annotations

import textwrap

from tests.attacks.attack import Attack, acts

_HARM = "truncate('$canary', 1)"


def _bare(category: str, bodies: dict[str, str]) -> list[Attack]:
    """Programs without the helpers: each has a door of its own."""
    source = "AXES = []\ndef generate(task, n, rng, model=None):\n{}\n    return [{{'description': 'x'}}] * n\n"
    return [Attack(name, category, source.format(textwrap.indent(body, "    "))) for name, body in bodies.items()]


_IMPORTS = {
    "import os": "import os\nos." + _HARM,
    "import posix": "import posix\nposix." + _HARM,
    "__import__": "__import__('os')." + _HARM,
    "importlib": "import importlib\nimportlib.import_module('os')." + _HARM,
    "import of a part": "from os import truncate\n" + _HARM,
    "the import of another module": "import json\njson.__builtins__['__import__']('os')." + _HARM,
    "sys of enum": "import enum\nenum.sys.modules['os']." + _HARM,
    "os of random": "import random\nrandom._os." + _HARM,
    "sys of dataclasses": "import dataclasses\ndataclasses.sys.modules['posix']." + _HARM,
    "sys of typing": "import typing\ntyping.sys.modules['os']." + _HARM,
    "sys of collections": "import collections\ncollections._sys.modules['os']." + _HARM,
    "linecache of dataclasses": "import dataclasses\ndataclasses.inspect.linecache.os." + _HARM,
    "loader of built-in modules": "import itertools\nitertools.__loader__.load_module('posix')." + _HARM,
    "main module": "import enum\nvars(enum.sys.modules['__main__'])['os']." + _HARM,
    "exec": "exec(\"import enum\\nenum.sys.modules['os']." + _HARM + '")',
    "eval": "eval(\"__import__('enum').sys.modules['os']." + _HARM + '")',
    "own builtins": "import enum\n__builtins__['__import__'] = enum.__builtins__['__import__']\nimport os\nos." + _HARM,
}
_ATTRIBUTES = {
    "subclasses of object": "for kind in object.__subclasses__():\n    if kind.__name__ == '_wrap_close':\n"
    "        kind.__init__.__globals__['" + "truncate']('$canary', 1)",
    "base of a tuple": "for kind in ().__class__.__base__.__subclasses__():\n"
    "    found = getattr(getattr(kind, '__init__', None), '__globals__', {}).get('os')\n    if found:\n        found." + _HARM,
    "mro of a number": "for kind in (1).__class__.__mro__[-1].__subclasses__():\n"
    "    found = getattr(getattr(kind, '__init__', None), '__globals__', {}).get('sys')\n    if found:\n"
    "        found.modules['os']." + _HARM,
    "globals of a method": "rng.seed.__func__.__globals__['_os']." + _HARM,
    "globals of a generator's class": "rng.__class__.choice.__globals__['_os']." + _HARM,
    "names in text": "import enum\ngetattr(getattr(enum, 's' + 'ys'), 'mod' + 'ules')['o' + 's']." + _HARM,
    "function with other globals": "import enum\ncode = compile('" + "truncate(path, 1)', '', 'eval')\n"
    "eval(code, {**vars(enum.sys.modules['os']), 'path': '$canary'})",
    "code with other names": "import enum\nf = lambda: sys.modules['os']." + _HARM + "\ntype(f)(f.__code__, {'sys': enum.sys})()",
    "property of a class": "import random\nclass Door:\n    os = property(lambda self: random._os)\nDoor().os." + _HARM,
    "metaclass": "import random\nclass Door(type):\n    def __getattr__(self, name): return getattr(random._os, name)\n"
    "class Os(metaclass=Door): pass\nOs." + _HARM,
    "match on a class": "import random\nmatch random:\n    case object(_os=found):\n        found." + _HARM,
    "all objects": "import enum\nfor thing in enum.sys.modules['gc'].get_objects():\n"
    "    if isinstance(thing, dict) and 'truncate' in thing and 'posix_spawn' in thing:\n        thing['truncate']('$canary', 1)\n"
    "        break",
}
_FRAMES = {
    "frame of a generator": "def walk():\n    yield walker.gi_frame.f_back.f_back\nwalker = walk()\nframe = next(walker)\n"
    "while frame:\n    for name in ('os', 'sys'):\n        found = frame.f_globals.get(name)\n        if found:\n"
    "            getattr(found, 'modules', {'os': found})['os']." + _HARM + "\n            return []\n    frame = frame.f_back",
    "frame of a traceback": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    frame = error.__traceback__.tb_frame.f_back\n"
    "while frame and 'os' not in frame.f_globals:\n    frame = frame.f_back\nframe.f_globals['os']." + _HARM,
    "frame of a coroutine": "async def walk():\n    frame = walker.cr_frame.f_back\n    while 'os' not in frame.f_globals:\n"
    "        frame = frame.f_back\n    frame.f_globals['os']." + _HARM + "\nwalker = walk()\ntry:\n    walker.send(None)\n"
    "except StopIteration:\n    pass",
    "own frame": "import enum\nframe = enum.sys._getframe()\nwhile 'os' not in frame.f_globals:\n    frame = frame.f_back\n"
    "frame.f_globals['os']." + _HARM,
    "builtins of a frame": "import enum\nframe = enum.sys._getframe(1)\nframe.f_builtins['__import__']('os')." + _HARM,
    "trace function": "import enum\ndef see(frame, event, value):\n    found = frame.f_globals.get('_os')\n    if found:\n        found."
    + _HARM
    + "\nenum.sys.setprofile(see)\nrng.choice([1, 2])\nenum.sys.setprofile(None)",
}
_FORMAT = {
    "environment of os": "import random\ntext = '{0._os.environ}'.format(random)\n"
    "return [{'description': text[text.find('$variable'):][:1900] or 'x'}] * n",
    "environment by modules": "import enum\nreturn [{'description': '{0.sys.modules[os].environ[$variable]}'.format(enum)}] * n",
    "environment by a method": "return [{'description': '{0.seed.__func__.__globals__[_os].environ[$variable]}'.format(rng)}] * n",
    "environment by a formatter": "import string, enum\n"
    "found, _ = string.Formatter().get_field('0.sys.modules[os].environ', [enum], {})\nreturn [{'description': found['$variable']}] * n",
    "environment by format_map": "import enum\ntext = '{e.sys.modules[posix].environ}'.format_map({'e': enum})\n"
    "return [{'description': text[text.find('$variable'):][:1900] or 'x'}] * n",
}

ATTACKS = [
    *_bare("imports", _IMPORTS),
    *_bare("attributes", _ATTRIBUTES),
    *_bare("frames", _FRAMES),
    *_bare("str.format", _FORMAT),
    *acts("imports", {"any module from disk": "room()\ndoor('shutil').move('$canary', '$folder/moved')"}),
]
