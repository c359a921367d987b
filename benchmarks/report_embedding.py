"""The section of the benchmarks' page about the embedder."""

from typing import Any

from benchmarks.tables import measured_on, table


def embedding(found: dict[str, Any]) -> str:
    """One network: the speed of each engine, and what it does to features."""
    weights = "random weights" if found["random_weights"] else "trained weights"
    lines = [
        f"## Embedding: {found['network']} at {found['input']}, {weights}",
        "",
        measured_on(found),
        "",
        f"JPEG decode included. The service chose {found['http_engine']}; its features have a "
        f"cosine of at least {found['http_least_cosine']:.5f} to those of plain timm. The load "
        f"of the machine was {found['load_before']:.1f} before it began, where 0 is quiet.",
        "",
    ]
    heads = ["", "images/s", "x plain", "processor ms an image", "x plain"]
    rows = [
        [name, f"{e['images_per_second']:.1f}", f"{e['times_plain']:.2f}",
         f"{e['processor_ms']:.1f}", f"{e['times_plain_processor']:.2f}"]
        for name, e in found["contenders"].items()
    ]  # fmt: skip
    lines += [*table(heads, rows), ""]
    if agreement := found.get("agreement"):
        lines += _agreement(agreement)
    return "\n".join(lines)


def _agreement(found: dict[str, Any]) -> list[str]:
    heads = ["engine", "least cosine", "mean", "under 0.999", "recall shift, points", "overlap"]
    rows = [
        [name, f"{e['least_cosine']:.5f}", f"{e['mean_cosine']:.5f}", str(e["under_agreement"]),
         f"{e['recall_shift_points']:+.2f}", f"{e['overlap']:.2%}"]
        for name, e in found["engines"].items()
    ]  # fmt: skip
    return [
        f"Features of {found['photos']:,} photos against eager fp32; recall at {found['probes']} "
        f"of 32 lists is {found['recall']:.4f} with those:",
        "",
        *table(heads, rows),
        "",
    ]
