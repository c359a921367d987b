"""A collection out and in again: the same images, the same answers."""

import csv
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.clients import indexer, query
from shared.contracts.features import ExportSpace, FeaturesRequest, ImportRequest
from shared.contracts.indexer import ImagePatch
from shared.contracts.jobs import Job, JobKind
from shared.core import errors
from shared.media.identity import content_id
from tests.floats import alike, assert_same_hits
from tests.indexer.running import Service

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Service]:
    """An indexer without an embedder."""
    with Service(tmp_path / "data", NOWHERE, embed_attempts=1) as found:
        yield found


@pytest.fixture
def second(tmp_path: Path) -> Callable[..., Service]:
    """Another indexer, on a data folder of its own."""
    return lambda url=NOWHERE, **changes: Service(
        tmp_path / "second", url, embed_attempts=1, **changes
    )


def exported(service: Service, folder: Path, **options: Any) -> Path:
    """Exports into a folder of this name."""
    with service.client.stream(indexer.export_collection(**options)) as response:
        data = response.read()
    assert len(data) == int(response.headers["Content-Length"])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def start_import(service: Service, source: Path, **options: Any) -> Job:
    return service.send(indexer.import_vectors(ImportRequest(source=str(source), **options)))


def imported(service: Service, source: Path, **options: Any) -> dict[str, Any]:
    job = service.succeeded(start_import(service, source, **options))
    assert job.kind is JobKind.IMPORT
    return job.result


def fill(service: Service, rows: int = 400, dim: int = 12) -> np.ndarray:
    vectors = np.random.default_rng(5).normal(size=(rows, dim)).astype(np.float32)
    items = [
        {
            "id": f"p/{n}",
            "vector": vectors[n].tolist(),
            "tags": [f"Tag {n % 7}", "all,in;one"] if n % 3 else [],
            "uris": [f"shop/{n}.jpg"] if n % 2 else [],
            "metadata": {"n": n, "text": 'a "quoted"\nline'},
        }
        for n in range(rows)
    ]
    body = {"model": "clip", "items": items}
    service.send(indexer.add_features(FeaturesRequest.model_validate(body)))
    return vectors


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def answers(service: Service, vectors: np.ndarray, **options: Any) -> list[Any]:
    return [
        [(h.id, h.score, h.distance, h.tags, h.uris, h.metadata) for h in found.hits]
        for v in vectors
        for found in [service.ask(query.search_vector(v.tolist(), limit=20, **options))]
    ]


