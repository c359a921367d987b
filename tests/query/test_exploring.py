"""Near-duplicates, facets, suggested tags, images at random."""

import numpy as np
import pytest

from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.engines.ivf.reader import Postings
from shared.media.identity import content_id
from shared.snapshots.items import Item

DIM = 24


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def copied(fresh_library, serve):
    """90 images, each third a near copy of the one before it, some with a second one; in two
    segments, so that a copy may be in another one than what it's a copy of."""
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(90, DIM)).astype(np.float32) * 7
    groups = []
    for i in range(0, 90, 3):
        vectors[i + 1] = 2 * vectors[i] + rng.normal(size=DIM) * 0.05
        groups.append({f"i{i:02d}", f"i{i + 1:02d}"})
    vectors[80] = vectors[3] * 1.01
    groups[1].add("i80")
    library = fresh_library()
    items = [Item(i, f"i{i:02d}", [f"t{i % 2}", "All" if i else "ALL"]) for i in range(90)]
    told = Calibration(
        space="visual",
        metric=Metric.COSINE,
        scores=[0.0, 1.0],
        probabilities=[0.0, 1.0],
        queries=1,
        pairs=1,
        expected_error=0,
        brier=0,
        base_rate_brier=0.25,
        predicted=[],
        matched=[],
    )
    space = library.space(vectors, 6, sizes=(50,))
    library.publish(items, visual=space.model_copy(update={"calibration": [told]}))
    service = serve(library)
    service.app.state.groups, service.app.state.vectors = groups, vectors
    return service


def groups_of(answer):
    return [{image["id"] for image in group} for group in answer["groups"]]


def test_near_duplicates_are_found_over_the_whole_collection(copied):
    answer = copied.get("/v1/duplicates")
    found = groups_of(answer)
    assert sorted(map(sorted, found)) == sorted(map(sorted, copied.app.state.groups))
    assert (answer["threshold"], answer["next"]) == (0.98, None)
    assert answer["looked_at"] == answer["clusters"] == 6
    units = unit(copied.app.state.vectors.astype(np.float64))
    for group in answer["groups"]:
        first = units[int(group[0]["id"][1:])]
        for image in group:
            assert image["score"] == pytest.approx(units[int(image["id"][1:])] @ first, abs=1e-5)


@pytest.mark.parametrize("limit", [1, 4, 7, 30, 100])
def test_pages_of_groups_share_none_and_skip_none(copied, limit):
    found, cursor = [], None
    while True:
        given = {"cursor": cursor} if cursor else {}
        page = copied.get("/v1/duplicates", limit=limit, **given)
        assert len(page["groups"]) <= limit
        found += groups_of(page)
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(map(sorted, found)) == sorted(map(sorted, copied.app.state.groups))


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("least", [0.9, 0.98])
def test_near_duplicates_on_both_sides_of_a_border_are_one_group(library, serve, metric, least):
    rng = np.random.default_rng(3)
    rows = unit(rng.normal(size=(400, 6)))
    # Copies of copies: a chain may lead through three clusters.
    for copy in range(100, 400):
        rows[copy] = unit(rows[copy - 100] + rng.normal(size=6) * 0.07)
    space = library.space(rows.astype(np.float32), 24, metric, sizes=(250,))
    library.publish([Item(i, f"i{i:03d}") for i in range(400)], visual=space)
    service = serve(library)
    found, cursor = [], None
    while True:
        given = {"cursor": cursor} if cursor else {}
        page = service.get("/v1/duplicates", threshold=least, limit=9, **given)
        found += [[image["id"] for image in group] for group in page["groups"]]
        if (cursor := page["next"]) is None:
            break
    firsts = np.argmax(rows @ rows.T >= least, axis=1)
    for _ in range(len(rows)):
        firsts = firsts[firsts]
    wanted = [np.flatnonzero(firsts == first) for first in np.unique(firsts)]
    expected = [[f"i{i:03d}" for i in group] for group in wanted if len(group) > 1]
    assert sorted(found) == expected
    clusters = {}
    for file in space.postings:
        segment = Postings(library.segments.path(file))
        lists = segment.lists_of_rows(np.arange(segment.rows))
        clusters |= dict(zip(segment.ordinals.tolist(), lists.tolist(), strict=True))
    straddling = [group for group in expected if len({clusters[int(i[1:])] for i in group}) > 1]
    assert len(straddling) >= 5


def test_the_threshold_says_what_the_same_is(copied):
    assert [{"i03", "i80"}] == groups_of(copied.get("/v1/duplicates", threshold=1))


def test_a_cursor_of_another_snapshot_is_409_and_none_is_422(copied):
    assert copied.send("GET", "/v1/duplicates?cursor=99-0-0").status_code == 409
    assert copied.send("GET", "/v1/duplicates?cursor=x").status_code == 422


def test_deleted_images_are_no_duplicates(library, serve):
    vectors = np.ones((3, 4), np.float32)
    library.publish([Item(i, f"i{i}") for i in range(3)], visual=library.space(vectors))
    service = serve(library)
    assert groups_of(service.get("/v1/duplicates")) == [{"i0", "i1", "i2"}]
    library.tombstones.add([1])
    assert groups_of(service.get("/v1/duplicates")) == [{"i0", "i2"}]
    assert {image["id"] for image in service.get("/v1/random")["images"]} == {"i0", "i2"}
    library.tombstones.add([2])
    assert service.get("/v1/duplicates")["groups"] == []


