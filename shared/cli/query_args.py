"""Query parts from the command line: `--image a.jpg --term night^0.5 --exclude garden`."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shared.clients import query
from shared.clients.transport import Call, Client
from shared.contracts.answer import SearchResponse
from shared.contracts.query import TagOrder
from shared.core.errors import InvalidInput, NotFound
from shared.snapshots.items import tag_key

_BOOSTED = re.compile(r"(.*[^\\])\^([+-]?\d+(?:\.\d+)?)", re.DOTALL)


class PartReader:
    """Reads parts with their weights: what stands behind a `^`, times a sign.

    A file, a tag or an id that is there as it was typed is meant, whatever it has behind a `^`;
    `\\^` is a `^` that is no weight's.
    """

    def __init__(self, client: Client) -> None:
        """client: client of the query service, which is used only for texts that contain a `^`."""
        self._client = client

    def read(
        self, images: Sequence[str], terms: Sequence[str], ids: Sequence[str], sign: int = 1
    ) -> list[dict[str, Any]]:
        """Return the parts as a search takes them. Raises OSError."""
        files = [_weighed(text, sign, lambda path: Path(path).exists()) for text in images]
        pictures = [{"image": Path(text).read_bytes(), "weight": weight} for text, weight in files]
        named = [
            {kind: text, "weight": weight}
            for kind, typed, is_there in (("term", terms, self._is_tag), ("id", ids, self._is_id))
            for text, weight in (_weighed(one, sign, is_there) for one in typed)
        ]
        return [*pictures, *named]

    def _is_tag(self, text: str) -> bool:
        # In the order of names, the exact tag comes before longer ones.
        found = self._client.send(query.list_tags(prefix=text, limit=1, sort=TagOrder.NAME))
        return any(tag_key(one.tag) == tag_key(text) for one in found.tags)

    def _is_id(self, text: str) -> bool:
        try:
            self._client.send(query.get_image(text))
        except NotFound:
            return False
        return True


def search_call(parts: Sequence[dict[str, Any]], **options: Any) -> Call[SearchResponse]:
    """Search by a single part of weight 1 directly. Raises InvalidInput if no part is wanted."""
    if not any(part["weight"] > 0 for part in parts):
        raise InvalidInput("Give at least one of --image, --term and --id to search by.")
    if len(parts) > 1 or parts[0]["weight"] != 1:
        return query.search(parts=parts, **options)
    match parts[0]:
        case {"image": data}:
            return query.search_image(data, **options)
        case {"term": term}:
            return query.search_term(term, **options)
    return query.search_id(parts[0]["id"], **options)


def _weighed(text: str, sign: int, is_there: Callable[[str], bool]) -> tuple[str, float]:
    if "^" not in text or is_there(text):
        return text, float(sign)
    boosted = _BOOSTED.fullmatch(text)
    if boosted is not None:
        text = boosted[1]
    return text.replace("\\^", "^"), sign * float(boosted[2] if boosted else 1)
