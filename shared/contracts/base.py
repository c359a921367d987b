"""Common base of all wire models."""

from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

MAX_DIM = 65_536
"""Most numbers of a vector."""
_MOST_ERRORS = 100
"""Errors of an object that are listed; with more, it isn't meant for this call."""

# The range that the random generators of numpy, torch and faiss share.
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Wire(BaseModel):
    """A JSON body. Fields not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


W = TypeVar("W", bound=BaseModel)


def trusted(kind: type[W], fields: dict[str, Any]) -> W:
    """Return a model of values that need no check: all of its fields, in their order.

    Answers have thousands of hits, and a check takes several times as long as to make one;
    `model_construct` takes as long as the check.
    """
    made = kind.__new__(kind)
    put = object.__setattr__
    put(made, "__dict__", fields)
    put(made, "__pydantic_fields_set__", _all_fields(kind))
    put(made, "__pydantic_extra__", None)
    put(made, "__pydantic_private__", None)
    return made


@cache
def _all_fields(kind: type[BaseModel]) -> set[str]:
    """Return the names of all fields: one set for all models of a kind, as to make it takes a
    tenth of the time of a hit, and nothing changes it.
    """
    return set(kind.model_fields)


class Request(Wire):
    """Request in JSON: 0 is not false, and "5" is not 5.

    A form has texts alone: its model sets `strict` back.
    """

    model_config = ConfigDict(strict=True)

    @model_validator(mode="wrap")
    @classmethod
    def _few_errors(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Make many errors one: to list each takes time and memory, and helps nobody."""
        try:
            return handler(value)
        except ValidationError as error:
            if error.error_count() <= _MOST_ERRORS:
                raise
            count = f"{error.error_count():,}"
            raise PydanticCustomError(
                "too_many_errors",
                "has {count} errors, so it seems meant for another call",
                {"count": count},
            ) from None


class Choice(StrEnum):
    """One of some texts. JSON has no other way to say it, so a text is right in a Request too."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cast(CoreSchema, {**handler(source), "strict": False})
