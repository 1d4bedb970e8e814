"""The HTML document of a report: the templates of ``archive/report`` filled with data.

Data and plotting library are compressed, and the page unpacks them itself. Its content security policy allows only these two scripts and
no network requests. Stored text is part of the compressed data, and the page inserts it as text, never as HTML.
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
_SCRIPTS = ("views.js", "result.js", "plots.js", "explorer.js", "page.js")  # joined to one script, as the policy names its digest
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def page(material: Material) -> str:
    """Return the HTML document."""
    data = report_data(material)
    script, library = "\n".join(map(_template, _SCRIPTS)), get_plotlyjs()
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (script, library))
    policy = (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src 'none'; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    slots = {
        "policy": policy,
        "title": html.escape(one_line(f"personaevo: {data['domain'] or data['file']}")),
        "style": _template("page.css"),
        "data": _compressed(json.dumps(data, allow_nan=False, separators=(",", ":"))),
        "library": _compressed_library(),
        "script": script,
    }
    return _SLOT.sub(lambda found: slots[found[1]], _template("page.html"))


def write(text: str, path: Path, option: str = "--out") -> None:
    """Write the page atomically; it may replace an older report, but no other file. ``option`` names the command line option of ``path``.

    Raises:
        InputError: another file exists there, or the file cannot be written.
    """
    if path.exists() and not _is_report(path):
        raise InputError(f"{path} exists and is not a report that personaevo wrote: give another {option}")
    draft = None
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".new", delete=False) as file:
            draft = Path(file.name)
            file.write(text)
        mask = os.umask(0)  # reading the mask sets it
        os.umask(mask)
        draft.chmod(0o666 & ~mask)
        draft.replace(path)
    except OSError as error:
        if draft is not None:
            draft.unlink(missing_ok=True)
        why = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: the report cannot be written ({why}); give another {option}") from None


def _is_report(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return _MARK in file.read(2000)
    return False


def _template(name: str) -> str:
    path = content.root("archive") / "report" / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ContentError(f"{path} cannot be read ({(error.strerror or str(error)).lower()}): reinstall personaevo") from None


def _compressed(text: str) -> str:
    """Compress text to base64, which cannot close the HTML element that contains it."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@cache
def _compressed_library() -> str:
    return _compressed(get_plotlyjs())
