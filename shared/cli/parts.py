"""What is searched by, from what was typed: `--image a.jpg --term night^0.5 --exclude garden`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.clients import query
from shared.clients.transport import Call
from shared.contracts.answer import SearchResponse
from shared.errors import InvalidInput

_BOOSTED = re.compile(r"(.+)\^([+-]?\d+(?:\.\d+)?)", re.DOTALL)


def parts_of(
    images: Sequence[str], terms: Sequence[str], ids: Sequence[str], sign: int = 1
) -> list[dict[str, Any]]:
    """Parts with their weights: `sign`, times what stands behind a `^`. Raises OSError."""
    found = [_weighed(text, sign, _is_file) for text in images]
    pictures = [{"image": Path(text).read_bytes(), "weight": weight} for text, weight in found]
    return [
        *pictures,
        *({"term": text, "weight": weight} for text, weight in (_weighed(t, sign) for t in terms)),
        *({"id": text, "weight": weight} for text, weight in (_weighed(i, sign) for i in ids)),
    ]


def search_call(parts: Sequence[dict[str, Any]], **options: Any) -> Call[SearchResponse]:
    """One part of weight 1 is searched by as such. Raises InvalidInput where nothing is wanted."""
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


def _is_file(text: str) -> bool:
    return Path(text).exists()


def _weighed(text: str, sign: int, is_whole: Any = lambda _: False) -> tuple[str, float]:
    boosted = None if is_whole(text) else _BOOSTED.fullmatch(text)
    return (text, float(sign)) if boosted is None else (boosted[1], sign * float(boosted[2]))
