"""Reads files of JSON, JSON lines, CSV and Parquet, plain or compressed, with one-line errors."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from personaevo.errors import InputError
from personaevo.records import Record

MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_DOCUMENT_BYTES = 128 * 1024 * 1024
MAX_LINE_BYTES = 10 * 1024 * 1024
PACKED = (".gz", ".bz2", ".xz")
_OPENERS: Mapping[bytes, tuple[str, Callable[[Any], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda raw: gzip.GzipFile(fileobj=raw)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ": ("xz", lzma.LZMAFile),
}
_NOT_OPENED = {b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
_SHOWN = 60
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Row:
    """One value of a file and its place ("line 3", "tasks[2]", …)."""

    value: Any
    where: str


def short(value: object) -> str:
    """The value on one line, cut to the length of a message."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if isinstance(value, (dict, list)) and (len(value) > 8 or any(isinstance(entry, (dict, list)) for entry in inner or ())):
        return f"{'an object' if isinstance(value, dict) else 'a list'} with {len(value)} {'entry' if len(value) == 1 else 'entries'}"
    text = repr(value[: 2 * _SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def fault(path: Path, where: str, problem: str) -> InputError:
    """The error for ``problem`` at ``where`` in the file."""
    return InputError(f"{path}: {where}: {problem}" if where else f"{path}: {problem}")


def ending(path: Path) -> str:
    """The suffix of a file's name in lower case, without that of the compression (".jsonl" of "a.jsonl.gz")."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix


def stem(path: Path) -> str:
    """The name of a file without its suffixes ("a" of "a.jsonl.gz")."""
    name = path.name
    for known in PACKED:
        name = name.removesuffix(known)
    return Path(name).stem


def read_bytes(path: Path) -> bytes:
    """The file's content, decompressed if it is of gzip, bzip2 or xz, whatever its name.

    Raises:
        InputError: missing, a folder, not readable, of another compression, truncated, empty, or over 512 MB.
    """
    kind = ""
    try:
        with path.open("rb") as raw:
            begins = raw.read(8)
            raw.seek(0)
            kind, opened = next((found for magic, found in _OPENERS.items() if begins.startswith(magic)), ("", None))
            data = (opened(raw) if opened else raw).read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise fault(path, "", "no such file; check the path") from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise fault(path, "", f"expected a readable file: {error.strerror or error}") from None
        raise fault(path, "", f"expected a whole {kind} file, but it is cut off or damaged ({error}); fetch it again") from None
    packed = next((name for magic, name in _NOT_OPENED.items() if begins.startswith(magic)), None)
    if packed is not None:
        raise fault(path, "", f"expected a plain file or one packed by gzip, bzip2 or xz, got {packed}; unpack it first")
    if len(data) > MAX_FILE_BYTES:
        raise fault(path, "", f"expected at most {MAX_FILE_BYTES >> 20} MB unpacked, got more; split the file")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise fault(path, "", "expected JSON or JSON lines, got an empty file")
    return data


def parse(data: bytes, path: Path, where: str) -> Any:
    """The JSON value in ``data``.

    Raises:
        InputError: over 128 MB, not UTF-8, not JSON, nested too deeply, or with a lone surrogate in a text.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        size = f"expected at most {MAX_DOCUMENT_BYTES >> 20} MB in one JSON value, got {len(data) / 2**20:.0f} MB"
        raise fault(path, where, f"{size}; split the file, or write JSON lines")
    try:
        value = json.loads(data.decode("utf-8"))
        if _HALF.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except (ValueError, RecursionError) as error:
        raise fault(path, where, _json_problem(error, data, where)) from None


def _json_problem(error: Exception, data: bytes, where: str) -> str:
    match error:
        case UnicodeEncodeError():
            return f"expected whole characters, got {short(error.object[error.start])}, half of one; write both halves or none"
        case UnicodeDecodeError():
            return f"expected UTF-8 text, got the byte 0x{data[error.start]:02x} at offset {error.start}"
        case RecursionError():
            return "expected plain JSON, got brackets nested too deeply"
        case json.JSONDecodeError():
            given = short(data[:_SHOWN].decode("utf-8", "replace"))
            at = f"line {error.lineno} column {error.colno}" if not where else f"column {error.colno}"
            return f"expected JSON, got {given} ({error.msg} at {at}); repair or fetch the file again"
    return f"expected JSON with numbers of ordinary size ({error})"


def lines(data: bytes, path: Path) -> Iterator[Row]:
    """The JSON values of a file of JSON lines; blank lines are skipped.

    Raises:
        InputError: a line is over 10 MB or is not JSON.
    """
    for number, line in enumerate(data.split(b"\n"), start=1):
        where = f"line {number}"
        if len(line) > MAX_LINE_BYTES:
            size = f"expected at most {MAX_LINE_BYTES >> 20} MB in a line, got {len(line) / 2**20:.1f} MB"
            raise fault(path, where, f"{size}; put one record on each line")
        if line.strip():
            yield Row(parse(line, path, where), where)


def document(path: Path) -> Any:
    """The file as one JSON value."""
    return parse(read_bytes(path), path, "")


def load(path: Path) -> Row | Iterator[Row]:
    """The file as one value (JSON) or as one value per line (JSON lines): a file has lines if it is named ``.jsonl``, or if the first of
    several lines is a whole object."""
    data = read_bytes(path)
    body = data.strip()
    first = body.split(b"\n", 1)[0].strip()
    if body[:1] not in b"{[":
        given = short(body[:_SHOWN].decode("utf-8", "replace"))
        raise fault(path, "line 1", f"expected JSON or JSON lines (a line that begins with '{{' or '['), got {given}")
    several = first != body and first[:1] == b"{" and first.endswith(b"}")
    named = ending(path) in (".jsonl", ".ndjson") or ".jsonl" in path.suffixes
    return lines(data, path) if several or named else Row(parse(body, path, ""), "")


def entries(row: Row, key: str, path: Path, most: int | None = None) -> list[Row]:
    """The list under ``key`` of an object (or the value itself, with ``key`` empty), entry by entry.

    Raises:
        InputError: there is no such list, or it has more than ``most`` entries.
    """
    value = row.value.get(key) if key else row.value
    if not isinstance(value, list):
        raise fault(path, row.where, f"field '{key}': expected a list, got {short(value)}")
    if most is not None and len(value) > most:
        raise fault(path, row.where, f"field '{key}': expected at most {most:,} entries, got {len(value):,}; leave some out")
    return [Row(entry, f"{row.where} {key}[{index}]".strip()) for index, entry in enumerate(value)]


def fields(row: Row, path: Path) -> Mapping[str, Any]:
    """The row's value as an object.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(row.value, dict):
        raise fault(path, row.where, f"expected a JSON object, got {short(row.value)}")
    return row.value


def text(row: Row, key: str, path: Path, *, needed: bool = False) -> str:
    """The text under ``key``; null and absent count as empty, an integer as its digits.

    Raises:
        InputError: the value has another type, or is empty although ``needed``.
    """
    value = fields(row, path).get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str | None) or (needed and not value):
        raise fault(path, row.where, f"field '{key}': expected text, got {short(value)}")
    return value or ""


def record(kind: type[R], values: Mapping[str, Any], row: Row, path: Path) -> R:
    """A validated record.

    Raises:
        InputError: a field is missing or of the wrong type; the message names it.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        given = "" if first["type"] == "missing" else f", got {short(first['input'])}"
        raise fault(path, row.where, f"field '{where}' of a {kind.__name__.lower()}: {problem}{given}") from None


def distinct(found: Iterable[tuple[str, str]], path: Path) -> None:
    """Check that ids are unique; ``found`` has (id, where).

    Raises:
        InputError: an id comes twice.
    """
    seen: dict[str, str] = {}
    for identity, where in found:
        if identity in seen:
            problem = f"field 'id': expected an id of its own, got {short(identity)}, which {seen[identity]} has as well"
            raise fault(path, where, problem)
        seen[identity] = where


PARQUET = ".parquet"
TEXT = (".csv", ".tsv")
_MAGIC = b"PAR1"
_DELIMITERS = ",;\t|"
_BATCH = 1000
_SQL = "SELECT CAST(to_json(t) AS VARCHAR) FROM read_parquet(?) t"
_OFFLINE: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}


def is_table(path: Path) -> bool:
    """Whether the file is a table by its name, compressed or not."""
    return ending(path) in (PARQUET, *TEXT)


def table_rows(path: Path) -> Iterator[Row]:
    """The rows of a table ("row 1" is the first below the header). Column names become lower case with "_" for blanks; an empty cell of a
    CSV file is absent.

    Raises:
        InputError: the file cannot be read, is over 512 MB, is not UTF-8 (CSV) or not Parquet; two columns have the same name, or a row
            has more or fewer cells than the header.
    """
    return _parquet(path) if ending(path) == PARQUET else _csv(path)


def _csv(path: Path) -> Iterator[Row]:
    data = read_bytes(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"got the byte 0x{data[error.start]:02x} at offset {error.start}"
        raise fault(path, "", f"expected UTF-8 text, {found}; save it as UTF-8") from None
    head = text.lstrip().split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=head.count), strict=True)
    try:
        names = _named(next(row for row in reader if row), path)
        for number, cells in enumerate((row for row in reader if row), start=1):
            where = f"row {number}"
            if len(cells) != len(names):
                advice = 'quote (") what holds the delimiter'
                raise fault(path, where, f"expected {len(names)} cells as the header has, got {len(cells)}; {advice}")
            yield Row({name: cell for name, cell in zip(names, cells, strict=True) if cell}, where)
    except csv.Error as error:
        raise fault(path, f"line {reader.line_num}", f"expected CSV ({error}); write it again with quotes (\")") from None