def test_files_agree_and_leave_out_what_was_deleted(alone, tmp_path):
    vectors = fill(alone)
    alone.send(indexer.delete_image("p/5"))
    alone.send(indexer.patch_image("p/6", ImagePatch(tags=["new"])))
    folder = exported(alone, tmp_path / "out", parquet=True)
    ids = lines(folder / "ids.txt")
    assert ids == [f"p/{n}" for n in range(400) if n != 5]
    features = np.load(folder / "features.npy", allow_pickle=False)
    np.testing.assert_array_equal(features, np.delete(vectors, 5, axis=0))
    info = json.loads((folder / "export.json").read_text())
    assert (info["fingerprint"], info["dim"], info["images"]) == ("external:clip-12", 12, 399)
    tags = json.loads((folder / "tags.json").read_text())
    assert tags["new"] == ["p/6"]
    assert tags["Tag 1"] == [f"p/{n}" for n in range(400) if n % 7 == 1 and n % 3]
    with (folder / "catalog.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ids
    assert json.loads(rows[1]["tags"]) == ["all,in;one", "Tag 1"]
    assert json.loads(rows[1]["metadata"]) == {"n": 1, "text": 'a "quoted"\nline'}
    parquet = pytest.importorskip("pyarrow.parquet").read_table(folder / "catalog.parquet")
    table = parquet.to_pylist()
    assert [row["id"] for row in table] == ids
    assert table[1]["tags"] == ["all,in;one", "Tag 1"]


@pytest.mark.slow
def test_vectors_of_ones_own_answer_alike_after_the_round_trip(alone, second, tmp_path):
    vectors = fill(alone)
    alone.build(clusters=9, metric="l2", seed=3)
    alone.send(indexer.delete_image("p/5"))
    folder = exported(alone, tmp_path / "out")
    alone.build(clusters=9, metric="l2", seed=3)
    with second() as other:
        result = imported(other, folder)
        assert (result["added"], result["failed"], result["clusters"]) == (399, 0, 9)
        for options in ({}, {"exact": True}, {"metric": "cosine"}, {"nprobe": 2}):
            expected = answers(alone, vectors[:20], **options)
            assert answers(other, vectors[:20], **options) == alike(expected)
        for tag in ("tag 1", "ALL,IN;ONE"):
            expected = alone.ask(query.search_term(tag, limit=1000)).hits
            assert_same_hits(other.ask(query.search_term(tag, limit=1000)).hits, expected)
        again = imported(other, folder, build=False)
        assert (again["added"], again["already_there"], again["images"]) == (0, 399, 399)
        # What comes out of the second is what went in.
        back = exported(other, tmp_path / "back")
        for name in ("features.npy", "ids.txt", "records.jsonl", "tags.json", "catalog.csv"):
            assert (back / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.slow
def test_pictures_answer_alike_after_the_round_trip(
    service, second, embedder, picture, folder_of, tmp_path
):
    """Their features stay those of the embedder's model, and files come along by their paths."""
    source = folder_of({f"{'red' if n % 2 else 'Blue'}/{n}.png": n for n in range(40)})
    service.ingest(source, clusters=3)
    service.add(("up.png", picture(99)), tags=["loaded"])
    service.build(clusters=3)
    folder = exported(service, tmp_path / "out")
    model = json.loads((folder / "export.json").read_text())["fingerprint"]
    for space in (ExportSpace.MATCHING, ExportSpace.JOINT):
        beside = exported(service, tmp_path / space.value, space=space)
        assert len(np.load(beside / "features.npy")) == len(lines(beside / "ids.txt")) == 41
    embedder.mount(tmp_path / "second")
    with second(embedder.url) as other:
        with pytest.raises(errors.InvalidInput, match="export of the joint space"):
            start_import(other, tmp_path / "joint")
        result = imported(other, folder)
        assert (result["model"], result["clusters"]) == (model, 3)
        for n in (0, 7, 99):
            asked = query.search_image(picture(n), limit=20)
            found, expected = other.ask(asked), service.ask(asked)
            assert_same_hits(found.hits, expected.hits)
            assert found.recall == alike(expected.recall)
        for tag in ("red", "blue", "loaded"):
            assert other.tagged(tag) == service.tagged(tag)
        hit = other.ask(query.search_image(picture(4), limit=1)).hits[0]
        assert hit.uri == "Blue/4.png"
        assert other.ask(indexer.get_image_file(hit.id))[0] == picture(4)
        # The same picture is the same image still, and new ones are comparable.
        assert other.add(picture(4))[0].state == "exists"
        assert other.add(picture(200))[0].state == "added"
        assert other.finds_itself(picture(200))


def test_an_import_joins_what_is_there_of_the_same_pictures(
    service, second, embedder, picture, tmp_path
):
    """Embedded in other company, the same picture's features differ in their last bits."""
    service.add(*(picture(n) for n in range(9)), tags=["first"])
    folder = exported(service, tmp_path / "out")
    features = np.load(folder / "features.npy")
    np.save(folder / "features.npy", np.nextafter(features, np.float32(9)))
    embedder.mount(tmp_path / "second")
    with second(embedder.url) as other:
        other.add(picture(3), picture(99), tags=["second"])
        result = imported(other, folder)
        assert (result["added"], result["already_there"], result["failed"]) == (8, 1, 0)
        assert len(other.tagged("first")) == 9
        assert other.ask(query.search_image(picture(3))).hits[0].tags == ["first", "second"]


def test_pictures_come_back_without_an_embedder_too(service, second, picture, folder_of, tmp_path):
    service.ingest(folder_of({f"t/{n}.png": n for n in range(30)}))
    folder = exported(service, tmp_path / "out")
    with second() as other:
        result = imported(other, folder)
        assert "doesn't host" in result["not_trained"]
        assert len(other.tagged("t")) == 30
        image_id = lines(folder / "ids.txt")[3]
        assert other.ask(query.search_id(image_id, limit=1)).hits[0].id == image_id


def test_an_export_holds_one_moment_while_images_come_and_go(alone, tmp_path):
    fill(alone, rows=50)
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            body = {"model": "clip", "items": [{"id": f"x{number}", "vector": [number] + [1] * 11}]}
            alone.send(indexer.add_features(FeaturesRequest.model_validate(body)))
            if number % 3 == 0:
                alone.send(indexer.delete_image(f"x{number - 1}"))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for number in range(8):
            folder = exported(alone, tmp_path / str(number))
            ids = lines(folder / "ids.txt")
            records = [json.loads(line) for line in lines(folder / "records.jsonl")]
            features = np.load(folder / "features.npy")
            assert [record["id"] for record in records] == ids
            assert len(features) == len(ids) == len(set(ids))
            for image_id, vector in zip(ids[50:], features[50:], strict=True):
                assert vector[0] == int(image_id[1:])
    finally:
        stop.set()
        thread.join()


def test_an_empty_collection_has_nothing_to_export(alone):
    for space in ExportSpace:
        with pytest.raises(errors.Conflict, match=f"no images of the {space} space"):
            alone.send(indexer.export_collection(space))


def test_parquet_asks_for_pyarrow_where_it_is_missing(alone, monkeypatch):
    fill(alone, rows=3)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(errors.Conflict, match=r"image-search-engine\[parquet\]"):
        alone.send(indexer.export_collection(parquet=True))


# --- import from files ------------------------------------------------------------------------


def table(folder: Path, rows: int = 20_000, dim: int = 4) -> tuple[Path, np.ndarray]:
    vectors = np.random.default_rng(1).normal(size=(rows, dim)).astype(np.float32)
    np.save(folder / "f.npy", vectors)
    return folder / "f.npy", vectors


@pytest.mark.slow
def test_a_table_is_imported_by_its_path(alone, tmp_path):
    """In more than one batch; rows that can't be used are told of and don't fail the others."""
    source, vectors = table(tmp_path)
    vectors[17_000] = np.nan
    vectors[3] = 0
    np.save(source, vectors)
    ids = [f"i{n}" for n in range(len(vectors))]
    ids[19_000] = "i1"
    ids[5] = "i4"
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    job = alone.succeeded(
        start_import(alone, source, ids=str(tmp_path / "ids.txt"), model="m", clusters=20)
    )
    assert job.result["added"] == alone.parts.images.count() == 20_000 - 4
    reasons = alone.reasons(job)
    assert set(reasons) == {"i17000", "i3", "i1", "i4"}
    assert "not finite" in reasons["i17000"]
    assert "is zero" in reasons["i3"]
    assert "differs from the stored one" in reasons["i1"]
    assert "occurs twice" in reasons["i4"]
    answer = alone.ask(query.search_vector(vectors[9000].tolist(), limit=1))
    assert (answer.hits[0].id, answer.recall.clusters) == ("i9000", 20)


def test_rows_without_ids_go_by_their_numbers(alone, tmp_path):
    source, vectors = table(tmp_path, rows=30)
    np.save(source, vectors.astype(np.float64))
    assert imported(alone, source, model="m", build=False)["snapshot"] == 2
    assert alone.ask(query.search_vector(vectors[29].tolist(), limit=1)).hits[0].id == "29"


@pytest.mark.slow
def test_an_import_that_was_cancelled_goes_on_where_it_was(alone, tmp_path, until):
    source, _ = table(tmp_path, rows=60_000)
    job = start_import(alone, source, model="m")
    until(lambda: alone.send(indexer.get_job(job.id)).progress.done)
    alone.send(indexer.cancel_job(job.id))
    alone.ended(job)
    before = alone.parts.images.count()
    assert before > 0
    result = imported(alone, source, model="m")
    assert (result["already_there"], result["images"]) == (before, 60_000)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda f: (f / "features.npy").write_bytes(b"x"), "is not a .npy file"),
        (lambda f: (f / "features.npy").unlink(), "can't be read: No such file"),
        (lambda f: (f / "export.json").write_text("{}"), "export.json is not one of this version"),
        (lambda f: said(f, fingerprint="../../x"), "which is no fingerprint"),
        (lambda f: said(f, fingerprint="external:a/b-12"), "which is no fingerprint"),
        (lambda f: said(f, images=9), "export.json says 9 of 12"),
        (lambda f: said(f, dim=9), "export.json says 10 of 9"),
        (lambda f: said(f, space="joint"), "export of the joint space"),
        (lambda f: said(f, format=2), "export.json is not one of this version"),
    ],
)
def test_an_export_that_is_not_whole_is_refused_at_once(alone, second, tmp_path, change, why):
    fill(alone, rows=10)
    folder = exported(alone, tmp_path / "out")
    change(folder)
    with second() as other:
        with pytest.raises(errors.InvalidInput) as refusal:
            start_import(other, folder)
        assert why in refusal.value.detail
        assert other.parts.images.count() == 0


