import json
import unicodedata
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import Corrupt
from shared.files.mapped import MappedFile, write_arrays
from shared.snapshots import items as module
from shared.snapshots.items import Item, ItemsFile, tag_key, write_items
from shared.snapshots.tag_vectors import read_tag_vectors

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.dictionaries(TEXT, st.none() | st.integers() | TEXT | st.lists(TEXT, max_size=2))
TAGS = st.lists(st.sampled_from(["Dog", "dog", " dog ", "STRASSE", "straße", "a_b", "ﬁsh"]) | TEXT)

# As a tag comes in: with a character that is no white space.
SAID = TAGS.map(lambda tags: [tag for tag in tags if tag.strip()])


@st.composite
def collections(draw, tags=TAGS):
    count = draw(st.integers(0, 8))
    ordinals = draw(st.permutations(range(0, 3 * count, 3)))
    ids = draw(st.lists(TEXT, min_size=count, max_size=count))
    return [
        Item(o, i, draw(tags), draw(st.lists(TEXT, max_size=2)), draw(JSON))
        for o, i in zip(ordinals, ids, strict=True)
    ]


@given(collections())
def test_items_come_back_as_they_were_by_ordinal_and_by_id(fresh, items):
    path = fresh() / "items.hdf5"
    assert write_items(path, items) == len(items)
    file = ItemsFile(path)
    assert file.ordinals.tolist() == sorted(item.ordinal for item in items)
    for item in items:
        assert file.item(file.row_of(item.ordinal)) == item
        assert file.row_of(item.ordinal + 1) is None
        same = {i.ordinal for i in items if i.id == item.id}
        assert {int(file.ordinals[row]) for row in file.rows_of_id(item.id)} == same
    assert file.row_of(-1) is None
    assert file.rows_of_id("x" * 13) == []


@given(collections())
def test_a_tag_is_carried_by_whoever_has_it_in_any_case(fresh, items):
    write_items(path := fresh() / "items.hdf5", items)
    file = ItemsFile(path)
    carriers = {}
    for item in sorted(items, key=lambda item: item.ordinal):
        for key in {tag_key(tag) for tag in item.tags}:
            carriers.setdefault(key, []).append(item.ordinal)
    assert {key: file.carriers(key).tolist() for key in file.tags} == carriers
    assert all(tag_key(name) == key for key, (name, _) in file.tags.items())
    assert file.carriers("no such tag, surely").tolist() == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Dog", "dOG"),
        ("STRASSE", "straße"),
        ("ÉTÉ", "été"),
        (" dog\t", "dog"),
        ("ΣΑΣ", "σας"),
        ("a_b", "a b"),
        ("a-b", "A_b"),
    ],
)
def test_tags_that_differ_in_case_or_separators_are_one(one, other):
    assert tag_key(one) == tag_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("a_b", "ab"), ("a/b", "a b"), ("a", "as"), ("é", "e"), ("c", "c++")]
)
def test_tags_are_matched_whole_with_all_their_characters(one, other):
    assert tag_key(one) != tag_key(other)


def test_an_id_is_found_among_many(tmp_path):
    items = [Item(o, f"id/{o}?ü") for o in range(5000)]
    write_items(tmp_path / "items", reversed(items))
    file = ItemsFile(tmp_path / "items")
    for ordinal in (0, 1, 2499, 4999):
        assert file.rows_of_id(f"id/{ordinal}?ü") == [ordinal]


@given(collections())
def test_records_that_stream_in_make_the_same_file(fresh, items):
    whole, streamed = fresh() / "whole", fresh() / "streamed"
    write_items(whole, items)
    ordered = sorted(items, key=lambda item: item.ordinal)
    assert write_items(streamed, iter(ordered), is_ascending=True) == len(items)
    one, other = MappedFile(whole), MappedFile(streamed)
    assert one.sizes() == other.sizes()
    for name in one.sizes():
        assert one[name].tobytes() == other[name].tobytes()


def test_memory_holds_few_of_the_records_that_stream_in(tmp_path):
    made = []

    class Counted(Item):
        __slots__ = ("__weakref__",)

    def stream():
        for number in range(500):
            item = Counted(number, str(number), ["tag"], [f"{number}.jpg"])
            made.append(weakref.ref(item))
            yield item
            assert sum(one() is not None for one in made) < 20

    assert write_items(tmp_path / "items", stream(), is_ascending=True) == 500
    assert list(tmp_path.iterdir()) == [tmp_path / "items"]


def test_two_ids_of_one_hash_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_hash", lambda text: 7)
    write_items(tmp_path / "items", [Item(0, "a"), Item(1, "b"), Item(2, "a")])
    file = ItemsFile(tmp_path / "items")
    assert (file.rows_of_id("a"), file.rows_of_id("b"), file.rows_of_id("c")) == ([0, 2], [1], [])