def _parquet(path: Path) -> Iterator[Row]:
    import duckdb  # noqa: PLC0415 - slow to import

    data = read_bytes(path)
    if not data.startswith(_MAGIC):
        raise fault(path, "", f"expected a Parquet file, got one that begins with {short(data[:8])}; fetch it again")
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config=_OFFLINE) as connection:
        plain = Path(folder) / "rows.parquet"  # decompressed, and with a name that DuckDB does not take for a pattern
        plain.write_bytes(data)
        del data
        try:
            found = connection.execute(_SQL, [str(plain)])
            yield from _parquet_rows(iter(lambda: found.fetchmany(_BATCH), []), path)
        except duckdb.Error as error:
            first = str(error).split("\n", 1)[0].replace(str(plain), path.name)
            raise fault(path, "", f"expected a whole Parquet file ({first[:200]}); fetch it again") from None


def _parquet_rows(batches: Iterator[list[tuple[str]]], path: Path) -> Iterator[Row]:
    """The rows of batches of JSON texts."""
    size, names = 0, dict[str, str]()
    for number, (line,) in enumerate(chain.from_iterable(batches), start=1):
        size += len(line)
        if size > MAX_FILE_BYTES:
            raise fault(path, "", f"expected at most {MAX_FILE_BYTES >> 20} MB unpacked, got more; split the file")
        values = parse(line.encode("utf-8"), path, f"row {number}")
        names = names or dict(zip(values, _named(list(values), path), strict=True))
        yield Row({names[name]: value for name, value in values.items()}, f"row {number}")


def _named(columns: list[str], path: Path) -> list[str]:
    names = ["_".join(column.casefold().split()) for column in columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise fault(path, "", f"expected a name of its own for each column, got {short(twice)} twice")
    return names
