"""JSON of the catalogue. One image's that can't be read or written must not fail all others."""

import json
import logging
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from shared.contracts.annotations import presentable

log = logging.getLogger(__name__)


def read(text: str | bytes) -> Any:
    """Return the value of a column; an empty object for invalid JSON of an earlier version."""
    with suppress(ValueError):
        return from_json(text)
    try:
        # Reads what only Python does, as lone surrogates and deep nesting.
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        log.warning("JSON of the catalogue can't be read (%s); `ise check` names the image", error)
        return {}


def write(value: Any) -> str:
    """Return the text of a value, for PostgreSQL, which validates it; SQLite accepts what Python
    writes.

    Metadata of an earlier version, copied from SQLite, may contain numbers and lone surrogates that
    JSON can't represent: such fields are left out.
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
