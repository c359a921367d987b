"""Common base of all wire models."""

from enum import StrEnum
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

# The range that the random generators of numpy, torch and faiss share.
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Wire(BaseModel):
    """A JSON body. Fields not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(Wire):
    """Request in JSON: 0 is not false, and "5" is not 5.

    A form has texts alone: its model sets `strict` back.
    """

    model_config = ConfigDict(strict=True)


class Choice(StrEnum):
    """One of some texts. JSON has no other way to say it, so a text is right in a Request too."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cast(CoreSchema, {**handler(source), "strict": False})
