"""Names under which the files of images are stored.

An upload's name is used once: whatever removes a file that was deleted for good, however late,
can't meet the file of the same picture that was uploaded again.
"""

import hashlib
import re
import uuid

_UPLOAD = re.compile(r"(?:.*/)?(uploads/[0-9a-f]{2}/([0-9a-f]{64})(?:-[0-9a-f]+)?)", re.DOTALL)
_TOKEN = 16


def new_upload(image_id: str) -> str:
    """Return a name for an image's upload that no file had before."""
    return f"uploads/{_safe(image_id)}-{uuid.uuid4().hex[:_TOKEN]}"


def upload_of(image_id: str, path: str) -> str | None:
    """Return the name of an image's upload that a path or URL ends in; None: it is none of its.

    Those of older versions have no token.
    """
    found = _UPLOAD.fullmatch(path)
    return found[1] if found and found[2] == _digest(image_id) else None


def thumbnail(image_id: str) -> str:
    """Return the name of an image's thumbnail."""
    return f"{THUMBNAILS}{_safe(image_id)}.jpg"


THUMBNAILS = "thumbnails/"
"""What the names of thumbnails begin with."""


def first_upload(image_id: str) -> str:
    """Return the name that older versions gave an image's upload."""
    return f"uploads/{_safe(image_id)}"


def _safe(image_id: str) -> str:
    # An id may be any text. Its hash is a safe name, and spreads files over sub-folders.
    safe = _digest(image_id)
    return f"{safe[:2]}/{safe}"


def _digest(image_id: str) -> str:
    return hashlib.sha256(image_id.encode()).hexdigest()
