"""The files and the thumbnails of images."""

import io
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from shared.clients import indexer
from shared.contracts.indexer import ImagePatch
from shared.core.errors import BadImage, NotFound


def test_a_thumbnail_is_a_small_jpeg(service, picture):
    [item] = service.add(picture(0, size=(900, 300)))
    data, media_type = service.send(indexer.get_thumbnail(item.id))
    assert media_type == "image/jpeg"
    with Image.open(io.BytesIO(data)) as small:
        assert (small.format, small.size) == ("JPEG", (320, 107))
    assert service.send(indexer.get_thumbnail(item.id))[0] == data


def test_the_limit_of_pixels_is_that_of_thumbnails_too(start, picture):
    with start(max_pixels=50 * 40) as service:
        fits, over = service.add(picture(0, size=(50, 40)), picture(1, size=(50, 41)))
        assert service.send(indexer.get_thumbnail(fits.id))
        with pytest.raises(BadImage, match=r"50 x 41 .* \(ISE_MAX_PIXELS\)"):
            service.send(indexer.get_thumbnail(over.id))


def as_file(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["uint8", "uint16", "int32", "float32"])
def test_a_thumbnail_of_many_bits_shows_the_whole_range(service, mode):
    top = {"uint8": 255, "float32": 1}.get(mode, 65535)
    grey = np.linspace(0, top, 4096).reshape(64, 64).astype(mode)
    [item] = service.add(as_file(Image.fromarray(grey), "TIFF"))
    with Image.open(io.BytesIO(service.send(indexer.get_thumbnail(item.id))[0])) as small:
        low, high = small.convert("L").getextrema()
        assert low < 20
        assert high > 235
        assert 100 < np.asarray(small.convert("L")).mean() < 155


def test_a_thumbnail_is_upright_and_on_white(service):
    turned = Image.new("RGB", (40, 20))
    exif = turned.getexif()
    exif[0x0112] = 6
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    first, second = service.add(as_file(turned, "JPEG", exif=exif), as_file(clear, "PNG"))
    with Image.open(io.BytesIO(service.send(indexer.get_thumbnail(first.id))[0])) as small:
        assert small.size == (20, 40)
    with Image.open(io.BytesIO(service.send(indexer.get_thumbnail(second.id))[0])) as small:
        assert small.convert("L").getextrema()[0] > 250


def test_files_are_served_so_that_a_browser_runs_nothing(service, picture):
    [item] = service.add(picture(0, "WEBP"))
    for what, kind in (("file", "image/webp"), ("thumbnail", "image/jpeg")):
        answer = service.http.get(f"/v1/images/{item.id}/{what}")
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]


def test_a_file_that_was_changed_since_is_not_passed_off_as_the_image(service, folder_of):
    root = folder_of({"dog/a.png": 1})
    service.ingest(root, build=False)
    [image_id] = service.tagged("dog")
    assert service.send(indexer.get_image_file(image_id))[1] == "image/png"
    (root / "dog/a.png").write_bytes(b"something else")
    for call in (indexer.get_image_file, indexer.get_thumbnail):
        with pytest.raises(NotFound, match="missing or has changed"):
            service.send(call(image_id))


def test_uploads_are_served_from_a_data_directory_that_was_copied(service, start, picture):
    [item] = service.add(picture(0))
    [kept] = [p for p in (service.data / "images" / "uploads").rglob("*") if p.is_file()]
    kept.write_bytes(picture(0))  # as a restored copy: the same bytes, another time
    assert service.send(indexer.get_image_file(item.id))[0] == picture(0)


def test_nobody_is_not_found(service):
    for call in (
        indexer.get_image("nobody"),
        indexer.delete_image("nobody"),
        indexer.patch_image("nobody", ImagePatch(tags=["x"])),
        indexer.get_image_file("nobody"),
        indexer.get_thumbnail("nobody"),
    ):
        with pytest.raises(NotFound, match="no image 'nobody'"):
            service.send(call)


@pytest.mark.parametrize("what", ["file", "thumbnail"])
@pytest.mark.parametrize("by_way_of", ["indexer", "query"])
def test_pictures_are_cached_by_their_content_and_sent_in_parts(service, picture, what, by_way_of):
    [item] = service.add(("Käse 1.png", picture(0, size=(900, 300))))
    http = service.http if by_way_of == "indexer" else service.query_http
    path = f"/v1/images/{item.id}/{what}"
    whole = http.get(path)
    tag = whole.headers["etag"]
    assert whole.headers["cache-control"].startswith("private")
    # A cached file must not serve whoever has another key, or another cookie for it.
    assert whole.headers["vary"].startswith("Authorization")
    assert whole.headers["x-content-type-options"] == "nosniff"
    known = http.get(path, headers={"If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    part = http.get(path, headers={"Range": "bytes=5-9", "If-Range": tag})
    assert (part.status_code, part.content) == (206, whole.content[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(whole.content)}"
    beyond = http.get(path, headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    head = http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]
    if what == "file":
        assert tag == f'"{sha256(picture(0, size=(900, 300))).hexdigest()}"'
        assert "filename*=UTF-8''K%C3%A4se%201.png" in whole.headers["content-disposition"]
        assert "last-modified" in whole.headers
    service.send(indexer.delete_image(item.id))
    for gone in (http.head(path), http.get(path, headers={"If-None-Match": tag})):
        assert gone.status_code == 404


def test_head_is_answered_wherever_a_user_would_ask(service, picture):
    [item] = service.add((picture(0)), tags=["castle"])
    for http in (service.http, service.query_http):
        for path in ("/health", "/ready", "/v1/stats", f"/v1/images/{item.id}"):
            assert (http.head(path).status_code, http.head(path).content) == (200, b""), path
    for path in ("/v1/search?term=castle", "/v1/tags", "/", "/collection", "/v1/jobs"):
        assert service.query_http.head(path).status_code == 200, path


def test_stats_that_have_not_changed_are_not_sent_again(service, picture):
    service.add(picture(0))
    first = service.query_http.get("/v1/stats")
    again = service.query_http.get("/v1/stats", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    service.add(picture(1))
    later = service.query_http.get("/v1/stats", headers={"If-None-Match": first.headers["etag"]})
    assert later.json()["images"] == 2
