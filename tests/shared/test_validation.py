from enum import StrEnum
from typing import Annotated, Literal

import pytest
from fastapi import Form, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.core.validation import verdict


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    colour: Colour = Colour.RED
    shades: int = Field(3, ge=1, le=9)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, lt=100)] = 10
    target: Annotated[float, Field(gt=0)] | None = None
    exact: bool = False

    @model_validator(mode="after")
    def _one(self):
        if self.exact and self.target:
            raise ValueError("give one of target and exact, not both")
        return self


class Order(Options):
    name: str = Field(min_length=1, max_length=5)
    size: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    numbers: list[float] = []
    wishes: list[Wish] | None = None


class Upload(Options):
    files: list[UploadFile]


@pytest.fixture
def app(service):
    app = service()

    @app.post("/order")
    def order(order: Order) -> None: ...

    @app.get("/order")
    def ask(options: Annotated[Options, Query()]) -> None: ...

    @app.post("/upload")
    def upload(form: Annotated[Upload, Form(media_type="multipart/form-data")]) -> None: ...

    return app


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "`name` is missing."),
        ({"nam": "x"}, "`nam` is not a field of this request; did you mean `name`?"),
        ({"xyz": 1}, "`xyz` is not a field of this request."),
        ({"x" * 99: 1}, f"`{'x' * 60}…` is not a field of this request."),
        ({"wishes": [{"shade": 1}]}, "`wishes.0.shade` is not a field of this request; did you mean"
            " `shades`?"),
        ({"wishes": [{"colour": "green"}]}, "`wishes.0.colour` must be `red` or `blue`."),
        ({"wishes": [1]}, "`wishes.0` must be a JSON object."),
        ({"wishes": 1}, "`wishes` must be a list."),
        ({"limit": 0}, "`limit` must be at least 1."),
        ({"limit": 100}, "`limit` must be under 100."),
        ({"limit": 1.5}, "`limit` must be a whole number."),
        ({"limit": "many"}, "`limit` must be a whole number."),
        ({"target": 0}, "`target` must be over 0."),
        ({"target": "all"}, "`target` must be a number."),
        ({"exact": "perhaps"}, "`exact` must be true or false."),
        ({"name": 3}, "`name` must be text."),
        ({"name": ""}, "`name` must not be empty."),
        ({"name": "longer"}, "`name` must have at most 5 characters."),
        ({"size": 0}, "`size` must be `auto` or at least 1."),
        ({"size": "small"}, "`size` must be `auto` or a whole number."),
        ({"exact": True, "target": 1}, "Give one of target and exact, not both."),
        (["name"], "The body must be a JSON object."),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_a_sentence(app, ask, body, sentence):
    given = {"name": "x", **body} if isinstance(body, dict) and body and "nam" not in body else body
    told = ask(app, "POST", "/order", json=given).json()["detail"]
    assert sentence in told
    assert "nput" not in told


def test_each_field_has_its_sentence_and_all_are_listed(app, ask):
    body = {"name": "x", "limit": 0, "numbers": ["a"] * 7}
    found = ask(app, "POST", "/order", json=body).json()
    assert found["detail"].startswith("`limit` must be at least 1. `numbers.0` must be a number. ")
    assert found["detail"].endswith(" And 3 more like these; see `errors`.")
    assert len(found["errors"]) == 8
    assert found["errors"][7] == {
        "field": "body.numbers.6",
        "message": "`numbers.6` must be a number.",
    }


def test_queries_and_forms_are_told_of_alike(app, ask):
    told = ask(app, "GET", "/order", params={"limits": 3}).json()["detail"]
    assert told == "`limits` is not a field of this request; did you mean `limit`?"
    told = ask(app, "POST", "/upload", data={"file": "x", "limit": "0"}).json()["detail"]
    for sentence in (
        "`files` is missing.",
        "`limit` must be at least 1.",
        "`file` is not a field of this request; did you mean `files`?",
    ):
        assert sentence in told
    form = {"files": (None, "text")}
    assert ask(app, "POST", "/upload", files=form).json()["detail"] == (
        "`files.0`: a file is expected."
    )


def test_a_body_that_is_no_json_is_told_what_to_do(app, ask):
    broken = ask(app, "POST", "/order", content="{", headers={"Content-Type": "application/json"})
    assert broken.json()["detail"].startswith("The body is not JSON (Expecting ")
    assert broken.json()["errors"][0]["field"] == "body"
    plain = ask(app, "POST", "/order", content='{"name": "x"}')
    assert plain.json()["detail"] == (
        "The body must be JSON, sent with `Content-Type: application/json`."
    )


def test_what_has_no_words_of_ours_keeps_those_it_has():
    assert verdict({"type": "new_kind", "msg": "Input is odd", "ctx": {}}) == "Input is odd"
