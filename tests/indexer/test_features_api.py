"""Vectors of one's own: over REST, with no embedder anywhere."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.clients import indexer, query
from shared.contracts.features import FeaturesRequest
from shared.contracts.indexer import ImagePatch, TrainMatchingRequest
from shared.core import errors
from tests.indexer.running import Service

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Service]:
    """An indexer without an embedder."""
    with Service(tmp_path / "data", NOWHERE, embed_attempts=1) as found:
        yield found


def add(service: Service, *items: dict[str, Any], model: str = "clip") -> Any:
    request = FeaturesRequest.model_validate({"model": model, "items": list(items)})
    return service.send(indexer.add_features(request))


def refused(service: Service, body: Any, status: int = 422) -> str:
    content = body if isinstance(body, str) else json.dumps(body)
    answer = service.http.post(
        "/v1/features", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["detail"]
    assert detail.endswith((".", "?"))
    return detail


def npy(rows: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(rows))
    return out.getvalue()


def ids_of(answer: Any) -> list[str]:
    return [hit.id for hit in answer.hits]


# --- small ones, as JSON ----------------------------------------------------------------------


def test_vectors_are_found_once_they_are_acknowledged_before_any_build(alone):
    added = add(
        alone,
        {"id": "a", "vector": [1, 0, 0], "tags": ["Cat"], "metadata": {"n": 1}},
        {"id": "b", "vector": [0.9, 0.1, 0], "uris": ["shop/b.jpg", "old/b.jpg"]},
    )
    assert (added.added, added.exists, added.model) == (2, 0, "external:clip-3")
    answer = alone.ask(query.search_vector([2, 0, 0]))
    assert (answer.model, answer.snapshot) == ("external:clip-3", added.snapshot)
    assert [(h.id, h.tags, h.uris, h.metadata) for h in answer.hits] == [
        ("a", ["Cat"], [], {"n": 1}),
        ("b", [], ["old/b.jpg", "shop/b.jpg"], {}),
    ]
    assert answer.hits[0].score == pytest.approx(1, abs=1e-5)
    later = add(alone, {"id": "c", "vector": [0, 0, 5]})
    assert ids_of(alone.ask(query.search_id("c", limit=1))) == ["c"]
    assert alone.ask(query.search_term("cat")).mode == "tag"
    assert later.snapshot > added.snapshot


@pytest.mark.parametrize(
    "image_id",
    ["../../etc/passwd", "/abs/x", "..", ".", "a b?c#d%2F", "é" * 200, "日本/🖼", "uri:x"],
)
def test_ids_are_verbatim_and_never_paths(alone, tmp_path, image_id):
    add(alone, {"id": image_id, "vector": [1, 2], "uris": ["../../etc/passwd", "/etc/passwd"]})
    assert ids_of(alone.ask(query.search_id(image_id))) == [image_id]
    known = alone.send(indexer.get_image(image_id))
    assert (known.id, known.sha256, known.bytes) == (image_id, "", 0)
    for call in (indexer.get_image_file, indexer.get_thumbnail):
        with pytest.raises(errors.NotFound, match="has no file: it was imported as a vector"):
            alone.send(call(image_id))
        with pytest.raises(errors.NotFound, match="has no file: it was imported as a vector"):
            alone.ask(call(image_id))
    alone.send(indexer.patch_image(image_id, ImagePatch(tags=["t"])))
    assert alone.tagged("t") == {image_id}
    alone.send(indexer.delete_image(image_id))
    assert ids_of(alone.ask(query.search_vector([1, 2]))) == []
    # Nothing of it became the name of a file.
    names = {path.name for path in tmp_path.rglob("*")}
    assert not {name for name in names if "passwd" in name or "é" in name or "🖼" in name}


ITEM = {"id": "a", "vector": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"model": "m", "items": [{"id": "a", "vector": [1, NaN]}]}', "of 'a' has numbers that"),
        ('{"model": "m", "items": [{"id": "a", "vector": [1, 1e999]}]}', "of 'a' has numbers that"),
        ({"model": "m", "items": [{"id": "a", "vector": [1, 1e39]}]}, "not finite"),
        ({"model": "m", "items": [{"id": "a", "vector": [1, 10**400]}]}, ""),
        ({"model": "m", "items": [{"id": "a", "vector": [1, 1e15]}]}, "not below 1e"),
        ({"model": "m", "items": [ITEM, {"id": "z", "vector": [0, 0]}]}, "of 'z' is zero"),
        ({"model": "m", "items": [ITEM, {"id": "b", "vector": [1]}]}, "have 1 to 2 numbers"),
        ({"model": "m", "items": [ITEM, ITEM]}, "The id 'a' occurs twice"),
        ({"model": "m", "items": []}, "`items` must not be empty"),
        ({"model": "m", "items": [ITEM] * 1001}, "`items` must have at most 1000 entries"),
        (
            {"model": "m", "items": [{"id": "a", "vector": []}]},
            "`items.0.vector` must not be empty",
        ),
        ({"model": "m", "items": [{"id": "", "vector": [1]}]}, "`items.0.id` must not be empty"),
        ({"model": "m", "items": [{"id": "a" * 201, "vector": [1]}]}, "at most 200 characters"),
        ({"model": "m", "items": [{"id": "a\nb", "vector": [1]}]}, "no control characters"),
        ('{"model": "m", "items": [{"id": "\\ud800", "vector": [1]}]}', "must be Unicode text"),
        ({"model": "m", "items": [{"id": "a/file", "vector": [1]}]}, "doesn't end in /file"),
        ({"model": "m", "items": [{"id": "a/why.png", "vector": [1]}]}, "doesn't end in /file"),
        ({"model": "m", "items": [{"id": "shapes", "vector": [1]}]}, "an id isn't `shapes`"),
        ({"model": "m", "items": [ITEM | {"tag": ["x"]}]}, "did you mean `tags`?"),
        ({"model": "m", "items": [ITEM | {"tags": ["x" * 201]}]}, "a tag has at most 200"),
        ({"model": "../m", "items": [ITEM]}, "`model`: a name has letters, digits"),
        ({"model": "", "items": [ITEM]}, "`model`: a name has letters, digits"),
        ({"items": [ITEM]}, "`model` is missing"),
    ],
)
def test_what_can_not_be_used_is_refused_whole(alone, body, why):
    assert why in refused(alone, body)
    assert alone.parts.images.count() == 0
    assert not list((alone.data / "features").rglob("*.npy"))


def test_the_same_again_joins_what_is_said_of_it(alone):
    first = {"id": "a", "vector": [1, 2], "tags": ["x"], "uris": ["1"], "metadata": {"p": 1}}
    add(alone, first)
    again = {"id": "a", "vector": [1, 2], "tags": ["X", "y"], "uris": ["2"], "metadata": {"q": 2}}
    added = add(alone, again, {"id": "b", "vector": [3, 1]})
    assert (added.added, added.exists) == (1, 1)
    hit = alone.ask(query.search_id("a")).hits[0]
    assert (hit.tags, hit.uris, hit.metadata) == (["x", "y"], ["1", "2"], {"p": 1, "q": 2})
    unchanged = add(alone, again)
    assert (unchanged.added, unchanged.exists) == (0, 1)


def test_an_id_keeps_its_vector_until_it_is_deleted(alone):
    add(alone, ITEM)
    assert "differs from the stored one" in refused(
        alone,
        {"model": "clip", "items": [{"id": "n", "vector": [1, 1]}, ITEM | {"vector": [2.0, 2.0]}]},
        409,
    )
    assert alone.parts.images.count() == 1
    alone.send(indexer.delete_image("a"))
    add(alone, ITEM | {"vector": [-1.0, 0.0]})
    hit = alone.ask(query.search_vector([-1, 0], with_vector=True)).hits[0]
    assert (hit.id, hit.vector) == ("a", [-1.0, 0.0])


def test_vectors_of_two_models_are_never_mixed(alone):
    add(alone, ITEM)
    for model, vector in (("other", [1, 2]), ("clip", [1, 2, 3])):
        body = {"model": model, "items": [{"id": "n", "vector": vector}]}
        detail = refused(alone, body, 409)
        assert "external:clip-2" in detail
        assert f"external:{model}-{len(vector)}" in detail
        assert "ISE_DATA_DIR" in detail
    alone.send(indexer.delete_image("a"))
    add(alone, {"id": "n", "vector": [1, 2, 3]}, model="other")
    assert alone.ask(query.search_id("n")).model == "external:other-3"


def test_of_two_models_at_once_one_is_taken(alone):
    outcomes: list[str] = []

    def bring(model: str) -> None:
        try:
            outcomes.append(add(alone, {"id": model, "vector": [1, 2]}, model=model).model)
        except errors.FingerprintMismatch:
            outcomes.append("refused")

    threads = [threading.Thread(target=bring, args=(f"m{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("refused") == 5
    assert alone.parts.images.count() == 1


# --- many, as a file --------------------------------------------------------------------------


def test_a_table_with_ids_as_lines_or_as_records(alone):
    rows = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    lines = b"\xef\xbb\xbf" + "\r\n".join(f"p/{n}" for n in range(200)).encode()
    added = alone.send(indexer.add_features_npy(npy(rows[:200]), lines, "clip"))
    assert (added.added, added.model) == (200, "external:clip-8")
    records = [{"id": f"p/{n}", "tags": ["odd"] if n % 2 else []} for n in range(200, 300)]
    jsonl = "\n".join(map(json.dumps, records)).encode()
    alone.send(indexer.add_features_npy(npy(rows[200:]), jsonl, "clip", "said.jsonl"))
    for n in (0, 199, 200, 299):
        assert ids_of(alone.ask(query.search_vector(rows[n].tolist(), limit=1))) == [f"p/{n}"]
    assert len(alone.tagged("odd")) == 50


@pytest.mark.parametrize(
    ("rows", "ids", "name", "why"),
    [
        ([[1.0, 2.0]], b"a\nb\n", "ids.txt", "1 vectors, but more ids"),
        ([[1.0, 2.0]] * 2, b"a\n", "ids.txt", "2 vectors, but only 1 ids"),
        ([[1.0, 2.0]] * 2, b"a\na\n", "ids.txt", "'a' occurs twice"),
        ([[1.0, 2.0]] * 2, b"a\n\n", "ids.txt", "line 2: `id` must not be empty"),
        ([[1.0, 2.0]], b"\xff", "ids.txt", "line 1: this is not UTF-8"),
        ([[1.0, 2.0]], b"{", "ids.jsonl", "line 1:"),
        ([[1.0, 2.0]], b'{"id": 3}', "ids.jsonl", "line 1: `id` must be text"),
        ([[1.0, 2.0]], b'{"id": "a", "x": 1}', "ids.jsonl", "`x` is not a field"),
        (
            [[1.0, 2.0]],
            b'{"id": "a", "tags": ["%s"]}' % (b"x" * 201),
            "i.jsonl",
            "line 1: `tags`: a tag has",
        ),
        ([[1.0, np.nan]], b"a", "ids.txt", "of 'a' has numbers that are not finite"),
        ([["x"]], b"a", "ids.txt", "features.npy can't be used: it holds <U1"),
    ],
)
def test_a_table_that_can_not_be_used_is_refused_whole(alone, rows, ids, name, why):
    with pytest.raises(errors.InvalidInput) as refusal:
        alone.send(indexer.add_features_npy(npy(rows), ids, "clip", name))
    assert why in refusal.value.detail
    assert alone.parts.images.count() == 0


def test_a_body_over_the_limit_is_not_read(tmp_path):
    with Service(tmp_path / "data", NOWHERE, max_body_bytes=10_000) as service:
        with pytest.raises(errors.TooLarge, match="ISE_MAX_BODY_BYTES"):
            service.send(indexer.add_features_npy(npy(np.ones((1000, 8))), b"a", "clip"))
        body = {"model": "m", "items": [{"id": "a", "vector": [1.0] * 5000}]}
        refused(service, body, 413)


# --- a collection of them ---------------------------------------------------------------------


def test_it_lives_without_an_embedder(alone):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 6)).astype(np.float32)
    ids = "\n".join(map(str, range(200))).encode()
    first = alone.send(indexer.add_features_npy(npy(rows), ids, "clip")).snapshot
    built = alone.build(clusters=5)
    assert built.result["clusters"] == 5
    assert "external:clip-6" in built.result["not_trained"]
    add(alone, {"id": "new", "vector": [1] * 6, "tags": ["late"]})
    answer = alone.ask(query.search_vector([1] * 6, limit=3, exact=True))
    assert answer.recall.clusters == 5
    assert ids_of(answer)[0] == "new"
    alone.send(indexer.delete_image("7"))
    alone.send(indexer.activate_snapshot(first))
    assert ids_of(alone.ask(query.search_id("new", limit=1))) == ["new"]
    with pytest.raises(errors.NotFound):
        alone.ask(query.search_id("7"))
    with pytest.raises(errors.Conflict, match=r"external:clip-6.*`vector`"):
        alone.ask(query.search_image(b"any bytes"))
    with pytest.raises(errors.UnknownTerm, match=r"external:clip-6"):
        alone.ask(query.search_term("dog"))
    assert alone.tagged("late") == {"new"}
    train = alone.send(indexer.train_matching(TrainMatchingRequest()))
    assert "external:clip-6" in alone.failed(train)


def test_pictures_stay_out_of_it(service, picture, folder_of):
    add(service, ITEM)
    hosted = service.parts.external._embedding.pair().visual

    def both(error: errors.ISEError) -> bool:
        return "external:clip-2" in error.detail and hosted in error.detail

    with pytest.raises(errors.FingerprintMismatch) as refusal:
        service.add(picture())
    assert both(refusal.value)
    assert "ISE_DATA_DIR" in refusal.value.detail
    with pytest.raises(errors.FingerprintMismatch) as refusal:
        service.start_ingest(folder_of({"a.png": 1}))
    assert both(refusal.value)
    assert service.parts.images.count() == 1


def test_it_stays_out_of_a_collection_of_pictures(service, picture):
    service.add(picture())
    hosted = service.parts.external._embedding.pair().visual
    with pytest.raises(errors.FingerprintMismatch, match=rf"{hosted}.*external:clip-2"):
        add(service, ITEM)
    assert service.parts.images.count() == 1
    assert not list((service.data / "features").glob("external*"))


def test_a_retag_is_there_after_a_restart(tmp_path: Path, until: Callable[..., Any]):
    with Service(tmp_path / "data", NOWHERE, embed_attempts=1) as service:
        add(service, ITEM)
        service.send(indexer.patch_image("a", ImagePatch(tags=["kept"])))
    with Service(tmp_path / "data", NOWHERE, embed_attempts=1) as service:
        assert service.tagged("kept") == {"a"}
        assert add(service, ITEM).exists == 1
