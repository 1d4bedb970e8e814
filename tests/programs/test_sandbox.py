"""What programs do wrong becomes a failed result with a reason, and the sandbox is as good as new afterwards."""

from __future__ import annotations

import pickle
import random
import textwrap
from collections.abc import Iterator
from dataclasses import replace

import pytest

from personaevo.programs import Call, DialTable, Sandbox
from personaevo.programs.rules import ALLOWED_IMPORTS
from personaevo.programs.sandbox import self_test
from personaevo.records import RunResult, Task, Tier

TASK = {"goal": "book a table", "facts": {"people": "2"}, "context": "", "domain": "service"}
HONEST = """
import math, random
from dataclasses import dataclass

AXES = [{"name": "terse", "low": "Write a lot.", "high": "Be brief.", "dials": {"words_per_turn": [30, 4]}}]

@dataclass
class Level:
    value: float = 0.0

def generate(task, n, rng, model=None):
    levels = [Level(rng.random()) for _ in range(n)]
    return [{"description": f"Wants to {task['goal']}, {random.random():.3f}.", "behaviors": {"terse": level.value}}
            for level in levels]
"""
DOOR = 'import enum\nos = enum.sys.modules["os"]\ntime = enum.sys.modules["time"]\n'


def program(body: str, before: str = "") -> str:
    """A program whose ``generate`` has this body."""
    return f"{DOOR}AXES = []\n{textwrap.dedent(before)}\ndef generate(task, n, rng, model=None):\n" + textwrap.indent(
        textwrap.dedent(body), "    "
    )


def returning(description: str, before: str = "") -> str:
    """A program that says ``description`` (an expression) of each persona."""
    return program(f"return [{{'description': str({description})}} for _ in range(n)]", before)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    table = DialTable({"words_per_turn": (1.0, 60.0)})
    with Sandbox(table, wall_seconds=5.0, cpu_seconds=0.5, memory_mb=256, output_mb=1) as opened:
        yield opened


def check_honest(box: Sandbox) -> None:
    result = box.run(HONEST, TASK, 3, seed=5)
    assert result.ok, result.reason
    assert len(result.personas) == 3


def test_honest_program(box: Sandbox) -> None:
    result = box.run(HONEST, TASK, 10, seed=5)
    assert result.ok
    assert result.reason is None
    assert result.fault is None
    assert 0 < result.seconds < 1
    assert [persona.id for persona in result.personas] == [f"p{i}" for i in range(10)]
    assert all(persona.policy.endswith(".") for persona in result.personas)
    assert box.run(HONEST, TASK, 10, seed=5).personas == result.personas
    assert box.run(HONEST, TASK, 10, seed=6).personas != result.personas
    assert pickle.loads(pickle.dumps(result)) == result


def test_task_records_and_many_calls(box: Sandbox) -> None:
    task = Task(id="t", goal="book a table")
    calls = [Call(task, n, seed) for n, seed in ((2, 1), (3, 2), (2, 1), (1, 2**70))]
    results = box.run_many(HONEST, calls)
    assert [len(result.personas) for result in results] == [2, 3, 2, 1]
    assert results[0].personas == results[2].personas == box.run(HONEST, task, 2, 1).personas
    seen = box.run(returning("sorted(task)"), task, 1, 0)
    assert seen.personas[0].description == "['context', 'domain', 'facts', 'goal']"
    assert box.run_many(HONEST, []) == []


def test_every_allowed_module_can_be_imported(box: Sandbox) -> None:
    source = "from __future__ import annotations\nfrom collections import abc\nimport " + ", ".join(ALLOWED_IMPORTS[1:])
    assert box.run(source + HONEST, TASK, 1, 0).ok


