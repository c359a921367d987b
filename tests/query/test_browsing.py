"""`GET /v1/images`: all pictures in an order, by pages that stay in line, and their days."""

import io
import json
import zipfile
from datetime import datetime, timedelta

import numpy as np
import pytest

from shared.snapshots.items import Item

SORTS = ["-added", "added", "taken", "-taken", "name"]
ZONES = ["", "+02:00", "-11:30", "+00:00"]


def item(number: int, rng: np.random.Generator) -> Item:
    """An image with a date, or none; some of the same second, some before 1970."""
    file = {"width": int(rng.integers(1, 5)) * 100}
    if rng.random() < 0.8:
        at = datetime(1950, 1, 1) + timedelta(days=int(rng.integers(0, 30_000, endpoint=True)) // 7)
        file["taken_at"] = at.isoformat() + str(rng.choice(ZONES))
    added = datetime(2026, 1, 1) + timedelta(hours=int(rng.integers(0, 40)))
    return Item(
        number,
        f"id-{number:03}",
        ["dog"] if number % 3 else [],
        [f"folder/{rng.choice(['B', 'a', 'é'])}{rng.integers(0, 9)}.jpg"],
        added_at=f"{added.isoformat()}+00:00",
        file=file,
    )


@pytest.fixture(scope="module")
def world(fresh_library, serve):
    """Images in two files, of which the newer has other records of some; two are deleted."""
    rng = np.random.default_rng(1)
    library = fresh_library()
    first = [item(n, rng) for n in range(60)]
    second = [item(n, rng) for n in (3, 17, 59, *range(60, 80))]
    files = [library.segments.items(first), library.segments.items(second)]
    vectors = rng.normal(size=(80, 4)).astype(np.float32)
    library.publish(items=files, visual=library.space(vectors))
    with library.tombstones.adding() as add:
        add([5, 17])
    records = {one.ordinal: one for one in (*first, *second)}
    for gone in (5, 17):
        del records[gone]
    return serve(library, files={one.id: (b"x", "image/png") for one in first}), records


def expected(records, sort):
    """The ids in an order, by a plain reading of what it means."""

    def date(text):
        return datetime.fromisoformat(text).replace(tzinfo=None)

    found = sorted(records.values(), key=lambda one: one.ordinal)
    if sort == "name":
        names = [one.uris[0].rpartition("/") for one in found]
        keys = [(name.casefold(), name) for _, _, name in names]
        order = sorted(range(len(found)), key=lambda i: (keys[i], i))
        return [found[i].id for i in order]
    field = sort.removeprefix("-")
    at = {one.id: one.added_at if field == "added" else one.file.get("taken_at") for one in found}
    if sort.startswith("-"):
        found.reverse()
    dated = sorted(
        (one for one in found if at[one.id]),
        key=lambda one: date(at[one.id]),
        reverse=sort.startswith("-"),
    )
    return [one.id for one in (*dated, *(one for one in found if not at[one.id]))]


def pages(service, **asked):
    found, cursor = [], None
    while True:
        answer = service.get("/v1/images", **asked, **({"cursor": cursor} if cursor else {}))
        found.append([one["id"] for one in answer["images"]])
        if (cursor := answer["next"]) is None:
            return found, answer["total"]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [7, 1000])
def test_every_picture_comes_once_in_its_order(world, sort, limit):
    service, records = world
    found, total = pages(service, sort=sort, limit=limit)
    assert [one for page in found for one in page] == expected(records, sort)
    assert total == len(records)
    assert all(len(page) == limit for page in found[:-1])


