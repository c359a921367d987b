"""A picture of two files stays one, whatever is moved, written anew, undone or deleted."""

import os
from hashlib import sha256

import pytest

from services.indexer.care.check import findings
from services.indexer.care.finding import Kind
from services.indexer.care.folder import opened
from shared.clients import curation, indexer
from shared.contracts.indexer import ImagePatch
from shared.core.errors import NotFound
from shared.media.identity import content_id
from tests.indexer.test_raw_pairs import JPEG, OTHER, RAW, content, image
from tests.shared.raw_files import jpeg, scene

ITS = content_id(JPEG)


@pytest.fixture
def pair(service, folder_of):
    """A synced folder with a pair, which has a tag of its user, and another RAW."""
    root = folder_of({"1.nef": RAW, "1.jpg": JPEG, "2.dng": OTHER})
    service.ingest(root, sync=True)
    service.send(indexer.patch_image(ITS, ImagePatch(tags=["mine"])))
    return root


def undone(service, job):
    return service.succeeded(service.send(curation.undo_job(job.id)))


def _touched(root):
    os.utime(root / "1.nef", (1, 1))


def _moved(root):
    (root / "sub").mkdir()
    (root / "1.nef").rename(root / "sub/1.nef")


@pytest.mark.parametrize("sync", [True, False])
def test_a_raw_that_is_left_and_touched_is_the_same_picture(service, pair, sync):
    (pair / "1.jpg").unlink()
    service.ingest(pair, sync=True)
    _touched(pair)
    service.ingest(pair, sync=sync)
    assert (image(service, ITS).uris, image(service, ITS).tags) == (["1.nef"], ["mine"])
    assert service.send(indexer.get_stats()).images == 2


def test_a_raw_that_is_left_and_moved_is_the_same_picture(service, pair):
    (pair / "1.jpg").unlink()
    service.ingest(pair, sync=True)
    _moved(pair)
    service.ingest(pair, sync=True)
    assert image(service, ITS).uris == ["sub/1.nef"]
    assert "mine" in image(service, ITS).tags
    assert service.send(indexer.get_stats()).images == 2


def test_the_undo_of_a_sync_that_lost_the_jpeg_brings_it_back_as_the_pictures_own(service, pair):
    before = image(service, ITS)
    (pair / "1.jpg").unlink()
    job = service.ingest(pair, sync=True)
    assert image(service, ITS).file.bytes == len(RAW)
    (pair / "1.jpg").write_bytes(JPEG)
    undone(service, job)
    assert image(service, ITS) == before
    assert content(service, ITS)[:2] == (JPEG, "image/jpeg")
    assert content(service, ITS, "1.nef")[:2] == (RAW, "image/x-nikon-nef")


def test_the_undo_of_the_ingest_of_a_jpeg_leaves_its_raw_as_the_pictures_own(service, folder_of):
    root = folder_of({"1.jpg": JPEG, "2.dng": OTHER})
    job = service.ingest(root, sync=True)
    folder_of({"1.nef": RAW})
    service.ingest(root, sync=True)
    undone(service, job)
    found = image(service, ITS)
    assert (found.uris, found.file.format, found.file.bytes) == (["1.nef"], "NEF", len(RAW))
    assert content(service, ITS)[0] == RAW


def test_a_jpeg_that_is_left_of_a_raw_has_the_format_jpeg(service, folder_of):
    root = folder_of({"1.nef": RAW, "2.dng": OTHER})
    service.ingest(root, sync=True)
    folder_of({"1.jpg": JPEG})
    service.ingest(root, sync=True)
    (root / "1.nef").unlink()
    service.ingest(root, sync=True)
    assert image(service, content_id(RAW)).file.format == "JPEG"


@pytest.mark.parametrize("first", [JPEG, RAW], ids=["jpeg", "raw"])
def test_a_pair_that_a_user_deleted_stays_away_when_its_folder_moves(service, folder_of, first):
    names = {JPEG: "a/1.jpg", RAW: "a/1.nef"}
    root = folder_of({names[first]: first, "2.dng": OTHER})
    service.ingest(root, sync=True)
    folder_of({name: data for data, name in names.items()})
    service.ingest(root, sync=True)
    service.send(indexer.delete_image(content_id(first)))
    (root / "a").rename(root / "b")
    job = service.ingest(root, sync=True)
    assert (job.result["dismissed"], service.send(indexer.get_stats()).images) == (2, 1)
    assert service.ingest(root, sync=True).result["dismissed"] == 2
    # Nor when the files are written anew.
    for file in (root / "b").iterdir():
        os.utime(file, (1, 1))
    assert service.ingest(root, sync=True).result["dismissed"] == 2
    assert service.send(indexer.get_stats()).images == 1
    service.send(curation.restore_images([content_id(first)]))
    service.ingest(root, sync=True)
    assert {"b/1.jpg", "b/1.nef"} <= set(image(service, content_id(first)).uris)


def test_another_raw_beside_a_deleted_jpeg_is_a_picture(service, pair):
    (pair / "1.nef").unlink()
    service.ingest(pair, sync=True)
    service.send(indexer.delete_image(ITS))
    (pair / "1.dng").write_bytes(OTHER + b"other")
    job = service.ingest(pair, sync=True)
    assert (job.result["dismissed"], job.result["embedded"]) == (1, 1)
    with pytest.raises(NotFound):
        image(service, ITS)


def test_an_edited_raw_that_is_left_is_another_picture(service, pair):
    (pair / "1.jpg").unlink()
    service.ingest(pair, sync=True)
    edited = jpeg(scene(320, 200))
    (pair / "1.nef").write_bytes(edited)
    service.ingest(pair, sync=True)
    assert image(service, content_id(edited)).uris == ["1.nef"]


@pytest.mark.parametrize("deleted", [False, True])
def test_an_upload_of_a_jpeg_whose_raw_is_left_is_no_damage(service, pair, deleted):
    (pair / "1.jpg").unlink()
    service.ingest(pair, sync=True)
    service.add(("1.jpg", JPEG))
    assert content(service, ITS)[:2] == (JPEG, "image/jpeg")
    if deleted:
        service.send(indexer.delete_image(ITS))
    with opened(service.data, service.settings.catalog_url) as folder:
        assert [one for one in findings(folder) if one.kind is Kind.UPLOAD] == []
        assert list(folder.uploads().values()) == [(ITS, sha256(JPEG).hexdigest())]
        assert str(pair / "1.nef") in folder.paths(ITS)
