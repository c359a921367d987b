"""The tags that images carry: completion, and all of them by pages."""

import base64
import json
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, TypeAdapter

from services.query.api.search import Ask
from services.query.search.tags import Tag
from shared.contracts.answer import TagCount
from shared.contracts.base import Wire
from shared.contracts.query import TagOrder, Tags
from shared.core.errors import InvalidInput
from shared.snapshots.items import tag_key
from shared.web.keys import Scope
from shared.web.problems import DAMAGED, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(
    prefix="/v1", tags=["collection"], responses=problems(DAMAGED), route_class=ScopedRoute
)

_CURSOR: TypeAdapter[tuple[list[str], int, str]] = TypeAdapter(tuple[list[str], int, str])


class TagQuery(Wire):
    """Parameters of a list of tags."""

    match: Annotated[str, Field(max_length=200)] = Field(
        "", description="Start of any word of the tag: `piano` matches `grand_piano`."
    )
    prefix: Annotated[str, Field(max_length=200)] = Field("", description="Start of the tag.")
    sort: TagOrder = Field(
        TagOrder.COUNT, description="`count`: most frequent first; `name`: alphabetical."
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="Number of tags on a page.")
    covers: bool = Field(False, description="Also give each tag a `cover`, the id of a picture.")
    cursor: Annotated[str, Field(max_length=8000)] | None = Field(
        None, description="`next` of the previous page."
    )


@router.get("/tags", summary="List tags")
@needs(Scope.READ)
def list_tags(ask: Ask, query: Annotated[TagQuery, Query()]) -> Tags:
    """Return tags with their number of images, by default the most frequent first. `match` and
    `prefix` ignore case and treat `_`, `-` and spaces as equal.
    """
    match, prefix = tag_key(query.match), tag_key(query.prefix)
    asked = [match, prefix, query.sort.value]
    after = None if query.cursor is None else _read(query.cursor, asked)
    by_count = query.sort is TagOrder.COUNT
    searcher = ask.searcher_now()
    page = searcher.tags().page(match, prefix, by_count, query.limit, after)

    def cover(tag: Tag) -> str | None:
        return searcher.collection.cover(tag.key, searcher.deleted) if query.covers else None

    return Tags(
        tags=[TagCount(tag=tag.name, count=tag.count, cover=cover(tag)) for tag in page.tags],
        total=page.total,
        next=None if page.is_last else _text(asked, page.tags[-1]),
    )


def _text(asked: list[str], last: Tag) -> str:
    """Return the cursor of the page after a tag: it holds over any number of snapshots."""
    document = json.dumps([asked, last.count, last.key], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode()


def _read(cursor: str, asked: list[str]) -> tuple[int, str]:
    try:
        known, count, key = _CURSOR.validate_json(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise InvalidInput("`cursor` is not the `next` of an answer; omit it.") from None
    if known != asked:
        raise InvalidInput("`cursor` belongs to another list of tags; omit it.")
    return count, key
