"""``python -m examples.model_server``: serve until interrupted."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from contextlib import suppress

from examples.model_server.faults import KINDS, Faults
from examples.model_server.server import ModelServer


def _rates(text: str) -> dict[str, float]:
    """Parse ``429=0.1,hang=0.02``."""
    try:
        rates = {kind.strip(): float(rate) for kind, _, rate in (part.partition("=") for part in text.split(",") if part.strip())}
        return dict(Faults(rates).rates)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected KIND=RATE,KIND=RATE ({error})") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A model server on this machine, to try personaevo with models but without a key.")
    parser.add_argument("--port", type=int, default=8000, help="where to listen on 127.0.0.1 (default 8000; 0 takes a free one)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other replies (default 0)")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="how long a reply takes (default 0)")
    parser.add_argument("--faults", type=_rates, default={}, metavar="KIND=RATE,…", help=f"how often to fail, and how: {', '.join(KINDS)}")
    given = parser.parse_args(arguments)
    rule = Faults(given.faults, seed=given.seed) if given.faults else None
    try:
        server = ModelServer(port=given.port, seed=given.seed, latency_seconds=given.latency, fault=rule).start()
    except (OSError, OverflowError) as error:
        print(f"model_server: cannot listen on port {given.port}: {error}; choose another with --port")
        return 1
    print(f"OpenAI's protocol at {server.openai_url}, Anthropic's at {server.url}; any key and model name will do.", flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    server.stop()
    seen = server.counters
    average = seen.utilization(1) if seen.first is not None else 0.0
    print(f"\n{seen.requests.total()} requests, {seen.answered.total()} answered, {seen.faults.total()} faults, {average:.2f} at a time")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
