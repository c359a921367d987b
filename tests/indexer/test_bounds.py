"""What the API can't answer, no way in takes."""

import io
import json
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import numpy as np
import pytest

from services.indexer.catalog import json_text
from services.indexer.catalog.entry import Entry
from services.indexer.catalog.locations import Place
from shared.clients import indexer, query
from shared.contracts.annotations import metadata_fault
from shared.contracts.features import FeaturesRequest, ImportRequest
from shared.contracts.indexer import AddState, ImagePatch
from shared.core.errors import BadVector, InvalidInput, NotFound
from shared.media.identity import content_id
from tests.indexer.following import collection
from tests.indexer.running import Service

NOWHERE = "http://127.0.0.1:9"
POST = 1234567890123456789


@pytest.fixture
def here(tmp_path):
    with collection(tmp_path / "data") as found:
        yield found


def nested(levels):
    return '{"a":' * levels + "1" + "}" * levels


METADATA = {
    "deep": nested(300),
    "deeper than Python": nested(5000),
    "large": json.dumps({"a": "x" * 100_000}),
    "wide": json.dumps({str(n): n for n in range(300)}),
    "endless": '{"a": 1e999}',
    "no number": '{"a": NaN}',
    "over 64 bits": '{"a": 18446744073709551616}',
    "5,000 digits": '{"a": 1' + "0" * 5000 + "}",
    "half a character": '{"a": "\\ud800"}',
    "a NUL": '{"a": "\\u0000"}',
    "a NUL in a key": '{"a\\u0000": 1}',
}
TAGS = {
    "many": json.dumps([f"t{n}" for n in range(1001)]),
    "long": json.dumps(["x" * 201]),
    "a NUL in a tag": '["a\\u0000"]',
}


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory):
    """An indexer of vectors from outside; images `a` and `b` are there. Refusals leave it alone."""
    data = tmp_path_factory.mktemp("bounds") / "data"
    with Service(data, NOWHERE, embed_attempts=1) as service:
        add(
            service,
            {"id": "a", "vector": [1, 2], "metadata": {"n": 1}},
            {"id": "b", "vector": [2, 1]},
        )
        yield service


@pytest.fixture
def alone(tmp_path):
    with Service(tmp_path / "data", NOWHERE, embed_attempts=1) as service:
        yield service


def add(service, *items):
    request = FeaturesRequest.model_validate({"model": "m", "items": list(items)})
    return service.send(indexer.add_features(request))


def npy(rows):
    out = io.BytesIO()
    np.save(out, np.asarray(rows, np.float32))
    return out.getvalue()


JSON = {"Content-Type": "application/json"}


def exported(service, folder: Path) -> Path:
    folder.mkdir()
    with service.client.stream(indexer.export_collection()) as response:
        data = io.BytesIO(b"".join(response.iter_bytes()))
    with tarfile.open(fileobj=data) as tar:
        tar.extractall(folder, filter="data")
    return folder


def by_upload(http, field, value):
    given = ",".join(json.loads(value)) if field == "tags" else value
    files = {"files": ("a.png", b"no picture", "image/png")}
    return http.post("/v1/images", files=files, data={field: given})


def by_patch(http, field, value):
    return http.patch("/v1/images/a", content=f'{{"{field}": {value}}}', headers=JSON)


def by_features(http, field, value):
    item = f'{{"id": "new", "vector": [1, 1], "{field}": {value}}}'
    return http.post("/v1/features", content=f'{{"model": "m", "items": [{item}]}}', headers=JSON)


def by_table(http, field, value):
    files = {
        "features": ("f.npy", npy([[1, 1]])),
        "ids": ("ids.jsonl", f'{{"id": "new", "{field}": {value}}}'.encode()),
    }
    return http.post("/v1/features/npy", files=files, data={"model": "m"})


CASES = [("metadata", name) for name in METADATA] + [("tags", name) for name in TAGS]


@pytest.mark.parametrize("way", [by_upload, by_patch, by_features, by_table])
@pytest.mark.parametrize(("field", "name"), CASES)
def test_what_can_not_be_answered_is_refused_by_every_way_in(shared_service, way, field, name):
    answer = way(shared_service.http, field, {"metadata": METADATA, "tags": TAGS}[field][name])
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert len(problem["detail"]) < 500
    # What isn't JSON to any parser has no fields yet.
    unread = name in ("deeper than Python", "5,000 digits") and way is not by_upload
    assert f"{field}" in problem["detail"] or unread
    assert shared_service.parts.images.count() == 2
    assert shared_service.send(indexer.get_image("a")).metadata == {"n": 1}


