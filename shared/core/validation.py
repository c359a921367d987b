"""Validation errors of a request or a setting, as sentences.

pydantic's own messages ("Extra inputs are not permitted") are for developers.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from shared.core.errors import InvalidInput

M = TypeVar("M", bound=BaseModel)

_MUST_BE = "must be "
_LONGEST = 60
_LONGEST_FIELD = 1000
_VERDICTS = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "base64_decode": "must be base64",
    "json_invalid": "is not JSON ({error})",
    "string_unicode": "must be Unicode text",
    "greater_than": "must be over {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be under {lt}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
}
"""Sentences about a field for the kinds of pydantic's errors."""


def made(model: type[M], **fields: Any) -> M:
    """Return a request with some fields. Raises InvalidInput, which names each that is wrong."""
    try:
        return model(**fields)
    except ValidationError as error:
        found = [{**one, "loc": ("request", *one["loc"])} for one in error.errors()]
        told = " ".join(one["message"] for one in sentences(found, model))
        raise InvalidInput(told) from error


def verdict(error: Mapping[str, Any]) -> str:
    """Return a sentence for one of pydantic's errors, to follow the field's name."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("string_too_short", "too_short") and context["min_length"] == 1:
        return "must not be empty"
    if kind == "model_attributes_type" and isinstance(error["input"], bytes):
        return "must be JSON, sent with `Content-Type: application/json`"
    if kind in _VERDICTS:
        return _VERDICTS[kind].format_map(context).replace("'", "`")
    message = str(error["msg"]).removeprefix("Value error, ")
    # FastAPI's own sentence about a form field that has text in place of a file.
    return "a file is expected" if message.startswith("Expected UploadFile") else message


def sentences(
    found: Sequence[Mapping[str, Any]], root: type[BaseModel] | None
) -> list[dict[str, str]]:
    """`{field, message}` for each field with an error; every message is a sentence.

    `root`: the model that the request was read as. A field that may be one of several types has an
    error for each; together they are one sentence.
    """
    listed, _ = first_sentences(found, root, len(found))
    return listed


def first_sentences(
    found: Sequence[Mapping[str, Any]], root: type[BaseModel] | None, most: int
) -> tuple[list[dict[str, str]], int]:
    """Return the sentences for a number of fields, and how many more there are.

    For an unknown field, the search for similar names takes a while.
    """
    grouped: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for error in found:
        # For incomplete JSON the place is an offset and not a field.
        breaks_off = error["type"] == "json_invalid" and isinstance(error["loc"][-1], int)
        place = error["loc"][:1] if breaks_off else error["loc"]
        grouped.setdefault(_path(place, root), []).append(error)
    found_errors = [
        {"field": _text(".".join(path)), "message": _sentence(path, errors, root)}
        for path, errors in islice(grouped.items(), most)
    ]
    return found_errors, len(grouped) - len(found_errors)


def _text(path: str) -> str:
    """A field's name, of whole characters and not endless: a caller may send anything."""
    return path[:_LONGEST_FIELD].encode(errors="backslashreplace").decode()


def _sentence(
    path: tuple[str, ...], errors: list[Mapping[str, Any]], root: type[BaseModel] | None
) -> str:
    if errors[0]["type"] == "extra_forbidden":
        return _unknown_field(path, root)
    clause = _either(list(dict.fromkeys(verdict(error) for error in errors)))
    if errors[0]["type"] != "value_error":
        return f"{_subject(path)} {clause}."
    # The validator wrote a whole sentence, about the request or one field.
    return (
        f"{clause[:1].upper()}{clause[1:]}." if len(path) == 1 else f"{_subject(path)}: {clause}."
    )


def _unknown_field(path: tuple[str, ...], root: type[BaseModel] | None) -> str:
    known = _fields_at(path[1:-1], root)
    close = difflib.get_close_matches(path[-1][:_LONGEST], known, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else "."
    return f"{_subject(path)} is not a field of this request{hint}"


def _either(verdicts: list[str]) -> str:
    """`must be a, must be b` as `must be a or b`."""
    first, *others = verdicts
    return " or ".join([first, *(other.removeprefix(_MUST_BE) for other in others)])


def _subject(path: tuple[str, ...]) -> str:
    name = _text(".".join(path[1:]))
    if not name:
        return f"The {path[0]}"
    return f"`{name if len(name) <= _LONGEST else name[:_LONGEST] + '…'}`"


def _path(location: Iterable[int | str], root: type[BaseModel] | None) -> tuple[str, ...]:
    """The way to a field, without pydantic's names for the types that it tried there."""
    first, *rest = location
    path, model = [str(first)], root
    for part in rest:
        if isinstance(part, str) and root is not None and model is None:
            break
        path.append(str(part))
        if isinstance(part, str):
            model = _model_of(model, part)
    return tuple(path)


def _fields_at(path: Iterable[str], root: type[BaseModel] | None) -> list[str]:
    model = root
    for part in path:
        if not part.isdigit():
            model = _model_of(model, part)
    return list(model.model_fields) if model else []


def _model_of(model: type[BaseModel] | None, field: str) -> type[BaseModel] | None:
    """The model that a field of a model holds, or a list of, if it does."""
    info = model.model_fields.get(field) if model else None
    return model_in(info.annotation) if info else None


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model in a type, such as in `list[Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part))), None)
