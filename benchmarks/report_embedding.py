"""The section of the benchmarks' page about the embedder."""

from statistics import median
from typing import Any

from benchmarks.tables import measured_on, table


def embedding(found: dict[str, Any]) -> str:
    """One network: the speed of each engine, and what it does to features."""
    weights = "random weights" if found["random_weights"] else "trained weights"
    lines = [
        f"## Embedding: {found['network']} at {found['input']}, {weights}{_emulated(found)}",
        "",
        measured_on(found),
        "",
        f"Including JPEG decoding. The service chose {found['http_engine']}; its features have a "
        f"cosine of at least {found['http_least_cosine']:.5f} to those of plain timm. Load "
        f"average before the run: {found['load_before']:.1f}.",
        "",
        *_limit(found),
    ]
    heads = ["", "images/s", "x plain", "processor ms an image", "x plain"]
    rows = [
        [name, f"{e['images_per_second']:.1f}", f"{e['times_plain']:.2f}",
         f"{e['processor_ms']:.1f}", f"{e['times_plain_processor']:.2f}"]
        for name, e in found["contenders"].items()
    ]  # fmt: skip
    return "\n".join([*lines, *table(heads, rows), ""])


def _limit(found: dict[str, Any]) -> list[str]:
    """Return lines on the machine's limit, where the run measured it."""
    if "limits" in found:
        return _limit_of_rounds(found)
    if not (speed := found.get("http_speed")):
        return []
    return [
        f"The processor computes by {found['processor_uses']}. A matrix product allows "
        f"{speed['limit']:.1f} images per second in the engine's precision; without decoding the "
        f"engine reached {speed['images_per_second']:.1f}, {speed['share']:.0%}.",
        "",
    ]


def _limit_of_rounds(found: dict[str, Any]) -> list[str]:
    limits = ", ".join(f"{rate:.1f} in {name}" for name, rate in found["limits"].items())
    heads = ["", *(f"of the limit in {name}" for name in found["limits"])]
    rows = [
        [name, *(f"{share:.0%}" for share in shares.values())]
        for name, shares in found["shares"].items()
    ]
    return [
        f"The processor computes by {found['processor_uses']}. In the same rounds a matrix product "
        f"allows, in images per second: {limits}.",
        "",
        *table(heads, rows),
        "",
    ]


def starts(found: dict[str, Any]) -> str:
    """Render cold starts of the embedder."""
    heads = ["network, engine", "ready, s", "engine chosen, s", "it is", "p50 until then, ms",
             "longest", "p50 afterwards, ms", "longest"]  # fmt: skip
    rows = [
        [name, f"{one['ready_s']:.1f}", _number(one["chosen_s"]), one["engine"],
         _number(one["meanwhile_p50_ms"]), _number(one["meanwhile_longest_ms"]),
         f"{one['after_p50_ms']:.1f}", f"{one['after_longest_ms']:.1f}"]
        for name, one in found["starts"].items()
    ]  # fmt: skip
    lines = [
        "## Cold starts of the embedder",
        "",
        measured_on(found),
        "",
        "Each start has an empty cache. Until the engine is chosen, and some time afterwards, a "
        "person asks for the features of one photo, over and over. Load average before: "
        f"{found['load_before']:.1f}.",
        "",
        *table(heads, rows),
        "",
    ]
    return "\n".join(lines)


def _number(found: float | None) -> str:
    return "" if found is None else f"{found:.1f}"


