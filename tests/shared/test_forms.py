"""Names of files in multipart forms."""

import pytest
from fastapi import APIRouter, UploadFile
from fastapi.testclient import TestClient
from python_multipart.multipart import parse_options_header

from shared.web.admission import FILE, admits
from shared.web.forms import with_filename
from shared.web.keys import Scope
from shared.web.scoped import ScopedRoute, needs


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (b"form-data; name=\"file\"; filename*=UTF-8''caf%C3%A9%20%22x%22.png", 'café "x".png'),
        (b"form-data; name=\"file\"; filename*=ISO-8859-1'en'caf%E9.png", "café.png"),
        (b'form-data; name="file"; filename*0="long-"; filename*1="name.png"', "long-name.png"),
        (b'form-data; name="file"; filename="a.png"; filename*=UTF-8\'\'b.png', "a.png"),
        (b'form-data; name="file"; filename="*.png"', "*.png"),
    ],
)
def test_a_file_may_be_named_by_either_parameter(said, name):
    options = parse_options_header(with_filename(said))[1]
    assert options[b"filename"].decode() == name


def test_a_field_stays_a_field():
    said = b'form-data; name="a*b"'
    assert with_filename(said) == said


@pytest.mark.parametrize("parameter", ["filename*=UTF-8''caf%C3%A9.png", 'filename="café.png"'])
def test_a_part_with_a_name_of_either_kind_is_a_file(service, parameter):
    router = APIRouter(route_class=ScopedRoute)

    @router.post("/")
    @needs(Scope.READ)
    @admits(FILE)
    async def take(file: UploadFile) -> dict[str, str]:
        return {"name": file.filename or "", "data": (await file.read()).decode()}

    app = service()
    app.include_router(router)
    body = (
        f'--x\r\nContent-Disposition: form-data; name="file"; {parameter}\r\n\r\nbytes\r\n--x--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = TestClient(app, "http://localhost").post("/", content=body.encode(), headers=headers)
    assert answer.json() == {"name": "café.png", "data": "bytes"}
