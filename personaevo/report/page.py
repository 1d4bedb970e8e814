"""The page: content files of ``archive/report`` filled with the data.

Data and plotting library are compressed and unpacked by the page itself. A policy in the page lets run only these two scripts and lets
nothing be fetched from anywhere. Stored text is data: it reaches the page inside the compressed part, and is inserted there as text.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
import re
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from plotly.offline import get_plotlyjs

from personaevo import content
from personaevo.errors import ContentError, InputError
from personaevo.report.data import report_data
from personaevo.report.material import Material
from personaevo.text import one_line

_MARK = b'<meta name="generator" content="personaevo archive report">'
_SCRIPTS = ("views.js", "result.js", "plots.js", "explorer.js", "page.js")  # one script: the policy names it by its digest
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def page(material: Material) -> str:
    """The HTML document."""
    data = report_data(material)
    script, library = "\n".join(map(_part, _SCRIPTS)), get_plotlyjs()
    policy = (
        f"default-src 'none'; script-src {_hash(script)} {_hash(library)}; style-src 'unsafe-inline'; img-src 'none'; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    slots = {
        "policy": policy,
        "title": html.escape(one_line(f"personaevo: {data['domain'] or data['file']}")),
        "style": _part("page.css"),
        "data": _packed(json.dumps(data, allow_nan=False, separators=(",", ":"))),
        "library": _packed_library(),
        "script": script,
    }
    return _SLOT.sub(lambda found: slots[found[1]], _part("page.html"))


def write(text: str, path: Path, option: str = "--out") -> None:
    """Writes the page, all or nothing; an older report there is replaced, any other file is not. ``option`` is what the place was given by.

    Raises:
        InputError: something else is there, or the file cannot be written.
    """
    if path.exists() and not _is_report(path):
        raise InputError(f"{path} exists and is not a report that personaevo wrote: give another {option}")
    draft = None
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".new", delete=False) as file:
            draft = Path(file.name)
            file.write(text)
        draft.chmod(0o666 & ~_umask())
        draft.replace(path)
    except OSError as error:
        if draft is not None:
            draft.unlink(missing_ok=True)
        why = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: the report cannot be written ({why}); give another {option}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _is_report(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return _MARK in file.read(2000)
    return False


def _part(name: str) -> str:
    path = content.root("archive") / "report" / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ContentError(f"{path} cannot be read ({(error.strerror or str(error)).lower()}): reinstall personaevo") from None


def _hash(script: str) -> str:
    """A script as the page's policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _packed(text: str) -> str:
    """Compressed, in letters: nothing in it can end the element that holds it."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@cache
def _packed_library() -> str:
    return _packed(get_plotlyjs())
