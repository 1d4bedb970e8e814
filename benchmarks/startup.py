"""Start-up times: ``python -m benchmarks.startup``. Best of several, as ratios to ``import numpy`` on the same machine."""

from __future__ import annotations

import subprocess
import sys
import time

RUNS = 7
CASES = {
    "nothing": ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "import numpy, personaevo": ["-c", "import numpy, personaevo"],
    "personaevo --help": ["-m", "personaevo", "--help"],
    "personaevo search --help": ["-m", "personaevo", "search", "--help"],
    "from personaevo import *": ["-c", "from personaevo import *"],
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one Python process, in seconds."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Measure the cases in turn, so that other load affects all alike."""
    best = dict.fromkeys(CASES, float("inf"))
    for _ in range(RUNS):
        for name, arguments in CASES.items():
            best[name] = min(best[name], seconds(arguments))
    for name, value in best.items():
        print(f"{name:28}{value * 1000:7.0f} ms{value / best['import numpy']:8.2f} × import numpy")
    print(f"personaevo costs {(best['import numpy, personaevo'] - best['import numpy']) * 1000:.0f} ms more than numpy (at most 150)")
    print(f"personaevo --help takes {best['personaevo --help'] * 1000:.0f} ms (at most 500)")


if __name__ == "__main__":
    main()
