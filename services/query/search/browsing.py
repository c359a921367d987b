"""Pages of all images, and how many are of each day."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter

from services.query.search.hits import item_of
from services.query.search.order import Key, View
from services.query.search.searcher import Searcher
from shared.contracts.browsing import Sort
from shared.contracts.filters import Filter
from shared.core.errors import InvalidInput
from shared.snapshots.items import Item

T = TypeVar("T")

_CURSOR: TypeAdapter[tuple[str, int | str, int]] = TypeAdapter(tuple[str, int | str, int])
_AGAIN = "Request the first page again, without `cursor`."


@dataclass(frozen=True)
class ImagesPage:
    """items: of one page. total: of all pages. next: the cursor of the next one."""

    items: list[Item]
    total: int
    next: str | None
    unknown_keys: list[str]


def page_of(
    searcher: Searcher,
    sort: Sort,
    wanted: Filter | None,
    limit: int,
    cursor: str | None = None,
    start: str | None = None,
    offset: int = 0,
) -> ImagesPage:
    """Return a page of all images. Raises InvalidInput."""
    view = view_of(searcher, sort, wanted)
    first = offset
    if cursor is not None:
        first += view.after(_read(cursor, sort))
    elif start is not None:
        first += view.at_date(start)
    ordinals = view.ordinals[first : first + limit]
    following = None
    if len(ordinals) and first + len(ordinals) < len(view):
        following = _text(sort, view.place(first + len(ordinals) - 1))
    items = [item_of(searcher.collection, ordinal) for ordinal in ordinals.tolist()]
    return ImagesPage(items, len(view), following, unknown_keys(searcher, wanted))


def view_of(searcher: Searcher, sort: Sort, wanted: Filter | None) -> View:
    """Return the images that a filter lets through, in an order."""
    collection = searcher.collection
    key = "" if wanted is None else wanted.model_dump_json(exclude_defaults=True)
    allowed = None if wanted is None else lambda: collection.allowed(wanted)
    return collection.orders.view(sort, searcher.deleted, allowed, key)


def in_order(searcher: Searcher, sort: Sort, found: Mapping[str, T]) -> list[T]:
    """Return what belongs to images, by their ids, in an order of all images."""
    orders = searcher.collection.orders
    places = []
    for image_id in found:
        item = searcher.find(image_id)
        if item is not None:
            tie = -item.ordinal if sort.is_descending else item.ordinal
            places.append((orders.key(sort, item.ordinal), tie, image_id))
    return [found[image_id] for _, _, image_id in sorted(places)]


def unknown_keys(searcher: Searcher, wanted: Filter | None) -> list[str]:
    """Return the keys of a filter that no image has a value of."""
    return [] if wanted is None else searcher.collection.unknown_keys(_keys_of(wanted))


def _keys_of(wanted: Filter) -> Sequence[str]:
    found: dict[str, None] = {}
    for condition in (*wanted.must, *wanted.should, *wanted.must_not):
        if condition.key is not None:
            found[condition.key] = None
        found |= dict.fromkeys(_keys_of(condition))
    return list(found)


def _text(sort: Sort, place: tuple[Key, int]) -> str:
    key, ordinal = place
    shown = key if isinstance(key, int) else base64.b64encode(key).decode()
    told = json.dumps([sort.value, shown, ordinal], separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode()


def _read(cursor: str, sort: Sort) -> tuple[Key, int]:
    try:
        known, key, ordinal = _CURSOR.validate_json(base64.urlsafe_b64decode(cursor))
        place: Key = key if isinstance(key, int) else base64.b64decode(key, validate=True)
    except ValueError:
        raise InvalidInput(f"`cursor` is not the `next` of an answer. {_AGAIN}") from None
    if known != sort.value or isinstance(place, int) is (sort is Sort.NAME):
        raise InvalidInput(f"`cursor` belongs to another list. {_AGAIN}")
    return place, ordinal
