"""The engines that can hold the vectors, as settings and jobs name them."""

from enum import StrEnum


class Engine(StrEnum):
    """Engine that holds the vectors of an index."""

    LOCAL = "local"
    MILVUS = "milvus"