def test_hits_that_show_the_same_are_folded_into_the_first(copied):
    whole = copied.search(id="i03", exact=True, limit=90)
    grouped = copied.search(id="i03", exact=True, limit=90, group_duplicates=True)
    first = grouped["hits"][0]
    assert first["id"] == "i03"
    assert {other["id"] for other in first["duplicates"]} == {"i04", "i80"}
    assert all(other["similarity"] >= 0.98 for other in first["duplicates"])
    assert len(grouped["hits"]) == 59
    told = [
        i for hit in grouped["hits"] for i in [hit["id"], *(d["id"] for d in hit["duplicates"])]
    ]
    assert sorted(told) == sorted(ids(whole))
    assert whole["hits"][0]["duplicates"] is None


def test_pages_go_on_behind_what_was_folded(copied):
    first = copied.search(id="i03", exact=True, limit=3, group_duplicates=True)
    assert ids(first) == ["i03"]
    second = copied.search(id="i03", exact=True, limit=3, cursor=first["next"])
    assert ids(second) == ids(copied.search(id="i03", exact=True, limit=6))[3:]


def test_facets_count_the_tags_of_the_hits(copied):
    answer = copied.search(id="i00", exact=True, limit=90, facets=2)
    assert [f["count"] for f in answer["facets"]] == [90, 45]
    assert answer["facets"][0]["tag"].lower() == "all"
    few = copied.term("t1", limit=5, facets=10)
    assert {f["tag"]: f["count"] for f in few["facets"]} == {"All": 5, "t1": 5}
    assert copied.search(id="i00")["facets"] is None


def test_tags_are_suggested_by_neighbours_as_probable_as_they_match(library, serve, copied):
    rng = np.random.default_rng(0)
    middles = unit(rng.normal(size=(2, DIM)))
    rows = np.repeat(middles, 20, axis=0) + rng.normal(size=(40, DIM)) * 0.05
    items = [Item(i, f"i{i}", ["Cat"] if i < 20 else ["dog", "Pet"]) for i in range(40)]
    items[0], items[21] = Item(0, "i0"), Item(21, "i21", ["DOG"])
    space = library.space(rows.astype(np.float32), 2)
    told = copied.library.snapshots.current().visual.calibration
    library.publish(items, visual=space.model_copy(update={"calibration": told}))
    service = serve(library)
    answer = service.get("/v1/images/i0/suggest-tags")
    assert answer["tags"][0]["tag"] == "Cat"
    assert answer["tags"][0]["images"] == 19
    assert answer["tags"][0]["probability"] > 0.8
    assert sum(one["probability"] for one in answer["tags"]) <= 2
    told = [one["tag"] for one in service.get("/v1/images/i21/suggest-tags")["tags"]]
    assert told[0] == "Pet"
    assert "dog" not in told


def test_tags_are_suggested_for_a_picture_that_is_sent(library, serve, copied):
    rng = np.random.default_rng(0)
    middles = unit(rng.normal(size=(2, DIM)))
    rows = np.repeat(middles, 20, axis=0) + rng.normal(size=(40, DIM)) * 0.05
    rows = rows.astype(np.float32)
    ids = [content_id(b"one"), *(f"i{i}" for i in range(1, 40))]
    items = [Item(i, ids[i], ["Cat"] if i < 20 else ["dog", "Pet"]) for i in range(40)]
    space = library.space(rows, 2)
    told = copied.library.snapshots.current().visual.calibration
    library.publish(items, visual=space.model_copy(update={"calibration": told}))
    service = serve(library)
    service.models.images = {b"one": rows[0], b"new": rows[30] + 0.01, b"other": rows[1]}

    def suggested(data, **form):
        files = {"file": ("x.jpg", data, "image/jpeg")}
        response = service.send("POST", "/v1/suggest-tags", files=files, data=form)
        assert response.status_code == 200, response.text
        return response.json()

    assert [one["tag"] for one in suggested(b"new")["tags"]][:2] == ["dog", "Pet"]
    assert suggested(b"new")["id"] is None
    assert len(suggested(b"new", limit=1)["tags"]) == 1
    # An indexed picture is no neighbour of its own, and has its tags already.
    known = suggested(b"one")
    assert known == service.get(f"/v1/images/{ids[0]}/suggest-tags")
    assert "Cat" not in {one["tag"] for one in known["tags"]}
    bad = service.send("POST", "/v1/suggest-tags", files={"file": ("x", b"?", "image/jpeg")})
    assert bad.status_code == 422


def test_without_a_calibration_nothing_is_suggested(filled):
    response = filled.send("GET", "/v1/images/img-001/suggest-tags")
    assert response.status_code == 409
    assert "`ise build`" in response.json()["detail"]
    assert filled.send("GET", "/v1/images/none/suggest-tags").status_code == 404


def test_images_at_random_are_none_twice_and_the_same_by_their_seed(copied):
    first = copied.get("/v1/random", limit=20, seed=1)
    again = copied.get("/v1/random", limit=20, seed=1)
    other = copied.get("/v1/random", limit=20, seed=2)
    assert first == again != other
    assert len({image["id"] for image in first["images"]}) == 20
    assert len(copied.get("/v1/random", limit=1000)["images"]) == 90


def test_every_image_is_as_likely_as_any_other(copied):
    counts = dict.fromkeys((f"i{i:02d}" for i in range(90)), 0)
    for seed in range(300):
        for image in copied.get("/v1/random", limit=9, seed=seed)["images"]:
            counts[image["id"]] += 1
    # 30 of each are expected, give or take 5.2.
    assert min(counts.values()) > 30 - 5 * 5.2
    assert max(counts.values()) < 30 + 5 * 5.2


def test_an_empty_collection_has_nothing_to_show(library, serve):
    service = serve(library)
    assert service.get("/v1/duplicates")["groups"] == []
    assert service.get("/v1/random")["images"] == []
    assert service.send("GET", "/v1/images/x/suggest-tags").status_code == 404
