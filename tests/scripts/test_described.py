"""Every operation, parameter, schema and field in the OpenAPI documents is described."""

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.openapi import schemas

SERVICES = ["embedder", "indexer", "query"]
VERBS = {
    *("accept", "activate", "add", "allow", "build", "cancel", "change", "compact", "compare"),
    *("compute", "delete", "download", "draw", "embed", "empty", "explain", "export", "find"),
    *("get", "import", "ingest", "keep", "list", "migrate", "patch", "plan", "post", "project"),
    *("read", "reembed", "rename", "restore", "search", "suggest", "train", "undo"),
}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def references(schema: Any) -> Iterator[str]:
    """Yield the names of the schemas that a part of a document refers to."""
    if isinstance(schema, dict):
        if isinstance(name := schema.get("$ref"), str):
            yield name.rpartition("/")[2]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def request_schemas(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the schemas of request bodies by name, nested ones and those written out included."""
    known = document["components"]["schemas"]
    found: dict[str, dict[str, Any]] = {}
    waiting = []
    for name, operation in operations(document):
        body = operation.get("requestBody", {})
        for media in body.get("content", {}).values():
            found[name] = media.get("schema", {})
        waiting += references(body)
    while waiting:
        if (name := waiting.pop()) not in found:
            found[name] = known[name]
            waiting += references(known[name])
    return found


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    return schemas()


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_has_a_summary_and_a_description(
    documents: dict[str, dict[str, Any]], service: str
) -> None:
    found = list(operations(documents[service]))
    assert found
    assert not [
        name
        for name, operation in found
        if not (operation.get("summary") and operation.get("description"))
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_every_parameter_is_described(documents: dict[str, dict[str, Any]], service: str) -> None:
    assert not [
        f"{name}: {parameter['name']}"
        for name, operation in operations(documents[service])
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_every_field_of_a_request_is_described(
    documents: dict[str, dict[str, Any]], service: str
) -> None:
    found = request_schemas(documents[service])
    assert any("properties" in schema for schema in found.values())
    assert not [
        f"{name}: {field}"
        for name, schema in found.items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description")
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_every_schema_and_every_field_of_an_answer_is_described(
    documents: dict[str, dict[str, Any]], service: str
) -> None:
    known = documents[service]["components"]["schemas"]
    assert not [name for name, schema in known.items() if not schema.get("description")]
    assert not [
        f"{name}: {field}"
        for name, schema in known.items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description")
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_operation_ids_begin_with_a_verb(
    documents: dict[str, dict[str, Any]], service: str
) -> None:
    ids = [operation["operationId"] for _, operation in operations(documents[service])]
    assert not [name for name in ids if name.partition("_")[0] not in VERBS]


def test_a_forwarded_call_is_described_as_by_the_indexer(
    documents: dict[str, dict[str, Any]],
) -> None:
    """Query's own statistics, and the folders of another machine, are other ones."""
    of_indexer = dict(operations(documents["indexer"]))
    forwarded = {
        name: operation
        for name, operation in operations(documents["query"])
        if name in of_indexer and name not in ("GET /v1/stats", "GET /v1/ingest/folders")
    }
    assert len(forwarded) > 20
    assert not [
        f"{name}: {part}"
        for name, operation in forwarded.items()
        for part in ("operationId", "summary", "description", "parameters")
        if operation.get(part) != of_indexer[name].get(part)
    ]
