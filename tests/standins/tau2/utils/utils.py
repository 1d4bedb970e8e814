"""Where data are."""

from __future__ import annotations

import os
from pathlib import Path

DATA_DIR = Path(os.environ.get("TAU2_DATA_DIR", "data"))
