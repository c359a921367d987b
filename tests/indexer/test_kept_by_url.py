"""Uploads and thumbnails in an object store rather than in the data directory."""

import io

import pytest
from PIL import Image

from services.indexer.container import Container
from services.indexer.storage.blob_store import RemoteBlobStore
from shared.clients import curation, indexer
from shared.core.errors import Misconfigured, NotFound, Unavailable
from shared.objects.address import Address
from shared.objects.store import Objects
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
        service.send(curation.empty_trash())
        assert s3.keys(bucket) == []
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
            [item] = service.add(picture(1))
            server.kill()
            # What it can't delete there it doesn't delete at all.
            with pytest.raises(Unavailable):
                service.send(indexer.delete_image(item.id))
            assert service.send(indexer.get_image(item.id)).id == item.id
            with pytest.raises(Unavailable):
                service.send(indexer.get_image_file(item.id))
        finally:
            server.kill()


def test_what_a_store_does_wrong_in_a_deletion_loses_nothing(s3, bucket, monkeypatch):
    objects = Objects(s3.url)
    kept = RemoteBlobStore(objects, Address.parse(f"s3://{bucket}/ise"))
    keys = [f"uploads/{n}" for n in range(4)]
    for key in keys:
        kept.write(key, key.encode(), "upload")
    move = objects.move

    def answer_is_lost(at, to):
        move(at, to)
        if at.name == "2":
            raise Unavailable("s3 doesn't answer")

    with monkeypatch.context() as patched:
        patched.setattr(objects, "move", answer_is_lost)
        with pytest.raises(Unavailable), kept.removing([*keys, "thumbnails/none"]):
            pytest.fail("it began though not all could be set aside")
    assert [kept.read(key) for key in keys] == [key.encode() for key in keys]

    def away(address):
        raise Unavailable("s3 doesn't answer")

    # Once it is decided, what can't be removed undoes nothing.
    with monkeypatch.context() as patched:
        patched.setattr(objects, "remove", away)
        with kept.removing(keys):
            pass
    assert not any(kept.has(key) for key in keys)
    assert len(s3.keys(bucket)) == len(keys)


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
