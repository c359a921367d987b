"""Filters: conditions on tags, labels and metadata that hits must meet."""

from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import (
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    StringConstraints,
    WrapValidator,
    model_validator,
)

from shared.contracts.base import Request
from shared.contracts.labels import SHOWN_LEAST, LabelName, Least

_DEEPEST = 8
_MOST = 256
_MOST_VALUES = 1000


def _exact(given: Any, checked: Callable[[Any], float]) -> float:
    """A whole number as it is: as a float, one of over 53 bits would be another."""
    number = checked(given)
    return given if isinstance(given, int) else number


def _as_it_is(number: float) -> float:
    return number


Text = Annotated[str, StringConstraints(max_length=1000)]
# Strict, so that `true` isn't a number and 1 isn't `true`.
Number = Annotated[
    float,
    Field(strict=True, allow_inf_nan=False),
    WrapValidator(_exact),
    PlainSerializer(_as_it_is, return_type=int | float),
]
Bound = Number | Text
Value = StrictBool | Number | Text

_TESTS = ("match", "any", "gt", "gte", "lt", "lte", "exists")
_BOUNDS = ("gt", "gte", "lt", "lte")


class Filter(Request):
    """All of `must`, at least one of `should` (if any), none of `must_not`.

    An empty filter accepts every image.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "must": [{"tag": "castle"}, {"key": "year", "gte": 1990, "lt": 2000}],
                    "must_not": [{"key": "author", "any": ["Ann", "Bo"]}],
                }
            ]
        }
    )

    must: list["Condition"] = Field(
        [], max_length=_MOST, description="Conditions that must all hold."
    )
    should: list["Condition"] = Field(
        [], max_length=_MOST, description="Conditions of which at least one must hold."
    )
    must_not: list["Condition"] = Field(
        [], max_length=_MOST, description="Conditions of which none may hold."
    )

    @property
    def is_empty(self) -> bool:
        return not (self.must or self.should or self.must_not)

    @model_validator(mode="after")
    def _small(self) -> Self:
        # Inner levels are validated before outer ones, so no depth exceeds the limit by more than
        # one.
        if _depth(self) > _DEEPEST:
            raise ValueError(f"a filter has at most {_DEEPEST} levels")
        if _size(self) > _MOST:
            raise ValueError(f"a filter has at most {_MOST} conditions")
        return self


class Condition(Filter):
    """One of: a `tag`; a `label`; a metadata `key` with what is asked of it; a filter of its own.

    The test of a key is `match`, `any`, bounds or `exists`. A number compares with numbers and with
    numeric texts, integers exactly, however long; a text compares with texts by character order,
    which suits ISO dates. If a value is a list, one element is enough.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"tag": "castle"},
                {"label": "beagle", "least": 0.3},
                {"key": "year", "gte": 1990, "lt": 2000},
                {"key": "author", "exists": True},
            ]
        }
    )

    tag: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="Tag that the image must have."
    )
    key: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="Metadata field; `camera.make` names a field of a nested object."
    )
    label: LabelName | None = Field(
        None, description="Label that the model's classifier must see in the image, or a synonym."
    )
    least: Least | None = Field(
        None, description=f"Least probability of the label. Default: {SHOWN_LEAST}."
    )
    match: Value | None = Field(None, description="Value must be equal.")
    any: Annotated[list[Value], Field(min_length=1, max_length=_MOST_VALUES)] | None = Field(
        None, description="Value must be one of these."
    )
    gt: Bound | None = Field(None, description="Value must be greater.")
    gte: Bound | None = Field(None, description="Value must be greater or equal.")
    lt: Bound | None = Field(None, description="Value must be less.")
    lte: Bound | None = Field(None, description="Value must be less or equal.")
    exists: bool | None = Field(
        None, description="Whether the field must have a value; null counts as none."
    )

    @property
    def bounds(self) -> dict[str, float | str]:
        """The bounds that are given, by name."""
        return {name: bound for name in _BOUNDS if (bound := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [self.tag, self.label, self.key]
        if sum(one is not None for one in given) + (not self.is_empty) != 1:
            raise ValueError(
                "a condition is one of a `tag`, a `label`, a `key` and a filter of its own"
            )
        if self.least is not None and self.label is None:
            raise ValueError("`least` goes with a `label`")
        tests = [name for name in _TESTS if getattr(self, name) is not None]
        if self.key is None:
            if tests:
                raise ValueError(f"`{tests[0]}` goes with a `key`")
            return self
        if len(tests) != 1 and not (tests and set(tests) <= set(_BOUNDS)):
            raise ValueError("a `key` takes one of `match`, `any`, bounds and `exists`")
        if {"gt", "gte"} <= set(tests) or {"lt", "lte"} <= set(tests):
            raise ValueError("give one lower and one upper bound at most")
        if len({isinstance(bound, str) for bound in self.bounds.values()}) > 1:
            raise ValueError("bounds are numbers or texts, not one of each")
        return self


def _depth(found: Filter) -> int:
    below = [_depth(c) for c in (*found.must, *found.should, *found.must_not) if not c.is_empty]
    return 1 + max(below, default=0)


def _size(found: Filter) -> int:
    return sum(1 if c.is_empty else _size(c) for c in (*found.must, *found.should, *found.must_not))


# A condition may contain filters; both classes now exist, so references can be resolved.
Filter.model_rebuild()
