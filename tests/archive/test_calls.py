"""Answers of models in an archive: kept when put, written down by flush, read back by whoever opens it next."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from archive_cases import CELLS, SETTINGS, a_commit

from personaevo.archive import Archive
from personaevo.archive.side_tables import ModelCallStore, ReplayStore
from personaevo.chat import ModelCall, Reply, Usage
from personaevo.errors import ArchiveError


def key(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def call(number: int, *, role: str = "user", text: str | None = None, cost: float = 0.25, candidate: int | None = None) -> ModelCall:
    said = f"answer {number}" if text is None else text
    reply = Reply(said, usage=Usage(100 + number, 50, 40), cost=cost, cut=number % 2 == 1)
    return ModelCall(key(number), role, "openai:m@http://host", candidate, reply, 1.5)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.create_or_open(tmp_path / "a.duckdb") as opened:
        opened.begin_run(SETTINGS, CELLS)
        yield opened


@pytest.fixture
def calls(archive: Archive) -> ModelCallStore:
    return archive.calls()


def written(archive: Archive) -> int:
    return int(archive._database.execute("SELECT count(*) FROM model_calls")[0][0])


def test_kept_before_and_after_a_flush(archive: Archive, calls: ModelCallStore) -> None:
    assert calls.get(key(1)) is None
    for number in range(3):
        calls.put(call(number))
    before = [calls.get(key(number)) for number in range(4)]
    assert before == [*(call(number).reply for number in range(3)), None]
    assert written(archive) == 0
    calls.flush(1)
    assert written(archive) == 3
    assert [calls.get(key(number)) for number in range(4)] == before
    calls.flush(1)
    assert written(archive) == 3


def test_one_object_for_all(archive: Archive) -> None:
    assert archive.calls() is archive.calls()


@pytest.mark.parametrize("text", ["", "a\nb", "ünïcödé 😀 \u2028", 'quotes " and \\ and \'', '{"json": [1, "\\u0000"]}', "x" * 250_000])
def test_texts_come_back_as_they_were(tmp_path: Path, text: str) -> None:
    with Archive.create_or_open(tmp_path / "b.duckdb") as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        archive.calls().put(call(1, text=text))
        archive.calls().flush(run.id)
    with Archive.read(tmp_path / "b.duckdb") as archive:
        assert archive.calls().get(key(1)) == call(1, text=text).reply


def test_the_longest_reply_can_be_read_back(tmp_path: Path) -> None:
    from personaevo.models.adapter import LONGEST_REPLY  # noqa: PLC0415

    text = "😀" * LONGEST_REPLY
    with Archive.create_or_open(tmp_path / "b.duckdb") as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        archive.calls().put(call(1, text=text))
        archive.calls().flush(run.id)
    with Archive.read(tmp_path / "b.duckdb") as archive:
        assert archive.calls().get(key(1)) == call(1, text=text).reply


def test_opened_again_they_are_there_and_more_can_be_put(tmp_path: Path) -> None:
    for number in range(3):
        with Archive.create_or_open(tmp_path / "b.duckdb") as archive:
            run = archive.run() if archive.runs() else archive.begin_run(SETTINGS, CELLS)
            calls = archive.calls()
            assert [calls.get(key(old)) for old in range(3)] == [call(old).reply if old < number else None for old in range(3)]
            calls.put(call(number))
            calls.flush(run.id)
            assert written(archive) == number + 1


def test_what_was_not_flushed_is_lost_with_the_process_only(tmp_path: Path) -> None:
    with Archive.create_or_open(tmp_path / "b.duckdb") as archive:
        archive.begin_run(SETTINGS, CELLS)
        archive.calls().put(call(1))
    with Archive.read(tmp_path / "b.duckdb") as archive:
        assert archive.calls().get(key(1)) is None


def test_what_is_known_is_not_written_twice(archive: Archive, calls: ModelCallStore) -> None:
    for _ in range(2):
        calls.put(call(1))
        calls.put(call(1))
        calls.flush(1)
    calls.put(call(1, text="another"))
    calls.flush(1)
    assert written(archive) == 1
    assert calls.get(key(1)) == call(1).reply


def test_all_columns(archive: Archive, calls: ModelCallStore) -> None:
    calls.put(call(1, role="mutator", candidate=7))
    calls.put(call(2))
    calls.flush(1)
    rows = archive._database.rows('SELECT * FROM model_calls ORDER BY "role" = \'user\'')
    assert rows[0] == {
        "key": key(1), "run": 1, "role": "mutator", "model": "openai:m@http://host", "candidate": 7, "text": "answer 1", "cut": True,
        "refusal": None, "input_tokens": 101, "cached_tokens": 40, "output_tokens": 50, "cost": 0.25, "seconds": 1.5,
        "estimated": False,
    }  # fmt: skip
    assert rows[1]["candidate"] is None


def test_sums_of_each_role_and_run(archive: Archive, calls: ModelCallStore) -> None:
    other = archive.begin_run(SETTINGS, CELLS)
    for number, role in enumerate(["user", "agent", "user", "user"]):
        calls.put(call(number, role=role, candidate=number))
    calls.flush(1)
    calls.put(call(9, role="user"))
    calls.flush(other.id)
    assert calls.sums(1) == {"agent": (1, 101, 40, 50, 0.25, 1.5, 0), "user": (3, 305, 120, 150, 0.75, 4.5, 0)}
    assert calls.sums(other.id) == {"user": (1, 109, 40, 50, 0.25, 1.5, 0)}
    assert calls.sums(99) == {}
    assert [type(value) for value in calls.sums(1)["user"]] == [int] * 4 + [float] * 2 + [int]


def test_what_is_estimated_is_marked(archive: Archive, calls: ModelCallStore) -> None:
    one = call(1)
    one = replace(one, reply=replace(one.reply, usage=replace(one.reply.usage, estimated=True)))
    calls.put(one)
    calls.put(call(2))
    calls.flush(1)
    assert calls.sums(1)["user"][-1] == 1
    known = calls.get(key(1))
    assert known is not None and known.usage.estimated


def test_threads_get_and_put_while_the_archive_is_written(archive: Archive, calls: ModelCallStore) -> None:
    ended = threading.Event()
    for number in range(20):
        calls.put(call(number))
    calls.flush(1)

    def use(thread: int) -> int:
        done = 0
        while not ended.is_set() or done < 20:
            number = 1_000 * (thread + 1) + done
            calls.put(call(number))
            assert calls.get(key(number)) == call(number).reply
            assert calls.get(key(done % 20)) == call(done % 20).reply
            assert calls.get(key(-number)) is None
            done += 1
            ended.wait(0.001)
        return done

    with ThreadPoolExecutor(8) as pool:
        used = [pool.submit(use, thread) for thread in range(8)]
        try:
            for number in range(6):
                archive.commit(1, a_commit(number))
                calls.flush(1)
                archive.publish_snapshot()
        finally:
            ended.set()
        counts = [future.result(30) for future in used]
    calls.flush(1)
    assert written(archive) == 20 + sum(counts)
    assert all(calls.get(key(1_000 * (thread + 1) + count - 1)) for thread, count in enumerate(counts))
    archive.verify_digest()


def test_a_flush_that_fails_keeps_them(archive: Archive, calls: ModelCallStore, monkeypatch: pytest.MonkeyPatch) -> None:
    calls.put(call(1))
    calls.put(call(2))
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise ArchiveError("the disk is full")

        patch.setattr(archive._database, "insert", full)
        with pytest.raises(ArchiveError, match="disk is full"):
            calls.flush(1)
    assert written(archive) == 0
    assert calls.get(key(1)) == call(1).reply
    calls.flush(1)
    assert written(archive) == 2


def test_a_cost_that_is_no_number_is_refused(archive: Archive, calls: ModelCallStore) -> None:
    calls.put(call(1, cost=math.nan))
    with pytest.raises(ArchiveError, match="model_calls"):
        calls.flush(1)
    assert written(archive) == 0
    archive.commit(1, a_commit(0))  # the transaction has ended


def test_put_while_it_is_flushed_is_written_next_time(archive: Archive, calls: ModelCallStore, monkeypatch: pytest.MonkeyPatch) -> None:
    calls.put(call(1))
    insert = archive._database.insert

    def slow(table: str, rows: list[dict[str, object]]) -> None:
        calls.put(call(2))  # another thread's
        insert(table, rows)

    with monkeypatch.context() as patch:
        patch.setattr(archive._database, "insert", slow)
        calls.flush(1)
    assert written(archive) == 1
    assert calls.get(key(2)) == call(2).reply
    calls.flush(1)
    assert written(archive) == 2


def test_they_are_not_part_of_the_digest(archive: Archive, calls: ModelCallStore) -> None:
    archive.commit(1, a_commit(0))
    before = archive.verify_digest()
    calls.put(call(1))
    calls.flush(1)
    assert archive.verify_digest() == before


def test_readers_of_a_snapshot_see_them(archive: Archive, calls: ModelCallStore) -> None:
    calls.put(call(1))
    calls.flush(1)
    archive.publish_snapshot()
    with Archive.read(archive.path) as reader:
        assert reader.calls().get(key(1)) == call(1).reply


@pytest.mark.parametrize(
    ("column", "value"),
    [("key", "'short'"), ("cost", "-1"), ("cost", "'nan'::DOUBLE"), ("input_tokens", "-5"), ("cached_tokens", "1000"), ("candidate", "-1")],
)
def test_values_that_no_search_writes_are_refused(tmp_path: Path, column: str, value: str) -> None:
    with Archive.create_or_open(tmp_path / "b.duckdb") as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        archive.calls().put(call(1))
        archive.calls().flush(run.id)
        archive._database.execute(f'UPDATE model_calls SET "{column}" = {value}')
    with Archive.read(tmp_path / "b.duckdb") as archive, pytest.raises(ArchiveError, match=f"a value of '{column}' that no search writes"):
        archive.calls()


# --- Recording


def test_a_recording_gives_answers_of_either_and_keeps_copies(tmp_path: Path, archive: Archive, calls: ModelCallStore) -> None:
    calls.put(call(1))
    calls.flush(1)
    with Archive.create_or_open(tmp_path / "own.duckdb") as own:
        run = own.begin_run(SETTINGS, CELLS)
        own.calls().put(call(2))
        recording = ReplayStore(own.calls(), calls)
        copied = replace(call(1).reply, cost=0.0)  # it was paid for elsewhere
        assert [recording.get(key(number)) for number in (1, 2, 3)] == [copied, call(2).reply, None]
        recording.put(call(4))
        own.calls().flush(run.id)
        assert [own.calls().get(key(number)) for number in (1, 2, 3, 4)] == [copied, call(2).reply, None, call(4).reply]
        assert written(own) == 3
        rows = own._database.rows('SELECT "role", model, candidate, cost, seconds FROM model_calls WHERE "key" = ?', [key(1)])
        assert rows == [{"role": "recording", "model": "recording", "candidate": None, "cost": 0.0, "seconds": 0.0}]
    assert written(archive) == 1
    assert calls.get(key(4)) is None


def test_ones_own_answer_comes_first(tmp_path: Path, calls: ModelCallStore) -> None:
    calls.put(call(1, text="theirs"))
    with Archive.create_or_open(tmp_path / "own.duckdb") as own:
        own.begin_run(SETTINGS, CELLS)
        own.calls().put(call(1, text="ours"))
        found = ReplayStore(own.calls(), calls).get(key(1))
        assert found is not None
        assert found.text == "ours"
