"""OpenAPI additions to FastAPI's own document: problems, and the key."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from shared.contracts.base import Wire
from shared.contracts.problem import Problem
from shared.core import problem
from shared.core.errors import ISEError
from shared.web import problems
from shared.web.keys import Scope
from shared.web.scoped import SCHEME

_VALIDATION = ("HTTPValidationError", "ValidationError")
# Values for path parameters in the examples.
_PATH_VALUES = {
    "fingerprint": problems.MODEL,
    "image_id": problems.IMAGE,
    "job_id": problems.JOB,
    "number": problems.SNAPSHOT,
    "upload_id": problems.UPLOAD,
    "token": problems.UNDO,
}
_PATH_DESCRIPTIONS = {
    "fingerprint": "Fingerprint of the model.",
    "image_id": "Id of the image.",
    "job_id": "Id of the job.",
    "token": "`undo` of the answer to a change.",
    "number": "Number of the snapshot.",
    "upload_id": "Id of the upload.",
}
_REQUEST_ID = "5d3f0c6d5c0b4c3e9a51b7f1a4d0a2f7"


def install(app: FastAPI, is_limited: bool = False) -> None:
    """Make `app.openapi()` document every error as a problem document, and the required key.

    `is_limited`: requests are limited by rate.
    """
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain(), is_limited)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(schema: dict[str, Any], is_limited: bool) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _VALIDATION:
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = {
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "If keys are set: `ISE_API_KEY`, or a key of `ISE_API_KEYS_FILE` with "
            "the scope of the operation.",
        }
    }
    _restore_examples(schemas, Wire)
    for path, item in schema.get("paths", {}).items():
        for operation in item.values():
            _complete_problems(path, operation, is_limited)
            _complete_form(operation, schemas)
            _describe_path(operation)
    return schema


def _scope(operation: dict[str, Any]) -> Scope | None:
    """The scope that a key needs for an operation, as its route tells."""
    for way in operation.get("security", ()):
        if SCHEME in way:
            return Scope(way[SCHEME][0])
    return None


def _restore_examples(schemas: dict[str, Any], models: type[Wire]) -> None:
    """Restore null values in examples, which FastAPI omits although real bodies contain them."""
    for model in models.__subclasses__():
        extra = model.model_config.get("json_schema_extra")
        if isinstance(extra, dict) and model.__name__ in schemas:
            schemas[model.__name__] |= extra
        _restore_examples(schemas, model)


def _complete_problems(path: str, operation: dict[str, Any], is_limited: bool) -> None:
    """Adds to a route's own problems those of every route of its kind."""
    responses = operation["responses"]
    if _VALIDATION[0] in str(responses.get("422")):
        # FastAPI's own schema of it, which is never sent.
        del responses["422"]
    if (scope := _scope(operation)) is not None:
        for error in (*_of_access(scope, is_limited), *_general(operation)):
            problems.add(responses, error)
    for response in responses.values():
        shown = response.get("content", {}).get(problem.MEDIA_TYPE, {})
        for example in shown.get("examples", {}).values():
            example["value"]["instance"] = path.format_map(_PATH_VALUES)
            example["value"]["request_id"] = _REQUEST_ID


def _of_access(scope: Scope, is_limited: bool) -> Iterator[ISEError]:
    yield problems.NO_KEY
    yield problems.LACKS_READ if scope is Scope.READ else problems.LACKS_WRITE
    yield problems.OTHER_HOST
    yield problems.OTHER_SITE
    yield problems.NO_MEMORY
    yield problems.SHARE_USED
    if is_limited:
        yield problems.TOO_OFTEN


def _general(operation: dict[str, Any]) -> Iterator[ISEError]:
    yield problems.UNEXPECTED
    if "requestBody" in operation:
        yield problems.BODY_TOO_LARGE
        yield problems.TOO_SLOW_BODY
        yield problems.UNKNOWN_FIELD
    elif any(one["in"] in ("query", "header") for one in operation.get("parameters", ())):
        yield problems.BAD_PARAMETER


def _describe_path(operation: dict[str, Any]) -> None:
    """Describe path parameters here, once for all routes that take the same one."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] in _PATH_DESCRIPTIONS:
            parameter.setdefault("description", _PATH_DESCRIPTIONS[parameter["name"]])


def _complete_form(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Says of a form's files that they're files, in the words that generators of clients know.

    When a form is tried out on the page, optional fields are left blank rather than filled in.
    """
    content = operation.get("requestBody", {}).get("content", {})
    reference = content.get("multipart/form-data", {}).get("schema", {}).get("$ref", "")
    form = schemas.get(reference.rpartition("/")[2], {})
    for name, field in form.get("properties", {}).items():
        one = field.get("items", field)
        if "contentMediaType" in one:
            one["format"] = "binary"
        if name not in form.get("required", ()) and field.get("default") is None:
            field["example"] = ""
