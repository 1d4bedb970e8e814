"""The sandbox's processes: none is left behind, whoever dies first, and threads and forks may share it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from personaevo.errors import SandboxError
from personaevo.programs import Call, Sandbox
from personaevo.programs import sandbox as sandbox_module
from personaevo.programs.isolation import Server
from personaevo.records import RunResult
from tests.attacks.victims import below

TASK = {"goal": "book a table", "facts": {}, "context": "", "domain": "service"}
HONEST = """
from dataclasses import dataclass

AXES = [{"name": "terse", "low": "Write a lot.", "high": "Be brief.", "dials": {"words_per_turn": [30, 4]}}]

@dataclass
class Level:
    value: float = 0.0

def generate(task, n, rng, model=None):
    levels = [Level(rng.random()) for _ in range(n)]
    return [{"description": f"Wants to {task['goal']}.", "behaviors": {"terse": level.value}} for level in levels]
"""
LOOPS = "while True: pass"
RAISES = "AXES = []\ndef generate(*given): raise ValueError"
EXITS = 'import enum\nenum.sys.modules["os"]._exit(0)'
FORKS = 'import enum\nwhile True: enum.sys.modules["os"].fork()'
LOOPS_ONCE = "AXES = []\ndef generate(task, n, rng, model):\n    while n == 1: pass"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def check_honest(box: Sandbox) -> None:
    result = box.run(HONEST, TASK, 3, seed=5)
    assert result.ok, result.reason
    assert len(result.personas) == 3


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


def test_nothing_leaks() -> None:
    before = below(os.getpid()), set(os.listdir("/proc/self/fd"))
    with Sandbox(wall_seconds=0.2) as box:
        check_honest(box)
        servers = box.server_pids()
        assert eventually(lambda: below(os.getpid()) - before[0] == set(servers))
        inside = below(os.getpid()), set(os.listdir("/proc/self/fd"))
        in_servers = [len(os.listdir(f"/proc/{pid}/fd")) for pid in servers]
        sources = [HONEST, RAISES, EXITS, FORKS]
        for number in range(200):
            box.run(LOOPS if number % 40 == 0 else sources[number % 4], TASK, 3, number)
        assert box.server_pids() == servers
        assert eventually(lambda: (below(os.getpid()), set(os.listdir("/proc/self/fd"))) == inside)
        assert [len(os.listdir(f"/proc/{pid}/fd")) for pid in servers] == in_servers
    assert (below(os.getpid()), set(os.listdir("/proc/self/fd"))) == before


HOST = """
import sys
from personaevo.programs import Call, Sandbox
with Sandbox(wall_seconds=100, cpu_seconds=100) as box:
    print(*box.server_pids(), flush=True)
    box.run("while True: pass", {}, 1, 0)
