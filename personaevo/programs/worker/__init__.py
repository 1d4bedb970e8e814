"""The sandbox's child side: a fork server (``serve``), the isolation of its children (``harden``), and running programs (``run``).

Runs in an interpreter of its own, outside the package: only the standard library and relative imports.
"""
