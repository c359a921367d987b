"""What is said of pictures: tags and metadata that can be kept."""

import json
from collections.abc import Sequence
from typing import Any

from shared.errors import InvalidInput

_MAX_TAG = 200


def parse_tags(parts: Sequence[str]) -> tuple[str, ...]:
    """Tags without blanks around them, each once. Raises InvalidInput for one that's too long."""
    found = dict.fromkeys(part.strip() for part in parts if part.strip())
    for tag in found:
        check_text(tag)
        if len(tag) > _MAX_TAG:
            raise InvalidInput(f"A tag has at most {_MAX_TAG} characters; {tag[:30]!r}… has more.")
    return tuple(found)


def checked_metadata(given: dict[str, Any]) -> dict[str, Any]:
    """Metadata that can be kept and answered. Raises InvalidInput for NaN, and for half characters.

    Python's own JSON takes both; one such value would make every answer that has it fail.
    """
    try:
        check_text(json.dumps(given, ensure_ascii=False, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"`metadata` can't be written as JSON: {error}.") from None
    return given


def check_text(text: str) -> None:
    """Raises InvalidInput for text that has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{text[:60]!a} has half a character, a lone surrogate.") from None
