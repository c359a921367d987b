"""A colour in a term: pictures of that colour, or of what its other words find, in that colour."""

import asyncio

import numpy as np
import pytest

from services.query.answering.searches import PartsSearch
from services.query.search.stopwatch import Stopwatch
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric, Part, SearchOptions
from shared.snapshots.items import Item
from tests.query.conftest import Models

DIM = 16
RNG = np.random.default_rng(3)
KINDS = ["car", "parrot", "orange"]
EACH = 12
CENTRES = RNG.normal(size=(len(KINDS), DIM))
LABELS = np.repeat(np.arange(len(KINDS)), EACH)
VECTORS = (CENTRES[LABELS] + 0.3 * RNG.normal(size=(len(LABELS), DIM))).astype(np.float32)
# Every third is red, every third blue, every third without colour.
LOOKS = [{"red": 0.6, "grey": 0.3}, {"blue": 0.5, "green": 0.2}, {"grey": 0.7, "monochrome": 1.0}]
RED_PHOTO = 0


def _colors(ordinal: int) -> dict[str, float]:
    if LABELS[ordinal] == 2:
        return {"orange": 0.7}
    look = LOOKS[ordinal % 3]
    return {name: round(share - 0.01 * (ordinal // 3), 3) for name, share in look.items()}


@pytest.fixture(scope="module")
def serve_colors(fresh_library, serve):
    def build(known=True, tagged=(), calibration=()):
        library = fresh_library()
        items = [
            Item(
                i,
                f"img-{i:02d}",
                ["car"] if i in tagged else [],
                [f"{i}.jpg"],
                {"year": 2000 + i},
                file={"colors": _colors(i)} if known else {},
            )
            for i in range(len(LABELS))
        ]
        joint = library.space(VECTORS, 1, name="joint", fingerprint="network-1")
        library.publish(
            items,
            visual=library.space(VECTORS, 1),
            joint=joint.model_copy(update={"calibration": list(calibration)}),
            matching_fingerprint="model-1",
            tag_vectors=[],
        )
        meanings = {kind: CENTRES[n].astype(np.float32) for n, kind in enumerate(KINDS)}
        meanings["red car"] = CENTRES[0].astype(np.float32)
        return serve(library, Models(terms=meanings))

    return build


@pytest.fixture(scope="module")
def service(serve_colors):
    return serve_colors()


def _ordinals(answer):
    return [int(hit["id"][-2:]) for hit in answer["hits"]]


def test_a_colour_alone_finds_the_pictures_with_most_of_it(service):
    answer = service.term("red", limit=100)
    assert (answer["mode"], answer["colors"], answer["complete"]) == ("color", ["red"], True)
    found = _ordinals(answer)
    assert found == [i for i in range(2 * EACH) if i % 3 == 0]
    first = answer["hits"][0]
    assert first["score"] == pytest.approx(0.6, abs=1e-6)
    assert first["relevance"] == pytest.approx(0.6, abs=1e-6)
    assert first["file"]["colors"] == {"red": 0.6, "grey": 0.3}
    chances = [hit["probability"] for hit in answer["hits"]]
    assert chances == sorted(chances, reverse=True)
    assert 0.5 < chances[0] < 1


@pytest.mark.parametrize("term", ["Gray", "GREY pictures", "greyish"])
def test_variants_of_a_name_are_one_colour(service, term):
    answer = service.term(term, limit=100)
    assert (answer["colors"], answer["mode"]) == (["grey"], "color")
    assert len(answer["hits"]) == 2 * 2 * EACH // 3


def test_black_and_white_finds_pictures_without_colours(service):
    answer = service.term("black-and-white photos", limit=100)
    assert answer["colors"] == ["monochrome"]
    assert _ordinals(answer) == [i for i in range(2 * EACH) if i % 3 == 2]


@pytest.mark.parametrize("term", ["red car", "a car in red", "red-coloured car"])
def test_a_colour_orders_what_the_other_words_find(service, term):
    answer = service.term(term, limit=10)
    assert (answer["mode"], answer["colors"]) == ("semantic", ["red"])
    assert set(_ordinals(answer)[:4]) == {i for i in range(EACH) if i % 3 == 0}
    # Nothing calibrates the words here.
    assert [hit["probability"] for hit in answer["hits"]] == [None] * 10
    relevances = [hit["relevance"] for hit in answer["hits"]]
    assert relevances == sorted(relevances, reverse=True)
    cosine = CENTRES[0] @ VECTORS[_ordinals(answer)[0]]
    cosine /= np.linalg.norm(CENTRES[0]) * np.linalg.norm(VECTORS[_ordinals(answer)[0]])
    assert answer["hits"][0]["score"] == pytest.approx(cosine, abs=1e-4)


def _curve(untrained):
    return Calibration(
        space="joint",
        metric=Metric.COSINE,
        scores=[-1.0, 1.0],
        probabilities=[0.0, 1.0],
        queries=10,
        pairs=100,
        expected_error=0.01,
        brier=0.1,
        base_rate_brier=0.2,
        untrained=untrained,
        predicted=[],
        matched=[],
    )


def test_a_probability_is_that_of_both(serve_colors):
    service = serve_colors(calibration=[_curve(untrained=True)])
    plain = {hit["id"]: hit["probability"] for hit in service.term("car", limit=36)["hits"]}
    answer = service.term("red car", limit=36)
    for hit in answer["hits"]:
        assert 0 < hit["probability"] < plain[hit["id"]]
        assert hit["relevance"] == pytest.approx(hit["probability"], abs=1e-6)
    likely = service.term("red car", min_probability=0.2, limit=36)["hits"]
    assert likely
    assert all(hit["probability"] >= 0.2 for hit in likely)


def test_a_colour_orders_the_carriers_of_a_tag(serve_colors):
    service = serve_colors(tagged=range(EACH))
    answer = service.term("red car", limit=100)
    assert (answer["mode"], answer["colors"]) == ("tag", ["red"])
    found = _ordinals(answer)
    assert sorted(found) == list(range(EACH))
    assert found[:4] == [0, 3, 6, 9]


@pytest.mark.parametrize("tagged", [range(0), range(EACH)], ids=["by meaning", "of a tag"])
def test_a_threshold_hides_no_picture_that_reaches_it(serve_colors, tagged):
    service = serve_colors(tagged=tagged)
    whole = service.term("red car", limit=36)["hits"]
    scores = sorted(hit["score"] for hit in whole)
    least = scores[len(scores) // 2]
    assert [hit["score"] for hit in whole] != sorted(scores, reverse=True)
    wanted = [hit["id"] for hit in whole if hit["score"] >= least]
    found, cursor = [], None
    for _ in range(len(whole)):
        given = {} if cursor is None else {"cursor": cursor}
        page = service.term("red car", limit=2, score_threshold=least, **given)
        found += [hit["id"] for hit in page["hits"]]
        assert page["cut_off"]["below"] == len(whole) - len(wanted)
        cursor = page["next"]
        if cursor is None:
            break
    assert found == wanted


def test_a_word_that_names_a_thing_too_finds_the_thing_first(service):
    answer = service.term("orange", limit=100)
    assert (answer["mode"], answer["colors"]) == ("semantic", ["orange"])
    assert set(_ordinals(answer)[:EACH]) == {i for i in range(len(LABELS)) if LABELS[i] == 2}


def test_terms_without_a_colour_and_collections_without_colours_are_as_before(
    service, serve_colors
):
    plain = serve_colors(known=False)
    for term in ["car", "parrot", "orange", "red car"]:
        expected = plain.term(term, limit=36)
        assert (expected["mode"], expected["colors"]) == ("semantic", [])
        found = service.term(term, limit=36, exact_term=True)
        assert found["colors"] == []
        assert _ordinals(found) == _ordinals(expected)
    assert _ordinals(service.term("car", limit=36)) == _ordinals(plain.term("car", limit=36))


@pytest.mark.parametrize("term", ["red", "red car"])
def test_pages_show_each_picture_once_in_one_order(service, term):
    whole = _ordinals(service.term(term, limit=30))
    found, cursor = [], None
    for _ in range(10):
        given = {} if cursor is None else {"cursor": cursor}
        page = service.term(term, limit=4, **given)
        found += _ordinals(page)
        cursor = page["next"]
        if cursor is None:
            break
    assert found[: len(whole)] == whole
    assert len(set(found)) == len(found)
    assert _ordinals(service.term(term, limit=3, offset=2)) == whole[2:5]


@pytest.mark.parametrize("term", ["red", "red car"])
def test_a_filter_holds_and_an_order_by_name_keeps_what_matches(service, term):
    only = '{"must": [{"key": "year", "lt": 2006}]}'
    assert set(_ordinals(service.term(term, filter=only, limit=36))) <= set(range(6))
    by_name = _ordinals(service.term(term, sort="name", limit=36))
    assert by_name == sorted(by_name, key=str)
    assert by_name
    assert all(i % 3 == 0 for i in by_name)
    shares = '{"must": [{"key": "file.colors.red", "gte": 0.5}]}'
    found = _ordinals(service.term("parrot", filter=shares, limit=36))
    assert sorted(found) == [i for i in range(2 * EACH) if _colors(i).get("red", 0) >= 0.5]


def test_a_deleted_picture_is_found_by_no_colour(fresh_library, serve):
    library = fresh_library()
    items = [
        Item(i, f"img-{i:02d}", [], [f"{i}.jpg"], {}, file={"colors": {"red": 0.5}})
        for i in range(4)
    ]
    library.publish(items, visual=library.space(VECTORS[:4], 1))
    service = serve(library, Models())
    assert sorted(_ordinals(service.term("red"))) == [0, 1, 2, 3]
    library.tombstones.add([2])
    assert sorted(_ordinals(service.term("red"))) == [0, 1, 3]


def test_a_colour_alone_tells_how_many_match_and_what_a_list_promises(service):
    answer = service.term("red", limit=100)
    expected = answer["expected"]
    assert expected["low"] <= expected["matches"] <= expected["high"] <= len(answer["hits"])
    every = sum(hit["probability"] for hit in answer["hits"])
    assert expected["matches"] == pytest.approx(every, abs=0.5)
    assert expected["low"] < expected["matches"]
    assert answer["present"] > 0.9
    short = service.term("red", limit=100, guarantee=0.9)
    assert short["guarantee"] == {"asked": 0.9, "met": True}
    missed = np.prod([1 - hit["probability"] for hit in short["hits"]])
    assert 1 - missed >= 0.9
    assert len(short["hits"]) == 1 or 1 - missed / (1 - short["hits"][-1]["probability"]) < 0.9
    later = service.term("red", limit=2, cursor=service.term("red", limit=2)["next"])
    assert (later["expected"], later["present"]) == (None, None)


def test_a_filter_narrows_what_a_colour_counts(service):
    every = service.term("red", limit=100)["expected"]
    only = '{"must": [{"key": "year", "lt": 2006}]}'
    few = service.term("red", limit=100, filter=only)["expected"]
    assert few["high"] <= 2 < every["matches"]


def test_words_with_a_colour_tell_no_count_that_nothing_measured(service):
    answer = service.term("red car", limit=10, guarantee=0.9)
    assert (answer["expected"], answer["present"]) == (None, None)
    assert answer["guarantee"] == {"asked": 0.9, "met": False}


def _parts(service, *parts, **options):
    return service.search(parts=list(parts), limit=36, **options)


def test_a_colour_among_parts_orders_what_the_others_find(service):
    answer = _parts(service, {"term": "car"}, {"term": "red"})
    assert (answer["mode"], answer["colors"]) == ("semantic", ["red"])
    assert set(_ordinals(answer)[:4]) == {i for i in range(EACH) if i % 3 == 0}
    assert _ordinals(answer) == _ordinals(_parts(service, {"term": "red car"}, {"term": "car"}))


def test_a_colour_beside_a_picture_orders_those_like_it(service):
    answer = _parts(service, {"id": f"img-{EACH:02d}"}, {"term": "blue"})
    assert (answer["mode"], answer["colors"]) == ("mixed", ["blue"])
    blue = {i for i in range(EACH, 2 * EACH) if i % 3 == 1}
    assert set(_ordinals(answer)[: len(blue)]) == blue


def test_parts_that_are_colours_alone_find_the_colours(service):
    answer = _parts(service, {"term": "blue"}, {"term": "green"})
    assert (answer["mode"], answer["colors"]) == ("color", ["blue", "green"])
    assert {i % 3 for i in _ordinals(answer)} == {1}


def test_a_colour_that_is_left_out_leaves_out_its_pictures(service):
    answer = _parts(service, {"term": "car"}, {"term": "red", "weight": -1})
    found = _ordinals(answer)
    assert found
    assert not [i for i in found if _colors(i).get("red", 0) >= 0.15]
    whole = _parts(service, {"term": "car"}, {"term": "blue"}, {"term": "red", "weight": -1})
    assert whole["colors"] == ["blue"]
    assert not [i for i in _ordinals(whole) if _colors(i).get("red", 0) >= 0.15]


@pytest.mark.parametrize("cut", [{"exact_term": True}, {}])
def test_parts_without_a_colour_are_as_before(service, serve_colors, cut):
    parts = ({"term": "car"}, {"term": "parrot", "weight": 0.5})
    plain = serve_colors(known=False)
    assert _ordinals(_parts(service, *parts, **cut)) == _ordinals(_parts(plain, *parts, **cut))


def test_nothing_passes_a_probability_that_no_one_can_tell(serve_colors):
    """Of several parts beside a colour; the API refuses it before."""
    service = serve_colors(calibration=[_curve(untrained=False)])
    terms = ("car", "parrot", "red")
    body = {"parts": [{"term": term} for term in terms], "min_probability": 0.01}
    refused = service.send("POST", "/v1/search", json=body)
    assert refused.status_code == 422
    assert "`score_threshold`" in refused.json()["detail"]
    asking = service.app.state.asking

    async def rank(*terms):
        parts = [Part(term=term) for term in terms]
        options = SearchOptions(min_probability=0.01, limit=36)
        search = PartsSearch(parts, options, asking._features(), asking.terms)
        found = await search.resolve(await asking.searcher(), None, Stopwatch())
        return found.target.rank(found.searcher, Stopwatch())

    several = asyncio.run(rank(*terms))
    assert several.hits == []
    assert several.cut_off.confident is False
    single = asyncio.run(rank("car", "red"))
    assert single.hits
    assert all(hit.probability >= 0.01 for hit in single.hits)


def test_a_part_that_is_a_colour_contributes_nothing_in_its_place(service):
    answer = _parts(service, {"term": "red"}, {"term": "car"}, {"term": "blue", "weight": -1})
    for hit in answer["hits"]:
        assert hit["contributions"] == pytest.approx([0, hit["score"], 0], abs=1e-6)
    left_out = _parts(service, {"term": "blue", "weight": -1}, {"term": "car"}, {"id": "img-00"})
    for hit in left_out["hits"]:
        assert len(hit["contributions"]) == 3
        assert hit["contributions"][0] == 0
        assert sum(hit["contributions"]) == pytest.approx(hit["score"], abs=1e-6)
