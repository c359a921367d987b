"""Sources that are elsewhere, or packed: they equal the folder of the same files.

The S3 server is a real one, over HTTP; the embedder's stand-in takes any bytes for pictures.
"""

import pytest

from services.indexer.sources.resolver import Resolver
from shared.core.errors import InvalidInput, TooLarge, Unavailable
from shared.objects.store import Objects
from tests.floats import alike
from tests.indexer.following import collection
from tests.indexer.s3 import S3Server, pack

FILES = {
    "top.png": b"top",
    "dog/a.png": b"a",
    "dog/deep/b.JPG": b"bb",
    "cat/c.webp": b"ccc",
    "cat/same as a.png": b"a",
    "dog/.hidden.png": b"hidden",
    "dog/notes.txt": b"notes",
    "list.csv": b"path,tags,year\ntop.png,first;best,1999\ndog/a.png,second,\ncat/gone.png,,\n",
}


@pytest.fixture
def folder(tmp_path):
    for path, data in FILES.items():
        target = tmp_path / "folder" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return tmp_path / "folder"


@pytest.fixture
def place(request, folder, tmp_path, s3):
    """The folder's files elsewhere: the source's address and what reads it."""
    reach = Resolver(Objects(s3.url))
    for kind in ("tar", "zip"):
        pack(folder, tmp_path / f"files.{kind}")
    bucket = tmp_path.name.replace("_", "-").lower()[-60:]
    packed = {f"files.{kind}": (tmp_path / f"files.{kind}").read_bytes() for kind in ("tar", "zip")}
    s3.fill(bucket, {f"some/where/{path}": data for path, data in FILES.items()} | packed)
    return {
        "s3": f"s3://{bucket}/some/where",
        "tar": str(tmp_path / "files.tar"),
        "zip": str(tmp_path / "files.zip"),
        "s3 tar": f"s3://{bucket}/files.tar",
        "s3 zip": f"s3://{bucket}/files.zip",
    }[request.param], reach


EVERYWHERE = pytest.mark.parametrize(
    "place",
    ["s3", "tar", "zip", "s3 tar", pytest.param("s3 zip", marks=pytest.mark.slow)],
    indirect=True,
)


def _features(found):
    """Every image's own bytes, as the embedder saw them."""
    with found.images.view() as view:
        rows = view.features("m")
        vectors = found.features.read("m", rows)
        ids = {o: next(iter(found.images.ids([int(o)]))) for o in rows.ordinals}
        return {ids[o]: vector.tolist() for o, vector in zip(rows.ordinals, vectors, strict=True)}


@EVERYWHERE
def test_it_equals_the_folder(place, folder, tmp_path):
    source, reach = place
    with collection(tmp_path / "one") as one, collection(tmp_path / "two", reach) as two:
        assert two.ingest(source) == one.ingest(folder)
        assert two.all() == one.all() != {}
        assert _features(two) == alike(_features(one))
        assert {i: two.read(i) for i in two.all()} == {i: one.read(i) for i in one.all()}
        # A second time nothing is read again.
        again = two.ingest(source)
        assert (again["embedded"], again["already_there"]) == (0, 5)
        none = two.ingest(source, tags_from="none")
        assert none["already_there"] == 5


@pytest.mark.parametrize("place", ["s3", "zip"], indirect=True)
def test_a_manifest_there_equals_the_one_here(place, folder, tmp_path):
    source, reach = place
    if source.endswith((".tar", ".zip")):
        source = f"{source[-3:]}://list.csv::{source}"
    else:
        source = f"{source}/list.csv"
    with collection(tmp_path / "one") as one, collection(tmp_path / "two", reach) as two:
        expected, found = one.ingest(folder / "list.csv"), two.ingest(source)
        assert found.pop("reasons").keys() == expected.pop("reasons").keys() == {"cat/gone.png"}
        assert found == expected
        assert two.all() == one.all() != {}


