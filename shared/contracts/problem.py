"""An error as every service sends it: `application/problem+json`, RFC 9457."""

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """Problem document. Some kinds of problems have further members."""

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

    type: str = Field(description="Kind of problem: `urn:ise:problem:<slug>`.")
    title: str = Field(description="Name of this kind of problem.")
    status: int = Field(description="HTTP status code.")
    detail: str = Field(description="One sentence on the error and what to do about it.")
    instance: str | None = Field(description="Requested path.")
    request_id: str | None = Field(description="Id of the request in the logs.")
