"""The screenshot of the report in README: ``python -m benchmarks.screenshot [--archive FILE] [--out docs/report.png]``.

Writes the report of the packaged archive of ``service`` (or another) and renders it with Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from personaevo import content
from personaevo.cli.app import run

ROOT = Path(__file__).resolve().parents[1]
_SIZE = "1280,1180"
_DRAWN_MS = 10_000  # of the page's virtual time, enough to draw its plots


def main() -> None:
    """Take the screenshot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, default=content.archives()["service"])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "report.png")
    options = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("Chromium is not installed: run 'make browser'")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        if run(["archive", "report", str(options.archive), "--out", str(page)]):
            sys.exit(1)
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={_SIZE}",
                f"--virtual-time-budget={_DRAWN_MS}", f"--screenshot={options.out.resolve()}", page.as_uri(),
            ],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    print(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
