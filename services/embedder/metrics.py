"""What the embedder measures of itself, beside what every service does."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge, Histogram

from services.embedder.hosting import Host
from services.embedder.images import Stages

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class EmbedderMetrics:
    """Seconds an image spends in each stage, and how things stand."""

    def __init__(self, registry: CollectorRegistry, host: Host) -> None:
        self._seconds = Histogram(
            "ise_embed_stage_seconds",
            "Seconds of one image in a stage: decode, queue (waiting), inference (its batch).",
            ["stage"],
            buckets=_BUCKETS,
            registry=registry,
        )
        in_hand = Gauge(
            "ise_embed_images_in_hand", "Images let in and not yet answered.", registry=registry
        )
        in_hand.set_function(host.in_hand)
        replaced = Gauge(
            "ise_decoders_replaced",
            "Decoding processes that hung or died and were replaced, since the start.",
            registry=registry,
        )
        replaced.set_function(host.decoders_replaced)
        restarts = Gauge(
            "ise_network_restarts",
            "Times that a network broke and was loaded anew, since the start.",
            registry=registry,
        )
        restarts.set_function(host.restarts)

    def observe(self, images: Iterable[Stages]) -> None:
        """Counts the images of an answer."""
        for stages in images:
            self._seconds.labels("decode").observe(stages.decode)
            self._seconds.labels("queue").observe(stages.queue)
            self._seconds.labels("inference").observe(stages.inference)
