"""Writes docs/BENCHMARKS.md and its plots from the summary of results."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.report_embedding import agreement, embedding, ingest
from benchmarks.report_http import over_http
from benchmarks.tables import measured_on, table

_HEAD = """# Benchmarks

Written by `python -m benchmarks report` from
[`benchmarks/results/summary.json`](../benchmarks/results/summary.json).
`make bench` measures anew what takes minutes, `make bench-scale` the rest.

**How.** Each contender is built and searched in a process of its own, one query at a time, kept to
one processor. Each takes the least setting that reaches a recall; then all are asked the same
queries in turn, a block each, round after round. A time is the median of the rounds' means; a ratio
is the median of the rounds' ratios. Recall is that of the exact top 10, by distance, so that ties
count. Memory is anonymous resident memory above that of the process before it opened its index;
mapped is what it reads through memory maps, which the system may drop. The queries are held out of
the same draw as what is indexed.

`features-*` are made by [`benchmarks/features.py`](../benchmarks/features.py): low intrinsic
dimension, clustered, non-negative, unit norm. `real-*` are MobileNetV2 features of photographs.
Milvus Lite 3.2 takes no notice of a search's `nprobe`; the harness sets it within its engine.
`faiss-ivfflat`, `faiss-ondisk` and `faiss-rabitq` have the same centroids as ours; their building
times are without K-means, ours is with everything: clusters, codes, files, measured recall.

