"""The section on goodput and memory under load."""

from typing import Any

from benchmarks.tables import measured_on, table


def under_load(found: dict[str, Any]) -> str:
    """Return the section."""
    lines = [
        f"## Under load: {found['profile']}",
        "",
        measured_on(found),
        _beside(found),
        "",
        "Clients send without pause, eight pictures or one search by id a call; one that is "
        "refused calls again on the same connection after 50 ms, less than it is told, and so is "
        "held for the rest of that time. Counted is the time to the last answer.",
        "",
    ]
    for name, unit in (("embedder", "pictures"), ("query", "searches")):
        rows = [
            [clients, f"{level['per_second']:.0f}", _ms(level["p50_ms"]), f"{level['refused']:,}"]
            for clients, level in found[name]["levels"].items()
        ]
        share = found[name]["share_at_most_clients"]
        lines += [
            *table([f"{name}: clients", f"{unit} a second", "p50 ms", "refused"], rows),
            "",
            f"At 64 clients {100 * share:.0f} % of the best.",
            "",
        ]
    quiet, beside = found["person_quiet"], found["person_beside_embedder"]
    refusal = found["refusal_ms"]
    lines += [
        f"A person's searches: p50 {_ms(quiet['p50_ms'])} ms alone, {_ms(beside['p50_ms'])} ms "
        f"beside 64 clients of the embedder. A refusal takes {_ms(refusal['p50_ms'])} ms (p50), "
        f"{_ms(refusal['p99_ms'])} ms (p99) beside them, where a connection calls for the first "
        f"time; {100 * refusal['within_5_ms']:.0f} % take at most 5 ms.",
        "",
        "64 clients each send 64 MiB, at 512 KiB a second and as fast as they can; memory of the "
        "service's processes beyond rest:",
        "",
    ]
    rows = [
        [name, f"{one['rest_mib']:.0f}", f"{one['beyond_rest_mib']:.0f}", _ms(one["person_p50_ms"])]
        for name, one in found.get("large", {}).items()
    ]
    heads = ["sent to", "at rest MiB", "beyond MiB", "a person's search ms"]
    return "\n".join([*lines, *table(heads, rows), ""])


def _beside(found: dict[str, Any]) -> str:
    lower = " of lower priority" if found.get("niceness", 0) < 0 else ""
    return f"The machine's load average was {found['load_average']:.0f} of other work{lower}."


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def while_it_hangs(found: dict[str, Any]) -> str:
    """Return the section on changes while an embedder hangs."""
    lines = [
        "## Changes while an embedder hangs",
        "",
        measured_on(found),
        "",
        f"{found['images']:,} pictures; for {found['seconds']:.0f} s the new embedder of a "
        "re-embedding gives no answer in the last step of it. Meanwhile three clients upload, "
        "retag and delete a picture each, one after the other with pauses of 0.2 s. "
        + _beside(found),
        "",
    ]
    rows = [
        [
            f"{kind}, {state}",
            f"{of[kind]['number']:,}",
            *(_ms(of[kind][one]) for one in ("p50_ms", "p99_ms", "most_ms")),
        ]
        for state, of in (("without a hang", found["quiet"]), ("during it", found["changes"]))
        for kind in ("upload", "retag", "delete")
    ]
    return "\n".join(
        [*lines, *table(["change", "number", "p50 ms", "p99 ms", "most ms"], rows), ""]
    )
