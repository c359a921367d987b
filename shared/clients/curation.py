"""The calls that change many pictures, restore and take back; indexer and query have them."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from shared.clients.transport import Call, model, segment
from shared.contracts.curation import (
    ArchiveRequest,
    BulkRequest,
    Changed,
    Emptied,
    FactsRequest,
    Renamed,
    RenameRequest,
    Restored,
    RestoreRequest,
    TrashPage,
    Undone,
)
from shared.contracts.jobs import Job

_SLOW_S = 600.0


def change_images(request: BulkRequest) -> Call[Changed]:
    """Change the tags or metadata of many images, or delete them, in one step."""
    # Left out where they are not given; but a null in the metadata removes a field.
    body = request.model_dump(mode="json", exclude_defaults=True)
    return _post("/v1/images/bulk", body, Changed)


def rename_tag(former: str, to: str) -> Call[Renamed]:
    """Rename a tag, or merge it with another."""
    request = RenameRequest.model_validate({"from": former, "to": to})
    return _post("/v1/tags/rename", request.model_dump(by_alias=True), Renamed)


def undo_change(token: str) -> Call[Undone]:
    """Take back a change by the `undo` of its answer."""
    return _post(f"/v1/undo/{segment(token)}", None, Undone)


def undo_job(job_id: str) -> Call[Job]:
    """Start a job that takes back what an ingest did."""
    return _post(f"/v1/jobs/{segment(job_id)}/undo", None, Job)


def read_facts(again: bool = False) -> Call[Job]:
    """Start a job that reads dates, cameras and places of pictures."""
    return _post("/v1/facts", FactsRequest(again=again).model_dump(), Job)


def list_trash(limit: int = 100, cursor: str | None = None) -> Call[TrashPage]:
    """List what can be restored, the last deleted first."""
    params = {"limit": limit, "cursor": cursor}
    return Call("GET", "/v1/trash", model(TrashPage), params=params)


def restore_images(ids: Sequence[str]) -> Call[Restored]:
    """Bring images back from the trash."""
    return _post("/v1/trash/restore", RestoreRequest(ids=list(ids)).model_dump(), Restored)


def empty_trash() -> Call[Emptied]:
    """Delete everything in the trash for good."""
    return Call("DELETE", "/v1/trash", model(Emptied), timeout_s=_SLOW_S)


def get_trashed_thumbnail(
    image_id: str, headers: Mapping[str, str] | None = None
) -> Call[httpx.Response]:
    """The answer with the thumbnail of an image in the trash, as it is."""
    path = f"/v1/trash/{segment(image_id)}/thumbnail"
    taken = frozenset({304, 416})
    return Call("GET", path, lambda answer: answer, headers=headers or {}, taken=taken)


def get_archive(ids: Sequence[str]) -> Call[httpx.Response]:
    """A zip of the images' files, to be streamed; the query service alone has it."""
    body = ArchiveRequest(ids=list(ids)).model_dump()
    return Call(
        "POST", "/v1/archive", lambda answer: answer, json=body, timeout_s=_SLOW_S, repeatable=True
    )


def _post(path: str, body: Any, answer: Any) -> Call[Any]:
    return Call("POST", path, model(answer), json=body, timeout_s=_SLOW_S)
