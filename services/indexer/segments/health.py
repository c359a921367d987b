"""Health of the index: its changes since the centroids were made, and advice."""

import numpy as np
from numpy.typing import NDArray

from services.indexer.measuring.cluster_quality import imbalance
from services.indexer.segments.store import SegmentStore
from shared.contracts.indexer import IndexHealth
from shared.snapshots.manifest import Manifest, SegmentFile, SpaceManifest

# A rebuild is advised beyond these ratios of the distance to the centroid, the imbalance of lists,
# and the number of images, relative to when the clusters were made.
_DRIFT = 1.15
_IMBALANCE = 1.5
_GROWTH = 2.0
# Smaller collections are equally fast without clusters.
_WORTH_CLUSTERS = 2000


def health(segments: SegmentStore, manifest: Manifest, dead: NDArray[np.int64]) -> IndexHealth:
    """Figures of a snapshot, and a sentence where something should be done. Raises Corrupt."""
    space = manifest.visual
    if space is None:
        return IndexHealth(snapshot=manifest.number, advice=None)
    rows = sum(file.rows for file in space.postings)
    live = segments.live(manifest, dead)
    sizes = np.sum([np.diff(segments.open(file).list_offsets) for file in space.postings], axis=0)
    found = IndexHealth(
        snapshot=manifest.number,
        images=live,
        clusters=space.clusters,
        segments=len(space.postings),
        additions=1 - space.postings[0].rows / rows if rows else 0.0,
        deleted=1 - live / rows if rows else 0.0,
        imbalance=imbalance(sizes),
        imbalance_at_build=space.built.imbalance if space.built else None,
        drift=_drift(space),
        growth=live / space.built.rows if space.built and space.built.rows else None,
        reclustered=space.reclustered,
        codes=space.codes,
    )
    return found.model_copy(update={"advice": _advice(found)})


def _drift(space: SpaceManifest) -> float | None:
    """How far vectors lie from their centroids, relative to when these were made."""
    known = [(file.spread, file.rows) for file in space.postings if file.spread is not None]
    rows = sum(count for _, count in known)
    if space.built is None or not space.built.spread or not rows:
        return None
    return sum(away * count for away, count in known) / rows / space.built.spread


def _advice(found: IndexHealth) -> str | None:
    if found.clusters == 1 and found.images >= _WORTH_CLUSTERS:
        return f"{found.images:,} images are one cluster, scanned whole. Run `ise build`."
    if found.drift is not None and found.drift > _DRIFT:
        return (
            f"The images lie {found.drift:.2f} times as far from their cluster's centre as when "
            "the clusters were made. A rebuild is due: `ise build`."
        )
    if found.growth is not None and found.growth > _GROWTH and found.images >= _WORTH_CLUSTERS:
        return (
            f"There are {found.growth:.1f} times the images that the number of clusters was chosen "
            "for. A rebuild is due: `ise build`."
        )
    former = found.imbalance_at_build
    if former is not None and found.imbalance > _IMBALANCE * former:
        return (
            f"The clusters have become uneven ({found.imbalance:.2f}, {former:.2f} when they were "
            "made), and a search scans more. A rebuild is due: `ise build`."
        )
    return None


def grown(files: list[SegmentFile], gone: int, share: float, least: int) -> bool:
    """Return whether additions, or deleted rows, are a share of all worth merging."""
    rows = sum(file.rows for file in files)
    added = rows - files[0].rows if files else 0
    return max(added, gone) > max(least, share * rows)
