"""Search/replace blocks change the lines that they name and no others; a refusal says what to do; whole programs are found in chatter."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo import content
from personaevo.errors import ProgramError
from personaevo.programs.edit import MAX_BLOCKS
from personaevo.programs.patch import apply, whole
from personaevo.programs.source import MAX_BYTES
from personaevo.text import quoted

PROGRAM = "import math\n\n\ndef f(a):\n    x = 1  \n    return x\n\n\ndef g(a):\n    x = 1\n\n    return a\n"
SEED = (content.root("seeds") / "program.py").read_text(encoding="utf-8")


def block(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


def refusal(source: str, reply: str) -> str:
    with pytest.raises(ProgramError) as caught:
        apply(source, reply)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 500
    return message


# --- where a block fits

LEVELS = [
    # search, replace, lines of PROGRAM that go, what comes
    ("import math\n", "import math as m\n", (0, 1), "import math as m\n"),
    ("    x = 1  \n", "    x = 2\n", (4, 5), "    x = 2\n"),
    ("    x = 1\n    return x\n", "    x = 1\n    return 2\n", (5, 6), "    return 2\n"),
    ("    return x   \n", "    return 2\n", (5, 6), "    return 2\n"),
    ("x = 1\nreturn x\n", "x = 1\nif x:\n    y = 2\n\nreturn 2\n", (5, 6), "    if x:\n        y = 2\n\n    return 2\n"),
    ("        x = 1\n        return x\n", "        return 2\n", (4, 6), "    return 2\n"),
    ("  def f(a):\n      x = 1\n", "  def f(b):\n      x = 1\n", (3, 4), "def f(b):\n"),
    ("def g(a):\n    x = 1\n    return a\n", "def g(a):\n    return a\n", (9, 11), ""),
    ("\ndef g(a):\n\n    x = 1\n\n\n    return a\n\n", "\ndef h(a):\n    return a\n\n", (8, 11), "def h(a):\n"),
    ("    return x\n\n\ndef g(a):\n", "    return x\n\n\ndef h(a):\n", (8, 9), "def h(a):\n"),
    ("\n\ndef g(a):\n", "def g(b):\n", (6, 9), "def g(b):\n"),
    ("    return a\n", "", (11, 12), ""),
    ("import math\n\n", "", (0, 2), ""),
]


@pytest.mark.parametrize(("search", "replace", "gone", "new"), LEVELS)
def test_replaces_the_lines_that_search_names(search: str, replace: str, gone: tuple[int, int], new: str) -> None:
    lines = PROGRAM.splitlines(keepends=True)
    assert apply(PROGRAM, block(search, replace)) == "".join([*lines[: gone[0]], new, *lines[gone[1] :]])


@pytest.mark.parametrize(
    ("source", "search", "words"),
    [
        (PROGRAM, "x = 1\n", '"x = 1", matches 2 places (ignoring the depth of indentation), beginning in lines 5, 10;'),
        ("a\nb\na\n  a\n", "a\n", "matches 2 places (exactly), beginning in lines 1, 3;"),
        ("a  \nb\na \n  a\n", "a\n", "matches 2 places (ignoring trailing blanks), beginning in lines 1, 3;"),
        ("a\n\nb\nc\na\n\n\nb\n", "a\nb\n", "matches 2 places (ignoring blank lines), beginning in lines 1, 5;"),
        ("a\na\na\n", "a\na\n", "matches 2 places (exactly), beginning in lines 1, 2;"),
        ("a\n" * 9, "a\n", "matches 9 places (exactly), beginning in lines 1, 2, 3, 4, 5, …;"),
        ("a\n" * 5000, "a\n" * 2000, "matches 100 or more places"),
        (PROGRAM, "x = 7\n", '"x = 7", matches 0 places of the program: no line of the program is "x = 7"'),
        (PROGRAM, "import math\n\n\nx = 7\n", 'begins with "import math", matches 0 places of the program: no line of the program is'),
        (PROGRAM, "def g(a):\nreturn a\n", "its lines are there, but not in this order or indentation"),
        (PROGRAM, "def f(a):\n  x = 1\n", "its lines are there"),
        (PROGRAM, PROGRAM + "more\n" * 40, "longer than the program"),
        (PROGRAM, "\x1b[31m" + "é\u202e" * 100 + "\n", r'begins with "\x1b[31mé\u202e'),
        (PROGRAM, "math\n", "matches 0 places"),
        (PROGRAM, "import math\ndef\n", "matches 0 places"),
    ],
)
def test_a_block_that_fits_nowhere_or_twice_is_refused(source: str, search: str, words: str) -> None:
    message = refusal(source, block(search, "y\n"))
    assert message.startswith("block 1: its SEARCH")
    assert words in message


def test_the_strictest_level_decides() -> None:
    assert apply("a \na\n  a\n", block("a\n", "b\n")) == "a \nb\n  a\n"
    assert apply("  a\na \n", block("a\n", "b\n")) == "  a\nb\n"
    assert apply("  a\nb\n\n  a\n\n  b\n", block("a\n\nb\n", "c\n")) == "  a\nb\n\n  c\n"


@pytest.mark.parametrize("search", ["", "\n", "  \n\t\n", "| \n|\n"])
def test_empty_search_is_for_empty_programs(search: str) -> None:
    if "|" not in search:
        assert "its SEARCH is empty" in refusal(PROGRAM, block(search, "x = 1\n"))
        for empty in ("", "\n", " \n\n"):
            assert apply(empty, block(search, "x = 1\n\ny = 2\n")) == "x = 1\n\ny = 2\n"
    else:
        assert "matches 0 places" in refusal(PROGRAM, block(search + "| x = 7\n", "x = 1\n"))


def test_blocks_apply_in_order_to_what_those_before_them_made() -> None:
    reply = block("import math\n", "import json\n") + block("import json\n", "import re\nimport json\n") + block("import re\n", "")
    assert apply(PROGRAM, reply) == PROGRAM.replace("math", "json")
    message = refusal(PROGRAM, block("import math\n", "import re\n") + block("import math\n\n", ""))
    assert message.startswith("block 2:")
    assert "after the blocks before it" in message


def test_what_changes_nothing_is_refused_only_if_nothing_else_changes() -> None:
    same = block("    x = 1\n", "    x = 1\n")  # would be ambiguous
    assert "changes nothing" in refusal(PROGRAM, same)
    assert "changes nothing" in refusal(PROGRAM, block("import math\n", "import re\n") + block("import re\n", "import math\n"))
    assert apply(PROGRAM, same + block("import math\n", "import re\n")) == PROGRAM.replace("math", "re")


# --- line ends, tabs, quoting


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("reply_end", ["\n", "\r\n", "\r"])
def test_line_ends_are_those_of_the_program(end: str, reply_end: str) -> None:
    reply = "so:\n" + block("def f(a):\n    x = 1\n", "def f(b):\n    x = 1\n    z = 3\n")
    expected = PROGRAM.replace("f(a)", "f(b)").replace("x = 1  \n", "x = 1  \n    z = 3\n")
    assert apply(PROGRAM.replace("\n", end), reply.replace("\n", reply_end)) == expected.replace("\n", end)


def test_mixed_line_ends() -> None:
    assert apply("a\r\nb\n", block("b\n", "b\nc\n")) == "a\r\nb\nc\n"
    assert apply("a\r\nb\n", block("a\n", "c\na\n")) == "c\r\na\r\nb\n"
    assert apply("a\r\nb\n\n", block("a\n", "a\nc\n")) == "a\r\nc\r\nb\n\n"
    assert apply("a\r\n\n", block("a\n", "c\n")) == "c\r\n\n"
    assert apply("a\r \n\n", block("a\n", "c\n")) == "c\n \n\n"
    assert apply("a\r\rb\n", block("a\n\nb\n", "a\n\nc\n")) == "a\n\nc\n"
    assert "changes nothing" in refusal("a\rb\n", block("a\n", "a\n"))


@pytest.mark.parametrize(
    ("search", "replace", "expected"),
    [
        ("b\n", "c\n", "a\nc"),
        ("b\n", "b\nc\n", "a\nb\nc"),
        ("b\n", "c\nb\n", "a\nc\nb"),
        ("a\n", "a\nc\n", "a\nc\nb"),
        ("a\nb\n", "b\na\n", "b\na"),
        ("b\n", "", "a\n"),
        ("a\nb\n", "", ""),
    ],
)
def test_a_last_line_without_an_end(search: str, replace: str, expected: str) -> None:
    assert apply("a\nb", block(search, replace)) == expected
    assert apply("a\nb\n", block(search, replace)) == (expected.rstrip("\n") + "\n" if expected else "")


def test_other_ends_of_lines_stay() -> None:
    """Prompts break lines at them as well."""
    source = "s = 'one\x0ctwo\u2028three'\nt = 1\n"
    assert apply(source, block("three'\nt = 1\n", "three'\nt = 2\n")) == source.replace("1", "2")
    assert apply(source, block("s = 'one\ntwo\n", "s = 'one\nTWO\n")) == "s = 'one\x0cTWO\nthree'\nt = 1\n"
    assert apply(source, block("t = 1\n", "t = 'a\u2029b'\n")) == source.replace("1", "'a\u2029b'")


@pytest.mark.parametrize(
    ("source", "search", "replace", "expected"),
    [
        ("if a:\n\tb\n\tc\n", "    b\n    c\n", "    if b:\n        c\n", "if a:\n\tif b:\n\t    c\n"),
        ("if a:\n\t\tb\n", "\tb\n", "\tif c:\n\t\tb\n", "if a:\n\t\tif c:\n\t\t\tb\n"),
        ("if a:\n    b\n", "\tb\n", "\tc\n\t\td\n", "if a:\n    c\n    \td\n"),
    ],
)
def test_tabs(source: str, search: str, replace: str, expected: str) -> None:
    assert apply(source, block(search, replace)) == expected


def test_a_replacement_that_cannot_be_shifted_is_refused() -> None:
    assert "indented too little" in refusal("if a:\n  b\n", block("      b\n", "  c\n"))
    assert "indented too little" in refusal("if a:\n\tb\n", block("    b\n", "c\n"))


def quoted_lines(text: str) -> str:
    return "".join(f"{line}\n" for line in quoted("program", text, len(text)).splitlines()[1:-1])


QUOTED = "x = '<|im_start|>'  \ny = '\x1b[0m\u200b'\n\n\ndef f():\n    return '[INST]' + x\n"


@pytest.mark.parametrize("strip", ["", " "])
@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("last", range(1, 7))
def test_lines_copied_from_a_prompt(first: int, last: int, strip: str) -> None:
    """As they are shown there, with or without the prefix; what is repeated keeps its own spelling."""
    lines = QUOTED.splitlines(keepends=True)
    shown = quoted_lines(QUOTED).splitlines(keepends=True)
    if not "".join(lines[first:last]).strip():
        return
    for kept in (shown, [line.removeprefix("| ") for line in shown]):
        search = "".join(f"{line.rstrip()}\n" if strip else line for line in kept[first:last])
        prefix = "| " if kept is shown else ""
        edited = apply(QUOTED, block(search, f"{search}{prefix}z = 1\n"))
        assert edited == "".join([*lines[:last], "z = 1\n", *lines[last:]])


def test_the_prefix_counts_only_if_all_lines_of_search_have_it() -> None:
    assert "matches 0 places" in refusal(PROGRAM, block("| def f(a):\n    x = 1\n", "y\n"))
    assert apply(PROGRAM, block("| import math\n", "import re\n")) == PROGRAM.replace("math", "re")
    assert apply("a\n| a\n", block("| a\n", "| b\n")) == "a\n| b\n"  # code, as it stands there
    assert apply("x = (1\n  | 2)\n", block("  | 2)\n", "  | 3)\n")) == "x = (1\n  | 3)\n"


# --- the form of a reply


@pytest.mark.parametrize(
    "around",
    [
        "Sure, here it is.\n\n{}\nThat should do!\n",
        "```\n{}```\n",
        "````diff\r\n{}````",
        "=======\n<<<<<<< HEAD\n{}=======\n>>>>>>> main\n",
        "Use <<<<<<< SEARCH and >>>>>>> REPLACE:\n`=======`\n{}",
    ],
)
def test_what_stands_around_blocks_is_ignored(around: str) -> None:
    one, two = block("import math\n", "import re\n"), block("    return a\n", "    return 2\n")
    expected = PROGRAM.replace("math", "re").replace("return a", "return 2")
    assert apply(PROGRAM, around.format(one + two)) == expected
    assert apply(PROGRAM, around.format(one) + around.format(two)) == expected


@pytest.mark.parametrize(
    "reply",
    [
        "<<<<<<< SEARCH  \nimport math\n=======\t\nimport re\n>>>>>>> REPLACE ",
        "<<<<<<<SEARCH\nimport math\n=======\nimport re\n>>>>>>>REPLACE",
        "<<<<<< SEARCH\nimport math\n=======\nimport re\n>>>>>>>> REPLACE\n",
        "1. Do\n   <<<<<<< SEARCH\n   import math\n   =======\n   import re\n   >>>>>>> REPLACE\n",
        "\t<<<<<<< SEARCH\nimport math\n\t=======\nimport re\n\t>>>>>>> REPLACE\n",
    ],
)
def test_markers_may_be_written_a_little_differently(reply: str) -> None:
    assert apply(PROGRAM, reply) == PROGRAM.replace("math", "re")


GOOD = block("import math\n", "import re\n")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("", "no block"),
        ("import re\n", "no block"),
        ("<<<<<<< ORIGINAL\nimport math\n=======\nimport re\n>>>>>>> UPDATED\n", "no block"),
        (GOOD + "<<<<<<< SEARCH\nimport re\n", "block 2 (line 6 of the reply) is not closed"),
        (GOOD + "<<<<<<< SEARCH\nimport re\n=======\nimport", "block 2 (line 6 of the reply) is not closed"),
        ("<<<<<<< SEARCH\nimport math\n=======\nimport re\n" + GOOD, "block 1 (line 1 of the reply) is not closed when the next"),
        ("<<<<<<< SEARCH\nimport math\n" + GOOD, "block 1 (line 1 of the reply) is not closed when the next one begins"),
        ("<<<<<<< SEARCH\nimport math\n>>>>>>> REPLACE\n", "has no line ======="),
        ("<<<<<<< SEARCH\n    =======\n>>>>>>> REPLACE\n", "has no line ======="),
        (GOOD + "import re\n=======\nimport math\n>>>>>>> REPLACE\n", "line 9 of the reply is >>>>>>> REPLACE, but no block is open"),
        ("<<<<<<< HEAD\nimport math\n=======\nimport re\n>>>>>>> REPLACE\n", "no block is open"),
        ("<<<<<<< SEARCH\nimport math\n    =======\nimport re\n>>>>>>> REPLACE\n", "has no line ======="),
        (GOOD * (MAX_BLOCKS + 1), f"the reply has {MAX_BLOCKS + 1} blocks"),
        (block("a\n", "=======\n" * 4), "more than 4 lines ======="),
        (block("import math\n", "x\n" * (MAX_BYTES // 2)), "after block 1 the program has 65,6"),
        (block("import math\n", "é" * (MAX_BYTES // 2) + "\n"), "after block 1 the program has"),
        (block("import math\n", "\n" * (MAX_BYTES + 1)), "more than 65,536 lines"),
    ],
)
def test_malformed_replies_are_refused(reply: str, words: str) -> None:
    assert words in refusal(PROGRAM, reply)


def test_the_size_is_bounded() -> None:
    fits = "#" * (MAX_BYTES - len(PROGRAM) + len("import math")) + "\n"
    assert len(apply(PROGRAM, block("import math\n", fits))) == MAX_BYTES
    refusal(PROGRAM, block("import math\n", f"#{fits}"))
    assert "the program has" in refusal("#" * MAX_BYTES + "\n", GOOD)
    assert "after block 1" in refusal("", block("", f"#{fits}#{PROGRAM}"))
    assert apply("#\ud800\n", block("#\ud800\n", "x\n")) == "x\n"  # no text, but no reason to fall over it either


MARKED = '"""Title\n=======\nText\n\n<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> main\n"""\nx = 1\n'


@pytest.mark.parametrize(
    ("search", "replace", "old", "new"),
    [
        ("Text\n", "More\n", "Text", "More"),
        ('"""Title\n=======\nText\n', '"""Name\n=======\nText\n', "Title", "Name"),
        ('"""Title\n', '"""Name\n=======\nMore\n', '"""Title', '"""Name\n=======\nMore'),
        ("<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> main\n", "both\n", "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> main", "both"),
        ("x = 1\n", 'x = """\n    =======\n    <<<<<<< SEARCH\n    >>>>>>> REPLACE\n"""\n', "x = 1",
         'x = """\n    =======\n    <<<<<<< SEARCH\n    >>>>>>> REPLACE\n"""'),
    ],
)  # fmt: skip
def test_lookalikes_of_markers_in_code(search: str, replace: str, old: str, new: str) -> None:
    """Of several separators the last one after which SEARCH is lines of the program is the border; other indentations make no markers."""
    assert apply(MARKED, block(search, replace)) == MARKED.replace(old, new)


def test_an_indented_separator_is_searched_for_with_its_indentation() -> None:
    source = "def f():\n    '''Title\n    =======\n    '''\n"
    reply = block("    '''Title\n    =======\n", "    '''Name\n    =======\n")
    indented = "".join(f"    {line}\n" if line[0] in "<=>" else f"{line}\n" for line in reply.splitlines())
    assert apply(source, reply) == apply(source, indented) == source.replace("Title", "Name")


# --- any text


@given(st.data())
@settings(max_examples=100)
def test_edits_of_the_seed_program(data: st.DataObject) -> None:
    """However a model spoils blank lines, trailing blanks and indentation: what is replaced is what was meant."""
    lines = SEED.splitlines(keepends=True)
    first = data.draw(st.integers(0, len(lines) - 3))
    last = data.draw(st.integers(first + 1, min(len(lines), first + 12)))
    region = "".join(lines[first:last])
    shift = data.draw(st.sampled_from(["", "    ", "  "]))
    trail = data.draw(st.sampled_from(["", " ", "\t"]))
    search = "".join(f"{shift}{line[:-1]}{trail}\n" if line.strip() else line for line in lines[first:last])
    try:
        edited = apply(SEED, block(search, f"{search}{shift}NEW = 1\n"))
    except ProgramError as error:
        assert SEED.count(region) > 1 or not region.strip() or shift, error
        assert "places" in str(error)
        return
    assert edited == "".join([*lines[:last], "NEW = 1\n", *lines[last:]])


PIECES = st.sampled_from(
    ["<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "a\n", "  a\n", "b \n", "\n", "\tb\n", "\r", "\x0c", "| a\n", "\0\n",
     "é\ud800\n", "```python\n", "```\n", "~~~\n", "def generate():\n", "'''\n", " ", "<|x|>\n", "\u2028", "x" * 300]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(PIECES, max_size=20).map("".join))
@settings(max_examples=300)
def test_any_text_is_applied_or_refused(source: str, reply: str) -> None:
    for function, arguments in ((apply, (source, reply)), (whole, (reply,))):
        try:
            assert isinstance(function(*arguments), str)  # type: ignore[operator]
        except ProgramError as error:
            assert str(error).isprintable()
            assert len(str(error)) < 500


def many(text: str, size: int = 1_000_000) -> str:
    return (text * (size // len(text) + 1))[:size]


REPEATED = (
    "<<<<<<< SEARCH\nx\n", "=======\n", block("", ""), "<", " ", "\u2028", "```\n", "```python\nx(\n```\n", "~~~\n```\n", "| \n",
)  # fmt: skip
HOSTILE: dict[str, Callable[[], tuple[str, str]]] = {
    "places": lambda: ("a\n" * 32_000, block("a\n" * 16_000, "b\n")),
    "nearly": lambda: ("a\nb\n" * 16_000, block("a\nb\n" * 8_000 + "a\na\n", "b\n")),
    "blanks": lambda: ("\n" * 65_000 + "x\n", block("\n" * 65_000 + "x\n", "b\n")),
    "separators": lambda: ("x\n" * 32_000, block("\n" * 15_000 + ("=======\n" + "x\n" * 16_000) * 3, "")),
    "indents": lambda: ("".join(" " * i + "a\n" for i in range(350)), block("".join(" " * i + "a\n" for i in range(1, 300)), "x\n")),
    "levels": lambda: (
        "a\n\n" * 21_000 + "".join(f"u{i}\n\nw{i}\n" for i in range(MAX_BLOCKS)),
        "".join(block(f"u{i}\nw{i}\n", f"v{i}\n") for i in range(MAX_BLOCKS)),
    ),
    **{repr(text[:18]): lambda text=text: ("x\n" * 32_000, many(text)) for text in REPEATED},  # type: ignore[misc]
    "fences": lambda: ("", "~~~python\nx(\n" * 900 + "```\n" * 200_000 + "~~~\n" * 900),
    "parsing": lambda: ("", many("```python\n" + "a;" * 20_000 + "\n```\n")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_replies_take_time_in_proportion(name: str) -> None:
    """About a second at most; what is not linear takes minutes."""
    source, reply = HOSTILE[name]()
    start = time.process_time()
    for function, arguments in ((apply, (source, reply)), (whole, (reply,))):
        try:
            function(*arguments)  # type: ignore[operator]
        except ProgramError as error:
            assert len(str(error)) < 500
    assert time.process_time() - start < 15


# --- whole programs

SMALL = "AXES = []\n\n\ndef generate(task, n, rng, model=None):\n    return []\n"
TEXTS = 'AXES = []\nPROMPT = """Reply so:\n```json\n{}\n```\nor\n```\n"""\n\n\ndef generate(task, n, rng, model=None):\n    return []\n'


@pytest.mark.parametrize("program", [SMALL, TEXTS, SEED])
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "```python\n{}```",
        "Here it is:\n\n```python\n{}```\nI hope that it scores better.\n",
        "```py\n{}```\n```\n",
        "~~~ Python title\n{}~~~\n",
        "```\n{}```\n",
        "First\n```python\nx = 1\n```\nor\n```json\n{{}}\n```\nso\n```python\n{}```\nand\n```\n$ run " + "it " * 3000 + "\n```\n",
        "Broken\n```python\nx = (\n```\n```python\n{}```\n",
        "````python\n{}````\n",
        "```\n" + "x = 1\n" * 3000 + "```\n```python\n{}```\n",
    ],
)
def test_the_program_of_a_reply(program: str, around: str) -> None:
    assert whole(around.format(program)) == program


