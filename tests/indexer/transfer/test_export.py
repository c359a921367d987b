"""A collection out and in again: the same images, the same answers."""

import csv
import json
import threading

import numpy as np
import pytest

from shared.clients import indexer, query
from shared.contracts.features import ExportSpace, FeaturesRequest
from shared.contracts.indexer import ImagePatch
from shared.core import errors
from tests.floats import alike, assert_same_hits
from tests.indexer.transfer.exporting import (
    answers,
    exported,
    fill,
    imported,
    lines,
    start_import,
)


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


@pytest.mark.slow
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