def test_a_record_that_can_not_be_taken_is_one_failure_of_its_import(alone, tmp_path):
    lines = [
        '{"id": "good"}',
        f'{{"id": "deep", "metadata": {METADATA["deep"]}}}',
        "{",
        '{"id": "half", "metadata": {"a": "\\ud800"}}',
        f'{{"id": "many", "tags": {TAGS["many"]}}}',
        '{"id": "zero"}',
        f'{{"id": "last", "metadata": {{"post": {POST}}}}}',
    ]
    ids, table = tmp_path / "ids.jsonl", tmp_path / "f.npy"
    ids.write_text("\n".join(lines) + "\n")
    rows = np.arange(14).reshape(7, 2) + 1
    rows[5] = 0
    table.write_bytes(npy(rows))
    request = ImportRequest(source=str(table), ids=str(ids), model="m", build=False)
    job = alone.succeeded(alone.send(indexer.import_vectors(request)))
    assert (job.result["added"], job.result["failed"]) == (2, 5)
    reasons = alone.reasons(job)
    assert set(reasons) == {"zero", *(f"ids.jsonl, line {n}" for n in (2, 3, 4, 5))}
    assert "`metadata`" in reasons["ids.jsonl, line 2"]
    assert "`tags`" in reasons["ids.jsonl, line 5"]
    answer = alone.ask(query.search_vector([13, 14], limit=9))
    assert {hit.id for hit in answer.hits} == {"good", "last"}
    assert answer.hits[0].metadata == {"post": POST}


def test_what_is_joined_keeps_to_the_bounds_together(alone):
    first = {str(n): n for n in range(200)}
    second = {f"x{n}": n for n in range(200)}
    add(alone, {"id": "a", "vector": [1, 2], "metadata": first, "tags": ["t"]})
    with pytest.raises(InvalidInput, match=r"'a': With these values.* 256 keys"):
        add(alone, {"id": "a", "vector": [1, 2], "metadata": second})
    with pytest.raises(InvalidInput, match="over 1,000"):
        add(alone, {"id": "a", "vector": [1, 2], "tags": [f"t{n}" for n in range(1000)]})
    known = alone.send(indexer.get_image("a"))
    assert (known.metadata, known.tags) == (first, ["t"])


def test_no_way_of_recording_joins_more_than_an_image_holds(images, entry):
    """Not even where it came in between the look and the record."""
    first, second = ({f"{kind}{n}": n for n in range(200)} for kind in "ab")
    one = entry("x", "/a.png", metadata=first, tags=[f"a{n}" for n in range(600)])
    images.record([one], {})
    other = Entry(
        one.id, one.sha256, Place("/b.png", "b.png", 0, 1), [f"b{n}" for n in range(600)], second
    )
    images.record([other], {})
    _, item = images.get(one.id)
    assert (item.metadata, len(item.tags)) == (first, 1000)
    assert set(images.over_bounds([(one.id, (), second), (one.id, ("a1",), {"a0": 0})])) == {0}


def test_an_upload_that_its_image_can_not_hold_is_refused_though_it_is_embedded(
    service, picture, entry
):
    data = picture(7)
    first, second = ({f"{kind}{n}": n for n in range(200)} for kind in "ab")
    known = replace(entry(metadata=first), id=content_id(data), sha256=sha256(data).hexdigest())
    service.parts.images.record([known], {})
    [item] = service.add(data, metadata=json.dumps(second))
    assert item.state is AddState.FAILED
    assert "more than 256 keys" in item.error


def test_what_sources_and_users_said_together_keeps_to_the_bounds(here, tmp_path):
    (tmp_path / "a.png").write_text("a")
    names = [tmp_path / f"{kind}.jsonl" for kind in "xyz"]
    for path in names:
        tags = [f"{path.stem}{n}" for n in range(600)]
        path.write_text(json.dumps({"path": "a.png", "tags": tags}) + "\n")
        here.sync(path)
    [[_, tags]] = here.all().values()
    assert len(tags) == 1000
    mine = [f"mine{n}" for n in range(600)]
    here.images.patch(content_id(b"a"), mine, {f"m{n}": n for n in range(200)})
    (tmp_path / "a.png").unlink()
    for path in names:
        here.sync(path)
    assert not here.all()
    (tmp_path / "a.png").write_text("a")
    row = {"path": "a.png", "tags": [f"new{n}" for n in range(600)]}
    names[0].write_text(json.dumps(row | {f"k{n}": n for n in range(200)}))
    here.sync(names[0])
    _, item = here.images.get(content_id(b"a"))
    assert (len(item.tags), set(mine) <= set(item.tags)) == (1000, True)
    assert metadata_fault(item.metadata) is None
    assert item.metadata["m199"] == 199


