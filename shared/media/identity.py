"""Id of an image that has none of its own."""

import hashlib


def content_id(data: bytes) -> str:
    """The same bytes are the same image: 128 bits of their SHA-256, in hex."""
    return id_of_sha256(hashlib.sha256(data).hexdigest())


def id_of_sha256(sha256: str) -> str:
    """The id of the content with this SHA-256, given in hex."""
    return sha256[:32]
