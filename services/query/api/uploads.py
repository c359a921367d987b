"""Uploaded query pictures, stored for a while, so that their searches have an address."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile
from pydantic import ConfigDict, Field

from services.query.answering.uploads import Uploads
from services.query.api.search import check_size
from shared.contracts.base import Wire
from shared.contracts.query import Uploaded
from shared.web.admission import FILE, admits
from shared.web.conditional import etag_of
from shared.web.keys import Scope
from shared.web.media import FENCED, MANNERS, OCTETS, validators
from shared.web.problems import FILE_TOO_LARGE, NO_UPLOAD, OUTSIDE_RANGE, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(prefix="/v1/uploads", tags=["search"], route_class=ScopedRoute)


class UploadForm(Wire):
    """A picture to keep."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"file": "a.jpg"}]})

    file: UploadFile = Field(description="An image file.")


@router.post(
    "",
    summary="Store a picture temporarily to search by it",
    responses=problems(FILE_TOO_LARGE),
)
@needs(Scope.READ)
@admits(FILE)
async def keep_upload(
    request: Request, form: Annotated[UploadForm, Form(media_type="multipart/form-data")]
) -> Uploaded:
    """Store a picture for a limited time and return an id to search by as `upload`. Anyone who has
    the id can search by the picture and see it.
    """
    check_size(request, form.file.size or 0)
    upload_id, upload = _uploads(request).keep(await form.file.read())
    return Uploaded(id=upload_id, expires_at=upload.expires_at)


@router.get(
    "/{upload_id}",
    summary="Get a temporarily stored picture",
    response_class=Response,
    responses=OCTETS | MANNERS | problems(NO_UPLOAD, OUTSIDE_RANGE),
)
@needs(Scope.READ)
async def get_upload(request: Request, upload_id: str) -> Response:
    """Return the bytes as they were sent, without a content type: the file has not been checked, so
    a browser must not display it as a page.
    """
    data = _uploads(request).data(upload_id)
    # An id always stands for one picture.
    headers = FENCED | validators(etag_of(upload_id.encode()))
    return Response(data, media_type="application/octet-stream", headers=headers)


def _uploads(request: Request) -> Uploads:
    found: Uploads = request.app.state.uploads
    return found
