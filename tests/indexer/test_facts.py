"""Facts of files from an ingest and uploads to searches, and the job that reads them later."""

import io
import json

import pytest
from PIL import Image, ImageDraw

from services.indexer.catalog.schema import images
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.sidecar import sidecar_of
from services.indexer.sources.source import read_source
from shared.clients import browsing, curation, indexer, query
from shared.contracts.browsing import Sort
from shared.contracts.filters import Filter
from shared.media.identity import content_id
from shared.objects.store import Objects
from tests.indexer.s3 import pack
from tests.shared.photos import gps, photo, sixty, xmp

SIDECAR = xmp({"exif:DateTimeOriginal": "1987-05-06T07:08:09+01:00", "tiff:Model": "Leica M6"})


@pytest.fixture(scope="module")
def photos():
    return {content_id(one.bytes()): one for one in sixty()}


def drawn(color):
    picture = Image.new("RGB", (60, 60), "#909090")
    ImageDraw.Draw(picture).ellipse((10, 10, 50, 50), color)
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def wall(one):
    return (one.facts["taken_at"] or "")[:19]


@pytest.mark.slow
def test_sixty_photos_are_sorted_and_found_by_what_their_files_tell(service, folder_of, photos):
    source = folder_of({f"{n:02}.jpg": one.bytes() for n, one in enumerate(photos.values())})
    service.ingest(source)
    assert len(photos) == 60
    listed = service.ask(browsing.list_images(Sort.NEWEST_TAKEN)).images
    for image in listed:
        wanted = dict(photos[image.id].facts, bytes=len(photos[image.id].bytes()))
        found = image.file.model_dump()
        for name in ("latitude", "longitude"):
            assert found.pop(name) == pytest.approx(wanted.pop(name), abs=1e-6)
        assert sum(found.pop("colors").values()) > 0.5
        assert found.pop("duration_s") is None
        assert found == wanted
        assert image.added_at is not None
    dates = [wall(photos[image.id]) for image in listed]
    assert dates == sorted(dates, reverse=True)
    assert dates[-6:] == [""] * 6
    timeline = service.ask(browsing.get_timeline())
    assert (timeline.total, timeline.undated) == (60, 6)

    def found_by(**condition):
        wanted = Filter.model_validate({"must": [condition]})
        return {i.id for i in service.ask(browsing.list_images(wanted=wanted)).images}

    for condition, holds in [
        ({"key": "file.taken_at", "lt": "1970"}, lambda o: "" < wall(o) < "1970"),
        (
            {"key": "file.taken_at", "gte": "1980-01-01T00:00:00Z", "lte": "2000-12-31"},
            lambda o: "1980-01-01T00:00:00" <= wall(o) < "2001",
        ),
        ({"key": "file.taken_at", "exists": False}, lambda o: not wall(o)),
        (
            {"key": "file.camera", "match": "SONY ILCE-7M3"},
            lambda o: o.facts["camera"] == "SONY ILCE-7M3",
        ),
        ({"key": "file.lens", "exists": True}, lambda o: o.facts["lens"] is not None),
        ({"key": "file.latitude", "lt": 0}, lambda o: (o.facts["latitude"] or 0) < 0),
        ({"key": "file.format", "match": "PNG"}, lambda o: o.facts["format"] == "PNG"),
        ({"key": "file.width", "gte": 49}, lambda o: False),
    ]:
        assert found_by(**condition) == {i for i, one in photos.items() if holds(one)}, condition
    # A search says the same of a hit, and takes the same filter.
    first = listed[0]
    wanted = json.dumps({"must": [{"key": "file.taken_at", "match": dates[0]}]})
    [hit] = service.ask(query.search_image(photos[first.id].bytes(), filter=wanted)).hits
    assert (hit.id, hit.file, hit.added_at) == (first.id, first.file, first.added_at)
    image = service.send(indexer.get_image(first.id))
    assert (image.file, image.added_at) == (first.file, first.added_at)


def test_a_sidecar_beside_a_picture_is_read(service, folder_of):
    data = photo(1)
    source = folder_of({"a.jpg": data, "a.jpg.xmp": SIDECAR, "b.jpg": photo(2), "c.xmp": b"x"})
    service.ingest(source)
    found = service.send(indexer.get_image(content_id(data))).file
    assert (found.taken_at, found.camera) == ("1987-05-06T07:08:09+01:00", "Leica M6")
    assert service.send(indexer.get_image(content_id(photo(2)))).file.taken_at is None


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_sidecar_in_an_archive_is_read_by_an_ingest_and_by_the_job(
    service, folder_of, tmp_path, kind
):
    named, plain = photo(11), photo(12)
    members = {"in/a.jpg": named, "in/a.jpg.xmp": SIDECAR, "in/b.JPG": plain, "in/b.XMP": SIDECAR}
    archive = tmp_path / f"pictures.{kind}"
    pack(folder_of(members), archive)
    service.ingest(archive)

    def cameras():
        ids = [content_id(data) for data in (named, plain)]
        return [service.send(indexer.get_image(image_id)).file.camera for image_id in ids]

    assert cameras() == ["Leica M6", "Leica M6"]
    with service.parts.database.write() as db:
        db.execute(images.update().values(file=None))
    service.succeeded(service.send(curation.read_facts()))
    assert cameras() == ["Leica M6", "Leica M6"]


