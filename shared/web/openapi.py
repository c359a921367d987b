"""What FastAPI's own OpenAPI document doesn't say of our services: problems, and the key."""

from typing import Any

from fastapi import FastAPI

from shared.contracts.problem import Problem

MEDIA_TYPE = "application/problem+json"
_VALIDATION = ("HTTPValidationError", "ValidationError")
_SCHEME = "key"


def install(app: FastAPI) -> None:
    """Makes `app.openapi()` tell that every error is a problem document, and how to send a key."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _VALIDATION:
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = {
        _SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "The key of `ISE_API_KEY`, where one is set.",
        }
    }
    for path, item in schema.get("paths", {}).items():
        for operation in item.values():
            responses = operation["responses"]
            if _VALIDATION[0] in str(responses.get("422")):
                # FastAPI's own form of it, which is never sent.
                del responses["422"]
            responses["4XX"] = _problem("What was sent can't be answered; `detail` says why.")
            responses["5XX"] = _problem("The service can't answer now; `detail` says why.")
            if path.startswith("/v1/"):
                # Either none or a key: it depends on the settings.
                operation["security"] = [{}, {_SCHEME: []}]
            _complete_form(operation, schemas)
    return schema


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


def _problem(description: str) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": reference}}}
