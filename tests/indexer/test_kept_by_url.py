"""Uploads and thumbnails in an object store rather than in the data directory."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from services.indexer.care.backup import catalogue_of
from services.indexer.care.check import findings
from services.indexer.care.folder import opened
from services.indexer.catalog.removed_files import RemovedFiles
from services.indexer.catalog.stored_names import upload_of
from services.indexer.container import Container
from services.indexer.storage.blob_store import RemoteBlobStore
from services.indexer.storage.image_files import ImageFiles
from shared.clients import curation, indexer
from shared.contracts.images import ImagePatch
from shared.core.errors import Misconfigured, NotFound, Unavailable
from shared.objects.address import Address
from shared.objects.store import Objects
from tests.indexer.running import until
from tests.indexer.s3 import S3Server


@pytest.fixture
def bucket(s3, tmp_path):
    name = tmp_path.name.replace("_", "-").lower()[-60:]
    s3.fill(name, {})
    return name


def test_uploads_and_thumbnails_are_kept_at_the_url(start, s3, bucket, picture):
    with start(images_url=f"s3://{bucket}/ise", s3_endpoint=s3.url) as service:
        [item] = service.add(("castle.png", picture(1)))
        [upload] = s3.keys(bucket)
        assert upload.startswith("ise/uploads/")
        assert service.finds_itself(picture(1))
        assert service.send(indexer.get_image_file(item.id)) == (picture(1), "image/png")
        small, _ = service.send(indexer.get_thumbnail(item.id))
        assert Image.open(io.BytesIO(small)).format == "JPEG"
        assert len(s3.keys(bucket)) == 2
        assert not list(service.data.glob("images/*/*/*"))
        assert service.send(indexer.get_thumbnail(item.id))[0] == small
        service.send(indexer.delete_image(item.id))
        # A file of the trash in the store is none that this folder lacks.
        with opened(service.data, catalogue_of(service.data)) as folder:
            assert [found.sentence for found in findings(folder)] == []
        service.send(curation.empty_trash())
        # In a store, files go after the answer.
        until(lambda: s3.keys(bucket) == [])
        with pytest.raises(NotFound):
            service.send(indexer.get_image_file(item.id))
        # It may come again.
        service.add(("castle.png", picture(1)))
        assert service.send(indexer.get_image_file(item.id)) == (picture(1), "image/png")
        assert service.send(indexer.get_image(item.id)).uris == ["castle.png"]


@pytest.mark.slow
def test_nothing_is_acknowledged_that_the_store_does_not_have(start, bucket, picture, s3):
    server = S3Server()
    # Without a trash, a deletion removes the picture from the store.
    with start(images_url=f"s3://{bucket}", s3_endpoint=server.url, trash_days=0) as service:
        with pytest.raises(Unavailable, match=f"s3://{bucket} doesn't answer"):
            service.add(picture(1))
        assert service.parts.images.count() == 0
        server.start()
        try:
            server.fill(bucket, {})
            # The upload that failed left no file, which only a store that answers can tell.
            listed = RemovedFiles(service.parts.database)
            service.parts.removal.begin()
            until(lambda: listed.due("", 10) == [])
            [item] = service.add(picture(1))
            [other] = service.add(picture(2))
            server.kill()
            with pytest.raises(Unavailable):
                service.send(indexer.get_image_file(other.id))
            # Its file goes once the store answers again.
            service.send(indexer.delete_image(item.id))
            with pytest.raises(NotFound):
                service.send(indexer.get_image(item.id))
            due = listed.due("", 10)
            assert [upload_of(item.id, name) for name in due] == [None, due[1]]
        finally:
            server.kill()


def test_what_a_store_can_not_remove_is_told_and_the_rest_is_gone(s3, bucket, monkeypatch):
    objects = Objects(s3.url)
    kept = RemoteBlobStore(objects, Address.parse(f"s3://{bucket}/ise"))
    keys = [f"uploads/{n}" for n in range(4)]
    for key in keys:
        kept.write(key, key.encode(), "upload")
    remove = objects.remove

    def away(address):
        if address.name == "2":
            raise Unavailable("s3 doesn't answer")
        remove(address)

    with monkeypatch.context() as patched:
        patched.setattr(objects, "remove", away)
        told = kept.remove_all(keys)
    assert [error is None for error in told] == [True, True, False, True]
    assert [kept.has(key) for key in keys] == [False, False, True, False]
    assert kept.remove_all(keys) == [None] * 4
    assert s3.keys(bucket) == []


def test_a_store_that_hangs_holds_up_no_change(start, s3, bucket, picture, monkeypatch):
    with start(images_url=f"s3://{bucket}", s3_endpoint=s3.url, trash_days=0) as service:
        items = service.add(*(picture(n) for n in range(3)))
        reached, goes_on = threading.Event(), threading.Event()
        remove = Objects.remove

        def hang(objects, address):
            reached.set()
            assert goes_on.wait(60)
            remove(objects, address)

        with monkeypatch.context() as patched:
            patched.setattr(Objects, "remove", hang)
            service.send(indexer.delete_image(items[0].id))
            assert reached.wait(60)
            # The store removes the file of the first one, and hangs.
            service.send(indexer.delete_image(items[1].id))
            service.send(indexer.patch_image(items[2].id, ImagePatch(tags=["dog"])))
            service.add(picture(3))
            assert service.tagged("dog") == {items[2].id}
            assert len(s3.keys(bucket)) == 4
            # Nor the same picture, whose file has another name now.
            [again] = service.add(picture(0))
            assert again.id == items[0].id
            goes_on.set()
        assert service.send(indexer.get_image_file(items[0].id))[0] == picture(0)
        until(lambda: len(s3.keys(bucket)) == 3)
        assert service.finds_itself(picture(0))


def test_a_large_file_of_a_store_is_sent_from_disk_whatever_the_memory(
    start, s3, bucket, monkeypatch
):
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (1300, 1200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG", compress_level=0)
    monkeypatch.setattr("shared.objects.file._PIECE", 2**20)
    with start(images_url=f"s3://{bucket}", s3_endpoint=s3.url) as service:
        [item] = service.add(("noise.png", out.getvalue()))

        def whole(*_):
            raise AssertionError("it was read into memory")

        monkeypatch.setattr(ImageFiles, "read_one", whole)
        sent, media_type = service.send(indexer.get_image_file(item.id))
        assert (sent, media_type) == (out.getvalue(), "image/png")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://host.example/images", "URL of an object store"),
        ("zip://::s3://b/p.zip", "URL of an object store"),
        ("/var/images", "URL of an object store"),
        ("s3://key:geheim@bucket", "credentials"),
        ("images", "absolute path"),
    ],
)
def test_a_store_that_cannot_be_one_ends_the_start(start, url, says):
    service = start(images_url=url)
    with pytest.raises(Misconfigured, match=says) as refused:
        Container(service.settings, None)
    assert "ISE_IMAGES_URL" in str(refused.value)
    assert "geheim" not in str(refused.value)