def test_a_filter_narrows_the_list_and_names_unknown_keys(world):
    service, records = world
    wanted = {
        "must": [{"tag": "dog"}, {"key": "file.width", "gte": 200, "lt": 400}],
        "must_not": [{"key": "file.wdith", "exists": True}],
    }
    answer = service.get("/v1/images", filter=json.dumps(wanted), sort="name", limit=1000)
    kept = {n: one for n, one in records.items() if one.tags and 200 <= one.file["width"] < 400}
    assert [one["id"] for one in answer["images"]] == expected(kept, "name")
    assert answer["unknown_keys"] == ["file.wdith"]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"gte": "1960"}, lambda at: at >= "1960"),
        ({"lt": "1960-06"}, lambda at: at < "1960-06"),
        ({"lte": "1955-03-04"}, lambda at: at[:10] <= "1955-03-04"),
        ({"gt": "1955-03-04"}, lambda at: at[:10] > "1955-03-04"),
        ({"match": "1957"}, lambda at: at[:4] == "1957"),
        ({"any": ["1957", "1951-02"]}, lambda at: at[:4] == "1957" or at[:7] == "1951-02"),
        ({"gte": "1955-03-04T10:00:00+09:00"}, lambda at: at >= "1955-03-04T10:00:00"),
        ({"exists": True}, lambda at: True),
    ],
)
def test_a_range_of_dates_is_of_local_time_and_a_date_is_all_of_its_day(world, condition, holds):
    service, records = world
    wanted = {"must": [{"key": "file.taken_at", **condition}]}
    answer = service.get("/v1/images", filter=json.dumps(wanted), limit=1000)
    dates = {one.id: one.file.get("taken_at", "")[:19] for one in records.values()}
    assert {one["id"] for one in answer["images"]} == {
        i for i, at in dates.items() if at and holds(at)
    }


