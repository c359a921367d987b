"""Every body, answer and error of the docs pages has a worked example, and it is what it says."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter

from scripts.openapi import schemas
from shared.contracts import (
    answer,
    embedder,
    explore,
    features,
    indexer,
    jobs,
    migration,
    query,
    stats,
    sync,
)
from shared.contracts.base import Wire
from shared.contracts.problem import Problem
from shared.core import problem
from shared.core.errors import tree
from shared.web import problems

SHOWN: list[tuple[type[BaseModel], object]] = [
    (model, example)
    for module in (
        answer,
        embedder,
        explore,
        features,
        indexer,
        jobs,
        migration,
        query,
        stats,
        sync,
    )
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, Wire) and model.__module__ == module.__name__
    for example in (model.model_config.get("json_schema_extra") or {}).get("examples", ())
] + [(Problem, Problem.model_config["json_schema_extra"]["examples"][0])]

DOCUMENTS = schemas()


class Content(NamedTuple):
    """A body of one media type: what is sent, or what comes back with `status`."""

    service: str
    operation: str
    status: str
    media_type: str
    described: dict[str, Any]

    @property
    def schema(self) -> dict[str, Any]:
        """With all that it refers to."""
        return {**self.described["schema"], "components": DOCUMENTS[self.service]["components"]}

    @property
    def examples(self) -> list[Any]:
        """Beside the schema, else of the schema itself."""
        found = [shown["value"] for shown in self.described.get("examples", {}).values()]
        if "example" in self.described:
            found.append(self.described["example"])
        name = self.described["schema"].get("$ref", "").rpartition("/")[2]
        schema = self.schema["components"]["schemas"].get(name, self.described["schema"])
        return found or schema.get("examples", [])


def contents() -> Iterator[Content]:
    for service, document in DOCUMENTS.items():
        for path, item in document["paths"].items():
            for method, operation in item.items():
                named = f"{method} {path}"
                sent = {"": operation["requestBody"]} if "requestBody" in operation else {}
                for status, described in (sent | operation["responses"]).items():
                    for media_type, content in described.get("content", {}).items():
                        yield Content(service, named, status, media_type, content)


CONTENTS = list(contents())
# Bytes; the docs page takes and gives them as files.
FILES = re.compile(r"image/.+|video/.+|application/octet-stream|application/x-tar|application/zip")
TEXTS = [content for content in CONTENTS if not FILES.fullmatch(content.media_type)]
ERRORS = [content for content in CONTENTS if content.status[:1] in ("4", "5")]


def names(contents: list[Content]) -> list[str]:
    return [" ".join(content[:4]) for content in contents]


@pytest.mark.parametrize(
    ("model", "example"), SHOWN, ids=lambda value: getattr(value, "__name__", "")
)
def test_an_example_is_valid(model, example):
    model.model_validate(example)


@pytest.mark.parametrize("content", TEXTS, ids=names(TEXTS))
def test_what_is_sent_and_answered_is_shown_as_it_is_described(content):
    assert content.examples
    for example in content.examples:
        Draft202012Validator(content.schema).validate(example)


@pytest.mark.parametrize("content", ERRORS, ids=names(ERRORS))
def test_an_error_is_shown_with_its_own_status_and_path(content):
    path = content.operation.split()[1]
    assert content.media_type == problem.MEDIA_TYPE
    for example in content.examples:
        shown = problem.from_body(int(content.status), example)
        assert str(problem.status_of(shown)) == str(example["status"]) == content.status
        unplaced = {"instance": None, "request_id": None}
        assert problem.body_of(shown) == example | unplaced
        assert re.fullmatch(re.sub(r"\{\w+\}", "[^{}]+", path), example["instance"])


def test_files_are_described_as_such():
    for content in CONTENTS:
        if FILES.fullmatch(content.media_type):
            schema = content.described["schema"]
            assert schema.items() >= {"type": "string", "format": "binary"}.items()


def test_every_operation_answers_something_that_is_shown():
    operations = {(c.service, c.operation) for c in CONTENTS if c.status.startswith("2")}
    count = sum(len(item) for document in DOCUMENTS.values() for item in document["paths"].values())
    assert len(operations) == count > 30


def test_a_key_is_asked_for_on_every_route_but_of_the_operations():
    asked = {(c.service, c.operation) for c in ERRORS if c.status == "401"}
    routes = {(c.service, c.operation) for c in CONTENTS}
    assert {operation for _, operation in routes - asked} == {"get /health", "get /ready"}


def test_no_status_is_left_to_a_wildcard():
    assert {content.status for content in ERRORS if not content.status.isdecimal()} == set()


def test_lines_of_a_training_are_events_of_the_contract():
    shown = [c for c in TEXTS if c.media_type == embedder.EVENTS_MEDIA_TYPE]
    lines = [line for content in shown for text in content.examples for line in text.splitlines()]
    assert lines
    for line in lines:
        TypeAdapter(embedder.TrainingEvent).validate_json(line)


def test_every_kind_of_error_that_a_caller_can_get_is_shown():
    shown = {
        example["type"].rpartition(":")[2] for content in ERRORS for example in content.examples
    }
    # Settings are checked at the start, before anybody can ask.
    assert shown == set(tree()) - {"misconfigured"}


def test_every_example_of_the_table_is_shown_by_some_route():
    table = {error.detail for error in vars(problems).values() if isinstance(error, Exception)}
    assert table == {example["detail"] for content in ERRORS for example in content.examples}
