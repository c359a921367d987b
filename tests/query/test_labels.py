"""Labels in answers, filters, facets, suggestions and counts; and snapshots without them."""

import numpy as np
import pytest

from shared.labels.head import LabelClass, LabelHead
from shared.snapshots.items import Item
from shared.snapshots.manifest import LabelsManifest

CLASSES = (
    LabelClass(("tench", "Tinca tinca"), "n01440764"),
    LabelClass(("beagle",), "n02088364"),
    LabelClass(("crane",), "n02012849"),
    LabelClass(("crane",), "n03126707"),
)


def head(dim=8):
    weight = np.zeros((4, dim), np.float32)
    weight[:, :4] = 8 * np.eye(4)
    return LabelHead(weight, np.zeros(4, np.float32), CLASSES, "test")


def labelled(library, vectors, parts):
    """Labels of vectors in files of these ranges."""
    one = head()
    files = []
    for start, end in parts:
        ids, chances = one.top(vectors[start:end])
        ordinals = np.arange(start, end)
        files.append(library.segments.labels(ordinals, ids, chances, len(CLASSES)))
    return LabelsManifest(
        fingerprint="model-1",
        digest=one.digest,
        head=library.segments.label_head(one),
        files=files,
    )


@pytest.fixture(scope="module")
def vectors():
    """Image i shows class i % 4, half of them less surely."""
    found = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32) * 0.02
    for i in range(40):
        found[i, i % 4] += 1.0 if i < 20 else 0.3
    return found


@pytest.fixture(scope="module")
def service(fresh_library, serve, vectors):
    library = fresh_library()
    items = [Item(i, f"img-{i:02d}", ["Beagle"] if i == 1 else [], []) for i in range(40)]
    library.publish(
        items,
        visual=library.space(vectors, 4),
        # The last five images were not labelled yet.
        labels=labelled(library, vectors, [(0, 25), (25, 35)]),
    )
    return serve(library)


def exact(vectors):
    return head().probabilities(vectors)


def test_hits_and_records_name_the_likeliest_labels(service, vectors):
    [hit] = service.search(id="img-01", limit=1)["hits"]
    record = service.get("/v1/images/img-01")
    assert hit["labels"] == record["labels"]
    assert hit["labels"][0]["name"] == "beagle"
    assert hit["labels"][0]["probability"] == pytest.approx(float(exact(vectors)[1, 1]), abs=1e-3)
    assert hit["tags"] == ["Beagle"]


def test_an_image_that_was_not_labelled_yet_has_none(service):
    assert service.get("/v1/images/img-37")["labels"] == []


def test_improbable_labels_are_not_shown(service):
    labels = service.get("/v1/images/img-00")["labels"]
    assert [label["name"] for label in labels] == ["tench"]


def showing(service, **condition):
    body = {"id": "img-00", "limit": 100, "exact": True, "filter": {"must": [condition]}}
    return sorted(int(hit["id"][4:]) for hit in service.search(**body)["hits"])


@pytest.mark.parametrize("least", [0.05, 0.2, 0.7, 0.99])
def test_a_filter_takes_those_that_are_as_sure(service, vectors, least):
    probable = exact(vectors[:35])[:, 1] >= least
    assert showing(service, label="beagle", least=least) == np.flatnonzero(probable).tolist()


def test_a_synonym_in_any_spelling_and_a_shared_name_find_their_classes(service, vectors):
    tench = np.flatnonzero(exact(vectors[:35])[:, 0] >= 0.5).tolist()
    assert showing(service, label="TINCA_tinca", least=0.5) == tench
    cranes = np.flatnonzero((exact(vectors[:35])[:, 2:] >= 0.5).any(axis=1)).tolist()
    assert showing(service, label="crane", least=0.5) == cranes


def test_without_a_least_probability_those_that_show_it_are_taken(service, vectors):
    shown = np.flatnonzero(exact(vectors[:35])[:, 1] >= 0.05).tolist()
    assert showing(service, label="beagle") == shown