def test_a_sync_of_a_bucket_follows_it(s3, tmp_path):
    reach = Resolver(Objects(s3.url))
    s3.fill("followed", {f"all/{name}.png": name.encode() for name in "abcde"})
    client = s3.client()

    def put(key, data):
        client.put_object(Bucket="followed", Key=f"all/{key}", Body=data)

    with collection(tmp_path / "data", reach) as found:
        source = "s3://followed/all"
        first = found.sync(source)
        assert (first["add"], first["embedded"]) == (5, 5)
        same = found.sync(source)
        assert (same["unchanged"], same["embedded"], found.embedding.embedded) == (5, 0, 5)
        put("moved/A.png", b"a")
        client.delete_object(Bucket="followed", Key="all/a.png")
        client.delete_object(Bucket="followed", Key="all/b.png")
        # As large as before, within the same second: the ETag tells.
        put("c.png", b"C")
        after = found.sync(source)
        assert [after[k] for k in ("move", "retag", "delete", "change")] == [0, 1, 1, 1]
        assert after["embedded"] == 1
        uris = sorted(uri for uris, _ in found.all().values() for uri in uris)
        assert uris == ["c.png", "d.png", "e.png", "moved/A.png"]
        found.check()


def test_a_sync_of_an_archive_follows_it(folder, tmp_path):
    archive = tmp_path / "files.tar"
    pack(folder, archive)
    with collection(tmp_path / "data") as found:
        assert found.sync(str(archive))["add"] == 5
        (folder / "top.png").unlink()
        (folder / "dog/new.png").write_bytes(b"new")
        pack(folder, archive)
        after = found.sync(str(archive))
        assert [after[k] for k in ("add", "delete", "embedded")] == [1, 1, 1]
        found.check()


@pytest.mark.slow
def test_more_objects_than_a_page_of_a_listing(s3, tmp_path):
    """A page has a thousand."""
    s3.fill("large", {f"{n:04}.png": str(n).encode() for n in range(1005)})
    with collection(tmp_path / "data", Resolver(Objects(s3.url))) as found:
        assert found.ingest("s3://large")["embedded"] == 1005


def test_a_bucket_that_is_not_there(s3, tmp_path):
    with (
        collection(tmp_path / "data", Resolver(Objects(s3.url))) as found,
        pytest.raises(InvalidInput, match="s3://no-such-bucket/x can't be read: there is no such"),
    ):
        found.ingest("s3://no-such-bucket/x")


def test_objects_that_are_no_pictures_fail_alone(s3, tmp_path, picture):
    s3.fill("mixed", {"good.png": picture(1), "empty.png": b"", "big.png": bytes(3000)})
    reach = Resolver(Objects(s3.url))
    reader = reach.file(reach.address("s3://mixed/big.png"))
    with pytest.raises(TooLarge):
        reader.read(2999)
    assert len(reader.read(3000)) == 3000
    with collection(tmp_path / "data", reach) as found:
        # The stand-in of an embedder takes all; the real one is asked in test_far_ingest.
        assert found.ingest("s3://mixed")["embedded"] == 3


@pytest.mark.slow
def test_a_server_that_goes_away_midway_loses_nothing(s3, tmp_path):
    server = S3Server()
    server.start()
    objects = {f"{n:03}.png": str(n).encode() for n in range(600)}
    server.fill("leaving", objects)
    reach = Resolver(Objects(server.url))
    with collection(tmp_path / "data", reach) as found:
        embed = found.embedding.images

        def embed_and_leave(files, pair, bulk=False):
            server.kill()
            return embed(files, pair, bulk)

        found.embedding.images = embed_and_leave
        try:
            with pytest.raises(Unavailable, match="s3://leaving doesn't answer"):
                found.ingest("s3://leaving")
            found.embedding.images = embed
            before = found.images.count()
            assert before < len(objects)
            [one, *_] = found.all() or [None]
            if one:
                with pytest.raises(Unavailable):
                    found.files.read(one, found.images.places(one))
            server.start()
            server.fill("leaving", objects)
            assert found.ingest("s3://leaving")["embedded"] == len(objects) - before
            assert found.images.count() == len(objects)
        finally:
            server.kill()
