"""A stand-in for τ²-bench: see ``tests/standins/README.md``."""