def test_labels_can_be_ruled_out(service, vectors):
    body = {"must_not": [{"label": "beagle", "least": 0.5}]}
    answer = service.search(id="img-00", limit=100, exact=True, filter=body)
    found = {int(hit["id"][4:]) for hit in answer["hits"]}
    assert found == set(range(40)) - set(np.flatnonzero(exact(vectors[:35])[:, 1] >= 0.5).tolist())


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ({"label": "unicorn"}, "No label is named 'unicorn'"),
        ({"label": "beagles"}, "Did you mean beagle?"),
        ({"label": "tinca"}, "Did you mean Tinca tinca?"),
        ({"label": "beagle", "least": 0.001}, "must be at least 0.01"),
        ({"tag": "a", "least": 0.5}, "`least` goes with a `label`"),
        ({"label": "beagle", "tag": "a"}, "a condition is one of"),
    ],
)
def test_what_a_filter_can_not_mean_is_refused(service, condition, told):
    body = {"id": "img-00", "filter": {"must": [condition]}}
    answer = service.send("POST", "/v1/search", json=body)
    assert answer.status_code == 422
    assert told in str(answer.json())


def test_facets_count_labels_beside_tags(service):
    answer = service.search(id="img-00", limit=8, exact=True, facets=3)
    names = [label["name"] for hit in answer["hits"] for label in hit["labels"]]
    assert answer["label_facets"][0] == {"name": "tench", "count": names.count("tench")}
    assert answer["facets"] == []
    assert service.search(id="img-00", limit=2)["label_facets"] is None


def test_suggestions_show_labels_that_are_no_tag_yet(service):
    assert service.get("/v1/images/img-02/suggest-tags")["labels"][0]["name"] == "crane"
    assert service.get("/v1/images/img-01/suggest-tags")["labels"] == []


def test_counts_tell_what_accepting_would_add(service, vectors):
    found = service.get("/v1/labels", least=0.9)
    sure = exact(vectors[:35]) >= 0.9
    assert (found["labelled"], found["images"], found["source"]) == (35, 40, "test")
    counts = {one["synset"]: (one["images"], one["untagged"]) for one in found["labels"]}
    beagles = int(sure[:, 1].sum())
    assert counts["n02088364"] == (beagles, beagles - 1)
    assert found["shown"] == int(sure.any(axis=1).sum())
    assert [one["name"] for one in service.get("/v1/labels", match="BEA")["labels"]] == ["beagle"]


def test_labels_are_counted_by_name_and_synonym(service):
    found = service.get("/v1/labels", name=["crane", "Tinca tinca"])
    assert sorted(one["name"] for one in found["labels"]) == ["crane", "crane", "tench"]
    assert service.send("GET", "/v1/labels", params={"name": "unicorn"}).status_code == 422


def test_deleted_images_are_not_counted(fresh_library, serve, vectors):
    library = fresh_library()
    items = [Item(i, f"img-{i:02d}", [], []) for i in range(40)]
    library.publish(
        items, visual=library.space(vectors, 4), labels=labelled(library, vectors, [(0, 40)])
    )
    with library.tombstones.adding() as add:
        add([1, 5])
    found = serve(library).get("/v1/labels", least=0.9)
    assert (found["labelled"], found["images"]) == (38, 38)


def test_a_snapshot_without_labels_opens_and_says_so(fresh_library, serve, vectors):
    library = fresh_library()
    items = [Item(i, f"img-{i:02d}", [], []) for i in range(40)]
    library.publish(items, visual=library.space(vectors, 4))
    service = serve(library)
    assert service.search(id="img-00", limit=1)["hits"][0]["labels"] == []
    assert service.get("/v1/labels")["model"] is None
    body = {"id": "img-00", "filter": {"must": [{"label": "beagle"}]}}
    answer = service.send("POST", "/v1/search", json=body)
    assert answer.status_code == 409
    assert "`ise label`" in answer.json()["detail"]
