"""JSON of large bodies, read and validated piece by piece.

The parser and the validator hold the interpreter until they are done with what they were given, so
a thread of its own isn't enough to let the event loop go on: a thread gives way between pieces.
The pieces are the elements of the arrays in the body's object, such as the searches of a batch.
"""

import json
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

_BLANK = " \t\n\r"
_MOST_PIECES = 100_000
"""More elements than these are small ones, and are validated together."""
_scan = json.JSONDecoder().raw_decode


def loads(body: bytes) -> Any:
    """Parse JSON as `json.loads` does. Raises ValueError."""
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    try:
        return _object(text)
    except (IndexError, ValueError):
        # Not an object, or not JSON: then with the right error.
        return json.loads(text)


def _object(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = _after(text, _blank(text, 0), "{")
    while text[at] != "}" or found:
        if text[at] != '"':
            raise ValueError("a name is missing")
        name, at = _scan(text, at)
        at = _blank(text, _after(text, _blank(text, at), ":"))
        if text[at] == "[":
            found[name], at = _array(text, at + 1)
        else:
            found[name], at = _scan(text, at)
        at = _blank(text, at)
        if text[at] == "}":
            break
        at = _blank(text, _after(text, at, ","))
    if _blank(text, at + 1) != len(text):
        raise ValueError("more after the object")
    return found


def _array(text: str, at: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = _blank(text, at)
    if text[at] == "]":
        return found, at + 1
    while True:
        value, at = _scan(text, at)
        found.append(value)
        at = _blank(text, at)
        if text[at] == "]":
            return found, at + 1
        at = _blank(text, _after(text, at, ","))


def _blank(text: str, at: int) -> int:
    """Return the place after blanks."""
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _after(text: str, at: int, sign: str) -> int:
    if text[at] != sign:
        raise ValueError(f"{sign} is missing")
    return _blank(text, at + 1) if sign == "{" else at + 1


def validated(model: type[BaseModel], body: Any) -> Any:
    """Return a parsed body with what is valid in it validated: an instance of the model.

    The body itself, where anything isn't: then its errors are told by whoever validates all of it.
    """
    if not isinstance(body, dict):
        return body
    given: dict[str, Any] = dict(body)
    try:
        for name, element in _models_of_lists(model).items():
            values = body.get(name)
            if isinstance(values, list) and len(values) <= _MOST_PIECES:
                given[name] = [element.validate_python(value) for value in values]
        return model.model_validate(given)
    except ValidationError:
        return body


def _models_of_lists(model: type[BaseModel]) -> Mapping[str, TypeAdapter[Any]]:
    """Return a validator for each field that is a list of models, by the name it is sent under."""
    found: dict[str, TypeAdapter[Any]] = {}
    for name, field in model.model_fields.items():
        inner = get_args(field.annotation)
        if get_origin(field.annotation) is list and _is_model(inner[0]):
            found[field.alias or name] = TypeAdapter(inner[0])
    return found


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
