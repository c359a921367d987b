"""Cursors of the catalogue's lists: the last row of a page, as text that callers give back."""

import base64
import json
from collections.abc import Sequence

from shared.core.errors import InvalidInput


def cursor_of(*last: str) -> str:
    """Return the cursor behind a row with these sort keys."""
    return base64.urlsafe_b64encode(json.dumps(last).encode()).decode()


def read_cursor(cursor: str, keys: int) -> Sequence[str]:
    """Return the sort keys of a cursor. Raises InvalidInput."""
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, RecursionError):
        found = None
    if (
        not isinstance(found, list)
        or len(found) != keys
        or not all(isinstance(one, str) and _is_text(one) for one in found)
    ):
        raise InvalidInput("`cursor` is not the `next` of an answer; omit it.")
    return found


def _is_text(value: str) -> bool:
    """Return whether any database takes a text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value
