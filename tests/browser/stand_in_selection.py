"""Pictures of the stand-in as a request selects, orders and counts them."""

import operator
from collections import Counter
from collections.abc import Iterable
from typing import Any


def _meets(picture: Any, condition: dict[str, Any]) -> bool:
    if "tag" in condition:
        return condition["tag"].lower() in [tag.lower() for tag in picture.tags]
    if condition.get("key") == "file.folder":
        return bool(picture.uri.rpartition("/")[0] == condition["match"])
    if "label" in condition:
        return condition["label"] in dict(picture.labels)
    if "key" not in condition:
        return passes(picture, condition)
    facts = picture.facts()
    value = (facts | facts["file"]).get(condition["key"].removeprefix("file."))
    if "exists" in condition:
        return (value is not None) is condition["exists"]
    if value is None:
        return False
    if "match" in condition:
        return str(value).startswith(condition["match"])
    tests = [name for name in ("gt", "gte", "lt", "lte") if name in condition]
    return all(_within(value, name, condition[name]) for name in tests)


def _within(value: Any, name: str, bound: Any) -> bool:
    # A date stands for all of its day.
    value = value[: len(bound)] if isinstance(value, str) else value
    return bool(getattr(operator, {"gte": "ge", "lte": "le"}.get(name, name))(value, bound))


def passes(picture: Any, wanted: dict[str, Any]) -> bool:
    should = wanted.get("should", [])
    return (
        all(_meets(picture, c) for c in wanted.get("must", []))
        and (not should or any(_meets(picture, c) for c in should))
        and not any(_meets(picture, c) for c in wanted.get("must_not", []))
    )


def counted(values: Iterable[Any]) -> list[dict[str, Any]]:
    counts = Counter(value for value in values if value)
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return [{"value": value, "count": count} for value, count in most]


def map_cells(placed: list[Any], size: float) -> list[dict[str, Any]]:
    cells: dict[tuple[int, int], list[Any]] = {}
    for one in placed:
        cells.setdefault((int(one.at[0] // size), int(one.at[1] // size)), []).append(one)
    found = []
    for some in cells.values():
        north, east = zip(*(one.at for one in some), strict=True)
        city, country = some[0].place or (None, None)
        found.append(
            {
                "latitude": sum(north) / len(some),
                "longitude": sum(east) / len(some),
                "south": min(north),
                "north": max(north),
                "west": min(east),
                "east": max(east),
                "count": len(some),
                "cover": some[0].id,
                "city": city,
                "country": country,
            }
        )
    return sorted(found, key=lambda cell: -cell["count"])


def in_order(pictures: list[Any], sort: str) -> list[Any]:
    if sort == "name":
        return sorted(pictures, key=lambda p: (p.uri.rpartition("/")[2], p.id))
    dated = [p for p in pictures if moment_of(p, sort) is not None]
    dated.sort(key=lambda p: (moment_of(p, sort), p.id), reverse=sort.startswith("-"))
    return dated + [p for p in pictures if moment_of(p, sort) is None]


def moment_of(picture: Any, sort: str) -> str | None:
    found: str | None = picture.added if "added" in sort else picture.taken
    return found
