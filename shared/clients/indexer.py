"""The calls of the indexer."""

from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any

import httpx

from shared.clients.transport import Call, model, segment
from shared.contracts.features import (
    ExportSpace,
    FeaturesAdded,
    FeaturesRequest,
    ImportRequest,
)
from shared.contracts.indexer import (
    Added,
    BuildSettings,
    CatalogStats,
    Deleted,
    Image,
    ImagePatch,
    IndexHealth,
    IngestRequest,
    ReembedRequest,
    Shapes,
    ShapesRequest,
    Snapshots,
    TrainMatchingRequest,
)
from shared.contracts.jobs import Failures, Job, Jobs
from shared.contracts.labels import AcceptLabelsRequest
from shared.contracts.migration import MigrateRequest
from shared.contracts.source_folders import SourceFolders
from shared.contracts.text import TextRequest
from shared.terms.tag_list import join_tags

_SLOW_S = 600.0


def get_missing() -> Call[dict[str, str]]:
    """Return the state of each service that the indexer needs and that isn't ready."""

    def read(response: httpx.Response) -> dict[str, str]:
        body = response.json() if response.content else None
        found = body.get("missing") if isinstance(body, dict) else None
        return found if isinstance(found, dict) else {}

    return Call("GET", "/ready", read)


def add_images(
    files: Sequence[tuple[str, bytes]], tags: Sequence[str] = (), metadata: str = "{}"
) -> Call[Added]:
    """Uploads (name, bytes) pairs; answered when they can be searched."""
    parts = [("files", (name, data, "application/octet-stream")) for name, data in files]
    return Call(
        "POST",
        "/v1/images",
        model(Added),
        files=parts,
        data={"tags": join_tags(tags), "metadata": metadata},
        timeout_s=_SLOW_S,
    )


def add_form(body: AsyncIterable[bytes], content_type: str) -> Call[Added]:
    """Passes a form of uploads on as it comes in, through an `AsyncClient`."""
    headers = {"Content-Type": content_type}
    return Call(
        "POST", "/v1/images", model(Added), content=body, headers=headers, timeout_s=_SLOW_S
    )


def get_image(image_id: str) -> Call[Image]:
    return Call("GET", f"/v1/images/{segment(image_id)}", model(Image))


def patch_image(image_id: str, patch: ImagePatch) -> Call[Image]:
    return _post(
        f"/v1/images/{segment(image_id)}", patch.model_dump(exclude_none=True), Image, "PATCH"
    )


def delete_image(image_id: str) -> Call[Deleted]:
    return Call("DELETE", f"/v1/images/{segment(image_id)}", model(Deleted))


def get_image_shapes(request: ShapesRequest) -> Call[Shapes]:
    body = request.model_dump()
    return Call("POST", "/v1/images/shapes", model(Shapes), json=body, repeatable=True)


def get_image_file(image_id: str) -> Call[tuple[bytes, str]]:
    """The image's own bytes and their media type."""
    return Call("GET", f"/v1/images/{segment(image_id)}/file", _file)


def get_picture(
    image_id: str,
    kind: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    uri: str | None = None,
) -> Call[httpx.Response]:
    """The answer to a `file` or `thumbnail` as it is, conditional and partial ones too.

    `uri`: which of several files of the image.
    """
    return Call(
        method,
        f"/v1/images/{segment(image_id)}/{kind}",
        lambda response: response,
        headers=headers or {},
        params={} if uri is None else {"uri": uri},
        taken=frozenset({304, 416}),
    )


def get_thumbnail(image_id: str) -> Call[tuple[bytes, str]]:
    """The bytes of a small JPEG, and their media type."""
    return Call("GET", f"/v1/images/{segment(image_id)}/thumbnail", _file)


def add_features(request: FeaturesRequest) -> Call[FeaturesAdded]:
    """Adds vectors of one's own; answered when they can be searched."""
    return _post("/v1/features", request.model_dump(mode="json"), FeaturesAdded)


