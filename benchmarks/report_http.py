"""The sections on searches over HTTP."""

from typing import Any

from benchmarks.tables import measured_on, table


def over_http(found: dict[str, Any]) -> str:
    load = found["load"]
    ways = {
        "in process, no re-rank": "plain",
        "in process, re-ranked": "in_process",
        "over HTTP, re-ranked": "http",
        "difference by the re-rank": "added_by_rerank",
        "difference by HTTP": "added_by_http",
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
            f"{found['queries']:,} images by id, warm, ten hits, measured in turn in blocks, on "
            "one connection. *In process* calls the function of the route. Differences are "
            "measured image by image.",
            "",
            *table(["", "p50 ms", "p99 ms"], rows),
            "",
            f"{load['requests']:,} requests by {load['clients']} concurrent clients: "
            f"{load['errors']} errors, {load['per_second']:,.0f} a second, p50 "
            f"{load['p50_ms']:.1f} ms, p99 {load['p99_ms']:.1f} ms.",
            "",
        ]
    )
