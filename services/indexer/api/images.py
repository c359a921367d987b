"""Adding, reading, retagging and deleting images."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile
from pydantic import ConfigDict, Field

from services.indexer.catalog.locations import Place
from services.indexer.container import SPOOL_FOLDER, Container, container
from services.indexer.ingest.uploads import Upload
from services.indexer.sources.annotations import parse_metadata, parse_tags
from services.indexer.sources.sidecar import is_sidecar, owners_of
from shared.contracts import annotations
from shared.contracts.base import Wire
from shared.contracts.facts import facts_of
from shared.contracts.indexer import (
    Added,
    AddedItem,
    AddState,
    Deleted,
    Image,
    ImagePatch,
    Shapes,
    ShapesRequest,
)
from shared.core.budget import MIB, charge
from shared.core.errors import BadImage, InvalidInput, NotFound, TooLarge, Unavailable
from shared.media.xmp import LONGEST
from shared.terms.tag_list import split_tags
from shared.web import links
from shared.web.admission import FORM, JSON, Gates, admits
from shared.web.callers import original_caller
from shared.web.conditional import etag_of, matches
from shared.web.file_answer import FileAnswer
from shared.web.keys import Scope
from shared.web.media import FENCED, IMAGE, JPEG, FileUri, disposition, validators
from shared.web.problems import (
    BAD_IMAGE,
    BUSY,
    DISK_FULL,
    DRIFTED,
    EXTERNAL_VECTORS,
    NO_EMBEDDER,
    NO_IMAGE,
    OTHER_MODEL,
    OUTSIDE_RANGE,
    SOURCE_AWAY,
    TOO_MANY_FILES,
    problems,
)
from shared.web.scoped import ScopedRoute, needs
from shared.web.spooled_answer import SpooledFile
from shared.web.write_log import tell

router = APIRouter(prefix="/v1/images", tags=["images"], route_class=ScopedRoute)
Here = Annotated[Container, Depends(container)]

_IN_MEMORY = 4 * MIB
"""Bytes of a file up to which it is read into memory to be sent."""
_VERIFYING_S = 5.0
"""Time for which a request waits while its file is verified."""


class AddForm(Wire):
    """Pictures to add, with annotations that apply to all of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "files": ["castle.jpg", "garden.png"],
                    "tags": "trip,favourite",
                    "metadata": '{"album": "summer"}',
                }
            ]
        }
    )

    files: list[UploadFile] = Field(min_length=1, description="Image files.")
    tags: str = Field(
        "",
        description="Comma-separated; a tag with a comma in it stands in double quotes: "
        f'`castle,"Portland, Oregon"`. {annotations.TAGS_DESCRIPTION}',
    )
    metadata: str = Field("{}", description=annotations.METADATA_DESCRIPTION)


