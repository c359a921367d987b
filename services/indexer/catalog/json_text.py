"""Reads the JSON of the catalogue. One image's that can't be read must not fail all others."""

import json
import logging
from typing import Any

log = logging.getLogger(__name__)


def read(text: str | bytes) -> Any:
    """The value of a column; an empty object where an earlier version wrote what can't be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        log.warning("JSON of the catalogue can't be read (%s); `ise check` names the image", error)
        return {}