def test_tags_and_lists_that_do_not_agree_are_corrupt(tmp_path):
    write_items(tmp_path / "items", [Item(0, "a", ["x"])])
    file = MappedFile(tmp_path / "items")
    names = ["ordinals", "record_offsets", "records", "id_hashes", "id_rows", "tag_offsets"]
    arrays = {name: np.array(file[name]) for name in [*names, "tag_ordinals"]}
    arrays["tag_names"] = np.frombuffer(json.dumps(["x", "y"]).encode(), np.uint8)
    write_arrays(tmp_path / "other", arrays)
    with pytest.raises(Corrupt, match="don't agree"):
        ItemsFile(tmp_path / "other")


def test_a_tag_is_the_same_composed_or_not():
    composed, decomposed = "cr\u00e8me", "cre\u0300me"
    assert composed != decomposed
    assert tag_key(composed) == tag_key(decomposed) == tag_key(decomposed.upper())


def old_file(folder, items):
    """An items file as versions up to commit d581658 wrote it: `_`, `-` and spaces kept apart."""

    def key_before(tag):
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", tag.strip()).casefold())

    write_items(folder / "new", items)
    file = MappedFile(folder / "new")
    names, carriers = {}, {}
    for item in items:
        for key, tag in {key_before(tag): tag for tag in item.tags}.items():
            names.setdefault(key, tag)
            carriers.setdefault(key, []).append(item.ordinal)
    keys = sorted(names)
    arrays = {n: np.array(file[n]) for n in file.sizes() if not n.startswith(("tag_", "spelling"))}
    arrays["tag_names"] = np.frombuffer(json.dumps([names[k] for k in keys]).encode(), np.uint8)
    arrays["tag_offsets"] = np.cumsum([0, *(len(carriers[k]) for k in keys)])
    arrays["tag_ordinals"] = np.array([o for k in keys for o in carriers[k]], np.int64)
    write_arrays(folder / "old", arrays)
    return ItemsFile(folder / "old")


@given(collections(SAID))
def test_a_file_of_before_the_normal_form_answers_as_a_new_one(fresh, items):
    items = sorted(items, key=lambda item: item.ordinal)
    folder = fresh()
    old, new = old_file(folder, items), ItemsFile(folder / "new")
    none = np.empty(0, np.int64)
    assert set(old.tags) == set(new.tags)
    for key in new.tags:
        assert old.carriers(key).tolist() == new.carriers(key).tolist()
        rows = old.tags[key][1], new.tags[key][1]
        counts = [file.tags.counts(none)[row] for file, row in zip((old, new), rows, strict=True)]
        assert counts[0] == counts[1] == len(new.carriers(key))


def test_an_old_file_merges_the_lists_of_one_tag(tmp_path):
    spelt = [["car_side", "car side"], ["car side"], ["Car-Side"], ["dog"]]
    file = old_file(tmp_path, [Item(n, str(n), tags) for n, tags in enumerate(spelt)])
    assert file.carriers("car side").tolist() == [0, 1, 2]
    name, row = file.tags["car side"]
    assert name == "car side"
    assert file.tags.counts(np.array([1]))[row] == 2
    assert len(file.tags) == 2


def test_the_more_frequent_spelling_stands_for_a_tag_and_the_others_are_counted(tmp_path):
    spelt = ["car_side", "Car Side", "Car Side", "CAR-SIDE"]
    write_items(tmp_path / "items", [Item(n, str(n), [tag]) for n, tag in enumerate(spelt)])
    tags = ItemsFile(tmp_path / "items").tags
    assert tags["car side"] == ("Car Side", 0)
    assert tags.carriers("car side").tolist() == [0, 1, 2, 3]
    assert tags.counts(np.array([0, 1])).tolist() == [2]
    assert set(tags.spelling_counts(np.array([0]))) == {(0, "car_side", 0), (0, "CAR-SIDE", 1)}


def test_tag_vectors_of_before_the_normal_form_are_found_by_it(tmp_path):
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    keys = ["car side", "car_side", "dog", "ﬁsh"]
    encoded = np.frombuffer(json.dumps(keys).encode(), np.uint8)
    write_arrays(tmp_path / "old", {"keys": encoded, "vectors": vectors})
    found = read_tag_vectors(tmp_path / "old")
    assert set(found) == {"car side", "dog", "fish"}
    np.testing.assert_allclose(found["car side"], vectors[:2].mean(axis=0))
    np.testing.assert_array_equal(found["dog"], vectors[2])
