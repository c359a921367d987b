"""JSON of the catalogue. One image's that can't be read or written must not fail all others."""

import json
import logging
from typing import Any

from shared.contracts.annotations import presentable

log = logging.getLogger(__name__)


def read(text: str | bytes) -> Any:
    """The value of a column; an empty object where an earlier version wrote what can't be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        log.warning("JSON of the catalogue can't be read (%s); `ise check` names the image", error)
        return {}


def write(value: Any) -> str:
    """The text of a value, for PostgreSQL, which checks it; SQLite takes what Python writes.

    Metadata of an earlier version, copied from SQLite, may have numbers and halves of characters
    that JSON has no word for: those fields are left out.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        text = None
    if isinstance(value, dict) and (text is None or _has_half(value, text)):
        text = json.dumps(presentable(value)[0])
    return json.dumps(value) if text is None else text


def _has_half(value: Any, text: str) -> bool:
    """Return whether a value has half of a character. In its JSON, `text`, a whole one beyond the
    first 65,536 is written as two halves."""
    if "\\ud" not in text:
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
