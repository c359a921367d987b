"""The catalogue of images."""

import threading
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.indexer.catalog import migrations, schema
from services.indexer.catalog import view as view_module
from services.indexer.catalog.database import Database
from services.indexer.catalog.images import Images
from services.indexer.catalog.schema import features, locations, tags
from shared.core.errors import Misconfigured, NotFound, StorageFull
from shared.media.identity import content_id
from shared.snapshots.items import tag_key

A = content_id(b"a")


def revision(images: Images) -> int:
    with images.view() as view:
        return view.revision


def test_the_same_bytes_at_two_paths_are_one_image(images, entry):
    images.record([entry("a", "/x/1.jpg", tags=["dog"]), entry("a", "/y/2.jpg", tags=["cat"])], {})
    _, item = images.get(A)
    assert images.count() == 1
    assert item.uris == ["1.jpg", "2.jpg"]
    assert item.tags == ["cat", "dog"]


def test_the_same_path_under_two_names_keeps_both(images, entry):
    first, second = entry("a", "/kept"), entry("a", "/kept")
    object.__setattr__(second, "place", type(second.place)("/kept", "other.jpg", 1, 1))
    images.record([first], {})
    images.record([second], {})
    assert images.get(A)[1].uris == ["kept", "other.jpg"]


def test_tags_are_one_whatever_their_case_and_stay_as_first_written(images, entry):
    images.record([entry(tags=["Golden Retriever", "STRASSE"])], {})
    images.record([entry(tags=["golden retriever", "straße", "dog"])], {})
    assert images.get(A)[1].tags == ["dog", "Golden Retriever", "STRASSE"]


def test_metadata_is_joined_and_the_later_value_holds(images, entry):
    images.record([entry(metadata={"by": "Ann", "year": 1999})], {})
    images.record([entry(metadata={"year": 2000, "place": "Bonn"})], {})
    assert images.get(A)[1].metadata == {"by": "Ann", "year": 2000, "place": "Bonn"}


def test_features_of_images_read_a_while_ago_change_nothing_else(images, entry, feature_place):
    """As of a re-embedding, during which a sync and a user go on."""
    read = [entry("a", "/p/1", tags=["old"], metadata={"x": 1}), entry("c", "/p/3")]
    images.record([entry("a", "/p/1", tags=["old"]), entry("a", "/p/2"), entry("c", "/p/3")], {})
    images.record([entry("b", "/p/1")], {})
    images.patch(A, ["new"], {"y": 2})
    images.remove([images.ordinal(content_id(b"c"))])
    before = {name: images.places(content_id(name)) for name in (b"a", b"b")}
    assert images.record_features(read, {A: [feature_place(row=0)]}) == []
    assert {name: images.places(content_id(name)) for name in before} == before
    assert (images.get(A)[1].tags, images.get(A)[1].metadata) == (["new"], {"y": 2})
    assert A not in images.without_features(feature_place().fingerprint)
    assert images.count() == 2


def test_every_change_takes_a_higher_revision(images, entry):
    seen = [revision(images)]
    for change in (
        lambda: images.record([entry()], {}),
        lambda: images.record([entry(tags=["dog"])], {}),
        lambda: images.patch(A, ["cat"], None),
        lambda: images.patch(A, None, {"a": 1}),
    ):
        change()
        seen.append(revision(images))
    assert seen == sorted(set(seen))


def test_what_changed_since_a_revision_is_listed_and_nothing_else(images, entry, feature_place):
    images.record([entry("a"), entry("b")], {A: [feature_place(row=0)]})
    images.record([], {})
    before = revision(images)
    images.record([entry("c")], {content_id(b"c"): [feature_place(row=1)]})
    images.patch(A, ["dog"], None)
    images.patch(content_id(b"b"), ["never embedded"], None)
    with images.view() as view:
        assert [i.id for i in view.items("m", since=before)] == [A, content_id(b"c")]
        assert view.features("m", since=before).rows.tolist() == [1]
        assert view.features("another").rows.tolist() == []


def test_a_build_reads_the_images_a_batch_at_a_time(images, entry, feature_place, monkeypatch):
    monkeypatch.setattr(view_module, "_ITEMS_AT_ONCE", 2)
    names = "abcdefg"
    for number, name in enumerate(names):
        place = {} if name == "c" else {content_id(name.encode()): [feature_place(row=number)]}
        images.record([entry(name, f"/{name}.jpg", tags=["dog", name])], place)
    with images.view() as view:
        whole, streamed = view.items("m"), list(view.each_item("m"))
        assert list(view.each_item("another")) == []
    assert streamed == whole
    assert len(whole) == len(names) - 1


