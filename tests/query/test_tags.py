"""`GET /v1/tags`: completion by any word, pages of all tags, their order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.tags import Tags, Vocabulary
from shared.snapshots.items import Item, tag_key

CARRIED = {
    "grand_piano": 4,
    "Piano": 3,
    "pianist": 3,
    "Castle": 2,
    "city, Portland": 2,
    "new-york": 1,
    "AC/DC": 1,
    "women's day": 1,
    "emoji 🐶": 1,
}


@pytest.fixture(scope="module")
def tagged(fresh_library, serve):
    library = fresh_library()
    tags = [tag for tag, count in CARRIED.items() for _ in range(count)]
    vectors = np.random.default_rng(0).normal(size=(len(tags), 4)).astype(np.float32)
    items = [Item(n, f"i{n:02}", [tag]) for n, tag in enumerate(tags)]
    library.publish(items, visual=library.space(vectors))
    return serve(library)


def names(answer):
    return [one["tag"] for one in answer["tags"]]


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ("piano", ["grand_piano", "Piano"]),
        ("PIAN", ["grand_piano", "pianist", "Piano"]),
        ("grand-p", ["grand_piano"]),
        ("york", ["new-york"]),
        ("portl", ["city, Portland"]),
        ("dc", ["AC/DC"]),
        ("🐶", ["emoji 🐶"]),
        ("day", ["women's day"]),
        ("s", []),
        ("iano", []),
        ("zebra", []),
    ],
)
def test_a_tag_is_completed_from_any_of_its_words(tagged, match, found):
    answer = tagged.get("/v1/tags", match=match)
    assert names(answer) == found
    assert (answer["total"], answer["next"]) == (len(found), None)
    assert all(one["count"] == CARRIED[one["tag"]] for one in answer["tags"])


def test_prefix_stays_the_beginning_of_the_whole_tag(tagged):
    assert names(tagged.get("/v1/tags", prefix="piano")) == ["Piano"]
    assert names(tagged.get("/v1/tags", prefix="pian", match="pianist")) == ["pianist"]
    assert names(tagged.get("/v1/tags", prefix="grand", match="piano")) == ["grand_piano"]


@pytest.mark.parametrize("sort", ["count", "name"])
@pytest.mark.parametrize("limit", [1, 2, 4, 9, 20])
def test_pages_together_are_all_tags_in_order(tagged, sort, limit):
    found, cursor = [], {}
    while True:
        page = tagged.get("/v1/tags", sort=sort, limit=limit, **cursor)
        assert page["total"] == len(CARRIED)
        found += names(page)
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    by_name = sorted(CARRIED, key=tag_key)
    wanted = by_name if sort == "name" else sorted(by_name, key=lambda tag: -CARRIED[tag])
    assert found == wanted


def test_a_cursor_of_another_list_is_refused(tagged):
    cursor = tagged.get("/v1/tags", limit=1)["next"]
    for asked in ({"cursor": cursor, "sort": "name"}, {"cursor": cursor, "match": "p"}):
        refused = tagged.send("GET", "/v1/tags", params=asked)
        assert (refused.status_code, refused.json()["type"]) == (
            422,
            "urn:ise:problem:invalid-input",
        )
    for text in ("x", "W10=", "bnVsbA==", "äö"):
        refused = tagged.send("GET", "/v1/tags", params={"cursor": text})
        assert refused.status_code == 422
        assert "`next`" in refused.json()["detail"]


def test_a_page_goes_on_after_tags_came_and_went(fresh_library, serve):
    library = fresh_library()
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    items = [Item(n, f"i{n}", [tag]) for n, tag in enumerate("aabbcd")]
    library.publish(items, visual=library.space(vectors))
    service = serve(library)
    first = service.get("/v1/tags", limit=2)
    assert names(first) == ["a", "b"]
    library.tombstones.add([2, 3, 4])
    assert names(service.get("/v1/tags", cursor=first["next"])) == ["d"]


# Neither tags nor terms have white space around them by now.
WORDS = st.text("ab_- 'é", max_size=6).map(str.strip)


@given(st.lists(WORDS, max_size=8), WORDS)
def test_what_matches_is_what_has_a_word_that_begins_so(tags, text):
    keys = sorted({tag_key(tag) for tag in tags} - {""})
    match = tag_key(text)
    vocabulary = Vocabulary(keys)
    found = Tags(vocabulary, keys, np.ones(len(keys), np.int64)).page(match, "", False, 100)
    wanted = [key for key in keys if f" {key}".find(f" {match}") >= 0]
    if "'" not in "".join(keys):
        assert [tag.name for tag in found.tags] == wanted
    assert set(wanted) <= {tag.name for tag in found.tags}


def test_the_index_of_words_is_taken_over_by_a_snapshot_with_the_same_tags(fresh_library):
    library = fresh_library()
    reader = SnapshotReader(library.folder)
    library.publish([Item(0, "a", ["grand_piano"])])
    collection, deleted = reader.current()
    collection.tags(deleted)
    index = collection.vocabulary
    library.publish([Item(0, "a", ["Grand Piano"]), Item(1, "b", ["grand-piano"])])
    collection, deleted = reader.current()
    assert collection.tags(deleted).find("grand piano").count == 2
    assert collection.vocabulary is index
    library.tombstones.add([0])
    _, deleted = reader.current()
    assert collection.tags(deleted).find("grand piano").count == 1
    assert collection.vocabulary is index
    library.publish([Item(1, "b", ["organ"])])
    collection, deleted = reader.current()
    assert collection.tags(deleted).find("grand piano") is None
    assert collection.tags(deleted).find("organ").count == 1
