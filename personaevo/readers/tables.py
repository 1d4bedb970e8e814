"""Reads tables, CSV and Parquet, as rows like those of JSON lines; the columns tell whether a row is a turn or a dialogue."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from personaevo.readers.files import MAX_FILE_BYTES, Row, ending, fault, parse, read_bytes, short

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
