"""Those that take part, by name. A module is imported only in the process that needs it."""

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


def contender_named(name: str) -> Contender:
    """Raises ImportError where its library is not installed."""
    module, _, kind = _CLASSES[name].partition(":")
    made: Contender = getattr(importlib.import_module(f"{__name__}.{module}"), kind)()
    return made


def asks_rows(name: str) -> bool:
    """Whether its queries are numbers of rows rather than vectors."""
    return name == "ours-http-id"
