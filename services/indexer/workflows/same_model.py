"""Check that a collection still is of the models that a job works with."""

from services.indexer.embedding.client import ModelPair
from shared.core.errors import Conflict
from shared.snapshots.manifest import Manifest


def check_same_model(manifest: Manifest, pair: ModelPair, advice: str) -> None:
    """Raise Conflict if the images of a snapshot are found by another model.

    Not all of them have features of the job's model, and those of the job none of the present one.
    advice: what to do then.
    """
    if manifest.visual is None or manifest.visual.fingerprint != pair.visual:
        raise Conflict(
            f"The collection was rolled back to another model meanwhile. Nothing was lost; {advice}"
        )
