"""Contenders by name. A module is imported only in the process that needs it."""

import importlib

from benchmarks.contenders.contender import Contender

_CLASSES = {
    "ours": "ours:Ours",
    "ours-http": "ours_http:ByVector",
    "ours-http-id": "ours_http:ById",
    "faiss-ivfflat": "faiss_ivfflat:FaissIvfFlat",
    "faiss-ondisk": "faiss_ondisk:FaissOnDisk",
    "faiss-rabitq": "faiss_rabitq:FaissRaBitQ",
    "hnswlib": "hnsw:Hnsw",
    "sklearn-brute": "brute:Brute",
    "milvus-lite": "milvus:Milvus",
    "lancedb": "lance:Lance",
}
NAMES = tuple(_CLASSES)
# Ours built or asked otherwise: they take part where they are asked for by name.
_VARIANTS = {
    "ours-fixed-probes": "ours:FixedProbes",
    "ours-half-clusters": "ours:HalfTheClusters",
    "ours-twice-clusters": "ours:TwiceTheClusters",
}
ALL_NAMES = (*NAMES, *_VARIANTS)


def contender_named(name: str) -> Contender:
    """Raises ImportError where its library is not installed."""
    module, _, kind = (_CLASSES | _VARIANTS)[name].partition(":")
    made: Contender = getattr(importlib.import_module(f"{__name__}.{module}"), kind)()
    return made


def asks_rows(name: str) -> bool:
    """Return whether its queries are numbers of rows rather than vectors."""
    return name == "ours-http-id"