def test_an_unchanged_record_changes_no_image(images, entry, feature_place):
    same = entry(tags=["dog"], metadata={"a": 1})
    images.record([same], {A: [feature_place()]})
    before = revision(images)
    images.record([same], {})
    with images.view() as view:
        assert view.items("m", since=before) == []


def test_a_file_is_unchanged_while_its_time_and_size_are(images, entry, feature_place):
    images.record([entry(mtime_ns=5, tags=["Dog"], source="/")], {})
    images.record([entry("b", "/b.jpg", source="/")], {content_id(b"b"): [feature_place()]})
    asked = [
        ("/a.jpg", "a.jpg"),
        ("/a.jpg", "other/a.jpg"),
        ("/c.jpg", "a.jpg"),
        ("/b.jpg", "b.jpg"),
    ]
    found = images.held(asked, ["m"])
    assert list(found) == [asked[0], asked[3]]
    held = found[asked[0]]
    assert (held.image_id, held.tags, held.is_known) == (A, {"dog"}, False)
    assert held.is_still(5, 1)
    assert held.is_still(5, 1, version=0)
    assert not held.is_still(5, 1, version=7)
    assert not held.is_still(6, 1)
    assert not held.is_still(5, 2)
    assert found[asked[3]].is_known
    assert images.held([], ["m"]) == {}


def test_a_path_that_holds_another_picture_now_belongs_to_that_one(images, entry, feature_place):
    images.record([entry("a", "/x.jpg")], {A: [feature_place()]})
    before = revision(images)
    images.record([entry("b", "/x.jpg")], {})
    assert images.get(A)[1].uris == []
    assert images.get(content_id(b"b"))[1].uris == ["x.jpg"]
    with images.view() as view:
        assert [i.id for i in view.items("m", since=before)] == [A]


def test_known_means_features_of_every_model(images, entry, feature_place):
    images.record([entry()], {A: [feature_place(fingerprint="m")]})
    assert images.known([A, "nobody"], {"m"}) == {A}
    assert images.known([A], {"m", "n"}) == set()
    assert images.known([], {"m"}) == set()
    assert images.without_features("n") == [A]
    assert images.without_features("m") == []


def test_features_that_come_again_replace_the_former(images, entry, feature_place):
    images.record([entry()], {A: [feature_place(shard=1)]})
    images.record([entry()], {A: [feature_place(shard=2)]})
    with images.view() as view:
        assert view.features("m").shards.tolist() == [2]


def test_a_delete_takes_all_that_belongs_to_the_image(images, entry, feature_place):
    images.record([entry("a", tags=["dog"]), entry("b", tags=["dog"])], {A: [feature_place()]})
    images.remove([images.ordinal(A)])
    left = images.ordinal(content_id(b"b"))
    with images.database.read() as db:
        for table in (locations, tags):
            assert {row.ordinal for row in db.execute(table.select())} == {left}
        assert db.execute(features.select()).all() == []
    for ask in (images.get, images.places, images.ordinal):
        with pytest.raises(NotFound, match="no image"):
            ask(A)


def test_an_ordinal_is_never_used_again(images, entry):
    images.record([entry()], {})
    first = images.ordinal(A)
    images.remove([first])
    images.record([entry()], {})
    assert images.ordinal(A) > first


def test_a_view_is_one_moment_while_others_write(images, entry, feature_place):
    images.record([entry("0", tags=["dog"])], {content_id(b"0"): [feature_place(row=0)]})
    with images.view() as view:
        before = view.revision
        writer = threading.Thread(
            target=lambda: images.record(
                [entry("1", tags=["dog"])], {content_id(b"1"): [feature_place(row=1)]}
            )
        )
        writer.start()
        writer.join()
        assert images.count() == 2
        assert len(view.features("m")) == len(view.items("m")) == len(view.tags_by_ordinal()) == 1
    with images.view() as view:
        assert view.revision > before
        assert len(view.features("m")) == 2


def test_a_write_that_fails_leaves_nothing(images, entry):
    broken = entry("b")
    object.__setattr__(broken, "metadata", {"a": object()})
    before = revision(images)
    with pytest.raises(Exception, match="not JSON serializable"):
        images.record([entry("a"), broken], {})
    assert images.count() == 0
    assert revision(images) == before


def test_a_patch_of_nobody_is_not_found(images):
    with pytest.raises(NotFound):
        images.patch("nobody", ["dog"], None)


