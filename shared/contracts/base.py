"""What all wire models have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# What the random generators of numpy, torch and faiss take alike.
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Wire(BaseModel):
    """A JSON body. Fields not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