@pytest.mark.parametrize("sort", SORTS[:4])
def test_the_days_count_what_the_list_shows_and_lead_into_it(world, sort):
    service, records = world
    answer = service.get("/v1/images/timeline", sort=sort)
    listed = service.get("/v1/images", sort=sort, limit=1000)["images"]
    field = (lambda one: one["added_at"]) if "added" in sort else lambda o: o["file"]["taken_at"]
    days = [field(one)[:10] for one in listed if field(one)]
    shown = [day for one in answer["days"] for day in [one["day"]] * one["count"]]
    assert shown == days
    assert answer["undated"] == len(listed) - len(days)
    assert answer["total"] == len(records)
    for day in days[:: max(1, len(days) // 5)]:
        got = service.get("/v1/images", sort=sort, limit=3, **{"from": day})["images"]
        start = days.index(day)
        assert [one["id"] for one in got] == [one["id"] for one in listed[start : start + 3]]
    skipped = service.get("/v1/images", sort=sort, limit=2, offset=5)["images"]
    assert [one["id"] for one in skipped] == [one["id"] for one in listed[5:7]]


def test_a_month_and_a_year_are_places_too(world):
    service, _ = world
    listed = service.get("/v1/images", sort="-taken", limit=1000)["images"]
    for text in ("1956", "1956-02", "1949", "2030-12"):
        got = service.get("/v1/images", sort="-taken", limit=1000, **{"from": text})["images"]
        wanted = [
            one["id"]
            for one in listed
            if not one["file"]["taken_at"] or one["file"]["taken_at"][: len(text)] <= text
        ]
        assert [one["id"] for one in got] == wanted


def test_pages_stay_in_line_while_pictures_come_and_go(fresh_library, serve):
    rng = np.random.default_rng(2)
    library = fresh_library()
    items = [item(n, rng) for n in range(40)]
    vectors = rng.normal(size=(60, 4)).astype(np.float32)
    library.publish(items[:30], visual=library.space(vectors[:30]))
    service = serve(library)
    for sort in SORTS:
        first = service.get("/v1/images", sort=sort, limit=10)
        seen = [one["id"] for one in first["images"]]
        with library.tombstones.adding() as add:
            # The one that the page ended with goes, too.
            add([int(seen[-1][3:]), int(seen[2][3:])])
        library.publish(items, visual=library.space(vectors[:40]))
        rest = []
        cursor = first["next"]
        while cursor is not None:
            answer = service.get("/v1/images", sort=sort, limit=7, cursor=cursor)
            rest += [one["id"] for one in answer["images"]]
            cursor = answer["next"]
        everything = [
            one["id"] for one in service.get("/v1/images", sort=sort, limit=1000)["images"]
        ]
        assert len(set(rest)) == len(rest)
        assert not set(rest) & set(seen)
        # All that stands behind the end of the first page, in its order.
        assert rest == [one for one in everything if one in set(rest)]
        assert everything[-1] in rest


def test_a_list_is_refused_what_makes_no_sense(world):
    service, _ = world
    cursor = service.get("/v1/images", sort="taken", limit=1)["next"]
    for asked in (
        {"sort": "added", "cursor": cursor},
        {"sort": "name", "cursor": cursor},
        {"cursor": "x"},
        {"sort": "taken", "cursor": cursor, "from": "2019"},
        {"sort": "name", "from": "2019"},
        {"sort": "taken", "from": "2019-13"},
        {"from": "July"},
        {"sort": "size"},
        {"limit": 0},
        {"limit": 1001},
    ):
        assert service.send("GET", "/v1/images", params=asked).status_code == 422, asked
    assert service.send("GET", "/v1/images/timeline?sort=name").status_code == 422


def test_an_empty_collection_has_an_empty_list(fresh_library, serve):
    service = serve(fresh_library())
    assert service.get("/v1/images") == {
        "images": [],
        "total": 0,
        "next": None,
        "unknown_keys": [],
    }
    assert service.get("/v1/images/timeline") == {"days": [], "undated": 0, "total": 0}


# --- searches, tags, files ---------------------------------------------------------------------


def test_the_matches_of_a_search_come_by_date(world):
    service, records = world
    dogs = {n: one for n, one in records.items() if one.tags}
    answer = service.term("dog", sort="-taken", limit=1000)
    assert [hit["id"] for hit in answer["hits"]] == expected(dogs, "-taken")
    page = service.term("dog", sort="-taken", limit=5, offset=10)
    assert [hit["id"] for hit in page["hits"]] == expected(dogs, "-taken")[10:15]
    assert page["next"] is None
    vector = [1.0, 0, 0, 0]
    by_name = service.search(vector=vector, sort="name", limit=1000)
    assert [hit["id"] for hit in by_name["hits"]] == expected(records, "name")
    refused = service.send("POST", "/v1/search", json={"vector": vector, "sort": "big"})
    assert refused.status_code == 422


def test_a_search_names_the_keys_that_no_image_has(world):
    service, _ = world
    wanted = {"should": [{"key": "file.width", "gt": 1}, {"must_not": [{"key": "a", "match": 1}]}]}
    answer = service.search(vector=[1.0, 0, 0, 0], filter=wanted)
    assert answer["unknown_keys"] == ["a"]


def test_a_tag_has_a_cover_where_that_is_asked_for(world):
    service, records = world
    [tag] = service.get("/v1/tags", covers=True)["tags"]
    assert tag["cover"] == max(i.id for i in records.values() if i.tags)
    assert "cover" not in service.get("/v1/tags")["tags"][0]


def test_an_archive_holds_the_files_and_says_what_is_missing(world):
    service, records = world
    by_name = {}
    for one in records.values():
        by_name.setdefault(one.uris[0].rpartition("/")[2].casefold(), []).append(one.id)
    first, second = next(ids for ids in by_name.values() if len(ids) > 1)[:2]
    lost = "id-070"
    answer = service.send("POST", "/v1/archive", json={"ids": [first, second, lost, first]})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert archive.read(names[0]) == b"filex"
        assert names[1].replace(" (2)", "").casefold() == names[0].casefold()
        assert "There is no image 'id-070'" in archive.read("missing.txt").decode()
    assert len(names) == 3
    same = service.send("GET", "/v1/archive", params=[("id", first), ("id", second)])
    with zipfile.ZipFile(io.BytesIO(same.content)) as archive:
        assert len(archive.namelist()) == 2
    assert service.send("GET", "/v1/archive", params={"id": "nothing"}).status_code == 404
    assert service.send("GET", "/v1/archive").status_code == 422
