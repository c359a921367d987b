"""Migration of a collection from one engine to the other."""

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire
from shared.core.engine import Engine


class MigrateRequest(Wire):
    """Request to migrate the collection to another engine."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "milvus", "sample": 256}]})

    to: Engine = Field(description="Target engine.")
    sample: int = Field(
        256, ge=8, le=1000, description="Number of images, and at most of tags, to compare on."
    )


class MigrationReport(Wire):
    """Comparison of the answers of two engines."""

    images: int = Field(description="Number of images searched by, with both metrics.")
    terms: int = Field(description="Number of terms searched in the joint space.")
    filters: int = Field(description="Number of tags filtered by.")
    different: int = Field(description="Number of exact searches with different ids or distances.")
    target: float = Field(description="Recall that was targeted.")
    recall_before: float = Field(description="Mean recall of the first 10 in the former engine.")
    recall_after: float = Field(description="Mean recall of the first 10 in the new engine.")

    @property
    def asked(self) -> int:
        """Number of exact searches that were compared."""
        return 2 * self.images + self.terms + self.filters