@router.post(
    "",
    summary="Add pictures and wait until they are searchable",
    responses=links.to("image_id", "/items/0/id", "get_image", "patch_image", "delete_image")
    | problems(
        OTHER_MODEL, DRIFTED, EXTERNAL_VECTORS, TOO_MANY_FILES, BUSY, NO_EMBEDDER, DISK_FULL
    ),
)
@needs(Scope.WRITE)
@admits(FORM)
def add_images(
    call: Request,
    here: Here,
    form: Annotated[AddForm, Form(media_type="multipart/form-data")],
) -> Added:
    """Store and index the pictures with their tags and metadata. A picture that can't be read is
    reported in its item; the others are added.
    """
    files = form.files
    if len(files) > here.settings.max_upload_files:
        raise TooLarge(f"At most {here.settings.max_upload_files} files a call.")
    wanted = parse_tags(split_tags(form.tags))
    metadata = parse_metadata(form.metadata)
    limit = here.settings.max_image_bytes
    refused: dict[int, AddedItem] = {}
    uploads: list[Upload] = []
    names = [file.filename or f"upload-{index}" for index, file in enumerate(files)]
    owners = owners_of(names)
    sidecars: dict[str, bytes] = {}
    for index, (name, file) in enumerate(zip(names, files, strict=True)):
        if is_sidecar(name):
            if (owner := owners.get(name)) is None:
                refused[index] = _alone(name)
            else:
                sidecars[owner] = file.file.read(LONGEST + 1)
            continue
        if (fault := name_fault(name)) is not None:
            refused[index] = AddedItem(
                name=annotations.shown(name), id=None, state=AddState.FAILED, error=fault
            )
        elif (file.size or 0) > limit:
            reason = f"The file is over the limit of {limit / 2**20:g} MiB (ISE_MAX_IMAGE_BYTES)."
            refused[index] = AddedItem(name=name, id=None, state=AddState.FAILED, error=reason)
        else:
            uploads.append(Upload(name, file.file, file.size or 0))
    added = here.additions.add(uploads, wanted, metadata, sidecars)
    by_name = {item.name: item for item in added.items}
    answered = iter(added.items)
    items = [
        refused.get(index)
        or (_beside(name, by_name.get(owners[name])) if is_sidecar(name) else next(answered))
        for index, name in enumerate(names)
    ]
    ids = [item.id for item in items if item.id]
    tell(call, ids=ids, failed=len(items) - len(ids))
    return Added(items=items, snapshot=added.snapshot)


def _alone(name: str) -> AddedItem:
    why = "There is no picture of this name beside this XMP file; send both in one call."
    return AddedItem(name=annotations.shown(name), id=None, state=AddState.FAILED, error=why)


def _beside(name: str, picture: AddedItem | None) -> AddedItem:
    """Return the result of a sidecar: it went with its picture, or its picture failed."""
    if picture is None or picture.id is None:
        return _alone(name)
    note = f"Its facts are those of {picture.name} now."
    return AddedItem(name=name, id=picture.id, state=AddState.EXISTS, note=note)


@router.post("/shapes", summary="Get the aspect ratios of images")
@needs(Scope.READ)
@admits(JSON)
def get_image_shapes(here: Here, request: ShapesRequest) -> Shapes:
    """Return width divided by height of each image, so that a page can reserve space for it."""

    def ratio(image_id: str) -> float | None:
        try:
            width, height = here.files.shape(image_id, here.images.places(image_id))
        except (NotFound, BadImage, Unavailable):
            return None
        return round(width / height, 4)

    # Side by side, as each may be a file far away; and a few only, whoever asks for how many.
    return Shapes(ratios=list(here.side_by_side.map(ratio, request.ids)))


@router.get(
    "/{image_id:path}/file",
    summary="Get the original file of an image",
    response_class=Response,
    responses=IMAGE | problems(NO_IMAGE, OUTSIDE_RANGE, SOURCE_AWAY),
)
@needs(Scope.READ)
def get_image_file(here: Here, request: Request, image_id: str, uri: FileUri = None) -> Response:
    """Return the unchanged file. Range and conditional requests are supported. Of a RAW and its
    JPEG, which are one image, the JPEG, unless `uri` names the other.
    """
    row, _ = here.images.get(image_id)
    places = here.images.places(image_id)
    if uri is not None:
        places = [place for place in places if place.uri == uri]
        if not places:
            raise NotFound(f"Image {image_id!r} has no file {annotations.shown(uri)!r}.")
    created = datetime.fromisoformat(row.created_at)
    wanted = request.headers.get("if-none-match", "")
    shown = next((place for place in places if place.has_file), None)
    if shown is not None:
        headers = _headers(shown, created)
        if matches(wanted, headers["ETag"]):
            # The bytes of a file of an image never change, so it need not be read.
            del headers["Content-Disposition"]
            return Response(status_code=304, headers=headers)
        if shown.bytes > _IN_MEMORY:
            sender, caller = here.files.sender, original_caller(request.scope)
            if (opened := sender.opened(image_id, places, _VERIFYING_S, caller)) is not None:
                file, place = opened
                return FileAnswer(file, _headers(place, created))
            if (copied := _copied(here, request, image_id, shown)) is not None:
                return copied.response(headers)
    # A slow reader keeps it in memory.
    charge(max((place.bytes for place in places), default=0) or row.bytes or 0)
    data, media_type, found = here.files.read_one(image_id, places)
    return Response(data, media_type=media_type, headers=_headers(found, created))


