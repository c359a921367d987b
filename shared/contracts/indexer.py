"""Wire models of the indexer, by subject."""

from shared.contracts.images import (
    Added,
    AddedItem,
    AddState,
    Deleted,
    Image,
    ImagePatch,
    Shapes,
    ShapesRequest,
    Tag,
    Tags,
)
from shared.contracts.index import (
    TRANSFORM,
    BuildSettings,
    CatalogStats,
    IndexHealth,
    ReembedRequest,
    Rows,
    SnapshotInfo,
    Snapshots,
    TrainMatchingRequest,
    TransformName,
)
from shared.contracts.ingest import IngestRequest, TagsFrom

__all__ = [
    "TRANSFORM",
    "AddState",
    "Added",
    "AddedItem",
    "BuildSettings",
    "CatalogStats",
    "Deleted",
    "Image",
    "ImagePatch",
    "IndexHealth",
    "IngestRequest",
    "ReembedRequest",
    "Rows",
    "Shapes",
    "ShapesRequest",
    "SnapshotInfo",
    "Snapshots",
    "Tag",
    "Tags",
    "TagsFrom",
    "TrainMatchingRequest",
    "TransformName",
]
