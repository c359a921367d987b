"""Images that are recorded together, against the same ones recorded one after the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from services.indexer.catalog.database import Database
from services.indexer.catalog.entry import Entry
from services.indexer.catalog.images import Images
from services.indexer.catalog.locations import Place, SourceEntry
from services.indexer.catalog.schema import features, images, locations, origins, tags
from services.indexer.catalog.source_claims import Origins
from shared.media.identity import content_id

FEW = st.integers(0, 3)


def entries() -> st.SearchStrategy[list[Entry]]:
    """So few images, files and names that they often meet."""

    def made(image: int, path: int, uri: int, of: int, tag: int, said: int, stamp: int) -> Entry:
        place = Place(f"/{path}", f"{uri}", stamp, 10 + stamp, 100 + stamp)
        image_id = content_id(str(image).encode())
        source = f"/{of}" if of else ""
        return Entry(image_id, image_id * 2, place, [f"Tag{tag}"], {f"key{said}": stamp}, source)

    return st.lists(st.builds(made, FEW, FEW, FEW, FEW, FEW, FEW, FEW), max_size=8)


def held(catalogue: Images) -> list[Sequence[Any]]:
    """All that the catalogue says, but for numbers, revisions and times of its own."""
    of_image = [locations.c.path, locations.c.uri, locations.c.mtime_ns, locations.c.bytes]
    queries = [
        select(images.c.id, images.c.bytes, images.c.metadata),
        select(images.c.id, *of_image).join(locations, locations.c.ordinal == images.c.ordinal),
        select(images.c.id, tags.c.key, tags.c.tag).join(tags, tags.c.ordinal == images.c.ordinal),
        # Not the inode: of two files at one path, the earlier claim keeps the one that was read.
        select(*(column for column in origins.c if column is not origins.c.inode)),
    ]
    with catalogue.database.read() as db:
        return [sorted(map(repr, map(tuple, db.execute(query)))) for query in queries]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=entries(), then=entries())
@pytest.mark.slow
def test_recorded_together_is_recorded_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, before: list[Entry], then: list[Entry]
):
    folder = tmp_path_factory.mktemp("both")
    together, singly = (Database(f"sqlite:///{folder / name}") for name in ("a", "b"))
    try:
        for batch in (before, then):
            Images(together).record(batch, {})
            for one in batch:
                Images(singly).record([one], {})
        assert held(Images(together)) == held(Images(singly))
    finally:
        together.close()
        singly.close()


def test_the_later_of_two_images_at_one_path_has_it(images, entry):
    images.record([entry("x", "/p"), entry("a", "/p"), entry("b", "/p"), entry("a", "/q")], {})
    ids = [content_id(name.encode()) for name in "xab"]
    assert [images.get(image_id)[1].uris for image_id in ids] == [[], ["q"], ["p"]]


def test_images_are_numbered_in_their_order(images, entry):
    images.record([entry(name) for name in "cab"] + [entry("c", "/again"), entry("d")], {})
    numbers = [images.ordinal(content_id(name.encode())) for name in "cabd"]
    assert numbers == sorted(numbers)


def test_features_of_new_and_known_images_come_together(images, entry, feature_place):
    first, second = entry("a"), entry("b")
    images.record([first], {first.id: [feature_place(shard=1), feature_place(fingerprint="n")]})
    places = {first.id: [feature_place(shard=2)], second.id: [feature_place(shard=2, row=1)]}
    images.record([first, second, first], places)
    with images.database.read() as db:
        rows = db.execute(select(features.c.fingerprint, features.c.shard, features.c.row))
        assert sorted(map(tuple, rows)) == [("m", 2, 0), ("m", 2, 1), ("n", 1, 0)]


@pytest.fixture
def statements(database: Database) -> Callable[[Callable[[], object]], int]:
    """How many statements something takes."""
    seen: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: seen.append(str(told[2])))

    def count(work: Callable[[], object]) -> int:
        seen.clear()
        work()
        return len(seen)

    return count


def test_as_many_statements_for_one_image_as_for_many(
    images, database, entry, feature_place, statements
):
    def some(first: int, count: int) -> list[Entry]:
        numbers = range(first, first + count)
        return [entry(str(n), tags=["dog"], metadata={"n": n}, source="/") for n in numbers]

    def recorded(batch: list[Entry]) -> int:
        places = {one.id: [feature_place(row=row)] for row, one in enumerate(batch)}
        return statements(lambda: images.record(batch, places))

    def moved(batch: list[Entry]) -> int:
        claims = [
            SourceEntry("/", one.id, Place(f"/new{one.place.path}", "u", 1, 1)) for one in batch
        ]
        return statements(lambda: Origins(database).put(claims, lambda _: None))

    recorded(some(0, 1))
    one, many = some(1, 1), some(2, 300)
    assert recorded(one) == recorded(many) < 30
    assert recorded(one) == recorded(many) < 30
    assert moved(one) == moved(many) < 30

    def looked_up(batch: list[Entry]) -> int:
        files = [(one.place.path, one.place.uri) for one in batch]
        return statements(lambda: images.held(files, ["m"]))

    assert looked_up(one) == looked_up(many) < 10


def test_more_images_than_a_statement_takes(tmp_path: Path, entry, monkeypatch):
    monkeypatch.setattr("services.indexer.catalog.bulk_sql.MANY", 7)
    database = Database(f"sqlite:///{tmp_path / 'c.sqlite'}")
    catalogue = Images(database)
    batch = [entry(str(n), tags=["dog"], source="/") for n in range(30)]
    catalogue.record(batch, {})
    catalogue.record(batch, {})
    assert catalogue.count() == 30
    assert [len(table) for table in held(catalogue)] == [30, 30, 30, 30]
    database.close()