def add_features_npy(
    features: bytes, ids: bytes, model_name: str, ids_name: str = "ids.txt"
) -> Call[FeaturesAdded]:
    """The same with the bytes of a .npy file; ids are lines, or JSONL by their file's name."""
    parts = [
        ("features", ("features.npy", features, "application/octet-stream")),
        ("ids", (ids_name, ids, "application/octet-stream")),
    ]
    return Call(
        "POST",
        "/v1/features/npy",
        model(FeaturesAdded),
        files=parts,
        data={"model": model_name},
        timeout_s=_SLOW_S,
    )


def import_vectors(request: ImportRequest) -> Call[Job]:
    """Import an export, or a .npy file, by its path on the indexer's machine."""
    return _post("/v1/import", request.model_dump(mode="json"), Job)


def export_collection(
    space: ExportSpace = ExportSpace.VISUAL, parquet: bool = False
) -> Call[httpx.Response]:
    """The collection as a tar archive, to be streamed."""
    return Call(
        "GET",
        "/v1/export",
        lambda response: response,
        params={"space": space.value, "parquet": parquet},
        # The catalogue, of millions of images perhaps, is written before the first byte is sent.
        timeout_s=6 * _SLOW_S,
    )


def ingest(request: IngestRequest) -> Call[Job]:
    return _post("/v1/ingest", request.model_dump(mode="json"), Job)


def list_source_folders(path: str | None, confined: bool = False) -> Call[SourceFolders]:
    params: dict[str, Any] = {"confined": confined} | ({} if path is None else {"path": path})
    return Call("GET", "/v1/ingest/folders", model(SourceFolders), params=params)


def build_index(settings: BuildSettings) -> Call[Job]:
    return _post("/v1/index/build", settings.model_dump(mode="json"), Job)


def reembed_index(request: ReembedRequest) -> Call[Job]:
    """Goes over to the model of another embedder, while the present index serves."""
    return _post("/v1/index/reembed", request.model_dump(mode="json"), Job)


def migrate_index(request: MigrateRequest) -> Call[Job]:
    """Moves the collection to the other engine, while it is searched."""
    return _post("/v1/index/migrate", request.model_dump(mode="json"), Job)


def compute_labels() -> Call[Job]:
    return Call("POST", "/v1/labels", model(Job))


def accept_labels(request: AcceptLabelsRequest) -> Call[Job]:
    return Call("POST", "/v1/labels/accept", model(Job), json=request.model_dump(mode="json"))


def read_text(request: TextRequest) -> Call[Job]:
    """Read the text in pictures that were not read yet."""
    return _post("/v1/text", request.model_dump(), Job)


def compact_index() -> Call[Job]:
    return Call("POST", "/v1/index/compact", model(Job))


def get_index_health() -> Call[IndexHealth]:
    return Call("GET", "/v1/index", model(IndexHealth))


def train_matching(request: TrainMatchingRequest) -> Call[Job]:
    return _post("/v1/matching/train", request.model_dump(mode="json"), Job)


def list_jobs(limit: int = 100, cursor: str | None = None) -> Call[Jobs]:
    params = {"limit": limit, "cursor": cursor}
    return Call("GET", "/v1/jobs", model(Jobs), params=params)


def get_job(job_id: str) -> Call[Job]:
    return Call("GET", f"/v1/jobs/{segment(job_id)}", model(Job))


def cancel_job(job_id: str) -> Call[Job]:
    return Call("DELETE", f"/v1/jobs/{segment(job_id)}", model(Job))


def list_job_failures(job_id: str, limit: int = 100, cursor: str | None = None) -> Call[Failures]:
    params = {"limit": limit, "cursor": cursor}
    return Call("GET", f"/v1/jobs/{segment(job_id)}/failures", model(Failures), params=params)


def list_snapshots() -> Call[Snapshots]:
    return Call("GET", "/v1/snapshots", model(Snapshots))


def activate_snapshot(number: int) -> Call[Snapshots]:
    return Call("POST", f"/v1/snapshots/{number}/activate", model(Snapshots), timeout_s=_SLOW_S)


def get_stats() -> Call[CatalogStats]:
    return Call("GET", "/v1/stats", model(CatalogStats))


def _post(path: str, body: dict[str, Any], answer: Any, method: str = "POST") -> Call[Any]:
    return Call(method, path, model(answer), json=body, timeout_s=_SLOW_S)


def _file(response: httpx.Response) -> tuple[bytes, str]:
    return response.content, response.headers.get("Content-Type", "application/octet-stream")
