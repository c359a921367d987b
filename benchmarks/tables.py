"""Tables and other parts of the benchmarks' page."""

from typing import Any


def measured_on(found: dict[str, Any]) -> str:
    machine = found["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    changed = " with changes" if machine["changed"] else ""
    load = f", load {machine['load']}" if "load" in machine else ""
    return (
        f"{found['measured_at'][:10]}, commit {machine['commit']}{changed}, "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB{load}, "
        f"Python {machine['python']}, {packages}."
    )


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return [f"| {' | '.join(row)} |" for row in [heads, rule, *rows]]