def _headers(place: Place, created: datetime) -> dict[str, str]:
    told = {"Content-Disposition": disposition(place.uri)}
    return FENCED | validators(f'"{place.sha256}"', created) | told


def _copied(here: Container, request: Request, image_id: str, place: Place) -> "SpooledFile | None":
    """Return a copy on disk of a file elsewhere, of which little is in memory while it is sent.

    None: its source gives it only as a whole. Raises Overloaded where the spool is full.
    """
    gates: Gates = request.app.state.gates
    return SpooledFile.of(
        gates.spool,
        place.bytes,
        str(here.settings.data_dir / SPOOL_FOLDER),
        lambda to: here.files.sender.copy(image_id, [place], to),
    )


@router.get(
    "/{image_id:path}/thumbnail",
    summary="Get a thumbnail of an image",
    response_class=Response,
    responses=JPEG | problems(NO_IMAGE, OUTSIDE_RANGE, BAD_IMAGE, SOURCE_AWAY, DISK_FULL),
)
@needs(Scope.READ)
def get_thumbnail(here: Here, image_id: str) -> Response:
    """Return a small JPEG of the upright image."""
    data = here.files.thumbnail(image_id, here.images.places(image_id))
    headers = FENCED | validators(etag_of(data))
    return Response(data, media_type="image/jpeg", headers=headers)


# Registered last, because an id may contain slashes.
@router.patch(
    "/{image_id:path}",
    summary="Replace an image's tags or metadata",
    responses=problems(NO_IMAGE, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def patch_image(call: Request, here: Here, image_id: str, patch: ImagePatch) -> Image:
    """Replace each given field as a whole; the other fields stay."""
    tell(call, ids=[image_id])
    tags = None if patch.tags is None else list(parse_tags(patch.tags))
    undo = here.editor.patch(image_id, tags, patch.metadata)
    return _shown(here, image_id, undo)


@router.delete(
    "/{image_id:path}",
    summary="Delete an image",
    responses=problems(NO_IMAGE, SOURCE_AWAY, DISK_FULL),
)
@needs(Scope.WRITE)
def delete_image(call: Request, here: Here, image_id: str) -> Deleted:
    """Remove the image from every answer at once; it lies in the trash for some days. It stays
    deleted after a rollback.
    """
    tell(call, ids=[image_id])
    undo = here.trash.delete_one(image_id)
    return Deleted(id=image_id, deleted=True, undo=undo)


@router.get(
    "/{image_id:path}",
    summary="Get an image's record",
    responses=problems(NO_IMAGE),
)
@needs(Scope.READ)
def get_image(here: Here, image_id: str) -> Image:
    """Return the tags, paths and metadata of an image."""
    return _shown(here, image_id)


def _shown(here: Container, image_id: str, undo: str | None = None) -> Image:
    row, found = here.images.get(image_id)
    item = found.presentable()
    return Image(
        id=item.id,
        tags=item.tags,
        uris=item.uris,
        metadata=item.metadata,
        sha256=row.sha256,
        bytes=row.bytes,
        created_at=row.created_at,
        added_at=row.created_at,
        file=facts_of(item.file),
        undo=undo,
        notes=item.notes or None,
    )


def name_fault(name: str) -> str | None:
    """Return the fault of an upload's name, in a sentence, or None."""
    try:
        annotations.check(uri=name)
    except InvalidInput as error:
        return error.detail
    return None
