"""Pictures that are kept for a while to be searched by: for how long, how many, over HTTP."""

import pytest

from services.query.answering.uploads import Uploads
from shared.core.errors import NotFound, TooLarge


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_picture_is_kept_for_its_time_and_no_longer(clock: Clock) -> None:
    uploads = Uploads(100, 60, clock)
    first, kept = uploads.keep(b"first")
    assert kept.expires_at == "1970-01-01T00:17:40+00:00"
    clock.now += 59
    second, _ = uploads.keep(b"second")
    assert uploads.data(first) == b"first"
    clock.now += 1
    with pytest.raises(NotFound, match="has expired"):
        uploads.data(first)
    assert uploads.data(second) == b"second"


def test_the_oldest_go_where_there_is_no_room(clock: Clock) -> None:
    uploads = Uploads(10, 60, clock)
    ids = [uploads.keep(bytes(4))[0] for _ in range(3)]
    with pytest.raises(NotFound):
        uploads.data(ids[0])
    assert [uploads.data(one) for one in ids[1:]] == [bytes(4)] * 2
    last, _ = uploads.keep(bytes(10))
    assert uploads.data(last) == bytes(10)
    with pytest.raises(NotFound):
        uploads.data(ids[2])
    with pytest.raises(TooLarge, match="ISE_UPLOADS_BYTES"):
        uploads.keep(bytes(11))
    assert uploads.data(last) == bytes(10)


def test_ids_of_the_same_picture_differ_and_are_long(clock: Clock) -> None:
    uploads = Uploads(100, 60, clock)
    ids = {uploads.keep(b"same")[0] for _ in range(20)}
    assert len(ids) == 20
    assert all(len(one) >= 32 for one in ids)


def kept(service, data: bytes) -> str:
    answer = service.send("POST", "/v1/uploads", files={"file": ("a.jpg", data)})
    assert answer.status_code == 200
    return answer.json()["id"]


def test_an_upload_is_searched_by_as_the_picture_itself(filled):
    upload = kept(filled, b"img-009")
    by_upload = filled.search(upload=upload, limit=5)
    by_picture = filled.upload(b"img-009", limit=5)
    assert [hit["id"] for hit in by_upload["hits"]] == [hit["id"] for hit in by_picture["hits"]]
    assert by_upload["hits"][0]["id"] == "img-009"
    parts = [{"upload": upload, "weight": 2}, {"id": "img-004", "weight": -1}]
    hits = filled.search(parts=parts, limit=5)["hits"]
    assert "img-004" not in [hit["id"] for hit in hits]


def test_an_upload_can_be_seen_again_and_is_run_by_no_browser(filled):
    answer = filled.send("GET", f"/v1/uploads/{kept(filled, b'<script>')}")
    assert answer.content == b"<script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_an_upload_that_is_gone_says_which_and_what_to_do(filled):
    for answer in (
        filled.send("GET", "/v1/uploads/gone"),
        filled.send("POST", "/v1/search", json={"upload": "gone"}),
        filled.send("POST", "/v1/search", json={"parts": [{"upload": "gone"}, {"id": "img-001"}]}),
    ):
        assert answer.status_code == 404
        assert answer.json()["upload"] == "gone"
        assert answer.json()["detail"].endswith("Choose the picture again.")


def test_in_a_batch_each_upload_is_told_of_alone(filled):
    upload = kept(filled, b"img-009")
    searches = [{"upload": upload, "limit": 1}, {"upload": "gone"}]
    answer = filled.send("POST", "/v1/search/batch", json={"searches": searches}).json()
    good, bad = answer["answers"]
    assert good["answer"]["hits"][0]["id"] == "img-009"
    assert bad["problem"]["status"] == 404
