"""A box on a picture."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from shared.contracts.base import Request
from shared.core.errors import InvalidInput

_ROUNDING = 1e-6

Start = Annotated[float, Field(ge=0, lt=1)]
Size = Annotated[float, Field(gt=0, le=1)]


class Crop(Request):
    """A box in fractions of the picture's sides, from its top left, after EXIF orientation."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"x": 0.25, "y": 0, "width": 0.5, "height": 1}]}
    )

    x: Start = Field(description="Left side, as a fraction of the picture's width.")
    y: Start = Field(description="Top side, as a fraction of the picture's height.")
    width: Size = Field(description="Width, as a fraction of the picture's width.")
    height: Size = Field(description="Height, as a fraction of the picture's height.")

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if max(self.x + self.width, self.y + self.height) > 1 + _ROUNDING:
            raise ValueError("a crop lies within the picture: x + width and y + height are <= 1")
        return self

    def text(self) -> str:
        """Return the crop as a query parameter: `x,y,width,height`."""
        return ",".join(map(repr, (self.x, self.y, self.width, self.height)))

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse the output of `text`. Raises InvalidInput."""
        try:
            x, y, width, height = (float(number) for number in text.split(","))
            return cls(x=x, y=y, width=width, height=height)
        except ValueError as error:
            raise InvalidInput(
                f"The crop {text!r} can't be used: write x,y,width,height, within 0 and 1, such as "
                "0.25,0,0.5,1."
            ) from error
