"""The calls of the query service that list all pictures."""

from typing import Any

from shared.clients.transport import Call, model
from shared.contracts.browsing import Facets, Images, MapCells, Period, Places, Sort, Timeline
from shared.contracts.filters import Filter


def list_images(
    sort: Sort = Sort.NEWEST_ADDED,
    limit: int = 100,
    cursor: str | None = None,
    wanted: Filter | None = None,
    start: str | None = None,
    offset: int = 0,
) -> Call[Images]:
    """List all images in an order; `start`: a day, month or year to begin at."""
    params: dict[str, Any] = {"sort": sort.value, "limit": limit, "cursor": cursor}
    params |= {"filter": _text(wanted), "from": start, "offset": offset or None}
    return Call("GET", "/v1/images", model(Images), params=params)


def get_timeline(
    sort: Sort = Sort.NEWEST_TAKEN, wanted: Filter | None = None, by: Period = Period.DAY
) -> Call[Timeline]:
    """Count the images of each day or month."""
    params = {"sort": sort.value, "filter": _text(wanted), "by": by.value}
    return Call("GET", "/v1/images/timeline", model(Timeline), params=params)


def get_facets(wanted: Filter | None = None, limit: int = 24) -> Call[Facets]:
    """Count the years, cameras, places, tags and labels of images."""
    params = {"filter": _text(wanted), "limit": limit}
    return Call("GET", "/v1/images/facets", model(Facets), params=params)


def get_map(wanted: Filter | None = None, cell: float = 10.0, limit: int = 500) -> Call[MapCells]:
    """Count images by place. `cell`: the side of a cell, in degrees."""
    params = {"filter": _text(wanted), "cell": cell, "limit": limit}
    return Call("GET", "/v1/images/map", model(MapCells), params=params)


def list_places(match: str = "", name: str | None = None, limit: int = 20) -> Call[Places]:
    """List the towns and countries where images were taken. `name`: only those called so."""
    params: dict[str, Any] = {"match": match, "name": name, "limit": limit}
    return Call("GET", "/v1/places", model(Places), params=params)


def _text(wanted: Filter | None) -> str | None:
    return None if wanted is None else wanted.model_dump_json(exclude_defaults=True)