def test_uploads_and_ingests_list_what_an_image_can_not_hold_and_take_the_rest(
    service, picture, tmp_path
):
    first, second = ({f"{kind}{n}": n for n in range(200)} for kind in "ab")
    [item] = service.add(picture(0), metadata=json.dumps(first))
    again = service.add(picture(0), picture(1), metadata=json.dumps(second))
    assert [one.state for one in again] == [AddState.FAILED, AddState.ADDED]
    assert "more than 256 keys" in again[0].error
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    rows = [{"path": "0.png"} | second, {"path": "2.png", "post": POST}]
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = service.ingest(manifest, build=False)
    assert "more than 256 keys" in service.reasons(job)["0.png"]
    assert service.send(indexer.get_image(item.id)).metadata == first
    [found] = service.ask(query.search_image(picture(2), limit=1)).hits
    assert found.metadata == {"post": POST}


def test_true_is_not_one_where_metadata_is_joined(alone):
    for value in (1, True, 1.0):
        add(alone, {"id": "a", "vector": [1, 2], "metadata": {"n": value}})
        assert repr(alone.send(indexer.get_image("a")).metadata["n"]) == repr(value)


def test_long_numbers_are_exact_by_every_way_out(alone, tmp_path):
    add(
        alone,
        {"id": "a", "vector": [1, 2], "metadata": {"post": POST}},
        {"id": "b", "vector": [1, 3], "metadata": {"post": POST - 1}},
    )
    alone.send(indexer.patch_image("b", ImagePatch(metadata={"post": POST - 1, "most": 2**64 - 1})))
    assert alone.send(indexer.get_image("b")).metadata == {"post": POST - 1, "most": 2**64 - 1}

    def found(**asked):
        wanted = {"must": [{"key": "post", **asked}]}
        answer = alone.ask(query.search_vector([1, 2], filter=wanted))
        return {hit.id: hit.metadata["post"] for hit in answer.hits}

    assert found(match=POST) == {"a": POST}
    assert found(match=POST - 1) == {"b": POST - 1}
    assert found(gt=POST - 1) == {"a": POST}
    assert found(lt=POST) == {"b": POST - 1}
    assert found(gte=POST - 1, lt=POST) == {"b": POST - 1}
    folder = exported(alone, tmp_path / "out")
    told = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert [one["metadata"]["post"] for one in told] == [POST, POST - 1]
    assert str(POST) in (folder / "catalog.csv").read_text()


@pytest.mark.parametrize("vector", [[0, 0], [-0.0, 0.0], [1e-46, 0], [1e-30, 1e-30], [1e-310, 0]])
def test_a_vector_without_direction_is_refused_when_added_and_when_asked(shared_service, vector):
    with pytest.raises(BadVector, match="has no direction"):
        add(shared_service, {"id": "z", "vector": vector})
    with pytest.raises(BadVector, match="has no direction"):
        shared_service.ask(query.search_vector(vector))


@pytest.mark.parametrize("vector", ["[1e39, 0]", "[1e999, 0]", "[NaN, 1]", "[1e15, 0]"])
def test_a_vector_that_float32_does_not_hold_is_refused_when_added_and_when_asked(
    shared_service, vector
):
    item = f'{{"model": "m", "items": [{{"id": "z", "vector": {vector}}}]}}'
    added = shared_service.http.post("/v1/features", content=item, headers=JSON)
    shared_service.ask(query.get_stats())
    asked = httpx.post(
        f"{shared_service.query_url}/v1/search",
        content=f'{{"vector": {vector}}}',
        headers=JSON,
        trust_env=False,
    )
    assert (added.status_code, asked.status_code) == (422, 422)
    assert "finite" in added.json()["detail"]
    assert "finite" in asked.json()["detail"]


def test_a_text_that_a_database_does_not_keep_is_no_failure_of_it(images):
    for ask in (images.get, images.places, images.ordinal):
        with pytest.raises((InvalidInput, NotFound)):
            ask("a\0")


def test_what_is_no_images_metadata_is_kept_whole_whatever_its_size_and_characters():
    task = {"files": ["🌲.png"] * 100_000}
    assert json.loads(json_text.write(task)) == task


def test_metadata_that_a_database_does_not_keep_costs_its_own_field_only(images, entry):
    """As it is copied from SQLite, which kept all that Python writes, to PostgreSQL."""
    odd = {"good": "é 🐶", "none": float("nan"), "half": "\ud800"}
    one = entry("x", "/a.png")
    images.record([one], {})
    images.patch(one.id, None, odd)
    _, item = images.get(one.id)
    assert item.presentable().metadata == {"good": "é 🐶"}
