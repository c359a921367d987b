"""Videos in a collection: a poster, facts, and a file that players can seek in."""

import io

import pytest

from shared.clients import indexer
from shared.media.identity import content_id
from shared.media.images import decode
from tests.shared.raw_files import corners
from tests.shared.video_files import turned, video


@pytest.fixture(scope="module")
def clip():
    return turned(video("MP4", seconds=2), 1)


def test_a_video_is_one_picture_found_by_its_poster(service, folder_of, clip):
    root = folder_of({"clip.mp4": clip, "2.png": 5, "3.png": 6, "broken.mp4": clip[:300]})
    job = service.ingest(root)
    assert (job.result["embedded"], job.result["failed"]) == (3, 1)
    its = content_id(clip)
    image = service.send(indexer.get_image(its))
    assert (image.file.format, image.file.width, image.file.height) == ("MP4", 128, 192)
    assert image.file.duration_s == pytest.approx(2, abs=0.1)
    thumbnail, media_type = service.send(indexer.get_thumbnail(its))
    poster = decode(thumbnail)
    assert (media_type, poster.size, corners(poster)) == ("image/jpeg", (128, 192), "br-g")
    out = io.BytesIO()
    poster.save(out, "PNG")
    assert service.found(out.getvalue(), limit=1) == [its]
    # By the video itself, too.
    assert service.found(clip, limit=1) == [its]


def test_a_part_of_a_video_is_sent_to_players(service, folder_of, clip):
    service.ingest(folder_of({"clip.mp4": clip, "2.png": 5}))
    asked = indexer.get_picture(content_id(clip), "file", headers={"Range": "bytes=100-199"})
    found = service.send(asked)
    assert (found.status_code, found.content) == (206, clip[100:200])
    assert found.headers["Content-Type"] == "video/mp4"
    assert found.headers["Content-Range"] == f"bytes 100-199/{len(clip)}"