def test_writers_from_many_threads_lose_nothing(images, entry):
    def add(first: int) -> None:
        for i in range(first, first + 10):
            images.record([entry(str(i), tags=[f"t{i}"])], {})

    threads = [threading.Thread(target=add, args=(n * 10,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert images.count() == 40
    assert revision(images) == 40


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    given_tags=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
)
def test_any_tags_come_back_verbatim_once_each(
    tmp_path_factory: pytest.TempPathFactory, entry: Callable, given_tags: list[str]
):
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('db') / 'c.sqlite'}")
    images = Images(database)
    for tag in given_tags:
        images.record([entry(tags=[tag])], {})
    first_spelling = {tag_key(t): t for t in reversed(given_tags)}
    expected = sorted(first_spelling.values(), key=tag_key)
    if given_tags:
        assert images.get(A)[1].tags == expected
    database.close()


def _key_before(tag: str) -> str:
    """The key of a tag in catalogues up to version 3."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", tag.strip()).casefold())


def test_a_migration_gives_tags_the_normal_form_for_a_key(
    database: Database, images: Images, entry: Callable
):
    tags = ["car_side", "Car Side", "Dog", "ﬁsh", "grand-piano"]
    other = content_id(b"b")
    images.record([entry("a", "/a", tags=["x"]), entry("b", "/b", tags=["y"])], {})
    with database.write() as db:
        db.execute(schema.tags.delete())
        numbers = [images.ordinal(A), images.ordinal(other)]
        rows = [(numbers[0], tag) for tag in tags] + [(numbers[1], "car-side")]
        before = [{"ordinal": n, "key": _key_before(tag), "tag": tag} for n, tag in rows]
        db.execute(schema.tags.insert(), before)
    with database.write() as db:
        migrations._normalise_tag_keys(db)
    with database.read() as db:
        now = {(row.ordinal, row.key, row.tag) for row in db.execute(schema.tags.select())}
    # Of two spellings on one image, the one whose key was the normal form already is kept.
    kept = [(numbers[0], tag) for tag in tags if tag != "car_side"] + [(numbers[1], "car-side")]
    assert now == {(n, tag_key(tag), tag) for n, tag in kept}
    with database.write() as db:
        migrations._normalise_tag_keys(db)
    assert images.get(other)[1].tags == ["car-side"]
    assert "car side" in images.tag_keys()


# A tag has a character that is no white space.
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(str.strip))
def test_a_key_of_before_has_the_normal_form_of_its_tag(tag: str):
    assert tag_key(_key_before(tag)) == tag_key(tag)


def test_a_catalogue_of_another_version_is_refused_with_a_sentence(tmp_path):
    url = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    database = Database(url)
    with database.write() as db:
        db.execute(
            schema.counters.update().where(schema.counters.c.name == "version").values(value=99)
        )
    database.close()
    with pytest.raises(Misconfigured, match="has version 99, written by a newer program"):
        Database(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://ise:not-told@host/ise", "names mysql; the catalogue can be in SQLite or Postgre"),
        ("ise:not-told@host", "is no URL; one looks like postgresql"),
        # As psycopg would be, where it's missing.
        (
            "postgresql+pg8000://ise:not-told@host/ise",
            r"pip install 'image-search-engine\[postgres",
        ),
    ],
)
def test_a_database_that_can_not_be_used_is_told_without_its_password(url, says):
    with pytest.raises(Misconfigured, match=says) as told:
        Database(url)
    assert "not-told" not in told.value.detail


def test_a_damaged_catalogue_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(Misconfigured, match=r"can't be opened.*ISE_DATA_DIR"):
        Database(f"sqlite:///{path}")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_full_disk_is_told_as_such_and_loses_nothing(images, database, entry):
    images.record([entry("a")], {})
    with database.write() as db:
        db.exec_driver_sql("PRAGMA max_page_count = 1")  # as many as there are
    with pytest.raises(StorageFull, match="free some space"):
        images.record([entry("b", metadata={"text": "x" * 100_000})], {})
    assert images.count() == 1


def test_features_beside_those_of_another_model(images, entry, feature_place):
    def record(content: str, *fingerprints: str) -> int:
        images.record(
            [entry(content)],
            {entry(content).id: [feature_place(fingerprint=f) for f in fingerprints]},
        )
        return images.ordinal(entry(content).id)

    both, first = record("a", "m", "v"), record("b", "m")
    record("c", "v")
    since = revision(images)
    new = record("d", "m", "v")
    record("e", "m")

    def found(**said) -> set[int]:
        with images.view() as view:
            return set(view.features("m", **said).ordinals.tolist())

    assert found(beside="v") == {both, new}
    assert found(beside="v", since=since) == {new}
    record("b", "v")
    assert found(beside="v", since=since) == {first, new}
    assert found(beside="m", since=since) == found(since=since)
