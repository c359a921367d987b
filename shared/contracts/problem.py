"""An error as every service sends it: `application/problem+json`, RFC 9457."""

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """Problem document: the fault, and advice. More members may follow, by the kind of problem."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:ise:problem:not-found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no image '1f0c'.",
                    "instance": "/v1/images/1f0c",
                    "request_id": "5d3f0c6d5c0b4c3e9a51b7f1a4d0a2f7",
                }
            ]
        },
    )

    type: str = Field(description="`urn:ise:problem:<slug>`: which kind of problem.")
    title: str
    status: int
    detail: str = Field(description="A sentence that says what is wrong and what to do.")
    instance: str | None = Field(description="The path that was asked for.")
    request_id: str | None = Field(description="To find the request in the logs.")
