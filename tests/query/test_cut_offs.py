"""Cut-offs: what scores too little, or matches with too little probability, is no hit."""

import numpy as np
import pytest

from shared.contracts.calibration import TAG, Calibration
from shared.contracts.query import Metric
from shared.snapshots.items import Item


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


@pytest.fixture(scope="module")
def calibrated(fresh_library, serve):
    """60 images, of which a hit matches with the probability (score + 1) / 2, by cosine."""
    rng = np.random.default_rng(3)
    library = fresh_library()
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    told = Calibration(
        space="visual",
        metric=Metric.COSINE,
        scores=[-1.0, 1.0],
        probabilities=[0.0, 1.0],
        queries=1,
        pairs=1,
        expected_error=0,
        brier=0,
        base_rate_brier=0.25,
        predicted=[],
        matched=[],
    )
    space = library.space(vectors, 3).model_copy(update={"calibration": [told]})
    items = [Item(i, f"i{i:02d}", ["even"] if i % 2 == 0 else []) for i in range(60)]
    library.publish(items, visual=space)
    return serve(library)


def test_hits_below_a_probability_are_left_out_and_counted(calibrated):
    whole = calibrated.search(id="i07", exact=True, limit=60)["hits"]
    least = 0.7
    wanted = [hit for hit in whole if hit["probability"] >= least]
    assert 1 < len(wanted) < 40
    cut = calibrated.search(id="i07", exact=True, limit=40, min_probability=least)
    assert cut["hits"] == wanted
    assert cut["cut_off"] == {"confident": True, "below": 40 - len(wanted)}
    assert (cut["complete"], cut["next"]) == (True, None)


def test_a_page_that_all_reach_has_nothing_below_and_a_next_one(calibrated):
    cut = calibrated.search(id="i07", exact=True, limit=2, min_probability=0.1)
    assert cut["cut_off"] == {"confident": True, "below": 0}
    assert len(cut["hits"]) == 2
    assert cut["next"]


@pytest.mark.parametrize("least", [{"min_probability": 1}, {"score_threshold": 0.99999}])
def test_where_nothing_passes_the_answer_says_that_no_match_is_confident(calibrated, least):
    # In its own direction only it would be certain.
    away = [1.0, -3.0, 2.0, 0.5, -0.25]
    answer = calibrated.search(vector=away, limit=8, **least)
    assert answer["hits"] == []
    assert answer["cut_off"] == {"confident": False, "below": 8}
    assert answer["complete"]


def test_the_image_itself_is_a_certain_match(calibrated):
    assert ids(calibrated.search(id="i07", min_probability=1)) == ["i07"]


def test_both_cut_offs_hold(calibrated):
    whole = calibrated.search(id="i07", exact=True, limit=60)["hits"]
    both = {"min_probability": 0.6, "score_threshold": 0.5}
    found = calibrated.search(id="i07", exact=True, limit=60, **both)["hits"]
    assert found == [hit for hit in whole if hit["score"] >= 0.5]


def test_without_a_cut_off_none_is_told(calibrated):
    assert calibrated.search(id="i07")["cut_off"] is None


def test_carriers_of_a_tag_match_for_certain(calibrated):
    answer = calibrated.term("even", limit=30, min_probability=1)
    assert len(answer["hits"]) == 30
    assert answer["cut_off"] == {"confident": True, "below": 0}


def test_without_a_calibration_a_probability_is_409_that_names_the_way_out(calibrated):
    body = {"id": "i07", "metric": "l2", "min_probability": 0.5}
    response = calibrated.send("POST", "/v1/search", json=body)
    assert (response.status_code, response.json()["type"]) == (409, "urn:ise:problem:conflict")
    assert "`ise build`" in response.json()["detail"]


@pytest.fixture(scope="module")
def judged(fresh_library, serve):
    """300 carriers of a tag, of which every third looks unlike the others, so its probability is
    low, while the joint space ranks all of them in another order."""
    rng = np.random.default_rng(4)
    library = fresh_library()
    vectors = np.ones((300, 6)) + rng.normal(size=(300, 6)) * 0.2
    vectors[::3] *= -1
    vectors[::3, 0] = 3
    told = Calibration(
        space=TAG,
        metric=Metric.COSINE,
        scores=[-1.0, 1.0],
        probabilities=[0.0, 1.0],
        queries=1,
        pairs=1,
        expected_error=0,
        brier=0.1,
        base_rate_brier=0.25,
        predicted=[],
        matched=[],
    )
    # Nothing tells of the last one, which has no vector there.
    visual = library.space(vectors[:299].astype(np.float32)).model_copy(
        update={"calibration": [told]}
    )
    joint = library.space(
        rng.normal(size=(300, 4)).astype(np.float32), name="joint", fingerprint="network-1"
    )
    library.publish(
        [Item(i, f"i{i:03d}", ["all"]) for i in range(300)],
        visual=visual,
        joint=joint,
        matching_fingerprint="model-1",
        tag_vectors=[library.segments.tag_vectors({"all": np.ones(4, np.float32)})],
    )
    return serve(library)


def test_pages_of_carriers_hold_all_that_are_likely_enough(judged):
    whole = judged.term("all", limit=300)["hits"]
    wanted = [hit["id"] for hit in whole if (hit["probability"] or 1) >= 0.7]
    assert "i299" in wanted
    assert 150 < len(wanted) < 250
    found, cursor = [], {}
    while True:
        page = judged.term("all", limit=40, min_probability=0.7, **cursor)
        found += ids(page)
        assert page["cut_off"] == {"confident": True, "below": 300 - len(wanted)}
        if page["next"] is None:
            break
        assert len(page["hits"]) == 40
        cursor = {"cursor": page["next"]}
    assert found == wanted


def test_a_sorted_search_by_tag_has_all_carriers_that_are_likely(judged):
    answer = judged.term("all", limit=1000, sort="name")
    whole = judged.term("all", limit=300)["hits"]
    assert sorted(ids(answer)) == sorted(h["id"] for h in whole if (h["probability"] or 1) >= 0.5)
    assert "i299" in ids(answer)
    assert answer["complete"]


def test_a_sorted_search_without_probabilities_is_complete_only_where_nothing_was_cut(
    fresh_library, serve
):
    library = fresh_library()
    vectors = np.random.default_rng(5).normal(size=(230, 4)).astype(np.float32)
    items = [Item(i, f"i{i:03d}", ["all", *(["few"] if i < 20 else [])]) for i in range(230)]
    library.publish(items, visual=library.space(vectors))
    service = serve(library)
    by_tag = service.term("all", limit=1000, sort="name")
    assert (len(by_tag["hits"]), by_tag["complete"]) == (230, True)
    by_picture = service.search(id="i000", limit=1000, sort="name")
    assert (len(by_picture["hits"]), by_picture["complete"]) == (200, False)
    some = {"must": [{"tag": "few"}]}
    narrow = service.search(id="i000", limit=1000, sort="name", filter=some)
    assert (len(narrow["hits"]), narrow["complete"]) == (20, True)
