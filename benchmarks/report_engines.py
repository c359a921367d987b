"""The sections on Milvus beside the local engine, and on text in pictures."""

from typing import Any

from benchmarks.tables import measured_on, table

_HEADS = ["engine", "target", "lists", "recall", "median ms", "p99 ms"]
_COSTS = [
    "engine",
    "filled and indexed s",
    "recall measured s",
    "exact answers equal",
    "server MiB",
]
_TEXT = ["pictures", "number", "words drawn", "recall", "precision", "with a word read"]


def engines(found: dict[str, Any]) -> str:
    """Return the section on the engines."""
    version = f" {found['version']}" if found["version"] else ""
    speeds = [
        [
            one["engine"],
            "" if at["target"] is None else f"{at['target']:g}",
            f"{at['nprobe']:,}",
            f"{at['recall']:.3f}",
            f"{at['median_ms']:.2f}",
            f"{at['p99_ms']:.2f}",
        ]
        for one in found["engines"]
        for at in one["at"]
    ]
    costs = [
        [
            one["engine"],
            f"{one['build_s']:.0f}",
            f"{one['measure_s']:.0f}",
            f"{one['exact_equal']} of {one['exact_asked']}",
            f"{one['server_mib']:,}" if one.get("server_mib", 0) > 0 else "",
        ]
        for one in found["engines"]
    ]
    title = f"## Milvus beside the local engine: {found['source']}-{found['rows']}x{found['dim']}"
    return "\n".join(
        [
            title,
            "",
            measured_on(found),
            "",
            f"Recall@10 by cosine of {found['queries']} held-out queries, one at a time, at the "
            "targets that each engine's own curve promises, or at set numbers of lists. Milvus: "
            f"{found['server']}{version}, reached over loopback; a search brings the vectors "
            "along and compares them again in float64.",
            "",
            *table(_HEADS, speeds),
            "",
            *table(_COSTS, costs),
            "",
        ]
    )


def text(found: dict[str, Any]) -> str:
    """Return the section on text in pictures."""
    rows = [
        [
            kind,
            f"{one['pictures']:,}",
            f"{one['drawn']:,}",
            f"{one['right'] / one['drawn']:.3f}" if one["drawn"] else "",
            f"{one['right'] / one['read']:.3f}" if one["drawn"] and one["read"] else "",
            f"{one['with words']:,}",
        ]
        for kind, one in found["kinds"].items()
    ]
    bare = sum(one["pictures"] for one in found["kinds"].values() if not one["drawn"])
    written = sum(one["pictures"] for one in found["kinds"].values()) - bare
    title = f"## Text in pictures: {written} with text, {bare} without"
    return "\n".join(
        [
            title,
            "",
            measured_on(found),
            "",
            "Pictures of a dozen words, in fonts of 22 to 64 pixels, on plain ground and on photos "
            "without text, a third of them turned by up to 20 degrees; and drawn scenes without "
            f"text. Their numbers, from {found['first']:,} on, were never used to choose "
            f"thresholds. Over all: recall {found['recall']:.3f}, "
            f"precision {found['precision']:.3f}; "
            f"{found['cpu_seconds_a_picture']:.2f} s of one processor's time a picture, "
            f"{found['pictures_a_second']:g} pictures a second beside what else ran.",
            "",
            *table(_TEXT, rows),
            "",
        ]
    )
