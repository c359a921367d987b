"""The section on the page's gallery."""

from typing import Any

from benchmarks.tables import measured_on, table

_HEADS = ["pixels a second", "frames a second", "slowest 1 %, ms", "no tile, ms", "no picture, ms"]


def gallery(found: dict[str, Any]) -> str:
    rows = [_row(str(one["pixels_per_second"]), one) for one in found["speeds"]]
    rows.append(_row("after a jump to the middle", found["jump"]))
    return "\n".join(
        [
            f"## The page's gallery: {found['pictures']:,} pictures",
            "",
            measured_on(found),
            "",
            "Chromium without a graphics card, 1440 x 900, over answers from memory; "
            f"{_load(found)}. First pictures painted "
            f"{found['first_paint_ms']} ms after their answer; {found['memory_mib']:.0f} MiB for "
            f"the tab, of them {found['script_mib']:.1f} MiB of the script's; {found['tiles']} "
            "pictures in the document at the end. *No tile* and *no picture* are the longest time "
            "for which nine points of the screen showed none.",
            "",
            *table(_HEADS, rows),
            "",
        ]
    )


def _load(found: dict[str, Any]) -> str:
    if found.get("alone"):
        return "other work on the machine was stopped meanwhile"
    return f"the load of the machine was {found['load']:.1f} before"


def _row(name: str, one: dict[str, Any]) -> list[str]:
    return [
        name,
        f"{one['frames_per_second']:.1f}",
        f"{one['slowest_1_percent_ms']:.0f}",
        f"{one['longest_blank_ms']:.0f}",
        f"{one['longest_without_picture_ms']:.0f}",
    ]


def browsing(found: dict[str, Any]) -> str:
    heads = ["order", "first call, ms", "any depth, p50 ms", "p99 ms"]
    keys = [name.removesuffix(" p50") for name in found if name.endswith(" p50")]
    rows = [
        [key, *(f"{found[f'{key} {part}']:.1f}" for part in ("first", "p50", "p99"))]
        for key in keys
    ]
    return "\n".join(
        [
            f"## `GET /v1/images`: {found['images']:,} pictures",
            "",
            measured_on(found),
            "",
            f"Pages of {found['limit']} by cursors at random depths, in process, no network; "
            f"{_load(found)}. *Filtered*: by a tag and a least width. The first call of an order "
            "sorts all pictures.",
            "",
            *table(heads, rows),
            "",
        ]
    )
