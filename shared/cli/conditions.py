"""A filter from command-line options: `--filter JSON`, `--tag dog`, `--where 'year>=1999'`.

`--where 'post="0123"'` compares as text, not as a number.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from shared.contracts.filters import Filter
from shared.core.errors import InvalidInput
from shared.core.validation import sentences

_WHERE = re.compile(r"([^<>=!]+)(>=|<=|!=|=|>|<)(.*)", re.DOTALL)
_TESTS = {"=": "match", "!=": "match", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


def filter_of(
    given: str | None, tags: Sequence[str], where: Sequence[str]
) -> dict[str, Any] | None:
    """Return all conditions combined, or None if there are none. Raises InvalidInput."""
    must: list[Any] = [{"tag": tag} for tag in tags]
    must_not: list[Any] = []
    for text in where:
        parts = _WHERE.fullmatch(text)
        if parts is None:
            raise InvalidInput(
                f"--where {text!r} can't be read; write a key, one of = != > >= < <=, and a value, "
                "such as 'year>=1999'."
            )
        key, sign, value = (part.strip() for part in parts.groups())
        condition = {"key": key, _TESTS[sign]: _value(value)}
        (must_not if sign == "!=" else must).append(condition)
    if given is not None:
        must.append(_checked(given))
    if not must and not must_not:
        return None
    return {"must": must, "must_not": must_not}


def _value(text: str) -> Any:
    """A number, true or false where it reads as one; the text in quotes; else the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    return value if isinstance(value, bool | int | float | str) else text


def _checked(text: str) -> Any:
    try:
        Filter.model_validate_json(text)
    except ValidationError as error:
        found = [{**one, "loc": ("filter", *one["loc"])} for one in error.errors()]
        sentence = " ".join(item["message"] for item in sentences(found, Filter))
        raise InvalidInput(f"--filter: {sentence}") from None
    return json.loads(text)
