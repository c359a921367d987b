"""A RAW and its JPEG are one picture with two files, whichever comes, goes or is deleted."""

import io
from pathlib import Path

import pytest

from services.indexer.sources.pairs import with_partners
from services.indexer.sources.source_file import SourceFile
from shared.clients import curation, indexer
from shared.contracts.indexer import ImagePatch
from shared.core.errors import NotFound
from shared.media.identity import content_id
from shared.media.images import decode
from shared.objects.file import LocalFile
from tests.shared.raw_files import dng, jpeg, nef, scene

JPEG, RAW = jpeg(scene(300, 200)), nef(scene(1200, 800))
OTHER = dng(scene(64, 96))


def file(name):
    return SourceFile(LocalFile(Path("/s") / name), name)


def test_files_of_one_folder_and_stem_are_partners():
    names = [
        "a/1.NEF",
        "a/1.jpg",
        "a/2.nef",
        "b/1.jpg",
        "a/3.HEIC",
        "a/3.dng",
        "a/4.png",
        "a/4.cr2",
    ]
    found = {one.uri: one.partner and one.partner.uri for one in with_partners([*map(file, names)])}
    pairs = {
        "a/1.NEF": "a/1.jpg",
        "a/1.jpg": "a/1.NEF",
        "a/3.HEIC": "a/3.dng",
        "a/3.dng": "a/3.HEIC",
    }
    assert found == dict.fromkeys(names) | pairs


def image(service, image_id):
    return service.send(indexer.get_image(image_id))


def content(service, image_id, uri=None):
    found = service.send(indexer.get_picture(image_id, "file", uri=uri))
    return found.content, found.headers["Content-Type"], found.headers["ETag"]


@pytest.fixture
def pair(service, folder_of):
    """A synced folder with a pair, which has a tag of its user, and another RAW."""
    root = folder_of({"1.nef": RAW, "1.jpg": JPEG, "2.dng": OTHER})
    service.ingest(root, sync=True)
    service.send(indexer.patch_image(content_id(JPEG), ImagePatch(tags=["mine"])))
    return root


def test_a_pair_is_one_picture_whose_jpeg_is_shown(service, pair):
    assert service.send(indexer.get_stats()).images == 2
    its = content_id(JPEG)
    assert image(service, its).uris == ["1.jpg", "1.nef"]
    assert content(service, its)[:2] == (JPEG, "image/jpeg")
    assert content(service, its, "1.nef")[:2] == (RAW, "image/x-nikon-nef")
    assert content(service, its)[2] != content(service, its, "1.nef")[2]
    with pytest.raises(NotFound):
        content(service, its, "2.dng")
    # The other RAW is a picture by itself, with a thumbnail.
    other = image(service, content_id(OTHER))
    assert (other.uris, other.file.format, other.file.camera) == (
        ["2.dng"],
        "DNG",
        "Test Camera One",
    )
    thumbnail, _ = service.send(indexer.get_thumbnail(other.id))
    assert decode(thumbnail).size == (64, 96)
    job = service.ingest(pair, sync=True)
    assert (job.result["embedded"], job.result["unchanged"], job.result["failed"]) == (0, 3, 0)
    again = service.ingest(pair)
    assert (again.result["embedded"], again.result["already_there"]) == (0, 3)


@pytest.mark.parametrize("goes", ["1.jpg", "1.nef"])
def test_when_one_goes_the_picture_stays(service, pair, goes):
    its, stays = content_id(JPEG), {"1.jpg": "1.nef", "1.nef": "1.jpg"}[goes]
    left = {"1.jpg": JPEG, "1.nef": RAW}
    (pair / goes).unlink()
    service.ingest(pair, sync=True)
    assert (image(service, its).uris, image(service, its).tags) == ([stays], ["mine"])
    assert content(service, its)[0] == left[stays]
    assert service.send(indexer.get_stats()).images == 2
    # When it is back, it is the same picture, too.
    (pair / goes).write_bytes(left[goes])
    service.ingest(pair, sync=True)
    assert (image(service, its).uris, image(service, its).tags) == (["1.jpg", "1.nef"], ["mine"])
    for uri in left:
        assert content(service, its, uri)[0] == left[uri]
    assert service.send(indexer.get_stats()).images == 2


def test_a_jpeg_that_comes_later_joins_the_raw(service, folder_of):
    root = folder_of({"1.nef": RAW, "2.dng": OTHER})
    service.ingest(root, sync=True)
    service.send(indexer.patch_image(content_id(RAW), ImagePatch(tags=["mine"])))
    folder_of({"1.jpg": JPEG})
    service.ingest(root, sync=True)
    its = image(service, content_id(RAW))
    assert (its.uris, its.tags) == (["1.jpg", "1.nef"], ["mine"])
    assert content(service, its.id)[0] == JPEG
    assert service.send(indexer.get_stats()).images == 2


def test_an_edited_jpeg_takes_its_raw_along(service, pair):
    edited = jpeg(scene(300, 200).rotate(180))
    (pair / "1.jpg").write_bytes(edited)
    job = service.ingest(pair, sync=True)
    assert (job.result["embedded"], job.result["failed"]) == (1, 0)
    assert image(service, content_id(edited)).uris == ["1.jpg", "1.nef"]
    assert content(service, content_id(edited), "1.nef")[0] == RAW
    assert service.send(indexer.get_stats()).images == 2


def test_a_delete_takes_both_and_a_restore_brings_both_back(service, pair):
    its = content_id(JPEG)
    service.send(indexer.delete_image(its))
    assert service.ingest(pair, sync=True).result["dismissed"] == 2
    assert service.send(indexer.get_stats()).images == 1
    service.send(curation.restore_images([its]))
    assert image(service, its).uris == ["1.jpg", "1.nef"]
    assert content(service, its, "1.nef")[0] == RAW
    assert content(service, its)[0] == JPEG


def test_a_raw_whose_jpeg_is_damaged_is_a_picture_by_itself(service, folder_of):
    root = folder_of({"1.nef": RAW, "1.jpg": b"\xff\xd8\xff no picture", "2.dng": OTHER})
    job = service.ingest(root)
    assert (job.result["embedded"], job.result["failed"]) == (2, 1)
    assert image(service, content_id(RAW)).uris == ["1.nef"]


def test_raw_files_are_found_by_their_pixels(service, folder_of):
    root = folder_of({"1.dng": dng(preview=scene(1200, 800)), "2.png": 5, "3.png": 6, "4.jxl": 7})
    service.ingest(root)
    out = io.BytesIO()
    scene(1200, 800).save(out, "PNG")
    assert service.found(out.getvalue(), limit=1) == [content_id((root / "1.dng").read_bytes())]
