"""Snapshots: history, roll-back, and figures."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from services.indexer.container import Container, container
from shared.contracts.indexer import CatalogStats, IndexHealth, SnapshotInfo, Snapshots
from shared.web.admission import QUICK, admits
from shared.web.keys import Scope
from shared.web.problems import (
    BAD_NUMBER,
    BUSY,
    DAMAGED,
    DISK_FULL,
    EMPTY_SNAPSHOT,
    NO_EMBEDDER,
    NO_SNAPSHOT,
    problems,
)
from shared.web.scoped import ScopedRoute, needs
from shared.web.write_log import tell

router = APIRouter(prefix="/v1", tags=["snapshots"], route_class=ScopedRoute)
Here = Annotated[Container, Depends(container)]


@router.get("/snapshots", summary="List the snapshots")
@needs(Scope.READ)
def list_snapshots(here: Here) -> Snapshots:
    """Return the available snapshots, newest first."""
    store = here.index.snapshots
    current = store.current_number()
    found = reversed(store.readable())
    return Snapshots(
        snapshots=[
            SnapshotInfo(
                number=manifest.number,
                created_at=manifest.created_at,
                reason=manifest.reason,
                images=manifest.images,
                clusters=manifest.visual.clusters if manifest.visual else 0,
                model=manifest.visual.fingerprint if manifest.visual else None,
                network=manifest.joint.fingerprint if manifest.joint else None,
                current=manifest.number == current,
            )
            for manifest in found
        ]
    )


@router.post(
    "/snapshots/{number}/activate",
    summary="Roll back to a snapshot",
    responses=problems(
        NO_SNAPSHOT,
        EMPTY_SNAPSHOT,
        BAD_NUMBER,
        BUSY,
        NO_EMBEDDER,
        DAMAGED,
        DISK_FULL,
    ),
)
@needs(Scope.WRITE)
@admits(QUICK)
def activate_snapshot(call: Request, here: Here, number: int) -> Snapshots:
    """Make an older snapshot the current one. Deleted pictures stay deleted."""
    tell(call, snapshot=number)
    here.publisher.activate(number)
    return list_snapshots(here)


@router.get(
    "/index",
    summary="Get how the index has changed since it was built",
    responses=problems(DAMAGED),
)
@needs(Scope.READ)
def get_index_health(here: Here) -> IndexHealth:
    """Return the drift of the clusters, the shares of additions and deletions, and advice on
    whether a rebuild is due.
    """
    return here.current.health().model_copy(update={"learning": here.learning.status()})


@router.get("/stats", summary="Get the catalogue's statistics")
@needs(Scope.READ)
def get_stats(here: Here) -> CatalogStats:
    """Return the number of images and segments, and the state of background learning."""
    manifest = here.current.manifest()
    return CatalogStats(
        images=here.images.count(),
        snapshot=manifest.number,
        segments=len(manifest.files()),
        learning=here.learning.status(),
    )