def on_gpu(found: dict[str, Any]) -> str:
    """Render a network on a GPU, beside what the GPU and the decoder give alone."""
    single = found["single_over_http_ms"]
    heads = ["", "images/s"]
    rows = [[name, f"{rate:.0f}"] for name, rate in found["images_per_second"].items()]
    lines = [
        f"## On a GPU: {found['network']}, {found['device']}",
        "",
        measured_on(found),
        "",
        f"By {found['engine']}, in batches of {found['batch']}, transfers included. In process it "
        f"reaches {found['of_the_loop']:.0%} of a bare loop; over HTTP, decoding included, "
        f"{found['of_the_lower']:.0%} of the lower of that loop and the decoder alone. One picture "
        f"takes {found['single_ms']:.1f} ms in process, over HTTP {single['whole']:.1f} ms, of "
        f"them {single['beyond_decoding']:.1f} beyond decoding.",
        "",
        *table(heads, rows),
        "",
    ]
    return "\n".join(lines)


def agreement(found: dict[str, Any]) -> str:
    """Render the agreement of a network's engines."""
    weights = "random weights" if found["random_weights"] else "trained weights"
    heads = ["engine", "least cosine", "mean", "under 0.999", "recall shift, points",
             "P@10 shift, points", "overlap"]  # fmt: skip
    rows = [
        [name, f"{e['least_cosine']:.5f}", f"{e['mean_cosine']:.5f}", str(e["under_agreement"]),
         f"{e['recall_shift_points']:+.2f}", _shift(e), f"{e['overlap']:.2%}"]
        for name, e in found["engines"].items()
    ]  # fmt: skip
    lines = [
        f"## Agreement of engines: {found['network']} at {found['input']}, {weights}",
        "",
        measured_on(found),
        "",
        f"Features of {found['photos']:,} photos compared with eager fp32, whose recall at "
        f"{found['probes']} of 32 lists is {found['recall']:.4f}:",
        "",
        *table(heads, rows),
        "",
    ]
    return "\n".join(lines)


def _shift(engine: dict[str, Any]) -> str:
    """Return the shift of precision, which earlier runs didn't measure."""
    points = engine.get("precision_shift_points")
    return "" if points is None else f"{points:+.2f}"


def ingest(found: dict[str, Any]) -> str:
    """Ingest beside the embedder's own rate, and a person's wait beside an ingest."""
    waiting = found["waiting"]
    heads = ["round", "the embedder alone, images/s", "ingest, images/s", "s", "of it to embed, s"]
    rows = [
        [str(number + 1), f"{own:.1f}", f"{done['per_second']:.1f}", f"{done['seconds']:.1f}",
         f"{done['embedded_s']:.1f}"]
        for number, (own, done) in enumerate(
            zip(found["own_per_second"], found["ingests"], strict=True)
        )
    ]  # fmt: skip
    bound = 2 * waiting["quiet_p50_ms"] + waiting["batch_of_8_ms"]
    lines = [
        f"## Ingest: {found['photos']:,} photos, {found['network']}{_emulated(found)}",
        "",
        measured_on(found),
        "",
        f"One job reads, embeds ({found['engine']}), stores, clusters and publishes at "
        f"{found['share']:.0%} of the rate of the embedder alone (median of the rounds)."
        + _beside_plain(found),
        "",
        *table(heads, rows),
        "",
        f"Features of one photo over HTTP: p50 {waiting['quiet_p50_ms']:.1f} ms alone, "
        f"{waiting['during_p50_ms']:.1f} ms during an ingest (p99 "
        f"{waiting['during_p99_ms']:.1f} ms); a batch of 8 takes {waiting['batch_of_8_ms']:.1f} "
        f"ms, so twice the first plus a batch is {bound:.1f} ms.",
        "",
    ]
    return "\n".join(lines)


def _emulated(found: dict[str, Any]) -> str:
    return " by AVX2" if found.get("processor_uses") == "AVX2" else ""


def _beside_plain(found: dict[str, Any]) -> str:
    if "times_plain" not in found:
        return ""
    rate = median(one["per_second"] for one in found["plain"])
    return (
        f" Timm embeds {rate:.1f} images/s eagerly, one at a time: the ingest is "
        f"{found['times_plain']:.1f} times as fast, with "
        f"{found['times_plain_processor']:.1f} times as many images a second of processor time."
    )
