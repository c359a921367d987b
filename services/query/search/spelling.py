"""Tags that are spelt like a term that no image carries."""

import difflib
from collections.abc import Mapping

from shared.snapshots.items import tag_key

_SHOWN = 3
_ALIKE = 0.6
# Comparing takes some microseconds a tag; a slip is most likely one of a frequent tag.
_COMPARED = 20_000


def close_tags(term: str, counts: Mapping[str, tuple[str, int]]) -> list[str]:
    """Up to three tags as written, the closest first. `counts`: (tag, images) by the tag's key."""
    frequent = sorted(counts, key=lambda key: -counts[key][1])[:_COMPARED]
    close = difflib.get_close_matches(tag_key(term), frequent, _SHOWN, _ALIKE)
    return [counts[key][0] for key in close]
