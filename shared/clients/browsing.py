"""The calls of the query service that list all pictures."""

from typing import Any

from shared.clients.transport import Call, model
from shared.contracts.browsing import Images, Sort, Timeline
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


def get_timeline(sort: Sort = Sort.NEWEST_TAKEN, wanted: Filter | None = None) -> Call[Timeline]:
    """Count the images of each day."""
    params = {"sort": sort.value, "filter": _text(wanted)}
    return Call("GET", "/v1/images/timeline", model(Timeline), params=params)


def _text(wanted: Filter | None) -> str | None:
    return None if wanted is None else wanted.model_dump_json(exclude_defaults=True)
