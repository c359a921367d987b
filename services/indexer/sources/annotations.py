"""Parsing of tags and metadata, with an error for invalid ones."""

import json
from collections.abc import Sequence
from typing import Any

from shared.contracts import annotations
from shared.core.errors import InvalidInput


def parse_tags(parts: Sequence[str]) -> tuple[str, ...]:
    """Return stripped tags without duplicates. Raises InvalidInput for invalid ones."""
    found = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    annotations.check(tags=found)
    return found


def checked_metadata(given: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that can be stored and answered. Raises InvalidInput."""
    annotations.check(metadata=given)
    return given


def parse_metadata(text: str) -> dict[str, Any]:
    """Metadata from the JSON of a form's field. Raises InvalidInput."""
    try:
        value = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise annotations.refusal("metadata", f"this is not JSON ({error})") from None
    except RecursionError:
        levels = annotations.WRITTEN.depth
        raise annotations.refusal("metadata", f"it is nested deeper than {levels} levels") from None
    except ValueError:
        # Python raises this for a number of thousands of digits.
        clause = "a whole number fits 64 bits; write a longer one as text"
        raise annotations.refusal("metadata", clause) from None
    if not isinstance(value, dict):
        raise annotations.refusal("metadata", "it must be a JSON object")
    return checked_metadata(value)


def check_text(text: str) -> None:
    """Raises InvalidInput for text that neither an answer nor a database takes."""
    if (fault := annotations.text_fault(text)) is not None:
        raise InvalidInput(f"`{annotations.shown(text)}`: {fault}.")
