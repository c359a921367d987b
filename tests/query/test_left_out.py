"""One image that can't be written never fails an answer: a note tells what is left out of it."""

import itertools
import json
from dataclasses import asdict

import numpy as np
import pytest

from services.query.api import writing
from services.query.api.writing import AnswerWriter
from shared.contracts.answer import Hit, SearchResponse
from shared.files import durable
from shared.files.mapped import MappedFile, write_arrays
from shared.snapshots.items import Item, ItemsFile, write_items

DEEP = 300


def nested(levels):
    inner = 1
    for _ in range(levels):
        inner = {"a": inner}
    return inner


ODD = {"good": "kept", "deep": nested(DEEP), "none": float("nan"), "all": float("inf")}


def rewritten(path, metadata):
    """An items file as an earlier version wrote it: the metadata of its images as it came."""
    file = MappedFile(path)
    items = ItemsFile(path)
    records = []
    for row in range(len(items.ordinals)):
        item = items.item(row)
        told = {"id": item.id, "tags": item.tags, "uris": item.uris}
        text = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
        odd = metadata.get(item.id)
        if not isinstance(odd, str):
            odd = json.dumps(item.metadata if odd is None else odd, separators=(",", ":"))
        records.append(f'{text[:-1]},"metadata":{odd}}}'.encode())
    names = ["ordinals", "id_hashes", "id_rows", "tag_names", "tag_offsets", "tag_ordinals"]
    names += ["metadata_keys", "key_values", "value_offsets", "values", "value_numbers"]
    names += ["image_offsets", "value_images"]
    arrays = {name: np.array(file[name]) for name in names}
    arrays["records"] = np.frombuffer(b"".join(records), np.uint8)
    sizes = [len(record) for record in records]
    arrays["record_offsets"] = np.array([0, *itertools.accumulate(sizes)], np.int64)
    write_arrays(path, arrays)


@pytest.fixture(scope="module")
def old(fresh_library, serve):
    """Four images; of the first two, no answer can give all of the metadata."""
    library = fresh_library()
    rng = np.random.default_rng(0)
    items = [Item(n, f"i{n}", ["all"], [f"{n}.jpg"], {"n": n}) for n in range(4)]
    vectors = rng.normal(size=(4, 8)).astype(np.float32)
    file = library.segments.items(items)
    path = library.segments.path(file)
    rewritten(path, {"i0": ODD, "i1": '{"n":1' + "0" * 5000 + "}"})
    now = {"sha256": durable.sha256_of(path), "bytes": path.stat().st_size}
    file = file.model_copy(update=now)
    library.publish(items, items=[file], created_at="", visual=library.space(vectors))
    return serve(library)


def test_a_search_answers_with_a_note_on_what_is_left_out(old):
    for answer in (
        old.search(id="i0", limit=4, facets=5),
        old.get("/v1/images/i3/similar", limit=4),
        old.search(id="i2", limit=4, filter={"must": [{"tag": "all"}]}, explain=True),
        old.search(parts=[{"id": "i0"}, {"id": "i1"}], limit=4),
    ):
        hits = {hit["id"]: hit for hit in answer["hits"]}
        if "i0" in hits:
            assert hits["i0"]["metadata"] == {"good": "kept"}
            told = " ".join(hits["i0"]["notes"])
            assert all(f"`{key}`" in told for key in ("deep", "none", "all"))
        assert hits["i1"]["metadata"] == {}
        assert "can't be read" in hits["i1"]["notes"][0]
        assert hits["i2"]["metadata"] == {"n": 2}
        assert "notes" not in hits["i2"]


def test_a_batch_an_image_and_a_handful_answer_too(old):
    body = {"searches": [{"id": "i0", "limit": 4}, {"id": "i2", "limit": 4}]}
    answers = old._good(old.send("POST", "/v1/search/batch", json=body))["answers"]
    assert [len(one["answer"]["hits"]) for one in answers] == [4, 4]
    assert old.get("/v1/images/i0")["metadata"] == {"good": "kept"}
    assert old.get("/v1/images/i1")["notes"]
    assert len(old.get("/v1/random", limit=4)["images"]) == 4
    assert old.get("/v1/tags")["tags"] == [{"tag": "all", "count": 4}]


def test_what_is_left_out_is_counted(old):
    def count():
        text = old.send("GET", "/metrics").text
        [line] = [x for x in text.splitlines() if x.startswith("ise_images_left_out_total ")]
        return float(line.split()[1])

    before = count()
    old.search(id="i0", limit=4)
    assert count() == before + 2


def test_metadata_that_can_not_be_written_stops_no_snapshot(tmp_path):
    write_items(
        tmp_path / "i.hdf5", [Item(0, "a", [], [], {"x": "\ud800", "y": 1, "z": nested(900)})]
    )
    item = ItemsFile(tmp_path / "i.hdf5").item(0)
    assert item.metadata == {"y": 1}
    assert len(item.notes) == 2


def test_whatever_else_can_not_be_written_costs_its_own_hit_only():
    """Not by way of a snapshot, which holds nothing of the kind."""
    good = Hit(id="a", score=1, relevance=1, distance=0, tags=[], uri="", uris=[], metadata={})
    bad = good.model_copy(update={"id": "b", "tags": ["\ud800"], "metadata": nested(400)})
    heard = []
    recall = {"target": None, "expected": 1, "nprobe": 1, "clusters": 1, "scanned_fraction": 1}
    answer = SearchResponse(
        hits=[good],
        limit=2,
        offset=0,
        complete=True,
        mode="image",
        metric="cosine",
        snapshot=1,
        version="1.0",
        model=None,
        recall={**recall, "reranked": 0},
        timings_ms={},
    ).model_copy(update={"hits": [good, bad]})
    found = json.loads(AnswerWriter(heard.append).search(answer))
    assert [hit["id"] for hit in found["hits"]] == ["a", "b"]
    assert found["hits"][1]["notes"] == [writing._UNWRITTEN]
    assert heard == [1]


def test_an_item_is_read_as_it_was_written(tmp_path):
    item = Item(3, "a", ["t"], ["u"], {"big": 2**64 - 1, "text": "Infinity", "deep": nested(7)})
    write_items(tmp_path / "i.hdf5", [item])
    assert asdict(ItemsFile(tmp_path / "i.hdf5").item(0)) == asdict(item)
