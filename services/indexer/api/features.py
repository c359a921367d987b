"""Vectors of one's own in; the collection out, and in again."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from services.indexer.api.jobs import submitted
from services.indexer.container import Container, container
from services.indexer.transfer.importer import Batch, batches, open_source
from services.indexer.transfer.npy_stream import NpyFile
from services.indexer.transfer.records import check_distinct, checked, read_ids
from services.indexer.transfer.tar_stream import archive
from shared.contracts.base import Wire
from shared.contracts.features import (
    ExportedRecord,
    ExportSpace,
    FeaturesAdded,
    FeaturesRequest,
    ImportRequest,
    ModelName,
)
from shared.contracts.jobs import Job, JobKind
from shared.core.errors import BadVector, InvalidInput
from shared.models.external import fingerprint_of
from shared.web.admission import FORM, JSON, VECTORS_JSON, admits
from shared.web.keys import Scope
from shared.web.media import TAR
from shared.web.problems import (
    BAD_NPY,
    DAMAGED,
    DISK_FULL,
    NOTHING_TO_EXPORT,
    OTHER_VECTOR,
    OTHER_VECTORS,
    OUTSIDE_ROOTS,
    ZERO_VECTOR,
    problems,
)
from shared.web.scoped import ScopedRoute, needs
from shared.web.write_log import tell

router = APIRouter(prefix="/v1", tags=["features"], route_class=ScopedRoute)
Here = Annotated[Container, Depends(container)]


class NpyForm(Wire):
    """A table of vectors and the name of their model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"features": "clip.npy", "ids": "ids.txt", "model": "clip-vit-b32"}]
        }
    )

    features: UploadFile = Field(description="A .npy file: float32, float16 or float64, (n, dim).")
    ids: UploadFile = Field(
        description="One id per line; or, in a file named .jsonl, one JSON object per line "
        "with id, tags, uris and metadata."
    )
    model: ModelName = Field(description="Name of the model that made the vectors.")


class ExportQuery(Wire):
    """Parameters of an export."""

    space: ExportSpace = Field(ExportSpace.VISUAL, description="Vectors to export.")
    parquet: bool = Field(False, description="Also write the catalogue as Parquet; needs pyarrow.")


@router.post(
    "/features",
    summary="Add vectors of your own model and wait until they are searchable",
    responses=problems(OTHER_VECTORS, OTHER_VECTOR, ZERO_VECTOR, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(VECTORS_JSON)
def add_features(call: Request, request: FeaturesRequest) -> FeaturesAdded:
    """Store and index the vectors with their tags, paths and metadata. An id keeps its vector until
    it is deleted.
    """
    lengths = {len(item.vector) for item in request.items}
    if len(lengths) > 1:
        raise BadVector(
            f"The vectors have {min(lengths)} to {max(lengths)} numbers; all need the same."
        )
    with np.errstate(over="ignore"):
        vectors = np.array([item.vector for item in request.items]).astype(np.float32)
    records = [
        ExportedRecord(**checked(item).model_dump(exclude={"vector"})) for item in request.items
    ]
    return _taken(call, request.model, [(records, vectors)])


@router.post(
    "/features/npy",
    summary="Add vectors of your own model from a .npy file",
    responses=problems(OTHER_VECTORS, OTHER_VECTOR, ZERO_VECTOR, BAD_NPY, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(FORM)
def add_features_npy(
    call: Request, form: Annotated[NpyForm, Form(media_type="multipart/form-data")]
) -> FeaturesAdded:
    """Store and index one vector per row of the file. Waits until they are searchable."""
    file = form.features.file
    npy = NpyFile(file, form.features.size or 0, form.features.filename or "features")
    records = read_ids(form.ids.file, form.ids.filename or "ids")
    return _taken(call, form.model, list(batches(npy, records)))


@router.post(
    "/import",
    status_code=202,
    summary="Import an export or a .npy file by its path",
    responses=problems(OUTSIDE_ROOTS, OTHER_VECTORS, BAD_NPY, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def import_vectors(call: Request, here: Here, request: ImportRequest) -> Job:
    """Start a job that imports a folder written by an export, or a .npy file of vectors of your own
    model, on the indexer's machine.
    """
    for name, path in (("source", request.source), ("ids", request.ids)):
        if path is not None and not Path(path).is_absolute():
            raise InvalidInput(f"`{name}` must be an absolute path on the indexer's machine.")
    # Fail at once instead of in the job; the job checks again.
    with ExitStack() as held:
        source = open_source(request, here.ingest_roots.of(confined=False), held)
    here.compatibility.check_vectors(source.fingerprint, source.npy.dim)
    here.vectors.table.check(source.fingerprint)
    return submitted(call, JobKind.IMPORT, request)


@router.get(
    "/export",
    summary="Export the collection as a tar archive",
    response_class=StreamingResponse,
    responses=TAR | problems(NOTHING_TO_EXPORT, DAMAGED, DISK_FULL),
)
@needs(Scope.READ)
def export(here: Here, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
    """Stream the vectors, ids, tags, metadata and catalogue of all images. The archive contains no
    pictures.
    """
    with ExitStack() as held:
        size, chunks = archive(here.exporter.members(query.space, query.parquet, held))
        kept = held.pop_all()
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": "attachment; filename=export.tar",
    }
    return _Download(chunks, kept, headers)


class _Download(StreamingResponse):
    """A tar archive whose source is closed at its end, even if the caller disconnects."""

    def __init__(
        self, chunks: Iterator[bytes | memoryview], held: ExitStack, headers: dict[str, str]
    ) -> None:
        super().__init__(chunks, media_type="application/x-tar", headers=headers)
        self._held = held

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


def _taken(call: Request, model: str, blocks: Sequence[Batch]) -> FeaturesAdded:
    """Takes all of it in, or raises and takes none."""
    here = container(call)
    check_distinct(record for records, _ in blocks for record in records)
    dim = blocks[0][1].shape[1]
    fingerprint = fingerprint_of(model, dim)
    here.compatibility.check_vectors(fingerprint, dim)
    here.vectors.table.check(fingerprint)
    with here.vectors.lock:
        for records, vectors in blocks:
            for _, error in here.vectors.problems(fingerprint, records, vectors):
                raise error
        taken = [here.vectors.take(fingerprint, *block) for block in blocks]
    manifest = here.publisher.publish_first(fingerprint, "vectors added")
    told = FeaturesAdded(
        added=sum(one.added for one in taken),
        exists=sum(one.exists for one in taken),
        model=fingerprint,
        snapshot=manifest.number,
    )
    tell(call, added=told.added, exists=told.exists)
    return told
