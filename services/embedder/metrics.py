"""Metrics of the embedder, in addition to those of every service."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from services.embedder.hosting.host import Host
from services.embedder.images import Stages

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class EmbedderMetrics:
    """Seconds an image spends in each stage, and how things stand."""

    def __init__(
        self,
        registry: CollectorRegistry,
        host: Host,
        queue_size: int,
        refused: Callable[[], int] = lambda: 0,
    ) -> None:
        """`refused`: images that were refused before it was known which model they were for."""
        self._seconds = Histogram(
            "ise_embed_stage_seconds",
            "Seconds of one image in a stage: decode, queue (waiting), inference (its batch).",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        registry.register(_Loads(host, queue_size, refused))

    def observe(self, images: Iterable[Stages]) -> None:
        """Counts the images of an answer."""
        for stages in images:
            self._seconds.labels("decode").observe(stages.decode)
            self._seconds.labels("queue").observe(stages.queue)
            self._seconds.labels("inference").observe(stages.inference)


class _Loads(Collector):
    """Present load of the networks."""

    def __init__(self, host: Host, queue_size: int, refused: Callable[[], int]) -> None:
        self._refused = refused
        self._host = host
        self._queue_size = queue_size

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        loads = self._host.loads()
        in_hand = GaugeMetricFamily(
            "ise_embed_images_in_hand", "Images let in and not yet answered.", labels=["model"]
        )
        waiting = GaugeMetricFamily(
            "ise_embed_images_waiting",
            "Images that wait for a network: urgent ones, which somebody waits for, and bulk.",
            labels=["model", "lane"],
        )
        refused = CounterMetricFamily(
            "ise_embed_images_refused_total",
            "Images that were refused because too many were in hand.",
            labels=["model"],
        )
        restarts = CounterMetricFamily(
            "ise_network_restarts_total",
            "Times that a network broke and was loaded anew.",
            labels=["model"],
        )
        batches = HistogramMetricFamily(
            "ise_embed_batch_images", "Images in one pass of a network.", labels=["model"]
        )
        for model, load in loads.items():
            in_hand.add_metric([model], load.in_hand)
            for lane, count in load.waiting.items():
                waiting.add_metric([model, lane], count)
            refused.add_metric([model], load.refused)
            restarts.add_metric([model], load.restarts)
            sizes = Counter(load.batches)
            batches.add_metric([model], _buckets(sizes), sum(n * sizes[n] for n in sizes))
        refused.add_metric(["any"], self._refused())
        yield from (in_hand, waiting, refused, restarts, batches)
        yield GaugeMetricFamily(
            "ise_embed_queue_images",
            "Images in hand at which a network refuses further calls.",
            self._queue_size,
        )
        yield CounterMetricFamily(
            "ise_decoders_replaced_total",
            "Decoding processes that hung or died and were replaced.",
            self._host.decoders_replaced(),
        )


def _buckets(sizes: Counter[int]) -> list[tuple[str, float]]:
    """Return the number of batches by upper bound of their size."""
    counts = [0] * (len(_IMAGES) + 1)
    for size, count in sizes.items():
        counts[sum(size > limit for limit in _IMAGES)] += count
    names = [*(f"{limit}.0" for limit in _IMAGES), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))
