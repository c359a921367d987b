"""Client of one engine, by the address of its query service."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from shared.clients import browsing, curation, indexer, query
from shared.clients.transport import Call, T
from shared.clients.transport import Client as Connection
from shared.contracts.answer import SearchResponse
from shared.contracts.browsing import Images, Sort
from shared.contracts.curation import BulkRequest, Changed, Undone
from shared.contracts.filters import Filter
from shared.contracts.images import Added, Deleted, Image, ImagePatch
from shared.contracts.indexer import BuildSettings, IngestRequest
from shared.contracts.jobs import Job, JobState
from shared.contracts.query import ImageInfo, Tags
from shared.contracts.stats import Stats
from shared.core.errors import Conflict, InvalidInput, ISEError
from shared.core.validation import made

Picture = str | Path | bytes
"""A picture: the path of a file, or its bytes."""

_URL = "http://127.0.0.1:8000"
_POLL_S = 0.3


class Client:
    """Connection to an engine. Every call returns a typed model or raises an `ISEError`.

    Safe to share between threads. Use it as a context manager, or `close` it.
    """

    def __init__(self, url: str | None = None, key: str | None = None) -> None:
        """Connect to the query service.

        url: its address; by default `ISE_QUERY_URL`, else http://127.0.0.1:8000.
        key: the API key; by default `ISE_API_KEY`.
        """
        self._connection = Connection(
            url or os.environ.get("ISE_QUERY_URL") or _URL, key or os.environ.get("ISE_API_KEY")
        )

    def send(self, call: Call[T]) -> T:
        """Send a call of `shared.clients`, for what has no method here."""
        return self._connection.send(call)

    def search(
        self,
        *,
        term: str | None = None,
        image: Picture | None = None,
        id: str | None = None,  # noqa: A002
        vector: Sequence[float] | None = None,
        parts: Sequence[Mapping[str, Any]] | None = None,
        limit: int = 10,
        filter: Filter | Mapping[str, Any] | None = None,  # noqa: A002
        **options: Any,
    ) -> SearchResponse:
        """Search by exactly one of a term, a picture, an image's id, a vector, or `parts`.

        options: further fields of a search, such as `recall_target`, `exact`, `min_probability`,
        `sort`, `cursor`. An `image` among the `parts` may be a path, too.
        Raises InvalidInput, NotFound, Unavailable.
        """
        given: dict[str, Any] = {"term": term, "id": id, "vector": vector, "parts": parts}
        given["image"] = None if image is None else bytes_of(image)
        if sum(value is not None for value in given.values()) != 1:
            raise InvalidInput("Give exactly one of term, image, id, vector and parts.")
        if parts is not None:
            given["parts"] = [_read(part) for part in parts]
        if filter is not None:
            options["filter"] = _plain(filter)
        return self.send(query.search(limit=limit, **given, **options))

    def similar(self, image_id: str, limit: int = 10, **options: Any) -> SearchResponse:
        """Find images like an indexed one, which is itself left out. Raises NotFound."""
        return self.send(query.find_similar_images(image_id, limit=limit, **options))

    def image(self, image_id: str) -> ImageInfo:
        """Return what is known of an image. Raises NotFound."""
        return self.send(query.get_image(image_id))

    def images(
        self,
        sort: Sort = Sort.NEWEST_ADDED,
        limit: int = 100,
        cursor: str | None = None,
        filter: Filter | Mapping[str, Any] | None = None,  # noqa: A002
    ) -> Images:
        """List all images, a page at a time; `next` of a page is the `cursor` of the following."""
        wanted = None if filter is None else made(Filter, **_plain(filter))
        return self.send(browsing.list_images(sort, limit, cursor, wanted))

    def file(self, image_id: str) -> bytes:
        """Return the bytes of an image's file. Raises NotFound."""
        return self.send(indexer.get_image_file(image_id))[0]

    def thumbnail(self, image_id: str) -> bytes:
        """Return a small JPEG of an image. Raises NotFound."""
        return self.send(query.get_thumbnail(image_id))

    def tags(self, match: str = "", limit: int = 20) -> Tags:
        """List tags with counts: all of them, or those with a word that begins with `match`."""
        return self.send(query.list_tags(match=match, limit=limit))

    def stats(self) -> Stats:
        """Return the figures of the collection, its model and its measured recall."""
        return self.send(query.get_stats())

    def add(
        self,
        *pictures: Picture,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> Added:
        """Upload pictures; they are searchable when this returns.

        tags, metadata: those of all of them. One bad file never fails the others: see `items`.
        """
        files = [(_name(one, number), bytes_of(one)) for number, one in enumerate(pictures, 1)]
        return self.send(indexer.add_images(files, tags, json.dumps(dict(metadata or {}))))

    def update(
        self,
        image_id: str,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Image:
        """Replace the tags or the metadata of an image. Raises NotFound."""
        replaced = made(
            ImagePatch,
            tags=None if tags is None else list(tags),
            metadata=None if metadata is None else dict(metadata),
        )
        return self.send(indexer.patch_image(image_id, replaced))

    def tag(self, ids: Sequence[str], *tags: str) -> Changed:
        """Add tags to images; `undo` of the answer takes it back."""
        request = made(BulkRequest, ids=list(ids), add_tags=list(tags))
        return self.send(curation.change_images(request))

    def untag(self, ids: Sequence[str], *tags: str) -> Changed:
        """Remove tags from images; `undo` of the answer takes it back."""
        request = made(BulkRequest, ids=list(ids), remove_tags=list(tags))
        return self.send(curation.change_images(request))

    def delete(self, image_id: str) -> Deleted:
        """Delete an image: out of every answer at once, in the trash for a while."""
        return self.send(indexer.delete_image(image_id))

    def undo(self, token: str) -> Undone:
        """Take back a change by the `undo` of its answer."""
        return self.send(curation.undo_change(token))

    def ingest(self, source: str | Path, *, wait: bool = True, **options: Any) -> Job:
        """Add a folder, an archive, a manifest or a URL, and build the index.

        source: a path on the engine's machine. options: fields of an ingest, such as `tags_from`,
        `sync`, `exclude`. With `wait`, returns when the job has succeeded; raises Conflict where it
        was cancelled, ISEError where it failed.
        """
        job = self.send(indexer.ingest(made(IngestRequest, source=str(source), **options)))
        return self.wait(job) if wait else job

    def build(self, *, wait: bool = True, **options: Any) -> Job:
        """Cluster anew and publish. options: `clusters`, `metric`, `transform`."""
        job = self.send(indexer.build_index(made(BuildSettings, **options)))
        return self.wait(job) if wait else job

    def job(self, job_id: str) -> Job:
        """Return the state and progress of a job. Raises NotFound."""
        return self.send(indexer.get_job(job_id))

    def wait(self, job: Job) -> Job:
        """Return a job when it has succeeded. Raises Conflict, ISEError."""
        while not job.state.ended:
            time.sleep(_POLL_S)
            job = self.job(job.id)
        if job.state is JobState.CANCELLED:
            raise Conflict(f"Job {job.id} was cancelled.")
        if job.state is JobState.FAILED:
            raise ISEError(job.error or f"Job {job.id} failed and gave no reason.")
        return job

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def bytes_of(picture: Picture) -> bytes:
    """Return the bytes of a picture. Raises InvalidInput if its file can't be read."""
    if isinstance(picture, bytes):
        return picture
    try:
        return Path(picture).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{picture} can't be read: {error.strerror or error}.") from error


def _read(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a search with the bytes of its picture."""
    return {**part, "image": bytes_of(part["image"])} if "image" in part else dict(part)


def _plain(wanted: Filter | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(wanted, Filter):
        return wanted.model_dump(mode="json", exclude_defaults=True)
    return dict(wanted)


def _name(picture: Picture, number: int) -> str:
    return f"picture {number}" if isinstance(picture, bytes) else Path(picture).name