BAD = {
    "raises": (program("x = 1\nraise ValueError('no such luck')"), "ValueError: no such luck, line 8 of the program"),
    "raises in str": (
        program("raise Bad()", "class Bad(Exception):\n    def __str__(self): raise KeyError\n"),
        "Bad: (its text cannot be had)",
    ),
    "long text": (program("raise ValueError('x' * 10**6)"), "ValueError: xxx"),
    "syntax": ("AXES = (\n", "SyntaxError: '(' was never closed, line 1 of the program"),
    "no axes": ("def generate(*a): return []", "the program defines no AXES"),
    "no generate": ("AXES = []", "the program defines no function generate"),
    "raises at import": ("AXES = 1 / 0", "ZeroDivisionError: division by zero, line 1 of the program"),
    "bad axes": ("AXES = [3]\ndef generate(*a): return []", "AXES[0]: expected a dict"),
    "set as axes": ("AXES = {3}\ndef generate(*a): return []", "AXES: expected a list, got a value of type set"),
    "two parameters": ("AXES = []\ndef generate(task, n): return []", "TypeError: generate() takes 2"),
    "loops": (program("while True: pass"), "processor time limit of 0.6 s"),
    "sleeps": (program("time.sleep(60)"), "PermissionError: [Errno 1]"),
    "loops at import": ("while True: pass", "processor time limit of 0.5 s"),
    "nine of ten": (program("return [{'description': 'x'}] * (n - 1)"), "generate returned 9 personas; exactly n = 10"),
    "none": (program("pass"), "generate's result: expected a list, got a value of type NoneType"),
    "generator": (program("yield {}"), "expected a list, got a value of type generator"),
    "nan": (
        program("return [{'description': 'x', 'dials': {'words_per_turn': float('nan')}}] * n"),
        "generate's result is not plain JSON: [0]['dials']['words_per_turn'] is nan",
    ),
    "out of range": (
        program("return [{'description': 'x', 'dials': {'words_per_turn': 400}}] * n"),
        "personas[0].dials['words_per_turn']: expected a number from 1 to 60, got 400.0",
    ),
    "wrong type": (program("return [{'description': 3}] * n"), "personas[0].description: expected text"),
    "object": (program("return [{'description': object()}] * n"), "[0]['description'] is of type object"),
    "odd keys": (program("return [{'description': 'x', 3: 4}] * n"), "[0] has a key of type int, not text"),
    "cycle": (program("x = []\nx.append(x)\nreturn x"), "nested too deeply"),
    "deep": (program("x = []\nfor _ in range(10**5): x = [x]\nreturn x"), "nested too deeply"),
    "memory": (program("return bytearray(500 * 2**20)"), "memory limit of 256 MB"),
    "memory at import": ("AXES = list(range(10**9))", "memory limit of 256 MB"),
    "much output": (program("return ['x' * (100 * 2**20)]"), "output limit of 1 MB"),
    "many outputs": (program("return ['x' * 1000] * 10**6"), "output limit of 1 MB"),
    "memory in small parts": (program("return [bytearray(2**25) for _ in range(10**6)]"), "memory limit of 256 MB"),
    "clock": (returning("time.time_ns()"), "PermissionError: [Errno 1]"),
    "counter": (returning("next(c)", "import itertools\nc = itertools.count()"), "not deterministic: "),
    "address": (returning("id(object())"), "not deterministic: "),
    "entropy": (returning("os.urandom(4)"), "PermissionError: [Errno 1]"),
    "set order": (returning("list({'a', 'b', 'c', 'd', 'e', 'f', 'g'})"), "not deterministic: "),
    "text hash": (returning("hash('a')"), "not deterministic: "),
    "random axes": (
        returning("1").replace("AXES = []", "AXES = [{'name': str(id(object()))}]"),
        "not deterministic: AXES[0]['name'] was",
    ),
    "exits": (program("os._exit(0)"), "the program ended its own process"),
    "sys.exit": (program("raise SystemExit(3)"), "SystemExit: 3, line 7 of the program"),
    "interrupts": (program("raise KeyboardInterrupt"), "KeyboardInterrupt, line 7"),
    "kills itself": (program("os.kill(os.getpid(), 11)"), "PermissionError: [Errno 1]"),
    "kills its group": (program("os.killpg(0, 9)"), "PermissionError: [Errno 1]"),
    "hangs up": (program("os.close(3)"), "PermissionError: [Errno 1]"),
    "writes to the channel": (program("os.write(3, b'x' * 100)\nreturn []"), "output limit of 1 MB"),
    "writes a frame": (program("os.write(3, b'\\0\\0\\0\\x20' + b'R' * 32)\nreturn []"), "the sandbox's own channel"),
    "forks": (program("while True: os.fork()"), "PermissionError: [Errno 1]"),
    "starts threads": (
        program("enum.sys.modules['_thread'].start_new_thread(print, ())"),
        "RuntimeError: can't start new thread",
    ),
    "opens a file": (program("open('/etc/passwd')"), "PermissionError: [Errno 1]"),
    "imports": (program("import os"), "rule: import of os is refused; importable are bisect,"),
    "imports what is not there": (program("from collections import Missing"), "ImportError: cannot import name"),
    "recursion": (program("return generate(task, n, rng)"), "RecursionError: maximum recursion depth exceeded"),
    "huge integer": (program("return [{'description': 'x', 'dials': {'words_per_turn': 10**4000}}] * n"), "too large"),
    "huger integer": (program("return [10**10000]"), "is not plain JSON: Exceeds the limit"),
    "endless power": (program("return 10 ** 10 ** 10"), "time limit"),
    "large source": ("#" * 70_000, "the program has 70,000 bytes; at most 65,536"),
    "half a pair": ("AXES = '\ud800'", "UnicodeEncodeError"),
    "null byte": ("AXES = []\0", "null bytes"),
    "deep source": ("AXES = " + "-" * 30_000 + "1", "the program is nested too deeply"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_program_fails_with_a_reason(box: Sandbox, name: str) -> None:
    source, words = BAD[name]
    result = box.run(source, TASK, 10, 0)
    assert not result.ok
    assert words in (result.reason or ""), result.reason
    assert len(result.reason or "") <= 700
    assert (result.reason or "").isprintable()
    assert result.fault == "program"
    assert result.personas == ()
    check_honest(box)


@pytest.mark.parametrize("tier", ["kernel", "weak"])
def test_there_is_no_source_of_chance(tier: Tier) -> None:
    """Generators made without a seed begin alike, everywhere; copies are as their originals."""
    several = "random.Random().random(), random.seed() or random.random(), type('R', (random.Random,), {})().random()"
    copied = "enum.sys.modules['copy'].deepcopy(rng).random() == rng.random()"
    with Sandbox(tier=tier) as box:
        seen = box.run(returning(f"({several}, {copied})", "import random"), TASK, 1, 0)
    first = random.Random(0).random()
    assert seen.personas[0].description == str((first, first, first, True))


def test_clocks_stand_still(box: Sandbox) -> None:
    """The coarse ones are read from memory, which is empty; the others need a system call, which is refused."""
    clocks = "time.clock_gettime(5), time.clock_gettime(6), time.gmtime()[0]"
    assert box.run(returning(f"({clocks})"), TASK, 1, 0).personas[0].description == "(0.0, 0.0, 1970)"
    for clock in ("time.time()", "time.monotonic()", "time.perf_counter()", "time.strftime('%Y', time.localtime(None))"):
        result = box.run(returning(clock), TASK, 1, 0)
        assert not result.ok or "1970" in result.personas[0].description


def test_addresses_differ_between_the_two_runs_and_never_otherwise() -> None:
    """What a program draws from one bit of an address may agree by chance; then it is at least no chance."""
    things = ("object()", "[]", "task", "rng", "generate", "(lambda: 0)", "'x' * 1000", "type('A', (), {})")
    whole = [returning(f"id({thing})") for thing in things]
    bits = [returning(f"[id(thing) >> {bit} & 1 for thing in ({', '.join(things)},)]") for bit in (4, 8, 12, 20, 30)]

    def verdicts() -> list[RunResult]:
        with Sandbox() as box:
            return [replace(box.run(source, TASK, 1, 0), seconds=0.0) for source in (*whole, *bits)]

    first = verdicts()
    assert all((result.reason or "").startswith("not deterministic") for result in first[: len(whole)])
    assert verdicts() == verdicts() == first


def test_prints_go_nowhere(box: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    flood = 'for _ in range(3000): print("x" * 1000)\nprint(input.__name__, file=enum.sys.stderr)\n'
    assert box.run(program(flood + "return [{'description': 'x'}] * n"), TASK, 1, 0).ok
    assert capfd.readouterr() == ("", "")


def test_a_call_that_fails_fails_alone(box: Sandbox) -> None:
    source = program("if n == 2: raise ValueError('two')\nreturn [{'description': 'x'}] * min(n, 3)")
    results = box.run_many(source, [Call(TASK, n, 0) for n in (1, 2, 3, 4)])
    assert [result.ok for result in results] == [True, False, True, False]
    assert (results[1].reason or "").startswith("ValueError: two")
    assert (results[3].reason or "").startswith("generate returned 3")


@pytest.mark.parametrize(
    ("end", "reason"),
    [("while True: pass", "processor time limit of 0.53 s"), ("os._exit(1)", "crash: the program ended its own process")],
)
def test_calls_answered_before_the_end_count(box: Sandbox, end: str, reason: str) -> None:
    source = program(f"if n == 3:\n    {end}\nreturn [{{'description': 'x'}}] * n")
    results = box.run_many(source, [Call(TASK, n, 0) for n in (1, 2, 3, 4)])
    assert [result.ok for result in results] == [True, True, False, False]
    assert results[2].reason == results[3].reason == reason


def test_state_between_calls_fails_all(box: Sandbox) -> None:
    source = returning("len(seen)", "seen = []").replace("    return", "    seen.append(1)\n    return")
    results = box.run_many(source, [Call(TASK, 1, 0), Call(TASK, 1, 0), Call(TASK, 1, 0)])
    assert all("not deterministic: call 1 gave" in (result.reason or "") for result in results)
    assert 'personas[0][\'description\'] was "2" and then "1"' in (results[0].reason or "")


PLACES = {
    "first": "place == 0", "second": "place == 1", "third": "place == 2", "even": "place % 2 == 0", "not the first": "place > 0",
    "after another": "any(one[1] < seed for one in seen)", "seen before": "seed in [one[1] for one in seen]",
}  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("name", PLACES)
def test_no_call_can_depend_on_the_others(box: Sandbox, name: str, count: int) -> None:
    """Neither on its place nor on what was asked before: where a program does, the calls all fail, or it made no difference."""
    before = "seen = []\n"
    body = f"place, seed = len(seen), rng.random()\nodd = {PLACES[name]}\nseen.append((n, seed))\nreturn [{{'description': str(odd)}}]"
    results = box.run_many(program(body, before), [Call(TASK, 1, seed) for seed in range(count)])
    alone = [box.run_many(program(body, before), [Call(TASK, 1, seed)])[0] for seed in range(count)]
    for many, one in zip(results, alone, strict=True):
        assert not many.ok or not one.ok or many.personas == one.personas


def test_program_sees_an_empty_environment(box: Sandbox) -> None:
    seen = box.run(returning("(dict(os.environ), enum.sys.path, __name__)"), TASK, 1, 0)
    assert seen.personas[0].description == "({}, [], 'program')"


def test_self_test_holds() -> None:
    checks = self_test()
    assert len(checks) >= 18
    assert [check for check in checks if not check.ok] == []