def test_fences_in_a_list_and_quoted_programs() -> None:
    indented = "".join(f"   {line}" if line.strip() else line for line in SMALL.splitlines(keepends=True))
    assert whole(f"1. Write\n\n   ```python\n{indented}   ```\n2. Done\n") == SMALL
    assert whole(f"```python\n{quoted_lines(SMALL)}```\n") == whole(quoted_lines(SMALL)) == SMALL
    assert whole("```python\r\n" + SMALL.replace("\n", "\r\n") + "```\r\n") == SMALL.replace("\n", "\r\n")


def test_which_of_several_blocks() -> None:
    longer = SMALL + "# the same with more words\n"
    assert whole(f"```python\n{longer}```\n```python\n{SMALL}```\n```python\n{longer}```\n") == longer
    assert whole(f"A draft:\n```python\n{longer}```\nBetter:\n```python\n{SMALL}```\n") == SMALL
    assert whole(f"```text\n{longer}```\n```python\n{SMALL}```\n") == SMALL
    assert whole("```python\nx = 1\n```\n```\nx = 1\ny = 2\n```\n") == "x = 1\ny = 2\n"
    assert whole("```python\nx = (\n```\n") == "x = (\n"  # whether it can be read is for others to say
    assert whole("x = 1\n") == "x = 1\n"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("", "the reply is empty"),
        (" \n\n", "the reply is empty"),
        ("I am sorry, but I cannot do that.", "no block from ```python"),
        ("I am sorry, but\n```\n", "no program itself"),
        ("```\n```python", "never closed"),
        ("```python\n\n```\n", "no program itself"),
        (f"Here:\n```python\n{SMALL}", "line 2 of the reply opens a block that is never closed"),
        (f"```python\n{SMALL[:40]}", "line 1 of the reply opens a block that is never closed"),
        (f"```python\n{SMALL}```\nor\n```python\ndef gen", "line 9 of the reply opens a block that is never closed"),
        (f"````python\n{SMALL}```\n", "never closed"),
        (f"~~~python\n{SMALL}```\n", "never closed"),
        ("x = " + "(" * 300, "no program itself"),
        ("x = 1\n" * 20_000, "65,536"),
        ("```\nx\n```\n" * 1_500, "more than 2,000 fences"),
    ],
)
def test_replies_without_a_whole_program_are_refused(reply: str, words: str) -> None:
    with pytest.raises(ProgramError) as caught:
        whole(reply)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_any_edit_comes_back() -> None:
    """Programs that differ in some lines, as blocks of context, old and new lines."""
    rng = random.Random(5)
    lines = SEED.splitlines(keepends=True)
    for trial in range(40):
        at = rng.randrange(8, len(lines) - 8)
        edited = [*lines[:at], f"# {trial}\n", *lines[at + 1 :]]
        reply = block("".join(lines[at - 8 : at + 8]), "".join(edited[at - 8 : at + 8]))
        assert apply(SEED, reply) == "".join(edited)
