"""Terms that no tag equals: singular and plural, near spellings, words with a meaning."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query.search.collection import Collection, SegmentCache
from shared.snapshots.items import Item, tag_key
from shared.terms.normal_form import words_of
from tests.query.answers import ids
from tests.query.conftest import Models

TAGS = ["butterfly", "car_side", "grand_piano", "cat", "Geese", "café", "ışık", "1998 run", "axis"]
KNOWN = ["car", "puppy", "piano", "grand", "house", "geese", "goose", "side", "butterflies", "run"]


@pytest.fixture(scope="module")
def read(fresh_library, serve):
    """One image a tag, in a joint space; the embedder knows some words, most of them no tags."""
    library, rng = fresh_library(), np.random.default_rng(3)
    joint = rng.normal(size=(len(TAGS), 4)).astype(np.float32)
    library.publish(
        [Item(number, tag, [tag]) for number, tag in enumerate(TAGS)],
        visual=library.space(rng.normal(size=(len(TAGS), 5)).astype(np.float32)),
        joint=library.space(joint, name="joint", fingerprint="network-1"),
        matching_fingerprint="model-1",
    )
    terms = dict.fromkeys([*KNOWN, "grand house"], joint[0])
    return serve(library, Models(terms=terms, named={"cart", "grand cart"}))


def told(answer):
    return answer["mode"], answer["searched_as"], ids(answer)


@pytest.mark.parametrize(
    "term", ["car side", "CAR-SIDE", " car__side ", "car_side", "ｃａｒ side", "Car\u00a0Side"]
)
def test_a_tag_is_found_whatever_case_and_separators_a_term_has(read, term):
    assert told(read.term(term)) == ("tag", None, ["car_side"])


@pytest.mark.parametrize(
    ("term", "tag"),
    [
        ("butterflies", "butterfly"),
        ("Butterflies", "butterfly"),
        ("goose", "Geese"),
        ("car sides", "car_side"),
        ("cars side", "car_side"),
        ("grand-pianos", "grand_piano"),
        ("axes", "axis"),
        ("cats", "cat"),
    ],
)
def test_a_term_in_the_other_number_is_read_as_the_tag_though_it_is_a_known_word(read, term, tag):
    assert told(read.term(term)) == ("tag", tag, [tag])


@pytest.mark.parametrize(
    ("term", "tag"), [("cafe", "café"), ("Cafes", "café"), ("ISIK", "ışık"), ("cafè", "café")]
)
def test_accents_may_be_left_out(read, term, tag):
    assert told(read.term(term)) == ("tag", tag, [tag])


@pytest.mark.parametrize(
    ("term", "tag"),
    [
        ("butterfli", "butterfly"),
        ("buterflies", "butterfly"),
        ("btuterfly", "butterfly"),
        ("grand paino", "grand_piano"),
        ("grandpiano", "grand_piano"),
        ("carside", "car_side"),
        ("geeese", "Geese"),
    ],
)
def test_a_slip_of_the_keyboard_is_read_as_the_tag(read, term, tag):
    assert told(read.term(term)) == ("tag", tag, [tag])


@pytest.mark.parametrize("term", ["car", "puppy", "piano", "house", "grand house"])
def test_a_word_with_a_meaning_of_its_own_is_never_corrected(read, term):
    mode, searched_as, found = told(read.term(term))
    assert (mode, searched_as) == ("semantic", None)
    assert len(found) == len(TAGS)


@pytest.mark.parametrize("term", ["cta", "xat", "1999 run", "xutterfli", "butterscotch", "qwertz"])
def test_what_is_too_short_or_too_far_from_any_tag_stays_unknown(read, term):
    response = read.send("GET", "/v1/search", params={"term": term})
    assert response.json()["type"] == "urn:ise:problem:unknown-term"


@pytest.mark.parametrize("term", ["cart", "grand cart"])
def test_a_word_that_only_a_classifier_knows_is_not_a_misspelling(read, term):
    assert told(read.term(term))[:2] == ("semantic", None)


@pytest.mark.parametrize("term", ["müllers", "MÜLLERS", "mullers", "3.e Jahr"])
def test_an_unknown_word_is_the_only_tag_that_holds_it(fresh_library, serve, term):
    tags = ["Müllers Hund", "3.e Jahr im Garten", "from here"]
    service = _of_tags(fresh_library, serve, tags)
    expected = tags[1] if term.startswith("3") else tags[0]
    assert told(service.term(term)) == ("tag", expected, [expected])


@pytest.mark.parametrize("term", ["1998", "from", "ml"])
def test_a_word_of_several_tags_or_of_none_in_particular_stays_unknown(fresh_library, serve, term):
    service = _of_tags(fresh_library, serve, ["Ägypten 1998", "Garten 1998", "from here", "ml x"])
    response = service.send("GET", "/v1/search", params={"term": term})
    assert response.json()["type"] == "urn:ise:problem:unknown-term"


def _of_tags(fresh_library, serve, tags):
    library = fresh_library()
    vectors = np.random.default_rng(3).normal(size=(len(tags), 5)).astype(np.float32)
    library.publish(
        [Item(number, tag, [tag]) for number, tag in enumerate(tags)],
        visual=library.space(vectors),
        joint=library.space(vectors[:, :4].copy(), name="joint", fingerprint="network-1"),
        matching_fingerprint="model-1",
    )
    return serve(library, Models())


def test_exact_term_reads_a_term_only_as_it_is_written(read):
    assert told(read.term("butterflies", exact_term=True))[:2] == ("semantic", None)
    assert told(read.search(term="CAR side", exact_term=True)) == ("tag", None, ["car_side"])
    for term in ("butterfli", "cafe"):
        response = read.send("GET", "/v1/search", params={"term": term, "exact_term": True})
        assert response.status_code == 422
        assert response.json()["suggestions"]


def test_every_way_to_search_tells_how_a_term_was_read(read):
    corrected = [{"term": "butterflies", "searched_as": "butterfly"}]
    alone = {"term": "butterflies"}
    sent = read.send("POST", "/v1/search/batch", json={"searches": [alone, {"term": "cat"}]})
    first, second = (one["answer"] for one in sent.json()["answers"])
    for answer in (
        read.term("butterflies"),
        read.search(**alone),
        first,
        read.search(parts=[alone]),
    ):
        assert (answer["searched_as"], answer["corrected_terms"]) == ("butterfly", corrected)
    assert (second["searched_as"], second["corrected_terms"]) == (None, [])


def test_each_part_is_read_and_an_excluded_one_excludes_the_tag(read):
    parts = [
        {"term": "cats"},
        {"term": "goose", "weight": 0.5},
        {"term": "butterfli", "weight": -1},
    ]
    answer = read.search(parts=parts)
    assert answer["searched_as"] == "cat"
    assert [one["searched_as"] for one in answer["corrected_terms"]] == [
        "cat",
        "Geese",
        "butterfly",
    ]
    assert "butterfly" not in ids(answer)
    kept = read.search(parts=[{"term": "cat"}, {"term": "puppy", "weight": -1}], exact_term=True)
    assert kept["searched_as"] is None


def test_a_page_of_a_corrected_search_leads_to_the_next(fresh_library, serve):
    library = fresh_library()
    vectors = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    items = [Item(i, f"i{i}", ["butterfly"]) for i in range(5)]
    library.publish(items, visual=library.space(vectors))
    service = serve(library)
    first = service.term("butterflies", limit=3)
    second = service.term("butterflies", limit=3, cursor=first["next"])
    assert len({*ids(first), *ids(second)}) == 5
    assert second["searched_as"] == "butterfly"


def test_a_tag_that_no_image_carries_any_more_is_no_reading(fresh_library, serve):
    library = fresh_library()
    vectors = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    items = [Item(0, "a", ["butterfly"]), Item(1, "b", ["castle"])]
    library.publish(items, visual=library.space(vectors))
    service = serve(library)
    assert service.term("butterfli")["searched_as"] == "butterfly"
    library.tombstones.add([0])
    for term in ("butterfli", "butterflies"):
        response = service.send("GET", "/v1/search", params={"term": term})
        assert response.json()["type"] == "urn:ise:problem:unknown-term"


def test_without_any_embedder_a_slip_is_read_where_no_word_can_be_searched_by_meaning(
    fresh_library, serve
):
    library, models = fresh_library(), Models(loading=True)
    vectors = np.random.default_rng(0).normal(size=(1, 4)).astype(np.float32)
    space = library.space(vectors, fingerprint="external:mine")
    library.publish([Item(0, "a", ["horse"])], visual=space)
    service = serve(library, models)
    assert service.term("horsse")["searched_as"] == "horse"
    assert service.term("horses")["searched_as"] == "horse"
    assert models.asked == []


def test_a_filter_takes_a_tag_in_any_way_to_write_it(read):
    for tag in ("Grand-Piano", "grand piano", "GRAND__PIANO"):
        assert ids(read.search(id="cat", filter={"must": [{"tag": tag}]})) == ["grand_piano"]
        left = read.search(id="cat", limit=50, filter={"must_not": [{"tag": tag}]})
        assert "grand_piano" not in ids(left)
        some = read.search(id="cat", filter={"should": [{"tag": tag}, {"tag": "CAFÉ"}]})
        assert sorted(ids(some)) == ["café", "grand_piano"]


def test_two_spellings_of_one_tag_are_one_tag_under_the_more_frequent(fresh_library, serve):
    library = fresh_library()
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    spelt = ["car_side", "Car Side", "Car Side", "car-side", "Car Side", "other"]
    items = [Item(i, f"i{i}", [tag]) for i, tag in enumerate(spelt)]
    # In two files, of which the first has another spelling more often.
    files = [library.segments.items(items[:2]), library.segments.items(items[2:])]
    library.publish([], items=files, images=6, visual=library.space(vectors))
    service = serve(library)
    assert service.get("/v1/tags", match="car")["tags"] == [{"tag": "Car Side", "count": 5}]
    answer = service.term("CAR_SIDE")
    assert sorted(ids(answer)) == ["i0", "i1", "i2", "i3", "i4"]
    assert {hit["tags"][0] for hit in answer["hits"]} == set(spelt[:5])
    library.tombstones.add([1, 2])
    # Three are left, each with a spelling of its own: the one that sorts first stands for them.
    assert service.get("/v1/tags", match="car")["tags"] == [{"tag": "Car Side", "count": 3}]


TYPED = st.text(min_size=1, max_size=12) | st.text("abutrefly pno_-é1", min_size=1, max_size=12)


@given(TYPED.filter(str.strip), st.booleans())
def test_any_term_is_answered_or_unknown(read, term, exact):
    response = read.send("POST", "/v1/search", json={"term": term, "exact_term": exact})
    assert response.status_code in (200, 422), response.text
    tags = read.send("GET", "/v1/tags", params={"match": term, "prefix": term})
    assert tags.status_code in (200, 422), tags.text


VERBATIM = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12
).filter(str.strip)
CASES = st.sampled_from([str, str.upper, str.lower, str.title, str.swapcase, str.casefold])
SEPARATORS = st.sampled_from(["_", "-", " ", "__", " - "])


@given(st.lists(VERBATIM, min_size=1, max_size=6), st.data())
def test_any_tag_finds_its_images_by_a_term_in_any_case_with_any_separators(
    fresh_library, tags, data
):
    library = fresh_library()
    items = [Item(i, str(i), [tag.strip()]) for i, tag in enumerate(tags)]
    manifest = library.publish(items)
    collection = Collection(manifest, SegmentCache(library.snapshots))
    none = np.empty(0, np.int64)
    for number, tag in enumerate(tags):
        separator = data.draw(SEPARATORS)
        term = data.draw(CASES)(tag)
        # Separators alone are a tag as they are: without them nothing would be left.
        if words_of(tag):
            term = "".join(separator if c in "_- " else c for c in term)
        found = collection.carriers(term, none).tolist()
        if not found:
            # Only of letters whose capital is another letter's too, like the dotless i.
            tag_read = collection.tags(none).first_of([tag_key(term)])
            found = collection.carriers(tag_read.name, none).tolist() if tag_read else []
        assert number in found
