"""The sections on searches over HTTP."""

from typing import Any

from benchmarks.tables import measured_on, table


def over_http(found: dict[str, Any]) -> str:
    load = found["load"]
    ways = {
        "in process, no re-rank": "plain",
        "in process, re-ranked": "in_process",
        "over HTTP, re-ranked": "http",
        "what the re-rank adds": "added_by_rerank",
        "what HTTP adds": "added_by_http",
    }
    rows = [
        [told, f"{found[name]['p50_ms']:.2f}", f"{found[name]['p99_ms']:.2f}"]
        for told, name in ways.items()
    ]
    return "\n".join(
        [
            f"## Searches by id over HTTP: {found['collection']}",
            "",
            measured_on(found),
            "",
            f"{found['queries']:,} images by id, warm, ten hits, asked every way in turn, a block "
            "each, on one connection; in process is the function that the route runs. What is "
            "added is measured image by image.",
            "",
            *table(["", "p50 ms", "p99 ms"], rows),
            "",
            f"{load['requests']:,} requests by {load['clients']} clients at once: "
            f"{load['errors']} errors, {load['per_second']:,.0f} a second, p50 "
            f"{load['p50_ms']:.1f} ms, p99 {load['p99_ms']:.1f} ms.",
            "",
        ]
    )
