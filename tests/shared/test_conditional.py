"""HEAD, ETag, If-None-Match, Range and If-Range, in process over the real middleware."""

import asyncio
import io
from datetime import UTC, datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from shared.web.conditional import ConditionalMiddleware, etag_of, matches, part_of
from shared.web.file_answer import FileAnswer
from shared.web.media import disposition, validators

DATA = bytes(range(256)) * 40
HEADERS = validators(etag_of(DATA), datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC))
ETAG, MODIFIED = HEADERS["ETag"], HEADERS["Last-Modified"]


async def whole(_):
    return Response(DATA, media_type="image/png", headers={**HEADERS, "Cache-Control": "private"})


async def streamed(_):
    """From an open file, some bytes at a time."""
    file = io.BytesIO(DATA)
    chunks = iter(lambda: file.read(1000), b"")
    headers = {**HEADERS, "Content-Length": str(len(DATA))}
    return StreamingResponse(chunks, media_type="image/png", headers=headers)


class Seeking:
    """An open file that notes what is read of it."""

    size, media_type = len(DATA), "image/png"

    def __init__(self):
        self.read_at, self.is_closed = [], False

    def read(self, start, size):
        self.read_at.append(range(start, start + size))
        return DATA[start : start + size]

    def close(self):
        self.is_closed = True


SEEKING = Seeking()


async def sought(_):
    SEEKING.__init__()
    return FileAnswer(SEEKING, HEADERS)


async def endless(request):
    async def chunks():
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        finally:
            request.app.state.ended = True

    return StreamingResponse(chunks())


async def plain(_):
    return Response(DATA)


APP = Starlette(
    routes=[
        Route("/whole", whole),
        Route("/streamed", streamed),
        Route("/sought", sought),
        Route("/endless", endless),
        Route("/plain", plain),
    ]
)
APP.add_middleware(ConditionalMiddleware)


def ask(path, method="GET", **headers):
    async def answer():
        transport = httpx.ASGITransport(APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers=named)

    return asyncio.run(answer())


@pytest.fixture(params=["/whole", "/streamed", "/sought"])
def path(request):
    return request.param


def test_all_of_it_is_sent_to_who_asks_for_all(path):
    answer = ask(path)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["accept-ranges"] == "bytes"
    assert (answer.headers["etag"], answer.headers["last-modified"]) == (ETAG, MODIFIED)


@pytest.mark.parametrize("given", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"])
def test_who_has_it_is_sent_nothing(path, given):
    answer = ask(path, if_none_match=given)
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == ETAG
    assert "content-length" not in answer.headers
    assert "content-type" not in answer.headers
    assert ask(path, "HEAD", if_none_match=given).status_code == 304


def test_if_none_match_goes_before_if_modified_since(path):
    assert ask(path, if_modified_since=MODIFIED).status_code == 304
    answer = ask(path, if_none_match='"other"', if_modified_since=MODIFIED)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert ask(path, if_modified_since="Mon, 01 Jan 2024 00:00:00 GMT").status_code == 200
    assert ask(path, if_modified_since="yesterday").status_code == 200
    assert ask(path, if_modified_since=f"Mon, 01 Jan 2024 00:00:00 +{'9' * 20}").status_code == 200


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=990-2010", 990, 2010),
        ("bytes=10000-", 10000, 10239),
        ("bytes=-5", 10235, 10239),
        ("bytes=-99999", 0, 10239),
        ("bytes=5-99999", 5, 10239),
        ("BYTES = 3 - 4", 3, 4),
    ],
)
def test_a_part_is_sent_alone(path, asked, first, last):
    answer = ask(path, range=asked)
    assert (answer.status_code, answer.content) == (206, DATA[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert answer.headers["content-length"] == str(last + 1 - first)
    head = ask(path, "HEAD", range=asked)
    assert (head.status_code, head.content) == (206, b"")
    assert head.headers["content-range"] == answer.headers["content-range"]


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ({"range": "bytes=9000-9009"}, [range(9000, 9010)]),
        ({"range": "bytes=-1"}, [range(10239, 10240)]),
        ({}, [range(10240)]),
        ({"range": "bytes=10240-"}, []),
        ({"if_none_match": ETAG}, []),
        ({"range": "bytes=1-2", "method": "HEAD"}, []),
    ],
)
def test_no_more_of_a_file_is_read_than_is_sent(asked, read):
    ask("/sought", **asked)
    assert (SEEKING.read_at, SEEKING.is_closed) == (read, True)


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_part_that_there_is_not_is_refused_with_the_size(path, asked):
    answer = ask(path, range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */10240"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 416


@pytest.mark.parametrize(
    "asked", ["bytes=5-4", "bytes=0-1,5-6", "lines=1-2", "bytes", "bytes=-", "bytes=a-b", ""]
)
def test_what_cannot_be_read_as_one_part_gets_all(path, asked):
    answer = ask(path, range=asked)
    assert (answer.status_code, answer.content) == (200, DATA)


def test_if_range_sends_all_of_what_has_changed(path):
    assert ask(path, range="bytes=0-1", if_range=ETAG).status_code == 206
    # A date is no proof where there is a tag: another file of the image may have the same one.
    for other in (f"W/{ETAG}", '"other"', MODIFIED):
        answer = ask(path, range="bytes=0-1", if_range=other)
        assert (answer.status_code, answer.content) == (200, DATA)


def test_head_has_the_headers_of_get(path):
    get, head = ask(path), ask(path, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(get.headers)


def test_head_ends_a_stream_that_would_go_on():
    APP.state.ended = False
    assert ask("/endless", "HEAD").content == b""
    assert APP.state.ended


def test_what_names_no_tag_and_no_ranges_is_sent_as_ever():
    assert ask("/plain", if_none_match="*", range="bytes=0-1").content == DATA


def test_an_empty_file_has_no_part():
    assert part_of("bytes=0-", 0) == range(0)
    assert not part_of("bytes=-5", 0)


def test_entity_tags_may_hold_commas():
    assert matches('"a,b", "c"', '"c"')
    assert matches('"a,b"', '"a,b"')
    assert not matches('"a,b"', '"b"')
    assert not matches("", '"b"')


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat.jpg", 'inline; filename="cat.jpg"'),
        ("pets/my cat.jpg", 'inline; filename="my cat.jpg"'),
        ("Käse.png", "inline; filename=\"Kase.png\"; filename*=UTF-8''K%C3%A4se.png"),
        ("猫.png", "inline; filename=\".png\"; filename*=UTF-8''%E7%8C%AB.png"),
        ('a"b;c%20.jpg', "inline; filename=\"a_b_c_20.jpg\"; filename*=UTF-8''a%22b%3Bc%2520.jpg"),
        ("a\r\nSet-Cookie: x.jpg", 'inline; filename="aSet-Cookie: x.jpg"'),
        ("\udcff\u202e.jpg", 'inline; filename="jpg"'),
        ("", 'inline; filename="picture"'),
        ("..", 'inline; filename="picture"'),
    ],
)
def test_a_name_of_any_characters_fits_into_the_header(name, expected):
    assert disposition(name) == expected
    disposition(name).encode("latin-1")
    assert len(disposition(name * 1000)) < 4000
