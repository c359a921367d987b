"""Text that is read in pictures: words with their places."""

from typing import Annotated

from pydantic import ConfigDict, Field

from shared.contracts.base import Request, Wire

Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class Word(Wire):
    """A word that stands in a picture."""

    text: str = Field(description="The word, as it is written there.")
    confidence: float = Field(description="How sure the reader is of it, 0 to 1.")
    line: int = Field(description="Number of its line in the picture, from 0.")
    box: Annotated[list[Point], Field(min_length=4, max_length=4)] = Field(
        description="Corners of the word, [x, y] in fractions of the picture's width and height: "
        "the upper left, upper right, lower right and lower left as the word is read. A turned "
        "word has a turned box.",
    )


class TextRequest(Request):
    """Request to read the text in pictures."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"again": False}]})

    again: bool = Field(False, description="Also in pictures that were read already.")
