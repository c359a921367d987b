"""Tags that look wrong, and pictures that look as if they lacked one."""

from pydantic import ConfigDict, Field

from shared.contracts.base import Choice, Wire


class AuditKind(Choice):
    """`wrong`: tags that pictures carry; `missing`: tags that they lack."""

    WRONG = "wrong"
    MISSING = "missing"


class AuditedTag(Wire):
    """A tag to take from a picture, or to give to it."""

    id: str = Field(description="Id of the image.")
    uri: str = Field(description="Path or URL of the image.")
    tag: str = Field(description="The tag.")
    rather: str | None = Field(
        None, description="For a wrong tag: the tag whose pictures it is most like."
    )
    gain: float = Field(
        description="How much more the picture is like those of the better tag, or of the missing "
        "one: differences of cosines, the largest first."
    )


class TagAudit(Wire):
    """Suspicious tags, the most telling first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "found": [
                        {
                            "id": "d0ed203b490efa13b89928e082c3728f",
                            "uri": "castle/07.jpg",
                            "tag": "castle",
                            "rather": "lighthouse",
                            "gain": 0.31,
                        }
                    ],
                    "tags": 100,
                    "images": 2500,
                }
            ]
        }
    )

    found: list[AuditedTag] = Field(description="Suspicious tags, the most telling first.")
    tags: int = Field(description="Number of tags that were compared.")
    images: int = Field(description="Number of images that were looked at.")
