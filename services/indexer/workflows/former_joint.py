"""The joint space of a snapshot, kept by a build that has no other."""

from services.indexer.embedding.client import ModelPair
from shared.snapshots.manifest import Manifest


def with_former_joint(
    base: Manifest, current: Manifest, pair: ModelPair, network: str | None
) -> Manifest:
    """Return the base with the present joint space where that fits; what it lacks comes later."""
    joint, visual = current.joint, current.visual
    if joint is None or visual is None or visual.fingerprint != pair.visual:
        return base
    if current.matching_fingerprint != pair.matching or network not in (
        None,
        joint.fingerprint,
    ):
        return base
    upto = current.revision if joint.revision is None else joint.revision
    return base.model_copy(
        update={
            "joint": joint.model_copy(update={"revision": upto}),
            "matching_fingerprint": current.matching_fingerprint,
            "tag_vectors": current.tag_vectors,
            "tags_revision": min(current.tags_revision or upto, current.revision),
        }
    )
