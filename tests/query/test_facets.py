"""`GET /v1/images/facets` and `/map`: facts of all pictures counted, and their places by cells."""

import json
from collections import Counter

import numpy as np
import pytest

from shared.snapshots.items import Item

CAMERAS = ["Pentax K-1", "Canon EOS R5", None]
TOWNS = [
    ("Paris", "France", 48.8566, 2.3522),
    ("Versailles", "France", 48.8049, 2.1204),
    ("Suva", "Fiji", -18.1416, 178.4419),
    (None, None, None, None),
]


def item(number, rng):
    city, country, latitude, longitude = TOWNS[rng.integers(0, len(TOWNS))]
    told = {"camera": CAMERAS[rng.integers(0, 3)], "city": city, "country": country}
    if latitude is not None:
        told |= {
            "latitude": latitude + float(rng.integers(-9, 9)) / 1000,
            "longitude": longitude + float(rng.integers(-9, 9)) / 1000,
        }
    if rng.random() < 0.8:
        told["taken_at"] = f"{rng.integers(1968, 1972)}-0{rng.integers(1, 9)}-11T10:00:00+02:00"
    tags = ["Dog"] if number % 3 else ["dog", "cat"]
    file = {key: value for key, value in told.items() if value is not None}
    return Item(number, f"id-{number:03}", tags, [f"f/{number}.jpg"], file=file)


@pytest.fixture(scope="module")
def world(fresh_library, serve):
    """Images in two files, of which the newer has other records of some; two are deleted."""
    rng = np.random.default_rng(3)
    library = fresh_library()
    first = [item(n, rng) for n in range(60)]
    second = [item(n, rng) for n in (3, 17, 59, *range(60, 80))]
    files = [library.segments.items(first), library.segments.items(second)]
    library.publish(items=files, visual=library.space(rng.normal(size=(80, 4)).astype(np.float32)))
    with library.tombstones.adding() as add:
        add([5, 17])
    records = {one.ordinal: one for one in (*first, *second)}
    for gone in (5, 17):
        del records[gone]
    return serve(library), list(records.values())


def counted(values):
    return {one["value"]: one["count"] for one in values}


@pytest.mark.parametrize("wanted", [None, {"must": [{"key": "file.country", "match": "France"}]}])
def test_each_fact_is_counted_among_what_a_filter_lets_through(world, wanted):
    service, records = world
    asked = {} if wanted is None else {"filter": json.dumps(wanted)}
    if wanted is not None:
        records = [one for one in records if one.file.get("country") == "France"]
    found = service.get("/v1/images/facets", **asked)
    for name, key in [("cameras", "camera"), ("countries", "country"), ("cities", "city")]:
        told = Counter(one.file[key] for one in records if key in one.file)
        assert counted(found[name]) == told
    days = [one.file["taken_at"][:10] for one in records if "taken_at" in one.file]
    assert counted(found["years"]) == Counter(day[:4] for day in days)
    assert (found["first"], found["last"]) == (min(days), max(days))
    assert found["undated"] == len(records) - len(days)
    assert sum(counted(found["tags"]).values()) == sum(len(one.tags) for one in records)
    assert {name.casefold() for name in counted(found["tags"])} == {"dog", "cat"}
    assert (found["lenses"], found["labels"], found["total"]) == ([], [], len(records))


def test_the_most_frequent_values_come_first_and_no_more_than_asked(world):
    service, records = world
    most = Counter(one.file["city"] for one in records if "city" in one.file).most_common(1)
    found = service.get("/v1/images/facets", limit=1)["cities"]
    assert [(one["value"], one["count"]) for one in found] == most


@pytest.mark.parametrize("cell", [90, 10, 0.1, 0.01])
def test_cells_hold_every_placed_image_once_and_their_bounds_find_it(world, cell):
    service, records = world
    found = service.get("/v1/images/map", cell=cell)
    placed = [one for one in records if "latitude" in one.file]
    assert (found["placed"], found["total"], found["complete"]) == (
        len(placed),
        len(records),
        True,
    )
    seen = []
    for one in found["cells"]:
        bounds = [
            {"key": "file.latitude", "gte": one["south"], "lte": one["north"]},
            {"key": "file.longitude", "gte": one["west"], "lte": one["east"]},
        ]
        images = service.get("/v1/images", filter=json.dumps({"must": bounds}), sort="-taken")
        assert images["total"] == one["count"]
        assert images["images"][0]["id"] == one["cover"]
        assert images["images"][0]["file"]["city"] == one["city"]
        assert one["north"] - one["south"] <= cell
        seen += [image["id"] for image in images["images"]]
    assert sorted(seen) == sorted(one.id for one in placed)


def test_a_map_with_too_many_cells_gives_the_fullest_and_says_so(world):
    service, _ = world
    all_of_them = service.get("/v1/images/map", cell=0.001)["cells"]
    found = service.get("/v1/images/map", cell=0.001, limit=2)
    assert found["complete"] is False
    assert [one["count"] for one in found["cells"]] == [one["count"] for one in all_of_them[:2]]


def test_answers_that_are_kept_stay_few(world):
    service, _ = world
    sizes = [0.5 + n / 100 for n in range(80)]
    counts = {
        sum(c["count"] for c in service.get("/v1/images/map", cell=s)["cells"]) for s in sizes
    }
    assert len(counts) == 1


def places(service, **asked):
    found = service.get("/v1/places", **asked)["places"]
    return [(one["name"], one["kind"], one["count"]) for one in found]


def test_a_word_leads_to_the_places_that_it_names(world):
    service, records = world
    towns = Counter(one.file.get("city") for one in records)
    france = sum(one.file.get("country") == "France" for one in records)
    assert places(service, match="par") == [("Paris", "city", towns["Paris"])]
    assert places(service, name="PÁRIS") == [("Paris", "city", towns["Paris"])]
    assert places(service, match="fr") == [("France", "country", france)]
    assert places(service, name="par") == places(service, match="aris") == []
    # A town in Fiji, which has the same pictures; the most frequent come first.
    listed = places(service)
    assert [count for _, _, count in listed] == sorted((c for _, _, c in listed), reverse=True)
    assert len(listed) == 5
    assert places(service, limit=2) == listed[:2]


def test_a_collection_without_places_names_none(library, serve):
    library.publish([Item(0, "a", [], [], {})], visual=library.space(np.eye(1, 4, dtype="f4")))
    assert places(serve(library), name="Paris") == []