**Embedding.** Plain is timm as its examples have it: PIL, timm's transform, eager fp32, one image
at a time. All take part in one run, in turn, on the same photos; figures are medians of the rounds,
and ratios of the same round. In process, a batch is decoded by a thread a core and then run. Over
HTTP, three clients send 16 files a call to the service with its default settings. Processor time is
of all processes together, the client's too; it says more than images per second where other
programs ran beside. `OMP_WAIT_POLICY=passive` keeps torch's threads from counting as busy while
they wait. Recall shift: one IVF index holds the fp32 features, another those of the engine, over
the same centroids; each is asked by its own features and compared with its own exact top 10.
Overlap is the share of the exact top 10 that both have in common. With random weights the features
of all photos are alike, so a cosine says little there; trained weights tell. An ingest is one job
over a folder, of a fresh indexer: read, embed, store, cluster, publish; its rate is set beside that
of the embedder alone, over HTTP, in turn.
"""


def write(summary: dict[str, Any], docs: Path) -> Path:
    """Writes the page; gives its path."""
    kinds: dict[str, Callable[[dict[str, Any]], str]] = {
        "search": lambda found: _search(found, docs),
        "memory-bound": _memory_bound,
        "kmeans": _kmeans,
        "scale": _scale,
        "embed": embedding,
        "agreement": agreement,
        "ingest": ingest,
        "live": _live,
        "http": over_http,
    }
    parts = [_HEAD]
    for kind, section in kinds.items():
        parts += [section(found) for name, found in summary.items() if name.startswith(kind)]
    path = docs / "BENCHMARKS.md"
    path.write_text("\n".join(parts))
    return path


def _search(found: dict[str, Any], docs: Path) -> str:
    name = found["collection"]
    plots.speed(found, docs / "benchmarks" / f"{name}-speed.svg")
    plots.memory(found, docs / "benchmarks" / f"{name}-memory.svg")
    lines = [
        f"## {name}: {found['rows']:,} x {found['dim']}, {found['clusters']:,} clusters",
        "",
        measured_on(found),
        "",
    ]
    targets = sorted({t for entry in found["contenders"].values() for t in entry.get("at", {})})
    for target in targets:
        rows = [_speed_row(name, e, target) for name, e in found["contenders"].items()]
        heads = ["contender", "setting", "recall", "ms", "queries/s", "x IVF-Flat", "ours is"]
        lines += [f"Recall {target}:", "", *table(heads, rows), ""]
    asked = found["contenders"].get("ours", {}).get("asked", {})
    told = [f"asked for {target}, {p['recall']:.3f} was measured" for target, p in asked.items()]
    lines += [f"Ours chooses its own setting: {'; '.join(told)}.", ""]
    heads = ["contender", "memory MiB", "mapped MiB", "disk MiB", "build s", "build peak MiB"]
    rows = [_cost_row(name, e) for name, e in found["contenders"].items() if "build" in e]
    lines += [*table(heads, rows), ""]
    lines += [f"![recall against speed](benchmarks/{name}-speed.svg)", ""]
    lines += [f"![memory](benchmarks/{name}-memory.svg)", ""]
    return "\n".join(lines)


def _speed_row(name: str, entry: dict[str, Any], target: str) -> list[str]:
    if "left_out" in entry:
        return [name, f"left out: {entry['left_out']}", *[""] * 5]
    needed, at = entry["needed"].get(target), entry["at"].get(target)
    if needed is None or at is None:
        return [name, "not reached", *[""] * 5]
    setting = ", ".join(f"{key} {value:.4g}" for key, value in needed["setting"].items()) or "exact"
    recall = f"{needed['recall']:.3f}"
    times, ours = at["times_reference"], at["times_ours"]
    return [
        name, setting, recall, f"{at['ms']:.3f}", f"{at['per_second']:,.0f}",
        "" if times is None else f"{times:.2f}",
        "" if ours is None or name == "ours" else f"{1 / ours:.1f} x as fast",
    ]  # fmt: skip


def _cost_row(name: str, entry: dict[str, Any]) -> list[str]:
    held, built = entry["held"], entry["build"]
    numbers = [held["anonymous_mib"], held["mapped_mib"], built["disk_mib"], built["seconds"]]
    if not built["disk_mib"]:
        # It needs no files of its own, or shares those of ours.
        return [name, *(f"{number:,.0f}" for number in numbers[:2]), "", "", ""]
    return [name, *(f"{number:,.0f}" for number in [*numbers, built["peak_mib"]])]


def _memory_bound(found: dict[str, Any]) -> str:
    lines = [f"## Memory-bound: {found['collection']}", "", measured_on(found), ""]
    if "left_out" in found:
        return "\n".join([*lines, f"Left out: {found['left_out']}.", ""])
    lines += [
        f"In a cgroup of {found['limit_mib']:.0f} MiB, an eighth of the raw vectors plus 150 MiB, "
        f"from a cold page cache, recall {found['target']}: ours is "
        f"{found['times_faiss_ondisk']:.1f} times as fast.",
        "",
    ]
    heads = ["contender", "recall", "ms", "p50 ms", "p99 ms", "MiB read a query"]
    rows = [
        [name, f"{e['recall']:.3f}", f"{e['ms']:.2f}", f"{e['p50_ms']:.2f}", f"{e['p99_ms']:.2f}",
         f"{e['read_mib_per_query']:.2f}"]
        for name, e in found["contenders"].items()
    ]  # fmt: skip
    return "\n".join([*lines, *table(heads, rows), ""])


def _kmeans(found: dict[str, Any]) -> str:
    lines = [
        f"## K-means: {found['collection']}",
        "",
        measured_on(found),
        "",
        f"{found['clusters']:,} clusters of a sample of {found['sample']:,}, "
        f"{found['iterations']} iterations; recall and share scanned at {found['nprobe']} probes.",
        "",
    ]
    heads = ["K-means", "seconds", "x faiss", "recall", "scanned"]
    rows = [
        [name, f"{e['seconds']:.1f}", f"{e['times_faiss']:.2f}", f"{e['recall']:.4f}",
         f"{e['scanned']:.2%}"]
        for name, e in found["trainers"].items()
    ]  # fmt: skip
    return "\n".join([*lines, *table(heads, rows), ""])


def _scale(found: dict[str, Any]) -> str:
    built, search = found["build"], found["search"]
    limit = search.get("limit_mib")
    rows = [
        ["raw vectors", f"{found['raw_mib']:,.0f} MiB"],
        ["built in", f"{built['seconds'] / 60:.1f} minutes, {built['processors']} processors"],
        ["peak resident memory of the build", f"{built['peak_mib']:,.0f} MiB"],
        ["posting lists on disk", f"{built['disk_mib']:,.0f} MiB"],
        ["search is limited to", f"{limit} MiB" if limit else search["left_out_limit"]],
        ["anonymous memory of the search", f"{search['anonymous_mib']:,.0f} MiB"],
        *(
            [
                f"{name} cache",
                f"recall {e['recall']:.3f}, p50 {e['p50_ms']:.2f} ms, p99 {e['p99_ms']:.2f} ms, "
                f"{e['read_mib_per_query']:.2f} MiB read a query",
            ]
            for name, e in search.items()
            if name in ("cold", "warm")
        ),
        *([f"of the build: {name}", f"{s:.0f} s"] for name, s in built["stages"].items()),
    ]
    title = f"## At scale: {found['rows']:,} x {found['dim']}"
    return "\n".join([title, "", measured_on(found), "", *table(["what", ""], rows), ""])


def _live(found: dict[str, Any]) -> str:
    same, compared = found["same_answers"]
    changes = (
        f"{found['adds']:,} additions ({found['batch']} a call) and {found['deletes']:,} deletions"
    )
    lines = [
        f"## While images come and go: {found['rows']:,} x {found['dim']}",
        "",
        measured_on(found),
        "",
        f"{found['clients']} clients search over HTTP without pause, while one adds and deletes as "
        f"fast as it is answered: {changes}. Each was asked for at once by its own vector: "
        f"{found['added_not_found']} were not found first. Deleted images found by a search that "
        f"began after the deletion was answered: {found['deleted_found']}. Exact answers that "
        f"were the same before and after the compaction: {same} of {compared}.",
        "",
    ]
    periods = {
        "quiet": "nothing changes",
        "during": "images come and go",
        "compacted": "after the compaction",
        "fresh": "built anew",
    }
    rows = [
        [told, f"{found[name]['searches']:,}", f"{found[name]['failures']:,}",
         f"{found[name]['p50_ms']:.1f}", f"{found[name]['p99_ms']:.1f}"]
        for name, told in periods.items()
    ]  # fmt: skip
    heads = ["", "searches", "failures", "p50 ms", "p99 ms"]
    calls = (
        f"A call that adds {found['batch']} takes {found['add_call_p50_ms']:.0f} ms, a deletion "
        f"{found['delete_p50_ms']:.0f} ms (medians, beside the searches)."
    )
    return "\n".join([*lines, *table(heads, rows), "", calls, ""])
