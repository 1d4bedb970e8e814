"""Which models are at hand: servers that answer (and such that will not), files, keys."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from personaevo.errors import ConfigError
from personaevo.models import found, parse
from personaevo.models.found import discover_models
from tests.models.local_files import gguf_file
from tests.models.server import serving

KEY = "sk-canary-0815"


@pytest.fixture(autouse=True)
def _nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(found, "_PACKAGE", "no_such_package")


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener of the loopback interface that does this with each connection; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65536)
                        answer(connection)
                    except OSError:
                        pass

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def said(body: object, status: str = "200 OK") -> Callable[[socket.socket], None]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda connection: connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)


def test_nothing() -> None:
    hand = discover_models({}, ports={})
    assert (hand.models, hand.keys) == ((), ())


def test_a_server_and_its_models() -> None:
    with serving(models=["llama3:8b", "nomic-embed-text"]) as server:
        hand = discover_models({}, ports={"Ollama": server.port})
    assert [(one.model, one.where, one.ready) for one in hand.models] == [
        (f"openai:llama3:8b@http://127.0.0.1:{server.port}/v1", f"Ollama, port {server.port}", True)
    ]
    assert parse(hand.models[0].model).name == "llama3:8b"


def test_a_server_that_names_files() -> None:
    with answering(said({"data": [{"id": "/home/me/m.gguf"}]})) as port:
        assert [one.model for one in discover_models({}, ports={"llama.cpp": port}).models] == [f"openai:m.gguf@http://127.0.0.1:{port}/v1"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", {"data": None}, {"data": {}},
        {"data": [1, None, {}, {"id": 5}, {"id": ""}]},
        {"data": [{"id": "a b"}, {"id": "x\x1b[31m"}, {"id": "y\n--max-usd"}, {"id": "$(reboot)"}, {"id": "\u202ex"}, {"id": "m@http://other"}]},
        {"data": [{"id": "x" * 10**6}]}, {"data": [{"id": "m"}] * 200_000},
    ],
)  # fmt: skip
def test_hostile_answers(body: object) -> None:
    with answering(said(body)) as port:
        models = discover_models({}, ports={"vLLM": port}).models
    assert len(models) <= 1
    assert all(one.model.isprintable() and " " not in one.model for one in models)


def test_other_statuses_and_redirections_are_nothing() -> None:
    for status in ("404 Not Found", "401 Unauthorized", "302 Found\r\nLocation: http://127.0.0.1:1/", "nonsense"):
        with answering(said({"data": [{"id": "m"}]}, status)) as port:
            assert discover_models({}, ports={"vLLM": port}).models == ()


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(30):
        time.sleep(0.1)
        connection.sendall(b" ")


def test_servers_that_hang_or_drip_cost_a_second_in_all() -> None:
    wait = threading.Event()

    def hang(_: socket.socket) -> None:
        wait.wait(3)

    with answering(hang) as silent, answering(drip) as slow, serving(models=["m"]) as good:
        began = time.monotonic()
        hand = discover_models({}, ports={"a": silent, "b": slow, "c": good.port})
        seconds = time.monotonic() - began
        wait.set()
    assert [one.where for one in hand.models] == [f"c, port {good.port}"]
    assert seconds < 2


def test_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving(models=["m"]) as server:
        assert len(discover_models({}, ports={"vLLM": server.port}).models) == 1


def test_keys_are_named_and_not_shown() -> None:
    hand = discover_models({"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": ""}, ports={})
    assert hand.keys == ("OPENAI_API_KEY",)
    assert KEY not in repr(hand)


def test_files_at_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, hub = tmp_path / "home", tmp_path / "hf" / "hub"
    places = [
        tmp_path / "here.gguf", tmp_path / "models" / "a b.gguf", home / "models" / "x" / "m.gguf", home / ".cache/llama.cpp" / "l.gguf",
        home / ".lmstudio/models/org/repo" / "s.gguf", hub / "models--o--n" / "snapshots" / "0a1b" / "h.gguf",
    ]  # fmt: skip
    for path in places:
        gguf_file(path)
    for other in ("models/mmproj-x.gguf", "models/nomic-embed.gguf", "models/m-00002-of-00003.gguf", "models/note.txt", "deep/not.gguf"):
        gguf_file(tmp_path / other)
    (tmp_path / "models" / "gone.gguf").symlink_to("nowhere")
    (tmp_path / "models" / "twice.gguf").symlink_to(places[0])
    (tmp_path / "models" / "loop").symlink_to(tmp_path / "models")
    for version, ready in ((None, False), ("1", True)):
        monkeypatch.setattr(found, "_version", lambda version=version: version)
        models = discover_models({"HOME": str(home), "HF_HOME": str(tmp_path / "hf")}, ports={}).models
        assert {one.model for one in models} == {f"local:{path}" for path in places}
        assert {one.ready for one in models} == {ready}
    assert all(parse(one.model).path for one in models)


def test_files_of_a_folder_that_is_named(tmp_path: Path) -> None:
    gguf_file(tmp_path / "some" / "where" / "m.gguf")
    assert [one.model for one in discover_models({}, [Path("some")], ports={}).models] == [f"local:{tmp_path}/some/where/m.gguf"]
    with pytest.raises(ConfigError, match="folder nothing: there is none"):
        discover_models({}, [Path("nothing")], ports={})


def test_a_great_many_files_and_folders_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "_MOST_FILES", 5)
    monkeypatch.setattr(found, "_MOST_FOLDERS", 10)
    for number in range(20):
        gguf_file(tmp_path / "models" / f"{number:02}" / "m.gguf")
    assert len(discover_models({}, ports={}).models) == 5


def test_small_files_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "_SMALL", 2_000)
    for name, size in (("tiny", 0), ("large", 9_000), ("medium", 3_000)):
        gguf_file(tmp_path / f"{name}.gguf", tail=bytes(size))
    assert [Path(one.model).stem for one in discover_models({}, ports={}).models] == ["medium", "large", "tiny"]


def test_files_that_cannot_be_talked_to_are_not_ready_and_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "_version", lambda: "1")
    gguf_file(tmp_path / "base.gguf", template=None, tail=bytes(10))
    whole = gguf_file(tmp_path / "whole.gguf", tail=bytes(1_000)).read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[:100])
    (tmp_path / "none.gguf").write_text("hello")
    first, *others = discover_models({}, ports={}).models
    assert (first.model, first.ready) == (f"local:{tmp_path}/whole.gguf", True)
    assert {Path(one.model).stem: one.where.partition(": ")[2] for one in others} == {
        "base": "it has no chat template", "cut": "it ends within its header", "none": "it is not a GGUF file",
    }  # fmt: skip
    assert not any(one.ready for one in others)