def said(folder: Path, **changes: Any) -> None:
    path = folder / "export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_records_that_are_cut_short_fail_the_job(alone, second, tmp_path):
    fill(alone, rows=10)
    folder = exported(alone, tmp_path / "out")
    path = folder / "records.jsonl"
    path.write_text("\n".join(lines(path)[:9]) + "\n")
    with second() as other:
        assert "10 vectors, but only 9 ids" in other.failed(start_import(other, folder))
        assert other.parts.images.count() == 0


def test_off_loopback_only_the_roots_are_read(alone, second, tmp_path):
    fill(alone, rows=10)
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    folder = exported(alone, allowed / "out")
    outside, _ = table(tmp_path, rows=3)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    stat = secret.stat()
    file = {"path": str(secret), "uri": "s", "mtime_ns": stat.st_mtime_ns, "bytes": stat.st_size}
    records = [json.loads(line) for line in lines(folder / "records.jsonl")]
    records[0]["files"] = [file]
    (folder / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    linked = shutil.copytree(folder, allowed / "linked")
    (linked / "features.npy").unlink()
    (linked / "features.npy").symlink_to(outside)
    with second(host="0.0.0.0", allow_open=True, ingest_roots=[allowed]) as other:  # noqa: S104
        for source, options in (
            (outside, {"model": "m"}),
            (folder / "features.npy", {"model": "m", "ids": str(secret)}),
            (linked, {}),
        ):
            with pytest.raises(errors.Forbidden, match="ISE_INGEST_ROOTS"):
                start_import(other, source, **options)
        imported(other, folder)
        with pytest.raises(errors.NotFound, match="imported as a vector"):
            other.send(indexer.get_image_file("p/0"))
    for path, why in (("f.npy", "absolute path"), (str(tmp_path / "none"), "doesn't exist")):
        with pytest.raises(errors.InvalidInput, match=why):
            start_import(alone, Path(path), model="m")
    with pytest.raises(errors.InvalidInput, match="`model`"):
        start_import(alone, outside)


def test_what_an_import_says_of_files_is_not_believed(
    service, second, embedder, picture, folder_of, tmp_path
):
    """Its records name any path, and give the time and size that the file there has."""
    source = folder_of({"dog/a.png": 1, "dog/b.png": 2})
    service.ingest(source)
    folder = exported(service, tmp_path / "out")
    other_picture = source / "other.png"
    other_picture.write_bytes(picture(7))
    stat = other_picture.stat()
    place = {"path": str(other_picture), "uri": "other.png", "mtime_ns": stat.st_mtime_ns}
    records = [json.loads(line) for line in lines(folder / "records.jsonl")]
    for record in records:
        record["files"] = [{**place, "bytes": stat.st_size}]
    (folder / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    embedder.mount(tmp_path / "second")
    with second(embedder.url) as other:
        imported(other, folder)
        for record in records:
            with pytest.raises(errors.NotFound):
                other.send(indexer.get_image_file(record["id"]))
        # Nor is the file passed over as one that was read.
        assert other.ingest(source, build=False).result["embedded"] == 1
        assert other.finds_itself(picture(7))
        for n in (1, 2):
            assert other.send(indexer.get_image_file(content_id(picture(n))))[0] == picture(n)


def test_an_import_stays_out_of_a_collection_of_another_model(service, second, picture, tmp_path):
    service.add(picture())
    pictures = exported(service, tmp_path / "pictures")
    hosted = json.loads((pictures / "export.json").read_text())["fingerprint"]
    source, _ = table(tmp_path, rows=3)
    with pytest.raises(errors.FingerprintMismatch, match=rf"{hosted}.*external:m-4"):
        start_import(service, source, model="m")
    with second() as other:
        imported(other, source, model="m")
        with pytest.raises(errors.FingerprintMismatch, match=rf"external:m-4.*{hosted}"):
            start_import(other, pictures)
        assert other.parts.images.count() == 3
