"""Uploaded query pictures, stored for a while under an id that can't be guessed.

So a search by a picture has an address without the picture in it. They are stored in the memory of
this process, because they aren't needed after the search.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cachetools import TTLCache

from shared.core.errors import NotFound, TooLarge


@dataclass(frozen=True)
class Upload:
    """A picture, and when it goes, in seconds since 1970."""

    data: bytes
    expires: float

    @property
    def expires_at(self) -> str:
        return datetime.fromtimestamp(self.expires, UTC).isoformat(timespec="seconds")


class Uploads:
    """Holds `max_bytes` in all, each picture for `seconds`; for a new one the oldest go."""

    def __init__(
        self, max_bytes: int, seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clock = clock
        self._kept: TTLCache[str, Upload] = TTLCache(
            max_bytes, seconds, timer=clock, getsizeof=lambda upload: len(upload.data)
        )

    def keep(self, data: bytes) -> tuple[str, Upload]:
        """Store a picture; return its id. Raises TooLarge."""
        if len(data) > self._max_bytes:
            raise TooLarge(
                f"The file is over the {self._max_bytes / 2**20:g} MiB that are kept of uploads "
                "(ISE_UPLOADS_BYTES)."
            )
        upload_id = secrets.token_urlsafe(24)
        upload = Upload(data, self._clock() + self._seconds)
        self._kept[upload_id] = upload
        return upload_id, upload

    def data(self, upload_id: str) -> bytes:
        """Return the picture. Raises NotFound if it is not stored (any more)."""
        upload = self._kept.get(upload_id)
        if upload is None:
            raise NotFound(
                "The picture of this search has expired. Choose the picture again.",
                upload=upload_id,
            )
        return upload.data
