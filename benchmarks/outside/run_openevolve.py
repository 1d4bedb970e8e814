"""OpenEvolve on a model server, for ``benchmarks.engine_overhead --openevolve PYTHON``; runs in an environment of its own.

    PYTHON run_openevolve.py SERVER CANDIDATES IN_FLIGHT PROGRAM

The evaluation returns at once. Prints the seconds of the run without imports, and the number of programs.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

from openevolve import run_evolution
from openevolve.config import Config, LLMModelConfig

EVALUATION = "def evaluate(path):\n    return {'combined_score': 0.5}\n"


def main() -> None:
    """One run."""
    server, candidates, in_flight, program = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    config = Config()
    model = LLMModelConfig(name="small", api_base=server, api_key="none", max_tokens=4096, timeout=60, retries=1, retry_delay=1)
    config.llm.models = [model]
    config.llm.api_base, config.llm.api_key = server, "none"
    config.evaluator.parallel_evaluations = in_flight
    config.evaluator.cascade_evaluation = False
    config.log_level = "ERROR"
    logging.disable(logging.WARNING)
    evaluation = Path("evaluation.py").resolve()
    evaluation.write_text(EVALUATION, encoding="utf-8")
    begun = time.perf_counter()
    run_evolution(program, evaluation, config, iterations=candidates, output_dir="out", cleanup=False)
    print(f"seconds {time.perf_counter() - begun:.2f}")


if __name__ == "__main__":
    main()