def test_a_sidecar_in_a_store_is_read(s3):
    objects = {"p/a.jpg": b"a", "p/a.xmp": SIDECAR, "p/b.jpg": b"b", "p/sub/b.xmp": b"x"}
    s3.fill("sidecars", objects)
    resolver = Resolver(Objects(s3.url))
    found = {
        file.uri: sidecar_of(file.file, file.sidecar)
        for file in read_source("s3://sidecars/p", None, resolver=resolver)
    }
    assert found == {"a.jpg": SIDECAR, "b.jpg": None}


def test_known_places_get_their_names_by_the_job_without_a_look_at_the_file(service, folder_of):
    data = photo(21, place=gps(48.8584, 2.2945))
    source = folder_of({"a.jpg": data})
    service.ingest(source)
    image_id = content_id(data)
    before = service.send(indexer.get_image(image_id)).file
    assert (before.city, before.country) == ("Paris", "France")
    with service.parts.database.write() as db:
        told = before.model_dump(exclude_none=True, exclude={"city", "country"})
        db.execute(images.update().values(file=told))
    (source / "a.jpg").unlink()
    job = service.succeeded(service.send(curation.read_facts()))
    assert (job.result["read"], job.result["named"], job.result["failed"]) == (0, 1, 0)
    assert service.send(indexer.get_image(image_id)).file == before


def test_a_collection_of_an_earlier_version_gets_its_colors_from_thumbnails(service, folder_of):
    red, blue = (drawn(color) for color in ("#d01010", "#2040d0"))
    source = folder_of({"a.png": red})
    service.ingest(source)
    service.add(("b.png", blue))
    ids = [content_id(data) for data in (red, blue)]

    def colors():
        return [service.send(indexer.get_image(one)).file.colors for one in ids]

    for found, color in zip(colors(), ("red", "blue"), strict=True):
        assert found[color] > 0.6
        service.send(indexer.get_thumbnail(ids[0]))
    with service.parts.database.write() as db:
        db.execute(images.update().values(file={"width": 60, "camera": "Leica M6"}))
    (source / "a.png").unlink()
    job = service.succeeded(service.send(curation.read_facts()))
    assert (job.result["read"], job.result["failed"]) == (2, 0)
    for found, color in zip(colors(), ("red", "blue"), strict=True):
        assert found[color] > 0.6
    kept = service.send(indexer.get_image(ids[0])).file
    assert (kept.width, kept.camera) == (60, "Leica M6")
    again = service.succeeded(service.send(curation.read_facts()))
    assert again.result["read"] == 0


def test_a_sidecar_may_be_uploaded_with_its_picture(service):
    data = photo(1)
    items = service.add(("a.jpg", data), ("a.xmp", SIDECAR), ("lonely.xmp", SIDECAR))
    assert [item.state for item in items] == ["added", "exists", "failed"]
    assert items[1].id == items[0].id == content_id(data)
    assert "picture" in items[2].error
    assert service.send(indexer.get_image(items[0].id)).file.camera == "Leica M6"


def test_a_collection_of_an_earlier_version_gets_its_facts_by_a_job(service, folder_of, photos):
    some = dict(list(photos.items())[:5])
    source = folder_of({f"{n:02}.jpg": one.bytes() for n, one in enumerate(some.values())})
    service.ingest(source)
    gone = content_id((source / "04.jpg").read_bytes())
    with service.parts.database.write() as db:
        db.execute(images.update().values(file=None))
    (source / "00.jpg.xmp").write_bytes(SIDECAR)
    (source / "04.jpg").unlink()
    job = service.succeeded(service.send(curation.read_facts()))
    assert (job.result["read"], job.result["failed"]) == (4, 1)
    assert list(service.reasons(job)) == [gone]
    listed = {one.id: one for one in service.ask(browsing.list_images()).images}
    for number, (image_id, one) in enumerate(some.items()):
        taken = "1987-05-06T07:08:09+01:00" if number == 0 else one.facts["taken_at"]
        if image_id != gone:
            assert listed[image_id].file.taken_at == taken
    again = service.succeeded(service.send(curation.read_facts()))
    assert (again.result["read"], again.result["failed"]) == (0, 1)
    assert service.succeeded(service.send(curation.read_facts(again=True))).result["read"] == 4


def test_facts_outlive_a_rebuild_a_compaction_and_the_trash(service, folder_of, photos):
    some = dict(list(photos.items())[:4])
    service.ingest(folder_of({f"{n}.jpg": one.bytes() for n, one in enumerate(some.values())}))
    first = next(iter(some))
    before = service.ask(query.get_image(first))
    service.build()
    service.succeeded(service.send(indexer.compact_index()))
    service.send(indexer.delete_image(first))
    service.send(curation.restore_images([first]))
    assert service.ask(query.get_image(first)) == before
