"""Names under which the files of images are stored."""

import hashlib

from services.indexer.catalog.locations import Place


def keys(image_id: str) -> tuple[str, str]:
    """Return the names of an image's upload and thumbnail."""
    return upload(image_id), thumbnail(image_id)


def upload(image_id: str) -> str:
    """Return the name of an image's upload."""
    return f"uploads/{_safe(image_id)}"


def thumbnail(image_id: str) -> str:
    """Return the name of an image's thumbnail."""
    return f"thumbnails/{_safe(image_id)}.jpg"


def is_upload(image_id: str, place: Place) -> bool:
    """Return whether the place is that of the image's upload."""
    return place.path.endswith(f"/{upload(image_id)}")


def _safe(image_id: str) -> str:
    # An id may be any text. Its hash is a safe name, and spreads files over sub-folders.
    safe = hashlib.sha256(image_id.encode()).hexdigest()
    return f"{safe[:2]}/{safe}"
