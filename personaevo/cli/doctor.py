"""``personaevo doctor``: test the sandbox on this machine and list versions."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING

import click

from personaevo import __version__, cache
from personaevo.cli.output import say, show, show_json
from personaevo.cli.shared import announce, as_json, debuggable, sandbox_option
from personaevo.text import one_line

if TYPE_CHECKING:
    from personaevo.records import Tier

_LIBRARIES = (
    "numpy", "scipy", "scikit-learn", "deap", "duckdb", "pydantic", "joblib", "click", "tqdm", "openai", "anthropic", "wasmtime",
    "componentize-py", "xllamacpp",
)  # fmt: skip
_TIERS = {
    "kernel": "--sandbox kernel",
    "wasm": "--sandbox wasm, after pip install 'personaevo[wasm]'",
    "weak": "--sandbox weak, for programs whose author you trust",
}


@click.command()
@sandbox_option
@as_json
@debuggable
@click.pass_context
def doctor(context: click.Context, sandbox: Tier | None, as_json: bool) -> None:
    """Test the sandbox on this machine and list versions; the exit code is 1 if a check fails."""
    from personaevo.programs.selftest import self_test

    wanted: Tier = sandbox or "kernel"
    announce(wanted)
    checks = self_test(wanted)
    passed = all(check.ok for check in checks)
    tier = wanted if passed else "none"
    versions = {"personaevo": __version__, "python": platform.python_version(), "system": platform.platform(), **_installed()}
    count, size = cache.size()
    if as_json:
        found = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks]
        cached = {"folder": str(cache.folder()), "starts": count, "bytes": size}
        show_json({"sandbox": {"tier": tier, "checks": found}, "versions": versions, "cache": cached})
    else:
        show(f"sandbox ({tier})")
        for check in checks:
            show(f"  {'ok    ' if check.ok else 'FAILED'}  {check.name:30} {one_line(check.detail)[:60]}")
        show("versions")
        for name, version in versions.items():
            show(f"  {name:14} {version or 'not installed'}")
        show(f"cache\n  {cache.folder()}: {count} prepared searches, {size / 2**20:.1f} MB (can be deleted at any time)")
    if not passed:
        others = "; ".join(words for name, words in _TIERS.items() if name != wanted)
        say(f"Error: the {wanted} sandbox does not work on this machine; others: {others}")
        context.exit(1)


def _installed() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions
