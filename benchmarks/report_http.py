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


def overhead(found: dict[str, Any]) -> str:
    kinds = ("vector", "id")
    rows = [
        [
            told,
            *(
                f"{found[metric][name.format(kind)]:{form}}"
                for metric in ("cosine", "l2")
                for kind in kinds
            ),
        ]
        for told, name, form in (
            ("in process, ms", "in process, by {}", ".2f"),
            ("over HTTP, ms", "http, by {}", ".2f"),
            ("of a batch of 100, ms", "of a batch, by {}", ".2f"),
            ("rate of a batch, x single", "rate of a batch, by {}", ".1f"),
        )
    ]
    heads = ["", *(f"{metric}, by {kind}" for metric in ("cosine", "L2") for kind in kinds)]
    loads = [
        f"by {told} {found[metric]['per_second_at_16']:,.0f} searches a second by vector at 16 "
        f"clients, {found[metric]['replicas']} replicas "
        f"{found[metric]['per_second_of_replicas']:,.0f}, a bare route "
        f"{found[metric]['bare_per_second_at_16']:,.0f} answers"
        for metric, told in (("cosine", "cosine"), ("l2", "L2"))
    ]
    return "\n".join(
        [
            f"## What HTTP adds: {found['collection']}",
            "",
            measured_on(found),
            "",
            f"Built for cosine; {found['queries']:,} searches with ten hits, one client, medians. "
            "*In process* calls the function of the route, with the same answer.",
            "",
            *table(heads, rows),
            "",
            f"{loads[0][0].upper()}{loads[0][1:]}; {loads[1]}. The bare route is FastAPI's, looks "
            "at no request and returns the same bytes.",
            "",
        ]
    )
