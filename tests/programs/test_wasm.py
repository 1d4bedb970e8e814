"""The wasm tier: the same programs, the same personas, the same failures; and nothing that leads out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from personaevo import content
from personaevo.errors import SandboxError
from personaevo.programs import Call, DialTable, Sandbox, wasm
from personaevo.programs.sandbox import self_test
from tests.programs.test_capability import ASKS, Echo
from tests.programs.test_sandbox import BAD, HONEST, TASK, check_honest, program, returning

ROOT = Path(__file__).resolve().parents[2]
TABLE = DialTable({"words_per_turn": (1.0, 60.0)})
LACKS = wasm.missing()
needs_wasm = pytest.mark.skipif(bool(LACKS), reason=f"the wasm tier needs {'; '.join(LACKS)}")
WANTED = "crash: the program wanted what there is not in the wasm tier"
# What the kernel refuses with an error is not there at all.
OTHER_WORDS = {
    **dict.fromkeys(("sleeps", "clock", "entropy", "exits", "hangs up", "opens a file"), WANTED),
    **dict.fromkeys(("kills itself", "kills its group", "forks"), "AttributeError: module 'os' has no attribute"),
    **dict.fromkeys(("writes to the channel", "writes a frame"), "OSError: [Errno 8] Bad file descriptor"),
    "deep source": "crash: calls nested too deeply",
}
USES = {
    "unseeded": "import random\n",
    "modules": "import json, re, statistics, itertools, functools, collections, string, textwrap, bisect, heapq, typing, enum, math",
    "shapes": (
        "from dataclasses import dataclass, field\nfrom typing import NamedTuple\nfrom enum import Enum\n"
        "class Mood(Enum):\n    CALM = 1\n    CROSS = 2\nclass Pair(NamedTuple):\n    a: int\n    b: str\n"
        "@dataclass(order=True)\nclass Item:\n    rank: float\n    tags: list[str] = field(default_factory=list)\n"
    ),
}
EXPRESSIONS = {
    "random": "[rng.random(), rng.randint(1, 9), rng.choice('abc'), rng.sample(range(50), 5), rng.triangular(), rng.expovariate(1.0)]",
    "shuffle": "(lambda x: (rng.shuffle(x), x))(list(range(20)))",
    "unseeded": "[random.Random().random(), random.random(), random.Random('x').getstate()[1][:3]]",
    "floats": "[0.1 + 0.2, 1e22, 1 / 3, 2**0.5, -0.0, 1e-7, float('inf'), round(2.675, 2), f'{3.14159:.3g}']",
    "integers": "[2**200, -7 // 2, hash(5), int('ff', 16), 10**30 % 97]",
    "text": "['\u00fc\u20ac\U0001f600'.upper(), 'a-b'.title(), '%5.2f|%-5s' % (1.5, 'x'), repr('\\x00\\n'), 'ﬁ'.casefold()]",
    "modules": (
        "[statistics.median([3, 1, 2]), statistics.quantiles([1, 2, 3, 4]), re.findall(r'(?i)a+', 'caAt'), json.dumps({'b': [1, None]}),"
        " textwrap.fill('one two three', 7), heapq.nsmallest(2, [3, 1, 2]), bisect.bisect([1, 3], 2), list(itertools.accumulate([1, 2])),"
        " collections.Counter('abca').most_common(1), string.Template('$a').substitute(a=1), math.comb(9, 4), math.gcd(12, 18)]"
    ),
    "shapes": "[Mood.CROSS, Pair(1, 'x'), sorted([Item(2.0), Item(1.0, ['t'])]), Mood(1).name]",
    "recursion": "(lambda f: f(f, 300))(lambda f, k: 0 if k == 0 else 1 + f(f, k - 1))",
    "dict order": "{key: None for key in ('z', 'a', 'm')}",
}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(TABLE, tier="wasm", wall_seconds=5.0, cpu_seconds=0.5, memory_mb=256, output_mb=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def native() -> Iterator[Sandbox]:
    with Sandbox(TABLE, tier="weak", wall_seconds=2.0) as opened:
        yield opened


@needs_wasm
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_same_personas_as_natively(box: Sandbox, native: Sandbox, name: str) -> None:
    source = returning(EXPRESSIONS[name], USES.get(name, ""))
    results = [tier.run_many(source, [Call(TASK, 3, 1), Call(TASK, 2, 2**70)]) for tier in (box, native)]
    assert results[0][0].ok, results[0][0].reason
    assert [result.personas for result in results[0]] == [result.personas for result in results[1]]


@needs_wasm
def test_same_personas_of_the_seeds_as_natively() -> None:
    found = sorted(content.root("seeds").glob("**/program.py"))
    assert found
    with Sandbox(tier="weak") as native, Sandbox(tier="wasm") as box:
        for path in found:
            source = path.read_text(encoding="utf-8")
            result = box.run(source, TASK, 10, 5)
            assert result.ok, result.reason
            assert result.personas == native.run(source, TASK, 10, 5).personas


@needs_wasm
@pytest.mark.parametrize("name", BAD)
def test_bad_program_fails_with_a_reason(box: Sandbox, name: str) -> None:
    source, words = BAD[name]
    result = box.run(source, TASK, 10, 0)
    assert not result.ok
    assert OTHER_WORDS.get(name, words) in (result.reason or ""), result.reason
    assert (result.reason or "").isprintable()
    assert result.fault == "program"
    check_honest(box)


@needs_wasm
def test_model_is_asked_from_within() -> None:
    model = Echo()
    with Sandbox(tier="wasm") as box:
        result = box.run(ASKS, TASK, 2, 1, model)
    assert [persona.description for persona in result.personas] == ["who is 0? #1 sample 0", "who is 1? #2 sample 0"]


@needs_wasm
def test_prints_go_nowhere(box: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    source = program("for _ in range(3000): print('x' * 1000)\nprint('y', file=enum.sys.stderr)\nreturn [{'description': 'x'}] * n")
    assert box.run(source, TASK, 1, 0).ok
    assert capfd.readouterr() == ("", "")


@needs_wasm
def test_the_channel_of_the_guest_is_no_way_to_a_score(box: Sandbox) -> None:
    send = "send = enum.sys.modules['wit_world'].send\n"
    assert "the sandbox's own channel" in (box.run(program(send + "send('0' * 16 + 'R[]')\nreturn []"), TASK, 1, 0).reason or "")
    assert "output limit" in (box.run(program(send + "send('x' * 10**7)\nreturn []"), TASK, 1, 0).reason or "")
    assert box.run(program(send + "send('\\u20ac')\nreturn []"), TASK, 1, 0).reason == "crash: the program ended its own process"
    check_honest(box)


@needs_wasm
def test_servers_have_one_thread_and_keep_their_memory(box: Sandbox) -> None:
    """A process of several threads must not fork; a server in which a program ran would not be as it was."""
    for pid in box.server_pids():
        assert "\nThreads:\t1\n" in Path(f"/proc/{pid}/status").read_text()
    before = [_resident(pid) for pid in box.server_pids()]
    for _ in range(20):
        assert box.run(HONEST, TASK, 10, 5).ok
    assert all(after - held < 2**20 for held, after in zip(before, map(_resident, box.server_pids()), strict=True))


def _resident(pid: int) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


@needs_wasm
def test_self_test_holds() -> None:
    checks = self_test("wasm")
    assert len(checks) >= 6
    assert [check for check in checks if not check.ok] == []


@needs_wasm
def test_a_guest_that_asks_for_more_is_not_run(tmp_path: Path) -> None:
    from wasmtime.component import Component  # noqa: PLC0415 - comes with the extra

    from personaevo.programs.worker import wasm_serve  # noqa: PLC0415

    text = '(component (import "send" (func)) (import "receive" (func)) (import "clock" (func)))'
    path = tmp_path / "0.cwasm"
    path.write_bytes(Component(wasm_serve.engine(), text).serialize())
    with pytest.raises(RuntimeError, match="asks for more than its channel"):
        wasm_serve.Guest(str(path), 2**28)


@needs_wasm
def test_endings_are_those_of_the_server() -> None:
    from personaevo.programs.worker import wasm_serve  # noqa: PLC0415 - needs the extra

    assert set(wasm.ENDINGS) == {wasm_serve.NESTED, wasm_serve.DENIED}


@needs_wasm
def test_guests_are_kept_without_leftovers(box: Sandbox) -> None:
    check_honest(box)
    assert wasm.made()
    assert {path.name for path in wasm.folder().iterdir()} == {"0.cwasm", "1.cwasm", "lock"}
    assert "wasmtime" in wasm.versions()


@needs_wasm
def test_guests_that_others_could_have_written_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("0.cwasm", "1.cwasm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(wasm, "folder", lambda: tmp_path)
    tmp_path.chmod(0o777)
    with pytest.raises(SandboxError, match="others could have changed it"):
        wasm.plan()


def test_guests_of_unused_versions_are_removed(tmp_path: Path) -> None:
    for name in ("wasm-old", "wasm-new", "other"):
        (tmp_path / name).mkdir()
    for name in ("wasm-old", "other"):
        os.utime(tmp_path / name, (0, 0))
    wasm._remove_unused(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"wasm-new", "other"}


@needs_wasm
def test_guest_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept"
    monkeypatch.setattr(wasm, "folder", lambda: kept)
    monkeypatch.setattr(wasm, "_COMPONENTIZE", "raise SystemExit('no interpreter')")
    with pytest.raises(SandboxError, match="the wasm tier's guest could not be made: no interpreter"):
        wasm.plan()
    assert [path.name for path in kept.iterdir()] == ["lock"]
    (tmp_path / "file").touch()
    monkeypatch.setattr(wasm, "folder", lambda: tmp_path / "file" / "kept")
    with pytest.raises(SandboxError, match="cannot cache its guests"):
        wasm.plan()


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wasm, "_PACKAGES", {"no-runtime": "no_runtime"})
    with pytest.raises(SandboxError, match=r"^the wasm tier needs no-runtime \(pip install 'personaevo\[wasm\]'\)$"):
        Sandbox(tier="wasm").__enter__()
    assert [(check.name, check.ok) for check in self_test("wasm")] == [("starts", False)]


@pytest.mark.slow
@needs_wasm
def test_no_attack_has_an_effect_that_it_has_not_in_the_kernel_tier() -> None:
    """What had an effect is tried again: on a busy machine one may have been late."""
    count, found = _attack("wasm")
    assert count > 100
    if found:
        again = _attack("wasm", *found)[1]
        assert set(again) <= set(_attack("kernel", *found)[1]), again


def _attack(tier: str, *names: str) -> Any:
    command = [sys.executable, "-m", "tests.programs.wasm_attacks", tier, *names]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True)
    return json.loads(done.stdout)
