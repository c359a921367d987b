"""Moving a collection from one engine to the other."""

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire
from shared.core.engine import Engine


class MigrateRequest(Wire):
    """`sample`: how many images, and at most how many tags, both engines are asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "milvus", "sample": 256}]})

    to: Engine = Field(description="Target engine.")
    sample: int = Field(
        256, ge=8, le=1000, description="Number of images, and at most of tags, to compare on."
    )


class MigrationReport(Wire):
    """How the two engines' answers compare: `images` by both metrics, `terms` in the joint space,
    `filters` as the condition that an image carries a tag.

    `different`: exact searches whose ids or distances differed. `recall_before`, `recall_after`: of
    the first 10 at `target`, the mean over both metrics.
    """

    images: int
    terms: int
    filters: int
    different: int
    target: float
    recall_before: float
    recall_after: float

    @property
    def asked(self) -> int:
        """How many exact searches were compared."""
        return 2 * self.images + self.terms + self.filters
