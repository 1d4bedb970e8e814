"""Tables and queries of an archive as data frames, where pandas or pyarrow is installed."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

from personaevo.archive.bounds import TABLES
from personaevo.archive.tables import VIEWS
from personaevo.errors import ConfigError

FrameKind = Literal["pandas", "arrow"]
_LIBRARIES = {"pandas": "pandas", "arrow": "pyarrow"}
_NAME = re.compile(r"\w+")
Query = Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]


def frame(query: Query, what: str, kind: FrameKind) -> Any:
    """Return a table, view or SELECT as a ``pandas.DataFrame`` or a ``pyarrow.Table``; lists and structs become Python objects.

    Raises:
        ConfigError: there is no such kind, table or view, or the library is not installed.
    """
    if kind not in _LIBRARIES:
        raise ConfigError(f"kind {kind!r:.40}: expected {' or '.join(_LIBRARIES)}")
    try:
        library = import_module(_LIBRARIES[kind])
    except ImportError:
        raise ConfigError(f"a data frame of kind '{kind}' needs another package: pip install {_LIBRARIES[kind]}") from None
    if _NAME.fullmatch(what) and what not in (*TABLES, *VIEWS):
        raise ConfigError(f"no table or view {what!r:.80}: there are {', '.join((*TABLES, *VIEWS))}")
    columns, rows = query(f"SELECT * FROM {what}" if _NAME.fullmatch(what) else what)
    if kind == "pandas":
        return library.DataFrame.from_records(rows, columns=columns)
    return library.table({name: [row[at] for row in rows] for at, name in enumerate(columns)})