"""


def test_killed_host_leaves_nothing() -> None:
    host = subprocess.Popen([sys.executable, "-c", HOST], stdout=subprocess.PIPE, text=True, env=_python_path())
    assert host.stdout is not None
    try:
        servers = [int(word) for word in host.stdout.readline().split()]
        assert eventually(lambda: len(below(host.pid)) == 3)
        descendants = below(host.pid)
        assert set(servers) < descendants
    finally:
        host.kill()
        host.wait()
        host.stdout.close()
    assert eventually(lambda: not any(map(alive, descendants)))


def _python_path() -> dict[str, str]:
    root = str(Path(sandbox_module.__file__).parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


def test_killed_server_is_replaced_and_its_child_dies() -> None:
    with Sandbox(wall_seconds=30, cpu_seconds=30) as box:
        first = box.server_pids()
        results: list[RunResult] = []
        waiting = threading.Thread(target=lambda: results.append(box.run(LOOPS_ONCE, TASK, 1, 0)))
        waiting.start()
        for _ in range(2):  # the run is tried twice
            assert eventually(lambda: bool(box.server_pids()) and bool(below(box.server_pids()[0])))
            server = box.server_pids()[0]
            children = below(server)
            os.kill(server, signal.SIGKILL)
            assert eventually(lambda children=children: not any(map(alive, children)))  # type: ignore[misc]
            assert eventually(lambda server=server: server not in box.server_pids())  # type: ignore[misc]
        waiting.join(timeout=10)
        (result,) = results
        assert not result.ok
        assert result.fault == "infrastructure"
        assert "server was lost twice" in (result.reason or "")
        check_honest(box)
        assert not set(first) & set(box.server_pids())


def test_server_killed_between_runs_is_not_noticed(box: Sandbox) -> None:
    os.kill(box.server_pids()[1], signal.SIGKILL)
    check_honest(box)


def test_server_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxError, match="cannot be started with /nowhere/python"):
        Sandbox().run(HONEST, TASK, 1, 0)
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(SandboxError, match="did not start"):
        Sandbox().run(HONEST, TASK, 1, 0)


def test_lowered_limits_of_the_host_are_not_raised() -> None:
    code = (
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (50, 50))\n"
        "from personaevo.programs import Sandbox\n"
        "with Sandbox(cpu_seconds=100) as box: print(box.run(input(), {}, 1, 0).ok)\n"
    )
    source = "AXES = []; generate = lambda *a: [{'description': 'x'}]"
    done = subprocess.run(
        [sys.executable, "-c", code], input=source, capture_output=True, text=True, env=_python_path(), check=False
    )
    assert done.stdout == "True\n", done.stderr


LOCKS = 'import enum\nlock = enum.sys.modules["_thread"].allocate_lock()\n'
WORKS = "AXES = []\ndef generate(task, n, rng, model):\n    for _ in range(10): {}\n    return [{{'description': 'x'}}] * n"


def test_processor_time_is_limited() -> None:
    with Sandbox(wall_seconds=10, cpu_seconds=1) as box:
        begun = time.monotonic()
        assert box.run(LOOPS, TASK, 1, 0).reason == "processor time limit of 1 s"
        assert time.monotonic() - begun >= 1


def test_a_busy_machine_takes_no_processor_time_from_a_program() -> None:
    """A program that works for a third of its limit ends well, however long others keep it waiting."""
    work = WORKS.format("sum(range(100_000))")  # some hundredths of a second
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 * (os.cpu_count() or 1))]
    try:
        with Sandbox(cpu_seconds=0.3, wall_seconds=60) as box:
            assert [box.run(work, TASK, 1, seed).reason for seed in range(3)] == [None] * 3
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def test_many_short_calls_are_no_loop() -> None:
    """The limit is for one call; all together may take longer."""
    work = WORKS.format("sum(range(100_000))")
    with Sandbox(cpu_seconds=0.3, wall_seconds=60) as box:
        assert all(result.ok for result in box.run_many(work, [Call(TASK, 1, seed) for seed in range(20)]))


def test_one_that_loops_is_stopped_at_its_first_loop() -> None:
    """In one call of several: those before count, and neither those after nor the second run wait for it again."""
    source = "AXES = []\ndef generate(task, n, rng, model):\n    while n > 2: pass\n    return [{'description': 'x'}] * n"
    with Sandbox() as box:
        box.run(HONEST, TASK, 1, 0)
        begun = time.monotonic()
        results = box.run_many(source, [Call(TASK, n, 0) for n in (1, 2, 3, 4, 5)])
        assert time.monotonic() - begun < 3
    assert [result.reason for result in results] == [None, None, *["processor time limit of 0.106 s"] * 3]


@pytest.mark.parametrize("wait", ["lock.acquire()", 'enum.sys.modules["os"].read(3, 9)'])
def test_one_that_is_stuck_is_told_from_one_that_works(box: Sandbox, wait: str) -> None:
    source = LOCKS + f"lock.acquire()\nAXES = []\ndef generate(task, n, rng, model): {wait}"
    assert (box.run(source, TASK, 50, 0).reason or "").startswith("sleep limit of 0.4 s")
    check_honest(box)


def test_without_the_kernels_books_the_wall_clock_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personaevo.programs.channel.Path", lambda _: Path("/nowhere"))
    with Sandbox(wall_seconds=0.6) as box:
        assert box.run(LOOPS, TASK, 1, 0).reason == "time limit of 0.6 s"
        check_honest(box)


def test_threads_share_a_sandbox(box: Sandbox) -> None:
    results: list[RunResult] = []
    threads = [
        threading.Thread(target=lambda: results.extend(box.run(HONEST, TASK, 3, 5) for _ in range(5))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    assert all(result.ok for result in results)
    assert len({repr(result.personas) for result in results}) == 1


def test_sandbox_outlives_the_thread_that_started_it() -> None:
    box = Sandbox()
    starter = threading.Thread(target=box.__enter__)
    starter.start()
    starter.join()
    servers = box.server_pids()
    time.sleep(0.05)
    check_honest(box)
    assert box.server_pids() == servers
    box.close()
    box.close()
    check_honest(box)  # a closed sandbox starts again
    box.close()


def test_forked_process_starts_servers_of_its_own(box: Sandbox) -> None:
    check_honest(box)
    servers = box.server_pids()
    pid = os.fork()
    if pid == 0:
        good = not box.server_pids() and box.run(HONEST, TASK, 1, 0).ok and not set(box.server_pids()) & set(servers)
        box.close()
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    check_honest(box)
    assert box.server_pids() == servers


def test_dropped_sandbox_ends_its_servers() -> None:
    servers = Sandbox().__enter__().server_pids()
    assert eventually(lambda: not any(map(alive, servers)))


def test_interrupted_run_leaves_a_sandbox_that_works(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Server, patient: bool = False) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Server, "end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            box.run(HONEST, TASK, 1, 0)
    check_honest(box)


def test_importing_the_package_is_light() -> None:
    heavy = {"duckdb", "sklearn", "scipy", "openai", "deap", "pandas"}
    code = f"import sys, personaevo.programs\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_python_path(), check=True)
    assert done.stdout == "[]\n"
