"""Multipart bodies of `POST /v1/embed/images`."""

from shared.contracts.embedder import (
    RAW_MEDIA_TYPE,
)

IMAGES = "/v1/embed/images"


RAW = {"Accept": RAW_MEDIA_TYPE}


def parts(*contents, name="files"):
    return [(name, (f"{i}.bin", data, RAW_MEDIA_TYPE)) for i, data in enumerate(contents)]
