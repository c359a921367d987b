"""What all wire models have in common."""

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """A JSON body. Fields not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
